//! IPNS records: what they say, once their signature is checked.
//!
//! From <https://specs.ipfs.tech/ipns/ipns-record/>, "Record Verification", version 2.

use ed25519_dalek::{Signature, VerifyingKey};

use crate::pkarr::date;

/// What the signed bytes begin with.
const CONTEXT: &[u8] = b"ipns-signature:";
/// Fields of the protobuf.
const SIGNATURE_V2: u64 = 8;
const DATA: u64 = 9;

/// What a record says; the greater goes before the smaller.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Facts {
    /// The version.
    pub(super) sequence: u64,
    /// When it ends, in unix seconds.
    pub(super) expires: u64,
    /// How long answers may be kept, in seconds.
    pub(super) ttl_s: u64,
}

/// Checks a record; `None`: it is none, forged, or over at `now`, in unix seconds.
pub(super) fn verify(record: &[u8], public_key: &[u8; 32], now: u64) -> Option<Facts> {
    let (mut signature, mut data) = (None, None);
    let mut rest = record;
    while !rest.is_empty() {
        let field = Field::first(rest)?;
        match field.number {
            SIGNATURE_V2 => signature = field.bytes,
            DATA => data = field.bytes,
            _ => {}
        }
        rest = field.rest;
    }
    let (signature, data) = (Signature::from_slice(signature?).ok()?, data?);
    let signed = [CONTEXT, data].concat();
    VerifyingKey::from_bytes(public_key).ok()?.verify_strict(&signed, &signature).ok()?;
    facts(data).filter(|facts| facts.expires > now)
}

/// A field of a protobuf.
struct Field<'a> {
    number: u64,
    /// If it has any.
    bytes: Option<&'a [u8]>,
    /// What follows it.
    rest: &'a [u8],
}

impl<'a> Field<'a> {
    fn first(from: &'a [u8]) -> Option<Self> {
        let (key, rest) = varint(from)?;
        let (value, rest) = varint(rest)?;
        let (bytes, rest) = match key & 7 {
            0 => (None, rest),
            2 => {
                let (bytes, rest) = rest.split_at_checked(usize::try_from(value).ok()?)?;
                (Some(bytes), rest)
            }
            _ => return None,
        };
        Some(Self { number: key >> 3, bytes, rest })
    }
}

fn varint(from: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (at, byte) in from.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f).checked_shl(7 * u32::try_from(at).ok()?)?;
        if byte & 0x80 == 0 {
            return Some((value, from.get(at + 1..)?));
        }
    }
    None
}

/// What the signed CBOR says: a map of five known keys.
fn facts(data: &[u8]) -> Option<Facts> {
    let mut decoder = minicbor::Decoder::new(data);
    let (mut sequence, mut expires, mut ttl, mut is_eol) = (None, None, 0, false);
    for _ in 0..decoder.map().ok()?? {
        match decoder.str().ok()? {
            "Sequence" => sequence = Some(decoder.u64().ok()?),
            "TTL" => ttl = decoder.u64().ok()?,
            "Validity" => expires = date::read_rfc3339(decoder.bytes().ok()?),
            "ValidityType" => is_eol = decoder.u64().ok()? == 0,
            _ => decoder.skip().ok()?,
        }
    }
    let (sequence, expires) = (sequence?, expires.filter(|_| is_eol)?);
    Some(Facts { sequence, expires, ttl_s: ttl / 1_000_000_000 })
}

#[cfg(test)]
mod tests;
