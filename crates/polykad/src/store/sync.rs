//! Bringing to the disk what the operating system has, in groups; and deleting what is no longer
//! needed, once what replaces it is there.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::medium::Medium;

/// How long a write may wait for others before the disk is asked to take them. With the time that
/// takes, what is acknowledged is safe from a power cut within 50 ms on disks that need less than
/// 30.
const GATHER: Duration = Duration::from_millis(20);
/// How long to leave a disk alone that failed.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What waits for the disk.
pub(super) struct Queue<M: Medium> {
    medium: Arc<M>,
    waiting: Mutex<Waiting<M>>,
    changed: Condvar,
}

struct Waiting<M: Medium> {
    dirty: Vec<(u32, Arc<M::File>)>,
    /// The first file that the disk is taking right now.
    taking: Option<u32>,
    names: bool,
    /// Files to be deleted after all this.
    dead: Vec<u32>,
    closing: bool,
    syncs: u64,
    trouble: Option<String>,
}

impl<M: Medium> Queue<M> {
    pub(super) fn new(medium: Arc<M>) -> Self {
        let waiting = Waiting {
            dirty: Vec::new(),
            taking: None,
            names: false,
            dead: Vec::new(),
            closing: false,
            syncs: 0,
            trouble: None,
        };
        Self { medium, waiting: Mutex::new(waiting), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting<M>> {
        // The lock is held for moves only, which leave nothing half done.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A file was written to; `is_new`: it was created, too.
    pub(super) fn written(&self, number: u32, file: &Arc<M::File>, is_new: bool) {
        let mut waiting = self.lock();
        waiting.names |= is_new;
        if waiting.dirty.last().is_none_or(|(last, _)| *last != number) {
            waiting.dirty.push((number, Arc::clone(file)));
            drop(waiting);
            self.changed.notify_one();
        }
    }

    /// The first file of which the disk may not have all.
    pub(super) fn first_unsynced(&self) -> Option<u32> {
        let waiting = self.lock();
        first(&waiting.dirty).into_iter().chain(waiting.taking).min()
    }

    /// A file can go once all written so far is on the disk.
    pub(super) fn delete(&self, number: u32) {
        self.lock().dead.push(number);
        self.changed.notify_one();
    }

    /// What went wrong last, and how often the disk was asked.
    pub(super) fn status(&self) -> (Option<String>, u64) {
        let waiting = self.lock();
        (waiting.trouble.clone(), waiting.syncs)
    }

    /// Brings all that waits to the disk.
    pub(super) fn flush(&self) -> io::Result<()> {
        let mut waiting = self.lock();
        let dirty = core::mem::take(&mut waiting.dirty);
        waiting.taking = first(&dirty);
        let names = core::mem::take(&mut waiting.names);
        let dead = core::mem::take(&mut waiting.dead);
        drop(waiting);
        let result = self.bring(&dirty, names, &dead);
        let mut waiting = self.lock();
        waiting.taking = None;
        waiting.syncs += 1;
        waiting.trouble = result.as_ref().err().map(ToString::to_string);
        if result.is_err() {
            // Nothing may be deleted before this has succeeded.
            waiting.dirty.splice(0..0, dirty);
            waiting.names |= names;
            waiting.dead.splice(0..0, dead);
        }
        result
    }

    fn bring(&self, dirty: &[(u32, Arc<M::File>)], names: bool, dead: &[u32]) -> io::Result<()> {
        for (_, file) in dirty {
            self.medium.sync(file)?;
        }
        if names {
            self.medium.sync_names()?;
        }
        for number in dead {
            match self.medium.delete(*number) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Works until the store is closed.
    fn run(&self) {
        loop {
            let waiting = self.lock();
            let idle = |waiting: &mut Waiting<M>| {
                !waiting.closing && waiting.dirty.is_empty() && waiting.dead.is_empty()
            };
            let waiting =
                self.changed.wait_while(waiting, idle).unwrap_or_else(PoisonError::into_inner);
            let pause = if waiting.trouble.is_some() { RETRY_AFTER } else { GATHER };
            let (waiting, _) = self
                .changed
                .wait_timeout_while(waiting, pause, |waiting| !waiting.closing)
                .unwrap_or_else(PoisonError::into_inner);
            let (closing, had_trouble) = (waiting.closing, waiting.trouble.is_some());
            drop(waiting);
            match self.flush() {
                Err(error) if !had_trouble => {
                    tracing::warn!("values are not safe from a power cut: {error}");
                }
                Ok(()) if had_trouble => tracing::info!("values are safe on disk again"),
                _ => {}
            }
            if closing {
                return;
            }
        }
    }
}

fn first<F>(dirty: &[(u32, F)]) -> Option<u32> {
    dirty.iter().map(|(number, _)| *number).min()
}

/// The thread that asks the disk. Dropping it brings the rest there.
pub(super) struct Syncer<M: Medium> {
    queue: Arc<Queue<M>>,
    thread: Option<JoinHandle<()>>,
}

impl<M: Medium> Syncer<M> {
    pub(super) fn start(queue: Arc<Queue<M>>) -> io::Result<Self> {
        let theirs = Arc::clone(&queue);
        let thread = std::thread::Builder::new()
            .name("polykad-values".into())
            .spawn(move || theirs.run())?;
        Ok(Self { queue, thread: Some(thread) })
    }
}

impl<M: Medium> Drop for Syncer<M> {
    fn drop(&mut self) {
        self.queue.lock().closing = true;
        self.queue.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // It panics on our own bugs only, and those were reported when they happened.
            let _ = thread.join();
        }
    }
}
