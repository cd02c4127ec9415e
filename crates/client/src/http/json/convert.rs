//! The API's objects from the client's own types, and back.

use std::time::Duration;

use super::{
    Contact, Cost, Node, Nodes, Pong, Refusal, Sample, Scrape, Signed, Step, Stored, StoredKey,
    from_millis, hex, hex_bytes, millis, unhex,
};
use crate::report::{NodeContact, PutReport, Report};
use crate::{Key, id, mainline, report, search};

/// An object says what it should not: the daemon speaks another version, or is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the daemon's answer makes no sense: check that it is polykad, and of this version")]
pub struct Misread;

impl From<Report> for Cost {
    fn from(report: Report) -> Self {
        let Report { asked, answered, failed, hops, elapsed } = report;
        Self { asked, answered, failed, hops, elapsed_ms: millis(elapsed) }
    }
}

impl From<Cost> for Report {
    fn from(cost: Cost) -> Self {
        let Cost { asked, answered, failed, hops, elapsed_ms } = cost;
        Self { asked, answered, failed, hops, elapsed: from_millis(elapsed_ms) }
    }
}

impl From<&NodeContact> for Node {
    fn from(contact: &NodeContact) -> Self {
        Self { id: hex(&contact.id), address: contact.address }
    }
}

impl TryFrom<&Node> for NodeContact {
    type Error = Misread;

    fn try_from(node: &Node) -> Result<Self, Misread> {
        Ok(Self { id: key(&node.id)?, address: node.address })
    }
}

/// An id or key from text.
pub(in crate::http) fn key(text: &str) -> Result<Key, Misread> {
    id::parse(text).map_err(|_| Misread)
}

/// Bytes from text.
pub(in crate::http) fn bytes<const N: usize>(text: &str) -> Result<[u8; N], Misread> {
    unhex(text).and_then(|bytes| bytes.try_into().ok()).ok_or(Misread)
}

/// Nodes from their objects.
pub(in crate::http) fn nodes(nodes: &[Node]) -> Result<Vec<NodeContact>, Misread> {
    nodes.iter().map(NodeContact::try_from).collect()
}

impl From<&mainline::KnownContact> for Contact {
    fn from(known: &mainline::KnownContact) -> Self {
        Self {
            node: (&known.contact).into(),
            rtt_ms: millis(known.rtt),
            known_for_s: known.known_for.as_secs(),
            silent_for_s: known.silent_for.as_secs(),
            failures: known.failures,
            verified: known.verified,
        }
    }
}

impl TryFrom<&Contact> for mainline::KnownContact {
    type Error = Misread;

    fn try_from(contact: &Contact) -> Result<Self, Misread> {
        Ok(Self {
            contact: (&contact.node).try_into()?,
            rtt: from_millis(contact.rtt_ms),
            known_for: Duration::from_secs(contact.known_for_s),
            silent_for: Duration::from_secs(contact.silent_for_s),
            failures: contact.failures,
            verified: contact.verified,
        })
    }
}

impl From<&mainline::StoredKey> for StoredKey {
    fn from(stored: &mainline::StoredKey) -> Self {
        Self { key: hex(&stored.key), is_torrent: stored.is_torrent }
    }
}

impl TryFrom<&StoredKey> for mainline::StoredKey {
    type Error = Misread;

    fn try_from(stored: &StoredKey) -> Result<Self, Misread> {
        Ok(Self { key: key(&stored.key)?, is_torrent: stored.is_torrent })
    }
}

impl From<&mainline::Pong> for Pong {
    fn from(pong: &mainline::Pong) -> Self {
        let version = pong.version.map(|version| hex_bytes(&version));
        Self { node: (&pong.contact).into(), rtt_ms: millis(pong.rtt), version }
    }
}

impl TryFrom<Pong> for mainline::Pong {
    type Error = Misread;

    fn try_from(pong: Pong) -> Result<Self, Misread> {
        let version = pong.version.as_deref().map(bytes).transpose()?;
        Ok(Self { contact: (&pong.node).try_into()?, rtt: from_millis(pong.rtt_ms), version })
    }
}

impl From<&mainline::Nodes> for Nodes {
    fn from(found: &mainline::Nodes) -> Self {
        Self { nodes: found.nodes.iter().map(Node::from).collect(), cost: found.report.into() }
    }
}

impl TryFrom<Nodes> for mainline::Nodes {
    type Error = Misread;

    fn try_from(found: Nodes) -> Result<Self, Misread> {
        Ok(Self { nodes: nodes(&found.nodes)?, report: found.cost.into() })
    }
}

impl From<&mainline::Scrape> for Scrape {
    fn from(scrape: &mainline::Scrape) -> Self {
        let mainline::Scrape { seeds, downloaders, nodes, report } = *scrape;
        // An estimate of nothing may be -0, which adding 0 mends.
        Self { seeds: seeds + 0.0, downloaders: downloaders + 0.0, nodes, cost: report.into() }
    }
}

impl From<Scrape> for mainline::Scrape {
    fn from(scrape: Scrape) -> Self {
        let Scrape { seeds, downloaders, nodes, cost } = scrape;
        Self { seeds, downloaders, nodes, report: cost.into() }
    }
}

impl From<&mainline::SignedItem> for Signed {
    fn from(item: &mainline::SignedItem) -> Self {
        Self {
            public_key: hex_bytes(&item.public_key),
            salt_hex: hex_bytes(&item.salt),
            seq: item.seq,
            value_hex: hex_bytes(&item.value),
            signature: hex_bytes(&item.signature),
        }
    }
}

impl TryFrom<&Signed> for mainline::SignedItem {
    type Error = Misread;

    fn try_from(item: &Signed) -> Result<Self, Misread> {
        Ok(Self {
            public_key: bytes(&item.public_key)?,
            salt: unhex(&item.salt_hex).ok_or(Misread)?,
            seq: item.seq,
            value: unhex(&item.value_hex).ok_or(Misread)?,
            signature: bytes(&item.signature)?,
        })
    }
}

impl From<&report::Refusal> for Refusal {
    fn from(refusal: &report::Refusal) -> Self {
        let report::Refusal { from, code, message } = refusal.clone();
        Self { from, code, message }
    }
}

impl From<&Refusal> for report::Refusal {
    fn from(refusal: &Refusal) -> Self {
        let Refusal { from, code, message } = refusal.clone();
        Self { from, code, message }
    }
}

impl From<&PutReport> for Stored {
    fn from(report: &PutReport) -> Self {
        Self {
            key: hex(&report.key),
            seq: report.seq,
            acknowledged: report.acknowledged.iter().map(Node::from).collect(),
            refused: report.refused.iter().map(Refusal::from).collect(),
            silent: report.silent,
            cost: report.report.map(Cost::from),
        }
    }
}

impl TryFrom<&Stored> for PutReport {
    type Error = Misread;

    fn try_from(stored: &Stored) -> Result<Self, Misread> {
        Ok(Self {
            key: key(&stored.key)?,
            seq: stored.seq,
            acknowledged: nodes(&stored.acknowledged)?,
            refused: stored.refused.iter().map(report::Refusal::from).collect(),
            silent: stored.silent,
            report: stored.cost.map(Report::from),
        })
    }
}

impl From<&mainline::Sample> for Sample {
    fn from(sample: &mainline::Sample) -> Self {
        Self {
            node: (&sample.from).into(),
            total: sample.total,
            interval_s: sample.interval.as_secs(),
            info_hashes: sample.info_hashes.iter().map(hex).collect(),
        }
    }
}

impl TryFrom<Sample> for mainline::Sample {
    type Error = Misread;

    fn try_from(sample: Sample) -> Result<Self, Misread> {
        Ok(Self {
            from: (&sample.node).try_into()?,
            info_hashes: sample
                .info_hashes
                .iter()
                .map(|hash| key(hash))
                .collect::<Result<_, _>>()?,
            total: sample.total,
            interval: Duration::from_secs(sample.interval_s),
        })
    }
}

impl Step {
    /// Of a step on a network that writes ids like this.
    pub fn new(step: &search::Step, hex: fn(&Key) -> String) -> Self {
        let node = |contact: &NodeContact| Node { id: hex(&contact.id), address: contact.address };
        match step {
            search::Step::Asked { to, at } => Self::Asked { to: *to, at_ms: millis(*at) },
            search::Step::Answered { by, at, rtt, named, holds } => Self::Answered {
                by: node(by),
                at_ms: millis(*at),
                rtt_ms: millis(*rtt),
                named: named.iter().map(node).collect(),
                holds: *holds,
            },
            search::Step::Refused { by, at } => Self::Refused { by: *by, at_ms: millis(*at) },
        }
    }

    /// The step on a network that reads ids like this.
    ///
    /// # Errors
    /// An id that is none there.
    pub fn read(self, key: fn(&str) -> Result<Key, Misread>) -> Result<search::Step, Misread> {
        let contact = |node: Node| Ok(NodeContact { id: key(&node.id)?, address: node.address });
        Ok(match self {
            Self::Asked { to, at_ms } => search::Step::Asked { to, at: from_millis(at_ms) },
            Self::Answered { by, at_ms, rtt_ms, named, holds } => search::Step::Answered {
                by: contact(by)?,
                at: from_millis(at_ms),
                rtt: from_millis(rtt_ms),
                named: named.into_iter().map(contact).collect::<Result<_, _>>()?,
                holds,
            },
            Self::Refused { by, at_ms } => search::Step::Refused { by, at: from_millis(at_ms) },
        })
    }
}
