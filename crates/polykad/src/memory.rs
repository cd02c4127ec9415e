//! Gives back the memory of code that ran at start and never again.
//!
//! Reading arguments, opening files and joining touch some megabytes of the executable and of the
//! C library, of which a node at work needs less than half. The kernel would drop those pages only
//! when it is short of memory; a daemon that is to be small says so itself. [`Node`](crate::Node)
//! never calls this: it is for programs whose process is the node's alone.

use core::convert::Infallible;
use std::time::Duration;

/// When code is given back for the second time.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
/// How often at last: what it costs then is a microsecond a second.
const LONGEST_PAUSE: Duration = Duration::from_mins(10);

/// Gives back now what code the process has touched, and again after 10, 20, 40 seconds and so on,
/// at last every ten minutes: joining goes on for a while, and later some code runs once a day.
/// Never ends; it may be dropped at any time.
pub async fn keep_releasing_code() -> Infallible {
    let mut pause = FIRST_PAUSE;
    loop {
        release_code();
        tokio::time::sleep(pause).await;
        pause = LONGEST_PAUSE.min(pause * 2);
    }
}

/// Unmaps what the process has of its program and libraries, apart from what was ever written to;
/// what is still needed comes back from the page cache as it is touched.
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
