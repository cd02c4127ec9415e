//! What operations cost and who took part in them.

use core::fmt;
use core::net::SocketAddr;
use std::time::Duration;

use kademlia::Key;

/// A node as others know it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct NodeContact {
    /// Its id.
    pub id: Key,
    /// Where it listens.
    pub address: SocketAddr,
}

/// What an operation cost.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// Requests sent.
    pub asked: u32,
    /// Requests answered.
    pub answered: u32,
    /// Requests that failed or went unanswered.
    pub failed: u32,
    /// Steps from the node's own table to the closest node found.
    pub hops: u32,
    /// From start to end.
    pub elapsed: Duration,
}

/// One node's word why it did not do something.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// The node.
    pub from: SocketAddr,
    /// Its code; on Mainline one of BEP 5 (201 to 204) or BEP 44 (205 to 207, 301, 302).
    pub code: i64,
    /// Its words.
    pub message: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, code, message } = self;
        write!(f, "{from} refused: {message} (code {code})")
    }
}

/// What became of a put, or of one round of an announcement.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PutReport {
    /// The key it is stored under.
    pub key: Key,
    /// The version stored, of a signed item.
    pub seq: Option<i64>,
    /// Nodes that acknowledged it.
    pub acknowledged: Vec<NodeContact>,
    /// Nodes that refused it.
    pub refused: Vec<Refusal>,
    /// Nodes that were asked to store it and did not answer.
    pub silent: usize,
    /// What it cost. Of an announcement's round, whose cost is not told: `None`.
    pub report: Option<Report>,
}
