//! What a node keeps for others: the seam to where the bytes are, and the rules over it.
//!
//! A [`Store`] keeps bytes under slots and knows nothing else; in memory here, on disk elsewhere.
//! [`Shelf`] is what the node owns: it remembers of each value what decides about it, enforces
//! quotas and expiry, and tells what two nodes have to tell each other to find where they differ.

mod shelf;

use std::collections::BTreeMap;

use crate::value::{Kind, Slot, Version};

pub use shelf::{
    Both, Compared, Limits, MAX_DEPTH, OVERHEAD_BYTES, Placed, Shelf, ShelfUsage, part_of,
};

/// Where the bytes of values are.
///
/// A write must be with the operating system before the driver sends what the node says in the
/// same step: an acknowledgement never precedes its write.
pub trait Store {
    /// Keeps a value in a slot, in place of what is there.
    fn write(&mut self, slot: &Slot, head: &Head, value: &[u8]) -> Result<(), StoreFailed>;
    /// Keeps a new head with the value that is there.
    fn update(&mut self, slot: &Slot, head: &Head) -> Result<(), StoreFailed>;
    /// Hands the value in a slot to `with`; whether there is one.
    fn read(&self, slot: &Slot, with: &mut dyn FnMut(&[u8])) -> bool;
    /// Forgets what is in a slot.
    fn remove(&mut self, slot: &Slot);
    /// Hands out all that is kept, in any order, with the bytes of the value: what a node is told
    /// of when it starts. The bytes may be damaged; those that [`Store::read`] hands out are not.
    fn values(&self, each: &mut dyn FnMut(&Slot, &Head, &[u8]));
    /// Hands out all that is kept, in any order.
    fn heads(&self, each: &mut dyn FnMut(&Slot, &Head)) {
        self.values(&mut |slot, head, _| each(slot, head));
    }
}

/// The disk failed. The value is refused; what was there is still there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the store failed to write")]
pub struct StoreFailed;

/// What is remembered of a value beside its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    /// Its kind.
    pub kind: Kind,
    /// When it ends, in unix seconds.
    pub expires: u64,
    /// Which version it is.
    pub version: Version,
    /// Its length as it is kept.
    pub length: u32,
    /// The subnet it came from first, zero for nobody's.
    pub origin: u64,
    /// Whether it is only kept to be found sooner, beside its holders.
    pub cached: bool,
}

impl Head {
    /// Bytes of a head.
    pub const BYTES: usize = 48;
    /// The format of these bytes.
    const FORMAT: u8 = 1;

    /// As bytes, for stores on disk.
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let parts: [&[u8]; 7] = [
            &[Self::FORMAT, self.kind.code(), u8::from(self.cached), 0],
            &self.length.to_be_bytes(),
            &self.expires.to_be_bytes(),
            &self.origin.to_be_bytes(),
            &self.version.seq.to_be_bytes(),
            &self.version.body.to_be_bytes(),
            &self.version.expires.to_be_bytes(),
        ];
        for (to, from) in bytes.iter_mut().zip(parts.into_iter().flatten()) {
            *to = *from;
        }
        bytes
    }

    /// From bytes; `None` if they are of another format.
    pub fn from_bytes(bytes: &[u8; Self::BYTES]) -> Option<Self> {
        let (marks, rest) = bytes.split_first_chunk::<4>()?;
        let [format, kind, cached, _] = *marks;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let (words, _) = rest.as_chunks::<8>();
        let mut words = words.iter().map(|word| u64::from_be_bytes(*word));
        let mut next = || words.next();
        if format != Self::FORMAT {
            return None;
        }
        Some(Self {
            kind: Kind::from_code(kind)?,
            cached: cached != 0,
            length: u32::from_be_bytes(*length),
            expires: next()?,
            origin: next()?,
            version: Version { seq: next()?, body: next()?, expires: next()? },
        })
    }
}

/// A store in memory. Its bounds are the [`Shelf`]'s.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    values: BTreeMap<Slot, (Head, Box<[u8]>)>,
}

impl Store for MemoryStore {
    fn write(&mut self, slot: &Slot, head: &Head, value: &[u8]) -> Result<(), StoreFailed> {
        self.values.insert(*slot, (*head, value.into()));
        Ok(())
    }

    fn update(&mut self, slot: &Slot, head: &Head) -> Result<(), StoreFailed> {
        let (old, _) = self.values.get_mut(slot).ok_or(StoreFailed)?;
        *old = *head;
        Ok(())
    }

    fn read(&self, slot: &Slot, with: &mut dyn FnMut(&[u8])) -> bool {
        let value = self.values.get(slot);
        if let Some((_, value)) = value {
            with(value);
        }
        value.is_some()
    }

    fn remove(&mut self, slot: &Slot) {
        self.values.remove(slot);
    }

    fn values(&self, each: &mut dyn FnMut(&Slot, &Head, &[u8])) {
        for (slot, (head, value)) in &self.values {
            each(slot, head, value);
        }
    }
}

#[cfg(test)]
mod tests;
