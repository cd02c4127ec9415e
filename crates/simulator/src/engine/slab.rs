//! Messages under way, side by side: one that comes after another lies near it, and to look at
//! them reads few pages of memory however many nodes there are.

use std::collections::BTreeMap;

use kademlia::ahead::fetch;

/// Messages under way, by number.
#[derive(Debug)]
pub(super) struct Slab {
    small: Rack,
    large: Rack,
    /// Those that fit nowhere: bulk exchanges.
    long: BTreeMap<u32, Vec<u8>>,
    next_long: u32,
}

/// Places of one size.
#[derive(Debug)]
struct Rack {
    size: usize,
    bytes: Vec<u8>,
    /// How long the message in each place is.
    lengths: Vec<u16>,
    free: Vec<u32>,
}

/// A query, or an answer with eight contacts of IPv4.
const SMALL_BYTES: usize = 320;
/// A datagram that passes every link.
const LARGE_BYTES: usize = 1280;

/// The highest two bits of a number say where its message is.
const LARGE: u32 = 1 << 30;
const LONG: u32 = 1 << 31;

impl Default for Slab {
    fn default() -> Self {
        Self {
            small: Rack::new(SMALL_BYTES),
            large: Rack::new(LARGE_BYTES),
            long: BTreeMap::new(),
            next_long: LONG,
        }
    }
}

impl Slab {
    /// Stores a message.
    pub(super) fn store(&mut self, message: &[u8]) -> u32 {
        if message.len() <= SMALL_BYTES {
            self.small.store(message)
        } else if message.len() <= LARGE_BYTES {
            self.large.store(message) | LARGE
        } else {
            let number = self.next_long;
            self.next_long = number.wrapping_add(1) | LONG;
            self.long.insert(number, message.to_vec());
            number
        }
    }

    /// Stores a copy.
    pub(super) fn copy(&mut self, number: u32) -> u32 {
        let copy = self.message(number).to_vec();
        self.store(&copy)
    }

    pub(super) fn message(&self, number: u32) -> &[u8] {
        if number & LONG != 0 {
            self.long.get(&number).map(Vec::as_slice).unwrap_or_default()
        } else if number & LARGE != 0 {
            self.large.message(number & !LARGE)
        } else {
            self.small.message(number)
        }
    }

    /// Asks for what tells where a message ends: see [`kademlia::ahead`].
    pub(super) fn prefetch(&self, number: u32) {
        let rack = if number & LARGE != 0 { &self.large } else { &self.small };
        if let Some(length) = rack.lengths.get((number & !(LARGE | LONG)) as usize) {
            fetch(length);
        }
    }

    /// Moves a message out, instead of what was in `buffer`.
    pub(super) fn take(&mut self, number: u32, buffer: &mut Vec<u8>) {
        buffer.clear();
        buffer.extend_from_slice(self.message(number));
        self.free(number);
    }

    /// Frees a place.
    pub(super) fn free(&mut self, number: u32) {
        if number & LONG != 0 {
            self.long.remove(&number);
        } else if number & LARGE != 0 {
            self.large.free.push(number & !LARGE);
        } else {
            self.small.free.push(number);
        }
    }

    /// Messages under way.
    pub(super) fn in_use(&self) -> usize {
        self.small.in_use() + self.large.in_use() + self.long.len()
    }
}

impl Rack {
    const fn new(size: usize) -> Self {
        Self { size, bytes: Vec::new(), lengths: Vec::new(), free: Vec::new() }
    }

    fn store(&mut self, message: &[u8]) -> u32 {
        let number = self.free.pop().unwrap_or_else(|| {
            self.lengths.push(0);
            self.bytes.resize(self.bytes.len() + self.size, 0);
            u32::try_from(self.lengths.len() - 1).unwrap_or(u32::MAX)
        });
        let start = number as usize * self.size;
        if let Some(place) = self.bytes.get_mut(start..start + message.len()) {
            place.copy_from_slice(message);
        }
        if let Some(length) = self.lengths.get_mut(number as usize) {
            *length = u16::try_from(message.len()).unwrap_or(u16::MAX);
        }
        number
    }

    fn message(&self, number: u32) -> &[u8] {
        let start = number as usize * self.size;
        let length = self.lengths.get(number as usize).copied().unwrap_or(0);
        self.bytes.get(start..start + usize::from(length)).unwrap_or_default()
    }

    fn in_use(&self) -> usize {
        self.lengths.len() - self.free.len()
    }
}

#[cfg(test)]
mod tests;
