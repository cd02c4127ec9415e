#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::many_single_char_names,
    reason = "numbers of tests are small, or cut on purpose"
)]

use super::*;
use core::net::SocketAddr;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

const QUARTER: Duration = Duration::from_mins(15);

fn contact(key: Key, n: u16) -> Contact<Endpoint> {
    let address: SocketAddr = ([10, 0, (n >> 8) as u8, n as u8], 6000).into();
    Contact { key, address: Endpoint::new(address) }
}

#[test]
fn the_closest_are_the_closest() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let now = Moment::from_micros(5_000_000);
    for count in [1u16, 3, 20, 50, 1000] {
        let mut known = Known::new(Key::ZERO, 10_000, QUARTER);
        let keys: Vec<Key> = (0..count).map(|_| Key::random(256, &mut rng)).collect();
        for (n, key) in (0..).zip(&keys) {
            known.heard(now, contact(*key, n), None);
        }
        for wanted in [1, 8, 24] {
            for _ in 0..20 {
                let target = Key::random(256, &mut rng);
                let mut expected = keys.clone();
                expected.sort_by_key(|key| target.distance(key));
                expected.truncate(wanted);
                let found = known.closest(&target, wanted);
                let found: Vec<_> = found.into_iter().map(|contact| contact.key).collect();
                assert_eq!(found, expected);
            }
        }
    }
}

#[test]
fn a_crowd_is_no_burden() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let now = Moment::from_micros(5_000_000);
    let mut known = Known::new(Key::ZERO, 10_000, QUARTER);
    let target = Key::random(256, &mut rng);
    for n in 0..1000 {
        let key = if n % 2 == 0 {
            target.random_in_bucket(40, 256, &mut rng)
        } else {
            Key::random(256, &mut rng)
        };
        known.heard(now, contact(key, n), None);
    }
    let found = known.closest(&target, 8);
    assert!(found.iter().all(|contact| contact.key.shared_prefix(&target) == 40));
}

#[test]
fn who_is_silent_is_not_handed_on_and_gives_way() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let at = |s: u64| Moment::from_micros(s * 1_000_000);
    let mut known = Known::new(Key::ZERO, 8, QUARTER);
    let old = contact(Key::random(256, &mut rng), 1);
    known.heard(at(1), old, None);
    known.heard(at(3600), old, None);
    let young = contact(Key::random(256, &mut rng), 2);
    known.heard(at(3600), young, None);
    let hearsay = contact(Key::random(256, &mut rng), 3);
    known.named(at(3600), hearsay);
    let fresh = |known: &Known, s| known.fresh(at(s), &Key::ZERO, 8).len();
    assert_eq!(fresh(&known, 3600), 2, "hearsay is not handed on");
    assert_eq!(fresh(&known, 3600 + 600), 1, "the old one is trusted for longer");
    assert_eq!(fresh(&known, 3600 + 1800), 0);
    known.failed(&hearsay);
    assert_eq!(known.len(), 2);
    known.failed(&old);
    assert_eq!(known.closest(&Key::ZERO, 8).len(), 1);
    for n in 4..20 {
        known.heard(at(4000), contact(Key::random(256, &mut rng), n), None);
    }
    assert_eq!(known.len(), 8);
    assert!(known.get(&old.key).is_none(), "who failed gives way first");
}

#[test]
fn who_only_asks_is_hearsay() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let at = |s: u64| Moment::from_micros(s * 1_000_000);
    let mut known = Known::new(Key::ZERO, 8, QUARTER);
    let (one, other) = (contact(Key::random(256, &mut rng), 1), contact(Key::ZERO, 2));
    known.asked(at(1), one);
    assert_eq!(known.fresh(at(1), &Key::ZERO, 8), [one], "while nobody else is known");
    assert_eq!(known.fresh(at(9), &Key::ZERO, 8), [], "it may be anywhere");
    assert_eq!(known.closest(&Key::ZERO, 8), [one], "yet it may be tried");
    known.heard(at(2), one, None);
    // Somebody bears another's address.
    known.asked(at(3), Contact { key: one.key, ..other });
    assert_eq!(known.fresh(at(3), &Key::ZERO, 8), [one]);
    known.asked(at(100), one);
    assert_eq!(known.fresh(at(160), &Key::ZERO, 8), [one], "and shows that it is still there");
    let third = contact(Key::ZERO, 3);
    known.asked(at(160), third);
    assert_eq!(known.fresh(at(160), &Key::ZERO, 1), [one], "who answered is enough");
}

#[test]
fn who_is_spoken_of_no_more_is_forgotten() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let at = |s: u64| Moment::from_micros(s * 1_000_000);
    let mut known = Known::new(Key::ZERO, 10_000, QUARTER);
    let mut all = Vec::new();
    for n in 0..300 {
        let contact = contact(Key::random(256, &mut rng), n);
        known.heard(at(1), contact, None);
        all.push(contact);
    }
    let (old, spoken_of) = (all[0], all[1]);
    known.heard(at(8 * 3600), old, None);
    known.named(at(4 * 3600), spoken_of);
    for n in 300..3000 {
        known.heard(at(6 * 3600), contact(Key::random(256, &mut rng), n), None);
    }
    assert!(known.get(&old.key).is_some(), "it was there for long");
    assert!(known.get(&spoken_of.key).is_some(), "others still know it");
    let left = all.iter().filter(|contact| known.get(&contact.key).is_some()).count();
    assert!(left < 10, "{left} are left");
}

#[test]
fn regression_neighbours_in_a_large_network_are_all_kept() {
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let now = Moment::from_micros(5_000_000);
    let me = Key::random(256, &mut rng);
    let mut known = Known::new(me, 65_536, QUARTER);
    // As the table of a node among ten million has them, 28 to a bucket.
    let contacts: Vec<_> = (0..19u32)
        .flat_map(|bucket| (0..28).map(move |_| bucket))
        .map(|bucket| me.random_in_bucket(bucket, 256, &mut rng))
        .zip(0..)
        .map(|(key, n)| contact(key, n))
        .collect();
    for contact in &contacts {
        known.heard(now, *contact, None);
    }
    assert_eq!(known.len(), contacts.len());
    let near = known.fresh(now, &me, 24);
    assert!(near.iter().all(|contact| me.shared_prefix(&contact.key) == 18));
}

#[test]
fn ids_that_begin_alike_do_not_fill_the_memory() {
    let mut rng = ChaCha8Rng::seed_from_u64(10);
    let now = Moment::from_micros(5_000_000);
    let (me, victim) = (Key::random(256, &mut rng), Key::random(256, &mut rng));
    let mut known = Known::new(me, 65_536, QUARTER);
    for n in 0..20_000u16 {
        let alike = if n % 2 == 0 { me } else { victim };
        known.named(now, contact(alike.random_in_bucket(20, 256, &mut rng), n));
    }
    assert!(known.len() < 2000, "{} are known", known.len());
}

#[test]
fn who_was_lost_may_have_been_there_all_the_time() {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let at = |s: u64| Moment::from_micros(s * 1_000_000);
    let mut known = Known::new(Key::ZERO, 100, QUARTER);
    let contacts: Vec<_> = (0..3).map(|n| contact(Key::random(256, &mut rng), n)).collect();
    for contact in &contacts {
        assert!(known.heard(at(1), *contact, None), "for the first time");
        assert!(!known.heard(at(600), *contact, None));
        assert!(known.failed(contact), "once is chance");
        assert!(!known.has_lost(&contact.key));
        assert!(!known.failed(contact), "twice is an end");
        assert!(known.has_lost(&contact.key));
    }
    assert_eq!(known.len(), 0);
    let (stayed, restarted) = (&contacts[0].key, &contacts[1].key);
    assert!(known.found(at(4200), stayed, Duration::from_hours(1)), "up since 600 s");
    assert!(!known.found(at(4200), restarted, Duration::from_mins(59)), "up since 660 s");
    assert!(!known.has_lost(stayed) && !known.has_lost(restarted));
    assert!(!known.found(at(4200), stayed, Duration::from_hours(1)), "it is lost no more");
    assert_eq!(known.lost_within(&Key::ZERO, Radius::ALL), contacts[2..]);
    assert_eq!(known.lost_within(&Key::ZERO, Radius::new(1)), []);
    assert_eq!(known.next_lost(&Key::ZERO), Some(contacts[2]));
}

#[test]
fn who_has_been_silent_for_long_is_told_from_others() {
    let mut rng = ChaCha8Rng::seed_from_u64(12);
    let at = |s: u64| Moment::from_micros(s * 1_000_000);
    let mut known = Known::new(Key::ZERO, 100, QUARTER);
    let [old, lately, hearsay] = [1, 2, 3].map(|n| contact(Key::random(256, &mut rng), n));
    known.heard(at(1), old, None);
    known.heard(at(700), lately, None);
    known.named(at(700), hearsay);
    let mut silent = known.silent_around(&Key::ZERO, 8, at(900), Duration::from_mins(10));
    silent.sort_by_key(|contact| contact.key != old.key);
    assert_eq!(silent, [old, hearsay]);
}
