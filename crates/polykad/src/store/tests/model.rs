//! What a store should hold, and runs of one against it.
#![expect(clippy::cast_possible_truncation, reason = "all numbers here are small")]

use std::cell::Cell;
use std::collections::BTreeMap;

use kademlia::Key;
use poly::store::{Head, Store};
use poly::value::{Kind, Slot, Version};

use super::super::*;
use super::faulty::Fault;
use super::{Disk, Faulty};

thread_local! {
    /// The clock of this test.
    static NOW: Cell<u64> = const { Cell::new(1000) };
}

fn now() -> u64 {
    NOW.get()
}

#[derive(Clone, Debug)]
pub(crate) enum Act {
    Write {
        slot: u8,
        length: usize,
        lives: u64,
    },
    /// A new expiry for what is there.
    Update {
        slot: u8,
        lives: u64,
    },
    Remove {
        slot: u8,
    },
    Wait(u64),
    Flush,
}

/// The generator called splitmix64.
pub(crate) fn random(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *seed;
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

pub(crate) fn act(seed: &mut u64) -> Act {
    let slot = u8::try_from(random(seed) % 24).unwrap();
    let lives = [5, 50, 100_000][random(seed) as usize % 3];
    match random(seed) % 12 {
        0..6 => Act::Write { slot, length: random(seed) as usize % 500, lives },
        6 => Act::Update { slot, lives },
        7 | 8 => Act::Remove { slot },
        9 => Act::Wait(random(seed) % 20),
        10 => Act::Flush,
        _ => Act::Write { slot: slot % 3, length: 10, lives: 100_000 },
    }
}

pub(crate) fn acts(mut seed: u64, count: usize) -> Vec<Act> {
    (0..count).map(|_| act(&mut seed)).collect()
}

/// Slots of blobs and records, and of entries.
pub(crate) fn slot(number: u8) -> Slot {
    let mut slot = Slot::of(Key::new([number / 2; 32]));
    if number % 2 == 1 {
        slot.author = [number; 32];
        slot.number = number.into();
    }
    slot
}

pub(crate) fn head(length: usize, expires: u64, seq: u64) -> Head {
    Head {
        kind: Kind::Record,
        expires,
        version: Version { seq, body: seq ^ 7, expires },
        length: u32::try_from(length).unwrap(),
        origin: 9,
        cached: seq.is_multiple_of(2),
    }
}

type Kept = Option<(Head, Vec<u8>)>;

/// What a slot holds or may hold.
#[derive(Clone)]
struct State {
    kept: Kept,
    /// It was acknowledged: without a power cut, all before it is past.
    certain: bool,
}

/// A store, and what should be in it.
pub(crate) struct Run {
    medium: Faulty,
    store: Option<DiskStore<Faulty>>,
    settings: StoreSettings,
    /// What each slot may hold: the last certain state, and those that may have come after.
    may: BTreeMap<u8, Vec<State>>,
    was_cut: bool,
    next: u64,
    pub(crate) failed: u64,
    pub(crate) emptied: u64,
}

impl Run {
    pub(crate) fn new(file_bytes: u32) -> Self {
        Self::on(Disk::default(), file_bytes)
    }

    /// One that waits for the disk with each write.
    pub(crate) fn waiting(file_bytes: u32) -> Self {
        let mut run = Self::new(file_bytes);
        run.settings.sync_before_acknowledging = true;
        run.restart();
        run
    }

    pub(crate) fn on(disk: Disk, file_bytes: u32) -> Self {
        let settings = StoreSettings { sync_before_acknowledging: false, file_bytes, clock: now };
        let mut run = Self {
            medium: Faulty::new(disk),
            store: None,
            settings,
            may: BTreeMap::new(),
            was_cut: false,
            next: 1,
            failed: 0,
            emptied: 0,
        };
        run.restart();
        run
    }

    /// Ends the process and begins another.
    pub(crate) fn restart(&mut self) {
        if let Some(store) = self.store.take() {
            self.emptied += store.status().counters.emptied;
        }
        let disk = self.medium.disk().afterwards();
        self.medium = Faulty::new(disk);
        let medium = Arc::new(self.medium.clone());
        let queue = Arc::new(Queue::new(Arc::clone(&medium)));
        self.store = Some(DiskStore::over(medium, queue, self.settings).unwrap());
    }

    pub(crate) fn stop_after(&mut self, points: u64) {
        self.medium.disk().fault = Some((points, Fault::Stop));
    }

    pub(crate) fn fail_after(&mut self, points: u64, twice: bool) {
        let fault = if twice { Fault::FailTwice } else { Fault::Fail };
        self.medium.disk().fault = Some((points, fault));
    }

    pub(crate) fn points(&self) -> u64 {
        self.medium.disk().points
    }

    pub(crate) fn bytes(&self) -> usize {
        self.medium.disk().bytes()
    }

    pub(crate) fn aside(&self) -> Vec<Vec<u8>> {
        self.medium.disk().aside.clone()
    }

    pub(crate) fn power_cut(&mut self, seed: u64) {
        self.was_cut = true;
        self.medium.disk().power_cut(seed);
    }

    pub(crate) fn damage(&mut self, seed: u64) {
        self.medium.disk().damage(seed);
    }

    fn store(&mut self) -> &mut DiskStore<Faulty> {
        self.store.as_mut().unwrap()
    }

    pub(crate) fn perform_all(&mut self, acts: &[Act]) {
        for act in acts {
            self.perform(act);
        }
    }

    pub(crate) fn perform(&mut self, act: &Act) {
        match *act {
            Act::Write { slot, length, lives } => {
                let value: Vec<u8> = (0..length).map(|at| (at as u64 ^ self.next) as u8).collect();
                let head = head(length, now() + lives, self.next);
                self.next += 1;
                let result = self.store().write(&self::slot(slot), &head, &value);
                self.became(slot, Some((head, value)), result.is_ok());
            }
            Act::Update { slot, lives } => {
                let last = self.may(slot).last().cloned().and_then(|state| state.kept);
                let Some((_, value)) = last else { return };
                let head = head(value.len(), now() + lives, self.next);
                self.next += 1;
                let result = self.store().update(&self::slot(slot), &head);
                self.became(slot, Some((head, value)), result.is_ok());
            }
            Act::Remove { slot } => {
                self.store().remove(&self::slot(slot));
                let went_wrong = self.store().trouble.borrow().is_some();
                self.failed += u64::from(went_wrong);
                self.may(slot).push(State { kept: None, certain: !went_wrong });
            }
            Act::Wait(seconds) => NOW.set(now() + seconds),
            Act::Flush => {
                if self.store().log.queue.flush().is_ok() {
                    self.synced();
                }
            }
        }
    }

    fn may(&mut self, slot: u8) -> &mut Vec<State> {
        self.may.entry(slot).or_insert_with(|| vec![State { kept: None, certain: true }])
    }

    /// A slot's state changed, or may have.
    fn became(&mut self, slot: u8, kept: Kept, certain: bool) {
        self.failed += u64::from(!certain);
        let may = self.may(slot);
        let last = may.last().cloned();
        may.push(State { kept, certain });
        if !certain {
            // Refused: what was there is what is there. But half a write may prove to be whole.
            may.extend(last.map(|last| State { certain: false, ..last }));
        }
    }

    /// All states before the last certain ones are past.
    pub(crate) fn synced(&mut self) {
        for may in self.may.values_mut() {
            let certain = may.iter().rposition(|state| state.certain).unwrap_or(0);
            may.drain(..certain);
        }
    }

    /// What the store says of a slot.
    fn says(&self, slot: u8) -> Option<Vec<u8>> {
        let mut value = None;
        let store = self.store.as_ref().unwrap();
        let found = store.read(&self::slot(slot), &mut |bytes| value = Some(bytes.to_vec()));
        assert_eq!(found, value.is_some());
        value
    }

    /// Slots that hold what they last got.
    pub(crate) fn intact(&self) -> usize {
        let may = self.may.iter();
        may.filter(|(slot, may)| {
            let kept = may.last().unwrap().kept.as_ref();
            let value = kept.filter(|(head, _)| head.expires > now()).map(|(_, value)| value);
            value.is_some() && self.says(**slot).as_ref() == value
        })
        .count()
    }

    /// Panics if a slot does not hold the last thing it got. What has expired may be gone.
    pub(crate) fn check(&self, when: &str) {
        for (slot, may) in &self.may {
            let last = &may.last().unwrap().kept;
            let says = self.says(*slot);
            let expected = last.as_ref().map(|(_, value)| value.clone());
            let is_over = last.as_ref().is_some_and(|(head, _)| head.expires <= now());
            let is_right = says == expected || (is_over && says.is_none());
            assert!(is_right, "slot {slot} {when}: {:?}, not {may:?}", short(says.as_ref()));
        }
    }

    /// Restarts, and panics if a slot holds what it can't after what happened. From then on it is
    /// certain what each holds.
    pub(crate) fn restart_and_check(&mut self, when: &str) {
        if !core::mem::take(&mut self.was_cut) {
            self.synced();
        }
        self.restart();
        let mut heads = BTreeMap::new();
        let store = self.store.as_ref().unwrap();
        store.heads(&mut |slot, head| {
            assert!(heads.insert(*slot, *head).is_none(), "told twice");
            assert!(head.expires > now());
        });
        let slots: Vec<u8> = self.may.keys().copied().collect();
        for slot in slots {
            let says = self.says(slot);
            let may = self.may.entry(slot).or_default();
            let told = heads.remove(&self::slot(slot));
            let matches = |State { kept, .. }: &State| {
                let kept = kept.as_ref().filter(|(head, _)| head.expires > now());
                let (head, value) = kept.map(|(head, value)| (*head, value)).unzip();
                says.as_ref() == value && told == head
            };
            let Some(found) = may.iter().rposition(matches) else {
                panic!("slot {slot} {when}: {:?}, not one of {may:?}", short(says.as_ref()))
            };
            let kept = may[found].kept.clone();
            *may = vec![State { kept: if says.is_some() { kept } else { None }, certain: true }];
        }
        assert!(heads.is_empty(), "{when}: nobody wrote {heads:?}");
    }
}

/// Enough of a value to tell it from others.
fn short(value: Option<&Vec<u8>>) -> Option<(usize, &[u8])> {
    value.map(|value| (value.len(), &value[..value.len().min(4)]))
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let expires = self.kept.as_ref().map(|(head, _)| head.expires);
        let value = short(self.kept.as_ref().map(|(_, value)| value));
        write!(f, "{value:?} until {expires:?}{}", if self.certain { "" } else { " perhaps" })
    }
}
