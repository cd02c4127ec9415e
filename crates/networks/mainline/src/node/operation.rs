//! What a node remembers of one wish of its owner.

use core::net::SocketAddr;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kademlia::lookup::Lookup;
use kademlia::{Contact, Moment};

use super::side::Family;
use crate::command::{Acknowledgements, Command, Outcome, Quest, Refusal, Report};
use crate::contact::widened;
use crate::item::{MutableItem, immutable_target, mutable_target};
use crate::wire::{Bloom, Id, Response, code};

/// One wish under way.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) command: Command,
    pub(super) started: Moment,
    pub(super) deadline: Moment,
    pub(super) phase: Phase,
    pub(super) found: Found,
    pub(super) report: Report,
}

/// How far it has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// Lookups towards the target are under way, one a family at most.
    Walking {
        /// How many.
        open: usize,
    },
    /// Requests to one or several nodes are under way.
    Asking {
        /// How many.
        open: usize,
    },
    /// What it stores waits until fewer requests are under way.
    Waiting,
    /// An announcement waits for its next round.
    Resting,
}

/// What it has found so far.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Nodes that answered a walk, closest first within each family.
    pub(super) nodes: Vec<Contact<SocketAddr>>,
    /// The tokens they gave.
    pub(super) tokens: BTreeMap<SocketAddr, Box<[u8]>>,
    pub(super) peers: BTreeSet<SocketAddr>,
    pub(super) newest: Option<MutableItem>,
    /// Who holds exactly the item that is put.
    pub(super) holders: Vec<Contact<SocketAddr>>,
    pub(super) seeds: Bloom,
    pub(super) downloaders: Bloom,
    /// How many nodes' filters were merged.
    pub(super) filters: usize,
    pub(super) acknowledgements: Acknowledgements,
    /// Whether the walk has been repeated to learn who won a conflict.
    pub(super) rechecked: bool,
}

impl Found {
    /// Peers remembered of one torrent: popular ones have more than anybody connects to.
    pub(super) const MAX_PEERS: usize = 10_000;
    /// Longer tokens are not tokens; real ones have 4 to 20 bytes.
    pub(super) const MAX_TOKEN_BYTES: usize = 64;

    pub(super) fn merge_filters(&mut self, response: &Response<'_>) {
        let (Some(seeds), Some(downloaders)) = (response.seeds, response.downloaders) else {
            return;
        };
        self.seeds.union(&Bloom::from(seeds));
        self.downloaders.union(&Bloom::from(downloaders));
        self.filters += 1;
    }

    pub(super) fn scrape(&self) -> Outcome {
        Outcome::Scrape {
            seeds: self.seeds.estimate(),
            downloaders: self.downloaders.estimate(),
            filters: self.filters,
        }
    }
}

/// The words that a walk asks in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Words {
    FindNode,
    GetPeers { scrape: bool },
    Get,
    Sample,
}

impl Operation {
    pub(super) fn new(command: Command, now: Moment, deadline: Duration) -> Self {
        Self {
            command,
            started: now,
            deadline: now + deadline,
            phase: Phase::Walking { open: 0 },
            found: Found::default(),
            report: Report::default(),
        }
    }

    /// What it walks towards; `None`: it asks one address, or nobody.
    pub(super) fn target(&self) -> Option<Id> {
        match &self.command {
            Command::FindNode(target)
            | Command::GetPeers(target)
            | Command::Scrape(target)
            | Command::GetImmutable(target)
            | Command::Sample(target)
            | Command::Trace { target, .. }
            | Command::Announce { info_hash: target, .. } => Some(*target),
            Command::GetMutable { public_key, salt } => Some(mutable_target(public_key, salt)),
            Command::PutImmutable(value) => Some(immutable_target(value)),
            Command::PutMutable { item, .. } => Some(item.target()),
            Command::Bootstrap(_)
            | Command::Ping(_)
            | Command::SampleNode(_)
            | Command::Cancel(_)
            | Command::SetRateLimit(_) => None,
        }
    }

    /// The words of its walk.
    pub(super) fn words(&self) -> Words {
        match &self.command {
            Command::GetPeers(_)
            | Command::Announce { .. }
            | Command::Trace { quest: Quest::Peers, .. } => Words::GetPeers { scrape: false },
            Command::Scrape(_) => Words::GetPeers { scrape: true },
            Command::Trace { quest: Quest::Item, .. }
            | Command::GetImmutable(_)
            | Command::GetMutable { .. }
            | Command::PutImmutable(_)
            | Command::PutMutable { .. } => Words::Get,
            Command::Sample(_) => Words::Sample,
            Command::Bootstrap(_)
            | Command::Ping(_)
            | Command::FindNode(_)
            | Command::Trace { quest: Quest::Nodes, .. }
            | Command::SampleNode(_)
            | Command::Cancel(_)
            | Command::SetRateLimit(_) => Words::FindNode,
        }
    }

    /// Whether its owner is told each step.
    pub(super) fn is_traced(&self) -> bool {
        matches!(self.command, Command::Trace { .. })
    }

    /// Whether its walk is followed by requests to store.
    pub(super) fn stores(&self) -> bool {
        matches!(
            self.command,
            Command::Announce { .. } | Command::PutImmutable(_) | Command::PutMutable { .. }
        )
    }

    /// Whether it goes on until it is cancelled.
    pub(super) fn is_announcement(&self) -> bool {
        matches!(self.command, Command::Announce { .. })
    }

    /// The signed item with the highest `seq` found that speaks against storing ours.
    pub(super) fn conflict(&self) -> Option<&MutableItem> {
        let Command::PutMutable { item, cas } = &self.command else { return None };
        let newest = self.found.newest.as_ref()?;
        let is_same = newest.seq == item.seq && newest.value == item.value;
        let is_older = newest.seq >= item.seq && !is_same;
        // What a second walk meets may be what we have just stored ourselves.
        let is_ours = is_same && self.found.rechecked;
        let is_swapped = cas.is_some_and(|cas| cas != newest.seq) && !is_ours;
        (is_older || is_swapped).then_some(newest)
    }

    pub(super) fn merge_lookup<A: Family>(&mut self, lookup: &Lookup<A>) {
        let stats = lookup.stats();
        self.report.asked += stats.asked;
        self.report.answered += stats.answered;
        self.report.failed += stats.failed;
        self.report.hops = self.report.hops.max(lookup.hops());
        // To store, those further away count too: of the closest, some may withhold their token.
        let wanted = if self.stores() { usize::MAX } else { lookup.closest().len() };
        let nodes = lookup.answered_contacts().take(wanted);
        self.found.nodes.extend(nodes.map(|contact| widened(&contact)));
    }

    /// The item in `response` if it is the one looked for, properly signed, and newer than what is
    /// known.
    pub(super) fn newer_item(&self, response: &Response<'_>) -> Option<MutableItem> {
        let (public_key, salt) = match &self.command {
            Command::GetMutable { public_key, salt } => (public_key, salt),
            Command::PutMutable { item, .. } => (&item.public_key, &item.salt),
            Command::Bootstrap(_)
            | Command::Ping(_)
            | Command::FindNode(_)
            | Command::GetPeers(_)
            | Command::Announce { .. }
            | Command::Scrape(_)
            | Command::GetImmutable(_)
            | Command::PutImmutable(_)
            | Command::Sample(_)
            | Command::SampleNode(_)
            | Command::Trace { .. }
            | Command::Cancel(_)
            | Command::SetRateLimit(_) => return None,
        };
        let seq = response.seq?;
        let value = response.value?;
        // Of two with one seq the greater value wins, so that all who ask agree.
        let known = self.found.newest.as_ref();
        let is_news = known.is_none_or(|known| (known.seq, &*known.value) < (seq, value));
        if response.public_key? != public_key || !is_news {
            return None;
        }
        let item = MutableItem {
            public_key: *public_key,
            salt: salt.clone(),
            seq,
            value: value.into(),
            signature: *response.signature?,
        };
        item.verify().is_ok().then_some(item)
    }

    /// Whether holders refused our version for one that the walk did not meet.
    pub(super) fn lost_unknown_conflict(&self) -> bool {
        let is_conflict =
            |refusal: &Refusal| matches!(refusal.code, code::CAS_MISMATCH | code::SEQUENCE_TOO_LOW);
        let known = matches!((&self.command, &self.found.newest),
            (Command::PutMutable { item, .. }, Some(newest)) if newest == item);
        matches!(self.command, Command::PutMutable { .. })
            && !self.found.rechecked
            && !known
            && self.found.acknowledgements.refused.iter().any(is_conflict)
    }
}
