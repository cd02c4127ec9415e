//! Values stored under their hash or under a public key (BEP 44), and magnets to them (BEP 46).

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha1::{Digest, Sha1};

use crate::wire::{Id, bencode};

/// The longest value, bencoded (BEP 44: "v … is less than 1000 bytes": error 205 above 1000).
pub const MAX_VALUE_BYTES: usize = 1000;
/// The longest salt (BEP 44: error 207 above).
pub const MAX_SALT_BYTES: usize = 64;

/// Tells apart the items that one key signs; 0 to 64 bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Salt(Box<[u8]>);

/// A signed value that its author may replace by one with a higher `seq`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MutableItem {
    /// The author's Ed25519 public key.
    pub public_key: [u8; 32],
    /// Which of the author's items this is.
    pub salt: Salt,
    /// The version; the highest wins.
    pub seq: i64,
    /// The value, one bencoded element of at most 1000 bytes.
    pub value: Box<[u8]>,
    /// Over salt, seq and value, as BEP 44 lays them out.
    pub signature: [u8; 64],
}

/// Why a value can't be an item.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ItemError {
    /// The bencoded value exceeds [`MAX_VALUE_BYTES`].
    #[error("value of {0} bytes exceeds the limit of {MAX_VALUE_BYTES} bytes (bencoded)")]
    ValueTooLong(usize),
    /// The salt exceeds [`MAX_SALT_BYTES`].
    #[error("salt of {0} bytes exceeds the limit of {MAX_SALT_BYTES} bytes")]
    SaltTooLong(usize),
    /// The value is not exactly one bencoded element.
    #[error("value is not one bencoded element")]
    NotBencoded,
    /// The signature does not match the public key, salt, seq and value.
    #[error("signature does not match")]
    BadSignature,
}

impl Salt {
    /// No salt, as most items have.
    pub fn none() -> Self {
        Self::default()
    }

    /// A salt of at most 64 bytes.
    pub fn new(bytes: &[u8]) -> Result<Self, ItemError> {
        if bytes.len() > MAX_SALT_BYTES {
            return Err(ItemError::SaltTooLong(bytes.len()));
        }
        Ok(Self(bytes.into()))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl MutableItem {
    /// Signs `value`, one bencoded element.
    pub fn sign(key: &SigningKey, salt: Salt, seq: i64, value: &[u8]) -> Result<Self, ItemError> {
        check_value(value)?;
        let signature = key.sign(&signable(salt.as_bytes(), seq, value)).to_bytes();
        let public_key = key.verifying_key().to_bytes();
        Ok(Self { public_key, salt, seq, value: value.into(), signature })
    }

    /// Checks limits and signature.
    pub fn verify(&self) -> Result<(), ItemError> {
        check_value(&self.value)?;
        verify_signature(
            &self.public_key,
            self.salt.as_bytes(),
            self.seq,
            &self.value,
            &self.signature,
        )
    }

    /// The key it is stored under.
    pub fn target(&self) -> Id {
        mutable_target(&self.public_key, &self.salt)
    }
}

/// Checks that `value` is one bencoded element within the size limit.
pub fn check_value(value: &[u8]) -> Result<(), ItemError> {
    if value.len() > MAX_VALUE_BYTES {
        return Err(ItemError::ValueTooLong(value.len()));
    }
    if bencode::is_one_element(value) { Ok(()) } else { Err(ItemError::NotBencoded) }
}

/// The key of an immutable value: SHA-1 of its bencoded form.
pub fn immutable_target(value: &[u8]) -> Id {
    Id::new(Sha1::digest(value).into())
}

/// The key of a mutable item: SHA-1 of public key and salt.
pub fn mutable_target(public_key: &[u8; 32], salt: &Salt) -> Id {
    let mut hasher = Sha1::new();
    hasher.update(public_key);
    hasher.update(salt.as_bytes());
    Id::new(hasher.finalize().into())
}

/// Checks an item's signature without owning its parts.
pub fn verify_signature(
    public_key: &[u8; 32],
    salt: &[u8],
    seq: i64,
    value: &[u8],
    signature: &[u8; 64],
) -> Result<(), ItemError> {
    let key = VerifyingKey::from_bytes(public_key).map_err(|_| ItemError::BadSignature)?;
    let signature = Signature::from_bytes(signature);
    key.verify_strict(&signable(salt, seq, value), &signature).map_err(|_| ItemError::BadSignature)
}

/// What is signed: `4:salt<n>:<salt>3:seqi<seq>e1:v<value>`, the salt only if there is one.
fn signable(salt: &[u8], seq: i64, value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(salt.len() + value.len() + 48);
    if !salt.is_empty() {
        bytes.extend_from_slice(b"4:salt");
        bytes.extend_from_slice(salt.len().to_string().as_bytes());
        bytes.push(b':');
        bytes.extend_from_slice(salt);
    }
    bytes.extend_from_slice(b"3:seqi");
    bytes.extend_from_slice(seq.to_string().as_bytes());
    bytes.extend_from_slice(b"e1:v");
    bytes.extend_from_slice(value);
    bytes
}

#[cfg(test)]
mod tests;
