//! Mainline's 160-bit identifiers as people write them: 40 hexadecimal digits.

use core::fmt;

use kademlia::Key;

/// Length of a Mainline identifier in bytes (BEP 5).
pub const ID_BYTES: usize = 20;

/// Writes the leading 160 bits of `key` as 40 hexadecimal digits.
///
/// ```
/// let key = client::id::parse("00112233445566778899aabbccddeeff00112233")?;
/// assert_eq!(client::id::hex(&key).to_string(), "00112233445566778899aabbccddeeff00112233");
/// # Ok::<_, client::id::ParseIdError>(())
/// ```
pub fn hex(key: &Key) -> impl fmt::Display + use<> {
    Hex(key.id())
}

/// Reads 40 hexadecimal digits.
pub fn parse(text: &str) -> Result<Key, ParseIdError> {
    let digits = text.chars().count();
    if digits != 2 * ID_BYTES {
        return Err(ParseIdError::Length { digits });
    }
    let mut id = [0u8; ID_BYTES];
    for (index, letter) in text.chars().enumerate() {
        let digit = letter
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
            .ok_or(ParseIdError::Digit { letter })?;
        if let Some(byte) = id.get_mut(index / 2) {
            *byte = *byte << 4 | digit;
        }
    }
    Ok(Key::from_id(&id))
}

/// Why a text is not an identifier.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ParseIdError {
    /// It has not 40 digits.
    #[error("an id has 40 hexadecimal digits, not {digits}")]
    Length {
        /// How many characters there are.
        digits: usize,
    },
    /// It holds something else than digits.
    #[error("'{letter}' is no hexadecimal digit: an id consists of 0-9 and a-f")]
    Digit {
        /// The offender.
        letter: char,
    },
}

struct Hex([u8; ID_BYTES]);

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests;
