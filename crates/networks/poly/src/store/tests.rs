#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::many_single_char_names,
    reason = "numbers of tests are small, or cut on purpose"
)]

use super::*;
use crate::command::Refusal;
use crate::region::Radius;
use crate::value::{BlobRef, Entry, Record, SigningKey, Value, topic_key};
use crate::wire::Carried;
use kademlia::Key;
use proptest::prelude::*;

const NOW: u64 = 1_800_000_000;

fn shelf(limits: Limits) -> Shelf<MemoryStore> {
    Shelf::new(MemoryStore::default(), limits, NOW)
}

fn blob(bytes: &[u8], lifetime_s: u32) -> Carried<'_> {
    Value::Blob(BlobRef { bytes, lifetime_s }).into()
}

fn put(shelf: &mut Shelf<MemoryStore>, bytes: &[u8], source: u64) -> Result<Placed, Refusal> {
    shelf.put(NOW, &blob(bytes, 3600), Some(source), None)
}

#[test]
fn heads_come_back() {
    let head = Head {
        kind: Kind::Entry,
        expires: 1,
        version: Version { seq: u64::MAX, body: 3, expires: 4 },
        length: 5,
        origin: 6,
        cached: true,
    };
    assert_eq!(Head::from_bytes(&head.to_bytes()), Some(head));
    assert_eq!(Head::from_bytes(&[9; Head::BYTES]), None);
}

#[test]
fn quotas_hold_and_expiry_frees() {
    let limits = Limits { bytes: 100_000, source_bytes: 10_000, ..Limits::default() };
    let mut shelf = shelf(limits);
    assert_eq!(put(&mut shelf, &[1; 8000], 1), Ok(Placed::Stored));
    assert_eq!(put(&mut shelf, &[1; 8000], 1), Ok(Placed::Known));
    assert_eq!(put(&mut shelf, &[2; 8000], 1), Err(Refusal::Quota(10_000)));
    for source in 2..12 {
        assert_eq!(put(&mut shelf, &[source as u8; 8000], source), Ok(Placed::Stored));
    }
    assert_eq!(put(&mut shelf, &[99; 8500], 99), Ok(Placed::Stored));
    assert_eq!(put(&mut shelf, &[100; 9000], 100), Err(Refusal::Full), "nothing gives way");
    shelf.check_invariants().unwrap();
    shelf.expire(NOW + 3601, 1000);
    assert_eq!(shelf.usage(), ShelfUsage::default());
    assert_eq!(shelf.store().values.len(), 0);
}

#[test]
fn copies_give_way_to_what_counts() {
    let mut shelf = shelf(Limits { bytes: 50_000, source_bytes: 50_000, ..Limits::default() });
    for n in 0..10 {
        shelf.cache(NOW, &blob(&[n; 4000], 3600), 60);
    }
    assert!(shelf.usage().cached >= 5);
    for n in 100..110 {
        assert_eq!(put(&mut shelf, &[n; 4000], 1), Ok(Placed::Stored));
        shelf.check_invariants().unwrap();
    }
    assert!(shelf.usage().cached < 3);
    // A copy becomes a replica when it is put.
    let mut shelf = self::shelf(Limits::default());
    assert!(shelf.cache(NOW, &blob(b"x", 3600), 60));
    assert_eq!(put(&mut shelf, b"x", 1), Ok(Placed::Stored));
    assert_eq!(shelf.usage().cached, 0);
    assert_eq!(shelf.next_expiry(), Some(NOW + 3600));
}

#[test]
fn a_full_topic_gives_each_source_its_turn() {
    let topic = topic_key(b"t");
    let limits = Limits { topic_entries: 50, ..Limits::default() };
    let mut shelf = shelf(limits);
    let entry = |author: u8, slot: u16| {
        let key = SigningKey::from_bytes(&[author; 32]);
        Entry::sign(&key, topic, slot, 1, NOW + 3600, Some(b"x"))
    };
    // One source pollutes under many names.
    for author in 0..60 {
        let entry = entry(author, 0);
        let placed = shelf.put(NOW, &Value::Entry(entry.borrow()).into(), Some(7), None);
        assert_eq!(placed.is_ok(), author < 50);
    }
    let honest = entry(200, 0);
    let placed = shelf.put(NOW, &Value::Entry(honest.borrow()).into(), Some(8), None);
    assert_eq!(placed, Ok(Placed::Stored));
    let first = shelf.entries(NOW, &topic, false);
    let places = first.iter().position(|mark| *mark == honest.borrow().slot().mark());
    assert!(places.unwrap() < 2, "the honest one is told among the first");
    for slot in 0..64 {
        let placed = shelf.put(NOW, &Value::Entry(entry(201, slot).borrow()).into(), Some(9), None);
        if slot > 25 {
            assert!(placed.is_err(), "{slot}");
            break;
        }
    }
    shelf.check_invariants().unwrap();
}

#[test]
fn what_was_stored_is_known_after_a_restart() {
    let mut shelf = shelf(Limits::default());
    let key = SigningKey::from_bytes(&[3; 32]);
    let record = Record::sign(&key, b"", 4, NOW + 3600, Some(b"v"));
    shelf.put(NOW, &Value::Record(record.borrow()).into(), Some(5), None).unwrap();
    put(&mut shelf, b"blob", 5).unwrap();
    let again = Shelf::new(shelf.store().clone(), Limits::default(), NOW + 10);
    again.check_invariants().unwrap();
    assert_eq!(again.usage(), shelf.usage());
    let slot = Slot::of(record.key());
    let back = again.get(NOW, &slot, |carried, _| carried.value == Value::Record(record.borrow()));
    assert_eq!(back, Some(true));
    assert_eq!(Shelf::new(shelf.store().clone(), Limits::default(), NOW + 4000).usage().values, 0);
}

proptest! {
    /// Two shelves that exchange what comparing finds hold the same in the end.
    #[test]
    fn comparing_finds_what_differs(
        common in 0..200u32,
        left in prop::collection::vec(any::<u32>(), 0..60),
        right in prop::collection::vec(any::<u32>(), 0..60),
    ) {
        let (us, them) = (Key::ZERO, Key::new([1; 32]));
        let both = Both { us, them, radius: Radius::ALL };
        let fill = |more: &[u32]| {
            let mut shelf = shelf(Limits::default());
            for n in (0..common).chain(more.iter().copied()) {
                put(&mut shelf, &n.to_be_bytes(), 1).unwrap();
            }
            shelf
        };
        let (left, right) = (fill(&left), fill(&right));
        let mut todo = vec![(0u8, 0u64)];
        let (mut lacking, mut asked) = (Vec::new(), 0);
        while let Some((depth, prefix)) = todo.pop() {
            asked += 1;
            let ours = left.range(NOW, &both, depth, prefix);
            let sum = ours.iter().fold(0u64, |sum, (_, print)| sum.wrapping_add(*print));
            match right.compare(NOW, &both, depth, prefix, sum) {
                Compared::Equal => {}
                Compared::Listed(theirs) => {
                    lacking.extend(theirs.into_iter().filter(|item| !ours.contains(item)));
                }
                Compared::Parts(parts) => {
                    let parts = (0u64..).zip(parts);
                    todo.extend(parts.filter(|(part, sum)| {
                        let of_part = left.range(NOW, &both, depth + 1, prefix << 6 | part);
                        of_part.iter().fold(0u64, |sum, (_, p)| sum.wrapping_add(*p)) != *sum
                    }).map(|(part, _)| (depth + 1, prefix << 6 | part)));
                }
            }
        }
        let all = right.range(NOW, &both, 0, 0);
        let ours = left.range(NOW, &both, 0, 0);
        let mut expected: Vec<_> = all.into_iter().filter(|item| !ours.contains(item)).collect();
        lacking.sort_unstable();
        expected.sort_unstable();
        prop_assert_eq!(lacking, expected);
        prop_assert!(asked <= 130);
    }

    /// Whatever is put, the books balance.
    #[test]
    fn books_balance(
        puts in prop::collection::vec((0..30u8, 0..4u64, 1..200u32, 0..3000usize), 0..80),
    ) {
        let limits = Limits { bytes: 60_000, source_bytes: 20_000, ..Limits::default() };
        let mut shelf = shelf(limits);
        let mut now = NOW;
        for (n, source, life, length) in puts {
            let bytes = vec![n; length];
            let carried = blob(&bytes, life);
            if n % 5 == 0 {
                shelf.cache(now, &carried, 50);
            } else {
                let _ = shelf.put(now, &carried, Some(source), None);
            }
            now += 3;
            shelf.expire(now, 3);
            prop_assert_eq!(shelf.check_invariants(), Ok(()));
        }
    }
}

/// A shelf of all kinds, over values of whom it is told nothing but what is in the store.
#[test]
fn a_shelf_is_after_a_restart_what_it_was() {
    let mut first = shelf(Limits::default());
    let names: Vec<[u8; 4]> = (0..200u32).map(u32::to_be_bytes).collect();
    for (at, name) in (0u8..).zip(&names) {
        let key = SigningKey::from_bytes(&[at % 5; 32]);
        let source = Some(u64::from(at) % 7).filter(|source| *source != 0);
        let record =
            Record::sign(&key, name, u64::from(at), NOW + 4000 + u64::from(at), Some(b"r"));
        first.put(NOW, &Value::Record(record.borrow()).into(), source, None).unwrap();
        let topic = topic_key(&[at % 9]);
        let entry = Entry::sign(&key, topic, u16::from(at), 1, NOW + 5000, Some(b"e"));
        first.put(NOW, &Value::Entry(entry.borrow()).into(), source, None).unwrap();
        first.put(NOW, &blob(name, 3600 + u32::from(at)), source, None).unwrap();
        let copy = [&name[..], b"copy"].concat();
        assert!(first.cache(NOW, &blob(&copy, 3600), 600));
    }
    first.check_invariants().unwrap();
    let again = Shelf::new(first.store().clone(), Limits::default(), NOW + 1);
    again.check_invariants().unwrap();
    assert_eq!(again.usage(), first.usage());
    assert_eq!(again.next_expiry(), first.next_expiry());
    for topic in 0..9u8 {
        let topic = topic_key(&[topic]);
        let (mut ours, mut theirs) =
            (again.entries(NOW, &topic, true), first.entries(NOW, &topic, true));
        ours.sort_unstable();
        theirs.sort_unstable();
        assert_eq!(ours, theirs);
    }
    let key = SigningKey::from_bytes(&[1; 32]);
    let all = Both { us: Key::new([0; 32]), them: Key::new([0; 32]), radius: Radius::ALL };
    assert_eq!(again.range(NOW, &all, 0, 0), first.range(NOW, &all, 0, 0));
    // What an author has is known: of records the store's bytes alone tell whose they are.
    let limits = Limits { author_bytes: 40 * (OVERHEAD_BYTES + 200), ..Limits::default() };
    let mut tight = Shelf::new(first.store().clone(), limits, NOW + 1);
    let record = Record::sign(&key, b"one more", 1, NOW + 4000, Some(b"r"));
    let refused = tight.put(NOW, &Value::Record(record.borrow()).into(), None, None);
    assert_eq!(refused, Err(Refusal::Quota(limits.author_bytes)));
}
