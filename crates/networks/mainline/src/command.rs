//! What the owner of a node asks for, and what it is told.
//!
//! Every command gets one [`Event::Done`], within [`Settings::deadline`](crate::node::Settings) or,
//! for an announcement, once it is cancelled; [`Event::Progress`] may come before.

use core::net::SocketAddr;
use std::time::Duration;

use kademlia::limit::RateLimit;
use kademlia::{Contact, Moment, OperationId};

use crate::item::{MutableItem, Salt};
use crate::wire::Id;

/// A wish of the owner.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Command {
    /// Joins through these addresses, and keeps them for the day all contacts are lost.
    Bootstrap(Vec<SocketAddr>),
    /// Asks one address whether it is a node, and who.
    Ping(SocketAddr),
    /// Finds the nodes closest to `target`.
    FindNode(Id),
    /// Walks to the nodes closest to `target` like the command that asks in these words, and tells
    /// each of its steps as progress.
    Trace {
        /// What it walks towards.
        target: Id,
        /// What it asks for.
        quest: Quest,
    },
    /// Finds the peers of a torrent; progress brings them as they are found.
    GetPeers(Id),
    /// Announces this host as a peer of a torrent, again and again until cancelled. Progress tells
    /// of each round.
    Announce {
        /// The torrent.
        info_hash: Id,
        /// The peer's port; `None`: the port that others see our datagrams come from (BEP 5's
        /// `implied_port`).
        port: Option<u16>,
        /// Whether the peer has the whole content (BEP 33).
        seed: bool,
    },
    /// Estimates how many seeds and downloaders a torrent has (BEP 33).
    Scrape(Id),
    /// Finds the value with this hash.
    GetImmutable(Id),
    /// Finds the newest version of a signed item.
    GetMutable {
        /// The author.
        public_key: [u8; 32],
        /// Which of the author's items.
        salt: Salt,
    },
    /// Stores a value, one bencoded element of at most 1000 bytes.
    PutImmutable(Box<[u8]>),
    /// Stores a signed item.
    PutMutable {
        /// The item; holders refuse one whose `seq` is below theirs.
        item: MutableItem,
        /// Store only where the stored `seq` is this one (BEP 44 compare and swap).
        cas: Option<i64>,
    },
    /// Walks to the nodes closest to `target` and asks each for a sample of the info-hashes it
    /// stores (BEP 51).
    Sample(Id),
    /// Asks one address for its sample.
    SampleNode(SocketAddr),
    /// Ends an operation early; its `Done` follows at once.
    Cancel(OperationId),
    /// From now on others may ask so much; `None`: no limit. Ends at once, without an event.
    SetRateLimit(Option<RateLimit>),
}

/// What a traced walk asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Quest {
    /// Nodes alone.
    Nodes,
    /// Peers of a torrent.
    Peers,
    /// An item.
    Item,
}

/// What the owner is told.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Event {
    /// Something an operation found out on its way.
    Progress(OperationId, Progress),
    /// An operation has ended.
    Done(OperationId, Outcome, Report),
    /// The address that others see us at, of one family, has become known or has changed (BEP 42).
    ExternalAddress(SocketAddr),
    /// The node's id, of one family, has changed: what is persisted must follow.
    IdChanged {
        /// Whether it is the id on the IPv6 side.
        v6: bool,
        /// The new id.
        id: Id,
    },
    /// The store has changed: what is persisted must follow.
    Stored(Stored),
}

/// What an operation found out on its way.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Progress {
    /// Peers of the torrent, not told before in this operation.
    Peers(Vec<SocketAddr>),
    /// The item, verified; for a mutable one, newer than told before in this operation.
    Item(Item),
    /// One node's sample.
    Sample(Sample),
    /// A round of an announcement is complete.
    Announced(Acknowledgements),
    /// One step of a traced walk.
    Step(Step),
}

/// One step of a traced walk.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Step {
    /// A request was sent there.
    Asked(SocketAddr),
    /// It was answered.
    Answered {
        /// Who answered.
        by: Contact<SocketAddr>,
        /// How long it took.
        rtt: Duration,
        /// The contacts it named.
        named: Vec<Contact<SocketAddr>>,
        /// Whether it has what was asked for: peers, or an item.
        holds: bool,
    },
    /// It was answered with an error.
    Refused(SocketAddr),
}

/// How an operation ended.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// The node that answered at the address, and how fast.
    Pong {
        /// Its id and address.
        contact: Contact<SocketAddr>,
        /// The round-trip time.
        rtt: Duration,
        /// The client version it sent: two letters for the client, two bytes for the version.
        version: Option<[u8; 4]>,
    },
    /// The closest nodes that answered, closest first. Of `Bootstrap`, `FindNode`,
    /// `Trace` and `Sample`.
    Nodes(Vec<Contact<SocketAddr>>),
    /// All peers found.
    Peers(Vec<SocketAddr>),
    /// The newest item found, if any.
    Item(Option<Item>),
    /// Who stored what was put, or the last round of an announcement that was cancelled.
    Stored(Acknowledgements),
    /// The estimate of a scrape.
    Scrape {
        /// Peers that have the whole content.
        seeds: f64,
        /// Peers that do not.
        downloaders: f64,
        /// Nodes whose filters were merged.
        filters: usize,
    },
    /// The one node's sample.
    Sample(Sample),
    /// It did not work.
    Failed(Failure),
}

/// A value found under its key.
#[derive(Clone, PartialEq, Debug)]
pub enum Item {
    /// A value found by its hash, bencoded.
    Immutable(Box<[u8]>),
    /// A signed item found by its author's key.
    Mutable(MutableItem),
}

/// What one node stores, or a random part of it (BEP 51).
#[derive(Clone, PartialEq, Debug)]
pub struct Sample {
    /// The node.
    pub from: Contact<SocketAddr>,
    /// Some of the info-hashes it stores.
    pub info_hashes: Vec<Id>,
    /// How many it stores in all.
    pub total: u64,
    /// How long it asks to be left alone.
    pub interval: Duration,
}

/// Who stored what was put.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Acknowledgements {
    /// Nodes that acknowledged it.
    pub stored: Vec<Contact<SocketAddr>>,
    /// Nodes that refused it.
    pub refused: Vec<Refusal>,
    /// Nodes that were asked to store it and did not answer.
    pub silent: usize,
}

/// One node's word why it did not store something.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
#[error("{from} refused: {message} (code {code})")]
pub struct Refusal {
    /// The node.
    pub from: SocketAddr,
    /// Its code: 201 generic, 202 server, 203 protocol, 204 unknown method, 205 value too big,
    /// 206 bad signature, 207 salt too big, 301 cas mismatch, 302 seq too low.
    pub code: i64,
    /// Its words.
    pub message: String,
}

/// Why an operation failed.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// No node answered at all.
    #[error("no node answered: check the bootstrap addresses and the firewall for UDP")]
    NoAnswer,
    /// There is nobody to ask.
    #[error("no contacts: give a bootstrap address")]
    NoContacts,
    /// The address has none of the families the node listens on.
    #[error("no socket of that address family")]
    WrongFamily,
    /// The node asked answered with an error.
    #[error(transparent)]
    Refused(Refusal),
    /// The value or its signature is not acceptable.
    #[error(transparent)]
    Invalid(#[from] crate::item::ItemError),
    /// A newer version exists, or compare-and-swap did not match.
    #[error("conflict: seq {} is stored already", .winner.seq)]
    Conflict {
        /// The stored item with the highest seq.
        winner: Box<MutableItem>,
        /// What the holders said.
        acknowledgements: Acknowledgements,
    },
    /// Nobody stored the value.
    #[error("no node stored the value: {} refused, {} did not answer", .0.refused.len(), .0.silent)]
    NotStored(Acknowledgements),
    /// The owner cancelled it.
    #[error("cancelled")]
    Cancelled,
    /// Too many operations run already.
    #[error("too many operations at once: {limit} run already")]
    TooManyOperations {
        /// The limit.
        limit: usize,
    },
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
    /// Steps from our own table to the closest node found.
    pub hops: u32,
    /// From command to end.
    pub elapsed: Duration,
}

/// A change of the store.
#[derive(Clone, PartialEq, Debug)]
pub enum Stored {
    /// A peer was announced, or announced again.
    Peer {
        /// The torrent.
        info_hash: Id,
        /// The peer.
        peer: SocketAddr,
        /// Whether it said that it has the whole content.
        seed: bool,
        /// When the announcement ends.
        expires: Moment,
    },
    /// An item was put, or put again.
    Item {
        /// The item.
        item: Item,
        /// When it is dropped unless put again.
        expires: Moment,
    },
}
