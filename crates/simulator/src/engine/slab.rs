//! Messages under way, in buffers that are used again.

use kademlia::ahead::fetch;

/// Buffers that outgrew this are given back: one burst must not be paid for ever after.
const KEPT_CAPACITY: usize = 4096;

/// Message buffers by number.
#[derive(Debug, Default)]
pub(super) struct Slab {
    buffers: Vec<Vec<u8>>,
    free: Vec<u32>,
}

impl Slab {
    /// Puts `buffer` into a free place and an empty one into its stead.
    pub(super) fn store(&mut self, buffer: &mut Vec<u8>) -> u32 {
        let number = self.free.pop().unwrap_or_else(|| {
            self.buffers.push(Vec::new());
            u32::try_from(self.buffers.len() - 1).unwrap_or(u32::MAX)
        });
        if let Some(place) = self.buffers.get_mut(number as usize) {
            core::mem::swap(place, buffer);
            buffer.clear();
        }
        number
    }

    /// Stores a copy.
    pub(super) fn copy(&mut self, number: u32) -> u32 {
        let mut copy = self.take(number);
        let original = copy.clone();
        self.give_back(number, original);
        self.store(&mut copy)
    }

    pub(super) fn message(&self, number: u32) -> &[u8] {
        self.buffers.get(number as usize).map(Vec::as_slice).unwrap_or_default()
    }

    /// Asks for the place of a message: see [`kademlia::ahead`].
    pub(super) fn prefetch(&self, number: u32) {
        if let Some(buffer) = self.buffers.get(number as usize) {
            fetch(buffer);
        }
    }

    /// Lends out the buffer with a message.
    pub(super) fn take(&mut self, number: u32) -> Vec<u8> {
        self.buffers.get_mut(number as usize).map(core::mem::take).unwrap_or_default()
    }

    /// Puts a lent buffer back, still in use.
    fn give_back(&mut self, number: u32, buffer: Vec<u8>) {
        if let Some(place) = self.buffers.get_mut(number as usize) {
            *place = buffer;
        }
    }

    /// Frees a place; its buffer will be used again.
    pub(super) fn free(&mut self, number: u32, mut buffer: Vec<u8>) {
        buffer.clear();
        buffer.shrink_to(KEPT_CAPACITY);
        self.give_back(number, buffer);
        self.free.push(number);
    }

    /// Messages under way.
    pub(super) fn in_use(&self) -> usize {
        self.buffers.len() - self.free.len()
    }
}
