use super::slots::SLOT_V4;
use super::*;
use crate::wire::compact::read_address;
use core::net::{Ipv4Addr, Ipv6Addr};
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use std::collections::{BTreeMap, BTreeSet};

fn store_with(settings: StoreSettings) -> PeerStore {
    PeerStore::new(settings, &mut ChaCha8Rng::seed_from_u64(1))
}

fn store() -> PeerStore {
    store_with(StoreSettings::default())
}

fn rng() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(2)
}

fn at(seconds: u64) -> Moment {
    Moment::from_micros(seconds * 1_000_000)
}

fn torrent(number: u32) -> Id {
    let mut bytes = [7; 20];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    Id::new(bytes)
}

/// A host in a subnet of its own.
fn peer(number: u32) -> SocketAddr {
    (Ipv4Addr::from_bits(0x0b00_0001 + (number << 8)), 6881).into()
}

fn peer_v6(number: u32) -> SocketAddr {
    (Ipv6Addr::from_bits(0x2001 << 112 | u128::from(number) << 80 | 1), 6881).into()
}

/// What a query gets, decoded.
fn peers(store: &PeerStore, seconds: u64, v6: bool, noseed: bool, limit: usize) -> Vec<SocketAddr> {
    let mut out = Vec::new();
    store.write_peers(at(seconds), &torrent(1), v6, noseed, limit, &mut rng(), &mut out);
    let size = if v6 { 21 } else { 8 };
    let entries = out.chunks(size).map(|entry| {
        let (head, address) = entry.split_at(size - if v6 { 18 } else { 6 });
        assert_eq!(head, if v6 { b"18:".as_slice() } else { b"6:" });
        read_address(address).unwrap()
    });
    entries.collect()
}

impl PeerStore {
    /// That the accounts agree with what is there.
    fn check(&self) {
        let mut sites = BTreeMap::<u64, u32>::new();
        for record in self.arena.iter() {
            let (v4, v6) = counts(record.tag);
            assert_eq!(record.value.len(), v4 * SLOT_V4 + v6 * SLOT_V6);
            let taken: Vec<_> = all_slots(record).filter(|slot| slot.due > 0).collect();
            assert!(!taken.is_empty());
            let addresses: BTreeSet<_> = taken.iter().map(|slot| slot.address).collect();
            assert_eq!(addresses.len(), taken.len());
            for slot in taken {
                assert!(record.due <= slot.due);
                *sites.entry(site_of(slot.address)).or_default() += 1;
            }
        }
        assert_eq!(self.peers, sites.values().map(|count| *count as usize).sum::<usize>());
        assert_eq!(self.sites.len(), sites.len());
        for (site, count) in sites {
            assert_eq!(self.sites.usage(self.sites.id(site)), count);
        }
        assert!(self.bytes() <= self.settings.peer_bytes);
    }
}

#[test]
fn families_and_seeds_are_told_apart() {
    let mut store = store();
    for number in 0..10 {
        store.announce(at(0), &torrent(1), peer(number), number < 3).unwrap();
        store.announce(at(0), &torrent(1), peer_v6(number), number < 6).unwrap();
    }
    for (v6, noseed, expected) in
        [(false, false, 10), (true, false, 10), (false, true, 7), (true, true, 4)]
    {
        let found = peers(&store, 1, v6, noseed, 50);
        assert_eq!(found.len(), expected);
        assert!(found.iter().all(|peer| peer.is_ipv6() == v6));
    }
    let seeds = store.peers_of(at(1), &torrent(1)).filter(|(_, seed)| *seed).count();
    assert_eq!((store.peers_of(at(1), &torrent(1)).count(), seeds), (20, 9));
    // The last word counts.
    store.announce(at(2), &torrent(1), peer(0), false).unwrap();
    assert_eq!(peers(&store, 2, false, true, 50).len(), 8);
    assert_eq!((store.len(), store.info_hashes()), (20, 1));
    store.check();
}

#[test]
fn peers_expire_alone_and_torrents_with_the_last() {
    let mut store = store();
    store.announce(at(0), &torrent(1), peer(1), false).unwrap();
    assert_eq!(store.announce(at(1000), &torrent(1), peer(2), false), Ok(at(2800)));
    store.announce(at(1000), &torrent(1), peer(1), false).unwrap();
    store.announce(at(0), &torrent(1), peer(3), false).unwrap();
    assert_eq!(peers(&store, 1799, false, false, 50).len(), 3);
    assert_eq!(peers(&store, 1800, false, false, 50).len(), 2);
    assert_eq!(store.next_expiry(), Some(at(1800)));
    store.expire(at(1800));
    assert_eq!(store.len(), 2);
    assert_eq!(store.next_expiry(), Some(at(2800)));
    store.check();
    store.expire(at(2800));
    assert!(store.is_empty() && store.peers == 0 && store.sites.is_empty());
    assert_eq!(store.next_expiry(), None);
}

#[test]
fn random_peers_are_even() {
    let mut store = store();
    for number in 0..97 {
        store.announce(at(0), &torrent(1), peer(number), false).unwrap();
    }
    let (mut counts, mut rng) = (BTreeMap::<Vec<u8>, u32>::new(), rng());
    for _ in 0..9700 {
        let mut out = Vec::new();
        store.write_peers(at(1), &torrent(1), false, false, 10, &mut rng, &mut out);
        let entries: BTreeSet<_> = out.chunks(8).collect();
        assert_eq!(entries.len(), 10);
        for entry in entries {
            *counts.entry(entry.to_vec()).or_default() += 1;
        }
    }
    assert!(counts.len() == 97 && counts.values().all(|count| (850..1150).contains(count)));
}

#[test]
fn shuffles_visit_all_once() {
    let mut rng = rng();
    for len in (0..600).chain([65_535]) {
        let visited: BTreeSet<_> = Shuffle::new(len, &mut rng).collect();
        assert_eq!((visited.len(), visited.last().copied()), (len, len.checked_sub(1)));
    }
}

#[test]
fn a_full_torrent_loses_the_one_silent_longest() {
    let mut store = store();
    for number in 0..500 {
        store.announce(at(number.into()), &torrent(1), peer(number), false).unwrap();
        store.announce(at(number.into()), &torrent(1), peer_v6(number), false).unwrap();
    }
    store.announce(at(600), &torrent(1), peer(0), false).unwrap();
    store.announce(at(601), &torrent(1), peer(9999), false).unwrap();
    let held = peers(&store, 601, false, false, 1000);
    assert_eq!(held.len(), 500);
    assert!(held.contains(&peer(0)) && held.contains(&peer(9999)) && !held.contains(&peer(1)));
    assert_eq!(peers(&store, 601, true, false, 1000).len(), 500);
    // A second one of the same site takes the place of the first.
    let neighbour = SocketAddr::from((Ipv4Addr::from_bits(0x0b00_0002 + (9999 << 8)), 1));
    store.announce(at(602), &torrent(1), neighbour, false).unwrap();
    let held = peers(&store, 602, false, false, 1000);
    assert!(held.contains(&neighbour) && !held.contains(&peer(9999)) && held.contains(&peer(2)));
    store.check();
}

#[test]
fn a_host_has_a_few_ports() {
    let mut store = store();
    for port in 1..=1000 {
        store.announce(at(port.into()), &torrent(1), (peer(1).ip(), port).into(), false).unwrap();
        store
            .announce(at(port.into()), &torrent(1), (peer_v6(1).ip(), port).into(), false)
            .unwrap();
        let local = SocketAddr::from(([127, 0, 0, 1], port));
        store.announce(at(port.into()), &torrent(2), local, false).unwrap();
    }
    assert_eq!(peers(&store, 1001, false, false, 1000).len(), PORTS_PER_HOST);
    assert_eq!(peers(&store, 1001, true, false, 1000).len(), PORTS_PER_HOST);
    assert_eq!(store.peers_of(at(1001), &torrent(2)).count(), 500);
    store.check();
}

#[test]
fn a_site_has_a_quota() {
    let mut store = store();
    let stored =
        (0..10_000).filter(|n| store.announce(at(0), &torrent(*n), peer(1), false).is_ok());
    assert_eq!(stored.count(), 4000);
    assert_eq!(store.announce(at(0), &torrent(9999), peer(1), true), Err(PeerRefused::Quota));
    assert!(store.announce(at(0), &torrent(9999), peer(2), true).is_ok());
    // When the announcements have expired, there is room again, swept or not.
    assert!(store.announce(at(1800), &torrent(9999), peer(1), true).is_ok());
    assert_eq!(store.usage().refused, 6001);
    store.check();
}

/// A hundred sites fill the store with torrents of their own: whoever comes with a few gets in, and
/// the torrents that many share stay.
#[test]
fn a_flood_does_not_keep_others_out() {
    let mut store = store_with(StoreSettings { peer_bytes: 256 << 10, ..StoreSettings::default() });
    for number in 0..100 {
        store.announce(at(0), &torrent(1), peer(number + 5000), false).unwrap();
    }
    for number in 0..8000 {
        let _ = store.announce(at(0), &torrent(1_000_000 + number), peer(number % 100), false);
    }
    store.check();
    assert!(store.usage().refused > 2000, "{:?}", store.usage());
    for number in 0..200 {
        store.announce(at(1), &torrent(2_000_000 + number), peer(10_000 + number), false).unwrap();
        store.announce(at(1), &torrent(1), peer(10_000 + number), false).unwrap();
    }
    store.check();
    assert_eq!(peers(&store, 1, false, false, 1000).len(), 300);
}

#[test]
fn samples_hold_each_torrent_once() {
    let mut store = store();
    for number in 0..1000 {
        let mut out = Vec::new();
        store.write_sample(20, &mut rng(), &mut out);
        let distinct: BTreeSet<_> = out.chunks(20).collect();
        assert_eq!(distinct.len(), 20.min(number as usize));
        store.announce(at(0), &torrent(number), peer(number), false).unwrap();
    }
    let mut out = Vec::new();
    store.write_sample(5, &mut rng(), &mut out);
    assert_eq!(out.len(), 100);
}

#[test]
fn a_torrent_that_has_shrunk_gives_back_its_room() {
    let mut store = store();
    for number in 0..400 {
        store.announce(at(0), &torrent(1), peer(number), false).unwrap();
        store.announce(at(0), &torrent(1), peer_v6(number), false).unwrap();
    }
    store.announce(at(1000), &torrent(1), peer(7), false).unwrap();
    store.announce(at(1000), &torrent(1), peer_v6(8), true).unwrap();
    store.expire(at(1800));
    store.check();
    let all: Vec<_> = store.peers_of(at(1800), &torrent(1)).collect();
    assert_eq!(all, [(peer(7), false), (peer_v6(8), true)]);
    assert!(store.bytes() < 200, "{}", store.bytes());
}

#[test]
fn comes_back_from_a_snapshot() {
    let mut store = store();
    for number in 0..1000 {
        let torrent = torrent(number % 50);
        store.announce(at(number.into()), &torrent, peer(number), number % 3 == 0).unwrap();
        store.announce(at(number.into()), &torrent, peer_v6(number), false).unwrap();
    }
    let mut again = PeerStore::new(StoreSettings::default(), &mut ChaCha8Rng::seed_from_u64(99));
    for (torrent, peer, seed, expires) in store.iter(at(2000)) {
        again.restore(&torrent, peer, seed, expires);
    }
    again.check();
    let all = |store: &PeerStore| store.iter(at(2000)).collect::<BTreeSet<_>>();
    assert_eq!(all(&store), all(&again));
    assert!(again.len() > 1000);
}

#[derive(Clone, Debug)]
enum Step {
    Announce { torrent: u32, peer: u32, v6: bool, seed: bool },
    Pass(u64),
    Expire,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0u32..6, 0u32..40, any::<bool>(), any::<bool>()).prop_map(
            |(torrent, peer, v6, seed)| Step::Announce { torrent, peer, v6, seed }
        ),
        1 => (0u64..900).prop_map(Step::Pass),
        1 => Just(Step::Expire),
    ]
}

/// Family and torrent; of each peer, when it was announced and whether as a seed.
type Model = BTreeMap<(bool, u32), BTreeMap<SocketAddr, (u64, bool)>>;

fn expire(model: &mut Model, now: u64) {
    for held in model.values_mut() {
        held.retain(|_, (at, _)| *at + 1800 > now);
    }
}

proptest! {
    #[test]
    fn agrees_with_a_map(steps in prop::collection::vec(step(), 1..200)) {
        let limit = 12;
        let settings = StoreSettings { peers_per_torrent: limit, ..StoreSettings::default() };
        let (mut store, mut model, mut now) = (store_with(settings), Model::new(), 0);
        for step in steps {
            match step {
                Step::Announce { torrent: number, peer: from, v6, seed } => {
                    // Every announcement has a second of its own, so that the oldest is one.
                    now += 1;
                    expire(&mut model, now);
                    let from = if v6 { peer_v6(from) } else { peer(from) };
                    store.announce(at(now), &torrent(number), from, seed).unwrap();
                    let held = model.entry((v6, number)).or_default();
                    held.insert(from, (now, seed));
                    if held.len() > limit.into() {
                        let oldest = *held.iter().min_by_key(|(_, (at, _))| *at).unwrap().0;
                        held.remove(&oldest);
                    }
                }
                Step::Pass(seconds) => now += seconds,
                Step::Expire => store.expire(at(now)),
            }
            store.check();
            expire(&mut model, now);
            for number in 0..6 {
                let expected: BTreeSet<_> = [false, true]
                    .into_iter()
                    .filter_map(|v6| model.get(&(v6, number)))
                    .flat_map(|held| held.iter().map(|(peer, (_, seed))| (*peer, *seed)))
                    .collect();
                let held = store.peers_of(at(now), &torrent(number)).collect();
                prop_assert_eq!(expected, held);
            }
        }
    }
}
