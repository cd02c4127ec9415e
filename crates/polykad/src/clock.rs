//! The one place where time comes from: moments for protocols, unix seconds for what is kept.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kademlia::Moment;
use tokio::time::Instant;

/// Tells a driver's time. Copies tell the same time.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that starts now.
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// The moment it is.
    pub fn now(&self) -> Moment {
        Moment::START + self.start.elapsed()
    }

    /// When `moment` is, on the runtime's clock. Moments beyond a year count as in a year.
    pub fn instant(&self, moment: Moment) -> Instant {
        const YEAR: Duration = Duration::from_hours(365 * 24);
        self.start + moment.since(Moment::START).min(YEAR + self.start.elapsed())
    }

    /// The moment that `instant` is; the start, if it lies before it.
    pub fn moment(&self, instant: Instant) -> Moment {
        Moment::START + instant.saturating_duration_since(self.start)
    }

    /// Relates moments to the wall clock as it stands now. The wall clock may be set at any time:
    /// take a new one for each batch.
    pub fn calendar(&self) -> Calendar {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH);
        Calendar { now: self.now(), unix: unix.unwrap_or_default() }
    }
}

/// The wall clock's seconds since 1970.
pub fn unix_seconds() -> u64 {
    since_1970().as_secs()
}

fn since_1970() -> Duration {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default()
}

/// One instant on both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Calendar {
    now: Moment,
    /// Since 1970.
    unix: Duration,
}

impl Calendar {
    /// A moment as seconds since 1970, rounded up.
    pub fn to_unix(self, moment: Moment) -> u64 {
        let ahead = self.unix + moment.since(self.now);
        let then = ahead.saturating_sub(self.now.since(moment));
        then.as_secs() + u64::from(then.subsec_nanos() > 0)
    }

    /// Seconds since 1970 as a moment; the driver's start if they lie before it.
    pub fn moment(self, unix_seconds: u64) -> Moment {
        let then = Duration::from_secs(unix_seconds);
        self.now + then.saturating_sub(self.unix) - self.unix.saturating_sub(then)
    }
}

#[cfg(test)]
mod tests;
