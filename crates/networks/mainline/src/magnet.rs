//! Magnet links to torrents (BEP 9) and to items that point to torrents (BEP 46).

use core::fmt;
use core::str::FromStr;

use crate::item::{ItemError, MAX_SALT_BYTES, Salt, mutable_target};
use crate::wire::{Id, IdError};

/// What a magnet link names in the DHT.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Magnet {
    /// A torrent: `magnet:?xt=urn:btih:…`.
    Torrent {
        /// Its info-hash.
        info_hash: Id,
    },
    /// A signed item that holds the torrent's info-hash: `magnet:?xs=urn:btpk:…&s=…`.
    Item {
        /// The author's Ed25519 public key.
        public_key: [u8; 32],
        /// Which of the author's items.
        salt: Salt,
    },
}

/// Why a text is not a [`Magnet`].
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MagnetError {
    /// Another kind of link, or none.
    #[error("a magnet link begins with \"magnet:?\"")]
    Scheme,
    /// Nothing in it that the DHT knows.
    #[error("the link names neither a torrent (xt=urn:btih:…) nor an item (xs=urn:btpk:…)")]
    NoTopic,
    /// A torrent of BitTorrent v2 only.
    #[error("the link names only a version 2 torrent (urn:btmh), which is not supported")]
    VersionTwo,
    /// The info-hash.
    #[error("info-hash: {0}")]
    InfoHash(#[from] IdError),
    /// The public key.
    #[error("a public key has 64 hexadecimal digits")]
    PublicKey,
    /// The salt's digits.
    #[error("a salt is an even number of hexadecimal digits")]
    SaltDigits,
    /// The salt's length.
    #[error(transparent)]
    SaltLength(#[from] ItemError),
}

impl Magnet {
    /// What to look up: the info-hash, or the key of the item.
    pub fn target(&self) -> Id {
        match self {
            Self::Torrent { info_hash } => *info_hash,
            Self::Item { public_key, salt } => mutable_target(public_key, salt),
        }
    }
}

impl FromStr for Magnet {
    type Err = MagnetError;

    fn from_str(link: &str) -> Result<Self, MagnetError> {
        let parameters = strip_prefix(link.trim(), "magnet:?").ok_or(MagnetError::Scheme)?;
        let parameters = || parameters.split('&').filter_map(|one| one.split_once('='));
        let (mut public_key, mut version_two) = (None, false);
        for (name, value) in parameters() {
            // Several topics are numbered: `xt.1`, `xt.2`.
            let name = name.split('.').next().unwrap_or(name);
            let value = value.replace("%3A", ":").replace("%3a", ":");
            if name.eq_ignore_ascii_case("xt") {
                if let Some(hash) = strip_prefix(&value, "urn:btih:") {
                    let info_hash = hash.parse()?;
                    return Ok(Self::Torrent { info_hash });
                }
                version_two |= strip_prefix(&value, "urn:btmh:").is_some();
            } else if name.eq_ignore_ascii_case("xs")
                && let Some(key) = strip_prefix(&value, "urn:btpk:")
            {
                let key = unhex(key).and_then(|key| key.try_into().ok());
                public_key = Some(key.ok_or(MagnetError::PublicKey)?);
            }
        }
        let Some(public_key) = public_key else {
            return Err(if version_two { MagnetError::VersionTwo } else { MagnetError::NoTopic });
        };
        let salt = parameters().find(|(name, _)| name.eq_ignore_ascii_case("s"));
        let salt = match salt {
            Some((_, digits)) if digits.len() > 2 * MAX_SALT_BYTES => {
                return Err(ItemError::SaltTooLong(digits.len().div_ceil(2)).into());
            }
            Some((_, digits)) => Salt::new(&unhex(digits).ok_or(MagnetError::SaltDigits)?)?,
            None => Salt::none(),
        };
        Ok(Self::Item { public_key, salt })
    }
}

/// As BEPs 9 and 46 write it.
impl fmt::Display for Magnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = |f: &mut fmt::Formatter<'_>, bytes: &[u8]| {
            bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
        };
        match self {
            Self::Torrent { info_hash } => write!(f, "magnet:?xt=urn:btih:{info_hash}"),
            Self::Item { public_key, salt } => {
                f.write_str("magnet:?xs=urn:btpk:")?;
                hex(f, public_key)?;
                if salt.as_bytes().is_empty() {
                    return Ok(());
                }
                f.write_str("&s=")?;
                hex(f, salt.as_bytes())
            }
        }
    }
}

/// What follows `prefix`, whose case does not matter.
fn strip_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// The bytes that pairs of hexadecimal digits stand for.
fn unhex(digits: &str) -> Option<Vec<u8>> {
    let (pairs, []) = digits.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let value = |digit: u8| char::from(digit).to_digit(16);
    pairs.iter().map(|[high, low]| u8::try_from(value(*high)? << 4 | value(*low)?).ok()).collect()
}

#[cfg(test)]
mod tests;
