//! What each source has stored: the basis of quotas and of fairness.

use rand_core::Rng;
use siphasher::sip::SipHasher13;

use super::table::StepTable;

/// Names a source in records. A keyed hash of what the caller counts by (a subnet, an author): 32
/// bits, so that a record can carry it. Sources that collide share a quota; among 100,000 that is
/// one pair, and nobody can choose whom to collide with.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct SourceId(u32);

/// How many bytes each source has stored. Grows with the number of sources that store something,
/// some 10 to 20 bytes each.
#[derive(Clone, Debug)]
pub struct Sources {
    hasher: SipHasher13,
    usage: StepTable<(SourceId, u32)>,
}

impl Sources {
    /// Nobody has stored anything; the key of the hash comes from `rng`.
    pub fn new(rng: &mut impl Rng) -> Self {
        Self {
            hasher: SipHasher13::new_with_keys(rng.next_u64(), rng.next_u64()),
            usage: StepTable::new(),
        }
    }

    /// The id of what the caller counts by, for example an
    /// [`Address::subnet`](crate::Address::subnet).
    pub fn id(&self, source: u64) -> SourceId {
        #[expect(clippy::cast_possible_truncation, reason = "any 32 bits of the hash do")]
        let id = self.hasher.hash(&source.to_le_bytes()) as u32;
        SourceId(id.max(1))
    }

    /// Bytes that `source` has stored.
    pub fn usage(&self, source: SourceId) -> u32 {
        let found = self.usage.find(spread(source), |(id, _)| *id == source);
        found.map_or(0, |(_, bytes)| bytes)
    }

    /// `source` has stored `bytes` more. Nobody is charged nothing.
    pub fn charge(&mut self, source: SourceId, bytes: u32) {
        if source == SourceId::NOBODY {
            return;
        }
        let hash = spread(source);
        match self.usage.find_mut(hash, |(id, _)| *id == source) {
            Some((_, usage)) => *usage = usage.saturating_add(bytes),
            None => self.usage.insert(hash, (source, bytes), |(id, _)| spread(*id)),
        }
    }

    /// `bytes` that `source` had stored are gone.
    pub fn release(&mut self, source: SourceId, bytes: u32) {
        let is_it = |(id, _): &(SourceId, u32)| *id == source;
        if let Some((_, usage)) = self.usage.find_mut(spread(source), is_it) {
            *usage = usage.saturating_sub(bytes);
            if *usage == 0 {
                self.usage.remove(spread(source), is_it, |(id, _)| spread(*id));
            }
        }
    }

    /// How many sources have something stored.
    pub fn len(&self) -> usize {
        self.usage.len()
    }

    /// Whether nobody has.
    pub fn is_empty(&self) -> bool {
        self.usage.is_empty()
    }
}

impl SourceId {
    /// What is not counted: our own entries, and those read back from disk.
    pub const NOBODY: Self = Self(0);

    /// As a record's tag.
    pub const fn to_tag(self) -> u32 {
        self.0
    }

    /// From a record's tag.
    pub const fn from_tag(tag: u32) -> Self {
        Self(tag)
    }
}

/// The table wants entropy at both ends of 64 bits; the id is a good hash already.
fn spread(source: SourceId) -> u64 {
    u64::from(source.0) << 32 | u64::from(source.0)
}
