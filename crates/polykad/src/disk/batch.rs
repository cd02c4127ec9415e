//! Changes on their way to the disk, packed into one buffer: nothing is allocated for each.

/// Changes, in the order they came.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// For each: kind, length of key (2 bytes), of value (4), expiry (8), key, value.
    bytes: Vec<u8>,
}

/// One change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Change<'a> {
    Keep { key: &'a [u8], value: &'a [u8], expires: u64 },
    Set { name: &'a str, value: &'a [u8] },
}

const KEEP: u8 = 0;
const SET: u8 = 1;

impl Batch {
    /// Memory kept for the next batch.
    const KEPT_BYTES: usize = 64 << 10;

    pub(super) fn keep(&mut self, key: &[u8], value: &[u8], expires: u64) {
        self.push(KEEP, key, value, expires);
    }

    pub(super) fn set(&mut self, name: &str, value: &[u8]) {
        self.push(SET, name.as_bytes(), value, 0);
    }

    /// Leaves out what exceeds the lengths that can be written down.
    fn push(&mut self, kind: u8, key: &[u8], value: &[u8], expires: u64) {
        let (Ok(key_bytes), Ok(value_bytes)) =
            (u16::try_from(key.len()), u32::try_from(value.len()))
        else {
            return;
        };
        self.bytes.push(kind);
        self.bytes.extend_from_slice(&key_bytes.to_le_bytes());
        self.bytes.extend_from_slice(&value_bytes.to_le_bytes());
        self.bytes.extend_from_slice(&expires.to_le_bytes());
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(value);
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(Self::KEPT_BYTES);
    }

    pub(super) fn iter(&self) -> Changes<'_> {
        Changes { rest: &self.bytes }
    }
}

pub(super) struct Changes<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Changes<'a> {
    type Item = Change<'a>;

    fn next(&mut self) -> Option<Change<'a>> {
        let ([kind], rest) = self.rest.split_first_chunk()?;
        let (key_bytes, rest) = rest.split_first_chunk()?;
        let (value_bytes, rest) = rest.split_first_chunk()?;
        let (expires, rest) = rest.split_first_chunk()?;
        let (key, rest) = rest.split_at_checked(u16::from_le_bytes(*key_bytes).into())?;
        let value_bytes = usize::try_from(u32::from_le_bytes(*value_bytes)).ok()?;
        let (value, rest) = rest.split_at_checked(value_bytes)?;
        self.rest = rest;
        Some(match *kind {
            KEEP => Change::Keep { key, value, expires: u64::from_le_bytes(*expires) },
            _ => Change::Set { name: core::str::from_utf8(key).ok()?, value },
        })
    }
}
