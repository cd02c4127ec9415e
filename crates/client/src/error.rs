//! Why operations fail: one error for each, which says what to do.

use core::net::SocketAddr;

use crate::mainline::{MAX_SALT_BYTES, MAX_VALUE_BYTES, SignedItem};
use crate::report::{PutReport, Refusal, Report};

/// Why a lookup could not be made at all. A part of the errors below.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FindError {
    /// There is nobody to ask.
    #[error("no contacts: give a bootstrap address")]
    NoContacts,
    /// Of all nodes asked none answered.
    #[error("no node answered: check the bootstrap addresses and the firewall for UDP")]
    NoAnswer,
    /// No bootstrap address is of a family the node listens on.
    #[error("no bootstrap address is of a family the node listens on: listen on that one too")]
    WrongFamily,
    /// Too many operations run already.
    #[error("too many operations at once: wait for one of the {limit} that run already")]
    TooManyOperations {
        /// The limit.
        limit: usize,
    },
    /// The node has been shut down, or the operation was cancelled.
    #[error("the node has stopped: start it again")]
    Stopped,
    /// The daemon behind an API did not do its part.
    #[error("{message}")]
    Daemon {
        /// What happened, and what to do.
        message: String,
    },
}

/// Why a get brought nothing.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GetError {
    /// Nodes answered, but none holds the value.
    #[error("not found: {} nodes answered and none holds the value", .report.answered)]
    NotFound {
        /// What the search cost.
        report: Report,
    },
    /// The salt exceeds the limit.
    #[error("salt of {bytes} bytes: shorten it to {MAX_SALT_BYTES}")]
    SaltTooLong {
        /// Its length.
        bytes: usize,
    },
    /// The lookup could not be made.
    #[error(transparent)]
    Find(#[from] FindError),
}

/// Why a put did not store its value.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PutError {
    /// The value exceeds the limit.
    #[error(
        "value of {bytes} bytes (bencoded) exceeds the network's limit: \
         shorten it to {MAX_VALUE_BYTES}"
    )]
    ValueTooLong {
        /// Its length, bencoded.
        bytes: usize,
    },
    /// The value is not one bencoded element.
    #[error("value is not bencoded: wrap raw bytes with `byte_string`")]
    NotBencoded,
    /// The salt exceeds the limit.
    #[error("salt of {bytes} bytes: shorten it to {MAX_SALT_BYTES}")]
    SaltTooLong {
        /// Its length.
        bytes: usize,
    },
    /// The signature does not match key, salt, seq and value.
    #[error("signature does not match: sign salt, seq and value as BEP 44 lays them out")]
    BadSignature,
    /// The network has a newer version, or another than `cas` demands.
    #[error("conflict: seq {} is stored already; read it and put a higher seq", .winner.seq)]
    Conflict {
        /// The stored item with the highest seq.
        winner: Box<SignedItem>,
        /// What the holders said.
        report: Box<PutReport>,
    },
    /// Nobody stored the value.
    #[error(
        "no node stored the value: {} refused, {} did not answer; try again",
        .report.refused.len(), .report.silent
    )]
    NotStored {
        /// What the nodes said.
        report: Box<PutReport>,
    },
    /// The lookup of the nodes that should store it could not be made.
    #[error(transparent)]
    Find(#[from] FindError),
}

/// Why an announcement, or a round of it, did not succeed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnnounceError {
    /// Nobody stored the announcement.
    #[error(
        "no node stored the announcement: {} refused, {} did not answer; it is tried again",
        .report.refused.len(), .report.silent
    )]
    NotStored {
        /// What the nodes said.
        report: Box<PutReport>,
    },
    /// The lookup of the nodes that should store it could not be made.
    #[error(transparent)]
    Find(#[from] FindError),
}

/// Why one node asked did not tell.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PingError {
    /// It did not answer.
    #[error("{address} did not answer: check that a node listens there and UDP gets through")]
    NoAnswer {
        /// The address asked.
        address: SocketAddr,
    },
    /// The address has a family the node has no socket for.
    #[error("{address} cannot be reached: the node listens on no address of that family")]
    WrongFamily {
        /// The address asked.
        address: SocketAddr,
    },
    /// It answered with an error.
    #[error("{0}")]
    Refused(Refusal),
    /// The request could not be made.
    #[error(transparent)]
    Find(#[from] FindError),
}

/// Why the status is not to be had.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StatusError {
    /// The node has been shut down.
    #[error("the node has stopped: start it again")]
    Stopped,
}
