//! The thread that commits changes.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use super::batch::Batch;
use super::file::{DiskError, File};
use super::{COMMIT_EVERY, HASTE_BYTES, Shared};
use crate::clock::unix_seconds;

/// How long to leave the disk alone after it failed.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// How often what has expired is removed.
const SWEEP_EVERY: Duration = Duration::from_mins(10);

/// How often it is removed if the file holds too much.
const SWEEP_CROWDED_EVERY: Duration = Duration::from_mins(1);

/// Commits what comes until the node closes the disk.
pub(super) fn run(shared: &Shared, mut file: File) {
    let mut batch = Batch::default();
    let mut swept = Instant::now();
    loop {
        let closing = collect(shared, &mut batch);
        let crowded = batch.bytes() > 0 && !commit(shared, &mut file, &batch, closing);
        batch.clear();
        if closing {
            return;
        }
        let sweep_after = if crowded { SWEEP_CROWDED_EVERY } else { SWEEP_EVERY };
        if swept.elapsed() >= sweep_after {
            swept = Instant::now();
            if let Err(error) = file.sweep(unix_seconds()) {
                report(shared, &file, Some(&error));
            }
        }
    }
}

/// Commits one batch, however often it takes; once only if it is the last. Returns whether the file
/// had room for it.
fn commit(shared: &Shared, file: &mut File, batch: &Batch, mut last: bool) -> bool {
    loop {
        let result = file.commit(batch);
        report(shared, file, result.as_ref().err());
        match result {
            Ok(()) => return true,
            Err(DiskError::Crowded) => {
                shared.lock().lost += batch.iter().count() as u64;
                return false;
            }
            Err(_) if last => {
                shared.lock().lost += batch.iter().count() as u64;
                return true;
            }
            Err(_) => last = !pause(shared, RETRY_AFTER),
        }
    }
}

/// Waits for changes, gives others the time to join them, and takes them all. Returns whether they
/// are the last.
fn collect(shared: &Shared, batch: &mut Batch) -> bool {
    let pending = shared.lock();
    let (pending, _) = shared
        .changed
        .wait_timeout_while(pending, SWEEP_EVERY, |pending| {
            pending.batch.bytes() == 0 && !pending.closing
        })
        .unwrap_or_else(PoisonError::into_inner);
    let (mut pending, _) = shared
        .changed
        .wait_timeout_while(pending, COMMIT_EVERY, |pending| {
            pending.batch.bytes() < HASTE_BYTES && !pending.closing
        })
        .unwrap_or_else(PoisonError::into_inner);
    core::mem::swap(&mut pending.batch, batch);
    pending.closing
}

/// Waits, or returns false at once when the node closes the disk.
fn pause(shared: &Shared, span: Duration) -> bool {
    let pending = shared.lock();
    let (pending, _) = shared
        .changed
        .wait_timeout_while(pending, span, |pending| !pending.closing)
        .unwrap_or_else(PoisonError::into_inner);
    !pending.closing
}

/// Makes the last result known: in the status, and in the log when it changes.
fn report(shared: &Shared, file: &File, error: Option<&DiskError>) {
    let trouble = error.map(DiskError::to_string);
    let mut pending = shared.lock();
    if pending.trouble != trouble {
        if let Some(trouble) = &trouble {
            tracing::warn!("nothing is kept on disk: {trouble}");
        } else {
            tracing::info!("kept on disk again");
        }
    }
    pending.trouble = trouble;
    pending.file_bytes = file.bytes();
}
