//! Entries: what many authors put under one topic, each in slots of its own.

use ed25519_dalek::{Signer, SigningKey};
use kademlia::Key;

use super::{PublicKey, Slot, Value, ValueError, Version, sign_tail, signed_version};

/// What an entry's signed bytes begin with.
const CONTEXT: &[u8] = b"polykad poly 1 entry\n";

/// A signed entry of a topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The topic's key.
    pub topic: Key,
    /// Its author.
    pub public_key: PublicKey,
    /// Which of the author's entries under this topic.
    pub slot: u16,
    /// The higher wins.
    pub seq: u64,
    /// When it ends, in unix seconds.
    pub expires: u64,
    /// Its bytes; `None`: it is removed.
    pub payload: Option<Box<[u8]>>,
    /// The author's, over all of the above.
    pub signature: [u8; 64],
}

/// An entry that is elsewhere in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EntryRef<'a> {
    /// The topic's key.
    pub topic: Key,
    /// Its author.
    pub public_key: &'a PublicKey,
    /// Which of the author's entries under this topic.
    pub slot: u16,
    /// The higher wins.
    pub seq: u64,
    /// When it ends, in unix seconds.
    pub expires: u64,
    /// Its bytes; `None`: it is removed.
    pub payload: Option<&'a [u8]>,
    /// The author's.
    pub signature: &'a [u8; 64],
}

impl Entry {
    /// Signs an entry that ends at `expires`, in unix seconds. Without a payload it removes what is
    /// in the slot, and keeps older entries out of it until it expires.
    pub fn sign(
        key: &SigningKey,
        topic: Key,
        slot: u16,
        seq: u64,
        expires: u64,
        payload: Option<&[u8]>,
    ) -> Self {
        let signature = key.sign(&signable(&topic, slot, seq, expires, payload)).to_bytes();
        Self {
            topic,
            public_key: key.verifying_key().to_bytes(),
            slot,
            seq,
            expires,
            payload: payload.map(Into::into),
            signature,
        }
    }

    /// Without owning its parts.
    pub fn borrow(&self) -> EntryRef<'_> {
        EntryRef {
            topic: self.topic,
            public_key: &self.public_key,
            slot: self.slot,
            seq: self.seq,
            expires: self.expires,
            payload: self.payload.as_deref(),
            signature: &self.signature,
        }
    }

    /// Checks limits, life and signature; `now` in unix seconds.
    pub fn verify(&self, now: u64) -> Result<(), ValueError> {
        Value::Entry(self.borrow()).verify(now)
    }
}

impl EntryRef<'_> {
    /// Where it is kept.
    pub const fn slot(&self) -> Slot {
        Slot { key: self.topic, author: *self.public_key, number: self.slot }
    }

    /// Which it is of those in its slot.
    pub fn version(&self) -> Version {
        signed_version(self.seq, self.expires, self.payload)
    }

    /// With parts of its own.
    pub fn to_owned(&self) -> Entry {
        Entry {
            topic: self.topic,
            public_key: *self.public_key,
            slot: self.slot,
            seq: self.seq,
            expires: self.expires,
            payload: self.payload.map(Into::into),
            signature: *self.signature,
        }
    }

    pub(super) fn verify_signature(&self) -> Result<(), ValueError> {
        let signed = signable(&self.topic, self.slot, self.seq, self.expires, self.payload);
        super::verify_signature(self.public_key, &signed, self.signature)
    }
}

/// What is signed: the context, topic, slot (2 bytes, most significant first), and the tail.
fn signable(topic: &Key, slot: u16, seq: u64, expires: u64, payload: Option<&[u8]>) -> Vec<u8> {
    let mut signed = Vec::with_capacity(CONTEXT.len() + 84);
    signed.extend_from_slice(CONTEXT);
    signed.extend_from_slice(topic.as_bytes());
    signed.extend_from_slice(&slot.to_be_bytes());
    sign_tail(&mut signed, seq, expires, payload);
    signed
}
