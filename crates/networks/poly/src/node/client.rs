//! How a wish of the owner begins, and how it ends.
#![expect(clippy::wildcard_enum_match_arm, reason = "few kinds of commands or refusals matter")]

use std::time::Duration;

use kademlia::{Contact, Key, Moment, OperationId};

use super::operation::{
    Blob, List, Newest, Operation, Put, Watching, Work, deadline, put_value, target,
};
use super::walk::{Pace, Walk};
use super::{Job, MAX_OPERATIONS, Node};
use crate::command::{Command, Event, Failure, Outcome, Progress, Step};
use crate::contact::{Endpoint, Peer};
use crate::region::MIN_HOLDERS;
use crate::store::Store;
use crate::value::Kind;
use crate::wire::Ask;

/// Own contacts that a walk begins with, and how many if these are not all of the region.
const SEEDS: usize = 24;
const SEEDS_OF_CROWDS: usize = 96;

impl<S: Store> Node<S> {
    /// Takes in a wish.
    pub(super) fn begin(&mut self, now: Moment, command: Command) -> OperationId {
        let id = OperationId(self.next_operation);
        self.next_operation += 1;
        match command {
            Command::Cancel(cancelled) => self.cancel(now, cancelled),
            Command::SetClock(unix) => {
                let seconds = i64::try_from(now.as_micros() / 1_000_000).unwrap_or(i64::MAX);
                self.clock = i64::try_from(unix).unwrap_or(i64::MAX).saturating_sub(seconds);
            }
            Command::Trace { target, quest } => {
                self.begin_operation(now, id, quest.command(target), true);
            }
            command => self.begin_operation(now, id, command, false),
        }
        id
    }

    fn begin_operation(&mut self, now: Moment, id: OperationId, command: Command, is_traced: bool) {
        let span = deadline(&command);
        let (target, paths) = target(&command).unwrap_or((Key::ZERO, 1));
        let walk = Walk::new(target, self.census.radius(), paths);
        let work = work(&command, now);
        let mut operation = Operation::new(command, now, span, walk, work);
        operation.is_traced = is_traced;
        let failure = if self.operations.len() >= MAX_OPERATIONS {
            Some(Failure::TooManyOperations { limit: MAX_OPERATIONS })
        } else {
            self.check(now, &operation.command)
        };
        if let Some(failure) = failure {
            self.tell(now, id, &operation, Outcome::Failed(failure));
            return;
        }
        if !self.start(now, id, &mut operation) {
            self.keep_operation(id, operation);
            self.advance(now, id);
        }
    }

    /// Looks up our own neighbourhood by way of all contacts, not only those of the table.
    pub(super) fn find_neighbours(&mut self, now: Moment) {
        let id = OperationId(self.next_operation);
        self.next_operation += 1;
        let command = Command::FindNode(self.me());
        let walk = Walk::new(self.me(), self.census.radius(), 1);
        let mut operation = Operation::new(command, now, OWN_DEADLINE, walk, Work::Find);
        operation.is_own = true;
        self.seed(&mut operation);
        self.keep_operation(id, operation);
        self.advance(now, id);
    }

    /// What is wrong with a command to begin with.
    fn check(&self, now: Moment, command: &Command) -> Option<Failure> {
        if let Command::Watch { kind: Kind::Blob, .. } = command {
            return Some(Failure::Unwatchable);
        }
        let value = put_value(command)?;
        value.verify(self.unix(now)).err().map(Failure::Value)
    }

    /// Begins an operation; whether it has ended thereby.
    fn start(&mut self, now: Moment, id: OperationId, operation: &mut Operation) -> bool {
        match &operation.command {
            Command::Bootstrap(peers) => {
                let peers = peers.clone();
                return self.bootstrap(now, id, operation, &peers);
            }
            Command::Ping(peer) => {
                let peer = *peer;
                let tag = self.ask(now, peer.contact(), Ask::Ping, Job::Ping(id));
                operation.tags.extend(tag);
                if tag.is_none() {
                    self.tell(now, id, operation, Outcome::Failed(Failure::Unanswered));
                }
                return tag.is_none();
            }
            _ => {}
        }
        if !operation.is_traced && self.look_at_home(now, id, operation) {
            return true;
        }
        if self.known.len() == 0 && self.overlay.has_anybody() {
            // Nobody answered yet: through the bootstrap addresses first.
            if let Some(join) = self.overlay.join(now, &mut self.rng) {
                operation.waits = true;
                self.joining.push((join, id));
                return false;
            }
        }
        self.seed(operation);
        false
    }

    /// Begins a walk with the contacts that are known.
    pub(super) fn seed(&self, operation: &mut Operation) {
        let target = operation.walk.target();
        let paths = match &operation.command {
            Command::GetBlob { options, .. } | Command::GetRecord { options, .. } => options.paths,
            Command::PutBlob { options, .. } => options.paths,
            _ => 1,
        };
        // Beside those that it knows already and that are lost.
        let count = SEEDS * usize::from(paths.max(1)) + operation.walk.lost();
        let mut seeds = self.known.closest(&target, count);
        let radius = self.census.radius();
        let is_crowded = seeds.len() >= SEEDS
            && seeds.last().is_some_and(|contact| radius.holds(&contact.key, &target));
        if is_crowded {
            seeds = self.known.closest(&target, SEEDS_OF_CROWDS);
        }
        operation.walk.seed(seeds, |contact| self.pace(contact));
    }

    /// Joins through these peers; whether that has failed at once.
    fn bootstrap(
        &mut self,
        now: Moment,
        id: OperationId,
        operation: &mut Operation,
        peers: &[Peer],
    ) -> bool {
        for peer in peers {
            let contact = peer.contact();
            if peer.is_proven() && peer.id != self.me() && self.reaches(&contact) {
                self.named.insert(contact.address, peer.id);
            }
        }
        let contacts = peers.iter().map(Peer::contact);
        let reached: Vec<_> = contacts.filter(|contact| self.reaches(contact)).collect();
        self.overlay.add_bootstrap(reached.into_iter().map(|contact| contact.address));
        let join =
            if self.overlay.has_anybody() { self.overlay.join(now, &mut self.rng) } else { None };
        if let Some(join) = join {
            operation.waits = true;
            self.joining.push((join, id));
        } else {
            self.tell(now, id, operation, Outcome::Failed(Failure::NobodyThere));
        }
        join.is_none()
    }

    /// The lookup that an operation waited for has ended.
    pub(super) fn joined(&mut self, now: Moment, id: OperationId, closest: &[Contact<Endpoint>]) {
        let Some(mut operation) = self.take_operation(id) else { return };
        operation.waits = false;
        let nodes: Vec<Peer> = closest.iter().map(|contact| (*contact).into()).collect();
        if let Work::Join = operation.work {
            let outcome = if nodes.is_empty() {
                Outcome::Failed(Failure::Unanswered)
            } else {
                Outcome::Nodes(nodes)
            };
            self.tell(now, id, &operation, outcome);
            self.forget(&operation);
            return;
        }
        if nodes.is_empty() {
            self.tell(now, id, &operation, Outcome::Failed(Failure::NobodyThere));
            self.forget(&operation);
            return;
        }
        self.seed(&mut operation);
        self.keep_operation(id, operation);
        self.advance(now, id);
    }

    fn cancel(&mut self, now: Moment, id: OperationId) {
        let Some(operation) = self.take_operation(id) else { return };
        if let Work::Watch(watch) = &operation.work {
            let (target, kind) = (watch.key, watch.kind);
            for lease in &watch.leases {
                let ask = Ask::Watch { target, kind, lease_s: 0, known: 0 };
                self.ask(now, *lease, ask, Job::Nothing);
            }
        }
        if !matches!(&operation.work, Work::Put(put) if put.told) {
            self.tell(now, id, &operation, Outcome::Failed(Failure::Cancelled));
        }
        self.forget(&operation);
    }

    /// Looks after operations whose time has come.
    pub(super) fn operations_due(&mut self, now: Moment) {
        while let Some((due, id)) = self.due.first().copied() {
            if due > now {
                return;
            }
            self.advance(now, id);
        }
    }

    /// Tells the owner how a wish has ended.
    pub(super) fn tell(
        &mut self,
        now: Moment,
        id: OperationId,
        operation: &Operation,
        outcome: Outcome,
    ) {
        if !operation.is_own {
            self.events.push_back(Event::Done(id, outcome, operation.report(now)));
        }
    }

    /// Tells the owner of a traced search what happened.
    pub(super) fn trace(
        &mut self,
        id: OperationId,
        operation: &Operation,
        step: impl FnOnce() -> Step,
    ) {
        if operation.is_traced {
            self.events.push_back(Event::Progress(id, Progress::Step(step())));
        }
    }

    pub(super) fn take_operation(&mut self, id: OperationId) -> Option<Operation> {
        let operation = self.operations.remove(&id)?;
        self.due.remove(&(operation.due, id));
        Some(operation)
    }

    pub(super) fn keep_operation(&mut self, id: OperationId, operation: Operation) {
        self.due.insert((operation.due, id));
        self.operations.insert(id, operation);
    }

    /// Forgets what an operation that has ended asked for; answers still feed the tables. Where its
    /// walk has found the closest nodes, they tell how large the network is.
    pub(super) fn forget(&mut self, operation: &Operation) {
        let walk = &operation.walk;
        if walk.converged(MIN_HOLDERS) && walk.found().nth(MIN_HOLDERS - 1).is_some() {
            let closest: Vec<_> = walk.found().take(MIN_HOLDERS).map(|node| node.key).collect();
            self.census.observe(&walk.target(), &closest);
        }
        for tag in &operation.tags {
            self.errands.remove(tag);
        }
    }

    /// How fast a contact answers.
    pub(super) fn pace(&self, contact: &Contact<Endpoint>) -> Pace {
        let rtt = self.known.get(&contact.key).and_then(|seen| seen.rtt).unwrap_or(self.strangers);
        let millis = u32::try_from(rtt.smoothed().as_millis()).unwrap_or(u32::MAX);
        // Among equally fast ones each node prefers others: no holder serves all.
        let [.., ours] = self.settings.id.id::<16>();
        let [.., theirs] = contact.key.id::<16>();
        Pace::new(millis, ours ^ theirs)
    }

    /// When an answer of this contact is slow.
    pub(super) fn slow_at(&self, now: Moment, contact: &Contact<Endpoint>) -> Moment {
        let rtt = self.known.get(&contact.key).and_then(|seen| seen.rtt).unwrap_or(self.strangers);
        now + rtt.overdue().clamp(SLOW_MIN, SLOW_MAX)
    }
}

/// By when the node's own operations end.
const OWN_DEADLINE: Duration = Duration::from_secs(15);
/// Answers sooner than this are never slow: schedulers and wakeups cost milliseconds.
const SLOW_MIN: Duration = Duration::from_millis(30);
const SLOW_MAX: Duration = Duration::from_secs(2);

/// What a command is about.
fn work(command: &Command, now: Moment) -> Work {
    match command {
        Command::Bootstrap(_) => Work::Join,
        Command::Ping(_) => Work::Ping,
        Command::PutBlob { .. } | Command::PutRecord { .. } | Command::PutEntry { .. } => {
            Work::Put(Put::default())
        }
        Command::GetBlob { .. } => Work::Blob(Blob::default()),
        Command::GetRecord { .. } => Work::Record(Newest::default()),
        Command::ListTopic { .. } => Work::List(List::default()),
        Command::Watch { key, kind } => Work::Watch(Watching {
            key: *key,
            kind: *kind,
            versions: std::collections::BTreeMap::new(),
            leases: Vec::new(),
            renew_at: now,
            told: 0,
        }),
        Command::FindNode(_)
        | Command::Trace { .. }
        | Command::Cancel(_)
        | Command::SetClock(_) => Work::Find,
    }
}
