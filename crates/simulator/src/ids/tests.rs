use super::*;
use std::collections::BTreeSet;

fn ids(count: u32) -> Ids {
    Ids::new(3, count, |_, draw| {
        let mut id = [0; ID_BYTES];
        rand_core::Rng::fill_bytes(draw, &mut id);
        id
    })
}

#[test]
fn addresses_lead_back() {
    let mut ids = ids(5000);
    for place in 0..5000 {
        assert_eq!(ids.place(ids.address(place).into()), Some(place));
    }
    let address = "203.0.113.5:7000".parse().unwrap();
    let place = ids.add_at(address, [7; 20]);
    assert_eq!((ids.address(place), ids.place(address.into())), (address, Some(place)));
    let joined = ids.add(|_, _| [9; 20]);
    assert_eq!(ids.place(ids.address(joined).into()), Some(joined));
    assert_eq!(ids.place("198.51.100.1:6881".parse().unwrap()), None);
}

#[test]
fn the_closest_are_those_that_sorting_finds() {
    let ids = ids(3000);
    for target in [[0; 20], [0xff; 20], [0x5a; 20], ids.id(17)] {
        let key = Key::from(target);
        let mut all: Vec<Place> = (0..3000).filter(|place| place % 3 != 0).collect();
        all.sort_by_key(|place| key.distance(&ids.key(*place)));
        all.truncate(20);
        assert_eq!(ids.closest(&target, 20, |place| place % 3 != 0), all);
    }
}

#[test]
fn tables_hold_the_right_contacts() {
    let ids = ids(4000);
    for place in (0..4000).step_by(371) {
        let mut buckets = vec![BTreeSet::new(); 160];
        ids.table(place, 16, |other| {
            let bucket = ids.key(place).shared_prefix(&ids.key(other)) as usize;
            assert!(buckets[bucket].insert(other), "drawn twice");
        });
        for (bucket, members) in buckets.iter().enumerate() {
            let range = (0..4000).filter(|other| {
                *other != place && ids.key(place).shared_prefix(&ids.key(*other)) as usize == bucket
            });
            assert_eq!(members.len(), range.count().min(16), "bucket {bucket}");
        }
    }
}

#[test]
fn nobody_knows_the_unlisted() {
    let mut ids = ids(4000);
    ids.set_unlisted(|place| place % 3 == 0);
    let mut count = 0;
    ids.table(5, 8, |other| {
        assert_ne!(other % 3, 0);
        count += 1;
    });
    assert!(count > 60, "{count} contacts");
}

#[test]
fn stale_entries_are_as_many_as_asked() {
    let mut ids = ids(4000);
    ids.set_absent(0.5, 0.2);
    let (mut stale, mut all) = (0.0, 0.0);
    for place in (0..4000).step_by(37) {
        ids.table(place, 8, |other| {
            all += 1.0;
            stale += f64::from(u8::from(!ids.was_present(other)));
        });
    }
    let share = stale / all;
    assert!((share - 0.2_f64).abs() < 0.03, "{share}");
}
