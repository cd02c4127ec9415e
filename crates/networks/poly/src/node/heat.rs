//! Which blobs are asked for so much that who gets one should keep a copy for a while.
//!
//! Popularity follows Zipf's law: the holders of the most popular key would have to answer a large
//! part of all searches. Who is told to keep a copy does not ask again. A value counts as hot by
//! its share of what is asked here, too, so a busy holder of many values that are asked for alike
//! tells nobody: the most frequent are found in one pass with few counters (Misra and Gries, 1982).

use kademlia::Moment;
use kademlia::flat::FlatMap;

use super::known::seconds;

/// Seconds over which requests are counted.
const WINDOW_S: u32 = 10;
/// Requests within them that make a value hot.
const HOT: u32 = 8;
/// Values counted at once.
const COUNTED: usize = 16;

/// What is asked for much.
#[derive(Debug, Default)]
pub(super) struct Heat {
    /// The current window, in seconds since the start over [`WINDOW_S`].
    window: u32,
    counts: FlatMap<u64, u32>,
    /// What was hot in the window before.
    hot: Vec<u64>,
}

impl Heat {
    /// The value with this mark is asked for; whether it is hot.
    pub(super) fn asked(&mut self, now: Moment, mark: u64) -> bool {
        self.turn(seconds(now) / WINDOW_S);
        let count = if let Some(count) = self.counts.get_mut(&mark) {
            *count += 1;
            *count
        } else if self.counts.len() < COUNTED {
            self.counts.insert(mark, 1);
            1
        } else {
            self.counts.retain(|_, count| {
                *count -= 1;
                *count > 0
            });
            0
        };
        count >= HOT || self.hot.contains(&mark)
    }

    /// Begins another window, if it is time.
    fn turn(&mut self, window: u32) {
        if window == self.window {
            return;
        }
        let counts = core::mem::take(&mut self.counts);
        let is_next = window == self.window + 1;
        self.hot = counts
            .iter()
            .filter(|(_, count)| is_next && **count >= HOT)
            .map(|(mark, _)| *mark)
            .collect();
        self.window = window;
    }
}

#[cfg(test)]
mod tests;
