//! The Bloom filters that estimate how many peers a torrent has (BEP 33).

use core::net::IpAddr;

use sha1::{Digest, Sha1};

/// A set of IP addresses of which only the size can be estimated: 2048 bits, two of them set for
/// each address.
#[derive(Clone, PartialEq, Eq)]
pub struct Bloom([u8; Bloom::BYTES]);

impl Bloom {
    /// Length in bytes; BEP 33's m / 8.
    pub const BYTES: usize = 256;
    /// BEP 33's m.
    const BITS: u32 = 2048;
    /// Addresses beyond which the estimate breaks down; nodes stop accepting more (BEP 33).
    pub const MAX_ADDRESSES: usize = 6000;

    /// The empty set.
    pub const fn new() -> Self {
        Self([0; Self::BYTES])
    }

    /// The bytes as they travel.
    pub const fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }

    /// Adds an address.
    pub fn insert(&mut self, ip: IpAddr) {
        let hash: [u8; 20] = match ip {
            IpAddr::V4(ip) => Sha1::digest(ip.octets()),
            IpAddr::V6(ip) => Sha1::digest(ip.octets()),
        }
        .into();
        let [a, b, c, d, ..] = hash;
        self.set(u16::from_le_bytes([a, b]));
        self.set(u16::from_le_bytes([c, d]));
    }

    /// Adds all that another set has.
    pub fn union(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine |= theirs;
        }
    }

    /// About how many addresses were added (BEP 33, "Calculating the estimate"). Useless above some
    /// 6000.
    pub fn estimate(&self) -> f64 {
        let bits = f64::from(Self::BITS);
        let zeros: u32 = self.0.iter().map(|byte| byte.count_zeros()).sum();
        // Of a full filter at least one bit counts as zero: its estimate is finite.
        let zeros = f64::from(zeros.clamp(1, Self::BITS));
        (zeros / bits).ln() / (2.0 * (-1.0 / bits).ln_1p())
    }

    fn set(&mut self, index: u16) {
        let index = u32::from(index) % Self::BITS;
        if let Some(byte) = self.0.get_mut(index as usize / 8) {
            *byte |= 1 << (index % 8);
        }
    }
}

impl Default for Bloom {
    fn default() -> Self {
        Self::new()
    }
}

impl From<&[u8; Self::BYTES]> for Bloom {
    fn from(bytes: &[u8; Self::BYTES]) -> Self {
        Self(*bytes)
    }
}

impl core::fmt::Debug for Bloom {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Bloom(≈ {:.1})", self.estimate())
    }
}

#[cfg(test)]
mod tests;
