//! Opening: reading the logs that a former run has left, wherever it was stopped.

use std::io;
use std::sync::Arc;

use poly::store::Head;
use poly::value::Slot;

use super::log::{Log, LogFile, Place};
use super::medium::Medium;
use super::record::{
    FILE_HEADER, FileHeader, Header, LONG_HEADER, NoHeader, file_header, next_magic,
};

/// Bytes read at once.
const WINDOW: usize = 1 << 20;
/// Records that mean nothing any more.
struct Over {
    now_unix: u64,
    records: Vec<(Slot, Place)>,
}

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
        let mut over = Over { now_unix, records: Vec::new() };
        for number in numbers {
            self.recover_file(number, number >= checked_from, &mut over)?;
        }
        // Only now: until all was seen, they tell of older records that they have replaced them.
        for (slot, place) in over.records {
            if self.index.place_at(&slot, place.file, place.offset).is_some() {
                self.forget(&slot, place);
            }
        }
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

    fn recover_file(&mut self, number: u32, check_values: bool, over: &mut Over) -> io::Result<()> {
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
        let kept = LogFile { file, salt, bytes, live: 0, damaged: false, stuck: false };
        self.files.insert(number, kept);
        let Some(walk) = self.walk(number) else {
            return Ok(());
        };
        let walked = walk
            .run(check_values, &mut |offset, header| self.take_in(number, offset, header, over))?;
        if let Some(kept) = self.files.get_mut(&number) {
            kept.damaged = walked.damaged;
            if walked.end < length {
                tracing::debug!(file = number, "a write was interrupted: {walked:?} of {length}");
                // What can't be cut off must not be followed by anything.
                kept.stuck = self.medium.truncate(&kept.file, walked.end).is_err();
            }
            kept.bytes = u32::try_from(walked.end).unwrap_or(u32::MAX);
        }
        Ok(())
    }

    /// Takes in a record that was found.
    fn take_in(
        &mut self,
        file: u32,
        offset: u32,
        header: &Header,
        over: &mut Over,
    ) -> io::Result<()> {
        self.next_seq = self.next_seq.max(header.seq + 1);
        let slot = header.slot;
        let old = self.find(&slot)?;
        // Copies have the number of their original; of an emptied slot's, the copy says so.
        let is_older = old.as_ref().is_some_and(|(_, old)| {
            header.seq < old.seq || (header.seq == old.seq && old.head.is_none())
        });
        if !is_older {
            let gone = header.head.is_none_or(|head| head.expires <= over.now_unix);
            let place = Place { file, offset, size: header.record_size(), gone };
            if header.ends() <= over.now_unix {
                over.records.push((slot, place));
            }
            self.settle(&slot, old.map(|(place, _)| place), place);
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
            walk.run(true, &mut |offset, header| match self.index.place_at(
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
    pub(super) fn heads(&self, each: &mut dyn FnMut(&Slot, &Head)) -> io::Result<()> {
        let now_unix = (self.settings.clock)();
        for number in self.files.keys().copied() {
            let Some(walk) = self.walk(number) else {
                continue;
            };
            walk.run(false, &mut |offset, header| {
                let place = self.index.place_at(&header.slot, number, offset);
                if let (Some(Place { gone: false, .. }), Some(head)) = (place, &header.head)
                    && head.expires > now_unix
                {
                    each(&header.slot, head);
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

/// What is told of each record: where it is, and its header.
type Each<'a> = dyn FnMut(u32, &Header) -> io::Result<()> + 'a;

impl<M: Medium> Walk<M> {
    /// Hands the records to `each`.
    fn run(&self, check_values: bool, each: &mut Each<'_>) -> io::Result<Walked> {
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
            if check_values && !is_whole(&header, window.at(self, at, size as usize)?) {
                lost = true;
                at += u64::from(size);
                continue;
            }
            walked.damaged |= lost;
            each(u32::try_from(at).map_err(io::Error::other)?, &header)?;
            at += u64::from(size);
            walked.end = at;
        }
        Ok(walked)
    }
}

/// Whether a record's value is as it was written.
fn is_whole(header: &Header, record: &[u8]) -> bool {
    let value = record.get(header.size()..header.record_size() as usize);
    value.is_some_and(|value| crc32fast::hash(value) == header.value_crc)
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
