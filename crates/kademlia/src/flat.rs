//! A map for few entries: one sorted vector.
//!
//! A node keeps track of the handful of requests, lookups and operations that are under way. A tree
//! would give each of these a leaf with room for eleven that stays when it is empty, and among a
//! million simulated nodes that is memory to pay for and to wait for. Entries should be small:
//! those behind an insertion are moved.

use core::cmp::Ordering;

use crate::ahead::fetch_all;

/// A sorted map for small entries.
#[derive(Clone, Debug)]
pub struct FlatMap<K, V> {
    /// In ascending order of their keys.
    entries: Vec<(K, V)>,
}

impl<K, V> Default for FlatMap<K, V> {
    fn default() -> Self {
        Self { entries: Vec::new() }
    }
}

impl<K: Ord, V> FlatMap<K, V> {
    /// Up to this size memory grows by one entry at a time.
    const SMALL: usize = 4;

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The value of a key.
    pub fn get(&self, key: &K) -> Option<&V> {
        let at = self.find(key).ok()?;
        self.entries.get(at).map(|(_, value)| value)
    }

    /// The value of a key, to change.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let at = self.find(key).ok()?;
        self.entries.get_mut(at).map(|(_, value)| value)
    }

    /// Whether a key is there.
    pub fn contains_key(&self, key: &K) -> bool {
        self.find(key).is_ok()
    }

    /// Sets the value of a key; returns the one before.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.find(&key) {
            Ok(at) => {
                let entry = self.entries.get_mut(at);
                entry.map(|(_, before)| core::mem::replace(before, value))
            }
            Err(at) => {
                if self.entries.len() < Self::SMALL {
                    self.entries.reserve_exact(1);
                }
                self.entries.insert(at, (key, value));
                None
            }
        }
    }

    /// Takes out the value of a key.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let at = self.find(key).ok()?;
        Some(self.entries.remove(at).1)
    }

    /// Keeps the entries that `keep` is true for.
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        self.entries.retain_mut(|(key, value)| keep(key, value));
    }

    /// The entry with the lowest key.
    pub fn first(&self) -> Option<(&K, &V)> {
        self.entries.first().map(|(key, value)| (key, value))
    }

    /// All entries, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        self.entries.iter().map(|(key, value)| (key, value))
    }

    /// All values, in the order of their keys.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.entries.iter().map(|(_, value)| value)
    }

    /// Asks for the first entries: see [`ahead`](crate::ahead).
    pub fn prefetch(&self) {
        fetch_all(self.entries.get(..Self::SMALL).unwrap_or(&self.entries));
    }

    /// Where a key is, or where it belongs. New keys are mostly the highest.
    fn find(&self, key: &K) -> Result<usize, usize> {
        match self.entries.last().map(|(last, _)| last.cmp(key)) {
            None | Some(Ordering::Less) => Err(self.entries.len()),
            Some(Ordering::Equal) => Ok(self.entries.len() - 1),
            Some(Ordering::Greater) => self.entries.binary_search_by(|(other, _)| other.cmp(key)),
        }
    }
}

#[cfg(test)]
mod tests;
