//! Polykad's own network, as an application sees it: blobs, records, topics, watches.
//!
//! What is stored is made and checked with [`value`]: a blob is bytes under their hash, a
//! [`Record`] is signed by its author and replaced by the next, an
//! [`Entry`] is one of many signed under a topic. Every value has an expiry.

use core::fmt;
use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::net::SocketAddr;
use std::time::Duration;

use futures_core::Stream;
use kademlia::Key;
use tokio::io::{AsyncRead, AsyncWrite};

pub use ::poly::command::{
    Acknowledgements, Change, Failure, GetOptions, PutOptions, Quest, Quorum, Refusal, Report,
};
pub use ::poly::contact::Peer;
pub use ::poly::node::Reachability;
pub use ::poly::value;
use ::poly::wire::Ask;

use crate::Operation;
use crate::error::StatusError;
use crate::search::{Search, Step};
use crate::status::{Outcomes, Tally};
use value::{Entry, Kind, Record};

/// What can be done on the network `poly`.
pub trait Poly: Send + Sync {
    /// Stores immutable bytes, at most [`value::MAX_VALUE_BYTES`], under their hash.
    fn put(&self, value: Vec<u8>, options: PutOptions) -> Operation<Result<Stored, PutError>>;

    /// Finds the bytes under a hash.
    fn get(&self, key: Key, options: GetOptions) -> Operation<Result<Got<Vec<u8>>, GetError>>;

    /// Stores a record, or its tombstone. With `expected`, only where the newest seq is that one;
    /// 0: only if there is none.
    fn put_record(
        &self,
        record: Record,
        expected: Option<u64>,
        options: PutOptions,
    ) -> Operation<Result<Stored, PutError>>;

    /// Finds the newest version of a record; a tombstone if it was deleted.
    fn record(&self, key: Key, options: GetOptions) -> Operation<Result<Got<Record>, GetError>>;

    /// Stores an entry of a topic, or removes the one in its slot.
    fn put_entry(&self, entry: Entry, options: PutOptions) -> Operation<Result<Stored, PutError>>;

    /// Finds up to `limit` entries of a topic, of as many authors as possible.
    fn topic(
        &self,
        topic: Key,
        limit: usize,
        options: GetOptions,
    ) -> Operation<Result<Got<Vec<Entry>>, GetError>>;

    /// Tells what is under the key of a record or a topic, and then whatever changes.
    fn watch(&self, key: Key, kind: Kind) -> Watch;

    /// Looks for what `quest` names, as if the node held nothing itself, and tells each step as it
    /// happens.
    fn trace(&self, target: Key, quest: Quest) -> Search<Step>;

    /// Finds the nodes closest to `target`, closest first.
    fn find_node(&self, target: Key) -> Operation<Result<Got<Vec<Peer>>, GetError>>;

    /// Asks one address who is there, and how far away.
    fn ping(&self, address: SocketAddr) -> Operation<Result<Got<Peer>, GetError>>;

    /// Opens a stream of bytes to a node: looks up where it is, has it prove its id, and waits
    /// until it has taken the stream for `service`, a name of at most [`MAX_SERVICE_BYTES`]; all
    /// that within `deadline`.
    fn connect(
        &self,
        id: Key,
        service: String,
        deadline: Duration,
    ) -> Operation<Result<ByteStream, ConnectError>> {
        let _ = (id, service, deadline);
        Box::pin(async { Err(ConnectError::Unsupported) })
    }

    /// The contacts of the node's routing table, in no order.
    fn contacts(&self) -> Operation<Result<Vec<KnownPeer>, StatusError>>;

    /// What the node stores for others, `most` values at most, in no order.
    fn stored(&self, most: usize) -> Operation<Result<Vec<StoredValue>, StatusError>>;
}

/// The longest name of a service that takes streams.
pub const MAX_SERVICE_BYTES: usize = 64;

/// A stream of bytes to another node, whose id is proven, encrypted. Shutting down the writing side
/// tells the other node that nothing follows, and waits until it has all; dropping it ends both
/// sides once what was written has gone out.
pub type ByteStream = Pin<Box<dyn Duplex>>;

/// What can be read and written.
pub trait Duplex: AsyncRead + AsyncWrite + Send {}

impl<T: AsyncRead + AsyncWrite + Send> Duplex for T {}

/// Why there is no stream.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// No node with this id is known in the network.
    #[error("nobody in the network knows a node with this id: it is off, or others can't reach it")]
    UnknownNode,
    /// It did not answer in time.
    #[error("the node did not answer in time: try again, or allow more time")]
    TimedOut,
    /// It has no such service.
    #[error("the node has no service of this name: check the name, or ask its owner")]
    Refused,
    /// It, or this node, has too many streams.
    #[error("too many streams are open: end some, or try again later")]
    Busy,
    /// The connection broke off before the node had taken the stream.
    #[error("the connection to the node broke off: try again")]
    Broken,
    /// The service's name is not allowed.
    #[error("a service's name has 1 to {MAX_SERVICE_BYTES} bytes, not {length}")]
    BadService {
        /// Its length.
        length: usize,
    },
    /// This node is asked to connect to itself.
    #[error("that is this node's own id: give another's")]
    Oneself,
    /// The daemon's API carries no streams.
    #[error("streams need a node in this process: the daemon's API carries none")]
    Unsupported,
    /// The node has been shut down.
    #[error("the node has stopped: start it again")]
    Stopped,
}

/// A contact, and what the node knows of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KnownPeer {
    /// Its id and address.
    pub peer: Peer,
    /// Its smoothed round-trip time.
    pub rtt: Duration,
    /// Since its first answer.
    pub known_for: Duration,
    /// Since it was last heard of.
    pub silent_for: Duration,
    /// Requests in a row that it left unanswered.
    pub failures: u8,
}

/// A value that a node stores.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StoredValue {
    /// Its key; many entries have the same, their topic's.
    pub key: Key,
    /// What it is.
    pub kind: Kind,
}

/// A node's part in the network `poly`. Counters run from its start.
#[derive(Clone, PartialEq, Debug)]
pub struct PolyStatus {
    /// Its id: an Ed25519 public key.
    pub id: Key,
    /// The addresses it listens on.
    pub listen: Vec<SocketAddr>,
    /// Whether others can reach it, as they have tried; if not, it is a client: it holds nothing.
    pub reachability: Reachability,
    /// The UDP port of the gateway that leads to the node's.
    pub mapped_port: Option<u16>,
    /// Nodes it remembers in all.
    pub contacts: usize,
    /// Of these, those in its routing table.
    pub table: usize,
    /// Estimated number of nodes in the network; `None`: too little is known.
    pub network_size: Option<f64>,
    /// Values it holds for others.
    pub values: usize,
    /// Their bytes.
    pub value_bytes: u64,
    /// Operations under way.
    pub operations: usize,
    /// Watchers that it tells changes.
    pub watchers: usize,
    /// Encrypted sessions with other nodes.
    pub sessions: usize,
    /// Requests received.
    pub requests: u64,
    /// The same by what they ask for.
    pub queries: Vec<Tally>,
    /// Requests answered.
    pub answers: u64,
    /// Requests refused.
    pub refused: u64,
    /// The same by why.
    pub refusals: Vec<Tally>,
    /// Requests sent.
    pub asked: u64,
    /// Answers and refusals received to requests sent.
    pub heard: u64,
    /// Answers and refusals received that belong to no request.
    pub unsolicited: u64,
    /// False values received: a wrong hash, a forged signature.
    pub forged: u64,
    /// Values exchanged with other holders to keep enough replicas.
    pub repaired: u64,
    /// What became of the owner's operations, by kind.
    pub outcomes: Vec<Outcomes>,
}

/// The word for why a request was refused, by [`Refusal::number`]; it stays as it is.
pub fn reason_of(number: usize) -> Option<&'static str> {
    const REASONS: [&str; Refusal::NUMBERS - 1] = [
        "malformed",
        "unknown",
        "busy",
        "too_long",
        "expired",
        "lives_too_long",
        "bad_signature",
        "older",
        "swapped",
        "quota",
        "full",
        "not_mine",
        "too_many_watchers",
        "storage",
    ];
    REASONS.get(number.checked_sub(1)?).copied()
}

/// The word for what a request asks for, by its number on the wire; it stays as it is.
pub fn query_of(number: usize) -> Option<&'static str> {
    const QUERIES: [&str; Ask::NUMBERS] = [
        "unknown", "ping", "find", "get", "put", "watch", "push", "compare", "fetch", "give",
        "probe", "call", "hail", "offer",
    ];
    QUERIES.get(number).copied()
}

/// What became of a put.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stored {
    /// The key to get it by.
    pub key: Key,
    /// Who holds it.
    pub acknowledgements: Acknowledgements,
    /// What it cost.
    pub report: Report,
}

/// What was found, verified.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Got<T> {
    /// It.
    pub value: T,
    /// What it cost.
    pub report: Report,
}

/// Why a value was not stored.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PutError {
    /// The network did not take it.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// The node has been shut down.
    #[error("the node has stopped: start it again")]
    Stopped,
    /// The daemon behind an API did not do its part.
    #[error("{message}")]
    Daemon {
        /// What happened, and what to do.
        message: String,
    },
}

/// Why nothing was found.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GetError {
    /// Nodes answered, and none has it.
    #[error("not found: {} nodes answered and none has it", .report.answered)]
    NotFound {
        /// What the search cost.
        report: Report,
    },
    /// The search could not be made.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// The node has been shut down.
    #[error("the node has stopped: start it again")]
    Stopped,
    /// The daemon behind an API did not do its part.
    #[error("{message}")]
    Daemon {
        /// What happened, and what to do.
        message: String,
    },
}

/// A watch: tells changes until this is dropped.
pub struct Watch(Pin<Box<dyn Stream<Item = Change> + Send>>);

impl Watch {
    /// A watch that tells what `changes` does. Whatever keeps it alive must end with the stream.
    pub fn new(changes: impl Stream<Item = Change> + Send + 'static) -> Self {
        Self(Box::pin(changes))
    }

    /// The next change; `None`: the node has stopped, or refuses to watch this.
    pub async fn next(&mut self) -> Option<Change> {
        poll_fn(|context| self.0.as_mut().poll_next(context)).await
    }
}

impl Stream for Watch {
    type Item = Change;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(context)
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watch")
    }
}
