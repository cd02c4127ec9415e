//! The system's allocator, counted by thread: for tests of what something costs in memory.
//!
//! A test binary that uses this crate runs on this allocator.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
    static MADE: Cell<usize> = const { Cell::new(0) };
}

/// Bytes of the heap that this thread has taken and not given back, as glibc's `malloc` would
/// account for them; wraps where threads give back each other's.
pub fn held_bytes() -> usize {
    HELD.get()
}

/// Allocations that this thread has ever made.
pub fn allocations() -> usize {
    MADE.get()
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[expect(unsafe_code, reason = "an allocator can't be counted otherwise")]
// SAFETY: every call is handed on unchanged to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.set(HELD.get().wrapping_add(chunk(layout.size())));
        MADE.set(MADE.get() + 1);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.set(HELD.get().wrapping_sub(chunk(layout.size())));
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// glibc's `malloc` keeps 8 bytes a chunk and rounds up to 16, with 24 usable at least.
fn chunk(bytes: usize) -> usize {
    (bytes + 8).next_multiple_of(16).max(32)
}
