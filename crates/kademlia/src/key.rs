//! Keys and the XOR metric between them.
//!
//! Every network maps its identifiers (128 bits in eMule's Kad, 160 in Mainline, 256 elsewhere) to
//! the leading bits of one 256-bit [`Key`], so that prefixes, distances and buckets are the same
//! arithmetic everywhere. Metric: Maymounkov and Mazières, "Kademlia" (2002), section 2.1.

use core::cmp::Ordering;
use core::fmt;
use rand_core::Rng;

/// A point of the key space: 256 bits, most significant first, shorter identifiers left-aligned and
/// padded with zeros.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Key([u8; Key::BYTES]);

/// The XOR of two keys; compares as a 256-bit number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Distance([u64; 4]);

impl Key {
    /// Length in bytes.
    pub const BYTES: usize = 32;
    /// Length in bits.
    pub const BITS: u32 = 256;
    /// The all-zero key.
    pub const ZERO: Self = Self([0; Self::BYTES]);

    /// A key from all its 32 bytes.
    pub const fn new(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// A key whose leading bytes are `id`; the rest is zero. Bytes beyond the 32nd are ignored.
    pub fn from_id(id: &[u8]) -> Self {
        let mut bytes = [0; Self::BYTES];
        let (head, _) = bytes.split_at_mut(id.len().min(Self::BYTES));
        head.copy_from_slice(id.get(..head.len()).unwrap_or_default());
        Self(bytes)
    }

    /// A key whose first `bits` bits are random and whose rest is zero.
    pub fn random(bits: u32, rng: &mut impl Rng) -> Self {
        let mut bytes = [0; Self::BYTES];
        rng.fill_bytes(&mut bytes);
        Self::ZERO.with_tail(Self(bytes), 0, bits)
    }

    /// A random key of `bits` bits that shares exactly `prefix` leading bits with `self`: a member
    /// of bucket `prefix` as seen from `self`. `prefix` must be below `bits`.
    #[must_use]
    pub fn random_in_bucket(self, prefix: u32, bits: u32, rng: &mut impl Rng) -> Self {
        let mut bytes = [0; Self::BYTES];
        rng.fill_bytes(&mut bytes);
        self.with_tail(Self(bytes), prefix, bits).with_bit(prefix, !self.bit(prefix))
    }

    /// The bytes, most significant first.
    pub const fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }

    /// The leading `N` bytes: the identifier of a network with shorter ids. `N` is at most 32.
    pub fn id<const N: usize>(&self) -> [u8; N] {
        const { assert!(N <= Self::BYTES) };
        self.0.first_chunk().copied().unwrap_or([0; N])
    }

    /// The distance between two keys.
    #[inline]
    pub fn distance(&self, other: &Self) -> Distance {
        let (a, b) = (self.words(), other.words());
        Distance([a[0] ^ b[0], a[1] ^ b[1], a[2] ^ b[2], a[3] ^ b[3]])
    }

    /// The leading 64 bits of the distance between two keys: what differs in it is nearly always
    /// enough to compare distances by.
    #[inline]
    pub fn distance_head(&self, other: &Self) -> u64 {
        self.head() ^ other.head()
    }

    /// Which of two keys is closer to this one: `Less` if it is `a`. As their distances compare, at
    /// less cost: nearly always the first words tell.
    #[inline]
    pub fn nearer(&self, a: &Self, b: &Self) -> Ordering {
        let by_head = self.distance_head(a).cmp(&self.distance_head(b));
        by_head.then_with(|| self.distance(a).cmp(&self.distance(b)))
    }

    /// How many leading bits two keys share, 0 to 256.
    #[inline]
    pub fn shared_prefix(&self, other: &Self) -> u32 {
        match self.distance_head(other) {
            0 => self.distance(other).leading_zeros(),
            head => head.leading_zeros(),
        }
    }

    /// The bit at `index`, counted from the most significant; false beyond the last.
    pub fn bit(&self, index: u32) -> bool {
        self.0.get(index as usize / 8).is_some_and(|byte| byte & (0x80 >> (index % 8)) != 0)
    }

    fn with_bit(mut self, index: u32, value: bool) -> Self {
        if let Some(byte) = self.0.get_mut(index as usize / 8) {
            let mask = 0x80 >> (index % 8);
            if value { *byte |= mask } else { *byte &= !mask }
        }
        self
    }

    /// `self` with the bits `from..until` taken from `tail` and those from `until` on cleared.
    fn with_tail(self, tail: Self, from: u32, until: u32) -> Self {
        let mut bytes = [0; Self::BYTES];
        for (index, ((byte, head), tail)) in bytes.iter_mut().zip(self.0).zip(tail.0).enumerate() {
            let ones_below = |bit: u32| -> u8 {
                let within = bit.saturating_sub(8 * u32::try_from(index).unwrap_or(u32::MAX));
                if within >= 8 { 0xff } else { !(0xff >> within) }
            };
            *byte = (head & ones_below(from)) | (tail & !ones_below(from) & ones_below(until));
        }
        Self(bytes)
    }

    /// The leading 64 bits.
    #[inline]
    pub fn head(&self) -> u64 {
        self.0.first_chunk().map_or(0, |word| u64::from_be_bytes(*word))
    }

    #[inline]
    fn words(&self) -> [u64; 4] {
        let mut words = [0; 4];
        let (chunks, _) = self.0.as_chunks::<8>();
        for (word, chunk) in words.iter_mut().zip(chunks) {
            *word = u64::from_be_bytes(*chunk);
        }
        words
    }
}

impl Distance {
    /// The distance of a key to itself.
    pub const ZERO: Self = Self([0; 4]);
    /// The largest distance there is.
    pub const MAX: Self = Self([u64::MAX; 4]);

    /// How many leading bits are zero, 0 to 256.
    pub fn leading_zeros(&self) -> u32 {
        let mut zeros = 0;
        for word in self.0 {
            zeros += word.leading_zeros();
            if word != 0 {
                break;
            }
        }
        zeros
    }

    /// The bit at `index`, counted from the most significant; false beyond the last.
    pub fn bit(&self, index: usize) -> bool {
        self.0.get(index / 64).is_some_and(|word| word >> (63 - index % 64) & 1 != 0)
    }

    /// The distance as a share of the whole key space, 0 to 1.
    #[expect(clippy::cast_precision_loss, reason = "an estimate; 53 bits are plenty")]
    pub fn as_fraction(&self) -> f64 {
        let [first, second, ..] = self.0;
        (first as f64 + second as f64 / 2f64.powi(64)) / 2f64.powi(64)
    }
}

impl From<[u8; 32]> for Key {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl From<[u8; 20]> for Key {
    fn from(id: [u8; 20]) -> Self {
        Self::from_id(&id)
    }
}

/// The first 8 bytes in hexadecimal: enough to tell nodes apart in a log.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0.iter().take(8) {
            write!(f, "{byte:02x}")?;
        }
        f.write_str("…")
    }
}

impl fmt::Debug for Distance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "2^-{}", self.leading_zeros())
    }
}

#[cfg(test)]
mod tests;
