//! What the network `poly` keeps on disk: logs of its own, behind [`poly::Store`].
//!
//! A value is appended to a file with one write, and acknowledged when the operating system has it:
//! a process that is killed loses nothing. A thread asks the disk to take what was written, in
//! groups of at most 50 ms; [`StoreSettings::sync_before_acknowledging`] has each write wait for
//! it. An index in memory (24 bytes a value) tells where each value is. Files more than half of
//! which nobody needs are emptied bit by bit, as others are written: no write waits long.
//!
//! | file | what happens there |
//! |---|---|
//! | `store/record.rs` | the bytes of a record |
//! | `store/log.rs` | appending, reading, getting room back |
//! | `store/recover.rs` | opening, whatever the last run left |
//! | `store/gather.rs` | of all records found, which counts in each slot |
//! | `store/sync.rs` | the thread that asks the disk |
//! | `store/medium.rs` | files, or in tests what fails when it is told to |
//!
//! Why not an embedded database: of those measured, fjall acknowledges so, but stalled for up to
//! seconds and took 2.7 s to open 10⁶ values; LMDB and redb acknowledge what the operating system
//! has only by a commit that waits for the disk. A journal before one of them would write all
//! twice and need an index beside theirs. Records here are immutable, every one carries its
//! checksum, and a stop at any byte leaves a file that ends in half a record: that is what the
//! tests try out, at every byte in release builds and at every third in others.
//!
//! # What keeps removed values from coming back
//! Two records of a slot are told apart by their sequence numbers, so it is the disappearance of
//! the newer one that could bring back the older. A record therefore has a *guard*: the latest
//! expiry of those before it. It stays, if only as a note that the slot is empty, until then.

use core::fmt;
use std::cell::{Cell, RefCell};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use poly::store::{Head, Store, StoreFailed};
use poly::value::Slot;

use crate::clock::unix_seconds;

mod gather;
mod log;
mod medium;
mod record;
mod recover;
mod sync;

pub use log::StoreCounters;
pub use medium::{Folder, Medium};

use log::Log;
use sync::{Queue, Syncer};

/// How values are kept.
#[derive(Clone, Copy, Debug)]
pub struct StoreSettings {
    /// Wait for the disk with each write: nothing acknowledged is lost in a power cut, and writes
    /// are as slow as the disk.
    pub sync_before_acknowledging: bool,
    /// Bytes of a file at most, but for a single value that is longer.
    pub file_bytes: u32,
    /// Unix time, seconds.
    pub clock: fn() -> u64,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self { sync_before_acknowledging: false, file_bytes: 64 << 20, clock: unix_seconds }
    }
}

/// Why values can't be kept in a folder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process has it open.
    #[error(
        "{} is in use by another process: stop that one, or choose another data folder",
        .0.display()
    )]
    InUse(PathBuf),
    /// No permission, not a folder, no space, or another trouble of the file system.
    #[error(
        "cannot keep values in {}: {source}; choose another folder or give room",
        .path.display()
    )]
    Unusable {
        /// The folder.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
}

/// How a store is doing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoreStatus {
    /// Slots known, those that are empty but guarded included.
    pub slots: usize,
    /// Bytes of all files.
    pub bytes: u64,
    /// Bytes of records that are needed.
    pub live_bytes: u64,
    /// Files.
    pub files: usize,
    /// What happened so far.
    pub counters: StoreCounters,
    /// Times the disk was asked to take what was written.
    pub syncs: u64,
    /// Why the disk did not take it last time, or the last write or read failed.
    pub trouble: Option<String>,
}

/// Values on disk. Dropping it brings what is pending to the disk.
pub struct DiskStore<M: Medium = Folder> {
    log: Log<M>,
    trouble: RefCell<Option<String>>,
    damaged: Cell<u64>,
    /// `None` where tests play it.
    syncer: Option<Syncer<M>>,
}

impl DiskStore {
    /// Opens the values in a folder, which is created if missing. Files that are damaged, or of
    /// another format, are renamed, and what is good in them is kept.
    ///
    /// # Errors
    /// The folder can't be used, or another process uses it.
    pub fn open(path: &Path, settings: StoreSettings) -> Result<Self, StoreError> {
        let explain = |source: io::Error| {
            let path = path.to_owned();
            if source.kind() == io::ErrorKind::WouldBlock {
                StoreError::InUse(path)
            } else {
                StoreError::Unusable { path, source }
            }
        };
        let folder = Folder::open(path).map_err(explain)?;
        Self::on(folder, settings).map_err(explain)
    }
}

impl<M: Medium> DiskStore<M> {
    /// Opens the values on a medium of one's own: what a test has that injects faults.
    ///
    /// # Errors
    /// Those of the medium.
    pub fn on(medium: M, settings: StoreSettings) -> io::Result<Self> {
        let medium = Arc::new(medium);
        let queue = Arc::new(Queue::new(Arc::clone(&medium)));
        let mut store = Self::over(medium, Arc::clone(&queue), settings)?;
        store.syncer = Some(Syncer::start(queue)?);
        Ok(store)
    }

    fn over(medium: Arc<M>, queue: Arc<Queue<M>>, settings: StoreSettings) -> io::Result<Self> {
        let mut log = Log::new(medium, queue, settings);
        log.recover()?;
        Ok(Self { log, trouble: RefCell::new(None), damaged: Cell::new(0), syncer: None })
    }

    /// How it is doing.
    pub fn status(&self) -> StoreStatus {
        let log = &self.log;
        let (trouble, syncs) = log.queue.status();
        let (bytes, live_bytes) = log.sizes();
        let mut counters = log.counters;
        counters.damaged += self.damaged.get();
        StoreStatus {
            slots: log.index.len(),
            bytes,
            live_bytes,
            files: log.files.len(),
            counters,
            syncs,
            trouble: trouble.or_else(|| self.trouble.borrow().clone()),
        }
    }

    /// Remembers what went wrong, and says so once.
    fn note<T>(&self, result: io::Result<T>) -> Option<T> {
        let trouble = result.as_ref().err().map(ToString::to_string);
        let mut known = self.trouble.borrow_mut();
        if *known != trouble {
            if let Some(trouble) = &trouble {
                tracing::warn!("values are not kept as they should be: {trouble}");
            }
            *known = trouble;
        }
        result.ok()
    }
}

impl<M: Medium> Store for DiskStore<M> {
    fn write(&mut self, slot: &Slot, head: &Head, value: &[u8]) -> Result<(), StoreFailed> {
        let result = self.log.keep(slot, head, value);
        self.log.counters.failed += u64::from(result.is_err());
        self.note(result).ok_or(StoreFailed)
    }

    fn update(&mut self, slot: &Slot, head: &Head) -> Result<(), StoreFailed> {
        let mut value = None;
        if !self.read(slot, &mut |bytes| value = Some(bytes.to_vec())) {
            return Err(StoreFailed);
        }
        self.write(slot, head, &value.unwrap_or_default())
    }

    fn read(&self, slot: &Slot, with: &mut dyn FnMut(&[u8])) -> bool {
        let result = self.log.read(slot, with);
        if result.is_err() {
            self.damaged.set(self.damaged.get() + 1);
        }
        self.note(result).unwrap_or(false)
    }

    fn remove(&mut self, slot: &Slot) {
        let now_unix = (self.log.settings.clock)();
        let result = self.log.remove(slot, now_unix);
        self.note(result);
    }

    fn values(&self, each: &mut dyn FnMut(&Slot, &Head, &[u8])) {
        let result = self.log.values(each);
        self.note(result);
    }
}

impl<M: Medium> fmt::Debug for DiskStore<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskStore").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
