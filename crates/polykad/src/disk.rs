//! What a node keeps on disk, in one file: its own state and what it stores for others.
//!
//! The node's task hands over changes ([`Disk::keep`], [`Disk::set`]) and never waits; a thread
//! commits them in batches, each at most [`COMMIT_EVERY`] after its first change. A crash loses
//! what was not committed and never the file. Knows nothing of any network: keys and values are
//! bytes, and a value has an expiry, in seconds since 1970.
//!
//! The file is a redb database. Measured with 500,000 records of 36 bytes: 4 µs of CPU an insert in
//! batches, 142 bytes a record; opening it after a crash, with all checksums verified, 20 ms; an
//! idle process grows by 0.6 MiB, nearly all of it code. A log of our own would insert faster, but
//! need compaction, which is where such files break.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use client::status::DiskStatus;

mod batch;
mod file;
mod writer;

pub use file::DiskError;

use batch::Batch;
use file::File;

/// How long a change may wait for others to be committed together with it.
pub const COMMIT_EVERY: Duration = Duration::from_millis(250);

/// Changes that wait to be committed at most; what comes on top is not kept, and counted. Enough
/// for 5 s of 50,000 announcements a second.
const PENDING_BYTES: usize = 16 << 20;

/// Changes of this size are committed without waiting for more.
const HASTE_BYTES: usize = 1 << 20;

/// What a node keeps on disk. Dropping it commits what is pending.
#[derive(Debug)]
pub struct Disk {
    shared: Arc<Shared>,
    folder: PathBuf,
    writer: Option<JoinHandle<()>>,
}

/// What the node's task and the writer share.
#[derive(Debug)]
struct Shared {
    pending: Mutex<Pending>,
    /// Notified when the first change comes, when they become many, and at the end.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Pending {
    batch: Batch,
    closing: bool,
    /// Changes not kept.
    lost: u64,
    /// Size of the file.
    file_bytes: u64,
    trouble: Option<String>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Pending> {
        // The lock is held for moves and copies only, which leave nothing half done.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A file just opened, to be read before it is written to.
#[derive(Debug)]
pub struct Opened {
    file: File,
    folder: PathBuf,
}

impl Opened {
    /// Opens the file `name` in `folder`, which is created if missing. A file that is damaged is
    /// renamed, and an empty one takes its place; one of a newer format is left alone.
    ///
    /// # Errors
    /// The folder or file can't be used, or another process uses it.
    pub fn open(folder: &Path, name: &str, now_unix: u64) -> Result<Self, DiskError> {
        let file = File::open(folder, name, now_unix)?;
        let folder = folder.to_owned();
        Ok(Self { file, folder })
    }

    /// The part of the node's own state that is called `name`.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn state(&self, name: &str) -> Result<Option<Vec<u8>>, DiskError> {
        self.file.state(name)
    }

    /// Calls `take` with key, value and expiry of all that has not expired.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn values(
        &self,
        now_unix: u64,
        mut take: impl FnMut(&[u8], &[u8], u64),
    ) -> Result<(), DiskError> {
        self.file.values(|key, value, expires| {
            if expires > now_unix {
                take(key, value, expires);
            }
        })
    }

    /// Keeps a part of the node's own state, before anything else happens: it is on disk when this
    /// returns.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn set(&mut self, name: &str, value: &[u8]) -> Result<(), DiskError> {
        let mut batch = Batch::default();
        batch.set(name, value);
        self.file.commit(&batch)
    }

    /// Starts to take changes.
    ///
    /// # Errors
    /// The system has no thread left.
    pub fn start(self) -> Result<Disk, DiskError> {
        let Self { file, folder } = self;
        let shared =
            Arc::new(Shared { pending: Mutex::new(Pending::default()), changed: Condvar::new() });
        let theirs = Arc::clone(&shared);
        let writer = std::thread::Builder::new()
            .name("polykad-disk".into())
            .spawn(move || writer::run(&theirs, file))
            .map_err(DiskError::Thread)?;
        Ok(Disk { shared, folder, writer: Some(writer) })
    }
}

impl Disk {
    /// Keeps `value` under `key`, in place of what was there, until `expires_unix`. The key is at
    /// most 64 KiB long.
    pub fn keep(&self, key: &[u8], value: &[u8], expires_unix: u64) {
        self.change(|batch| batch.keep(key, value, expires_unix));
    }

    /// Sets a part of the node's own state.
    pub fn set(&self, name: &str, value: &[u8]) {
        self.change(|batch| batch.set(name, value));
    }

    /// How it is doing.
    pub fn status(&self) -> DiskStatus {
        let pending = self.shared.lock();
        DiskStatus {
            folder: self.folder.clone(),
            bytes: pending.file_bytes,
            trouble: pending.trouble.clone(),
        }
    }

    /// Changes not kept because they came too fast, or the disk is full.
    pub fn lost(&self) -> u64 {
        self.shared.lock().lost
    }

    fn change(&self, write: impl FnOnce(&mut Batch)) {
        let mut pending = self.shared.lock();
        let before = pending.batch.bytes();
        if before >= PENDING_BYTES {
            pending.lost += 1;
            return;
        }
        write(&mut pending.batch);
        let after = pending.batch.bytes();
        if before == 0 || (before < HASTE_BYTES && after >= HASTE_BYTES) {
            self.shared.changed.notify_one();
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.shared.lock().closing = true;
        self.shared.changed.notify_one();
        if let Some(writer) = self.writer.take() {
            // A panic there has been reported already.
            let _ = writer.join();
        }
    }
}

#[cfg(test)]
mod tests;
