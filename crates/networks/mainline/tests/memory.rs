//! What the stores cost in memory, all in, as the allocator sees it.
//!
//! A test binary of its own, because it brings the allocator.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddr};

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

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
    static MADE: Cell<usize> = const { Cell::new(0) };
}

/// Bytes of the heap that this thread has taken and not given back; wraps where threads give back
/// each other's.
fn held_bytes() -> usize {
    HELD.get()
}

/// Allocations that this thread has made.
fn allocations() -> usize {
    MADE.get()
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// glibc's `malloc` keeps 8 bytes a chunk and rounds up to 16, with 24 usable at least.
fn chunk(bytes: usize) -> usize {
    (bytes + 8).next_multiple_of(16).max(32)
}

#[expect(unsafe_code, reason = "an allocator can't be counted otherwise")]
// SAFETY: every call is handed on unchanged to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.set(HELD.get().wrapping_add(chunk(layout.size())));
        MADE.set(MADE.get() + 1);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.set(HELD.get().wrapping_sub(chunk(layout.size())));
        unsafe { System.dealloc(pointer, layout) }
    }
}
