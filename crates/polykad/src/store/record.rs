//! A record: one value, or the note that there is none any more, as it stands in a log.
//!
//! ```text
//!   0  4  "PKv1"
//!   4  4  CRC-32 of the header from 8 on, begun with the salt of the file
//!   8  4  CRC-32 of the value
//!  12  4  length of the value
//!  16  8  sequence number: of two records of a slot the higher one holds
//!  24  8  guard: until when an older record of the slot might seem to hold
//!  32 48  head; all zero: the slot is empty
//!  80  1  flags: 1: the slot has an author
//!  81 32  key
//! 113 34  author and number, if there is one
//! then    the value
//! ```
//! Integers are big-endian.

use kademlia::Key;
use poly::store::Head;
use poly::value::Slot;

/// Begins every record. The last byte is the format's version.
const MAGIC: [u8; 4] = *b"PKv1";
/// Bytes of a header without an author.
pub(super) const SHORT_HEADER: usize = 113;
/// Bytes of a header with one.
pub(super) const LONG_HEADER: usize = SHORT_HEADER + 34;
/// Where the bytes begin that the first checksum covers.
const COVERED: usize = 8;
const HAS_AUTHOR: u8 = 1;
/// Longer values are none that the network has: a claim of more is damage.
const MAX_VALUE: u32 = 1 << 20;

/// What stands before a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Header {
    pub(super) slot: Slot,
    /// `None`: the slot is empty.
    pub(super) head: Option<Head>,
    pub(super) seq: u64,
    /// Unix seconds. An older record of the slot ends no later than this: until then this one must
    /// stay on disk, even if what it says has ended, lest the older one come back.
    pub(super) guard: u64,
    pub(super) length: u32,
    pub(super) value_crc: u32,
}

/// Why bytes are no header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NoHeader {
    /// They end before it does.
    Short,
    /// They are something else.
    Damaged,
}

impl Header {
    /// Reads a header from the start of `bytes`.
    pub(super) fn parse(bytes: &[u8], salt: u32) -> Result<Self, NoHeader> {
        let flags = *bytes.get(80).ok_or(NoHeader::Short)?;
        let size = if flags & HAS_AUTHOR == 0 { SHORT_HEADER } else { LONG_HEADER };
        let header = bytes.get(..size).ok_or(NoHeader::Short)?;
        let covered = header.get(COVERED..).ok_or(NoHeader::Short)?;
        let is_whole =
            header.first_chunk() == Some(&MAGIC) && word(header, 4) == Some(salted(covered, salt));
        is_whole.then(|| Self::fields(header)).flatten().ok_or(NoHeader::Damaged)
    }

    fn fields(header: &[u8]) -> Option<Self> {
        let head = header.get(32..)?.first_chunk::<{ Head::BYTES }>()?;
        let head = if *head == [0; Head::BYTES] { None } else { Some(Head::from_bytes(head)?) };
        let mut slot = Slot::of(Key::new(*header.get(81..)?.first_chunk()?));
        if let Some(rest) = header.get(SHORT_HEADER..).filter(|rest| !rest.is_empty()) {
            slot.author = *rest.first_chunk()?;
            slot.number = u16::from_be_bytes(*rest.last_chunk()?);
        }
        let length = word(header, 12)?;
        let (seq, guard) = (long(header, 16)?, long(header, 24)?);
        let value_crc = word(header, 8)?;
        (length <= MAX_VALUE).then_some(Self { slot, head, seq, guard, length, value_crc })
    }

    /// Bytes of the header.
    pub(super) fn size(&self) -> usize {
        let has_author = self.slot.author != [0; 32] || self.slot.number != 0;
        if has_author { LONG_HEADER } else { SHORT_HEADER }
    }

    /// Bytes of the record.
    pub(super) fn record_size(&self) -> u32 {
        u32::try_from(self.size()).unwrap_or(0) + self.length
    }

    /// Until when it matters that this record is there.
    pub(super) fn ends(&self) -> u64 {
        self.head.map_or(0, |head| head.expires).max(self.guard)
    }

    /// Appends a record. Length and checksum of the value follow from it.
    pub(super) fn write(&self, value: &[u8], salt: u32, out: &mut Vec<u8>) {
        let start = out.len();
        let flags = if self.size() == LONG_HEADER { HAS_AUTHOR } else { 0 };
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&crc32fast::hash(value).to_be_bytes());
        out.extend_from_slice(&u32::try_from(value.len()).unwrap_or(u32::MAX).to_be_bytes());
        out.extend_from_slice(&self.seq.to_be_bytes());
        out.extend_from_slice(&self.guard.to_be_bytes());
        out.extend_from_slice(&self.head.map_or([0; Head::BYTES], |head| head.to_bytes()));
        out.push(flags);
        out.extend_from_slice(self.slot.key.as_bytes());
        if flags == HAS_AUTHOR {
            out.extend_from_slice(&self.slot.author);
            out.extend_from_slice(&self.slot.number.to_be_bytes());
        }
        let crc = salted(out.get(start + COVERED..).unwrap_or_default(), salt);
        if let Some(field) = out.get_mut(start + 4..start + COVERED) {
            field.copy_from_slice(&crc.to_be_bytes());
        }
        out.extend_from_slice(value);
    }
}

/// Salted, so that nobody can put into a value what would be taken for a record if its
/// surroundings were damaged.
fn salted(covered: &[u8], salt: u32) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(salt);
    hasher.update(covered);
    hasher.finalize()
}

/// Begins every file.
const FILE_MAGIC: [u8; 8] = *b"PKvalues";
/// The version of what files hold. With it goes that of `disk/file.rs`, whose file is opened first:
/// an older program must leave newer files alone.
const FILE_FORMAT: u32 = 1;
/// Bytes before the first record: magic, version, salt, first file that may not be on the disk.
pub(super) const FILE_HEADER: usize = 20;

/// What a file begins with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct FileHeader {
    /// Begins the checksums of its records.
    pub(super) salt: u32,
    /// All files before this one were on the disk when the file was begun.
    pub(super) first_unsynced: u32,
}

impl FileHeader {
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let numbers = [FILE_FORMAT, self.salt, self.first_unsynced].map(u32::to_be_bytes);
        [&FILE_MAGIC[..], numbers.as_flattened()].concat()
    }
}

/// The header of a file that begins so, or why it is none of ours.
pub(super) fn file_header(bytes: &[u8]) -> Result<FileHeader, String> {
    if bytes.first_chunk() != Some(&FILE_MAGIC) {
        return Err("it is no file of values".into());
    }
    match (word(bytes, 8), word(bytes, 12), word(bytes, 16)) {
        (Some(FILE_FORMAT), Some(salt), Some(first_unsynced)) => {
            Ok(FileHeader { salt, first_unsynced })
        }
        (Some(format), Some(_), Some(_)) => {
            Err(format!("its format is {format}, and this version reads {FILE_FORMAT}"))
        }
        _ => Err("it ends too soon".into()),
    }
}

/// Where in `bytes` another record may begin, after the first byte.
pub(super) fn next_magic(bytes: &[u8]) -> Option<usize> {
    let rest = bytes.get(1..)?;
    rest.windows(MAGIC.len()).position(|window| window == MAGIC).map(|at| at + 1)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|bytes| u64::from_be_bytes(*bytes))
}
