//! Of all records found when a store is opened, which one counts in each slot.
//!
//! A table of a million slots is too large for the processor's caches, so that each step to a place
//! in it by chance costs more than all else that is done about a record. Records are therefore put
//! into heaps by the part of the index they belong to, and each heap is looked through at once.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::BuildHasherDefault;
use std::io;

use poly::value::Slot;

use super::log::{Hashed, Place};
use super::record::Header;

/// Heaps: what is in one of a million slots fits into the cache of a core.
const HEAPS: usize = 256;
/// Bits of the hash below those that choose the heap. A hash table finds its places by the lowest
/// bits: with tables of 2^21 places a heap is a stretch of them. That makes for speed alone.
const HEAP_FROM: u32 = 13;

/// A record, as much of it as is needed to tell which of a slot counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    /// Of the slot, in this run's index.
    pub(super) hash: u64,
    /// Of the slot, too, and of no other with the same hash; see [`tag`].
    tag: u64,
    seq: u64,
    /// Until when it matters that it is there, in unix seconds.
    pub(super) ends: u64,
    pub(super) place: Place,
    /// It says that the slot is empty.
    is_empty: bool,
}

impl Record {
    pub(super) fn new(hash: u64, header: &Header, place: Place) -> Self {
        Self {
            hash,
            tag: tag(&header.slot),
            seq: header.seq,
            ends: header.ends(),
            place,
            is_empty: header.head.is_none(),
        }
    }

    /// Whether an earlier one of the slot counts rather than this. Copies have the number of their
    /// original; of an emptied slot's, the copy says so.
    fn is_older_than(&self, earlier: &Self) -> bool {
        self.seq < earlier.seq || (self.seq == earlier.seq && earlier.is_empty)
    }
}

/// Tells slots apart whose hashes are equal. Those are 64 bits under a key that is new in each run,
/// so nobody can choose slots that have one hash, and chance gives two of a million slots one once
/// in 4·10⁷ starts: it need not be a good hash.
fn tag(slot: &Slot) -> u64 {
    let [key, author] = [slot.key.as_bytes(), &slot.author]
        .map(|bytes| bytes.first_chunk().map_or(0, |head| u64::from_be_bytes(*head)));
    key ^ author.rotate_left(32) ^ u64::from(slot.number)
}

/// Records in the order they were found in, in heaps.
#[derive(Debug)]
pub(super) struct Gathered {
    heaps: Vec<Vec<Record>>,
}

impl Default for Gathered {
    fn default() -> Self {
        Self { heaps: (0..HEAPS).map(|_| Vec::new()).collect() }
    }
}

impl Gathered {
    pub(super) fn len(&self) -> usize {
        self.heaps.iter().map(Vec::len).sum()
    }

    pub(super) fn add(&mut self, record: Record) {
        let heap = usize::try_from(record.hash >> HEAP_FROM).unwrap_or(0) % HEAPS;
        if let Some(heap) = self.heaps.get_mut(heap) {
            heap.push(record);
        }
    }

    /// Hands out all, and whether each is the one that counts in its slot.
    pub(super) fn settle(
        self,
        mut each: impl FnMut(&Record, bool) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut newest: HashMap<(u64, u64), Record, BuildHasherDefault<Hashed>> =
            HashMap::default();
        for heap in self.heaps {
            for record in heap {
                // The hasher takes the last number for the hash.
                match newest.entry((record.tag, record.hash)) {
                    Entry::Vacant(entry) => drop(entry.insert(record)),
                    Entry::Occupied(entry) if record.is_older_than(entry.get()) => {
                        each(&record, false)?;
                    }
                    Entry::Occupied(mut entry) => each(&entry.insert(record), false)?,
                }
            }
            for (_, record) in newest.drain() {
                each(&record, true)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
