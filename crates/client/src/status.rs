//! How a node is doing.

use core::net::SocketAddr;
use std::borrow::Cow;
use std::path::PathBuf;
use std::time::Duration;

use kademlia::Key;

/// How a node is doing. Counters run from its start.
#[derive(Clone, PartialEq, Debug, Default)]
#[non_exhaustive]
pub struct Status {
    /// Since its start.
    pub uptime: Duration,
    /// The addresses it listens on.
    pub listen: Vec<SocketAddr>,
    /// What passed through its sockets.
    pub traffic: Traffic,
    /// What it had to drop.
    pub dropped: Dropped,
    /// What it keeps on disk; `None`: nothing.
    pub disk: Option<DiskStatus>,
    /// Its part in the Mainline DHT; `None`: none.
    pub mainline: Option<MainlineStatus>,
    /// Its part in Polykad's own network; `None`: none.
    pub poly: Option<crate::poly::PolyStatus>,
}

/// What passed through the sockets, UDP payload only.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Traffic {
    /// Datagrams received.
    pub received: u64,
    /// Their bytes.
    pub received_bytes: u64,
    /// Datagrams sent.
    pub sent: u64,
    /// Their bytes.
    pub sent_bytes: u64,
}

/// What had to be dropped, and why.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Dropped {
    /// Received datagrams that exceeded the receive buffer.
    pub oversized: u64,
    /// Received datagrams over the rate limit of their source.
    pub rate_limited: u64,
    /// Received datagrams that are not of the protocol.
    pub malformed: u64,
    /// Messages not sent because the socket was full.
    pub send_full: u64,
    /// Messages that the system refused to send: no route, a firewall, too long.
    pub send_failed: u64,
    /// Findings not told because the one who asked did not keep up.
    pub untold: u64,
    /// Changes not persisted because the disk did not keep up or is full.
    pub unpersisted: u64,
}

/// What is kept on disk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DiskStatus {
    /// The folder.
    pub folder: PathBuf,
    /// Size of the file with the stored values.
    pub bytes: u64,
    /// Why the last write failed, if it did; the node goes on and tries again.
    pub trouble: Option<String>,
}

/// A node's part in the Mainline DHT.
#[derive(Clone, PartialEq, Debug, Default)]
#[non_exhaustive]
pub struct MainlineStatus {
    /// Its side on IPv4; `None`: it does not listen there.
    pub v4: Option<FamilyStatus>,
    /// Its side on IPv6; `None`: it does not listen there.
    pub v6: Option<FamilyStatus>,
    /// Torrents it stores peers of.
    pub info_hashes: usize,
    /// Peers it stores.
    pub peers: usize,
    /// Items it stores, immutable and mutable.
    pub items: usize,
    /// Operations under way.
    pub operations: usize,
    /// What passed between it and other nodes.
    pub messages: Messages,
    /// Queries taken in, by method.
    pub queries: Vec<Tally>,
    /// Queries answered with an error, by why.
    pub faults: Vec<Tally>,
    /// Queries left unanswered because their host had asked too much.
    pub limited_by_host: u64,
    /// Queries left unanswered because the hosts of their subnet had, together.
    pub limited_by_subnet: u64,
    /// What became of the owner's operations, by kind.
    pub outcomes: Vec<Outcomes>,
}

/// How often something happened, by name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tally {
    /// What; a word of letters and `_`, which stays as it is.
    pub name: Cow<'static, str>,
    /// How often since the start.
    pub count: u64,
}

/// What became of operations of one kind, and how long they took.
#[derive(Clone, PartialEq, Debug)]
pub struct Outcomes {
    /// Their kind; a word of letters and `_`, which stays as it is.
    pub kind: Cow<'static, str>,
    /// Brought what they should.
    pub done: u64,
    /// Ended well but brought nothing.
    pub not_found: u64,
    /// Failed.
    pub failed: u64,
    /// The time all of them took together.
    pub elapsed: Duration,
    /// How many took at most so long as the limit of the same place in [`Outcomes::LIMITS_MS`], and
    /// longer than the limit before it; longer ones are in none.
    pub by_latency: [u64; Outcomes::LIMITS_MS.len()],
}

impl Outcomes {
    /// The limits of latency that operations are counted by, in milliseconds.
    pub const LIMITS_MS: [u16; 14] =
        [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000];

    /// None yet, of one kind.
    pub const fn new(kind: &'static str) -> Self {
        Self {
            kind: Cow::Borrowed(kind),
            done: 0,
            not_found: 0,
            failed: 0,
            elapsed: Duration::ZERO,
            by_latency: [0; Self::LIMITS_MS.len()],
        }
    }

    /// Counts how long one took.
    pub fn took(&mut self, elapsed: Duration) {
        self.elapsed += elapsed;
        let fits = |limit: &u16| elapsed <= Duration::from_millis(u64::from(*limit));
        let place = Self::LIMITS_MS.iter().position(fits);
        if let Some(count) = place.and_then(|place| self.by_latency.get_mut(place)) {
            *count += 1;
        }
    }
}

/// What passed between a node and others. Counters run from its start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Messages {
    /// Queries received, those over the rate limit included.
    pub queries: u64,
    /// Queries answered.
    pub answers: u64,
    /// Queries answered with an error.
    pub errors: u64,
    /// Requests sent.
    pub requests: u64,
    /// Responses and errors received to requests sent.
    pub responses: u64,
    /// Responses and errors received that belong to no request.
    pub unsolicited: u64,
}

/// A node's side on one address family.
#[derive(Clone, PartialEq, Debug)]
pub struct FamilyStatus {
    /// Its id.
    pub id: Key,
    /// The address that others see it at, once enough of them agree (BEP 42).
    pub external: Option<SocketAddr>,
    /// Contacts that answered lately.
    pub good: usize,
    /// Contacts not heard of for a while.
    pub questionable: usize,
    /// Estimated number of nodes in the network; `None`: too little is known.
    pub network_size: Option<f64>,
}
