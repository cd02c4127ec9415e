//! What stored entries cost in memory, all in, as the allocator sees it.

use counting::{allocations, held_bytes};
use kademlia::store::{Limits, MemoryStore, Put, Store, WhenFull};
use kademlia::{Key, Moment};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

const COUNT: u32 = 100_000;

const LIMITS: Limits = Limits {
    entries: usize::MAX,
    bytes: usize::MAX,
    source_bytes: u32::MAX,
    value_bytes: 1000,
    when_full: WhenFull::FairShare,
};

/// Bytes an entry, when `COUNT` entries are stored by as many sources as `source` makes of them,
/// and allocations made by reading them all.
fn measure(count: u32, value: &[u8], source: impl Fn(u32) -> u64) -> (usize, usize) {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut store = MemoryStore::<20>::new(LIMITS, &mut rng);
    let before = held_bytes();
    let keys: Vec<_> = (0..count).map(|_| Key::random(160, &mut rng)).collect();
    let with_keys = held_bytes();
    let expires = Moment::from_micros(7_200_000_000);
    for (key, number) in keys.iter().zip(0..) {
        let put = Put { value, expires, source: Some(source(number)) };
        store.put(Moment::START, key, put).unwrap();
    }
    let each = (held_bytes() - with_keys) / count as usize;
    let made = allocations();
    for key in &keys {
        assert_eq!(store.get(Moment::START, key).unwrap().value, value);
    }
    let read = allocations() - made;
    drop((store, keys));
    assert_eq!(held_bytes(), before);
    (each, read)
}

#[test]
fn entries_are_small_and_reading_allocates_nothing() {
    for (name, value, source, limit) in [
        ("105 bytes, a source each", 105, 1, 170),
        ("105 bytes, 1000 sources", 105, 100, 160),
        ("an IPv4 peer of 10 bytes, a source each", 10, 1, 75),
    ] {
        let (each, read) = measure(COUNT, &vec![7; value], |number| u64::from(number / source));
        println!("{name}: {each} bytes an entry");
        assert!(each <= limit, "{name}: {each}");
        assert_eq!(read, 0, "{name}");
    }
}

/// The worst moment: index and accounting have just doubled.
#[test]
fn just_after_doubling() {
    let (each, _) = measure(114_700, &[7; 105], u64::from);
    println!("105 bytes just after doubling: {each}");
    assert!(each <= 190, "{each}");
}

/// Simulations have a million nodes, most of which store little.
#[test]
fn a_small_store_is_small() {
    let (each, _) = measure(10, &[7; 105], u64::from);
    assert!(each <= 400, "{each}");
}
