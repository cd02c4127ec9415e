//! The objects of the HTTP API, version 1. Field names are stable: what is here may gain fields,
//! never lose or change one.
//!
//! Ids and keys of Mainline are 40 hexadecimal digits, those of poly 64; bytes are hexadecimal,
//! times are milliseconds (`_ms`, to the microsecond) or whole seconds (`_s`), addresses are
//! `IP:PORT`.

use core::net::SocketAddr;
use std::time::Duration;

use kademlia::Key;
use serde::{Deserialize, Serialize};

use crate::mainline::{self, as_byte_string};
use crate::report;

mod convert;
pub mod poly;
mod status;

pub use convert::Misread;
pub(super) use convert::key;
pub use status::{Disk, Dropped, Family, Latency, Mainline, Messages, Poly, Status, Traffic};

/// A span in milliseconds, to the microsecond.
pub fn millis(span: Duration) -> f64 {
    (span.as_secs_f64() * 1e6).round() / 1e3
}

/// A span from milliseconds; what is no span is none.
pub fn from_millis(millis: f64) -> Duration {
    Duration::try_from_secs_f64(millis / 1e3).unwrap_or_default()
}

/// An id or key as text.
pub fn hex(key: &Key) -> String {
    crate::id::hex(key).to_string()
}

/// Bytes as text.
pub fn hex_bytes(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).fold(
        String::with_capacity(2 * bytes.len()),
        |mut text, digit| {
            text.extend(char::from_digit(digit.into(), 16));
            text
        },
    )
}

/// The bytes that pairs of hexadecimal digits stand for.
pub fn unhex(digits: &str) -> Option<Vec<u8>> {
    let (pairs, []) = digits.as_bytes().as_chunks::<2>() else { return None };
    let value = |digit: u8| char::from(digit).to_digit(16);
    pairs.iter().map(|[high, low]| u8::try_from(value(*high)? << 4 | value(*low)?).ok()).collect()
}

/// What an operation cost.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Debug, Default)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Cost {
    /// Requests sent.
    pub asked: u32,
    /// Requests answered.
    pub answered: u32,
    /// Requests that failed or went unanswered.
    pub failed: u32,
    /// Steps from the node's own table to the closest node found.
    pub hops: u32,
    /// From start to end.
    pub elapsed_ms: f64,
}

/// A node as others know it.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Node {
    /// Its id: 40 hexadecimal digits on Mainline, 64 on poly.
    pub id: String,
    /// Where it listens.
    #[cfg_attr(feature = "schema", schema(value_type = String, example = "192.0.2.7:6881"))]
    pub address: SocketAddr,
}

/// A contact of the node, and what it knows of it.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Contact {
    /// Who and where.
    #[serde(flatten)]
    pub node: Node,
    /// Its smoothed round-trip time.
    pub rtt_ms: f64,
    /// Since its first answer.
    pub known_for_s: u64,
    /// Since it was last heard of.
    pub silent_for_s: u64,
    /// Requests in a row that it left unanswered.
    pub failures: u8,
    /// Whether its id is proven to belong to its address (BEP 42).
    pub verified: bool,
}

/// The node's contacts.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Contacts {
    /// They, in no order.
    pub contacts: Vec<Contact>,
}

/// A key that the node stores something under for others.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct StoredKey {
    /// The key.
    pub key: String,
    /// Whether peers of a torrent are stored there; else a value is.
    pub is_torrent: bool,
}

/// Keys that the node stores something under for others.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct StoredKeys {
    /// They, in no order.
    pub keys: Vec<StoredKey>,
}

/// The answer to a ping.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Pong {
    /// Who answered.
    #[serde(flatten)]
    pub node: Node,
    /// The round-trip time.
    pub rtt_ms: f64,
    /// The client version it sent, 8 hexadecimal digits (BEP 5).
    pub version: Option<String>,
}

/// Nodes found, closest first.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Nodes {
    /// They.
    pub nodes: Vec<Node>,
    /// What it cost.
    #[serde(flatten)]
    pub cost: Cost,
}

/// The estimated size of a torrent's swarm.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Scrape {
    /// Peers that have the whole content.
    pub seeds: f64,
    /// Peers that do not.
    pub downloaders: f64,
    /// Nodes whose counts were merged; 0: nobody knows the torrent.
    pub nodes: usize,
    /// What it cost.
    #[serde(flatten)]
    pub cost: Cost,
}

/// An immutable value found.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Item {
    /// Its key: the SHA-1 of the bencoded value.
    pub key: String,
    /// The value, bencoded as it is stored, in hexadecimal.
    pub value_hex: String,
    /// What it says, if it is a byte string of UTF-8.
    pub text: Option<String>,
    /// What it cost.
    #[serde(flatten)]
    pub cost: Cost,
}

/// A signed value found (BEP 44).
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct FoundSigned {
    /// Its key: the SHA-1 of public key and salt.
    pub key: String,
    /// The value and its signature.
    #[serde(flatten)]
    pub item: Signed,
    /// What it says, if it is a byte string of UTF-8.
    pub text: Option<String>,
    /// What it cost.
    #[serde(flatten)]
    pub cost: Cost,
}

/// A signed value (BEP 44).
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Signed {
    /// The author's Ed25519 key, 64 hexadecimal digits.
    pub public_key: String,
    /// Which of the author's values, in hexadecimal; empty: none.
    pub salt_hex: String,
    /// The version.
    pub seq: i64,
    /// The value, one bencoded element, in hexadecimal.
    pub value_hex: String,
    /// Over salt, seq and value as BEP 44 lays them out, 128 hexadecimal digits.
    pub signature: String,
}

/// A new version of a signed value, as its author puts it; whose it is stands in the address.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PutSigned {
    /// The version.
    pub seq: i64,
    /// The value, one bencoded element of at most 1000 bytes, in hexadecimal.
    #[cfg_attr(feature = "schema", schema(pattern = "^([0-9a-fA-F]{2}){1,1000}$"))]
    pub value_hex: String,
    /// Over salt, seq and value as BEP 44 lays them out, 128 hexadecimal digits.
    #[cfg_attr(feature = "schema", schema(pattern = "^[0-9a-fA-F]{128}$"))]
    pub signature: String,
}

/// What became of a put, or of one round of an announcement.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Stored {
    /// The key it is stored under.
    pub key: String,
    /// The version stored, of a signed value.
    pub seq: Option<i64>,
    /// Nodes that acknowledged it.
    pub acknowledged: Vec<Node>,
    /// Nodes that refused it, and why.
    pub refused: Vec<Refusal>,
    /// Nodes that were asked to store it and did not answer.
    pub silent: usize,
    /// What it cost; not told of a round of an announcement.
    pub cost: Option<Cost>,
}

/// One node's word why it did not do something.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Refusal {
    /// The node.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub from: SocketAddr,
    /// Its code (BEP 5, BEP 44).
    pub code: i64,
    /// Its words.
    pub message: String,
}

/// What one node stores, or a random part of it (BEP 51).
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Sample {
    /// The node.
    #[serde(flatten)]
    pub node: Node,
    /// How many info-hashes it stores.
    pub total: u64,
    /// How long it asks to be left alone.
    pub interval_s: u64,
    /// Some of the info-hashes.
    pub info_hashes: Vec<String>,
}

/// What to announce.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug, Default)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Announce {
    /// The port where the torrent's client listens; without it, the node's own UDP port.
    #[cfg_attr(feature = "schema", schema(minimum = 1))]
    pub port: Option<u16>,
    /// Whether the peer has the whole content (BEP 33).
    pub seed: bool,
}

/// An announcement that the daemon keeps alive.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Announced {
    /// The torrent.
    pub info_hash: String,
    /// The port that was announced; null: the node's own UDP port.
    pub port: Option<u16>,
    /// Whether the peer has the whole content.
    pub seed: bool,
    /// Since when it is kept, in unix seconds.
    pub since: u64,
    /// How often it was renewed, or tried.
    pub rounds: u64,
    /// What became of the last round; null: it failed, or there was none yet.
    pub stored: Option<Stored>,
    /// Why the last round failed.
    pub trouble: Option<super::problem::Problem>,
}

/// The announcements that the daemon keeps alive.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct AnnouncedAll {
    /// They, by torrent.
    pub announcements: Vec<Announced>,
}

/// One step of a traced walk. Who was asked and is told of no more did not answer.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[serde(tag = "step", rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum Step {
    /// A request was sent.
    Asked {
        /// To whom.
        #[cfg_attr(feature = "schema", schema(value_type = String))]
        to: SocketAddr,
        /// Since the walk began.
        at_ms: f64,
    },
    /// It was answered.
    Answered {
        /// Who answered.
        by: Node,
        /// Since the walk began.
        at_ms: f64,
        /// How long the answer took.
        rtt_ms: f64,
        /// The nodes it named.
        named: Vec<Node>,
        /// Whether it has what is asked for.
        holds: bool,
    },
    /// It was answered with an error.
    Refused {
        /// By whom.
        #[cfg_attr(feature = "schema", schema(value_type = String))]
        by: SocketAddr,
        /// Since the walk began.
        at_ms: f64,
    },
}

/// One line of a stream: as NDJSON the whole object; as a server-sent event `event` is its type.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[serde(tag = "event", rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum Word {
    /// Peers of the torrent, each told once.
    Peers {
        /// They.
        #[cfg_attr(feature = "schema", schema(value_type = Vec<String>))]
        peers: Vec<SocketAddr>,
    },
    /// One node's sample.
    Sample(Sample),
    /// A step of a traced walk.
    Step(Step),
    /// A version of a watched record: the one that is there, then each that follows.
    Record(poly::Record),
    /// An entry of a watched topic: those that are there, then each that is new or removed.
    Entry(poly::Entry),
    /// A round of an announcement.
    Round(Stored),
    /// A round of an announcement failed; the next is tried.
    RoundFailed(super::problem::Problem),
    /// The end.
    Done(Cost),
    /// The end: it failed after it had begun.
    Failed(super::problem::Problem),
}

impl Word {
    /// The type of the server-sent event.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Peers { .. } => "peers",
            Self::Sample(_) => "sample",
            Self::Step(_) => "step",
            Self::Record(_) => "record",
            Self::Entry(_) => "entry",
            Self::Round(_) => "round",
            Self::RoundFailed(_) => "round_failed",
            Self::Done(_) => "done",
            Self::Failed(_) => "failed",
        }
    }
}

/// The text that a value stands for, if it is a byte string of UTF-8.
pub fn text_of(value: &[u8]) -> Option<String> {
    as_byte_string(value).and_then(|bytes| core::str::from_utf8(bytes).ok()).map(str::to_owned)
}

impl Item {
    /// Of a value that was found.
    pub fn new(key: &Key, value: &[u8], report: report::Report) -> Self {
        let (key, value_hex) = (hex(key), hex_bytes(value));
        Self { key, value_hex, text: text_of(value), cost: report.into() }
    }
}

impl FoundSigned {
    /// Of an item that was found.
    pub fn new(key: &Key, item: &mainline::SignedItem, report: report::Report) -> Self {
        let text = text_of(&item.value);
        Self { key: hex(key), item: item.into(), text, cost: report.into() }
    }
}

#[cfg(test)]
mod tests;
