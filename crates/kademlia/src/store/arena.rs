//! Records of any length under keys of one length, packed into pages.
//!
//! What the stores of all networks share below their rules. Of a hundred thousand small entries,
//! maps of boxes would spend more on allocations than on content; here an entry costs its bytes, a
//! header of 12, and 5 to 11 in an index.
//!
//! - Records are appended to a *page* of 64 KiB; the index maps a key's hash to page and offset.
//! - Removal leaves the bytes dead. Once a quarter of all bytes is dead, the page with the most of
//!   them is emptied: what lives there is appended elsewhere. So each call moves at most one page's
//!   content, and memory stays below 4/3 of what lives, plus a page.
//! - Each record says when it wants to be looked at (usually: when it expires), each page knows the
//!   earliest such time in it, and [`Arena::sweep`] visits one page.
//!
//! Nothing here depends on the index's order: walks go by page and offset, so the same calls give
//! the same results on every machine. The index's hash is keyed, so its chains can't be attacked.

use rand_core::Rng;
use siphasher::sip::SipHasher13;

use super::table::StepTable;

/// Bytes of a page: small enough that emptying one is a matter of microseconds, large enough that
/// what is left over at its end does not matter. An offset fits 16 bits.
const PAGE_BYTES: usize = 1 << 16;

/// Records longer than this get a page of their own, or too much could be left over at a page's
/// end.
const SHARED_PAGE_MAX_RECORD: usize = PAGE_BYTES / 4;

/// A page number fits 16 bits.
const MAX_PAGES: usize = 1 << 16;

/// Dead bytes that are not worth cleaning up, however little lives.
const DEAD_SLACK_BYTES: usize = 512;

/// How long a page is left alone after a routine sweep: its records fall due second by second, and
/// a visit to all of them costs about 10 µs.
const SWEEP_PAUSE_S: u32 = 60;

/// Every so many records a page notes where one begins, so that a random one is found in a few
/// steps.
const RECORDS_PER_MARK: usize = 16;

/// Draws for a random record. Among records of like length every second draw hits; a page of the
/// longest ones, beside pages of the shortest, only every 512th.
const MAX_REDRAWS: usize = 512;

/// Draws for each record of a sample: the last of 20 out of 21 is new once in 21 times.
const DRAWS_PER_SAMPLE: usize = 16;

/// Bytes before a record's key: length, due time and tag, four each.
const HEADER_BYTES: usize = 12;

/// In a record's length: it has been removed.
const DEAD: u32 = 1 << 31;

/// What the arena holds under one key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record<'a, const K: usize> {
    /// The key.
    pub key: &'a [u8; K],
    /// When it wants to be looked at, in seconds; `u32::MAX`: never.
    pub due: u32,
    /// A number of the owner's.
    pub tag: u32,
    /// The content.
    pub value: &'a [u8],
}

/// A [`Record`] whose content may be changed in place.
#[derive(PartialEq, Eq, Debug)]
pub struct RecordMut<'a, const K: usize> {
    /// The key.
    pub key: &'a [u8; K],
    /// When it wants to be looked at, in seconds.
    pub due: u32,
    /// A number of the owner's.
    pub tag: u32,
    /// The content.
    pub value: &'a mut [u8],
}

/// Where a record is. Valid until the next call that adds, resizes, removes or sweeps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place(u32);

/// Why [`Arena::sweep`] is called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sweep {
    /// Because [`Arena::next_due`] has come.
    Routine,
    /// Because room is needed: any page counts that has something due.
    Pressed,
}

/// The arena is out of pages: 65,536 of them, 4 GiB of small records.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("out of pages")]
pub struct OutOfPages;

/// Records of any length under keys of `K` bytes.
#[derive(Clone, Debug)]
pub struct Arena<const K: usize> {
    hasher: SipHasher13,
    index: StepTable<Place>,
    pages: Vec<Page>,
    /// The page that short records are appended to.
    head: usize,
    /// Bytes of live records.
    live_bytes: usize,
    /// Bytes of all records, dead ones included.
    filled_bytes: usize,
    /// A lower bound of all pages' next routine sweeps.
    next_due: u32,
    /// The most marks that any page has had.
    most_marks: usize,
    /// Counts the random draws made without a caller's generator.
    draws: u64,
}

#[derive(Clone, Default, Debug)]
struct Page {
    /// Records back to back. Without capacity: the page number is free.
    bytes: Vec<u8>,
    /// Records ever written here, and where each [`RECORDS_PER_MARK`]-th of them begins.
    written: usize,
    marks: Vec<u16>,
    live: usize,
    live_bytes: usize,
    /// A lower bound of the due times of the live records.
    due: u32,
    /// No routine sweep before that.
    pause_until: u32,
}

impl<const K: usize> Arena<K> {
    /// An empty arena, which has allocated nothing; the key of its hash comes from `rng`.
    pub fn new(rng: &mut impl Rng) -> Self {
        Self {
            hasher: SipHasher13::new_with_keys(rng.next_u64(), rng.next_u64()),
            index: StepTable::new(),
            pages: Vec::new(),
            head: 0,
            live_bytes: 0,
            filled_bytes: 0,
            next_due: u32::MAX,
            most_marks: 0,
            draws: 0,
        }
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Bytes that a record with a value of `value_len` bytes takes, without the index.
    pub const fn record_bytes(value_len: usize) -> usize {
        HEADER_BYTES + K + value_len
    }

    /// Bytes of all records, without the index and without what is dead.
    pub const fn live_bytes(&self) -> usize {
        self.live_bytes
    }

    /// Where the record of `key` is.
    pub fn find(&self, key: &[u8; K]) -> Option<Place> {
        let hash = self.hasher.hash(key);
        self.index.find(hash, |place| self.key_at(*place) == Some(key))
    }

    /// The record at `place`.
    pub fn get(&self, place: Place) -> Option<Record<'_, K>> {
        let page = self.pages.get(place.page())?;
        let (record, dead, _) = split_record(page.bytes.get(place.offset()..)?)?;
        (!dead).then_some(record)
    }

    /// The content at `place`, to be changed in place.
    pub fn value_mut(&mut self, place: Place) -> Option<&mut [u8]> {
        let page = self.pages.get_mut(place.page())?;
        let slot = Slot::<K>::new(page.bytes.get_mut(place.offset()..)?)?;
        Some(slot.value)
    }

    /// Sets when the record at `place` wants to be looked at.
    pub fn set_due(&mut self, place: Place, due: u32) {
        let Some(page) = self.pages.get_mut(place.page()) else {
            return;
        };
        let bytes = page.bytes.get_mut(place.offset()..);
        if let Some(slot) = bytes.and_then(Slot::<K>::new) {
            *slot.due = due.to_le_bytes();
            page.due = page.due.min(due);
            self.next_due = self.next_due.min(page.next_sweep());
        }
    }

    /// Sets the owner's number of the record at `place`.
    pub fn set_tag(&mut self, place: Place, tag: u32) {
        let page = self.pages.get_mut(place.page());
        let bytes = page.and_then(|page| page.bytes.get_mut(place.offset()..));
        if let Some(slot) = bytes.and_then(Slot::<K>::new) {
            *slot.tag = tag.to_le_bytes();
        }
    }

    /// Adds a record, whose key must not be there yet.
    pub fn insert(&mut self, record: Record<'_, K>) -> Result<Place, OutOfPages> {
        self.clean_up();
        let place = self.append(record, record.value.len())?;
        let hash = self.hasher.hash(record.key);
        let rehash = hash_at::<K>(&self.pages, &self.hasher);
        self.index.insert(hash, place, rehash);
        Ok(place)
    }

    /// Cuts the content of `key` to `len` bytes, or appends zeros. Returns where it is now; nothing
    /// happens to a key that is not there, or if the arena is out of pages.
    pub fn resize(&mut self, key: &[u8; K], len: usize) -> Option<Place> {
        let old = self.find(key)?;
        let record = self.get(old)?;
        let (due, tag) = (record.due, record.tag);
        let value = record.value.get(..len).unwrap_or(record.value).to_vec();
        let value = value.as_slice();
        let new = self.append(Record { key, due, tag, value }, len).ok()?;
        self.relocate(key, old, new);
        self.bury(old);
        self.clean_up();
        self.find(key)
    }

    /// Removes the record at `place`.
    pub fn remove(&mut self, place: Place) {
        let Some(key) = self.key_at(place).copied() else {
            return;
        };
        let hash = self.hasher.hash(&key);
        let rehash = hash_at::<K>(&self.pages, &self.hasher);
        if self.index.remove(hash, |other| *other == place, rehash) {
            self.bury(place);
            self.clean_up();
        }
    }

    /// When [`Arena::sweep`] wants to be called next, in seconds; `None`: never.
    pub fn next_due(&self) -> Option<u32> {
        (self.next_due != u32::MAX).then_some(self.next_due)
    }

    /// Visits the records of one page that are due at `now`. The visitor returns when the record
    /// wants to be looked at again, or `None` to have it removed. Returns whether there was such a
    /// page.
    pub fn sweep(
        &mut self,
        now: u32,
        why: Sweep,
        visit: impl FnMut(RecordMut<'_, K>) -> Option<u32>,
    ) -> bool {
        let is_due = |page: &Page| match why {
            Sweep::Routine => page.live > 0 && page.next_sweep() <= now,
            Sweep::Pressed => page.live > 0 && page.due <= now,
        };
        let Some(index) = self.pages.iter().position(is_due) else {
            self.next_due = self.earliest_sweep();
            return false;
        };
        self.sweep_page(index, now, visit);
        self.clean_up();
        self.next_due = self.earliest_sweep();
        true
    }

    /// All records, in the order of pages and offsets.
    pub fn iter(&self) -> impl Iterator<Item = Record<'_, K>> {
        self.pages.iter().flat_map(|page| page.records().map(|(_, record)| record))
    }

    /// Calls `take` with `N` different random records, or with all if there are no more.
    pub fn sample<'a, const N: usize>(
        &'a self,
        rng: &mut impl Rng,
        mut take: impl FnMut(Record<'a, K>),
    ) {
        let mut chosen = [None; N];
        let mut left = if self.len() > N { N * DRAWS_PER_SAMPLE } else { 0 };
        while left > 0 && chosen.contains(&None) {
            left -= 1;
            if let Some((place, record)) = self.random(|| rng.next_u64())
                && !chosen.contains(&Some(place))
                && let Some(slot) = chosen.iter_mut().find(|slot| slot.is_none())
            {
                *slot = Some(place);
                take(record);
            }
        }
        // All there are, or what bad luck has left open.
        let others = self.walk().filter(|(place, _)| !chosen.contains(&Some(*place)));
        let open = chosen.iter().filter(|slot| slot.is_none()).count();
        others.take(open).for_each(|(_, record)| take(record));
    }

    /// Calls `visit` with a record drawn at random, `times` times: whom to look at when somebody
    /// has to give way. Takes about 0.1 µs each.
    pub fn draw(&mut self, times: usize, mut visit: impl FnMut(Record<'_, K>)) {
        for _ in 0..times {
            let (hasher, mut draws) = (&self.hasher, self.draws);
            let drawn = self.random(|| {
                draws += 1;
                hasher.hash(&draws.to_le_bytes())
            });
            if let Some((_, record)) = drawn {
                visit(record);
            }
            self.draws = draws;
        }
    }

    /// A random record, all equally likely: pages, marks and steps form a grid in which each record
    /// has one place; places that are empty or dead are drawn again. `None` if that took too long.
    fn random(&self, mut random: impl FnMut() -> u64) -> Option<(Place, Record<'_, K>)> {
        if self.is_empty() {
            return None;
        }
        for _ in 0..MAX_REDRAWS {
            let bits = random();
            let index = below(bits, self.pages.len());
            let mark = below(bits << 32, self.most_marks);
            let steps = below(bits << 60, RECORDS_PER_MARK);
            if let Some(page) = self.pages.get(index)
                && let Some(offset) = page.marks.get(mark)
                && let Some((offset, record, false)) = page.walk(usize::from(*offset)).nth(steps)
            {
                return Some((Place::new(index, offset), record));
            }
        }
        None
    }

    /// All live records with their places.
    fn walk(&self) -> impl Iterator<Item = (Place, Record<'_, K>)> {
        self.pages.iter().enumerate().flat_map(|(index, page)| {
            page.records().map(move |(offset, record)| (Place::new(index, offset), record))
        })
    }

    fn key_at(&self, place: Place) -> Option<&[u8; K]> {
        key_at(&self.pages, place)
    }

    /// Writes a record to where there is room, its value padded with zeros to `len`.
    fn append(&mut self, record: Record<'_, K>, len: usize) -> Result<Place, OutOfPages> {
        let bytes = Self::record_bytes(len);
        let stored_len = u32::try_from(len).ok().filter(|len| *len < DEAD);
        let stored_len = stored_len.ok_or(OutOfPages)?;
        let index = self.page_with_room(bytes)?;
        let page = self.pages.get_mut(index).ok_or(OutOfPages)?;
        let place = Place::new(index, page.bytes.len());
        page.bytes.extend_from_slice(&stored_len.to_le_bytes());
        page.bytes.extend_from_slice(&record.due.to_le_bytes());
        page.bytes.extend_from_slice(&record.tag.to_le_bytes());
        page.bytes.extend_from_slice(record.key);
        page.bytes.extend_from_slice(record.value);
        page.bytes.resize(place.offset() + bytes, 0);
        page.due = if page.live == 0 { record.due } else { page.due.min(record.due) };
        page.mark(place.offset());
        page.live += 1;
        page.live_bytes += bytes;
        self.most_marks = self.most_marks.max(page.marks.len());
        self.live_bytes += bytes;
        self.filled_bytes += bytes;
        self.next_due = self.next_due.min(page.next_sweep());
        Ok(place)
    }

    /// The number of a page with room for `bytes` more.
    fn page_with_room(&mut self, bytes: usize) -> Result<usize, OutOfPages> {
        if bytes > SHARED_PAGE_MAX_RECORD {
            return self.open_page(Vec::with_capacity(bytes));
        }
        if let Some(page) = self.pages.get_mut(self.head)
            && !page.is_free()
            && page.bytes.len() + bytes <= PAGE_BYTES
        {
            page.grow(bytes);
            return Ok(self.head);
        }
        // A store of a few entries must not cost a page, a large one not be copied again and again.
        let large = self.filled_bytes >= PAGE_BYTES / 2;
        let capacity = if large { PAGE_BYTES } else { bytes };
        self.head = self.open_page(Vec::with_capacity(capacity))?;
        Ok(self.head)
    }

    fn open_page(&mut self, bytes: Vec<u8>) -> Result<usize, OutOfPages> {
        let page = Page { bytes, ..Page::default() };
        if let Some(index) = self.pages.iter().position(Page::is_free)
            && let Some(free) = self.pages.get_mut(index)
        {
            *free = page;
            return Ok(index);
        }
        if self.pages.len() >= MAX_PAGES {
            return Err(OutOfPages);
        }
        self.pages.push(page);
        Ok(self.pages.len() - 1)
    }

    /// Tells the index that a record has moved.
    fn relocate(&mut self, key: &[u8; K], old: Place, new: Place) {
        let hash = self.hasher.hash(key);
        if let Some(place) = self.index.find_mut(hash, |place| *place == old) {
            *place = new;
        }
    }

    /// Marks a record dead that the index no longer knows.
    fn bury(&mut self, place: Place) {
        let Some(page) = self.pages.get_mut(place.page()) else {
            return;
        };
        let slot = page.bytes.get_mut(place.offset()..);
        let Some(slot) = slot.and_then(Slot::<K>::new) else {
            return;
        };
        let bytes = Self::record_bytes(slot.value.len());
        *slot.len = (u32::from_le_bytes(*slot.len) | DEAD).to_le_bytes();
        page.live -= 1;
        page.live_bytes -= bytes;
        self.live_bytes -= bytes;
        if page.live == 0 {
            self.filled_bytes -= page.bytes.len();
            *page = Page::default();
        }
    }

    /// Empties the page with the most dead bytes, if dead bytes have become too many.
    fn clean_up(&mut self) {
        if self.filled_bytes - self.live_bytes > self.live_bytes / 3 + DEAD_SLACK_BYTES {
            self.empty_worst_page();
        }
    }

    fn empty_worst_page(&mut self) {
        // What lives on one page fits into the rest of the head and one more.
        if self.pages.len() >= MAX_PAGES && !self.pages.iter().any(Page::is_free) {
            return;
        }
        let pages = self.pages.iter_mut().enumerate();
        let Some((index, page)) = pages.max_by_key(|(_, page)| page.dead_bytes()) else {
            return;
        };
        // Its number is not free before all have left, or the index could take a new place for an
        // old one.
        let reserved = Page { bytes: Vec::with_capacity(1), ..Page::default() };
        let old = core::mem::replace(page, reserved);
        if self.head == index {
            self.head = usize::MAX;
        }
        self.live_bytes -= old.live_bytes;
        self.filled_bytes -= old.bytes.len();
        for (offset, record) in old.records() {
            if let Ok(new) = self.append(record, record.value.len()) {
                self.relocate(record.key, Place::new(index, offset), new);
            }
        }
        if let Some(page) = self.pages.get_mut(index) {
            *page = Page::default();
        }
    }

    fn sweep_page(
        &mut self,
        index: usize,
        now: u32,
        mut visit: impl FnMut(RecordMut<'_, K>) -> Option<u32>,
    ) {
        let Some(page) = self.pages.get_mut(index) else {
            return;
        };
        page.due = u32::MAX;
        page.pause_until = now.saturating_add(SWEEP_PAUSE_S);
        let mut offset = 0;
        // The page vanishes with its last live record.
        while let Some(page) = self.pages.get_mut(index).filter(|page| page.live > 0) {
            let Some(slot) = page.bytes.get_mut(offset..).and_then(Slot::<K>::new) else {
                break;
            };
            let place = Place::new(index, offset);
            offset += Self::record_bytes(slot.value.len());
            if slot.is_dead() {
                continue;
            }
            let due = u32::from_le_bytes(*slot.due);
            let hash = self.hasher.hash(slot.key);
            let next = if due > now {
                Some(due)
            } else {
                visit(RecordMut {
                    key: slot.key,
                    due,
                    tag: u32::from_le_bytes(*slot.tag),
                    value: slot.value,
                })
            };
            if let Some(next) = next {
                *slot.due = next.to_le_bytes();
                page.due = page.due.min(next);
            } else {
                let rehash = hash_at::<K>(&self.pages, &self.hasher);
                self.index.remove(hash, |other| *other == place, rehash);
                self.bury(place);
            }
        }
    }

    fn earliest_sweep(&self) -> u32 {
        let pages = self.pages.iter().filter(|page| page.live > 0);
        pages.map(Page::next_sweep).min().unwrap_or(u32::MAX)
    }
}

impl Page {
    fn is_free(&self) -> bool {
        self.bytes.capacity() == 0
    }

    fn dead_bytes(&self) -> usize {
        self.bytes.len() - self.live_bytes
    }

    /// When a routine sweep has something to do here.
    fn next_sweep(&self) -> u32 {
        match self.due {
            u32::MAX => u32::MAX,
            due => due.max(self.pause_until),
        }
    }

    /// Makes room for `bytes` more, doubling until it is a full page.
    fn grow(&mut self, bytes: usize) {
        let needed = self.bytes.len() + bytes;
        if needed > self.bytes.capacity() {
            let capacity = needed.max(2 * self.bytes.capacity()).min(PAGE_BYTES);
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
    }

    /// Notes where a record begins.
    fn mark(&mut self, offset: usize) {
        if self.written.is_multiple_of(RECORDS_PER_MARK) {
            self.marks.push(u16::try_from(offset).unwrap_or(u16::MAX));
        }
        self.written += 1;
    }

    /// The live records with their offsets.
    fn records<const K: usize>(&self) -> impl Iterator<Item = (usize, Record<'_, K>)> {
        let alive = self.walk(0).filter(|(_, _, dead)| !dead);
        alive.map(|(offset, record, _)| (offset, record))
    }

    /// The records from an offset on, and whether each is dead.
    fn walk<const K: usize>(
        &self,
        start: usize,
    ) -> impl Iterator<Item = (usize, Record<'_, K>, bool)> {
        let mut rest = self.bytes.get(start..).unwrap_or_default();
        core::iter::from_fn(move || {
            let offset = self.bytes.len() - rest.len();
            let (record, dead, behind) = split_record(rest)?;
            rest = behind;
            Some((offset, record, dead))
        })
    }
}

impl Place {
    /// Both numbers are below 2^16.
    #[expect(clippy::cast_possible_truncation, reason = "MAX_PAGES and PAGE_BYTES bound both")]
    fn new(page: usize, offset: usize) -> Self {
        Self((page as u32) << 16 | offset as u32)
    }

    const fn page(self) -> usize {
        (self.0 >> 16) as usize
    }

    const fn offset(self) -> usize {
        (self.0 & 0xffff) as usize
    }
}

/// The parts of one record in its page.
struct Slot<'a, const K: usize> {
    len: &'a mut [u8; 4],
    due: &'a mut [u8; 4],
    tag: &'a mut [u8; 4],
    key: &'a [u8; K],
    value: &'a mut [u8],
}

impl<'a, const K: usize> Slot<'a, K> {
    fn new(bytes: &'a mut [u8]) -> Option<Self> {
        let (len, bytes) = bytes.split_first_chunk_mut()?;
        let (due, bytes) = bytes.split_first_chunk_mut()?;
        let (tag, bytes) = bytes.split_first_chunk_mut()?;
        let (key, bytes) = bytes.split_first_chunk_mut()?;
        let value = bytes.get_mut(..(u32::from_le_bytes(*len) & !DEAD) as usize)?;
        Some(Self { len, due, tag, key, value })
    }

    fn is_dead(&self) -> bool {
        u32::from_le_bytes(*self.len) & DEAD != 0
    }
}

/// The record that `bytes` begin with, whether it is dead, and what comes behind it.
fn split_record<const K: usize>(bytes: &[u8]) -> Option<(Record<'_, K>, bool, &[u8])> {
    let (len, bytes) = bytes.split_first_chunk()?;
    let (due, bytes) = bytes.split_first_chunk()?;
    let (tag, bytes) = bytes.split_first_chunk()?;
    let (key, bytes) = bytes.split_first_chunk()?;
    let len = u32::from_le_bytes(*len);
    let (value, rest) = bytes.split_at_checked((len & !DEAD) as usize)?;
    let record =
        Record { key, due: u32::from_le_bytes(*due), tag: u32::from_le_bytes(*tag), value };
    Some((record, len & DEAD != 0, rest))
}

fn key_at<const K: usize>(pages: &[Page], place: Place) -> Option<&[u8; K]> {
    let bytes = &pages.get(place.page())?.bytes;
    bytes.get(place.offset() + HEADER_BYTES..)?.first_chunk()
}

/// How the index hashes what it holds when it grows or shrinks.
fn hash_at<const K: usize>(pages: &[Page], hasher: &SipHasher13) -> impl Fn(&Place) -> u64 {
    |place| hasher.hash(key_at::<K>(pages, *place).map_or(&[], |key| key.as_slice()))
}

/// A number below `bound` from 64 random bits; off by less than 2⁻³² for any bound in use.
#[expect(clippy::cast_possible_truncation, reason = "the product's upper half is below bound")]
fn below(random: u64, bound: usize) -> usize {
    ((u128::from(random) * bound as u128) >> 64) as usize
}

#[cfg(test)]
mod tests;
