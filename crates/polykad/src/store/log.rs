//! Logs and what is where in them: appending, reading, and getting room back.

use std::collections::hash_map::{Entry, RandomState};
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, BuildHasherDefault, Hasher};
use std::io;
use std::sync::Arc;

use poly::store::Head;
use poly::value::{MAX_LIFETIME_S, Slot};

use super::StoreSettings;
use super::medium::Medium;
use super::record::{FILE_HEADER, FileHeader, Header, LONG_HEADER, NoHeader};
use super::sync::Queue;

/// Bytes looked through for each byte written, while there is room to get back. A file is chosen
/// when at most half of it is live; so what is written then frees twice its size.
const COMPACTION_RATE: u32 = 4;
/// And at least so many a step.
const COMPACTION_STEP: u32 = 4096;
/// Bytes looked through at the start of a run: a process that is killed again and again right after
/// its start gets room back, too.
const TIDY_STEP: u32 = 1 << 20;
/// How long a guard holds whose end is not known, because the record that knew is damaged.
const LONGEST_GUARD_S: u64 = 2 * MAX_LIFETIME_S as u64;

/// All logs of a store.
pub(super) struct Log<M: Medium> {
    pub(super) medium: Arc<M>,
    pub(super) queue: Arc<Queue<M>>,
    pub(super) settings: StoreSettings,
    pub(super) files: BTreeMap<u32, LogFile<M>>,
    /// The one that is written to.
    pub(super) active: Option<u32>,
    pub(super) next_seq: u64,
    pub(super) next_file: u32,
    pub(super) index: Index,
    victim: Option<Victim>,
    pub(super) counters: StoreCounters,
    record: Vec<u8>,
}

/// One file.
pub(super) struct LogFile<M: Medium> {
    pub(super) file: Arc<M::File>,
    pub(super) salt: u32,
    /// Where the next record goes.
    pub(super) bytes: u32,
    /// Bytes of records that are needed.
    pub(super) live: u32,
    /// Parts of it are unreadable: it is emptied and set aside.
    pub(super) damaged: bool,
    /// It can't be emptied.
    pub(super) stuck: bool,
    /// What was found when it was opened, as long as that is how it is.
    pub(super) found: Option<Found>,
}

/// What is known of a file's records without asking the index.
#[derive(Default, Debug)]
pub(super) struct Found {
    /// Of the records before this offset.
    pub(super) until: u32,
    /// Where those are that nobody needs, in order. All others are needed.
    pub(super) needless: Vec<u32>,
}

/// Where a record is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place {
    pub(super) file: u32,
    pub(super) offset: u32,
    pub(super) size: u32,
    /// The slot is empty; the record is there because of its guard.
    pub(super) gone: bool,
}

/// A file that is being emptied.
#[derive(Clone, Copy, Debug)]
struct Victim {
    file: u32,
    cursor: u32,
}

/// What happened. Counts run from the opening.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct StoreCounters {
    /// Values written, heads updated.
    pub writes: u64,
    /// Writes that failed.
    pub failed: u64,
    /// Values that could not be read back as they were written.
    pub damaged: u64,
    /// Bytes of records written.
    pub written_bytes: u64,
    /// Bytes of records copied to get room back.
    pub copied_bytes: u64,
    /// Files emptied and deleted.
    pub emptied: u64,
}

/// Which slot is where: 24 bytes a slot, for slots are known by their hash, whose key is new in
/// each run. Of two slots with one hash the second has a place of its own.
#[derive(Default)]
pub(super) struct Index {
    hasher: RandomState,
    places: HashMap<u64, Place, BuildHasherDefault<Hashed>>,
    twins: BTreeMap<Slot, Place>,
}

/// The hash of what is a hash already.
#[derive(Default)]
pub(super) struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

impl Index {
    pub(super) fn len(&self) -> usize {
        self.places.len() + self.twins.len()
    }

    /// What a slot is known by, in this run.
    pub(super) fn hash(&self, slot: &Slot) -> u64 {
        self.hasher.hash_one(slot)
    }

    /// Expects so many more.
    pub(super) fn reserve(&mut self, slots: usize) {
        self.places.reserve(slots);
    }

    /// Gives back room for slots that did not come.
    pub(super) fn shrink(&mut self) {
        let slots = self.places.len();
        self.places.shrink_to(slots + slots / 8);
    }

    /// Notes a slot that is not here yet by its hash; `false`: another one has the same.
    pub(super) fn add(&mut self, hash: u64, place: Place) -> bool {
        match self.places.entry(hash) {
            Entry::Occupied(_) => false,
            Entry::Vacant(entry) => {
                entry.insert(place);
                true
            }
        }
    }

    /// Notes a slot that is not here yet, whose hash another one has.
    pub(super) fn add_twin(&mut self, slot: Slot, place: Place) {
        self.twins.insert(slot, place);
    }

    /// Where the slot is, unless another of the same hash is there.
    fn candidate(&self, slot: &Slot) -> Option<Place> {
        let twin = if self.twins.is_empty() { None } else { self.twins.get(slot) };
        twin.or_else(|| self.places.get(&self.hash(slot))).copied()
    }

    /// Whether the record of this slot at this place is the one that counts.
    pub(super) fn place_at(&self, slot: &Slot, file: u32, offset: u32) -> Option<Place> {
        let place = self.candidate(slot);
        place.filter(|place| place.file == file && place.offset == offset)
    }

    fn set(&mut self, slot: &Slot, is_known: bool, place: Place) {
        if let Some(twin) = self.twins.get_mut(slot) {
            *twin = place;
            return;
        }
        match self.places.entry(self.hash(slot)) {
            Entry::Occupied(mut entry) if is_known => drop(entry.insert(place)),
            Entry::Occupied(_) => drop(self.twins.insert(*slot, place)),
            Entry::Vacant(entry) => drop(entry.insert(place)),
        }
    }

    fn forget(&mut self, slot: &Slot) {
        if self.twins.remove(slot).is_none() {
            self.places.remove(&self.hash(slot));
        }
    }
}

impl<M: Medium> Log<M> {
    pub(super) fn new(medium: Arc<M>, queue: Arc<Queue<M>>, settings: StoreSettings) -> Self {
        Self {
            medium,
            queue,
            settings,
            files: BTreeMap::new(),
            active: None,
            next_seq: 1,
            next_file: 1,
            index: Index::default(),
            victim: None,
            counters: StoreCounters::default(),
            record: Vec::new(),
        }
    }

    /// Keeps a value in a slot.
    pub(super) fn keep(&mut self, slot: &Slot, head: &Head, value: &[u8]) -> io::Result<()> {
        let old = self.find(slot)?;
        let guard = old.as_ref().map_or(0, |(_, old)| old.ends());
        let header = Header {
            slot: *slot,
            head: Some(*head),
            seq: self.next_seq(),
            guard,
            length: u32::try_from(value.len()).map_err(|_| io::ErrorKind::InvalidInput)?,
            value_crc: 0,
        };
        let place = self.append(&header, value, false)?;
        self.settle(slot, old.map(|(place, _)| place), place);
        self.counters.writes += 1;
        self.make_room(place.size.saturating_mul(COMPACTION_RATE));
        Ok(())
    }

    /// A number of its own for each record, also for one that fails: half of it may be there.
    fn next_seq(&mut self) -> u64 {
        let seq = self.next_seq;
        self.next_seq += 1;
        seq
    }

    /// Forgets what is in a slot.
    pub(super) fn remove(&mut self, slot: &Slot, now_unix: u64) -> io::Result<()> {
        let Some((place, old)) = self.find(slot)? else {
            return Ok(());
        };
        if old.ends() <= now_unix {
            self.forget(slot, place);
        } else {
            // Not served from now on; whether a later run knows depends on the disk.
            let place = Place { gone: true, ..place };
            self.settle(slot, Some(place), place);
            if old.head.is_some_and(|head| head.expires > now_unix) {
                let seq = self.next_seq();
                let header = Header { head: None, seq, guard: old.ends(), length: 0, ..old };
                let empty = self.append(&header, &[], true)?;
                self.settle(slot, Some(place), empty);
            }
        }
        self.make_room(COMPACTION_STEP);
        Ok(())
    }

    /// Hands the value in a slot to `with`; whether there is one that is as it was written.
    pub(super) fn read(&self, slot: &Slot, with: &mut dyn FnMut(&[u8])) -> io::Result<bool> {
        let Some(place) = self.index.candidate(slot).filter(|place| !place.gone) else {
            return Ok(false);
        };
        let mut record = vec![0; place.size as usize];
        let Some((header, value)) = self.record_at(place, &mut record)? else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        if header.slot != *slot {
            return Ok(false);
        }
        if crc32fast::hash(value) != header.value_crc {
            return Err(io::ErrorKind::InvalidData.into());
        }
        with(value);
        Ok(true)
    }

    fn record_at<'a>(
        &self,
        place: Place,
        record: &'a mut [u8],
    ) -> io::Result<Option<(Header, &'a [u8])>> {
        let file = self.files.get(&place.file).ok_or(io::ErrorKind::NotFound)?;
        let read = self.medium.read(&file.file, place.offset.into(), record)?;
        let Some(record) = record.get(..read) else {
            return Ok(None);
        };
        let Ok(header) = Header::parse(record, file.salt) else {
            return Ok(None);
        };
        let value = record
            .get(header.size()..)
            .filter(|value| u32::try_from(value.len()).is_ok_and(|length| length == header.length));
        Ok(value.map(|value| (header, value)))
    }

    /// Where a slot's record is, and its header.
    pub(super) fn find(&self, slot: &Slot) -> io::Result<Option<(Place, Header)>> {
        let Some(place) = self.index.candidate(slot) else {
            return Ok(None);
        };
        if let Ok(header) = self.header_at(place.file, place.offset)? {
            return Ok((header.slot == *slot).then_some((place, header)));
        }
        // What it was is lost; that it may not come back is certain.
        let guard = (self.settings.clock)().saturating_add(LONGEST_GUARD_S);
        let header = Header { slot: *slot, head: None, seq: 0, guard, length: 0, value_crc: 0 };
        Ok(Some((place, header)))
    }

    pub(super) fn header_at(&self, file: u32, offset: u32) -> io::Result<Result<Header, NoHeader>> {
        let file = self.files.get(&file).ok_or(io::ErrorKind::NotFound)?;
        let mut bytes = [0; LONG_HEADER];
        let read = self.medium.read(&file.file, offset.into(), &mut bytes)?;
        Ok(Header::parse(bytes.get(..read).unwrap_or_default(), file.salt))
    }

    /// Appends a record to the active file, or to a new one.
    fn append(&mut self, header: &Header, value: &[u8], gone: bool) -> io::Result<Place> {
        let size = u32::try_from(header.size() + value.len());
        let size = size.map_err(|_| io::ErrorKind::InvalidInput)?;
        let number = self.room_for(size)?;
        let file = self.files.get_mut(&number).ok_or(io::ErrorKind::NotFound)?;
        self.record.clear();
        header.write(value, file.salt, &mut self.record);
        let offset = file.bytes;
        let mut result = self.medium.write(&file.file, offset.into(), &self.record);
        if result.is_ok() && self.settings.sync_before_acknowledging {
            result = self.medium.sync(&file.file);
        }
        if let Err(error) = result {
            // Nothing may follow half a record: where it can't be cut off, the file is left.
            if self.medium.truncate(&file.file, offset.into()).is_err() {
                self.active = None;
            }
            return Err(error);
        }
        file.bytes += size;
        self.counters.written_bytes += u64::from(size);
        if !self.settings.sync_before_acknowledging {
            self.queue.written(number, &file.file, false);
        }
        Ok(Place { file: number, offset, size, gone })
    }

    /// The file that a record of this size goes to.
    fn room_for(&mut self, size: u32) -> io::Result<u32> {
        if let Some(number) = self.active
            && let Some(file) = self.files.get(&number)
            && file.bytes.saturating_add(size) <= self.settings.file_bytes
        {
            return Ok(number);
        }
        let number = self.next_file;
        self.next_file += 1;
        let mut salt = [0; 4];
        getrandom::fill(&mut salt).map_err(io::Error::other)?;
        let salt = u32::from_ne_bytes(salt);
        let file = Arc::new(self.medium.create(number)?);
        let first_unsynced = self.queue.first_unsynced().unwrap_or(number);
        let header = FileHeader { salt, first_unsynced };
        let written = self.medium.write(&file, 0, &header.to_bytes());
        if let Err(error) = written {
            // It is empty for whoever opens it; deleting it is only tidy.
            let _ = self.medium.delete(number);
            return Err(error);
        }
        if self.settings.sync_before_acknowledging {
            self.medium.sync_names()?;
        }
        self.queue.written(number, &file, true);
        let bytes = u32::try_from(FILE_HEADER).unwrap_or(0);
        let file =
            LogFile { file, salt, bytes, live: 0, damaged: false, stuck: false, found: None };
        self.files.insert(number, file);
        self.active = Some(number);
        Ok(number)
    }

    /// Notes where a slot's record is now.
    pub(super) fn settle(&mut self, slot: &Slot, old: Option<Place>, new: Place) {
        self.index.set(slot, old.is_some(), new);
        if let Some(old) = old {
            self.no_longer(old);
        }
        if let Some(file) = self.files.get_mut(&new.file) {
            file.live += new.size;
        }
    }

    /// Notes that a slot is empty and always was, as far as anyone can tell.
    pub(super) fn forget(&mut self, slot: &Slot, place: Place) {
        self.index.forget(slot);
        self.no_longer(place);
    }

    fn no_longer(&mut self, place: Place) {
        if let Some(file) = self.files.get_mut(&place.file) {
            file.live = file.live.saturating_sub(place.size);
            file.found = None;
        }
    }

    /// Bytes of all files, and of the records that are needed.
    pub(super) fn sizes(&self) -> (u64, u64) {
        let sizes = self.files.values();
        sizes.fold((0, 0), |(all, live), file| {
            (all + u64::from(file.bytes), live + u64::from(file.live))
        })
    }

    /// Gets room back, looking through about so many bytes.
    fn make_room(&mut self, budget: u32) {
        let Some(victim) = self.victim.take().or_else(|| self.choose_victim()) else {
            return;
        };
        let now_unix = (self.settings.clock)();
        self.victim = self.empty(victim, budget.max(COMPACTION_STEP), now_unix);
    }

    /// The file that has least of what is needed, if there is more of what is not than of what is.
    fn choose_victim(&self) -> Option<Victim> {
        let (all, live) = self.sizes();
        let is_crowded = all - live > live.max(u64::from(self.settings.file_bytes));
        let sealed = self.files.iter().filter(|(number, file)| {
            Some(**number) != self.active && !file.stuck && (is_crowded || file.live == 0)
        });
        let least = sealed
            .min_by_key(|(_, file)| (u64::from(file.live) << 32) / u64::from(file.bytes.max(1)));
        least.map(|(number, _)| Victim::of(*number))
    }

    /// Copies what is needed of a file to the active one. Returns how to go on.
    fn empty(&mut self, mut victim: Victim, budget: u32, now_unix: u64) -> Option<Victim> {
        let end = self.files.get(&victim.file)?.bytes;
        let until = victim.cursor.saturating_add(budget);
        while victim.cursor < end {
            if victim.cursor >= until {
                return Some(victim);
            }
            let header = match self.header_at(victim.file, victim.cursor) {
                Ok(Ok(header)) => header,
                Ok(Err(_)) => {
                    // Found only now: leave it, what is good in it is still found by its place.
                    self.files.get_mut(&victim.file)?.stuck = true;
                    return None;
                }
                Err(_) => return Some(victim),
            };
            let place = self.index.place_at(&header.slot, victim.file, victim.cursor);
            if let Some(place) = place
                && self.carry(place, &header, now_unix).is_err()
            {
                // The disk may have room again later.
                return Some(victim);
            }
            victim.cursor = victim.cursor.saturating_add(header.record_size());
        }
        self.retire(victim.file);
        None
    }

    /// Copies one record that is needed, or as much of it as is.
    pub(super) fn carry(&mut self, place: Place, header: &Header, now_unix: u64) -> io::Result<()> {
        let slot = header.slot;
        if header.ends() <= now_unix {
            self.forget(&slot, place);
            return Ok(());
        }
        let is_over = header.head.is_none_or(|head| head.expires <= now_unix);
        if place.gone || is_over {
            let empty = Header { head: None, guard: header.ends(), length: 0, ..*header };
            let copy = self.append(&empty, &[], true)?;
            self.settle(&slot, Some(place), copy);
            return Ok(());
        }
        let mut record = vec![0; place.size as usize];
        let whole = self.record_at(place, &mut record)?;
        let whole = whole.filter(|(_, value)| crc32fast::hash(value) == header.value_crc);
        let Some((_, value)) = whole else {
            self.counters.damaged += 1;
            self.forget(&slot, place);
            return Ok(());
        };
        let copy = self.append(header, value, false)?;
        self.counters.copied_bytes += u64::from(copy.size);
        self.settle(&slot, Some(place), copy);
        Ok(())
    }

    /// Begins a run on what another has left: what that may not have brought to the disk is brought
    /// there, files that nobody needs go, and some room is got back.
    pub(super) fn tidy(&mut self, first_unsynced: u32) {
        for (number, file) in self.files.range(first_unsynced..) {
            self.queue.written(*number, &file.file, true);
        }
        let dead = self.files.iter().filter(|(number, file)| {
            Some(**number) != self.active && !file.stuck && file.live == 0
        });
        let dead: Vec<u32> = dead.map(|(number, _)| *number).collect();
        for number in dead {
            self.retire(number);
        }
        self.make_room(TIDY_STEP);
    }

    /// Gives up an empty file, once its contents are safe elsewhere.
    fn retire(&mut self, number: u32) {
        self.files.remove(&number);
        self.queue.delete(number);
        self.counters.emptied += 1;
    }
}

impl Victim {
    fn of(file: u32) -> Self {
        Self { file, cursor: u32::try_from(FILE_HEADER).unwrap_or(0) }
    }
}
