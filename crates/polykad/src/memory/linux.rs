//! The mappings of files, from `/proc/self/smaps`, and madvise(2) on them.
#![expect(unsafe_code, reason = "the standard library has no madvise")]

use core::ffi::c_void;
use std::fs;

pub(super) fn release_code() {
    let Ok(maps) = fs::read_to_string("/proc/self/smaps") else {
        return;
    };
    for (start, length) in unwritten(&maps) {
        // SAFETY: the range is a private mapping of a file, not writable, of which no page was
        // ever written to: what is dropped is read from the same file again at the next touch.
        unsafe {
            libc::madvise(start as *mut c_void, length, libc::MADV_DONTNEED);
        }
    }
}

/// Start and length of the mappings in a `smaps`, see `proc_pid_smaps(5)`, that are private, of a
/// file, not writable, and as the file is.
pub(super) fn unwritten(maps: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut candidate = None;
    for line in maps.lines() {
        if let Some((is_candidate, range)) = mapping(line) {
            candidate = is_candidate.then_some(range);
            continue;
        }
        // What was written to is in memory or, later in the list, in the swap.
        match line.split_once(':') {
            Some(("Anonymous", size)) if size.trim() != "0 kB" => candidate = None,
            Some(("Swap", size)) if size.trim() == "0 kB" => found.extend(candidate.take()),
            _ => {}
        }
    }
    found
}

/// If the line begins a mapping: whether that is private, of a file and not writable; its start and
/// length.
fn mapping(line: &str) -> Option<(bool, (usize, usize))> {
    let mut fields = line.split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let start = usize::from_str_radix(start, 16).ok()?;
    let end = usize::from_str_radix(end, 16).ok()?;
    let permissions = fields.next()?;
    let is_file = fields.nth(3).is_some_and(|name| name.starts_with('/'));
    let wanted = is_file && start < end && matches!(permissions, "r-xp" | "r--p");
    Some((wanted, (start, end.saturating_sub(start))))
}
