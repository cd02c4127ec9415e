//! What the network keeps: blobs, records and topic entries; under which keys; how they are proven.
//!
//! | kind | key | proof | replaced by |
//! |---|---|---|---|
//! | blob | BLAKE3 of the bytes | the key | nothing |
//! | record | derived from public key and salt | signature | a higher [`Version`] |
//! | entry | its topic's, derived from a name | signature | a higher [`Version`] in its slot |
//!
//! `docs/poly-protocol.md`, "Values", has the exact bytes. Everybody who touches a value checks it,
//! before storing and after fetching: [`Value::verify`].

mod entry;
mod record;

use core::fmt;

use kademlia::Key;

pub use ed25519_dalek::SigningKey;
use ed25519_dalek::{Signature, VerifyingKey};

pub use entry::{Entry, EntryRef};
pub use record::{Record, RecordRef};

/// Bytes of a blob or of a record's value, at most. Longer content is the files service's.
pub const MAX_VALUE_BYTES: usize = 64 << 10;
/// Bytes of an entry's payload, at most.
pub const MAX_PAYLOAD_BYTES: usize = 1000;
/// Bytes of a record's salt, at most.
pub const MAX_SALT_BYTES: usize = 64;
/// How long a value lives unless its putter says otherwise, in seconds: a day.
pub const DEFAULT_LIFETIME_S: u32 = 24 * 3600;
/// How long a value may live from its put on, in seconds: 30 days.
pub const MAX_LIFETIME_S: u32 = 30 * 24 * 3600;
/// How much further ahead an expiry may lie for clocks that disagree, in seconds.
pub const CLOCK_TOLERANCE_S: u64 = 3600;

/// Contexts of BLAKE3's key derivation: no key of one kind is a key of another.
const RECORD_KEY: &str = "polykad poly 1 record key";
const TOPIC_KEY: &str = "polykad poly 1 topic key";

/// An Ed25519 public key.
pub type PublicKey = [u8; 32];

/// The three kinds of values.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// Immutable bytes.
    Blob,
    /// Mutable, signed by its author.
    Record,
    /// One of many signed under a topic.
    Entry,
}

impl Kind {
    /// Its number on the wire.
    pub const fn code(self) -> u8 {
        match self {
            Self::Blob => 0,
            Self::Record => 1,
            Self::Entry => 2,
        }
    }

    /// The kind with a number.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Blob),
            1 => Some(Self::Record),
            2 => Some(Self::Entry),
            _ => None,
        }
    }
}

/// The key of a blob: BLAKE3 of its bytes.
pub fn blob_key(bytes: &[u8]) -> Key {
    Key::new(*blake3::hash(bytes).as_bytes())
}

/// The key of the records of an author under a salt.
pub fn record_key(public_key: &PublicKey, salt: &[u8]) -> Key {
    let mut hasher = blake3::Hasher::new_derive_key(RECORD_KEY);
    hasher.update(public_key);
    hasher.update(salt);
    Key::new(*hasher.finalize().as_bytes())
}

/// The key of a topic, from its name: any bytes.
pub fn topic_key(name: &[u8]) -> Key {
    Key::new(blake3::derive_key(TOPIC_KEY, name))
}

/// Where a value is kept: of one slot there is one value at a time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
    /// The key.
    pub key: Key,
    /// An entry's author; all zero for blobs and records.
    pub author: PublicKey,
    /// An entry's slot; zero for blobs and records.
    pub number: u16,
}

impl Slot {
    /// The slot of a blob or a record.
    pub const fn of(key: Key) -> Self {
        Self { key, author: [0; 32], number: 0 }
    }

    /// Where it stands in the order in which nodes compare what they hold: spread evenly, whatever
    /// the keys have in common.
    pub fn mark(&self) -> u64 {
        if self.author == [0; 32] {
            return self.key.as_bytes().last_chunk().map_or(0, |tail| u64::from_be_bytes(*tail));
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.key.as_bytes());
        hasher.update(&self.author);
        hasher.update(&self.number.to_be_bytes());
        leading_word(hasher.finalize().as_bytes())
    }

    /// What sets of values are compared by: equal for equal slots and versions, by chance for
    /// others once in 2^64.
    pub fn fingerprint(&self, version: &Version) -> u64 {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.key.as_bytes());
        if self.author != [0; 32] {
            hasher.update(&self.author);
            hasher.update(&self.number.to_be_bytes());
        }
        hasher.update(&version.seq.to_be_bytes());
        hasher.update(&version.body.to_be_bytes());
        hasher.update(&version.expires.to_be_bytes());
        leading_word(hasher.finalize().as_bytes())
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.key)?;
        if self.author != [0; 32] {
            write!(f, "/{:?}/{}", Key::new(self.author), self.number)?;
        }
        Ok(())
    }
}

/// Which of two signed values of one slot wins: the greater. Of equal seq, a deletion wins, then
/// whichever all agree on, then the longer life: so replicas converge without talking.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Version {
    /// Chosen by the author, ever higher. Zero for blobs.
    pub seq: u64,
    /// Leading 8 bytes of the BLAKE3 of the bytes; all ones for a deletion; zero for blobs.
    pub body: u64,
    /// Unix seconds when it ends; zero for blobs, whose end is no part of them.
    pub expires: u64,
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:016x}~{}", self.seq, self.body, self.expires)
    }
}

/// A value that is elsewhere in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Value<'a> {
    /// Immutable bytes.
    Blob(BlobRef<'a>),
    /// A record.
    Record(RecordRef<'a>),
    /// An entry.
    Entry(EntryRef<'a>),
}

/// A blob on its way: what remains of its life is told in seconds, so that clocks need not agree.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BlobRef<'a> {
    /// Its bytes.
    pub bytes: &'a [u8],
    /// Seconds it has to live.
    pub lifetime_s: u32,
}

impl Value<'_> {
    /// Its kind.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Blob(_) => Kind::Blob,
            Self::Record(_) => Kind::Record,
            Self::Entry(_) => Kind::Entry,
        }
    }

    /// Where it is kept. Hashes blobs.
    pub fn slot(&self) -> Slot {
        match self {
            Self::Blob(blob) => Slot::of(blob_key(blob.bytes)),
            Self::Record(record) => Slot::of(record.key()),
            Self::Entry(entry) => entry.slot(),
        }
    }

    /// Which it is of those that may be in its slot.
    pub fn version(&self) -> Version {
        match self {
            Self::Blob(_) => Version::default(),
            Self::Record(record) => record.version(),
            Self::Entry(entry) => entry.version(),
        }
    }

    /// When it ends, in unix seconds, if it is `now`.
    pub fn expires(&self, now: u64) -> u64 {
        match self {
            Self::Blob(blob) => now.saturating_add(blob.lifetime_s.into()),
            Self::Record(record) => record.expires,
            Self::Entry(entry) => entry.expires,
        }
    }

    /// Its bytes; none in a deletion.
    pub const fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Blob(blob) => Some(blob.bytes),
            Self::Record(record) => record.value,
            Self::Entry(entry) => entry.payload,
        }
    }

    /// Checks lengths, life and signature; `now` in unix seconds. What hash it has is for whoever
    /// looked it up to compare.
    pub fn verify(&self, now: u64) -> Result<(), ValueError> {
        self.check(now)?;
        match self {
            Self::Blob(_) => Ok(()),
            Self::Record(record) => record.verify_signature(),
            Self::Entry(entry) => entry.verify_signature(),
        }
    }

    /// All of [`Value::verify`] but for the signature.
    pub fn check(&self, now: u64) -> Result<(), ValueError> {
        let limit = match self {
            Self::Blob(_) | Self::Record(_) => MAX_VALUE_BYTES,
            Self::Entry(_) => MAX_PAYLOAD_BYTES,
        };
        let actual = self.bytes().map_or(0, <[u8]>::len);
        if actual > limit {
            return Err(ValueError::TooLong { limit, actual });
        }
        if let Self::Record(record) = self
            && record.salt.len() > MAX_SALT_BYTES
        {
            return Err(ValueError::SaltTooLong { actual: record.salt.len() });
        }
        check_life(self.expires(now), now)
    }
}

/// Checks that a value that ends at `expires` is alive `now`, and not for longer than allowed.
pub fn check_life(expires: u64, now: u64) -> Result<(), ValueError> {
    if expires <= now {
        return Err(ValueError::Expired { by_s: now - expires });
    }
    if expires - now > u64::from(MAX_LIFETIME_S) + CLOCK_TOLERANCE_S {
        return Err(ValueError::LivesTooLong { lifetime_s: expires - now });
    }
    Ok(())
}

/// Why a value is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ValueError {
    /// It has too many bytes.
    #[error("{actual} bytes exceed the limit of {limit} bytes")]
    TooLong {
        /// The limit.
        limit: usize,
        /// What it has.
        actual: usize,
    },
    /// Its salt has too many bytes.
    #[error("a salt of {actual} bytes exceeds the limit of {MAX_SALT_BYTES} bytes")]
    SaltTooLong {
        /// What it has.
        actual: usize,
    },
    /// Its life is over.
    #[error("expired {by_s} s ago; if that is wrong, clocks disagree")]
    Expired {
        /// Since when, in seconds.
        by_s: u64,
    },
    /// It would live too long.
    #[error("a lifetime of {lifetime_s} s exceeds the limit of {MAX_LIFETIME_S} s (30 days)")]
    LivesTooLong {
        /// How long, in seconds.
        lifetime_s: u64,
    },
    /// Its author has not signed this.
    #[error("the signature does not belong to this value and author")]
    BadSignature,
}

/// Checks an Ed25519 signature, strictly: weak keys and signatures of other forms are refused.
fn verify_signature(
    public_key: &PublicKey,
    signed: &[u8],
    signature: &[u8; 64],
) -> Result<(), ValueError> {
    let key = VerifyingKey::from_bytes(public_key).map_err(|_| ValueError::BadSignature)?;
    let signature = Signature::from_bytes(signature);
    key.verify_strict(signed, &signature).map_err(|_| ValueError::BadSignature)
}

/// The end of what is signed, the same for records and entries: seq and expiry (8 bytes each, most
/// significant first), whether there are bytes at all, and their BLAKE3 (of none if there are not).
fn sign_tail(signed: &mut Vec<u8>, seq: u64, expires: u64, bytes: Option<&[u8]>) {
    signed.extend_from_slice(&seq.to_be_bytes());
    signed.extend_from_slice(&expires.to_be_bytes());
    signed.push(u8::from(bytes.is_some()));
    signed.extend_from_slice(blake3::hash(bytes.unwrap_or_default()).as_bytes());
}

fn signed_version(seq: u64, expires: u64, bytes: Option<&[u8]>) -> Version {
    let body = bytes.map_or(u64::MAX, |bytes| leading_word(blake3::hash(bytes).as_bytes()));
    Version { seq, body, expires }
}

fn leading_word(hash: &[u8; 32]) -> u64 {
    hash.first_chunk().map_or(0, |head| u64::from_be_bytes(*head))
}

#[cfg(test)]
mod tests;
