//! Identifiers: 160 bits, which name a node, a torrent or a stored item (BEP 5).

use core::fmt;
use core::str::FromStr;

use kademlia::Key;

/// A node id, info-hash or item key: 160 bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Id([u8; Id::BYTES]);

/// Why a text is not an [`Id`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdError {
    /// Neither the length of a hexadecimal id nor that of a base-32 one.
    #[error("an id has 40 hexadecimal (or 32 base-32) digits, not {0}")]
    Length(usize),
    /// A character that is no digit of the base that the length implies.
    #[error("{0:?} is not a {1} digit")]
    Digit(char, &'static str),
}

impl Id {
    /// Length in bytes.
    pub const BYTES: usize = 20;
    /// Length in bits.
    pub const BITS: u32 = 160;

    /// An id from its bytes.
    pub const fn new(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes, most significant first.
    pub const fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }

    /// The id as a point of the key space.
    pub fn key(&self) -> Key {
        Key::from(self.0)
    }
}

/// The leading 160 bits of a key.
impl From<Key> for Id {
    fn from(key: Key) -> Self {
        Self(key.id())
    }
}

impl From<Id> for Key {
    fn from(id: Id) -> Self {
        id.key()
    }
}

impl From<[u8; Self::BYTES]> for Id {
    fn from(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }
}

/// Reads 40 hexadecimal digits, or 32 of base 32 (RFC 4648, in old magnet links), of either case.
impl FromStr for Id {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let mut bytes = [0; Self::BYTES];
        match text.chars().count() {
            40 => fill(&mut bytes, text, 4, |digit| digit.to_digit(16), "hexadecimal"),
            32 => fill(&mut bytes, text, 5, base32_digit, "base-32"),
            length => Err(IdError::Length(length)),
        }?;
        Ok(Self(bytes))
    }
}

/// Fills `bytes` with the digits of `text`, `bits` bits each. The lengths match.
fn fill(
    bytes: &mut [u8],
    text: &str,
    bits: u32,
    value: impl Fn(char) -> Option<u32>,
    base: &'static str,
) -> Result<(), IdError> {
    let mut places = bytes.iter_mut();
    let (mut window, mut filled) = (0_u32, 0);
    for digit in text.chars() {
        let value = value(digit).ok_or(IdError::Digit(digit, base))?;
        window = window << bits | value;
        filled += bits;
        if filled >= 8 {
            filled -= 8;
            if let Some(place) = places.next() {
                *place = (window >> filled & 0xff) as u8;
            }
        }
    }
    Ok(())
}

fn base32_digit(digit: char) -> Option<u32> {
    match digit.to_ascii_lowercase() {
        letter @ 'a'..='z' => Some(u32::from(letter) - u32::from('a')),
        number @ '2'..='7' => Some(u32::from(number) - u32::from('2') + 26),
        _ => None,
    }
}

/// 40 hexadecimal digits.
impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;
