//! Between what the network knows and what the client API says.

use std::time::Duration;

use client::{FindError, NodeContact, Report, Step};
use poly::command::{self, Failure};
use poly::contact::Peer;

/// A step of a traced search, `at` after it began.
pub(super) fn step(at: Duration, step: command::Step) -> Step {
    match step {
        command::Step::Asked(to) => Step::Asked { to: to.address, at },
        command::Step::Answered { by, rtt, named, holds } => {
            let named = named.into_iter().map(contact).collect();
            Step::Answered { by: contact(by), at, rtt, named, holds }
        }
        command::Step::Refused(by) => Step::Refused { by: by.address, at },
    }
}

fn contact(peer: Peer) -> NodeContact {
    NodeContact { id: peer.id, address: peer.address }
}

/// What a search cost.
pub(super) fn report(report: command::Report) -> Report {
    let command::Report { asked, answered, failed, hops, elapsed } = report;
    Report { asked, answered, failed, hops, elapsed }
}

/// Why a search could not be made.
#[expect(clippy::wildcard_enum_match_arm, reason = "failures grow; most mean no answer")]
pub(super) fn find_error(failure: &Failure) -> FindError {
    match failure {
        Failure::NobodyThere => FindError::NoContacts,
        Failure::TooManyOperations { limit } => FindError::TooManyOperations { limit: *limit },
        Failure::Cancelled => FindError::Stopped,
        _ => FindError::NoAnswer,
    }
}
