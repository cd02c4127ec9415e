//! BitTorrent's Mainline DHT, as an application sees it.
//!
//! Keys and info-hashes are the leading 160 bits of a [`Key`]; [`crate::id`] reads and writes them.
//! Values are bencoded (BEP 44 stores any one bencoded element): [`byte_string`] wraps raw bytes.

use core::net::SocketAddr;
use std::time::Duration;

use kademlia::Key;

use crate::Operation;
use crate::error::{FindError, GetError, PingError, PutError, StatusError};
use crate::report::{NodeContact, PutReport, Report};
use crate::search::{Announcement, Search, Step};

/// The longest value, bencoded (BEP 44).
pub const MAX_VALUE_BYTES: usize = 1000;
/// The longest salt (BEP 44).
pub const MAX_SALT_BYTES: usize = 64;

/// What can be done on the Mainline DHT.
pub trait Mainline: Send + Sync {
    /// Asks one address whether it is a node, and who.
    fn ping(&self, address: SocketAddr) -> Operation<Result<Pong, PingError>>;

    /// Finds the nodes closest to `target`, closest first.
    fn find_node(&self, target: Key) -> Operation<Result<Nodes, FindError>>;

    /// Finds peers of a torrent: the first are told as soon as a node names them. Each is told
    /// once.
    fn find_peers(&self, info_hash: Key) -> Search<Vec<SocketAddr>>;

    /// Announces this host as a peer of a torrent, and renews that until the returned handle is
    /// dropped or the node stops.
    fn announce(&self, torrent: Announce) -> Announcement;

    /// Estimates how many seeds and downloaders a torrent has (BEP 33).
    fn scrape(&self, info_hash: Key) -> Operation<Result<Scrape, FindError>>;

    /// Finds the value, bencoded, whose SHA-1 is `key`.
    fn get_immutable(&self, key: Key) -> Operation<Result<Got<Vec<u8>>, GetError>>;

    /// Finds the newest version of the item that `public_key` signed under `salt` (at most 64
    /// bytes; empty: none).
    fn get_mutable(
        &self,
        public_key: [u8; 32],
        salt: Vec<u8>,
    ) -> Operation<Result<Got<SignedItem>, GetError>>;

    /// Stores a value, one bencoded element of at most 1000 bytes.
    fn put_immutable(&self, value: Vec<u8>) -> Operation<Result<PutReport, PutError>>;

    /// Stores a signed item. With `cas`, only where the stored seq is this one.
    fn put_mutable(
        &self,
        item: SignedItem,
        cas: Option<i64>,
    ) -> Operation<Result<PutReport, PutError>>;

    /// Walks to the nodes closest to `target` and tells a sample of the info-hashes that each
    /// stores (BEP 51).
    fn sample(&self, target: Key) -> Search<Sample>;

    /// Asks one address for its sample (BEP 51).
    fn sample_node(&self, address: SocketAddr) -> Operation<Result<Sample, PingError>>;

    /// Walks to the nodes closest to `target`, and tells each step as it happens.
    fn trace(&self, target: Key, quest: Quest) -> Search<Step>;

    /// The node's contacts, in no order.
    fn contacts(&self) -> Operation<Result<Vec<KnownContact>, StatusError>>;

    /// Keys that the node stores something under for others, `most` at most, in no order.
    fn stored_keys(&self, most: usize) -> Operation<Result<Vec<StoredKey>, StatusError>>;
}

/// What a traced walk asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Quest {
    /// Nodes alone.
    Nodes,
    /// Peers of a torrent.
    Peers,
    /// A value.
    Value,
}

/// A contact, and what the node knows of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KnownContact {
    /// Its id and address.
    pub contact: NodeContact,
    /// Its smoothed round-trip time.
    pub rtt: Duration,
    /// Since its first answer.
    pub known_for: Duration,
    /// Since it was last heard of.
    pub silent_for: Duration,
    /// Requests in a row that it left unanswered.
    pub failures: u8,
    /// Whether its id is proven to belong to its address (BEP 42).
    pub verified: bool,
}

/// A key under which a node stores something.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct StoredKey {
    /// The key.
    pub key: Key,
    /// Whether peers of a torrent are stored there; else a value is.
    pub is_torrent: bool,
}

/// A node's answer to a ping.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pong {
    /// Its id and address.
    pub contact: NodeContact,
    /// The round-trip time.
    pub rtt: Duration,
    /// The client version it sent: two letters for the client, two bytes for the version (BEP 5).
    pub version: Option<[u8; 4]>,
}

/// Nodes found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Nodes {
    /// They, closest to the target first.
    pub nodes: Vec<NodeContact>,
    /// What it cost.
    pub report: Report,
}

/// What to announce.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Announce {
    /// The torrent.
    pub info_hash: Key,
    /// The peer's TCP and uTP port; `None`: the UDP port that other nodes see this node at.
    pub port: Option<u16>,
    /// Whether the peer has the whole content (BEP 33).
    pub seed: bool,
}

/// The estimated size of a torrent's swarm.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Scrape {
    /// Peers that have the whole content.
    pub seeds: f64,
    /// Peers that do not.
    pub downloaders: f64,
    /// Nodes whose counts were merged; 0: nobody knew the torrent.
    pub nodes: usize,
    /// What it cost.
    pub report: Report,
}

/// A value found, verified.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Got<T> {
    /// The value.
    pub value: T,
    /// What it cost.
    pub report: Report,
}

/// A signed value that its author may replace by one with a higher `seq` (BEP 44).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignedItem {
    /// The author's Ed25519 public key.
    pub public_key: [u8; 32],
    /// Which of the author's items this is; at most 64 bytes, empty: none.
    pub salt: Vec<u8>,
    /// The version; the highest wins.
    pub seq: i64,
    /// The value, one bencoded element of at most 1000 bytes.
    pub value: Vec<u8>,
    /// Over salt, seq and value, as BEP 44 lays them out.
    pub signature: [u8; 64],
}

/// What one node stores, or a random part of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sample {
    /// The node.
    pub from: NodeContact,
    /// Some of the info-hashes it stores.
    pub info_hashes: Vec<Key>,
    /// How many it stores in all.
    pub total: u64,
    /// How long it asks to be left alone.
    pub interval: Duration,
}

/// Bencodes raw bytes as a byte string, `<length>:<bytes>`.
pub fn byte_string(bytes: &[u8]) -> Vec<u8> {
    let mut value = format!("{}:", bytes.len()).into_bytes();
    value.extend_from_slice(bytes);
    value
}

/// The raw bytes of a value that is one bencoded byte string; `None` for any other value.
pub fn as_byte_string(value: &[u8]) -> Option<&[u8]> {
    let colon = value.iter().position(|&byte| byte == b':')?;
    let (length, rest) = value.split_at_checked(colon)?;
    let bytes = rest.get(1..)?;
    let canonical =
        length == b"0" || (length.first() != Some(&b'0') && length.iter().all(u8::is_ascii_digit));
    let length: usize = core::str::from_utf8(length).ok()?.parse().ok()?;
    (canonical && bytes.len() == length).then_some(bytes)
}

#[cfg(test)]
mod tests;
