//! What the stores cost in memory, all in, as the allocator sees it.

use std::net::{Ipv4Addr, SocketAddr};

use counting::{allocations, held_bytes};
use kademlia::{Key, Moment};
use mainline::item::immutable_target;
use mainline::store::{ItemStore, PeerStore, StoreSettings};
use mainline::wire::Id;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

const COUNT: u32 = 100_000;
const NOW: Moment = Moment::from_micros(1_000_000_000);

/// A host in a subnet of its own, as is worst for the accounting.
fn host(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(0x0b00_0001 + (number << 8))
}

#[test]
fn a_torrent_with_one_peer() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let torrents: Vec<_> = (0..COUNT).map(|_| Id::new(Key::random(160, &mut rng).id())).collect();
    let before = held_bytes();
    let mut store = PeerStore::new(StoreSettings::default(), &mut rng);
    for (torrent, number) in torrents.iter().zip(0..) {
        store.announce(NOW, torrent, SocketAddr::from((host(number), 6881)), false).unwrap();
    }
    let each = (held_bytes() - before) / COUNT as usize;
    println!("a torrent with one IPv4 peer: {each} bytes");
    assert!(each <= 75, "{each}");
    assert!(store.usage().bytes >= each * COUNT as usize, "counted: {:?}", store.usage());

    let mut out = Vec::with_capacity(1000);
    let before = allocations();
    for torrent in &torrents {
        out.clear();
        store.write_peers(NOW, torrent, false, false, 50, &mut rng, &mut out);
        assert_eq!((out.len(), store.peers_of(NOW, torrent).count()), (8, 1));
    }
    out.clear();
    store.write_sample(20, &mut rng, &mut out);
    assert_eq!((out.len(), allocations()), (400, before));
}

#[test]
fn an_item_of_105_bytes() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let values = (0..COUNT).map(|number| {
        let mut value = b"101:".to_vec();
        value.resize(101, b'x');
        value.extend_from_slice(&number.to_be_bytes());
        value
    });
    let values: Vec<_> = values.map(|value| (immutable_target(&value), value)).collect();
    let settings = StoreSettings { item_bytes: 1 << 30, ..StoreSettings::default() };
    let before = held_bytes();
    let mut store = ItemStore::new(settings, &mut rng);
    for ((target, value), number) in values.iter().zip(0..) {
        assert_eq!(value.len(), 105);
        store.put_immutable(NOW, target, value, host(number).into()).unwrap();
    }
    let each = (held_bytes() - before) / COUNT as usize;
    println!("an immutable item of 105 bytes: {each} bytes");
    assert!(each <= 165, "{each}");

    let before = allocations();
    assert!(values.iter().all(|(target, _)| store.get(NOW, target).is_some()));
    assert_eq!(allocations(), before);
}
