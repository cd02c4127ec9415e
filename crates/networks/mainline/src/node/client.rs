//! The asking half of a node: how a wish of the owner becomes queries, and answers become results.
//!
//! The life of a put: `begin` starts a walk (one lookup a family); each step is sent by `send_ask`
//! and its answer collected by `heard`; when the lookups are done, `walked` sends the value to the
//! closest nodes that gave a token; their answers come back through `heard` too; `finish` tells the
//! owner.

use core::net::{SocketAddr, SocketAddrV4, SocketAddrV6};

use kademlia::lookup::Lookup;
use kademlia::overlay::{Ask, Heard, LookupId, OverlayEvent, Purpose, Question};
use kademlia::{Contact, Key, Moment, OperationId};
use std::time::Duration;

use super::operation::{Found, Operation, Phase, Words};
use super::side::{Family, canonical, widened};
use super::{MAX_OPERATIONS, Node, VERSION};
use crate::command::{Command, Event, Failure, Item, Outcome, Progress, Refusal, Sample};
use crate::external::id_matches;
use crate::item::{check_value, immutable_target};
use crate::wire::{ErrorReply, Id, Mutable, Put, Query, Request, Response, Want, code};

impl Node {
    /// Takes in a wish.
    pub(super) fn begin(&mut self, now: Moment, command: Command) -> OperationId {
        let id = OperationId(self.core.next_operation);
        self.core.next_operation += 1;
        if let Command::Cancel(cancelled) = command {
            self.cancel(now, cancelled);
            return id;
        }
        let operation = Operation::new(command, now, self.core.settings.deadline);
        if self.core.operations.len() >= MAX_OPERATIONS {
            let failure = Failure::TooManyOperations { limit: MAX_OPERATIONS };
            let outcome = Outcome::Failed(failure);
            self.core.events.push_back(Event::Done(id, outcome, operation.report));
            return id;
        }
        self.core.deadlines.insert((operation.deadline, id));
        self.core.operations.insert(id, operation);
        if let Err(failure) = self.start(now, id) {
            self.finish(now, id, Outcome::Failed(failure));
        }
        id
    }

    fn start(&mut self, now: Moment, id: OperationId) -> Result<(), Failure> {
        let Some(operation) = self.core.operations.get(&id) else { return Ok(()) };
        match &operation.command {
            Command::PutImmutable(value) => check_value(value)?,
            Command::PutMutable { item, .. } => item.verify()?,
            _ => {}
        }
        match operation.command.clone() {
            Command::Ping(address) => self.ask_address(now, id, address, Request::Ping),
            Command::SampleNode(address) => {
                let target = self.random_id();
                self.ask_address(now, id, address, Request::SampleInfohashes { target })
            }
            Command::Bootstrap(addresses) => self.bootstrap(now, id, &addresses),
            _ => self.walk(now, id),
        }
    }

    fn random_id(&mut self) -> Id {
        Key::random(Id::BITS, &mut self.core.rng).into()
    }

    fn cancel(&mut self, now: Moment, id: OperationId) {
        let Some(operation) = self.core.operations.get_mut(&id) else { return };
        let outcome = match operation.command {
            Command::Announce { .. } => {
                Outcome::Stored(core::mem::take(&mut operation.found.acknowledgements))
            }
            _ => Outcome::Failed(Failure::Cancelled),
        };
        self.finish(now, id, outcome);
    }

    /// Joins through these addresses.
    fn bootstrap(
        &mut self,
        now: Moment,
        id: OperationId,
        addresses: &[SocketAddr],
    ) -> Result<(), Failure> {
        let has_side = |address: &&SocketAddr| self.sides.has(address.is_ipv6());
        if !addresses.is_empty() && addresses.iter().filter(has_side).count() == 0 {
            return Err(Failure::WrongFamily);
        }
        self.join::<SocketAddrV4>(now, id, addresses);
        self.join::<SocketAddrV6>(now, id, addresses);
        self.begun(id)
    }

    fn join<A: Family>(&mut self, now: Moment, id: OperationId, addresses: &[SocketAddr]) {
        let Some(side) = A::side(&mut self.sides) else { return };
        side.overlay.add_bootstrap(addresses.iter().copied().filter_map(A::of));
        let lookup = side.overlay.join(now, &mut self.core.rng);
        self.opened::<A>(id, lookup);
    }

    /// Starts the lookups of an operation, one a family.
    fn walk(&mut self, now: Moment, id: OperationId) -> Result<(), Failure> {
        let Some(operation) = self.core.operations.get_mut(&id) else { return Ok(()) };
        operation.phase = Phase::Walking { open: 0 };
        let Some(target) = operation.target() else { return Ok(()) };
        self.walk_side::<SocketAddrV4>(now, id, &target);
        self.walk_side::<SocketAddrV6>(now, id, &target);
        self.begun(id)
    }

    fn walk_side<A: Family>(&mut self, now: Moment, id: OperationId, target: &Id) {
        let Some(side) = A::side(&mut self.sides) else { return };
        if side.overlay.has_anybody() {
            let lookup = side.overlay.start_lookup(now, target.key(), &mut self.core.rng);
            self.opened::<A>(id, lookup);
        }
    }

    fn opened<A: Family>(&mut self, id: OperationId, lookup: Option<LookupId>) {
        let (Some(lookup), Some(operation)) = (lookup, self.core.operations.get_mut(&id)) else {
            return;
        };
        if let Phase::Walking { open } = &mut operation.phase {
            *open += 1;
        }
        self.core.walks.insert((A::V6, lookup), id);
    }

    /// Whether any lookup could be started.
    fn begun(&self, id: OperationId) -> Result<(), Failure> {
        match self.core.operations.get(&id).map(|operation| operation.phase) {
            Some(Phase::Walking { open: 0 }) => Err(Failure::NoContacts),
            _ => Ok(()),
        }
    }

    /// Asks one address, whoever is there.
    fn ask_address(
        &mut self,
        now: Moment,
        id: OperationId,
        address: SocketAddr,
        request: Request<'_>,
    ) -> Result<(), Failure> {
        let sent = match address {
            SocketAddr::V4(to) => self.ask(now, id, to, None, request),
            SocketAddr::V6(to) => self.ask(now, id, canonical(to), None, request),
        };
        if !sent {
            return Err(Failure::WrongFamily);
        }
        if let Some(operation) = self.core.operations.get_mut(&id) {
            operation.phase = Phase::Asking { open: 1 };
        }
        Ok(())
    }

    /// Sends a request of an operation's own. False: it can't be sent.
    fn ask<A: Family>(
        &mut self,
        now: Moment,
        id: OperationId,
        to: A,
        key: Option<Key>,
        request: Request<'_>,
    ) -> bool {
        let Some(side) = A::side(&mut self.sides) else { return false };
        let tag = self.core.next_tag;
        self.core.next_tag += 1;
        let transaction = side.overlay.request(now, to, key, tag, &mut self.core.rng);
        let Some(transaction) = transaction else { return false };
        let sender = side.id;
        self.core.requests.insert(tag, id);
        if let Some(operation) = self.core.operations.get_mut(&id) {
            operation.report.asked += 1;
        }
        self.send_query(to.into(), sender, transaction.0, Want::default(), request);
        true
    }

    fn send_query(
        &mut self,
        to: SocketAddr,
        sender: Id,
        transaction: u32,
        want: Want,
        request: Request<'_>,
    ) {
        let transaction = transaction.to_be_bytes();
        let query = Query {
            read_only: self.core.settings.read_only,
            version: Some(VERSION),
            want,
            ..Query::new(&transaction, sender, request)
        };
        self.core.counters.requests += 1;
        self.core.send(to, |out| query.encode(out));
    }

    /// Puts what the overlay wants to ask into the words of what it is for.
    pub(super) fn send_ask<A: Family>(&mut self, ask: &Ask<A>) {
        let want = self.sides.want::<A>();
        let Some(side) = A::side(&mut self.sides) else { return };
        let sender = side.id;
        let request = match ask.question {
            Question::Ping => Request::Ping,
            Question::Find { lookup, target } => {
                let operation = self.core.walks.get(&(A::V6, lookup));
                let operation = operation.and_then(|id| self.core.operations.get(id));
                let words = operation.map_or(Words::FindNode, Operation::words);
                let target = Id::from(target);
                match words {
                    Words::FindNode => Request::FindNode { target },
                    Words::GetPeers { scrape } => {
                        Request::GetPeers { info_hash: target, noseed: false, scrape }
                    }
                    Words::Get => Request::Get { target, seq: None },
                    Words::Sample => Request::SampleInfohashes { target },
                }
            }
        };
        self.send_query(ask.to.into(), sender, ask.transaction.0, want, request);
    }

    /// A response arrived.
    pub(super) fn heard<A: Family>(&mut self, now: Moment, from: A, response: &Response<'_>) {
        let Some(side) = A::side(&mut self.sides) else { return };
        let transaction = response.transaction.try_into().map(u32::from_be_bytes);
        let key = response.sender.key();
        let verified = id_matches(from.host(), &response.sender);
        let heard = transaction.ok().and_then(|transaction| {
            let transaction = kademlia::requests::TransactionId(transaction);
            let contacts = A::contacts(response);
            side.overlay.answered(now, transaction, from, key, verified, contacts)
        });
        let Some(heard) = heard else {
            self.core.counters.unsolicited += 1;
            return;
        };
        self.core.counters.responses += 1;
        let news =
            response.external.and_then(|seen| side.voted(now, from, seen, &mut self.core.rng));
        if let Some((external, id)) = news {
            self.core.events.push_back(Event::ExternalAddress(external));
            let changed = id.map(|id| Event::IdChanged { v6: A::V6, id });
            self.core.events.extend(changed);
        }
        self.suggest_to_other_side::<A>(now, response);
        match heard.purpose {
            Purpose::Liveness => {}
            Purpose::Lookup(lookup) => {
                if let Some(id) = self.core.walks.get(&(A::V6, lookup)).copied() {
                    self.collect(now, id, &widened(&heard.contact), response);
                }
            }
            Purpose::Own(tag) => self.asked(now, tag, &heard, response),
        }
    }

    /// Contacts of the other family are welcome where few are known (BEP 32).
    fn suggest_to_other_side<A: Family>(&mut self, now: Moment, response: &Response<'_>) {
        let rng = &mut self.core.rng;
        if A::V6 {
            if let Some(side) = &mut self.sides.v4 {
                response.contacts_v4().for_each(|contact| side.overlay.suggest(now, contact, rng));
            }
        } else if let Some(side) = &mut self.sides.v6 {
            response.contacts_v6().for_each(|contact| side.overlay.suggest(now, contact, rng));
        }
    }

    /// An error arrived.
    pub(super) fn heard_error<A: Family>(&mut self, now: Moment, from: A, error: &ErrorReply<'_>) {
        let Some(side) = A::side(&mut self.sides) else { return };
        let transaction = error.transaction.try_into().map(u32::from_be_bytes);
        let heard = transaction.ok().and_then(|transaction| {
            let transaction = kademlia::requests::TransactionId(transaction);
            side.overlay.answered_with_error(now, transaction, from)
        });
        let Some((purpose, key)) = heard else {
            self.core.counters.unsolicited += 1;
            return;
        };
        self.core.counters.responses += 1;
        let Purpose::Own(tag) = purpose else { return };
        let Some(id) = self.core.requests.remove(&tag) else { return };
        let Some(operation) = self.core.operations.get_mut(&id) else { return };
        operation.report.answered += 1;
        let message = String::from_utf8_lossy(error.message).into_owned();
        let refusal = Refusal { from: from.into(), code: error.code, message };
        if operation.stores() {
            operation.found.acknowledgements.refused.push(refusal);
            self.asked_one(now, id);
        } else {
            // A node that does not know the method is alive all the same, but that is not what was
            // asked; and an error tells no id.
            let _ = key;
            self.finish(now, id, Outcome::Failed(Failure::Refused(refusal)));
        }
    }

    /// Takes what one step of a walk brought.
    fn collect(
        &mut self,
        now: Moment,
        id: OperationId,
        by: &Contact<SocketAddr>,
        response: &Response<'_>,
    ) {
        let Some(operation) = self.core.operations.get_mut(&id) else { return };
        if let Some(token) = response.token
            && token.len() <= Found::MAX_TOKEN_BYTES
            && operation.stores()
        {
            operation.found.tokens.insert(by.address, token.into());
        }
        match operation.words() {
            Words::FindNode => {}
            Words::GetPeers { scrape: false } => {
                if matches!(operation.command, Command::GetPeers(_)) {
                    self.collect_peers(id, response);
                }
            }
            Words::GetPeers { scrape: true } => operation.found.merge_filters(response),
            Words::Get => self.collect_item(now, id, response),
            Words::Sample => {
                if let Some(sample) = sample(by, response) {
                    self.core.events.push_back(Event::Progress(id, Progress::Sample(sample)));
                }
            }
        }
    }

    fn collect_peers(&mut self, id: OperationId, response: &Response<'_>) {
        let Some(operation) = self.core.operations.get_mut(&id) else { return };
        let known = &mut operation.found.peers;
        let mut news = Vec::new();
        for peer in response.peers() {
            if known.len() < Found::MAX_PEERS && known.insert(peer) {
                news.push(peer);
            }
        }
        if !news.is_empty() {
            self.core.events.push_back(Event::Progress(id, Progress::Peers(news)));
        }
    }

    fn collect_item(&mut self, now: Moment, id: OperationId, response: &Response<'_>) {
        let Some(operation) = self.core.operations.get_mut(&id) else { return };
        let Some(value) = response.value else { return };
        match &operation.command {
            Command::GetImmutable(target) => {
                if immutable_target(value) == *target && check_value(value).is_ok() {
                    let item = Item::Immutable(value.into());
                    // Its hash proves it: no other answer can be better.
                    self.finish(now, id, Outcome::Item(Some(item)));
                }
            }
            Command::GetMutable { .. } | Command::PutMutable { .. } => {
                let Some(item) = operation.newer_item(response) else { return };
                operation.found.newest = Some(item.clone());
                if matches!(operation.command, Command::GetMutable { .. }) {
                    let progress = Progress::Item(Item::Mutable(item));
                    self.core.events.push_back(Event::Progress(id, progress));
                }
            }
            _ => {}
        }
    }

    /// A request of an operation's own was answered.
    fn asked<A: Family>(
        &mut self,
        now: Moment,
        tag: u64,
        heard: &Heard<A>,
        response: &Response<'_>,
    ) {
        // A late answer belongs to a request that has failed and is forgotten.
        let Some(id) = self.core.requests.remove(&tag) else { return };
        let Some(operation) = self.core.operations.get_mut(&id) else { return };
        operation.report.answered += 1;
        let contact = widened(&heard.contact);
        match &operation.command {
            Command::Ping(_) => {
                let version = response.version.and_then(|version| version.try_into().ok());
                self.finish(now, id, Outcome::Pong { contact, rtt: heard.rtt, version });
            }
            Command::SampleNode(_) => {
                let outcome = match sample(&contact, response) {
                    Some(sample) => Outcome::Sample(sample),
                    None => Outcome::Failed(Failure::Refused(Refusal {
                        from: contact.address,
                        code: code::METHOD_UNKNOWN,
                        message: "answers without samples: it does not know BEP 51".to_owned(),
                    })),
                };
                self.finish(now, id, outcome);
            }
            _ => {
                operation.found.acknowledgements.stored.push(contact);
                self.asked_one(now, id);
            }
        }
    }

    /// One of the requests of an operation has ended.
    fn asked_one(&mut self, now: Moment, id: OperationId) {
        let Some(operation) = self.core.operations.get_mut(&id) else { return };
        let Phase::Asking { open } = &mut operation.phase else { return };
        *open = open.saturating_sub(1);
        if *open == 0 {
            self.stored(now, id);
        }
    }

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
        if operation.found.nodes.is_empty() {
            self.give_up(now, id, Failure::NoAnswer);
            return;
        }
        if operation.conflict().is_some() || operation.found.rechecked {
            self.stored(now, id);
            return;
        }
        let found = &mut operation.found;
        let outcome = match &operation.command {
            Command::PutImmutable(_) | Command::PutMutable { .. } | Command::Announce { .. } => {
                self.store(now, id);
                return;
            }
            Command::GetPeers(_) => Outcome::Peers(found.peers.iter().copied().collect()),
            Command::Scrape(_) => found.scrape(),
            Command::GetImmutable(_) => Outcome::Item(None),
            Command::GetMutable { .. } => Outcome::Item(found.newest.take().map(Item::Mutable)),
            _ => Outcome::Nodes(core::mem::take(&mut found.nodes)),
        };
        self.finish(now, id, outcome);
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
    fn stored(&mut self, now: Moment, id: OperationId) {
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
        if let Command::Announce { .. } = operation.command {
            let progress = Progress::Announced(acknowledgements);
            self.core.events.push_back(Event::Progress(id, progress));
            self.rest(now, id);
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
    fn rest(&mut self, now: Moment, id: OperationId) {
        let Some(operation) = self.core.operations.get_mut(&id) else { return };
        self.core.deadlines.remove(&(operation.deadline, id));
        operation.deadline = now + self.core.settings.announce_every;
        operation.phase = Phase::Resting;
        self.core.deadlines.insert((operation.deadline, id));
    }

    /// A walk came to nothing. An announcement tries again soon, everything else has failed.
    fn give_up(&mut self, now: Moment, id: OperationId, failure: Failure) {
        const RETRY: Duration = Duration::from_secs(60);
        let Some(operation) = self.core.operations.get_mut(&id) else { return };
        if !matches!(operation.command, Command::Announce { .. }) {
            self.finish(now, id, Outcome::Failed(failure));
            return;
        }
        let nobody = crate::command::Acknowledgements::default();
        self.core.events.push_back(Event::Progress(id, Progress::Announced(nobody)));
        self.core.deadlines.remove(&(operation.deadline, id));
        operation.deadline = now + RETRY;
        operation.phase = Phase::Resting;
        self.core.deadlines.insert((operation.deadline, id));
    }

    /// Ends operations whose time is up with what they have, and begins rounds that are due.
    pub(super) fn operations_due(&mut self, now: Moment) {
        while let Some(&(due, id)) = self.core.deadlines.first() {
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
        self.core.deadlines.insert((operation.deadline, id));
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
        if !operation.stores() || operation.conflict().is_some() {
            self.walked(now, id);
        } else if matches!(operation.command, Command::Announce { .. }) {
            self.give_up(now, id, Failure::NoAnswer);
        } else {
            let acknowledgements = core::mem::take(&mut operation.found.acknowledgements);
            self.finish(now, id, Outcome::Failed(Failure::NotStored(acknowledgements)));
        }
    }

    fn finish(&mut self, now: Moment, id: OperationId, outcome: Outcome) {
        self.abandon_walks(id);
        let Some(operation) = self.core.operations.remove(&id) else { return };
        self.core.deadlines.remove(&(operation.deadline, id));
        self.core.requests.retain(|_, owner| *owner != id);
        let mut report = operation.report;
        report.elapsed = now.since(operation.started);
        self.core.events.push_back(Event::Done(id, outcome, report));
    }
}

/// The sample that a node told; `None`: it does not know BEP 51.
fn sample(by: &Contact<SocketAddr>, response: &Response<'_>) -> Option<Sample> {
    response.samples?;
    let seconds = response.interval.unwrap_or(0).clamp(0, 21_600);
    Some(Sample {
        from: *by,
        info_hashes: response.sampled().collect(),
        total: response.num.and_then(|num| num.try_into().ok()).unwrap_or(0),
        interval: Duration::from_secs(seconds.unsigned_abs()),
    })
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
        _ => None,
    }
}
