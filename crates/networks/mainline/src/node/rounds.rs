//! The ends of walks and rounds: what is done with what was found, and what the owner is told.

use core::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
use std::time::Duration;

use kademlia::lookup::Lookup;
use kademlia::overlay::{LookupId, OverlayEvent};
use kademlia::{Moment, OperationId};

use super::Node;
use super::operation::{Found, Phase};
use super::side::Family;
use crate::command::{Acknowledgements, Command, Event, Failure, Item, Outcome, Progress};
use crate::item::immutable_target;
use crate::wire::{Mutable, Put, Request};

impl Node {
    /// What the overlay has to tell.
    pub(super) fn overlay_event<A: Family>(&mut self, now: Moment, event: OverlayEvent<A>) {
        match event {
            OverlayEvent::LookupDone(lookup, result) => {
                if let Some(id) = self.core.walks.remove(&(A::V6, lookup)) {
                    self.lookup_done(now, id, &result);
                }
            }
            OverlayEvent::Unanswered(tag) => {
                let Some(id) = self.core.requests.remove(&tag) else { return };
                let Some(operation) = self.core.operations.get_mut(&id) else { return };
                operation.report.failed += 1;
                if operation.stores() {
                    operation.found.acknowledgements.silent += 1;
                    self.asked_one(now, id);
                } else {
                    self.finish(now, id, Outcome::Failed(Failure::NoAnswer));
                }
            }
        }
    }

    fn lookup_done<A: Family>(&mut self, now: Moment, id: OperationId, result: &Lookup<A>) {
        let Some(operation) = self.core.operations.get_mut(&id) else { return };
        operation.merge_lookup(result);
        let Phase::Walking { open } = &mut operation.phase else { return };
        *open = open.saturating_sub(1);
        if *open == 0 {
            self.walked(now, id);
        }
    }

    /// All lookups of an operation are done.
    fn walked(&mut self, now: Moment, id: OperationId) {
        let Some(operation) = self.core.operations.get_mut(&id) else { return };
        if operation.conflict().is_some() || operation.found.rechecked {
            self.stored(now, id);
            return;
        }
        if operation.found.nodes.is_empty() {
            self.give_up(now, id, Failure::NoAnswer);
            return;
        }
        let found = &mut operation.found;
        let outcome = match &operation.command {
            Command::PutImmutable(_) | Command::PutMutable { .. } | Command::Announce { .. } => {
                // `store_next` goes on.
                operation.phase = Phase::Waiting;
                self.core.waiting.push_back(id);
                return;
            }
            Command::GetPeers(_) => Outcome::Peers(found.peers.iter().copied().collect()),
            Command::Scrape(_) => found.scrape(),
            Command::GetImmutable(_) => Outcome::Item(None),
            Command::GetMutable { .. } => Outcome::Item(found.newest.take().map(Item::Mutable)),
            Command::Bootstrap(_)
            | Command::FindNode(_)
            | Command::Sample(_)
            | Command::Trace { .. }
            | Command::Ping(_)
            | Command::SampleNode(_)
            | Command::Cancel(_)
            | Command::SetRateLimit(_) => Outcome::Nodes(core::mem::take(&mut found.nodes)),
        };
        self.finish(now, id, outcome);
    }

    /// Sends what is next to be stored, if there is room. Returns whether there was any.
    pub(super) fn store_next(&mut self, now: Moment) -> bool {
        if !self.sides.have_room(self.core.settings.lookup.closest) {
            return false;
        }
        let Some(id) = self.core.waiting.pop_front() else { return false };
        let phase = self.core.operations.get(&id).map(|operation| operation.phase);
        if phase == Some(Phase::Waiting) {
            self.store(now, id);
        }
        true
    }

    /// Sends what is to be stored to the closest nodes that gave a token: k of each family.
    fn store(&mut self, now: Moment, id: OperationId) {
        let Some(operation) = self.core.operations.get_mut(&id) else { return };
        operation.phase = Phase::Asking { open: 0 };
        let tokens = core::mem::take(&mut operation.found.tokens);
        let nodes = core::mem::take(&mut operation.found.nodes);
        let command = operation.command.clone();
        let replicas = self.core.settings.lookup.closest;
        let mut open = 0;
        for v6 in [false, true] {
            let family = nodes.iter().filter(|contact| contact.address.is_ipv6() == v6);
            let holders =
                family.filter_map(|contact| Some((contact, tokens.get(&contact.address)?)));
            for (contact, token) in holders.take(replicas) {
                let Some(request) = store_request(&command, token) else { continue };
                let key = Some(contact.key);
                let sent = match contact.address {
                    SocketAddr::V4(to) => self.ask(now, id, to, key, request),
                    SocketAddr::V6(to) => self.ask(now, id, to, key, request),
                };
                open += usize::from(sent);
            }
        }
        if open == 0 {
            self.stored(now, id);
        } else if let Some(operation) = self.core.operations.get_mut(&id) {
            operation.phase = Phase::Asking { open };
        }
    }

    /// All requests to store have ended, or were not worth sending.
    pub(super) fn stored(&mut self, now: Moment, id: OperationId) {
        let Some(operation) = self.core.operations.get_mut(&id) else { return };
        if let Some(winner) = operation.conflict().cloned() {
            let acknowledgements = core::mem::take(&mut operation.found.acknowledgements);
            let failure = Failure::Conflict { winner: Box::new(winner), acknowledgements };
            self.finish(now, id, Outcome::Failed(failure));
            return;
        }
        if operation.lost_unknown_conflict() {
            // Someone was faster than our walk: another walk tells who.
            operation.found.rechecked = true;
            if let Err(failure) = self.walk(now, id) {
                self.finish(now, id, Outcome::Failed(failure));
            }
            return;
        }
        let acknowledgements = operation.found.acknowledgements.clone();
        if operation.is_announcement() {
            let progress = Progress::Announced(acknowledgements);
            self.core.events.push_back(Event::Progress(id, progress));
            self.rest(now, id, self.core.settings.announce_every);
            return;
        }
        let outcome = if acknowledgements.stored.is_empty() {
            Outcome::Failed(Failure::NotStored(acknowledgements))
        } else {
            Outcome::Stored(acknowledgements)
        };
        self.finish(now, id, outcome);
    }

    /// An announcement waits for its next round.
    fn rest(&mut self, now: Moment, id: OperationId, pause: Duration) {
        let Some(operation) = self.core.operations.get_mut(&id) else { return };
        self.core.deadlines.remove(&(operation.deadline, id));
        operation.deadline = now + pause;
        operation.phase = Phase::Resting;
        self.core.deadlines.insert((operation.deadline, id), ());
    }

    /// A walk came to nothing. An announcement tries again soon, everything else has failed.
    fn give_up(&mut self, now: Moment, id: OperationId, failure: Failure) {
        const RETRY: Duration = Duration::from_mins(1);
        let Some(operation) = self.core.operations.get_mut(&id) else { return };
        if operation.is_announcement() {
            let nobody = Acknowledgements::default();
            self.core.events.push_back(Event::Progress(id, Progress::Announced(nobody)));
            self.rest(now, id, RETRY);
        } else {
            self.finish(now, id, Outcome::Failed(failure));
        }
    }

    /// Ends operations whose time is up with what they have, and begins rounds that are due.
    pub(super) fn operations_due(&mut self, now: Moment) {
        while let Some((&(due, id), ())) = self.core.deadlines.first() {
            if due > now {
                return;
            }
            self.core.deadlines.remove(&(due, id));
            let Some(operation) = self.core.operations.get_mut(&id) else { continue };
            match operation.phase {
                Phase::Resting => self.next_round(now, id),
                Phase::Walking { .. } => {
                    self.abandon_walks(id);
                    self.walked_in_part(now, id);
                }
                Phase::Waiting => {
                    operation.found.rechecked = true;
                    self.stored(now, id);
                }
                Phase::Asking { open } => {
                    operation.found.acknowledgements.silent += open;
                    self.core.requests.retain(|_, owner| *owner != id);
                    if operation.stores() {
                        operation.found.rechecked = true;
                        self.stored(now, id);
                    } else {
                        self.finish(now, id, Outcome::Failed(Failure::NoAnswer));
                    }
                }
            }
        }
    }

    fn next_round(&mut self, now: Moment, id: OperationId) {
        let Some(operation) = self.core.operations.get_mut(&id) else { return };
        operation.found = Found::default();
        operation.deadline = now + self.core.settings.deadline;
        self.core.deadlines.insert((operation.deadline, id), ());
        if let Err(failure) = self.walk(now, id) {
            self.give_up(now, id, failure);
        }
    }

    /// Takes what the lookups of an operation have found so far, and stops them.
    fn abandon_walks(&mut self, id: OperationId) {
        let walks: Vec<_> = self
            .core
            .walks
            .iter()
            .filter(|(_, owner)| **owner == id)
            .map(|(walk, _)| *walk)
            .collect();
        for (v6, lookup) in walks {
            self.core.walks.remove(&(v6, lookup));
            if v6 {
                self.abandon_walk::<SocketAddrV6>(id, lookup);
            } else {
                self.abandon_walk::<SocketAddrV4>(id, lookup);
            }
        }
    }

    fn abandon_walk<A: Family>(&mut self, id: OperationId, lookup: LookupId) {
        let Some(side) = A::side(&mut self.sides) else { return };
        let Some(operation) = self.core.operations.get_mut(&id) else { return };
        if let Some(lookup) = side.overlay.lookup(lookup) {
            operation.merge_lookup(lookup);
        }
        side.overlay.cancel_lookup(lookup);
    }

    /// Time is up in the middle of a walk: nothing is stored any more.
    fn walked_in_part(&mut self, now: Moment, id: OperationId) {
        let Some(operation) = self.core.operations.get_mut(&id) else { return };
        let is_stored = operation.found.rechecked || operation.conflict().is_some();
        if !operation.stores() || is_stored {
            self.walked(now, id);
        } else if operation.is_announcement() {
            self.give_up(now, id, Failure::NoAnswer);
        } else {
            let acknowledgements = core::mem::take(&mut operation.found.acknowledgements);
            self.finish(now, id, Outcome::Failed(Failure::NotStored(acknowledgements)));
        }
    }

    pub(super) fn finish(&mut self, now: Moment, id: OperationId, outcome: Outcome) {
        self.abandon_walks(id);
        let Some(operation) = self.core.operations.remove(&id) else { return };
        self.core.deadlines.remove(&(operation.deadline, id));
        self.core.requests.retain(|_, owner| *owner != id);
        let mut report = operation.report;
        report.elapsed = now.since(operation.started);
        self.core.events.push_back(Event::Done(id, outcome, report));
    }
}

/// The request that stores what a command wants stored.
fn store_request<'a>(command: &'a Command, token: &'a [u8]) -> Option<Request<'a>> {
    match command {
        Command::Announce { info_hash, port, seed } => Some(Request::AnnouncePeer {
            info_hash: *info_hash,
            port: port.unwrap_or(0),
            implied_port: port.is_none(),
            seed: *seed,
            token,
        }),
        Command::PutImmutable(value) => Some(Request::Put(Put {
            token,
            value,
            mutable: None,
            // Some implementations refuse a put without it.
            target: Some(immutable_target(value)),
        })),
        Command::PutMutable { item, cas } => Some(Request::Put(Put {
            token,
            value: &item.value,
            mutable: Some(Mutable {
                public_key: &item.public_key,
                signature: &item.signature,
                seq: item.seq,
                cas: *cas,
                salt: item.salt.as_bytes(),
            }),
            target: Some(item.target()),
        })),
        Command::Bootstrap(_)
        | Command::Ping(_)
        | Command::FindNode(_)
        | Command::GetPeers(_)
        | Command::Scrape(_)
        | Command::GetImmutable(_)
        | Command::GetMutable { .. }
        | Command::Sample(_)
        | Command::SampleNode(_)
        | Command::Trace { .. }
        | Command::Cancel(_)
        | Command::SetRateLimit(_) => None,
    }
}
