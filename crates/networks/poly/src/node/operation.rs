//! What a node remembers of one wish of its owner.
#![expect(clippy::wildcard_enum_match_arm, reason = "few kinds of commands or refusals matter")]

use std::collections::BTreeMap;
use std::time::Duration;

use kademlia::{Contact, Key, Moment};

use super::swap::Claim;
use super::walk::Walk;
use crate::command::{Acknowledgements, Command, Quorum, Report};
use crate::contact::Endpoint;
use crate::region::MIN_HOLDERS;
use crate::value::{Entry, Kind, Record, Slot, Value, Version, blob_key};

/// One wish under way.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) command: Command,
    pub(super) started: Moment,
    pub(super) deadline: Moment,
    /// When it wants to be looked after next.
    pub(super) due: Moment,
    pub(super) walk: Walk,
    pub(super) work: Work,
    pub(super) report: Report,
    /// Requests beside the walk under way.
    pub(super) asides: u32,
    /// The tags of its requests.
    pub(super) tags: Vec<u64>,
    /// Whether it waits for the node to join.
    pub(super) waits: bool,
    /// Whether it is the node's own: nobody is told.
    pub(super) is_own: bool,
    /// Whether its owner is told each step.
    pub(super) is_traced: bool,
}

/// What it is about, and what it has found.
#[derive(Debug)]
pub(super) enum Work {
    /// One node is asked for a sign of life.
    Ping,
    /// The node joins.
    Join,
    /// Nodes are looked for.
    Find,
    /// A value is stored.
    Put(Put),
    /// A blob is looked for.
    Blob(Blob),
    /// The newest version of a record is looked for.
    Record(Newest),
    /// Entries of a topic are looked for.
    List(List),
    /// Changes are waited for.
    Watch(Watching),
}

/// A put under way.
#[derive(Debug, Default)]
pub(super) struct Put {
    pub(super) acknowledgements: Acknowledgements,
    /// Whether we are to store it ourselves.
    pub(super) home: Home,
    /// Holders asked to store it.
    pub(super) served: usize,
    /// Of these, how many were asked who else is there.
    pub(super) telling: usize,
    /// Whether those at the region's edge were asked for that an answer does not name.
    pub(super) looked_beyond: bool,
    /// Holders with an older version than a swap expects that were given it all the same.
    pub(super) caught_up: usize,
    /// Whether the owner was told that it succeeded; the rest goes on behind.
    pub(super) told: bool,
    /// How far a swap is in making sure that it is the only one.
    pub(super) claim: Claim,
}

/// Whether the node that puts is to store the value itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Home {
    /// It is no holder.
    #[default]
    Elsewhere,
    /// It is one, once a swap has its promises.
    Waits,
    /// It is one, and was asked.
    Asked,
}

/// A search for a blob.
#[derive(Debug, Default)]
pub(super) struct Blob {
    /// Who answered without it, in the order of their answers.
    pub(super) lacking: Vec<Contact<Endpoint>>,
}

/// A search for the newest version of a record.
#[derive(Debug, Default)]
pub(super) struct Newest {
    pub(super) best: Option<Box<Record>>,
    /// What each replica has, ourselves included.
    pub(super) replicas: Vec<(Option<Contact<Endpoint>>, Option<Version>)>,
    /// Long versions that were asked for in vain, or are being asked for.
    pub(super) fetched: Vec<Key>,
    /// The record whose put was refused for a newer version, and its seq, if this is to find who
    /// won.
    pub(super) conflict: Option<u64>,
}

/// A search for entries.
#[derive(Debug, Default)]
pub(super) struct List {
    pub(super) entries: BTreeMap<Slot, Entry>,
    /// How many entries each replica has told, and says it has.
    pub(super) told: BTreeMap<Key, (u32, u32)>,
    /// Replicas that told all they have.
    pub(super) complete: usize,
}

/// A watch.
#[derive(Debug)]
pub(super) struct Watching {
    pub(super) key: Key,
    pub(super) kind: Kind,
    pub(super) versions: BTreeMap<Slot, Version>,
    pub(super) leases: Vec<Contact<Endpoint>>,
    pub(super) renew_at: Moment,
    /// Whether the owner was told how many replicas tell changes.
    pub(super) told: usize,
}

impl Operation {
    pub(super) fn new(
        command: Command,
        now: Moment,
        deadline: Duration,
        walk: Walk,
        work: Work,
    ) -> Self {
        let deadline = now + deadline;
        Self {
            command,
            started: now,
            deadline,
            due: deadline,
            walk,
            work,
            report: Report::default(),
            asides: 0,
            tags: Vec::new(),
            waits: false,
            is_own: false,
            is_traced: false,
        }
    }

    /// What it cost, at its end or so far.
    pub(super) fn report(&self, now: Moment) -> Report {
        Report {
            asked: self.report.asked + self.walk.asked,
            answered: self.report.answered + self.walk.answered,
            failed: self.report.failed + self.walk.failed,
            elapsed: now.since(self.started),
            ..self.report
        }
    }
}

/// The value that a command puts.
pub(super) fn put_value(command: &Command) -> Option<Value<'_>> {
    match command {
        Command::PutBlob { value, options } => Some(Value::Blob(crate::value::BlobRef {
            bytes: value,
            lifetime_s: options.lifetime_s,
        })),
        Command::PutRecord { record, .. } => Some(Value::Record(record.borrow())),
        Command::PutEntry { entry, .. } => Some(Value::Entry(entry.borrow())),
        _ => None,
    }
}

/// What a command looks for or puts, and on how many paths.
pub(super) fn target(command: &Command) -> Option<(Key, u8)> {
    match command {
        Command::FindNode(key) | Command::Watch { key, .. } => Some((*key, 1)),
        Command::PutBlob { value, options } => Some((blob_key(value), options.paths)),
        Command::PutRecord { record, options, .. } => Some((record.key(), options.paths)),
        Command::PutEntry { entry, options } => Some((entry.topic, options.paths)),
        Command::GetBlob { key, options } | Command::GetRecord { key, options } => {
            Some((*key, options.paths))
        }
        Command::ListTopic { topic, options, .. } => Some((*topic, options.paths)),
        Command::Bootstrap(_)
        | Command::Ping(_)
        | Command::Trace { .. }
        | Command::Cancel(_)
        | Command::SetClock(_) => None,
    }
}

/// By when a command ends.
pub(super) fn deadline(command: &Command) -> Duration {
    match command {
        Command::PutBlob { options, .. }
        | Command::PutRecord { options, .. }
        | Command::PutEntry { options, .. } => options.deadline,
        Command::GetBlob { options, .. }
        | Command::GetRecord { options, .. }
        | Command::ListTopic { options, .. } => options.deadline,
        Command::Watch { .. } => Duration::MAX,
        Command::Bootstrap(_)
        | Command::Ping(_)
        | Command::FindNode(_)
        | Command::Trace { .. }
        | Command::Cancel(_)
        | Command::SetClock(_) => Duration::from_secs(15),
    }
}

/// How many of `holders` must acknowledge.
pub(super) fn quorum(command: &Command, holders: usize) -> usize {
    let (wanted, swaps) = match command {
        Command::PutBlob { options, .. } | Command::PutEntry { options, .. } => {
            (options.quorum, false)
        }
        Command::PutRecord { options, expected, .. } => (options.quorum, expected.is_some()),
        _ => (Quorum::Auto, false),
    };
    let count = match wanted {
        Quorum::Auto => auto_quorum(holders),
        Quorum::Count(count) => count.into(),
        Quorum::All => holders,
    };
    // Of two that swap the same version at once, one alone can have more than half.
    let least = if swaps { holders / 2 + 1 } else { 1 };
    count.max(least)
}

fn auto_quorum(holders: usize) -> usize {
    (holders * 2).div_ceil(3).clamp(1, MIN_HOLDERS)
}

#[cfg(test)]
mod tests;
