//! Which kind of operation of the owner's has ended, and how.

use poly::command::{Failure, Outcome};

use super::Waiter;
use crate::outcomes::Verdict;

/// The kinds that are counted.
pub(super) const KINDS: [&str; 7] = ["ping", "find_node", "put", "get", "record", "topic", "trace"];

/// The kind of what is waited for. Watches end when nobody wants them any more: that says nothing
/// of the network. What joins is the node's own wish.
pub(super) fn kind(waiter: &Waiter) -> Option<&'static str> {
    Some(match waiter {
        Waiter::Pong(_) => "ping",
        Waiter::Nodes(_) => "find_node",
        Waiter::Stored(..) => "put",
        Waiter::Blob(_) => "get",
        Waiter::Record(_) => "record",
        Waiter::Entries(_) => "topic",
        Waiter::Steps(..) => "trace",
        Waiter::Joined(_) | Waiter::Watch(_) => return None,
    })
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "one that is neither empty nor a failure has brought something"
)]
pub(super) fn judge(outcome: &Outcome) -> Verdict {
    match outcome {
        Outcome::Blob(None) | Outcome::Record(None) => Verdict::NotFound,
        Outcome::Entries(entries) if entries.is_empty() => Verdict::NotFound,
        Outcome::Failed(Failure::Cancelled) => Verdict::Withdrawn,
        Outcome::Failed(_) => Verdict::Failed,
        _ => Verdict::Done,
    }
}
