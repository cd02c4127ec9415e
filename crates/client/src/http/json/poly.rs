//! The objects of Polykad's own network. Ids, keys and public keys are 64 hexadecimal digits.

use core::net::SocketAddr;
use std::time::Duration;

use kademlia::Key;
use serde::{Deserialize, Serialize};

use super::convert::{Misread, bytes};
use super::{Cost, from_millis, hex_bytes, millis, unhex};
use crate::poly::{self, KnownPeer, Peer, StoredValue, reason_of, value};

/// A node of the network.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = PolyNode))]
pub struct Node {
    /// Its id, an Ed25519 public key.
    pub id: String,
    /// Where it listens.
    #[cfg_attr(feature = "schema", schema(value_type = String, example = "192.0.2.7:7654"))]
    pub address: SocketAddr,
}

/// A contact of the node, and what it knows of it.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = PolyContact))]
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
}

/// The contacts of the node's routing table.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = PolyContacts))]
pub struct Contacts {
    /// They, in no order.
    pub contacts: Vec<Contact>,
}

/// What a value is.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = PolyKind))]
pub enum Kind {
    /// Immutable bytes.
    Value,
    /// Mutable, signed by its author.
    Record,
    /// One of many signed under a topic.
    Entry,
}

/// A value that the node holds for others.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = PolyHeld))]
pub struct Held {
    /// Its key; entries have their topic's.
    pub key: String,
    /// What it is.
    pub kind: Kind,
}

/// Values that the node holds for others.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = PolyHeldValues))]
pub struct HeldValues {
    /// They, in no order.
    pub values: Vec<Held>,
}

/// Nodes found, closest first.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = PolyNodes))]
pub struct Nodes {
    /// They.
    pub nodes: Vec<Node>,
    /// What it cost.
    #[serde(flatten)]
    pub cost: Cost,
}

/// The answer to a ping.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = PolyPong))]
pub struct Pong {
    /// Who answered; the id is proven.
    #[serde(flatten)]
    pub node: Node,
    /// What it cost, the handshake included.
    #[serde(flatten)]
    pub cost: Cost,
}

/// Why a node did not do what it was asked.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = PolyReason))]
pub struct Reason {
    /// The reason as a word, which stays as it is.
    pub reason: String,
    /// What belongs to it: the limit that was exceeded, the seq that is there, the holder's clock.
    pub number: Option<u64>,
    /// The same in a sentence.
    pub message: String,
}

/// One node's refusal.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = PolyRefusal))]
pub struct Refusal {
    /// The node.
    pub from: Node,
    /// Why.
    #[serde(flatten)]
    pub why: Reason,
}

/// Who keeps a value, and who does not.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = PolyHolders))]
pub struct Holders {
    /// Nodes that acknowledged it; the asked node itself, where it is one of them, without an
    /// address: `0.0.0.0:0`.
    pub acknowledged: Vec<Node>,
    /// Nodes that refused it, and why.
    pub refused: Vec<Refusal>,
    /// Nodes that have not answered so far.
    pub silent: u32,
    /// How many nodes should hold it, as far as is known.
    pub region: usize,
    /// How many had to acknowledge it.
    pub quorum: usize,
}

/// What became of a put.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = PolyStored))]
pub struct Stored {
    /// The key to get it by.
    pub key: String,
    /// The version, of what is signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// Who keeps it.
    #[serde(flatten)]
    pub holders: Holders,
    /// What it cost.
    #[serde(flatten)]
    pub cost: Cost,
}

/// An immutable value found.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = PolyValue))]
pub struct Value {
    /// Its key: the BLAKE3 of its bytes.
    pub key: String,
    /// Its bytes, in hexadecimal.
    pub value_hex: String,
    /// The same as text, if it is UTF-8.
    pub text: Option<String>,
    /// What it cost.
    #[serde(flatten)]
    pub cost: Cost,
}

/// A signed version of a mutable value.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = PolyRecord))]
pub struct Record {
    /// Its key, derived from author and salt.
    pub key: String,
    /// Its author's Ed25519 key.
    pub public_key: String,
    /// Which of the author's records, in hexadecimal.
    pub salt_hex: String,
    /// The version; the highest wins.
    pub seq: u64,
    /// When it ends, in unix seconds.
    pub expires: u64,
    /// Its bytes in hexadecimal; null: its author has deleted it.
    pub value_hex: Option<String>,
    /// The same as text, if it is UTF-8.
    pub text: Option<String>,
    /// The author's, 128 hexadecimal digits.
    pub signature: String,
}

/// A record found.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = PolyFoundRecord))]
pub struct FoundRecord {
    /// It.
    #[serde(flatten)]
    pub record: Record,
    /// What it cost.
    #[serde(flatten)]
    pub cost: Cost,
}

/// A signed entry of a topic.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = PolyEntry))]
pub struct Entry {
    /// The topic's key.
    pub topic: String,
    /// Its author's Ed25519 key.
    pub public_key: String,
    /// Which of the author's entries under this topic.
    pub slot: u16,
    /// The version; the highest wins.
    pub seq: u64,
    /// When it ends, in unix seconds.
    pub expires: u64,
    /// Its bytes in hexadecimal; null: its author has removed it.
    pub payload_hex: Option<String>,
    /// The same as text, if it is UTF-8.
    pub text: Option<String>,
    /// The author's, 128 hexadecimal digits.
    pub signature: String,
}

/// Entries of a topic.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = PolyEntries))]
pub struct Entries {
    /// The topic's key.
    pub key: String,
    /// They, of as many authors as possible.
    pub entries: Vec<Entry>,
    /// What it cost.
    #[serde(flatten)]
    pub cost: Cost,
}

/// A key of 256 bits as text.
pub fn hex(key: &Key) -> String {
    hex_bytes(key.as_bytes())
}

/// A key of 256 bits from text.
pub fn key(text: &str) -> Result<Key, Misread> {
    Ok(Key::new(bytes(text)?))
}

fn text_of(value: &[u8]) -> Option<String> {
    core::str::from_utf8(value).ok().map(str::to_owned)
}

fn maybe_bytes(hex: Option<&String>) -> Result<Option<Box<[u8]>>, Misread> {
    hex.map(|hex| Ok(unhex(hex).ok_or(Misread)?.into())).transpose()
}

impl From<poly::Report> for Cost {
    fn from(report: poly::Report) -> Self {
        let poly::Report { asked, answered, failed, hops, elapsed } = report;
        Self { asked, answered, failed, hops, elapsed_ms: millis(elapsed) }
    }
}

impl From<Cost> for poly::Report {
    fn from(cost: Cost) -> Self {
        let Cost { asked, answered, failed, hops, elapsed_ms } = cost;
        Self { asked, answered, failed, hops, elapsed: from_millis(elapsed_ms) }
    }
}

impl From<&Peer> for Node {
    fn from(peer: &Peer) -> Self {
        Self { id: hex(&peer.id), address: peer.address }
    }
}

impl TryFrom<&Node> for Peer {
    type Error = Misread;

    fn try_from(node: &Node) -> Result<Self, Misread> {
        Ok(Self::new(key(&node.id)?, node.address))
    }
}

impl From<&KnownPeer> for Contact {
    fn from(known: &KnownPeer) -> Self {
        Self {
            node: (&known.peer).into(),
            rtt_ms: millis(known.rtt),
            known_for_s: known.known_for.as_secs(),
            silent_for_s: known.silent_for.as_secs(),
            failures: known.failures,
        }
    }
}

impl TryFrom<&Contact> for KnownPeer {
    type Error = Misread;

    fn try_from(contact: &Contact) -> Result<Self, Misread> {
        Ok(Self {
            peer: (&contact.node).try_into()?,
            rtt: from_millis(contact.rtt_ms),
            known_for: Duration::from_secs(contact.known_for_s),
            silent_for: Duration::from_secs(contact.silent_for_s),
            failures: contact.failures,
        })
    }
}

impl From<&StoredValue> for Held {
    fn from(stored: &StoredValue) -> Self {
        let kind = match stored.kind {
            value::Kind::Blob => Kind::Value,
            value::Kind::Record => Kind::Record,
            value::Kind::Entry => Kind::Entry,
        };
        Self { key: hex(&stored.key), kind }
    }
}

impl TryFrom<&Held> for StoredValue {
    type Error = Misread;

    fn try_from(held: &Held) -> Result<Self, Misread> {
        let kind = match held.kind {
            Kind::Value => value::Kind::Blob,
            Kind::Record => value::Kind::Record,
            Kind::Entry => value::Kind::Entry,
        };
        Ok(Self { key: key(&held.key)?, kind })
    }
}

impl From<poly::Refusal> for Reason {
    fn from(refusal: poly::Refusal) -> Self {
        use poly::Refusal as R;
        let number = match refusal {
            R::TooLong(number)
            | R::Expired(number)
            | R::LivesTooLong(number)
            | R::Older(number)
            | R::Swapped(number)
            | R::Quota(number) => Some(number),
            R::Malformed
            | R::Unknown
            | R::Busy
            | R::BadSignature
            | R::Full
            | R::NotMine
            | R::TooManyWatchers
            | R::Storage => None,
        };
        let reason = reason_of(refusal.number()).unwrap_or_default().to_owned();
        Self { reason, number, message: refusal.to_string() }
    }
}

impl TryFrom<&Reason> for poly::Refusal {
    type Error = Misread;

    fn try_from(reason: &Reason) -> Result<Self, Misread> {
        let number = reason.number.unwrap_or_default();
        let all = [
            Self::Malformed,
            Self::Unknown,
            Self::Busy,
            Self::TooLong(number),
            Self::Expired(number),
            Self::LivesTooLong(number),
            Self::BadSignature,
            Self::Older(number),
            Self::Swapped(number),
            Self::Quota(number),
            Self::Full,
            Self::NotMine,
            Self::TooManyWatchers,
            Self::Storage,
        ];
        let named = |refusal: &Self| reason_of(refusal.number()) == Some(reason.reason.as_str());
        all.into_iter().find(named).ok_or(Misread)
    }
}

impl From<&poly::Acknowledgements> for Holders {
    fn from(all: &poly::Acknowledgements) -> Self {
        let refusal =
            |(peer, why): &(Peer, poly::Refusal)| Refusal { from: peer.into(), why: (*why).into() };
        Self {
            acknowledged: all.stored.iter().map(Node::from).collect(),
            refused: all.refused.iter().map(refusal).collect(),
            silent: all.unanswered,
            region: all.region,
            quorum: all.quorum,
        }
    }
}

impl TryFrom<&Holders> for poly::Acknowledgements {
    type Error = Misread;

    fn try_from(holders: &Holders) -> Result<Self, Misread> {
        let refusal = |refusal: &Refusal| {
            Ok((Peer::try_from(&refusal.from)?, poly::Refusal::try_from(&refusal.why)?))
        };
        Ok(Self {
            stored: holders.acknowledged.iter().map(Peer::try_from).collect::<Result<_, _>>()?,
            refused: holders.refused.iter().map(refusal).collect::<Result<_, Misread>>()?,
            unanswered: holders.silent,
            region: holders.region,
            quorum: holders.quorum,
        })
    }
}

impl Stored {
    /// Of what was stored; with its version, if it has one.
    pub fn new(stored: &poly::Stored, seq: Option<u64>) -> Self {
        let poly::Stored { key, acknowledgements, report } = stored;
        Self { key: hex(key), seq, holders: acknowledgements.into(), cost: (*report).into() }
    }
}

impl TryFrom<Stored> for poly::Stored {
    type Error = Misread;

    fn try_from(stored: Stored) -> Result<Self, Misread> {
        Ok(Self {
            key: key(&stored.key)?,
            acknowledgements: (&stored.holders).try_into()?,
            report: stored.cost.into(),
        })
    }
}

impl Value {
    /// Of a value that was found.
    pub fn new(key: &Key, value: &[u8], report: poly::Report) -> Self {
        let (key, value_hex) = (hex(key), hex_bytes(value));
        Self { key, value_hex, text: text_of(value), cost: report.into() }
    }
}

impl From<&value::Record> for Record {
    fn from(record: &value::Record) -> Self {
        let value = record.value.as_deref();
        Self {
            key: hex(&record.key()),
            public_key: hex_bytes(&record.public_key),
            salt_hex: hex_bytes(&record.salt),
            seq: record.seq,
            expires: record.expires,
            value_hex: value.map(hex_bytes),
            text: value.and_then(text_of),
            signature: hex_bytes(&record.signature),
        }
    }
}

impl TryFrom<&Record> for value::Record {
    type Error = Misread;

    fn try_from(record: &Record) -> Result<Self, Misread> {
        Ok(Self {
            public_key: bytes(&record.public_key)?,
            salt: unhex(&record.salt_hex).ok_or(Misread)?.into(),
            seq: record.seq,
            expires: record.expires,
            value: maybe_bytes(record.value_hex.as_ref())?,
            signature: bytes(&record.signature)?,
        })
    }
}

impl From<&value::Entry> for Entry {
    fn from(entry: &value::Entry) -> Self {
        let payload = entry.payload.as_deref();
        Self {
            topic: hex(&entry.topic),
            public_key: hex_bytes(&entry.public_key),
            slot: entry.slot,
            seq: entry.seq,
            expires: entry.expires,
            payload_hex: payload.map(hex_bytes),
            text: payload.and_then(text_of),
            signature: hex_bytes(&entry.signature),
        }
    }
}

impl TryFrom<&Entry> for value::Entry {
    type Error = Misread;

    fn try_from(entry: &Entry) -> Result<Self, Misread> {
        Ok(Self {
            topic: key(&entry.topic)?,
            public_key: bytes(&entry.public_key)?,
            slot: entry.slot,
            seq: entry.seq,
            expires: entry.expires,
            payload: maybe_bytes(entry.payload_hex.as_ref())?,
            signature: bytes(&entry.signature)?,
        })
    }
}

#[cfg(test)]
mod tests;
