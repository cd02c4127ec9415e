//! What became of the owner's operations, and how long they took: for status and metrics.

use std::time::Duration;

use client::status::Outcomes;
use mainline::command::{Failure, Outcome};

use super::Waiter;

/// Operations counted by kind.
#[derive(Debug)]
pub(super) struct OutcomeCounts([Outcomes; 8]);

impl Default for OutcomeCounts {
    fn default() -> Self {
        let kinds = ["ping", "find_node", "get_peers", "scrape", "get", "put", "sample", "trace"];
        Self(kinds.map(Outcomes::new))
    }
}

impl OutcomeCounts {
    /// All kinds, those that never ran too.
    pub(super) fn all(&self) -> Vec<Outcomes> {
        self.0.to_vec()
    }

    /// Counts an operation that has ended. Announcements end when nobody wants them any more: that
    /// says nothing of the network.
    pub(super) fn count(&mut self, waiter: &Waiter, outcome: &Outcome, elapsed: Duration) {
        let kind = match waiter {
            Waiter::Pong(..) => "ping",
            Waiter::Nodes(_) => "find_node",
            Waiter::Peers(_) => "get_peers",
            Waiter::Scrape(_) => "scrape",
            Waiter::Immutable(_) | Waiter::Mutable(_) => "get",
            Waiter::Put(..) => "put",
            Waiter::Samples(_) | Waiter::SampleNode(..) => "sample",
            Waiter::Steps(..) => "trace",
            Waiter::Rounds(..) => return,
        };
        let Some(counts) = self.0.iter_mut().find(|counts| counts.kind == kind) else { return };
        match judge(outcome) {
            Verdict::Done => counts.done += 1,
            Verdict::NotFound => counts.not_found += 1,
            Verdict::Failed => counts.failed += 1,
            Verdict::Withdrawn => return,
        }
        counts.took(elapsed);
    }
}

enum Verdict {
    Done,
    NotFound,
    Failed,
    /// The one who asked did not wait for the end.
    Withdrawn,
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "outcomes grow; one that is neither empty nor a failure has brought something"
)]
fn judge(outcome: &Outcome) -> Verdict {
    match outcome {
        Outcome::Item(None) | Outcome::Scrape { filters: 0, .. } => Verdict::NotFound,
        Outcome::Peers(peers) if peers.is_empty() => Verdict::NotFound,
        Outcome::Failed(Failure::Cancelled) => Verdict::Withdrawn,
        Outcome::Failed(_) => Verdict::Failed,
        _ => Verdict::Done,
    }
}
