//! The status of a node as the API tells it.

use core::net::SocketAddr;
use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::convert::{Misread, bytes, key};
use super::{from_millis, hex, hex_bytes, millis};
use crate::poly::{PolyStatus, Reachability};
use crate::status::{self, Outcomes, Tally};

/// How a node is doing. Counters run from its start.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Status {
    /// Since its start.
    pub uptime_ms: f64,
    /// The UDP addresses it listens on.
    #[cfg_attr(feature = "schema", schema(value_type = Vec<String>))]
    pub listen: Vec<SocketAddr>,
    /// What passed through its sockets.
    pub traffic: Traffic,
    /// What it had to drop, and why.
    pub dropped: Dropped,
    /// What it keeps on disk; null: nothing.
    pub disk: Option<Disk>,
    /// Its part in the Mainline DHT; null: none.
    pub mainline: Option<Mainline>,
    /// Its part in Polykad's own network; null: none.
    #[serde(default)]
    pub poly: Option<Poly>,
}

/// A node's part in Polykad's own network.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Poly {
    /// Its id, an Ed25519 public key: 64 hexadecimal digits.
    pub id: String,
    /// The UDP addresses it listens on.
    #[cfg_attr(feature = "schema", schema(value_type = Vec<String>))]
    pub listen: Vec<SocketAddr>,
    /// Whether others can reach it, as they have tried: `unknown`, `reachable` or `unreachable`;
    /// if not, it holds nothing.
    #[serde(default)]
    pub reachability: String,
    /// The UDP port of the gateway that leads to the node's; null: none.
    #[serde(default)]
    pub mapped_port: Option<u16>,
    /// Estimated number of nodes in the network; null: too little is known.
    pub network_size: Option<f64>,
    /// Nodes it remembers.
    pub contacts: usize,
    /// Of these, those in its routing table.
    pub table: usize,
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
    pub queries: BTreeMap<String, u64>,
    /// Requests answered.
    pub answers: u64,
    /// Requests refused.
    pub refused: u64,
    /// The same by why.
    pub refusals: BTreeMap<String, u64>,
    /// Requests sent.
    pub asked: u64,
    /// Answers and refusals received to requests sent.
    pub heard: u64,
    /// Answers and refusals received that belong to no request.
    pub unsolicited: u64,
    /// False values received.
    pub forged: u64,
    /// Values exchanged with other holders to keep enough replicas.
    pub repaired: u64,
    /// What became of the owner's operations, by kind.
    pub outcomes: BTreeMap<String, Latency>,
}

/// What passed through the sockets, UDP payload only.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
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
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Dropped {
    /// Received datagrams that exceeded the receive buffer.
    pub oversized: u64,
    /// Received datagrams over the rate limit of their source.
    pub rate_limited: u64,
    /// Received datagrams that are not of the protocol.
    pub malformed: u64,
    /// Messages not sent because the socket was full.
    pub send_full: u64,
    /// Messages that the system refused to send.
    pub send_failed: u64,
    /// Findings not told because the one who asked did not keep up.
    pub untold: u64,
    /// Changes not persisted because the disk did not keep up or is full.
    pub unpersisted: u64,
}

/// What is kept on disk. Where is the operator's business.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Disk {
    /// Size of the file with the stored values.
    pub bytes: u64,
    /// Why the last write failed, if it did.
    pub trouble: Option<String>,
}

/// A node's part in the Mainline DHT.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Mainline {
    /// Its side on IPv4; null: it does not listen there.
    pub v4: Option<Family>,
    /// Its side on IPv6; null: it does not listen there.
    pub v6: Option<Family>,
    /// Torrents it stores peers of.
    pub info_hashes: usize,
    /// Peers it stores.
    pub peers: usize,
    /// Values it stores.
    pub items: usize,
    /// Operations under way.
    pub operations: usize,
    /// What passed between it and others.
    pub messages: Messages,
    /// Queries taken in, by method.
    pub queries: BTreeMap<String, u64>,
    /// Queries answered with an error, by why.
    pub faults: BTreeMap<String, u64>,
    /// Queries left unanswered because their host had asked too much.
    pub limited_by_host: u64,
    /// Queries left unanswered because the hosts of their subnet had, together.
    pub limited_by_subnet: u64,
    /// What became of the owner's operations, by kind.
    pub outcomes: BTreeMap<String, Latency>,
}

/// A node's side on one address family.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Family {
    /// Its id.
    pub id: String,
    /// The address that others see it at, once enough of them agree (BEP 42).
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    pub external: Option<SocketAddr>,
    /// Contacts that answered lately.
    pub good: usize,
    /// Contacts not heard of for a while.
    pub questionable: usize,
    /// Estimated number of nodes in the network.
    pub network_size: Option<f64>,
}

/// What passed between a node and others.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
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

/// What became of operations of one kind, and how long they took.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Latency {
    /// Brought what they should.
    pub done: u64,
    /// Ended well but brought nothing.
    pub not_found: u64,
    /// Failed.
    pub failed: u64,
    /// The time all of them took together.
    pub elapsed_ms: f64,
    /// How many took at most 1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000 and 30000
    /// ms, each counted at the first limit that holds it.
    pub by_latency: Vec<u64>,
}

impl From<&status::Status> for Status {
    fn from(status: &status::Status) -> Self {
        let status::Traffic { received, received_bytes, sent, sent_bytes } = status.traffic;
        let dropped = &status.dropped;
        let disk = status.disk.as_ref();
        Self {
            uptime_ms: millis(status.uptime),
            listen: status.listen.clone(),
            traffic: Traffic { received, received_bytes, sent, sent_bytes },
            dropped: Dropped {
                oversized: dropped.oversized,
                rate_limited: dropped.rate_limited,
                malformed: dropped.malformed,
                send_full: dropped.send_full,
                send_failed: dropped.send_failed,
                untold: dropped.untold,
                unpersisted: dropped.unpersisted,
            },
            disk: disk.map(|disk| Disk { bytes: disk.bytes, trouble: disk.trouble.clone() }),
            mainline: status.mainline.as_ref().map(Mainline::from),
            poly: status.poly.as_ref().map(Poly::from),
        }
    }
}

impl From<&PolyStatus> for Poly {
    fn from(poly: &PolyStatus) -> Self {
        Self {
            id: hex_bytes(poly.id.as_bytes()),
            listen: poly.listen.clone(),
            reachability: poly.reachability.name().to_owned(),
            mapped_port: poly.mapped_port,
            network_size: poly.network_size,
            contacts: poly.contacts,
            table: poly.table,
            values: poly.values,
            value_bytes: poly.value_bytes,
            operations: poly.operations,
            watchers: poly.watchers,
            sessions: poly.sessions,
            requests: poly.requests,
            queries: tallies(&poly.queries),
            answers: poly.answers,
            refused: poly.refused,
            refusals: tallies(&poly.refusals),
            asked: poly.asked,
            heard: poly.heard,
            unsolicited: poly.unsolicited,
            forged: poly.forged,
            repaired: poly.repaired,
            outcomes: latencies(&poly.outcomes),
        }
    }
}

impl TryFrom<Poly> for PolyStatus {
    type Error = Misread;

    fn try_from(poly: Poly) -> Result<Self, Misread> {
        Ok(Self {
            id: kademlia::Key::new(bytes(&poly.id)?),
            listen: poly.listen,
            reachability: Reachability::named(&poly.reachability).unwrap_or_default(),
            mapped_port: poly.mapped_port,
            network_size: poly.network_size,
            contacts: poly.contacts,
            table: poly.table,
            values: poly.values,
            value_bytes: poly.value_bytes,
            operations: poly.operations,
            watchers: poly.watchers,
            sessions: poly.sessions,
            requests: poly.requests,
            queries: from_tallies(poly.queries),
            answers: poly.answers,
            refused: poly.refused,
            refusals: from_tallies(poly.refusals),
            asked: poly.asked,
            heard: poly.heard,
            unsolicited: poly.unsolicited,
            forged: poly.forged,
            repaired: poly.repaired,
            outcomes: from_latencies(poly.outcomes)?,
        })
    }
}

impl From<&status::MainlineStatus> for Mainline {
    fn from(mainline: &status::MainlineStatus) -> Self {
        let status::Messages { queries, answers, errors, requests, responses, unsolicited } =
            mainline.messages;
        Self {
            v4: mainline.v4.as_ref().map(Family::from),
            v6: mainline.v6.as_ref().map(Family::from),
            info_hashes: mainline.info_hashes,
            peers: mainline.peers,
            items: mainline.items,
            operations: mainline.operations,
            messages: Messages { queries, answers, errors, requests, responses, unsolicited },
            queries: tallies(&mainline.queries),
            faults: tallies(&mainline.faults),
            limited_by_host: mainline.limited_by_host,
            limited_by_subnet: mainline.limited_by_subnet,
            outcomes: latencies(&mainline.outcomes),
        }
    }
}

fn tallies(tallies: &[Tally]) -> BTreeMap<String, u64> {
    tallies.iter().map(|tally| (tally.name.to_string(), tally.count)).collect()
}

fn from_tallies(tallies: BTreeMap<String, u64>) -> Vec<Tally> {
    let tallies = tallies.into_iter();
    tallies.map(|(name, count)| Tally { name: Cow::Owned(name), count }).collect()
}

impl From<&status::FamilyStatus> for Family {
    fn from(family: &status::FamilyStatus) -> Self {
        Self {
            id: hex(&family.id),
            external: family.external,
            good: family.good,
            questionable: family.questionable,
            network_size: family.network_size,
        }
    }
}

impl From<&Outcomes> for Latency {
    fn from(outcomes: &Outcomes) -> Self {
        Self {
            done: outcomes.done,
            not_found: outcomes.not_found,
            failed: outcomes.failed,
            elapsed_ms: millis(outcomes.elapsed),
            by_latency: outcomes.by_latency.to_vec(),
        }
    }
}

impl TryFrom<Status> for status::Status {
    type Error = Misread;

    fn try_from(status: Status) -> Result<Self, Misread> {
        let Traffic { received, received_bytes, sent, sent_bytes } = status.traffic;
        let Dropped {
            oversized,
            rate_limited,
            malformed,
            send_full,
            send_failed,
            untold,
            unpersisted,
        } = status.dropped;
        Ok(Self {
            uptime: from_millis(status.uptime_ms),
            listen: status.listen,
            traffic: status::Traffic { received, received_bytes, sent, sent_bytes },
            dropped: status::Dropped {
                oversized,
                rate_limited,
                malformed,
                send_full,
                send_failed,
                untold,
                unpersisted,
            },
            disk: status.disk.map(|disk| status::DiskStatus {
                folder: std::path::PathBuf::new(),
                bytes: disk.bytes,
                trouble: disk.trouble,
            }),
            mainline: status.mainline.map(status::MainlineStatus::try_from).transpose()?,
            poly: status.poly.map(PolyStatus::try_from).transpose()?,
        })
    }
}

impl TryFrom<Mainline> for status::MainlineStatus {
    type Error = Misread;

    fn try_from(mainline: Mainline) -> Result<Self, Misread> {
        let Messages { queries, answers, errors, requests, responses, unsolicited } =
            mainline.messages;
        Ok(Self {
            v4: mainline.v4.map(status::FamilyStatus::try_from).transpose()?,
            v6: mainline.v6.map(status::FamilyStatus::try_from).transpose()?,
            info_hashes: mainline.info_hashes,
            peers: mainline.peers,
            items: mainline.items,
            operations: mainline.operations,
            messages: status::Messages {
                queries,
                answers,
                errors,
                requests,
                responses,
                unsolicited,
            },
            queries: from_tallies(mainline.queries),
            faults: from_tallies(mainline.faults),
            limited_by_host: mainline.limited_by_host,
            limited_by_subnet: mainline.limited_by_subnet,
            outcomes: from_latencies(mainline.outcomes)?,
        })
    }
}

fn latencies(outcomes: &[Outcomes]) -> BTreeMap<String, Latency> {
    outcomes.iter().map(|one| (one.kind.to_string(), Latency::from(one))).collect()
}

fn from_latencies(latencies: BTreeMap<String, Latency>) -> Result<Vec<Outcomes>, Misread> {
    latencies.into_iter().map(outcomes).collect()
}

fn outcomes((kind, latency): (String, Latency)) -> Result<Outcomes, Misread> {
    Ok(Outcomes {
        kind: Cow::Owned(kind),
        done: latency.done,
        not_found: latency.not_found,
        failed: latency.failed,
        elapsed: from_millis(latency.elapsed_ms),
        by_latency: latency.by_latency.try_into().map_err(|_| Misread)?,
    })
}

impl TryFrom<Family> for status::FamilyStatus {
    type Error = Misread;

    fn try_from(family: Family) -> Result<Self, Misread> {
        Ok(Self {
            id: key(&family.id)?,
            external: family.external,
            good: family.good,
            questionable: family.questionable,
            network_size: family.network_size,
        })
    }
}
