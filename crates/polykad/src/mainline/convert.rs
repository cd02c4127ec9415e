//! The node's words in the words of the client API.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "outcomes and failures grow; one that does not fit what was asked is no answer to it"
)]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use client::Step;
use client::error::{AnnounceError, FindError, GetError, PingError, PutError};
use client::mainline::{KnownContact, Pong, Sample, SignedItem, StoredKey};
use client::search::Round;
use client::status::{Dropped, FamilyStatus, MainlineStatus, Messages, Status, Tally, Traffic};
use client::{Key, NodeContact, PutReport, Refusal, Report};
use kademlia::table::Member;
use kademlia::{Contact, Moment};
use mainline::command::{self, Acknowledgements, Failure, Outcome, Quest};
use mainline::item::{ItemError, MutableItem, Salt};
use mainline::node;
use mainline::wire::Id;

use crate::driver::Counters;

pub(super) fn contact(contact: &Contact<SocketAddr>) -> NodeContact {
    NodeContact { id: contact.key, address: contact.address }
}

pub(super) fn report(report: &command::Report) -> Report {
    let command::Report { asked, answered, failed, hops, elapsed } = *report;
    Report { asked, answered, failed, hops, elapsed }
}

pub(super) fn sample(sample: &command::Sample) -> Sample {
    Sample {
        from: contact(&sample.from),
        info_hashes: sample.info_hashes.iter().map(Id::key).collect(),
        total: sample.total,
        interval: sample.interval,
    }
}

pub(super) fn signed_item(item: MutableItem) -> SignedItem {
    SignedItem {
        public_key: item.public_key,
        salt: item.salt.as_bytes().to_vec(),
        seq: item.seq,
        value: item.value.into(),
        signature: item.signature,
    }
}

pub(super) fn mutable_item(item: SignedItem) -> Result<MutableItem, ItemError> {
    Ok(MutableItem {
        public_key: item.public_key,
        salt: Salt::new(&item.salt)?,
        seq: item.seq,
        value: item.value.into(),
        signature: item.signature,
    })
}

fn refusal(refusal: command::Refusal) -> Refusal {
    let command::Refusal { from, code, message } = refusal;
    Refusal { from, code, message }
}

pub(super) fn put_report(
    key: Key,
    seq: Option<i64>,
    acknowledgements: Acknowledgements,
    report: Option<Report>,
) -> PutReport {
    let Acknowledgements { stored, refused, silent } = acknowledgements;
    PutReport {
        key,
        seq,
        acknowledged: stored.iter().map(contact).collect(),
        refused: refused.into_iter().map(refusal).collect(),
        silent,
        report,
    }
}

/// A round of an announcement.
pub(super) fn round(key: Key, acknowledgements: Acknowledgements) -> Round {
    let report = put_report(key, None, acknowledgements, None);
    let asked = !report.refused.is_empty() || report.silent > 0;
    match report.acknowledged.is_empty() {
        false => Ok(report),
        true if asked => Err(AnnounceError::NotStored { report: Box::new(report) }),
        true => Err(FindError::NoAnswer.into()),
    }
}

pub(super) fn pong(address: SocketAddr, outcome: Outcome) -> Result<Pong, PingError> {
    match outcome {
        Outcome::Pong { contact: from, rtt, version } => {
            Ok(Pong { contact: contact(&from), rtt, version })
        }
        outcome => Err(ping_error(address, outcome)),
    }
}

pub(super) fn ping_error(address: SocketAddr, outcome: Outcome) -> PingError {
    match outcome {
        Outcome::Failed(Failure::Refused(words)) => PingError::Refused(refusal(words)),
        Outcome::Failed(Failure::WrongFamily) => PingError::WrongFamily { address },
        Outcome::Failed(failure @ (Failure::TooManyOperations { .. } | Failure::Cancelled)) => {
            find_error(&failure).into()
        }
        _ => PingError::NoAnswer { address },
    }
}

/// Why a lookup did not come about.
pub(super) fn find_error(failure: &Failure) -> FindError {
    match failure {
        Failure::NoContacts => FindError::NoContacts,
        Failure::WrongFamily => FindError::WrongFamily,
        Failure::TooManyOperations { limit } => FindError::TooManyOperations { limit: *limit },
        Failure::Cancelled => FindError::Stopped,
        _ => FindError::NoAnswer,
    }
}

/// Of an outcome that is not the one asked for.
pub(super) fn failed(outcome: &Outcome) -> FindError {
    match outcome {
        Outcome::Failed(failure) => find_error(failure),
        _ => FindError::NoAnswer,
    }
}

pub(super) fn get_error(outcome: &Outcome, report: Report) -> GetError {
    match outcome {
        Outcome::Item(_) => GetError::NotFound { report },
        outcome => failed(outcome).into(),
    }
}

pub(super) fn put_error(
    outcome: Outcome,
    report: impl FnOnce(Acknowledgements) -> PutReport,
) -> PutError {
    match outcome {
        Outcome::Failed(Failure::Invalid(error)) => item_error(error),
        Outcome::Failed(Failure::Conflict { winner, acknowledgements }) => PutError::Conflict {
            winner: Box::new(signed_item(*winner)),
            report: Box::new(report(acknowledgements)),
        },
        Outcome::Failed(Failure::NotStored(acknowledgements)) => {
            PutError::NotStored { report: Box::new(report(acknowledgements)) }
        }
        outcome => failed(&outcome).into(),
    }
}

/// Why an item can't be put.
pub(super) fn item_error(error: ItemError) -> PutError {
    match error {
        ItemError::ValueTooLong(bytes) => PutError::ValueTooLong { bytes },
        ItemError::SaltTooLong(bytes) => PutError::SaltTooLong { bytes },
        ItemError::NotBencoded => PutError::NotBencoded,
        _ => PutError::BadSignature,
    }
}

pub(super) fn status(now: Moment, node: &node::Status, counters: Counters) -> Status {
    let mut status = Status::default();
    status.uptime = now.since(Moment::START);
    status.traffic = Traffic {
        received: counters.received,
        received_bytes: counters.received_bytes,
        sent: counters.sent,
        sent_bytes: counters.sent_bytes,
    };
    let mut dropped = Dropped::default();
    dropped.oversized = counters.oversized;
    dropped.send_full = counters.send_full;
    dropped.send_failed = counters.send_failed;
    dropped.malformed = node.counters.malformed;
    dropped.rate_limited = node.refusals.by_host + node.refusals.by_subnet;
    status.dropped = dropped;
    let mut mainline = MainlineStatus::default();
    mainline.v4 = node.v4.as_ref().map(family);
    mainline.v6 = node.v6.as_ref().map(family);
    mainline.info_hashes = node.info_hashes;
    mainline.peers = node.peers;
    mainline.items = node.items;
    mainline.operations = node.operations;
    mainline.messages = Messages {
        queries: node.counters.queries,
        answers: node.counters.answers,
        errors: node.counters.errors,
        requests: node.counters.requests,
        responses: node.counters.responses,
        unsolicited: node.counters.unsolicited,
    };
    mainline.queries = queries(node.counters.by_method);
    mainline.faults = faults(node.counters.by_fault);
    mainline.limited_by_host = node.refusals.by_host;
    mainline.limited_by_subnet = node.refusals.by_subnet;
    status.mainline = Some(mainline);
    status
}

fn family(family: &node::FamilyStatus) -> FamilyStatus {
    FamilyStatus {
        id: family.id.key(),
        external: family.external,
        good: family.census.good,
        questionable: family.census.questionable,
        network_size: family.network_size.map(|size| size.nodes),
    }
}

fn tallies<const N: usize>(counts: [(&'static str, u64); N]) -> Vec<Tally> {
    counts.into_iter().map(|(name, count)| Tally { name: name.into(), count }).collect()
}

fn queries(by: node::ByMethod) -> Vec<Tally> {
    tallies([
        ("ping", by.ping),
        ("find_node", by.find_node),
        ("get_peers", by.get_peers),
        ("announce_peer", by.announce_peer),
        ("get", by.get),
        ("put", by.put),
        ("sample_infohashes", by.sample_infohashes),
        ("unknown", by.unknown),
    ])
}

fn faults(by: node::ByFault) -> Vec<Tally> {
    tallies([
        ("store_full", by.store_full),
        ("protocol", by.protocol),
        ("unknown_method", by.unknown_method),
        ("too_long", by.too_long),
        ("bad_signature", by.bad_signature),
        ("conflict", by.conflict),
        ("other", by.other),
    ])
}

/// A contact as the node knows it.
pub(super) fn member(now: Moment, member: &Member<SocketAddr>) -> KnownContact {
    let standing = &member.standing;
    KnownContact {
        contact: contact(&member.contact),
        rtt: standing.rtt.smoothed(),
        known_for: now.since(standing.first_answer()),
        silent_for: now.since(standing.last_seen()),
        failures: standing.failures,
        verified: standing.verified,
    }
}

/// Keys of what the node stores; each once.
pub(super) fn stored(now: Moment, node: &node::Node, most: usize) -> Vec<StoredKey> {
    let mut keys = BTreeSet::new();
    for (id, quest) in node.stored_keys(now) {
        if keys.len() >= most {
            break;
        }
        keys.insert(StoredKey { key: id.key(), is_torrent: quest == Quest::Peers });
    }
    keys.into_iter().collect()
}

/// A step of a walk; `None`: one that nobody is told of.
pub(super) fn step(at: Duration, step: command::Step) -> Option<Step> {
    Some(match step {
        command::Step::Asked(to) => Step::Asked { to, at },
        command::Step::Answered { by, rtt, named, holds } => {
            let named = named.iter().map(contact).collect();
            Step::Answered { by: contact(&by), at, rtt, named, holds }
        }
        command::Step::Refused(by) => Step::Refused { by, at },
        _ => return None,
    })
}
