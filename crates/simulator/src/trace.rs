//! The trace hash: one number that two runs share only if they sent the same messages.
//!
//! It is a sum over messages, so it does not matter in which order two that are independent of each
//! other are counted.

/// A hash over all messages so far.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Trace {
    sum: u64,
    messages: u64,
}

impl Trace {
    /// Takes in a message: `sequence` is unique for its sender and the time.
    pub fn add(&mut self, at: u64, sequence: u64, to: u32, message: &[u8]) {
        let mut hash = fold(at ^ KEYS[0], sequence ^ KEYS[1]);
        hash = fold(hash ^ u64::from(to), message.len() as u64 ^ KEYS[2]);
        let (words, rest) = message.as_chunks::<8>();
        for word in words {
            hash = fold(hash ^ u64::from_le_bytes(*word), KEYS[3]);
        }
        let mut last = [0; 8];
        for (to, from) in last.iter_mut().zip(rest) {
            *to = *from;
        }
        hash = fold(hash ^ u64::from_le_bytes(last), KEYS[0]);
        self.sum = self.sum.wrapping_add(hash);
        self.messages += 1;
    }

    /// The hash.
    pub fn hash(&self) -> u64 {
        fold(self.sum ^ KEYS[1], self.messages ^ KEYS[2])
    }

    /// How many messages it is over.
    pub const fn messages(&self) -> u64 {
        self.messages
    }
}

/// Digits of π: numbers without a purpose of their own.
const KEYS: [u64; 4] =
    [0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7344, 0xa409_3822_299f_31d0, 0x082e_fa98_ec4e_6c89];

/// Both halves of the product, folded.
#[expect(clippy::cast_possible_truncation, reason = "the two halves")]
const fn fold(a: u64, b: u64) -> u64 {
    let product = a as u128 * b as u128;
    (product as u64 ^ (product >> 64) as u64).wrapping_add(a.rotate_left(29))
}
