use super::*;
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use std::collections::BTreeMap;

const LIMITS: Limits = Limits {
    entries: 30,
    bytes: 100_000,
    source_bytes: 40_000,
    value_bytes: 20_000,
    when_full: WhenFull::Refuse,
};

fn store(limits: Limits) -> MemoryStore<20> {
    MemoryStore::new(limits, &mut ChaCha8Rng::seed_from_u64(1))
}

fn at(seconds: u32) -> Moment {
    moment(seconds)
}

fn key(number: u32) -> Key {
    Key::from_id(&number.to_be_bytes())
}

fn put(value: &[u8], expires: u32, source: u64) -> Put<'_> {
    Put { value, expires: at(expires), source: Some(source) }
}

#[test]
fn expires_to_the_second_and_frees_within_a_minute() {
    let mut store = store(LIMITS);
    store.put(at(10), &key(1), put(b"one", 20, 1)).unwrap();
    let half = Moment::from_micros(30_500_000);
    store.put(at(10), &key(2), Put { expires: half, ..put(b"two", 0, 1) }).unwrap();
    let entry = store.get(at(19), &key(1)).unwrap();
    assert_eq!((entry.value, entry.expires), (b"one".as_slice(), at(20)));
    assert_eq!(store.get(at(20), &key(1)), None);
    assert!(store.get(half, &key(2)).is_some());
    assert_eq!(store.get(at(31), &key(2)), None);

    assert_eq!(store.next_expiry(), Some(at(20)));
    store.expire(at(20));
    assert_eq!(store.usage().entries, 1);
    assert_eq!(store.next_expiry(), Some(at(80)));
    store.expire(at(79));
    assert_eq!(store.usage().entries, 1);
    store.expire(at(80));
    assert_eq!((store.usage().entries, store.usage().bytes), (0, 0));
    assert_eq!(store.next_expiry(), None);
}

#[test]
fn refusals() {
    let mut store = store(LIMITS);
    let now = at(100);
    let put_at = |store: &mut MemoryStore<20>, number, len, expires, source| {
        store.put(now, &key(number), put(&vec![0; len], expires, source))
    };
    assert_eq!(put_at(&mut store, 1, 20_001, 200, 1), Err(Refused::TooLong { limit: 20_000 }));
    assert_eq!(put_at(&mut store, 1, 1, 100, 1), Err(Refused::Expired));
    assert_eq!(put_at(&mut store, 1, 19_948, 200, 1), Ok(Placed::New));
    assert_eq!(put_at(&mut store, 2, 19_948, 200, 1), Ok(Placed::New));
    assert_eq!(put_at(&mut store, 3, 0, 200, 1), Err(Refused::Quota { limit: 40_000 }));
    assert_eq!(put_at(&mut store, 3, 19_948, 200, 2), Ok(Placed::New));
    assert_eq!(put_at(&mut store, 4, 19_948, 200, 2), Ok(Placed::New));
    assert_eq!(put_at(&mut store, 5, 19_948, 200, 3), Ok(Placed::New));
    assert_eq!(put_at(&mut store, 6, 0, 200, 4), Err(Refused::Full));
    assert_eq!(store.usage().refused, 4);
    // In place of what is there, there is room; and once that has expired.
    assert_eq!(put_at(&mut store, 5, 19_000, 201, 4), Ok(Placed::Replaced));
    let later = store.put(at(200), &key(6), put(&[0; 10_000], 300, 5));
    assert_eq!(later, Ok(Placed::New));
    assert!(store.get(at(200), &key(5)).is_some());
}

#[test]
fn the_same_value_again_lives_longer_and_keeps_its_source() {
    let mut store = store(LIMITS);
    store.put(at(0), &key(1), put(b"v", 100, 1)).unwrap();
    let again = |store: &mut MemoryStore<20>, expires| {
        assert_eq!(store.put(at(0), &key(1), put(b"v", expires, 2)), Ok(Placed::Refreshed));
        store.get(at(0), &key(1)).unwrap().expires
    };
    assert_eq!(again(&mut store, 150), at(150));
    assert_eq!(again(&mut store, 120), at(150));
    let (one, two) = (store.sources.id(1), store.sources.id(2));
    assert_eq!((store.sources.usage(one), store.sources.usage(two)), (53, 0));
}

/// One source makes nine of ten puts and fills what it may; all others are served nevertheless.
#[test]
fn who_floods_loses_first() {
    let limits = Limits {
        entries: 1000,
        bytes: 150_000,
        source_bytes: u32::MAX,
        value_bytes: 1000,
        when_full: WhenFull::FairShare,
    };
    let mut store = store(limits);
    for number in 0..7500 {
        let source = if number % 10 == 0 { 1000 + u64::from(number % 500) } else { 1 };
        let result = store.put(at(0), &key(number), put(&[0; 98], 1000, source));
        if source != 1 {
            assert_eq!(result, Ok(Placed::New), "{number}");
        }
    }
    let usage = store.usage();
    assert!(usage.entries == 1000 && usage.displaced >= 500, "{usage:?}");
    // A fair share is 1000/51.
    for source in (1000..1500).step_by(10) {
        let held = store.sources.usage(store.sources.id(source)) / 150;
        assert!(held == 15, "{source}: {held}");
    }
}

/// Sources that each hold little can't push out each other.
#[test]
fn equals_do_not_give_way() {
    let mut store = store(Limits { when_full: WhenFull::FairShare, ..LIMITS });
    for number in 0..30 {
        store.put(at(0), &key(number), put(b"v", 100, number.into())).unwrap();
    }
    for number in 30..100 {
        let result = store.put(at(0), &key(number), put(b"v", 100, number.into()));
        assert_eq!(result, Err(Refused::Full));
    }
    assert_eq!(store.usage().displaced, 0);
    // Our own values find room: everybody holds more than nobody.
    let own = Put { value: b"own", expires: at(100), source: None };
    assert_eq!(store.put(at(0), &key(200), own), Ok(Placed::New));
    assert_eq!(store.usage().displaced, 1);
}

#[test]
fn what_is_near_home_stays() {
    let mut store = store(Limits { when_full: WhenFull::FairShare, ..LIMITS });
    store.set_home(key(0));
    for number in 0..30 {
        store.put(at(0), &key(number << 24), put(b"v", 100, 1)).unwrap();
    }
    for number in 30..45 {
        store.put(at(0), &key(number << 24), put(b"v", 100, number.into())).unwrap();
    }
    for number in 0..30 {
        let stays = number < 15;
        assert_eq!(store.get(at(0), &key(number << 24)).is_some(), stays, "{number}");
    }
}

#[derive(Clone, Debug)]
enum Step {
    Put { key: u32, len: usize, fill: u8, lifetime: u32, source: u64 },
    Remove(u32),
    Pass(u32),
    Expire,
}

fn step() -> impl Strategy<Value = Step> {
    let len = prop_oneof![3 => 0usize..200, 1 => 5000usize..21_000];
    prop_oneof![
        10 => (0u32..40, len, 0u8..2, 0u32..200, 0u64..6).prop_map(
            |(key, len, fill, lifetime, source)| Step::Put { key, len, fill, lifetime, source }
        ),
        1 => (0u32..40).prop_map(Step::Remove),
        1 => (0u32..60).prop_map(Step::Pass),
        1 => Just(Step::Expire),
    ]
}

/// What is stored, without bounds on time and memory.
#[derive(Clone, Default, PartialEq, Debug)]
struct Model(BTreeMap<Key, Held>);

#[derive(Clone, PartialEq, Debug)]
struct Held {
    value: Vec<u8>,
    expires: u32,
    source: u64,
}

impl Model {
    fn bytes(&self, of: impl Fn(&Held) -> bool) -> usize {
        let held = self.0.values().filter(|held| of(held));
        held.map(|held| 20 + held.value.len() + OVERHEAD_BYTES).sum()
    }

    fn put(&mut self, now: u32, key: Key, new: &Held) -> Result<Placed, Refused> {
        self.0.retain(|_, held| held.expires > now);
        if new.value.len() > LIMITS.value_bytes {
            return Err(Refused::TooLong { limit: LIMITS.value_bytes });
        }
        if new.expires <= now {
            return Err(Refused::Expired);
        }
        let source = new.source;
        let mut next = self.clone();
        let old = next.0.insert(key, new.clone());
        if let Some(old) = &old
            && old.value == new.value
        {
            let held = self.0.get_mut(&key).unwrap();
            held.expires = old.expires.max(new.expires);
            return Ok(Placed::Refreshed);
        }
        if next.bytes(|held| held.source == source) > LIMITS.source_bytes as usize {
            return Err(Refused::Quota { limit: LIMITS.source_bytes });
        }
        if next.0.len() > LIMITS.entries || next.bytes(|_| true) > LIMITS.bytes {
            return Err(Refused::Full);
        }
        *self = next;
        Ok(if old.is_some() { Placed::Replaced } else { Placed::New })
    }
}

impl MemoryStore<20> {
    /// That the accounts agree with what is there.
    fn check(&self) {
        let mut usage = BTreeMap::<SourceId, u32>::new();
        for record in self.arena.iter() {
            let cost = u32::try_from(Self::cost(record.value.len())).unwrap();
            *usage.entry(SourceId::from_tag(record.tag)).or_default() += cost;
        }
        assert_eq!(self.bytes, usage.values().map(|bytes| *bytes as usize).sum::<usize>());
        assert_eq!(self.sources.len(), usage.len());
        for (source, bytes) in usage {
            assert_eq!(self.sources.usage(source), bytes);
        }
        assert!(self.bytes <= self.limits.bytes && self.arena.len() <= self.limits.entries);
    }
}

fn run(steps: Vec<Step>) {
    let (mut store, mut model, mut now) = (store(LIMITS), Model::default(), 0);
    for step in steps {
        match step {
            Step::Put { key: number, len, fill, lifetime, source } => {
                let (value, expires) = (vec![fill; len], now + lifetime);
                let result = store.put(at(now), &key(number), put(&value, expires, source));
                let held = Held { value, expires, source };
                assert_eq!(result, model.put(now, key(number), &held));
            }
            Step::Remove(number) => {
                store.remove(&key(number));
                model.0.remove(&key(number));
            }
            Step::Pass(seconds) => now += seconds,
            Step::Expire => store.expire(at(now)),
        }
        store.check();
        model.0.retain(|_, held| held.expires > now);
        let listed: BTreeMap<_, _> = store.iter(at(now)).collect();
        assert_eq!(listed.len(), model.0.len());
        for (key, held) in &model.0 {
            let entry = Entry { value: &held.value, expires: at(held.expires) };
            assert_eq!(listed.get(key), Some(&entry));
            assert_eq!(store.get(at(now), key), Some(entry));
        }
    }
}

/// Under fairness: what is accepted is there, what is refused changes nothing, and only who holds
/// more than the newcomer loses.
fn run_fair(steps: Vec<Step>) {
    let mut store = store(Limits { when_full: WhenFull::FairShare, ..LIMITS });
    for step in steps {
        let Step::Put { key: number, len, fill, source, .. } = step else {
            continue;
        };
        let before: BTreeMap<_, _> = store.arena.iter().map(|r| (*r.key, r.tag)).collect();
        let usage: BTreeMap<_, _> = before
            .values()
            .map(|tag| (*tag, store.sources.usage(SourceId::from_tag(*tag))))
            .collect();
        let value = vec![fill; len];
        let result = store.put(at(0), &key(number), put(&value, 100, source));
        store.check();
        let after: BTreeMap<_, _> = store.arena.iter().map(|r| (*r.key, r.tag)).collect();
        match result {
            Ok(_) => {
                assert_eq!(store.get(at(0), &key(number)).unwrap().value, value);
                let holds = store.sources.usage(store.source_id(Some(source)));
                for (_, tag) in before.iter().filter(|(key, _)| !after.contains_key(*key)) {
                    assert!(usage[tag] > holds, "{usage:?} {holds}");
                }
            }
            Err(_) => assert_eq!(before, after),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn agrees_with_a_map(steps in prop::collection::vec(step(), 1..150)) {
        run(steps);
    }

    #[test]
    fn is_fair(steps in prop::collection::vec(step(), 1..150)) {
        run_fair(steps);
    }
}
