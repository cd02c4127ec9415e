//! The mappings of code, from `/proc/self/maps`, and madvise(2) on them.
#![expect(unsafe_code, reason = "the standard library has no madvise")]

use core::ffi::c_void;
use std::fs;

pub(super) fn release_code() {
    let Ok(maps) = fs::read_to_string("/proc/self/maps") else {
        return;
    };
    for (start, length) in maps.lines().filter_map(code) {
        // SAFETY: the range is a private mapping of a file that is executable and not writable.
        // Code is position independent, so nothing ever changed its pages: what is dropped is
        // read from the same file again at the next touch.
        unsafe {
            libc::madvise(start as *mut c_void, length, libc::MADV_DONTNEED);
        }
    }
}

/// Start and length of the mapping that a line of `/proc/self/maps` describes, if it is code of a
/// file; see `proc_pid_maps(5)`.
pub(super) fn code(line: &str) -> Option<(usize, usize)> {
    let mut fields = line.split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let permissions = fields.next()?;
    let file = fields.nth(3)?;
    if permissions != "r-xp" || !file.starts_with('/') {
        return None;
    }
    let start = usize::from_str_radix(start, 16).ok()?;
    let end = usize::from_str_radix(end, 16).ok()?;
    Some((start, end.checked_sub(start)?))
}
