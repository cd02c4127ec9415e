//! Values as they travel and as they are kept on disk: one CBOR map each.

use kademlia::Key;

use super::cbor::{MapWriter, fields};
use super::{MAX_BULK_BYTES, Malformed};
use crate::value::{BlobRef, EntryRef, Kind, RecordRef, Value};

/// Keys of a value's map.
mod key {
    pub(super) const KIND: u8 = 0;
    pub(super) const BYTES: u8 = 1;
    pub(super) const LIFETIME: u8 = 2;
    pub(super) const PUBLIC_KEY: u8 = 3;
    pub(super) const SALT: u8 = 4;
    pub(super) const SEQ: u8 = 5;
    pub(super) const EXPIRES: u8 = 6;
    pub(super) const SIGNATURE: u8 = 7;
    pub(super) const TOPIC: u8 = 8;
    pub(super) const SLOT: u8 = 9;
    pub(super) const ORIGIN: u8 = 10;
}

/// A value on its way between nodes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Carried<'a> {
    /// The value.
    pub value: Value<'a>,
    /// The subnet it was first put from, as the holder who hands it on says; quotas go by it.
    /// `None`: from the sender's.
    pub origin: Option<u64>,
}

/// Values one after the other.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Values<'a>(&'a [u8]);

impl<'a> Values<'a> {
    /// Values in this form; see [`write_value`].
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// As they travel.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The values; what is malformed ends them.
    pub fn iter(&self) -> impl Iterator<Item = Carried<'a>> + use<'a> {
        let mut rest = self.0;
        core::iter::from_fn(move || {
            let (value, end) = read_first_value(rest).ok()?;
            rest = rest.get(end..)?;
            Some(value)
        })
    }
}

/// Appends a value to [`Values`].
pub fn write_value(value: &Carried<'_>, out: &mut Vec<u8>) {
    write_value_map(value, out);
}

pub(super) fn write_value_map(carried: &Carried<'_>, out: &mut Vec<u8>) {
    let mut map = MapWriter::new(out);
    map.uint(key::KIND, carried.value.kind().code().into());
    if let Some(bytes) = carried.value.bytes() {
        map.bytes(key::BYTES, bytes);
    }
    match &carried.value {
        Value::Blob(blob) => map.uint(key::LIFETIME, blob.lifetime_s.into()),
        Value::Record(record) => {
            map.bytes(key::PUBLIC_KEY, record.public_key);
            map.nonempty(key::SALT, record.salt);
            map.uint(key::SEQ, record.seq);
            map.uint(key::EXPIRES, record.expires);
            map.bytes(key::SIGNATURE, record.signature);
        }
        Value::Entry(entry) => {
            map.bytes(key::PUBLIC_KEY, entry.public_key);
            map.uint(key::SEQ, entry.seq);
            map.uint(key::EXPIRES, entry.expires);
            map.bytes(key::SIGNATURE, entry.signature);
            map.bytes(key::TOPIC, entry.topic.as_bytes());
            map.nonzero(key::SLOT, entry.slot.into());
        }
    }
    map.option(key::ORIGIN, carried.origin);
    map.end();
}

/// Reads a value that fills `bytes`.
pub(super) fn read_value(bytes: &[u8]) -> Result<Carried<'_>, Malformed> {
    let (value, end) = read_first_value(bytes)?;
    if end == bytes.len() { Ok(value) } else { Err(Malformed::Syntax) }
}

fn read_first_value(bytes: &[u8]) -> Result<(Carried<'_>, usize), Malformed> {
    let (fields, end) = ValueFields::read_first(bytes)?;
    Ok((fields.carried()?, end))
}

fields! {
    /// The fields of a value's map.
    struct ValueFields<'a> {
        uint kind = key::KIND,
        bytes bytes = key::BYTES,
        uint lifetime = key::LIFETIME,
        bytes public_key = key::PUBLIC_KEY,
        bytes salt = key::SALT,
        uint seq = key::SEQ,
        uint expires = key::EXPIRES,
        bytes signature = key::SIGNATURE,
        bytes topic = key::TOPIC,
        uint slot = key::SLOT,
        uint origin = key::ORIGIN,
    }
}

impl<'a> ValueFields<'a> {
    fn carried(&self) -> Result<Carried<'a>, Malformed> {
        let code = self.kind.ok_or(Malformed::Missing(key::KIND))?;
        let kind = u8::try_from(code).ok().and_then(Kind::from_code);
        let value = match kind.ok_or(Malformed::Field(key::KIND))? {
            Kind::Blob => {
                let lifetime = self.lifetime.ok_or(Malformed::Missing(key::LIFETIME))?;
                Value::Blob(BlobRef {
                    bytes: self.bytes.ok_or(Malformed::Missing(key::BYTES))?,
                    lifetime_s: u32::try_from(lifetime).unwrap_or(u32::MAX),
                })
            }
            Kind::Record => Value::Record(RecordRef {
                public_key: array(self.public_key, key::PUBLIC_KEY)?,
                salt: self.salt.unwrap_or_default(),
                seq: self.seq.ok_or(Malformed::Missing(key::SEQ))?,
                expires: self.expires.ok_or(Malformed::Missing(key::EXPIRES))?,
                value: self.bytes,
                signature: array(self.signature, key::SIGNATURE)?,
            }),
            Kind::Entry => Value::Entry(EntryRef {
                topic: Key::new(*array(self.topic, key::TOPIC)?),
                public_key: array(self.public_key, key::PUBLIC_KEY)?,
                slot: u16::try_from(self.slot.unwrap_or(0))
                    .map_err(|_| Malformed::Field(key::SLOT))?,
                seq: self.seq.ok_or(Malformed::Missing(key::SEQ))?,
                expires: self.expires.ok_or(Malformed::Missing(key::EXPIRES))?,
                payload: self.bytes,
                signature: array(self.signature, key::SIGNATURE)?,
            }),
        };
        Ok(Carried { value, origin: self.origin })
    }
}

fn array<const N: usize>(field: Option<&[u8]>, key: u8) -> Result<&[u8; N], Malformed> {
    let bytes = field.ok_or(Malformed::Missing(key))?;
    bytes.try_into().map_err(|_| Malformed::Field(key))
}

const _: () = assert!(MAX_BULK_BYTES > crate::value::MAX_VALUE_BYTES + 1024);
