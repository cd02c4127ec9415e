//! Which subnets a table has contacts in, roughly: a Bloom filter of which one word is read.

/// A set of hashes of subnets that may also claim to have what it has not, once in sixty times when
/// it is full.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks {
    /// A power of two of them, or none.
    words: Vec<u64>,
    /// How many were added.
    count: usize,
}

impl Marks {
    /// Marks a word takes: two bits each.
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

    /// Adds the mark of a subnet.
    pub(super) fn add(&mut self, subnet: u64) {
        let (at, bits) = self.place(subnet);
        if let Some(word) = self.words.get_mut(at) {
            *word |= bits;
            self.count += 1;
        }
    }

    /// Whether the subnet may have been added; if not, it has not been.
    pub(super) fn may_contain(&self, subnet: u64) -> bool {
        let (at, bits) = self.place(subnet);
        self.words.get(at).is_some_and(|word| word & bits == bits)
    }

    /// Bytes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        self.words.capacity() * size_of::<u64>()
    }

    /// Reads the word of a subnet: see [`super::Table::touch`].
    pub(super) fn touch(&self, subnet: u64) -> u64 {
        self.words.get(self.place(subnet).0).copied().unwrap_or(0)
    }

    /// The word of a subnet, and its bits there.
    fn place(&self, subnet: u64) -> (usize, u64) {
        let hash = subnet.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let bits = 1 << (hash >> 58) | 1 << (hash >> 52 & 63);
        let at = (hash >> 20) as usize & self.words.len().wrapping_sub(1);
        (at, bits)
    }
}

#[cfg(test)]
mod tests;
