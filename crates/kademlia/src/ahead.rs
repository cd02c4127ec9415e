//! Asking the processor for memory before it is needed.
//!
//! Among a hundred thousand nodes hardly anything that a turn reads is in the processor's cache.
//! Whoever knows what comes next, as the simulator does, asks for it ahead; nothing waits for what
//! is asked for so, and nothing depends on whether it comes.

use prefetch_index::prefetch_index;

/// Bytes that come together.
const LINE: usize = 64;

/// Asks for the first cache line of something.
pub fn fetch<T>(what: &T) {
    prefetch_index(core::slice::from_ref(what), 0);
}

/// Asks for all of a slice, if its elements are no larger than a cache line.
pub fn fetch_all<T>(what: &[T]) {
    let together = LINE / size_of::<T>().max(1);
    if together <= 1 {
        what.iter().for_each(fetch);
    } else {
        what.chunks(together).filter_map(<[T]>::first).for_each(fetch);
    }
}
