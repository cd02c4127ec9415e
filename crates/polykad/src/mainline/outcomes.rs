//! Which kind of operation of the owner's has ended, and how.

use mainline::command::{Failure, Outcome};

use super::Waiter;
use crate::outcomes::Verdict;

/// The kinds that are counted.
pub(super) const KINDS: [&str; 8] =
    ["ping", "find_node", "get_peers", "scrape", "get", "put", "sample", "trace"];

/// The kind of what is waited for. Announcements end when nobody wants them any more: that says
/// nothing of the network.
pub(super) fn kind(waiter: &Waiter) -> Option<&'static str> {
    Some(match waiter {
        Waiter::Pong(..) => "ping",
        Waiter::Nodes(_) => "find_node",
        Waiter::Peers(_) => "get_peers",
        Waiter::Scrape(_) => "scrape",
        Waiter::Immutable(_) | Waiter::Mutable(_) => "get",
        Waiter::Put(..) => "put",
        Waiter::Samples(_) | Waiter::SampleNode(..) => "sample",
        Waiter::Steps(..) => "trace",
        Waiter::Rounds(..) => return None,
    })
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "outcomes grow; one that is neither empty nor a failure has brought something"
)]
pub(super) fn judge(outcome: &Outcome) -> Verdict {
    match outcome {
        Outcome::Item(None) | Outcome::Scrape { filters: 0, .. } => Verdict::NotFound,
        Outcome::Peers(peers) if peers.is_empty() => Verdict::NotFound,
        Outcome::Failed(Failure::Cancelled) => Verdict::Withdrawn,
        Outcome::Failed(_) => Verdict::Failed,
        _ => Verdict::Done,
    }
}
