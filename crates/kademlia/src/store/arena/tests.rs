use super::*;
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use std::collections::{BTreeMap, BTreeSet};

type Key = [u8; 20];

fn arena() -> Arena<20> {
    Arena::new(&mut ChaCha8Rng::seed_from_u64(1))
}

fn key(number: u32) -> Key {
    let mut key = [7; 20];
    key[4..8].copy_from_slice(&number.to_be_bytes());
    key
}

fn record<'a>(key: &'a Key, value: &'a [u8]) -> Record<'a, 20> {
    Record { key, due: 100, tag: 5, value }
}

impl<const K: usize> Arena<K> {
    /// What must hold after every call.
    fn check(&self) {
        let live: usize = self.iter().map(|r| Self::record_bytes(r.value.len())).sum();
        assert_eq!(live, self.live_bytes);
        assert_eq!(live, self.pages.iter().map(|page| page.live_bytes).sum::<usize>());
        let filled: usize = self.pages.iter().map(|page| page.bytes.len()).sum();
        assert_eq!(filled, self.filled_bytes);
        assert_eq!(self.iter().count(), self.index.len());
        assert_eq!(self.len(), self.pages.iter().map(|page| page.live).sum::<usize>());
        for (place, record) in self.walk() {
            assert_eq!(self.find(record.key), Some(place));
            assert_eq!(self.get(place), Some(record));
            let page = &self.pages[place.page()];
            assert!(page.due <= record.due && self.next_due <= page.next_sweep());
        }
    }

    fn allocated(&self) -> usize {
        self.pages.iter().map(|page| page.bytes.capacity()).sum()
    }
}

#[test]
fn an_empty_arena_has_allocated_nothing() {
    let arena = arena();
    assert_eq!(arena.allocated() + arena.index.capacity() + arena.pages.capacity(), 0);
    assert!(arena.is_empty());
    assert_eq!(arena.next_due(), None);
}

#[test]
fn a_small_arena_stays_small() {
    let mut arena = arena();
    for round in 0..1000 {
        for number in 0..10 {
            if let Some(place) = arena.find(&key(number)) {
                arena.remove(place);
            }
            arena.insert(record(&key(number), &vec![1; 10 + round % 7])).unwrap();
        }
        assert!(arena.allocated() < 4096, "{}", arena.allocated());
    }
    arena.check();
}

#[test]
fn memory_follows_what_lives() {
    let mut arena = arena();
    for number in 0..50_000 {
        arena.insert(record(&key(number), &[0; 40])).unwrap();
    }
    let full = arena.live_bytes();
    assert!(arena.allocated() < full + full / 50 + PAGE_BYTES);
    // Every tenth survives, so no page empties by itself.
    for number in (0..50_000).filter(|number| number % 10 != 0) {
        arena.remove(arena.find(&key(number)).unwrap());
    }
    arena.check();
    let live = arena.live_bytes();
    assert!(arena.allocated() < live + live / 2 + 2 * PAGE_BYTES, "{}", arena.allocated());
    assert!(arena.index.capacity() < 50_000);
}

#[test]
fn sweeps_one_page_a_call_and_then_rests() {
    let mut arena = arena();
    for number in 0..10_000 {
        let due = 100 + number % 2 * 50;
        arena.insert(Record { due, ..record(&key(number), &[0; 30]) }).unwrap();
    }
    let pages = arena.pages.len();
    assert!(pages > 5);
    assert_eq!(arena.next_due(), Some(100));
    assert!(!arena.sweep(99, Sweep::Routine, |_| None));
    for page in 0..pages {
        let mut visited = 0;
        assert_eq!(arena.next_due(), Some(100), "{page}");
        assert!(arena.sweep(100, Sweep::Routine, |record| {
            visited += 1;
            assert_eq!(record.due, 100);
            None
        }));
        assert!(visited <= PAGE_BYTES / 62, "{visited}");
    }
    arena.check();
    assert_eq!(arena.len(), 5000);
    // The rest is due at 150, and looked at a minute after the first round.
    assert!(arena.next_due() >= Some(150));
    assert!(arena.sweep(151, Sweep::Pressed, |_| Some(1000)));
    while arena.sweep(300, Sweep::Routine, |_| Some(1000)) {}
    arena.check();
    assert_eq!((arena.len(), arena.next_due()), (5000, Some(1000)));
}

#[test]
fn samples_are_distinct_and_even() {
    let mut arena = arena();
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    for number in 0..3000 {
        arena.insert(record(&key(number), &vec![0; number as usize % 90])).unwrap();
    }
    let mut counts = BTreeMap::<Key, u32>::new();
    for _ in 0..3000 {
        let mut seen = BTreeSet::new();
        arena.sample::<20>(&mut rng, |record| {
            assert!(seen.insert(*record.key));
            *counts.entry(*record.key).or_default() += 1;
        });
        assert_eq!(seen.len(), 20);
    }
    // 20 each on average, a Poisson of deviation 4.5.
    assert!(counts.len() == 3000 && counts.values().all(|count| (2..=45).contains(count)));
    // Long records are as likely as short ones, on full pages and others.
    let long =
        counts.iter().filter(|(key, _)| key[7] % 2 == 0).map(|(_, count)| count).sum::<u32>();
    assert!((29_000..31_000).contains(&long), "{long}");
}

#[test]
fn few_records_are_all_sampled() {
    let mut arena = arena();
    for number in 0..20 {
        let mut seen = 0;
        arena.sample::<20>(&mut ChaCha8Rng::seed_from_u64(3), |_| seen += 1);
        assert_eq!(seen, number);
        arena.insert(record(&key(number), &[])).unwrap();
    }
}

#[derive(Clone, Debug)]
enum Step {
    Insert { key: u32, len: usize, lifetime: u32 },
    Remove(u32),
    Resize(u32, usize),
    Touch(u32, u32),
    Pass(u32),
    Sweep(Sweep),
}

fn step() -> impl Strategy<Value = Step> {
    let len = || prop_oneof![8 => 0usize..300, 1 => 0usize..9000, 1 => 16_000usize..70_000];
    prop_oneof![
        6 => (0u32..60, len(), 1u32..200)
            .prop_map(|(key, len, lifetime)| Step::Insert { key, len, lifetime }),
        2 => (0u32..60).prop_map(Step::Remove),
        2 => (0u32..60, len()).prop_map(|(key, len)| Step::Resize(key, len)),
        2 => (0u32..60, 1u32..300).prop_map(|(key, lifetime)| Step::Touch(key, lifetime)),
        1 => (0u32..40).prop_map(Step::Pass),
        1 => prop::sample::select(vec![Step::Sweep(Sweep::Routine), Step::Sweep(Sweep::Pressed)]),
    ]
}

/// Due time, tag, content.
type Model = BTreeMap<Key, (u32, u32, Vec<u8>)>;

fn run(steps: Vec<Step>) {
    let (mut arena, mut model, mut now) = (arena(), Model::new(), 0);
    for (count, step) in (0u32..).zip(steps) {
        match step {
            Step::Insert { key: number, len, lifetime } => {
                let (key, value) = (key(number), vec![count.to_le_bytes()[0]; len]);
                if let Some(place) = arena.find(&key) {
                    arena.remove(place);
                }
                let (due, value_ref) = (now + lifetime, value.as_slice());
                let record = Record { key: &key, due, tag: count, value: value_ref };
                let place = arena.insert(record).unwrap();
                assert_eq!(arena.get(place).unwrap().value, value);
                model.insert(key, (due, count, value));
            }
            Step::Remove(number) => {
                let found = arena.find(&key(number));
                assert_eq!(found.is_some(), model.remove(&key(number)).is_some());
                if let Some(place) = found {
                    arena.remove(place);
                }
            }
            Step::Resize(number, len) => {
                let place = arena.resize(&key(number), len);
                if let Some((_, _, value)) = model.get_mut(&key(number)) {
                    value.resize(len, 0);
                    assert_eq!(arena.get(place.unwrap()).unwrap().value, value.as_slice());
                } else {
                    assert_eq!(place, None);
                }
            }
            Step::Touch(number, lifetime) => {
                if let Some(place) = arena.find(&key(number)) {
                    let (due, tag, value) = model.get_mut(&key(number)).unwrap();
                    (*due, *tag) = (now + lifetime, count);
                    value.fill(9);
                    arena.set_due(place, now + lifetime);
                    arena.set_tag(place, count);
                    arena.value_mut(place).unwrap().fill(9);
                }
            }
            Step::Pass(seconds) => now += seconds,
            Step::Sweep(why) => {
                // Odd tags get another minute, even ones go.
                let mut visited = BTreeSet::new();
                arena.sweep(now, why, |record| {
                    assert!(visited.insert(*record.key));
                    (record.tag % 2 == 1).then_some(now + 60)
                });
                for key in visited {
                    let (due, tag, _) = model.get_mut(&key).unwrap();
                    assert!(*due <= now);
                    *due = now + 60;
                    if *tag % 2 == 0 {
                        model.remove(&key);
                    }
                }
            }
        }
        arena.check();
        let listed: Model =
            arena.iter().map(|r| (*r.key, (r.due, r.tag, r.value.to_vec()))).collect();
        assert_eq!(listed, model);
        let bound = arena.live_bytes + arena.live_bytes / 3 + DEAD_SLACK_BYTES + PAGE_BYTES;
        assert!(arena.filled_bytes <= bound + 70_000);
    }
    while arena.sweep(now + 1000, Sweep::Routine, |_| None) {}
    assert!(arena.is_empty());
    assert_eq!((arena.allocated(), arena.live_bytes, arena.filled_bytes), (0, 0, 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn agrees_with_a_map(steps in prop::collection::vec(step(), 1..120)) {
        run(steps);
    }
}
