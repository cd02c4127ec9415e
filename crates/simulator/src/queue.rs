//! The event queue: what happens next, at a cost that does not grow with what is pending.
//!
//! A timing wheel of three levels that is sorted lazily. The near level has slots of 2 ms; a slot
//! is sorted only when its time has come, or is so near that who looks ahead wants to see it. The
//! far level has slots of 8 s, which are dealt out to near slots when reached; what lies beyond 9
//! hours waits in a map. The order is total: by time, then by the sequence number that the engine
//! gives each event.

use std::collections::{BTreeMap, BinaryHeap};

/// Microseconds a near slot spans, as a power of two.
const SLOT_BITS: u32 = 11;
/// Slots of the near and of the far level, as a power of two.
const WHEEL_BITS: u32 = 12;
const WHEEL: usize = 1 << WHEEL_BITS;
/// Events that [`Queue::peek`] sees, if so many come within `AHEAD_SLOTS`.
pub const AHEAD: usize = 24;
/// Slots after that of the next event that are loaded for those who look ahead. Who schedules into
/// them later pays more: few messages arrive within milliseconds.
const AHEAD_SLOTS: u64 = 4;
/// Emptied slot buffers kept for reuse.
const KEPT_BUFFERS: usize = WHEEL;

/// Something that happens at a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timed<T> {
    /// When, in microseconds.
    pub at: u64,
    /// Orders what happens at the same time; unique among those.
    pub sequence: u64,
    /// What.
    pub what: T,
}

impl<T> Timed<T> {
    const fn order(&self) -> (u64, u64) {
        (self.at, self.sequence)
    }
}

/// Events to come.
#[derive(Debug)]
pub struct Queue<T> {
    /// The slots that are being served, latest first.
    current: Vec<Timed<T>>,
    /// What was scheduled into slots being served, or before them.
    late: BinaryHeap<Late<T>>,
    near: Wheel<T>,
    far: Wheel<T>,
    /// What lies farther ahead, by the time a whole far wheel spans.
    beyond: BTreeMap<u64, Vec<Timed<T>>>,
    /// All slots up to this one have been loaded.
    served: Option<u64>,
    /// The far slot dealt out last.
    era: u64,
    buffers: Vec<Vec<Timed<T>>>,
    len: usize,
}

impl<T: Copy> Default for Queue<T> {
    fn default() -> Self {
        Self {
            current: Vec::new(),
            late: BinaryHeap::new(),
            near: Wheel::new(),
            far: Wheel::new(),
            beyond: BTreeMap::new(),
            served: None,
            era: 0,
            buffers: Vec::new(),
            len: 0,
        }
    }
}

impl<T: Copy> Queue<T> {
    /// Schedules an event. One that lies before what was taken out last is taken out next.
    pub fn push(&mut self, event: Timed<T>) {
        self.len += 1;
        self.file(event);
    }

    /// Takes out the first event if it happens at `limit` or before.
    pub fn pop_until(&mut self, limit: u64) -> Option<Timed<T>> {
        if self.current.len() < AHEAD {
            self.load_ahead(limit >> SLOT_BITS);
        }
        while self.current.is_empty() && self.late.is_empty() {
            if !self.load(limit >> SLOT_BITS) {
                return None;
            }
        }
        let is_late = match (self.current.last(), self.late.peek()) {
            (Some(event), Some(Late(late))) => late.order() < event.order(),
            (event, _) => event.is_none(),
        };
        let first = if is_late {
            self.late.peek().map(|late| late.0.at)
        } else {
            self.current.last().map(|event| event.at)
        };
        if first? > limit {
            return None;
        }
        self.len -= 1;
        if is_late { self.late.pop().map(|late| late.0) } else { self.current.pop() }
    }

    /// What is likely to be taken out after `ahead` other events: a guess, to prepare for it.
    pub fn peek(&self, ahead: usize) -> Option<&T> {
        let at = self.current.len().checked_sub(ahead + 1)?;
        self.current.get(at).map(|event| &event.what)
    }

    /// How many events are pending.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether none is.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The first slot that has not been loaded.
    fn next_slot(&self) -> u64 {
        self.served.map_or(0, |served| served + 1)
    }

    fn file(&mut self, event: Timed<T>) {
        let slot = event.at >> SLOT_BITS;
        let next = self.next_slot();
        if slot < next {
            self.late.push(Late(event));
            return;
        }
        let era = slot >> WHEEL_BITS;
        if slot - next < WHEEL as u64 {
            self.near.add(slot, event, &mut self.buffers);
        } else if era - self.era < WHEEL as u64 {
            self.far.add(era, event, &mut self.buffers);
        } else {
            self.beyond.entry(era >> WHEEL_BITS).or_default().push(event);
        }
    }

    /// Loads what comes soon after what is being served.
    fn load_ahead(&mut self, limit: u64) {
        let Some(next) = self.current.last() else { return };
        let limit = limit.min((next.at >> SLOT_BITS) + AHEAD_SLOTS);
        while self.current.len() < AHEAD && self.load(limit) {}
    }

    /// Loads the next slot with events, or goes a step towards it. False: there is none up to slot
    /// `limit`.
    fn load(&mut self, limit: u64) -> bool {
        let next = self.next_slot();
        let era_end = (self.era + 1) << WHEEL_BITS;
        let last = limit.min(era_end - 1);
        if next <= last
            && let Some(slot) = self.near.next_occupied(next, last)
        {
            self.served = Some(slot);
            let mut buffer = self.near.take(slot);
            buffer.sort_unstable_by_key(|event| core::cmp::Reverse(event.order()));
            // What is left of earlier slots comes before.
            buffer.extend_from_slice(&self.current);
            let emptied = core::mem::replace(&mut self.current, buffer);
            self.keep(emptied);
            return true;
        }
        let Some(era) = self.next_era().filter(|era| era << WHEEL_BITS <= limit) else {
            return false;
        };
        self.enter(era);
        true
    }

    /// The next era that may have events.
    fn next_era(&self) -> Option<u64> {
        if self.near.len > 0 {
            return Some(self.era + 1);
        }
        let far = self.far.next_occupied(self.era + 1, self.era + WHEEL as u64 - 1);
        let beyond = self.beyond.keys().next().map(|aeon| aeon << WHEEL_BITS);
        // An aeon that has begun may hold events of any later era.
        [far, beyond.map(|era| era.max(self.era + 1))].into_iter().flatten().min()
    }

    fn enter(&mut self, era: u64) {
        self.era = era;
        self.served = Some((era << WHEEL_BITS) - 1);
        while let Some(entry) = self.beyond.first_entry().filter(|e| *e.key() <= era >> WHEEL_BITS)
        {
            for event in entry.remove() {
                self.file(event);
            }
        }
        let mut buffer = self.far.take(era);
        for event in buffer.drain(..) {
            self.file(event);
        }
        self.keep(buffer);
    }

    fn keep(&mut self, mut buffer: Vec<Timed<T>>) {
        buffer.clear();
        if buffer.capacity() > 0 && self.buffers.len() < KEPT_BUFFERS {
            self.buffers.push(buffer);
        }
    }
}

/// A ring of slots, each a buffer in no order, and which of them have events.
#[derive(Debug)]
struct Wheel<T> {
    slots: Vec<Vec<Timed<T>>>,
    occupied: Vec<u64>,
    len: usize,
}

impl<T: Copy> Wheel<T> {
    fn new() -> Self {
        let mut slots = Vec::new();
        slots.resize_with(WHEEL, Vec::new);
        Self { slots, occupied: vec![0; WHEEL / 64], len: 0 }
    }

    fn add(&mut self, slot: u64, event: Timed<T>, buffers: &mut Vec<Vec<Timed<T>>>) {
        let at = index(slot);
        let Some(place) = self.slots.get_mut(at) else { return };
        if place.capacity() == 0
            && let Some(buffer) = buffers.pop()
        {
            *place = buffer;
        }
        place.push(event);
        if let Some(word) = self.occupied.get_mut(at / 64) {
            *word |= 1 << (at % 64);
        }
        self.len += 1;
    }

    fn take(&mut self, slot: u64) -> Vec<Timed<T>> {
        let at = index(slot);
        if let Some(word) = self.occupied.get_mut(at / 64) {
            *word &= !(1 << (at % 64));
        }
        let taken = self.slots.get_mut(at).map(core::mem::take).unwrap_or_default();
        self.len -= taken.len();
        taken
    }

    /// The first slot from `first` to `last` with events. The two are less than a turn apart.
    fn next_occupied(&self, first: u64, last: u64) -> Option<u64> {
        let mut slot = first;
        while slot <= last {
            let at = index(slot);
            let word = self.occupied.get(at / 64).copied().unwrap_or(0) >> (at % 64);
            if word != 0 {
                let found = slot + u64::from(word.trailing_zeros());
                return (found <= last).then_some(found);
            }
            slot += 64 - (at % 64) as u64;
        }
        None
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the low bits count")]
const fn index(slot: u64) -> usize {
    slot as usize & (WHEEL - 1)
}

/// An event in the heap, the earliest on top.
#[derive(Debug)]
struct Late<T>(Timed<T>);

impl<T> PartialEq for Late<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0.order() == other.0.order()
    }
}

impl<T> Eq for Late<T> {}

impl<T> PartialOrd for Late<T> {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Late<T> {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        other.0.order().cmp(&self.0.order())
    }
}

#[cfg(test)]
mod tests;
