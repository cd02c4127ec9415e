//! Opening: reading the logs that a former run has left, wherever it was stopped.

use std::io;
use std::sync::Arc;

use poly::store::Head;
use poly::value::Slot;

use super::gather::{Gathered, Record};
use super::log::{Found, Log, LogFile, Place};
use super::medium::Medium;
use super::record::{
    FILE_HEADER, FileHeader, Header, LONG_HEADER, NoHeader, file_header, next_magic,
};

/// Bytes read at once: what fits into the cache of a core.
const WINDOW: usize = 1 << 18;

/// What looking through a file came to.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
struct Walked {
    /// Where the last whole record ends.
    end: u64,
    /// Whether there was anything unreadable before that.
    damaged: bool,
}

impl<M: Medium> Log<M> {
    /// Reads all files. What is damaged is set aside, and what is good in it is kept.
    pub(super) fn recover(&mut self) -> io::Result<()> {
        let mut numbers = self.medium.list()?;
        numbers.sort_unstable();
        // What was on the disk before a later file was begun is whole. Of the rest, a power cut may
        // have left the headers of records without their values.
        let mut checked_from = 0;
        for number in &numbers {
            if let Ok(header) = self.header_of(*number)? {
                checked_from = checked_from.max(header.first_unsynced.min(*number));
            }
        }
        let now_unix = (self.settings.clock)();
        let mut gathered = Gathered::default();
        for number in numbers {
            let check = if number >= checked_from { Values::Checked } else { Values::Skipped };
            self.recover_file(number, check, now_unix, &mut gathered)?;
        }
        self.take_in(gathered, now_unix)?;
        self.set_damaged_aside(now_unix)?;
        let last = self.files.last_key_value();
        self.active = last.filter(|(_, file)| !file.stuck).map(|(number, _)| *number);
        self.tidy(checked_from);
        Ok(())
    }

    fn header_of(&self, number: u32) -> io::Result<Result<FileHeader, String>> {
        let (file, _) = self.medium.open(number)?;
        let mut bytes = [0; FILE_HEADER];
        let read = self.medium.read(&file, 0, &mut bytes)?;
        Ok(file_header(bytes.get(..read).unwrap_or_default()))
    }

    fn recover_file(
        &mut self,
        number: u32,
        values: Values,
        now_unix: u64,
        gathered: &mut Gathered,
    ) -> io::Result<()> {
        self.next_file = self.next_file.max(number.saturating_add(1));
        let (file, length) = self.medium.open(number)?;
        if length < FILE_HEADER as u64 {
            // Its creation was interrupted: it never held anything.
            return self.medium.delete(number);
        }
        let FileHeader { salt, .. } = match self.header_of(number)? {
            Ok(header) => header,
            Err(message) => return self.set_aside(number, &message),
        };
        let file = Arc::new(file);
        let bytes = u32::try_from(length).unwrap_or(u32::MAX);
        let found = Some(Found::default());
        let kept = LogFile { file, salt, bytes, live: 0, damaged: false, stuck: false, found };
        self.files.insert(number, kept);
        let Some(walk) = self.walk(number) else {
            return Ok(());
        };
        let walked = walk.run(values, &mut |offset, header, _| {
            self.next_seq = self.next_seq.max(header.seq + 1);
            let gone = header.head.is_none_or(|head| head.expires <= now_unix);
            let place = Place { file: number, offset, size: header.record_size(), gone };
            gathered.add(Record::new(self.index.hash(&header.slot), header, place));
            Ok(())
        })?;
        if let Some(kept) = self.files.get_mut(&number) {
            kept.damaged = walked.damaged;
            if walked.end < length {
                tracing::debug!(file = number, "a write was interrupted: {walked:?} of {length}");
                // What can't be cut off must not be followed by anything.
                kept.stuck = self.medium.truncate(&kept.file, walked.end).is_err();
            }
            kept.bytes = u32::try_from(walked.end).unwrap_or(u32::MAX);
            kept.found = Some(Found { until: kept.bytes, needless: Vec::new() });
        }
        Ok(())
    }

    /// Makes the index of all records that were found.
    fn take_in(&mut self, gathered: Gathered, now_unix: u64) -> io::Result<()> {
        self.index.reserve(gathered.len());
        gathered.settle(|record, is_newest| {
            let place = record.place;
            let file = self.files.get_mut(&place.file).ok_or(io::ErrorKind::NotFound)?;
            // Only what nothing newer has replaced may say that a slot is empty for good.
            if !is_newest || record.ends <= now_unix {
                if let Some(found) = &mut file.found {
                    found.needless.push(place.offset);
                }
                return Ok(());
            }
            file.live += place.size;
            if !self.index.add(record.hash, place) {
                let header = self.header_at(place.file, place.offset)?;
                let header = header.map_err(|_| io::ErrorKind::InvalidData)?;
                self.index.add_twin(header.slot, place);
            }
            Ok(())
        })?;
        self.index.shrink();
        for found in self.files.values_mut().filter_map(|file| file.found.as_mut()) {
            found.needless.sort_unstable();
        }
        Ok(())
    }

    /// Copies what is good in damaged files to a new one, and renames them.
    fn set_damaged_aside(&mut self, now_unix: u64) -> io::Result<()> {
        let damaged = self.files.iter().filter(|(_, file)| file.damaged);
        let damaged: Vec<u32> = damaged.map(|(number, _)| *number).collect();
        for number in damaged {
            let Some(walk) = self.walk(number) else {
                continue;
            };
            walk.run(Values::Checked, &mut |offset, header, _| match self.index.place_at(
                &header.slot,
                number,
                offset,
            ) {
                Some(place) => self.carry(place, header, now_unix),
                None => Ok(()),
            })?;
            self.queue.flush()?;
            self.files.remove(&number);
            self.set_aside(number, "parts of it are unreadable; the rest was kept")?;
        }
        Ok(())
    }

    fn set_aside(&self, number: u32, message: &str) -> io::Result<()> {
        let mark = format!("damaged-{}", (self.settings.clock)());
        let aside = self.medium.set_aside(number, &mark)?;
        tracing::warn!(aside, "a file of values is no good ({message}): set aside");
        Ok(())
    }

    /// Hands out all that is kept.
    pub(super) fn values(&self, each: &mut dyn FnMut(&Slot, &Head, &[u8])) -> io::Result<()> {
        let now_unix = (self.settings.clock)();
        for (number, file) in &self.files {
            let Some(walk) = self.walk(*number) else {
                continue;
            };
            let nothing = Found::default();
            let found = file.found.as_ref().unwrap_or(&nothing);
            let mut needless = found.needless.iter().copied().peekable();
            walk.run(Values::AtHand, &mut |offset, header, value| {
                let is_needed = if offset < found.until {
                    while needless.next_if(|needless| *needless < offset).is_some() {}
                    needless.peek() != Some(&offset)
                } else {
                    let place = self.index.place_at(&header.slot, *number, offset);
                    place.is_some_and(|place| !place.gone)
                };
                if let Some(head) = &header.head
                    && is_needed
                    && head.expires > now_unix
                {
                    each(&header.slot, head, value);
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    fn walk(&self, number: u32) -> Option<Walk<M>> {
        let file = self.files.get(&number)?;
        Some(Walk {
            medium: Arc::clone(&self.medium),
            file: Arc::clone(&file.file),
            salt: file.salt,
            length: file.bytes.into(),
        })
    }
}

/// The way through a file.
struct Walk<M: Medium> {
    medium: Arc<M>,
    file: Arc<M::File>,
    salt: u32,
    length: u64,
}

/// What of the values on the way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Values {
    /// Not looked at.
    Skipped,
    /// Handed out.
    AtHand,
    /// Handed out if they are as they were written; else they are damage.
    Checked,
}

/// What is told of each record: where it is, its header, and its value unless that is skipped.
type Each<'a> = dyn FnMut(u32, &Header, &[u8]) -> io::Result<()> + 'a;

impl<M: Medium> Walk<M> {
    /// Hands the records to `each`.
    fn run(&self, values: Values, each: &mut Each<'_>) -> io::Result<Walked> {
        let mut window = Window { start: 0, bytes: Vec::new() };
        let mut walked = Walked { end: FILE_HEADER as u64, damaged: false };
        let mut at = walked.end;
        // Whether the bytes before `at` are unreadable: a record after them shows damage.
        let mut lost = false;
        while at < self.length {
            let bytes = window.at(self, at, LONG_HEADER)?;
            let header = match Header::parse(bytes, self.salt) {
                Ok(header) if at + u64::from(header.record_size()) <= self.length => header,
                Ok(_) | Err(NoHeader::Short) if !lost => break,
                Ok(_) | Err(_) => {
                    lost = true;
                    at += next_magic(bytes).unwrap_or(bytes.len().saturating_sub(3).max(1)) as u64;
                    continue;
                }
            };
            let size = header.record_size();
            let record = match values {
                Values::Skipped => &[],
                Values::AtHand | Values::Checked => window.at(self, at, size as usize)?,
            };
            let value = record.get(header.size()..size as usize).unwrap_or_default();
            if values == Values::Checked && crc32fast::hash(value) != header.value_crc {
                lost = true;
                at += u64::from(size);
                continue;
            }
            walked.damaged |= lost;
            each(u32::try_from(at).map_err(io::Error::other)?, &header, value)?;
            at += u64::from(size);
            walked.end = at;
        }
        Ok(walked)
    }
}

/// A part of a file in memory.
struct Window {
    start: u64,
    bytes: Vec<u8>,
}

impl Window {
    /// All that is at hand from `at` on: at least `least` bytes, unless the file ends.
    fn at<M: Medium>(&mut self, walk: &Walk<M>, at: u64, least: usize) -> io::Result<&[u8]> {
        let within = usize::try_from(at.saturating_sub(self.start)).unwrap_or(usize::MAX);
        let has = at >= self.start && self.bytes.len() >= within.saturating_add(least);
        if !has {
            self.start = at;
            self.bytes.resize(WINDOW.max(least), 0);
            let read = walk.medium.read(&walk.file, at, &mut self.bytes)?;
            self.bytes.truncate(read);
        }
        let within = usize::try_from(at - self.start).unwrap_or(usize::MAX);
        Ok(self.bytes.get(within..).unwrap_or_default())
    }
}
