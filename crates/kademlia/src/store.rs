//! Where a network keeps what others store with it: the trait and the bounded in-memory store.
//!
//! A store knows keys, bytes, times and sources. That a value belongs to its key (by hash or by
//! signature) and that it supersedes an older one is for the network to check before it calls
//! [`Store::put`].
//!
//! # Who loses when there is no room
//!
//! Nobody by flooding. Every entry is charged to its *source* (a subnet, an author: what the
//! network finds dear to multiply), and a source has a quota. When the store is full nevertheless,
//! what has expired goes; then the setting decides:
//!
//! - [`WhenFull::Refuse`]: the newcomer is refused. What is stored stays to its end; but many
//!   sources together can keep others out for as long as they keep the store full.
//! - [`WhenFull::FairShare`]: an entry of a source that holds *more than the newcomer's would hold
//!   with the new entry* gives way, the one of the heaviest source among 64 drawn at random; among
//!   equals, the one farthest from [`MemoryStore::set_home`] (what is near to us is ours to keep).
//!   To push others out, an attacker needs sources that each hold less than they do; who floods
//!   from few loses his own entries first, and newcomers with little always get in.

pub mod arena;
pub mod sources;
mod table;

use rand_core::Rng;

pub use arena::Arena;
use arena::{Record, Sweep};
pub use sources::{SourceId, Sources};

use crate::key::{Distance, Key};
use crate::protocol::Moment;

/// Values under keys, each until it expires.
pub trait Store {
    /// Stores `put` under `key`, in place of what is there. The same value again keeps its source
    /// and lives as long as either says. When it is refused, nothing has changed.
    fn put(&mut self, now: Moment, key: &Key, put: Put<'_>) -> Result<Placed, Refused>;
    /// What is stored under `key`.
    fn get(&self, now: Moment, key: &Key) -> Option<Entry<'_>>;
    /// Removes what is stored under `key`; whether something was.
    fn remove(&mut self, key: &Key) -> bool;
    /// Frees what some expired entries held: a bounded number, so call it again if
    /// [`Store::next_expiry`] has come again.
    fn expire(&mut self, now: Moment);
    /// When [`Store::expire`] wants to be called next; `None`: never. Expired entries are invisible
    /// at once but may keep their room for a minute more, unless it is needed.
    fn next_expiry(&self) -> Option<Moment>;
    /// How full it is.
    fn usage(&self) -> Usage;
}

/// Something to store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Put<'a> {
    /// The bytes.
    pub value: &'a [u8],
    /// When it ends. Kept to the second, rounded up.
    pub expires: Moment,
    /// What quotas count by; `None`: nobody's, like our own values and those read back from disk.
    /// Nobody's entries have no quota and never give way.
    pub source: Option<u64>,
}

/// Something stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry<'a> {
    /// The bytes.
    pub value: &'a [u8],
    /// When it ends.
    pub expires: Moment,
}

/// What a put has done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Placed {
    /// The key is new.
    New,
    /// The value has replaced another.
    Replaced,
    /// The value was there already and lives on.
    Refreshed,
}

/// Why a put was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// The value is too long.
    #[error("value exceeds the limit of {limit} bytes")]
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// It would have expired already.
    #[error("expired already")]
    Expired,
    /// Its source has stored as much as one may.
    #[error("the source has used up its quota of {limit} bytes")]
    Quota {
        /// The limit.
        limit: u32,
    },
    /// The store is full.
    #[error("the store is full")]
    Full,
}

/// How full a store is, and what it had to turn away.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Usage {
    /// Entries, expired ones that still take room included.
    pub entries: usize,
    /// Bytes charged for them.
    pub bytes: usize,
    /// Puts refused so far.
    pub refused: u64,
    /// Entries that gave way so far.
    pub displaced: u64,
}

/// The bounds of a store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Entries at most.
    pub entries: usize,
    /// Bytes at most: keys, values and [`OVERHEAD_BYTES`] an entry. The memory used stays below 4/3
    /// of it and two pages of 64 KiB.
    pub bytes: usize,
    /// Bytes at most of one source.
    pub source_bytes: u32,
    /// Bytes at most of one value.
    pub value_bytes: usize,
    /// Who loses when there is no room.
    pub when_full: WhenFull,
}

/// Who loses when there is no room; see the [module](self).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WhenFull {
    /// The newcomer.
    Refuse,
    /// Entries of sources that hold more than the newcomer's.
    FairShare,
}

/// 16 MiB: at Mainline's 1000 bytes a value 16,000 values, some hours of what a well-placed node is
/// given; of the smallest values 300,000. A source gets 1/64 of it: a few subnets can't fill it,
/// and whoever stores in good faith with one node among millions does not come near.
impl Default for Limits {
    fn default() -> Self {
        Self {
            entries: 300_000,
            bytes: 16 << 20,
            source_bytes: 256 << 10,
            value_bytes: 1 << 16,
            when_full: WhenFull::Refuse,
        }
    }
}

/// What an entry is charged beyond key and value: header, index, and its share of the accounting.
pub const OVERHEAD_BYTES: usize = 32;

/// Pages swept at most to make room for one entry.
const SWEEPS_PER_PUT: usize = 4;

/// Entries looked at when somebody has to give way: a source that holds a tenth of the store is
/// missed once in 800 times. Drawn one by one, because what a source stored at once lies side by
/// side.
const DRAWS: usize = 64;

/// A [`Store`] in memory, within [`Limits`]. Keeps the leading `K` bytes of keys: `K` is the length
/// of the network's identifiers.
#[derive(Clone, Debug)]
pub struct MemoryStore<const K: usize> {
    arena: Arena<K>,
    sources: Sources,
    limits: Limits,
    home: Key,
    bytes: usize,
    refused: u64,
    displaced: u64,
}

impl<const K: usize> MemoryStore<K> {
    /// An empty store, which has allocated nothing; the keys of its hashes come from `rng`.
    pub fn new(limits: Limits, rng: &mut impl Rng) -> Self {
        Self {
            arena: Arena::new(rng),
            sources: Sources::new(rng),
            limits,
            home: Key::ZERO,
            bytes: 0,
            refused: 0,
            displaced: 0,
        }
    }

    /// The node's own id: what is near to it gives way last.
    pub fn set_home(&mut self, home: Key) {
        self.home = home;
    }

    /// All entries alive, in an order that depends on nothing but the calls so far.
    pub fn iter(&self, now: Moment) -> impl Iterator<Item = (Key, Entry<'_>)> {
        let now = seconds(now);
        let alive = self.arena.iter().filter(move |record| record.due > now);
        alive.map(|record| (Key::from_id(record.key), entry(record)))
    }

    /// Bytes that an entry with a value of `len` bytes is charged.
    fn cost(len: usize) -> usize {
        K + len + OVERHEAD_BYTES
    }

    fn source_id(&self, source: Option<u64>) -> SourceId {
        source.map_or(SourceId::NOBODY, |source| self.sources.id(source))
    }

    fn try_put(&mut self, now: u32, key: &[u8; K], put: Put<'_>) -> Result<Placed, Refused> {
        let limit = self.limits.value_bytes;
        if put.value.len() > limit {
            return Err(Refused::TooLong { limit });
        }
        let due = seconds_until(put.expires);
        if due <= now {
            return Err(Refused::Expired);
        }
        let tag = self.source_id(put.source).to_tag();
        let new = Record { key, due, tag, value: put.value };
        let Some(place) = self.arena.find(key) else {
            return self.add(now, new);
        };
        match self.arena.get(place) {
            Some(old) if old.due > now && old.value == new.value => {
                let due = due.max(old.due);
                self.arena.set_due(place, due);
                Ok(Placed::Refreshed)
            }
            Some(old) if old.due > now => {
                let (old_tag, old_len) = (old.tag, old.value.len());
                self.replace(now, new, SourceId::from_tag(old_tag), old_len)
            }
            _ => {
                self.drop_key(key);
                self.add(now, new)
            }
        }
    }

    fn add(&mut self, now: u32, new: Record<'_, K>) -> Result<Placed, Refused> {
        let (source, cost) = (SourceId::from_tag(new.tag), Self::cost(new.value.len()));
        let holds = self.check_quota(now, source, cost, 0)?;
        self.make_room(now, Room { entries: 1, bytes: cost, holds, keep: new.key })?;
        self.arena.insert(new).map_err(|_| Refused::Full)?;
        self.charge(source, cost);
        Ok(Placed::New)
    }

    fn replace(
        &mut self,
        now: u32,
        new: Record<'_, K>,
        old_source: SourceId,
        old_len: usize,
    ) -> Result<Placed, Refused> {
        let (source, cost) = (SourceId::from_tag(new.tag), Self::cost(new.value.len()));
        let old_cost = Self::cost(old_len);
        let freed = if source == old_source { old_cost } else { 0 };
        let holds = self.check_quota(now, source, cost, freed)?;
        let bytes = cost.saturating_sub(old_cost);
        self.make_room(now, Room { entries: 0, bytes, holds, keep: new.key })?;
        // The arena may have moved the entry meanwhile.
        let place = if new.value.len() == old_len {
            self.arena.find(new.key)
        } else {
            self.arena.resize(new.key, new.value.len())
        };
        let place = place.ok_or(Refused::Full)?;
        if let Some(value) = self.arena.value_mut(place) {
            value.copy_from_slice(new.value);
        }
        self.arena.set_tag(place, new.tag);
        self.arena.set_due(place, new.due);
        self.release(old_source, old_cost);
        self.charge(source, cost);
        Ok(Placed::Replaced)
    }

    /// What `source` will hold with `cost` more and `freed` less, if it may.
    fn check_quota(
        &mut self,
        now: u32,
        source: SourceId,
        cost: usize,
        freed: usize,
    ) -> Result<usize, Refused> {
        if source == SourceId::NOBODY {
            return Ok(0);
        }
        let limit = self.limits.source_bytes;
        for _ in 0..=SWEEPS_PER_PUT {
            let holds = (self.sources.usage(source) as usize + cost).saturating_sub(freed);
            if holds <= limit as usize {
                return Ok(holds);
            }
            if !self.sweep(now, Sweep::Pressed) {
                break;
            }
        }
        Err(Refused::Quota { limit })
    }

    /// Sees to it that what is asked for fits, or changes nothing but what had expired.
    fn make_room(&mut self, now: u32, room: Room<'_, K>) -> Result<(), Refused> {
        for _ in 0..SWEEPS_PER_PUT {
            if self.lacking(room) == (0, 0) {
                return Ok(());
            }
            if !self.sweep(now, Sweep::Pressed) {
                break;
            }
        }
        match (self.lacking(room), self.limits.when_full) {
            ((0, 0), _) => Ok(()),
            (_, WhenFull::Refuse) => Err(Refused::Full),
            (lacking, WhenFull::FairShare) => self.displace(room, lacking),
        }
    }

    /// Entries and bytes that are missing.
    fn lacking(&self, room: Room<'_, K>) -> (usize, usize) {
        let entries = (self.arena.len() + room.entries).saturating_sub(self.limits.entries);
        let bytes = (self.bytes + room.bytes).saturating_sub(self.limits.bytes);
        // A value no longer than the one it replaces is always welcome.
        if room.entries + room.bytes == 0 { (0, 0) } else { (entries, bytes) }
    }

    fn displace(&mut self, room: Room<'_, K>, lacking: (usize, usize)) -> Result<(), Refused> {
        let losers = self.losers(room, lacking).ok_or(Refused::Full)?;
        for key in &losers {
            self.drop_key(key);
            self.displaced += 1;
        }
        Ok(())
    }

    /// Who has to give way, if enough can be found who must.
    fn losers(&mut self, room: Room<'_, K>, lacking: (usize, usize)) -> Option<Vec<[u8; K]>> {
        let mut drawn = Vec::with_capacity(DRAWS);
        let (sources, home) = (&self.sources, self.home);
        self.arena.draw(DRAWS, |record| {
            let source = SourceId::from_tag(record.tag);
            drawn.push(Drawn {
                usage: sources.usage(source) as usize,
                distance: home.distance(&Key::from_id(record.key)),
                key: *record.key,
                source,
                bytes: Self::cost(record.value.len()),
            });
        });
        drawn.sort_unstable_by(|a, b| b.cmp(a));
        drawn.dedup();
        let mut losers = Vec::<Drawn<K>>::new();
        let (mut entries, mut bytes) = lacking;
        for candidate in drawn {
            let lost = losers.iter().filter(|loser| loser.source == candidate.source);
            let lost: usize = lost.map(|loser| loser.bytes).sum();
            if candidate.usage.saturating_sub(lost) > room.holds && candidate.key != *room.keep {
                entries = entries.saturating_sub(1);
                bytes = bytes.saturating_sub(candidate.bytes);
                losers.push(candidate);
                if (entries, bytes) == (0, 0) {
                    return Some(losers.into_iter().map(|loser| loser.key).collect());
                }
            }
        }
        None
    }

    fn sweep(&mut self, now: u32, why: Sweep) -> bool {
        let Self { arena, sources, bytes, .. } = self;
        arena.sweep(now, why, |record| {
            let cost = Self::cost(record.value.len());
            sources.release(SourceId::from_tag(record.tag), narrow(cost));
            *bytes -= cost;
            None
        })
    }

    /// Removes what is stored under `key`; whether something was.
    fn drop_key(&mut self, key: &[u8; K]) -> bool {
        let Some(place) = self.arena.find(key) else {
            return false;
        };
        if let Some(record) = self.arena.get(place) {
            let (source, cost) = (record.tag, Self::cost(record.value.len()));
            self.release(SourceId::from_tag(source), cost);
        }
        self.arena.remove(place);
        true
    }

    fn charge(&mut self, source: SourceId, cost: usize) {
        self.sources.charge(source, narrow(cost));
        self.bytes += cost;
    }

    fn release(&mut self, source: SourceId, cost: usize) {
        self.sources.release(source, narrow(cost));
        self.bytes -= cost;
    }
}

impl<const K: usize> Store for MemoryStore<K> {
    fn put(&mut self, now: Moment, key: &Key, put: Put<'_>) -> Result<Placed, Refused> {
        const { assert!(K <= Key::BYTES) };
        let result = self.try_put(seconds(now), &key.id(), put);
        self.refused += u64::from(result.is_err());
        result
    }

    fn get(&self, now: Moment, key: &Key) -> Option<Entry<'_>> {
        let record = self.arena.get(self.arena.find(&key.id())?)?;
        (record.due > seconds(now)).then_some(entry(record))
    }

    fn remove(&mut self, key: &Key) -> bool {
        self.drop_key(&key.id())
    }

    fn expire(&mut self, now: Moment) {
        self.sweep(seconds(now), Sweep::Routine);
    }

    fn next_expiry(&self) -> Option<Moment> {
        self.arena.next_due().map(moment)
    }

    fn usage(&self) -> Usage {
        Usage {
            entries: self.arena.len(),
            bytes: self.bytes,
            refused: self.refused,
            displaced: self.displaced,
        }
    }
}

/// What [`MemoryStore::make_room`] is asked for.
#[derive(Clone, Copy)]
struct Room<'a, const K: usize> {
    entries: usize,
    bytes: usize,
    /// Bytes that the source asking will hold: only who holds more gives way.
    holds: usize,
    /// The key that is stored: never gives way to itself.
    keep: &'a [u8; K],
}

/// An entry that may have to give way; the greatest goes first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Drawn<const K: usize> {
    usage: usize,
    distance: Distance,
    key: [u8; K],
    source: SourceId,
    bytes: usize,
}

fn entry<const K: usize>(record: Record<'_, K>) -> Entry<'_> {
    Entry { value: record.value, expires: moment(record.due) }
}

/// Whole seconds that have passed at `now`.
pub fn seconds(now: Moment) -> u32 {
    u32::try_from(now.as_micros() / 1_000_000).unwrap_or(u32::MAX)
}

/// The first whole second at or after `expires`: whoever compares it with [`seconds`] ends
/// something up to one second late, never early. At most `u32::MAX - 1`, because `u32::MAX` means
/// never.
pub fn seconds_until(expires: Moment) -> u32 {
    let seconds = expires.as_micros().div_ceil(1_000_000);
    u32::try_from(seconds).unwrap_or(u32::MAX).min(u32::MAX - 1)
}

/// The moment `seconds` after the start.
pub const fn moment(seconds: u32) -> Moment {
    Moment::from_micros(seconds as u64 * 1_000_000)
}

/// Sources count in 32 bits; quotas are far below.
fn narrow(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
