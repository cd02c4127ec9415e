//! A hash table that grows and shrinks in small steps.
//!
//! `hashbrown` moves all entries at once when its table is full: at a million entries, each looked
//! up in memory to hash it again, that stalls a node for a third of a second. Here a second table
//! takes over, and every call moves a few entries.

use hashbrown::HashTable;
use hashbrown::hash_table::OccupiedEntry;

/// Entries under hashes that the caller computes. What is stored is small: places, counters.
#[derive(Clone, Debug)]
pub(super) struct StepTable<T> {
    current: HashTable<T>,
    /// What `current` takes over from, bucket by bucket up to `cursor`.
    old: HashTable<T>,
    cursor: usize,
}

/// Entries taken over by one call, and buckets passed for that. Two would do: a full table gives
/// way to one with room for as many entries again.
const STEP: usize = 8;
const STEP_BUCKETS: usize = 64;

/// Tables of up to so many buckets are taken over at once: some 20 µs.
const SMALL: usize = 512;

impl<T: Copy> StepTable<T> {
    /// An empty table, which has allocated nothing.
    pub(super) fn new() -> Self {
        Self { current: HashTable::new(), old: HashTable::new(), cursor: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.current.len() + self.old.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn find(&self, hash: u64, is_it: impl Fn(&T) -> bool) -> Option<T> {
        let found = self.current.find(hash, &is_it);
        if found.is_some() || self.old.is_empty() {
            return found.copied();
        }
        self.old.find(hash, is_it).copied()
    }

    pub(super) fn find_mut(&mut self, hash: u64, is_it: impl Fn(&T) -> bool) -> Option<&mut T> {
        let found = self.current.find_mut(hash, &is_it);
        if found.is_some() || self.old.is_empty() {
            return found;
        }
        self.old.find_mut(hash, is_it)
    }

    /// Adds an entry that is not there yet; `rehash` computes the hash of any entry.
    pub(super) fn insert(&mut self, hash: u64, entry: T, rehash: impl Fn(&T) -> u64) {
        if self.current.len() == self.current.capacity() {
            let full = full_capacity(&self.current);
            // What is removed may leave marks that fill a table half empty.
            let capacity = if self.current.len() > full / 2 { full + 1 } else { full };
            self.replace(capacity, &rehash);
        }
        self.current.insert_unique(hash, entry, &rehash);
        self.step(&rehash);
    }

    /// Removes an entry; whether it was there.
    pub(super) fn remove(
        &mut self,
        hash: u64,
        is_it: impl Fn(&T) -> bool,
        rehash: impl Fn(&T) -> u64,
    ) -> bool {
        let removed = match self.current.find_entry(hash, &is_it) {
            Ok(entry) => {
                entry.remove();
                true
            }
            Err(_) => self.old.find_entry(hash, is_it).map(OccupiedEntry::remove).is_ok(),
        };
        let full = full_capacity(&self.current);
        if full > 64 && self.old.is_empty() && self.current.len() < full / 8 {
            self.replace(self.current.len() * 2, &rehash);
        }
        self.step(&rehash);
        removed
    }

    /// Begins a new table.
    fn replace(&mut self, capacity: usize, rehash: impl Fn(&T) -> u64) {
        while !self.old.is_empty() {
            self.step(&rehash);
        }
        self.old = core::mem::replace(&mut self.current, HashTable::with_capacity(capacity));
        self.cursor = 0;
        if self.old.num_buckets() <= SMALL {
            while !self.old.is_empty() {
                self.step(&rehash);
            }
        }
    }

    /// Takes over a few buckets of the old table.
    fn step(&mut self, rehash: impl Fn(&T) -> u64) {
        if self.old.is_empty() {
            if self.old.capacity() > 0 {
                self.old = HashTable::new();
            }
            return;
        }
        let mut left = STEP;
        for _ in 0..STEP_BUCKETS {
            if let Ok(entry) = self.old.get_bucket_entry(self.cursor) {
                let (entry, _) = entry.remove();
                self.current.insert_unique(rehash(&entry), entry, &rehash);
                left -= 1;
            }
            self.cursor += 1;
            if left == 0 {
                break;
            }
        }
    }

    /// Entries it has allocated room for.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        full_capacity(&self.current) + full_capacity(&self.old)
    }
}

/// Entries that fit a table; `HashTable::capacity` leaves out those whose room removals have
/// marked.
fn full_capacity<T>(table: &HashTable<T>) -> usize {
    table.num_buckets() / 8 * 7
}

#[cfg(test)]
mod tests;
