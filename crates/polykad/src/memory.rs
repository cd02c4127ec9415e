//! Gives back the memory of code that ran at start and never again.
//!
//! Reading arguments, opening files and joining touch some megabytes of the executable and of the
//! C library, of which a node at work needs less than half. The kernel would drop those pages only
//! when it is short of memory; a daemon that is to be small says so itself. [`Node`](crate::Node)
//! never calls this: it is for programs whose process is the node's alone.

/// Unmaps the process's code; what is still needed comes back from the page cache as it runs.
///
/// Costs some hundred microseconds, and a few page faults in the seconds after. Does nothing
/// where the system has no such wish or no `/proc`.
pub fn release_code() {
    #[cfg(target_os = "linux")]
    linux::release_code();
}

#[cfg(target_os = "linux")]
mod linux;

#[cfg(all(test, target_os = "linux"))]
mod tests;
