//! Records: mutable values, one per author and salt, each version signed.

use ed25519_dalek::{Signer, SigningKey};
use kademlia::Key;

use super::{PublicKey, Value, ValueError, Version, record_key, sign_tail, signed_version};

/// What a record's signed bytes begin with.
const CONTEXT: &[u8] = b"polykad poly 1 record\n";

/// A signed version of a mutable value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// Its author.
    pub public_key: PublicKey,
    /// Tells the author's records apart: at most 64 bytes.
    pub salt: Box<[u8]>,
    /// The higher wins.
    pub seq: u64,
    /// When it ends, in unix seconds.
    pub expires: u64,
    /// Its bytes; `None`: it is deleted.
    pub value: Option<Box<[u8]>>,
    /// The author's, over all of the above.
    pub signature: [u8; 64],
}

/// A record that is elsewhere in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RecordRef<'a> {
    /// Its author.
    pub public_key: &'a PublicKey,
    /// Tells the author's records apart.
    pub salt: &'a [u8],
    /// The higher wins.
    pub seq: u64,
    /// When it ends, in unix seconds.
    pub expires: u64,
    /// Its bytes; `None`: it is deleted.
    pub value: Option<&'a [u8]>,
    /// The author's.
    pub signature: &'a [u8; 64],
}

impl Record {
    /// Signs a version that ends at `expires`, in unix seconds. Without a value: a tombstone, which
    /// deletes the record and keeps older versions out until it expires.
    pub fn sign(
        key: &SigningKey,
        salt: &[u8],
        seq: u64,
        expires: u64,
        value: Option<&[u8]>,
    ) -> Self {
        let signature = key.sign(&signable(salt, seq, expires, value)).to_bytes();
        Self {
            public_key: key.verifying_key().to_bytes(),
            salt: salt.into(),
            seq,
            expires,
            value: value.map(Into::into),
            signature,
        }
    }

    /// The key it is stored under.
    pub fn key(&self) -> Key {
        record_key(&self.public_key, &self.salt)
    }

    /// Whether it says that the record is deleted.
    pub const fn is_tombstone(&self) -> bool {
        self.value.is_none()
    }

    /// Without owning its parts.
    pub fn borrow(&self) -> RecordRef<'_> {
        RecordRef {
            public_key: &self.public_key,
            salt: &self.salt,
            seq: self.seq,
            expires: self.expires,
            value: self.value.as_deref(),
            signature: &self.signature,
        }
    }

    /// Checks limits, life and signature; `now` in unix seconds.
    pub fn verify(&self, now: u64) -> Result<(), ValueError> {
        Value::Record(self.borrow()).verify(now)
    }
}

impl RecordRef<'_> {
    /// The key it is stored under.
    pub fn key(&self) -> Key {
        record_key(self.public_key, self.salt)
    }

    /// Which it is of the record's versions.
    pub fn version(&self) -> Version {
        signed_version(self.seq, self.expires, self.value)
    }

    /// With parts of its own.
    pub fn to_owned(&self) -> Record {
        Record {
            public_key: *self.public_key,
            salt: self.salt.into(),
            seq: self.seq,
            expires: self.expires,
            value: self.value.map(Into::into),
            signature: *self.signature,
        }
    }

    pub(super) fn verify_signature(&self) -> Result<(), ValueError> {
        let signed = signable(self.salt, self.seq, self.expires, self.value);
        super::verify_signature(self.public_key, &signed, self.signature)
    }
}

/// What is signed: the context, the salt with its length in one byte before it, and the tail.
fn signable(salt: &[u8], seq: u64, expires: u64, value: Option<&[u8]>) -> Vec<u8> {
    let mut signed = Vec::with_capacity(CONTEXT.len() + salt.len() + 50);
    signed.extend_from_slice(CONTEXT);
    // Longer salts are refused before anybody looks at the signature.
    signed.push(u8::try_from(salt.len()).unwrap_or(u8::MAX));
    signed.extend_from_slice(salt);
    sign_tail(&mut signed, seq, expires, value);
    signed
}
