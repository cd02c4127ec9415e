//! The asking half of a node: how a wish of the owner becomes queries, and answers become results.
//!
//! The life of a put: `begin` starts a walk (one lookup a family); each step is written by
//! `write_ask` and its answer collected by `heard`; when the lookups are done, `walked` sends the
//! value to the closest nodes that gave a token; their answers come back through `heard` too;
//! `finish` tells the owner.

use core::net::{SocketAddr, SocketAddrV4, SocketAddrV6};

use kademlia::overlay::{Ask, LookupId, Question};
use kademlia::protocol::Way;
use kademlia::{Key, Moment, OperationId, Transmit};

use super::operation::{Found, Operation, Phase, Words};
use super::side::Family;
use super::{MAX_OPERATIONS, Node, VERSION};
use crate::command::{Command, Event, Failure, Item, Outcome, Progress, Step};
use crate::contact::canonical;
use crate::item::check_value;
use crate::wire::{Id, Query, Request, Want};

impl Node {
    /// Takes in a wish.
    pub(super) fn begin(&mut self, now: Moment, command: Command) -> OperationId {
        let id = OperationId(self.core.next_operation);
        self.core.next_operation += 1;
        if let Command::Cancel(cancelled) = command {
            self.cancel(now, cancelled);
            return id;
        }
        if let Command::SetRateLimit(limit) = command {
            self.core.limiter.set(limit, &mut self.core.rng);
            return id;
        }
        let operation = Operation::new(command, now, self.core.settings.deadline);
        if self.core.operations.len() >= MAX_OPERATIONS {
            let failure = Failure::TooManyOperations { limit: MAX_OPERATIONS };
            let outcome = Outcome::Failed(failure);
            self.core.events.push_back(Event::Done(id, outcome, operation.report));
            return id;
        }
        self.core.deadlines.insert((operation.deadline, id), ());
        self.core.operations.insert(id, Box::new(operation));
        if let Err(failure) = self.start(now, id) {
            self.finish(now, id, Outcome::Failed(failure));
        }
        id
    }

    fn start(&mut self, now: Moment, id: OperationId) -> Result<(), Failure> {
        self.look_at_home(now, id);
        let Some(operation) = self.core.operations.get(&id) else { return Ok(()) };
        match &operation.command {
            Command::PutImmutable(value) => {
                check_value(value)?;
                self.walk(now, id)
            }
            Command::PutMutable { item, .. } => {
                item.verify()?;
                self.walk(now, id)
            }
            Command::Bootstrap(addresses) => {
                let addresses = addresses.clone();
                self.bootstrap(now, id, &addresses)
            }
            Command::Ping(address) => {
                let address = *address;
                self.ask_address(now, id, address, Request::Ping)
            }
            Command::SampleNode(address) => {
                let address = *address;
                let target = self.random_id();
                self.ask_address(now, id, address, Request::SampleInfohashes { target })
            }
            Command::FindNode(_)
            | Command::GetPeers(_)
            | Command::Announce { .. }
            | Command::Scrape(_)
            | Command::GetImmutable(_)
            | Command::GetMutable { .. }
            | Command::Sample(_)
            | Command::Trace { .. }
            | Command::Cancel(_)
            | Command::SetRateLimit(_) => self.walk(now, id),
        }
    }

    /// Takes what an operation looks for from our own stores, if it is there: who holds it asks
    /// others in vain that only we hold it for.
    fn look_at_home(&mut self, now: Moment, id: OperationId) {
        let Some(operation) = self.core.operations.get_mut(&id) else { return };
        let Some(target) = operation.target() else { return };
        if matches!(operation.command, Command::GetPeers(_)) {
            let peers = self.core.peers.peers_of(now, &target).map(|(peer, _)| peer);
            operation.found.peers.extend(peers.take(Found::MAX_PEERS));
            let news: Vec<_> = operation.found.peers.iter().copied().collect();
            if !news.is_empty() {
                self.core.events.push_back(Event::Progress(id, Progress::Peers(news)));
            }
            return;
        }
        let Some(item) = self.core.items.get(now, &target).map(|item| item.to_item()) else {
            return;
        };
        match (&operation.command, &item) {
            (Command::GetImmutable(_), Item::Immutable(_)) => {
                self.finish(now, id, Outcome::Item(Some(item)));
            }
            (Command::GetMutable { .. } | Command::PutMutable { .. }, Item::Mutable(newest)) => {
                operation.found.newest = Some(newest.clone());
                if matches!(operation.command, Command::GetMutable { .. }) {
                    self.core.events.push_back(Event::Progress(id, Progress::Item(item)));
                }
            }
            _ => {}
        }
    }

    fn random_id(&mut self) -> Id {
        Key::random(Id::BITS, &mut self.core.rng).into()
    }

    fn cancel(&mut self, now: Moment, id: OperationId) {
        let Some(operation) = self.core.operations.get_mut(&id) else { return };
        let outcome = if operation.is_announcement() {
            Outcome::Stored(core::mem::take(&mut operation.found.acknowledgements))
        } else {
            Outcome::Failed(Failure::Cancelled)
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
    pub(super) fn walk(&mut self, now: Moment, id: OperationId) -> Result<(), Failure> {
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
        if !sent && self.sides.has(address.is_ipv6()) {
            return Err(Failure::TooManyOperations { limit: MAX_OPERATIONS });
        }
        if !sent {
            return Err(Failure::WrongFamily);
        }
        if let Some(operation) = self.core.operations.get_mut(&id) {
            operation.phase = Phase::Asking { open: 1 };
        }
        Ok(())
    }

    /// Sends a request of an operation's own. False: it can't be sent.
    pub(super) fn ask<A: Family>(
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
        let transaction = transaction.0.to_be_bytes();
        let query = self.query(&transaction, sender, Want::default(), request);
        let transmit = Transmit { to: to.into(), way: Way::Datagram };
        self.core.outbox.push(transmit, |out| query.encode(out));
        true
    }

    /// A query of ours, which is about to be sent.
    fn query<'a>(
        &mut self,
        transaction: &'a [u8; 4],
        sender: Id,
        want: Want,
        request: Request<'a>,
    ) -> Query<'a> {
        self.core.counters.requests += 1;
        Query {
            read_only: self.core.settings.read_only,
            version: Some(VERSION),
            want,
            ..Query::new(transaction, sender, request)
        }
    }

    /// Puts what the overlay wants to ask into the words of what it is for.
    pub(super) fn write_ask<A: Family>(&mut self, ask: &Ask<A>, out: &mut Vec<u8>) {
        let want = self.sides.want::<A>();
        let Some(side) = A::side(&mut self.sides) else { return };
        let sender = side.id;
        let request = match ask.question {
            Question::Ping => Request::Ping,
            Question::Find { lookup, target } => {
                let id = self.core.walks.get(&(A::V6, lookup)).copied();
                let operation = id.and_then(|id| self.core.operations.get(&id));
                let words = operation.map_or(Words::FindNode, |operation| operation.words());
                if let (Some(id), Some(true)) =
                    (id, operation.map(|operation| operation.is_traced()))
                {
                    self.core.trace(id, Step::Asked(ask.to.into()));
                }
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
        let transaction = ask.transaction.0.to_be_bytes();
        self.query(&transaction, sender, want, request).encode(out);
    }
}
