//! The rules over a store: who may keep how much, what ends when, and where two nodes differ.
//!
//! Nothing gives way that was acknowledged, except within a topic that is full: there an entry of
//! the source with the most entries makes room for one of a source with fewer, so that nobody
//! drowns others. Cached copies, which nobody counts on, give way to anything.

use std::collections::{BTreeMap, BTreeSet};

use kademlia::Key;

use super::{Head, Store};
use crate::command::Refusal;
use crate::region::Radius;
use crate::value::{Kind, Slot, Value, Version};
use crate::wire::{Carried, MAX_LISTED, PARTS, Values, write_value};

mod fill;

/// The bounds of a shelf.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Bytes at most: values as they are kept, and [`OVERHEAD_BYTES`] each.
    pub bytes: u64,
    /// Bytes at most of one source's subnet. Sources on this machine and in private networks are
    /// not counted: there many nodes rightly share one.
    pub source_bytes: u64,
    /// Bytes at most of one author's entries and records.
    pub author_bytes: u64,
    /// Bytes at most of copies beside the holders; they give way to everything.
    pub cached_bytes: u64,
    /// Entries at most under one topic.
    pub topic_entries: usize,
    /// Entries at most of one author under one topic.
    pub author_entries: usize,
}

/// 256 MiB: 200,000 values of a kilobyte. A source may have 1/16 of it and an author 1/64, so that
/// it takes many of both to keep others out. 64 entries an author are more than one has to say
/// under one name; 4096 under one topic are what one list can carry anyway.
impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 256 << 20,
            source_bytes: 16 << 20,
            author_bytes: 4 << 20,
            cached_bytes: 16 << 20,
            topic_entries: 4096,
            author_entries: 64,
        }
    }
}

/// What a value is charged beyond its bytes: its head, its place in the index, the accounting.
pub const OVERHEAD_BYTES: u64 = 256;

/// What storing has done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Placed {
    /// The slot was empty, or held an older version.
    Stored,
    /// It was there, and lives longer now.
    Prolonged,
    /// It was there.
    Known,
}

/// How full a shelf is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ShelfUsage {
    /// Values.
    pub values: usize,
    /// Of these, how many are only cached.
    pub cached: usize,
    /// Bytes charged for all.
    pub bytes: u64,
}

/// What is to be said to a node that asks whether we store the same.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Compared {
    /// The same.
    Equal,
    /// Sums of fingerprints for each part of the range.
    Parts(Vec<u64>),
    /// Mark and fingerprint of each value.
    Listed(Vec<(u64, u64)>),
}

/// What a node keeps for others.
#[derive(Debug)]
pub struct Shelf<S> {
    store: S,
    limits: Limits,
    /// By mark, whose order has nothing to do with that of keys.
    kept: BTreeMap<u64, Kept>,
    /// When what ends, in unix seconds.
    ends: BTreeSet<(u64, u64)>,
    /// The first of these moments: it is asked for after each message.
    soonest: Option<u64>,
    /// The marks of each topic's entries.
    topics: BTreeMap<Key, Vec<u64>>,
    by_source: BTreeMap<u64, u64>,
    by_author: BTreeMap<u64, u64>,
    bytes: u64,
    cached: Cached,
    scratch: Vec<u8>,
}

#[derive(Debug, Default)]
struct Cached {
    values: usize,
    bytes: u64,
}

#[derive(Clone, Copy, Debug)]
struct Kept {
    slot: Slot,
    head: Head,
    fingerprint: u64,
    /// Whom quotas of authors count it for, zero for blobs.
    author: u64,
}

impl Kept {
    fn new(slot: Slot, head: Head, author: u64) -> Self {
        Self { slot, head, fingerprint: slot.fingerprint(&head.version), author }
    }

    fn cost(&self) -> u64 {
        u64::from(self.head.length) + OVERHEAD_BYTES
    }
}

impl<S: Store> Shelf<S> {
    /// A shelf over a store, with all that is in it and not expired at `now`, in unix seconds.
    pub fn new(store: S, limits: Limits, now: u64) -> Self {
        let mut shelf = Self {
            store,
            limits,
            kept: BTreeMap::new(),
            ends: BTreeSet::new(),
            soonest: None,
            topics: BTreeMap::new(),
            by_source: BTreeMap::new(),
            by_author: BTreeMap::new(),
            bytes: 0,
            cached: Cached::default(),
            scratch: Vec::new(),
        };
        shelf.fill();
        shelf.expire(now, usize::MAX);
        shelf
    }

    /// The store.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// How full it is.
    pub fn usage(&self) -> ShelfUsage {
        ShelfUsage { values: self.kept.len(), cached: self.cached.values, bytes: self.bytes }
    }

    /// Stores a value that was verified. `source`: the subnet it comes from, unless it is nobody's;
    /// `expected`: the seq that the newest must have, 0 for none.
    pub fn put(
        &mut self,
        now: u64,
        carried: &Carried<'_>,
        source: Option<u64>,
        expected: Option<u64>,
    ) -> Result<Placed, Refusal> {
        self.place(now, carried, source, expected, carried.value.expires(now), false)
    }

    /// Keeps a copy beside the holders for at most `lifetime_s`, if there is room.
    pub fn cache(&mut self, now: u64, carried: &Carried<'_>, lifetime_s: u64) -> bool {
        let expires = carried.value.expires(now).min(now + lifetime_s);
        self.place(now, carried, None, None, expires, true).is_ok()
    }

    fn place(
        &mut self,
        now: u64,
        carried: &Carried<'_>,
        source: Option<u64>,
        expected: Option<u64>,
        expires: u64,
        cached: bool,
    ) -> Result<Placed, Refusal> {
        let slot = carried.value.slot();
        let mark = slot.mark();
        let version = carried.value.version();
        let old = self.kept.get(&mark).filter(|old| old.head.expires > now).copied();
        check_version(old.as_ref(), &slot, version, expected)?;
        let is_same = |old: &&Kept| old.head.version == version && (cached || !old.head.cached);
        if let Some(old) = old.as_ref().filter(is_same) {
            return self.prolong(mark, old, expires);
        }
        if cached && old.is_some() {
            return Ok(Placed::Known);
        }
        self.scratch.clear();
        write_value(carried, &mut self.scratch);
        let head = Head {
            kind: carried.value.kind(),
            expires,
            version,
            length: u32::try_from(self.scratch.len()).unwrap_or(u32::MAX),
            origin: source.unwrap_or(0),
            cached,
        };
        let kept = Kept::new(slot, head, author_of(&carried.value));
        self.make_room(now, &kept, mark)?;
        self.store.write(&slot, &head, &self.scratch).map_err(|_| Refusal::Storage)?;
        self.unindex(mark);
        self.index(mark, kept);
        Ok(Placed::Stored)
    }

    /// A blob put again lives as long as either says. Seconds lost on the way do not count.
    fn prolong(&mut self, mark: u64, old: &Kept, expires: u64) -> Result<Placed, Refusal> {
        if expires <= old.head.expires + PROLONGED_FROM_S {
            return Ok(Placed::Known);
        }
        let head = Head { expires, ..old.head };
        self.store.update(&old.slot, &head).map_err(|_| Refusal::Storage)?;
        self.ends.remove(&(old.head.expires, mark));
        self.ends.insert((expires, mark));
        self.soonest = self.ends.first().map(|(soonest, _)| *soonest);
        if let Some(kept) = self.kept.get_mut(&mark) {
            kept.head = head;
        }
        Ok(Placed::Prolonged)
    }

    /// Sees to it that a value fits, or says why not.
    fn make_room(&mut self, now: u64, new: &Kept, mark: u64) -> Result<(), Refusal> {
        let freed = self.kept.get(&mark).copied();
        let freed_of = |of: fn(&Kept) -> u64| {
            freed.filter(|old| of(old) == of(new)).map_or(0, |old| old.cost())
        };
        let over = |held: Option<&u64>, freed: u64, limit: u64| {
            (held.copied().unwrap_or(0) + new.cost()).saturating_sub(freed) > limit
        };
        if new.head.cached {
            self.evict_cached(self.limits.cached_bytes.saturating_sub(new.cost()));
        } else {
            let Limits { source_bytes, author_bytes, .. } = self.limits;
            let source = self.by_source.get(&new.head.origin);
            let freed_of_source = freed_of(|kept| kept.head.origin);
            if new.head.origin != 0 && over(source, freed_of_source, source_bytes) {
                return Err(Refusal::Quota(source_bytes));
            }
            let author = self.by_author.get(&new.author);
            let freed_of_author = freed_of(|kept| kept.author);
            if new.author != 0 && over(author, freed_of_author, author_bytes) {
                return Err(Refusal::Quota(author_bytes));
            }
        }
        if new.head.kind == Kind::Entry && freed.is_none() {
            self.make_room_in_topic(new)?;
        }
        let freed = freed.map_or(0, |old| old.cost());
        let needed = (self.bytes + new.cost()).saturating_sub(freed);
        if needed > self.limits.bytes {
            self.expire(now, EXPIRED_PER_PUT);
            let excess = (self.bytes + new.cost()).saturating_sub(freed + self.limits.bytes);
            self.evict_cached(self.cached.bytes.saturating_sub(excess));
        }
        let needed = (self.bytes + new.cost()).saturating_sub(freed);
        if needed > self.limits.bytes || new.head.cached && needed > self.limits.bytes / 2 {
            return Err(Refusal::Full);
        }
        Ok(())
    }

    fn make_room_in_topic(&mut self, new: &Kept) -> Result<(), Refusal> {
        let Some(marks) = self.topics.get(&new.slot.key) else { return Ok(()) };
        let entries: Vec<_> = marks.iter().filter_map(|mark| self.kept.get(mark)).collect();
        let of_author = entries.iter().filter(|kept| kept.slot.author == new.slot.author).count();
        if of_author >= self.limits.author_entries {
            return Err(Refusal::Quota(self.limits.author_entries as u64));
        }
        if entries.len() < self.limits.topic_entries {
            return Ok(());
        }
        let mut by_source: BTreeMap<u64, usize> = BTreeMap::new();
        for kept in &entries {
            *by_source.entry(kept.head.origin).or_default() += 1;
        }
        let own = by_source.get(&new.head.origin).copied().unwrap_or(0);
        let heaviest = by_source.into_iter().max_by_key(|(_, count)| *count);
        let (source, _) = heaviest.filter(|(_, most)| *most > own + 1).ok_or(Refusal::Full)?;
        let of_source = entries.iter().filter(|kept| kept.head.origin == source);
        let loser = of_source.min_by_key(|kept| kept.head.expires).map(|kept| kept.slot.mark());
        if let Some(loser) = loser {
            self.drop_mark(loser);
        }
        Ok(())
    }

    /// Drops cached copies, those that end first, until they take at most so many bytes.
    fn evict_cached(&mut self, bytes: u64) {
        while self.cached.bytes > bytes {
            // Copies live for minutes: they are at the front.
            let cached =
                |(_, mark): &&(u64, u64)| self.kept.get(mark).is_some_and(|kept| kept.head.cached);
            let Some((_, mark)) = self.ends.iter().find(cached).copied() else { return };
            self.drop_mark(mark);
        }
    }

    /// Drops what has expired, at most `most` values.
    pub fn expire(&mut self, now: u64, most: usize) {
        for _ in 0..most {
            match self.ends.first().copied() {
                Some((expires, mark)) if expires <= now => self.drop_mark(mark),
                _ => return,
            }
        }
    }

    /// When something expires next, in unix seconds.
    pub fn next_expiry(&self) -> Option<u64> {
        self.soonest
    }

    /// Hands the value in a slot to `with`, a blob with what remains of its life.
    pub fn get<T>(
        &self,
        now: u64,
        slot: &Slot,
        with: impl FnOnce(&Carried<'_>, &Head) -> T,
    ) -> Option<T> {
        let kept = self.kept.get(&slot.mark()).filter(|kept| kept.slot == *slot)?;
        self.read(now, kept, with)
    }

    /// What is remembered of the value in a slot.
    pub fn head(&self, now: u64, slot: &Slot) -> Option<&Head> {
        let kept = self.kept.get(&slot.mark()).filter(|kept| kept.slot == *slot)?;
        Some(&kept.head).filter(|head| head.expires > now)
    }

    fn read<T>(
        &self,
        now: u64,
        kept: &Kept,
        with: impl FnOnce(&Carried<'_>, &Head) -> T,
    ) -> Option<T> {
        if kept.head.expires <= now {
            return None;
        }
        let (mut with, mut result) = (Some(with), None);
        self.store.read(&kept.slot, &mut |bytes| {
            let carried = Values::new(bytes).iter().next();
            if let (Some(mut carried), Some(with)) = (carried, with.take()) {
                if let Value::Blob(blob) = &mut carried.value {
                    let left = kept.head.expires - now;
                    blob.lifetime_s = u32::try_from(left).unwrap_or(u32::MAX);
                }
                carried.origin = Some(kept.head.origin).filter(|origin| *origin != 0);
                result = Some(with(&carried, &kept.head));
            }
        });
        result
    }

    /// Hands out the value with a mark; see [`Shelf::get`].
    pub fn get_marked<T>(
        &self,
        now: u64,
        mark: u64,
        with: impl FnOnce(&Carried<'_>, &Head) -> T,
    ) -> Option<T> {
        self.read(now, self.kept.get(&mark).filter(|kept| !kept.head.cached)?, with)
    }

    /// The fingerprint of what has a mark, and its slot.
    pub fn marked(&self, mark: u64) -> Option<(Slot, u64)> {
        self.kept.get(&mark).map(|kept| (kept.slot, kept.fingerprint))
    }

    /// The sum of the fingerprints under a key: what a watcher compares with what it knows.
    pub fn fingerprint(&self, now: u64, key: &Key, kind: Kind) -> u64 {
        let live = |kept: &&Kept| kept.head.expires > now && !kept.head.cached;
        if kind == Kind::Entry {
            let marks = self.topics.get(key).into_iter().flatten();
            let kept = marks.filter_map(|mark| self.kept.get(mark)).filter(live);
            return kept.fold(0, |sum, kept| sum.wrapping_add(kept.fingerprint));
        }
        let kept = self.kept.get(&Slot::of(*key).mark()).filter(live);
        kept.map_or(0, |kept| kept.fingerprint)
    }

    /// The marks of a topic's entries that are alive, in an order fair to sources and then to
    /// authors: the first entry of each source, then the second of each, and so on; within a source
    /// authors take turns likewise. Removals are left out unless they are asked for.
    pub fn entries(&self, now: u64, topic: &Key, removals: bool) -> Vec<u64> {
        let marks = self.topics.get(topic).into_iter().flatten();
        let live = |(_, kept): &(u64, &Kept)| {
            kept.head.expires > now && (removals || kept.head.version.body != u64::MAX)
        };
        let kept = marks.filter_map(|mark| Some((*mark, self.kept.get(mark)?))).filter(live);
        let (mut of_author, mut of_source) = (BTreeMap::new(), BTreeMap::new());
        let mut turns = Vec::new();
        for (mark, kept) in kept {
            turns.push((count(&mut of_author, kept.slot.author), mark, kept.head.origin));
        }
        turns.sort_unstable();
        // Entries without a source, those of private networks, all go as one's first.
        let fair = |(turn, mark, origin): (u32, u64, u64)| {
            let at = if origin == 0 { turn } else { count(&mut of_source, origin) };
            (at, turn, mark)
        };
        let mut turns: Vec<_> = turns.into_iter().map(fair).collect();
        turns.sort_unstable();
        turns.into_iter().map(|(_, _, mark)| mark).collect()
    }

    /// The slot with this mark, if it is no copy and in just this version.
    pub fn kept_in(&self, now: u64, mark: u64, fingerprint: u64) -> Option<Slot> {
        let kept = self.kept.get(&mark)?;
        let is_kept = !kept.head.cached && kept.head.expires > now;
        (is_kept && kept.fingerprint == fingerprint).then_some(kept.slot)
    }

    /// What to say about a range: `fingerprint` is what the other node has there.
    pub fn compare(
        &self,
        now: u64,
        both: &Both,
        depth: u8,
        prefix: u64,
        fingerprint: u64,
    ) -> Compared {
        let mut sum = 0u64;
        let mut parts = vec![0u64; PARTS];
        let mut listed = Vec::new();
        for (mark, kept) in self.in_range(now, both, depth, prefix) {
            sum = sum.wrapping_add(kept.fingerprint);
            if let Some(part) = parts.get_mut(part_of(mark, depth)) {
                *part = part.wrapping_add(kept.fingerprint);
            }
            if listed.len() <= MAX_LISTED {
                listed.push((mark, kept.fingerprint));
            }
        }
        if sum == fingerprint {
            Compared::Equal
        } else if listed.len() <= MAX_LISTED || depth >= MAX_DEPTH {
            listed.truncate(MAX_LISTED);
            Compared::Listed(listed)
        } else {
            Compared::Parts(parts)
        }
    }

    /// The values of a range: mark and fingerprint.
    pub fn range(&self, now: u64, both: &Both, depth: u8, prefix: u64) -> Vec<(u64, u64)> {
        let range = self.in_range(now, both, depth, prefix);
        range.map(|(mark, kept)| (mark, kept.fingerprint)).collect()
    }

    fn in_range<'a>(
        &'a self,
        now: u64,
        both: &'a Both,
        depth: u8,
        prefix: u64,
    ) -> impl Iterator<Item = (u64, &'a Kept)> {
        let (from, until) = span(depth, prefix);
        self.kept.range(from..=until).map(|(mark, kept)| (*mark, kept)).filter(move |(_, kept)| {
            !kept.head.cached
                // What ends soon, by one clock or the other, is not worth moving.
                && kept.head.expires > now + ENDING_S
                && both.hold(&kept.slot.key)
        })
    }

    /// Up to `most` values, in the order of their marks and from the one after `after` on, of which
    /// `which` says so by key and head; for the node's round over what it holds.
    pub fn after(
        &self,
        after: Option<u64>,
        most: usize,
        which: impl Fn(&Slot, &Head) -> bool,
    ) -> Vec<(u64, Slot)> {
        let from = after.map_or(0, |after| after.saturating_add(1));
        let kept = self.kept.range(from..);
        let kept = kept.filter(|(_, kept)| which(&kept.slot, &kept.head));
        kept.take(most).map(|(mark, kept)| (*mark, kept.slot)).collect()
    }

    /// Forgets what is in a slot; whether something was.
    pub fn remove(&mut self, slot: &Slot) -> bool {
        let mark = slot.mark();
        let is_there = self.kept.get(&mark).is_some_and(|kept| kept.slot == *slot);
        if is_there {
            self.drop_mark(mark);
        }
        is_there
    }

    /// Checks what must always hold; for tests and the simulator's checkers.
    pub fn check_invariants(&self) -> Result<(), &'static str> {
        let bytes: u64 = self.kept.values().map(Kept::cost).sum();
        if bytes != self.bytes {
            return Err("a shelf has lost count of its bytes");
        }
        if self.bytes > self.limits.bytes {
            return Err("a shelf holds more than it may");
        }
        let is_timed =
            |(mark, kept): (&u64, &Kept)| self.ends.contains(&(kept.head.expires, *mark));
        if self.ends.len() != self.kept.len() || !self.kept.iter().all(is_timed) {
            return Err("a value has no end, or an end no value");
        }
        let entries = self.kept.values().filter(|kept| kept.head.kind == Kind::Entry).count();
        if self.topics.values().map(Vec::len).sum::<usize>() != entries {
            return Err("a topic has lost count of its entries");
        }
        let lasting = || self.kept.values().filter(|kept| !kept.head.cached);
        let by_source = fill::sums(lasting().map(|kept| (kept.head.origin, kept.cost())).collect());
        let by_author = fill::sums(lasting().map(|kept| (kept.author, kept.cost())).collect());
        if by_source != self.by_source || by_author != self.by_author {
            return Err("a shelf has lost count of what is whose");
        }
        Ok(())
    }

    fn index(&mut self, mark: u64, kept: Kept) {
        let cost = kept.cost();
        self.bytes += cost;
        if kept.head.cached {
            self.cached.values += 1;
            self.cached.bytes += cost;
        } else {
            *self.by_source.entry(kept.head.origin).or_default() += cost;
            *self.by_author.entry(kept.author).or_default() += cost;
        }
        if kept.head.kind == Kind::Entry {
            self.topics.entry(kept.slot.key).or_default().push(mark);
        }
        self.ends.insert((kept.head.expires, mark));
        self.soonest = self.ends.first().map(|(soonest, _)| *soonest);
        self.kept.insert(mark, kept);
    }

    fn unindex(&mut self, mark: u64) -> Option<Kept> {
        let kept = self.kept.remove(&mark)?;
        let cost = kept.cost();
        self.bytes -= cost;
        if kept.head.cached {
            self.cached.values -= 1;
            self.cached.bytes -= cost;
        } else {
            release(&mut self.by_source, kept.head.origin, cost);
            release(&mut self.by_author, kept.author, cost);
        }
        if let Some(marks) = self.topics.get_mut(&kept.slot.key) {
            marks.retain(|other| *other != mark);
            if marks.is_empty() {
                self.topics.remove(&kept.slot.key);
            }
        }
        self.ends.remove(&(kept.head.expires, mark));
        self.soonest = self.ends.first().map(|(soonest, _)| *soonest);
        Some(kept)
    }

    fn drop_mark(&mut self, mark: u64) {
        if let Some(kept) = self.unindex(mark) {
            self.store.remove(&kept.slot);
        }
    }
}

/// The values that two nodes should both store.
#[derive(Clone, Copy, Debug)]
pub struct Both {
    /// One of them.
    pub us: Key,
    /// The other.
    pub them: Key,
    /// How near a key must be to a node to be its.
    pub radius: Radius,
}

impl Both {
    fn hold(&self, key: &Key) -> bool {
        self.radius.holds(&self.us, key) && self.radius.holds(&self.them, key)
    }
}

/// Ranges that were split so often are listed however many they hold.
pub const MAX_DEPTH: u8 = 10;
/// Values that end within so many seconds are not handed on.
const ENDING_S: u64 = 60;
/// A blob put again lives longer only if by this much: rounding and delays must not add up.
const PROLONGED_FROM_S: u64 = 60;
/// Expired values that one put clears away at most.
const EXPIRED_PER_PUT: usize = 64;

/// The first and last mark with a prefix.
fn span(depth: u8, prefix: u64) -> (u64, u64) {
    let bits = 6 * u32::from(depth.min(MAX_DEPTH));
    if bits == 0 {
        return (0, u64::MAX);
    }
    let from = prefix << (64 - bits);
    (from, from | u64::MAX >> bits)
}

/// Which part of a range a mark is in.
pub fn part_of(mark: u64, depth: u8) -> usize {
    let bits = 6 * (u32::from(depth.min(MAX_DEPTH - 1)) + 1);
    usize::try_from(mark >> (64 - bits)).unwrap_or(0) % PARTS
}

fn check_version(
    old: Option<&Kept>,
    slot: &Slot,
    version: Version,
    expected: Option<u64>,
) -> Result<(), Refusal> {
    if old.is_some_and(|old| old.slot != *slot) {
        // Two slots with one mark: by chance once in 2^64.
        return Err(Refusal::Full);
    }
    let held = old.map(|old| old.head.version);
    if held == Some(version) {
        return Ok(());
    }
    let seq = held.map_or(0, |held| held.seq);
    if expected.is_some_and(|expected| expected != seq) {
        return Err(Refusal::Swapped(seq));
    }
    if held.is_some_and(|held| held > version) {
        return Err(Refusal::Older(seq));
    }
    Ok(())
}

fn author_of(value: &Value<'_>) -> u64 {
    match value {
        Value::Blob(_) => 0,
        Value::Record(record) => author_id(record.public_key),
        Value::Entry(entry) => author_id(entry.public_key),
    }
}

/// Authors are told apart by 8 bytes of their keys: who makes two that collide shares a quota.
fn author_id(public_key: &[u8; 32]) -> u64 {
    public_key.first_chunk().map_or(0, |head| u64::from_be_bytes(*head))
}

fn release(usage: &mut BTreeMap<u64, u64>, of: u64, cost: u64) {
    if let Some(held) = usage.get_mut(&of) {
        *held -= cost;
        if *held == 0 {
            usage.remove(&of);
        }
    }
}

/// How many of a kind came before.
fn count<K: Ord>(counts: &mut BTreeMap<K, u32>, of: K) -> u32 {
    let count = counts.entry(of).or_default();
    *count += 1;
    *count - 1
}
