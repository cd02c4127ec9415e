//! Which subnets a table has contacts in, and which ids, roughly: a Bloom filter of which one word
//! is read.

use crate::ahead::fetch;

/// A set of numbers that may also claim to have what it has not, once in a hundred times when
/// it is full.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks {
    /// A power of two of them, or none.
    words: Vec<u64>,
    /// How many were added.
    count: usize,
}

impl Marks {
    /// Marks a word takes: three bits each.
    const PER_WORD: usize = 4;

    /// An empty set with room for so many.
    pub(super) fn with_room(marks: usize) -> Self {
        let words = marks.div_ceil(Self::PER_WORD).next_power_of_two();
        Self { words: vec![0; words], count: 0 }
    }

    /// Whether one more finds room.
    pub(super) fn has_room(&self) -> bool {
        self.count < self.words.len() * Self::PER_WORD
    }

    /// Adds a number.
    pub(super) fn add(&mut self, number: u64) {
        let (at, bits) = self.place(number);
        if let Some(word) = self.words.get_mut(at) {
            *word |= bits;
            self.count += 1;
        }
    }

    /// Whether the number may have been added; if not, it has not been.
    pub(super) fn may_contain(&self, number: u64) -> bool {
        let (at, bits) = self.place(number);
        self.words.get(at).is_some_and(|word| word & bits == bits)
    }

    /// Bytes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        self.words.capacity() * size_of::<u64>()
    }

    /// Asks for the word of a number: see [`ahead`](crate::ahead).
    pub(super) fn prefetch(&self, number: u64) {
        if let Some(word) = self.words.get(self.place(number).0) {
            fetch(word);
        }
    }

    /// The word of a number, and its bits there.
    fn place(&self, number: u64) -> (usize, u64) {
        let hash = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let bits = 1 << (hash >> 58) | 1 << (hash >> 52 & 63) | 1 << (hash >> 46 & 63);
        let at = (hash >> 20) as usize & self.words.len().wrapping_sub(1);
        (at, bits)
    }
}

#[cfg(test)]
mod tests;
