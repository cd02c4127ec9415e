//! The little of CBOR (RFC 8949) that messages use: maps from small numbers to numbers and bytes.

use core::convert::Infallible;

use minicbor::encode::Error;
use minicbor::{Decoder, Encoder};

use super::Malformed;

/// Entries of a map, at most, unknown ones included: bounds the work of a read.
const MAX_FIELDS: u64 = 64;

/// Writes one map, whose length follows from what was written.
pub(super) struct MapWriter<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
    count: u8,
}

impl<'a> MapWriter<'a> {
    pub(super) fn new(out: &'a mut Vec<u8>) -> Self {
        let start = out.len();
        // The head: a map of fewer than 24 entries takes one byte.
        out.push(0);
        Self { out, start, count: 0 }
    }

    pub(super) fn uint(&mut self, key: u8, value: u64) {
        self.key(key);
        sure(Encoder::new(&mut *self.out).u64(value));
    }

    pub(super) fn bytes(&mut self, key: u8, value: &[u8]) {
        self.key(key);
        sure(Encoder::new(&mut *self.out).bytes(value));
    }

    pub(super) fn option(&mut self, key: u8, value: Option<u64>) {
        if let Some(value) = value {
            self.uint(key, value);
        }
    }

    pub(super) fn nonzero(&mut self, key: u8, value: u64) {
        self.option(key, Some(value).filter(|value| *value != 0));
    }

    pub(super) fn nonempty(&mut self, key: u8, value: &[u8]) {
        if !value.is_empty() {
            self.bytes(key, value);
        }
    }

    /// A byte string that `write` appends.
    pub(super) fn nested(&mut self, key: u8, write: impl FnOnce(&mut Vec<u8>)) {
        self.key(key);
        let at = self.out.len();
        write(self.out);
        // Its head goes before it, now that the length is known.
        let length = self.out.len() - at;
        sure(Encoder::new(&mut *self.out).bytes_len(length as u64));
        let head = self.out.len() - at - length;
        if let Some(nested) = self.out.get_mut(at..) {
            nested.rotate_right(head);
        }
    }

    /// Ends the map. Maps have fewer than 24 entries.
    pub(super) fn end(self) {
        debug_assert!(self.count < 24, "the head of this map takes more than one byte");
        if let Some(head) = self.out.get_mut(self.start) {
            *head = 0xa0 | self.count;
        }
    }

    fn key(&mut self, key: u8) {
        self.count += 1;
        sure(Encoder::new(&mut *self.out).u8(key));
    }
}

/// Writing into memory cannot fail.
#[expect(clippy::needless_pass_by_value, reason = "a result is there to be consumed")]
fn sure<T>(result: Result<T, Error<Infallible>>) {
    debug_assert!(result.is_ok(), "writing into memory cannot fail");
}

/// Reads a map of definite length and hands each key to `field`, with the decoder at its value.
/// `field` says whether it knows the key, and then has read the value. Returns where the map ends.
pub(super) fn read_map<'a>(
    bytes: &'a [u8],
    mut field: impl FnMut(u8, &mut Decoder<'a>) -> Result<bool, Malformed>,
) -> Result<usize, Malformed> {
    let mut decoder = Decoder::new(bytes);
    let count = decoder.map().map_err(|_| Malformed::Syntax)?.ok_or(Malformed::Syntax)?;
    if count > MAX_FIELDS {
        return Err(Malformed::Syntax);
    }
    for _ in 0..count {
        let key = decoder.u64().map_err(|_| Malformed::Syntax)?;
        let known = match u8::try_from(key) {
            Ok(key) => field(key, &mut decoder)?,
            Err(_) => false,
        };
        if !known {
            decoder.skip().map_err(|_| Malformed::Syntax)?;
        }
    }
    Ok(decoder.position())
}

pub(super) fn read_uint(decoder: &mut Decoder<'_>, key: u8) -> Result<u64, Malformed> {
    decoder.u64().map_err(|_| Malformed::Field(key))
}

pub(super) fn read_bytes<'a>(decoder: &mut Decoder<'a>, key: u8) -> Result<&'a [u8], Malformed> {
    decoder.bytes().map_err(|_| Malformed::Field(key))
}

/// A struct of optional fields and its reader: `uint name = key` and `bytes name = key`.
macro_rules! fields {
    (
        $(#[$doc:meta])*
        struct $name:ident<'a> { $($kind:ident $field:ident = $key:path,)* }
    ) => {
        $(#[$doc])*
        #[derive(Default)]
        struct $name<'a> {
            $($field: Option<$crate::wire::cbor::field_type!($kind)>,)*
        }

        impl<'a> $name<'a> {
            /// Reads a whole message: nothing may follow the map.
            #[allow(dead_code, reason = "messages are read whole, values one after the other")]
            fn read(bytes: &'a [u8]) -> Result<Self, $crate::wire::Malformed> {
                let (fields, end) = Self::read_first(bytes)?;
                if end == bytes.len() { Ok(fields) } else { Err($crate::wire::Malformed::Syntax) }
            }

            /// Reads the map at the beginning; also returns where it ends.
            fn read_first(bytes: &'a [u8]) -> Result<(Self, usize), $crate::wire::Malformed> {
                let mut fields = Self::default();
                let end = $crate::wire::cbor::read_map(bytes, |key, decoder| {
                    match key {
                        $($key => {
                            let value = $crate::wire::cbor::field_read!($kind, decoder, key)?;
                            if fields.$field.replace(value).is_some() {
                                return Err($crate::wire::Malformed::Twice(key));
                            }
                        })*
                        _ => return Ok(false),
                    }
                    Ok(true)
                })?;
                Ok((fields, end))
            }
        }
    };
}

macro_rules! field_type {
    (uint) => { u64 };
    (bytes) => { &'a [u8] };
}

macro_rules! field_read {
    (uint, $decoder:ident, $key:ident) => {
        $crate::wire::cbor::read_uint($decoder, $key)
    };
    (bytes, $decoder:ident, $key:ident) => {
        $crate::wire::cbor::read_bytes($decoder, $key)
    };
}

pub(super) use {field_read, field_type, fields};
