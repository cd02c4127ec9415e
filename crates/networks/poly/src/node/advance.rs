//! How a wish goes on: whom to ask next, and whether it is over.
#![expect(clippy::wildcard_enum_match_arm, reason = "few kinds of commands or refusals matter")]

use std::time::Duration;

use kademlia::{Contact, Moment, OperationId};

use super::operation::{Operation, Work};
use super::walk::Next;
use super::{Job, Node};
use crate::command::{Command, Event, Failure, Outcome, Progress, Step};
use crate::contact::{Endpoint, Peer};
use crate::region::MIN_HOLDERS;
use crate::store::Store;
use crate::wire::{Ask, MAX_CONTACTS};

/// Requests of one walk under way while the way is looked for, Kademlia's α.
pub(super) const PARALLEL: usize = 3;
/// Contacts that an answer on the way names.
pub(super) const WAY: u8 = 20;
/// Contacts that an answer from within the region names: all of it.
#[expect(clippy::cast_possible_truncation, reason = "a constant below 256")]
pub(super) const ALL: u8 = MAX_CONTACTS as u8;
/// Requests that must be free for an operation to go on, and how soon it looks again.
const ROOM_NEEDED: usize = 96;
const ROOM_AGAIN: Duration = Duration::from_millis(20);
/// How long a message that exceeds a datagram may take beyond the round trip: 64 KiB to 20 holders
/// over a line of 3 Mbit/s, with a connection to each.
const LONG_TAKES: Duration = Duration::from_secs(4);
/// Replicas that are asked to tell changes.
const LEASES: usize = 4;
/// How soon a watch looks for replicas again if it has too few.
const LEASES_AGAIN: Duration = Duration::from_secs(20);
/// Nodes that a search for nodes returns.
const NODES: usize = 20;

impl<S: Store> Node<S> {
    /// Goes on with an operation, to its end if that has come.
    pub(super) fn advance(&mut self, now: Moment, id: OperationId) {
        let Some(mut operation) = self.take_operation(id) else { return };
        operation.walk.overdue(now);
        let is_over = if operation.deadline <= now {
            self.out_of_time(now, id, &mut operation);
            true
        } else if operation.waits {
            false
        } else if self.overlay.room() < ROOM_NEEDED {
            operation.due = operation.deadline.min(now + ROOM_AGAIN);
            self.keep_operation(id, operation);
            return;
        } else {
            self.step(now, id, &mut operation)
        };
        if is_over {
            self.forget(&operation);
            return;
        }
        let own = match &operation.work {
            Work::Watch(watch) if !operation.waits => Some(watch.renew_at),
            Work::Put(put) => put.claim.again_at,
            _ => None,
        };
        let soonest = [Some(operation.deadline), operation.walk.next_overdue(), own];
        operation.due = soonest.into_iter().flatten().min().unwrap_or(operation.deadline);
        self.keep_operation(id, operation);
    }

    fn step(&mut self, now: Moment, id: OperationId, operation: &mut Operation) -> bool {
        if operation.walk.wants_seeds() {
            self.seed(operation);
        }
        match &operation.work {
            Work::Ping | Work::Join => false,
            Work::Find => self.step_find(now, id, operation),
            Work::Put(_) => self.step_put(now, id, operation),
            Work::Blob(_) => self.step_blob(now, id, operation),
            Work::Record(_) => self.step_record(now, id, operation),
            Work::List(_) => self.step_list(now, id, operation),
            Work::Watch(_) => self.step_watch(now, id, operation),
        }
    }

    /// Asks somebody in the course of a walk. `serves`: to do what the walk is for.
    pub(super) fn ask_next(
        &mut self,
        now: Moment,
        id: OperationId,
        operation: &mut Operation,
        next: Next,
        (ask, serves): (Ask<'_>, bool),
    ) {
        if let Some(tag) = self.ask(now, next.contact, ask, Job::Step(id)) {
            operation.tags.push(tag);
            let is_long = self.errands.get(&tag).is_some_and(|errand| errand.is_long);
            let extra = if is_long { LONG_TAKES } else { Duration::ZERO };
            operation.walk.ask(next, serves, self.slow_at(now, &next.contact) + extra);
            self.trace(id, operation, || Step::Asked(next.contact.into()));
        } else {
            operation.walk.cannot_ask(next);
        }
    }

    /// Asks somebody beside the walk.
    pub(super) fn ask_aside(
        &mut self,
        now: Moment,
        id: OperationId,
        operation: &mut Operation,
        to: Contact<Endpoint>,
        ask: Ask<'_>,
    ) {
        if let Some(tag) = self.ask(now, to, ask, Job::Aside(id)) {
            operation.tags.push(tag);
            operation.asides += 1;
            operation.report.asked += 1;
            self.trace(id, operation, || Step::Asked(to.into()));
        }
    }

    fn step_find(&mut self, now: Moment, id: OperationId, operation: &mut Operation) -> bool {
        let target = operation.walk.target();
        let is_there = operation.walk.found().next().is_some_and(|node| node.key == target);
        while !is_there && let Some(next) = operation.walk.next_on_paths(MIN_HOLDERS, PARALLEL) {
            let ask = Ask::Find { target, count: WAY };
            self.ask_next(now, id, operation, next, (ask, false));
        }
        let is_over = is_there || operation.walk.waiting() == 0;
        if is_over {
            let nodes: Vec<Peer> = operation.walk.found().take(NODES).map(Peer::from).collect();
            let outcome = if nodes.is_empty() {
                Outcome::Failed(Failure::NobodyThere)
            } else {
                Outcome::Nodes(nodes)
            };
            self.tell(now, id, operation, outcome);
        }
        is_over
    }

    /// Takes leases, and renews them in time. Never over by itself.
    fn step_watch(&mut self, now: Moment, id: OperationId, operation: &mut Operation) -> bool {
        let unix = self.unix(now);
        let lease = self.settings.lease;
        let Operation { work: Work::Watch(watch), walk, .. } = operation else { return true };
        if watch.renew_at <= now {
            // Who tells changes now is asked again, by way of a new walk.
            watch.leases.clear();
            watch.renew_at = now + lease / 2;
            *walk = super::walk::Walk::new(watch.key, self.census.radius(), 1);
            self.seed(operation);
        }
        let Operation { work: Work::Watch(watch), walk, .. } = operation else { return true };
        let (target, kind) = (watch.key, watch.kind);
        let known = watch.fingerprint(unix);
        let mut wanted = LEASES.saturating_sub(watch.leases.len() + walk.open());
        let lease_s = u32::try_from(lease.as_secs()).unwrap_or(u32::MAX);
        while wanted > 0 {
            // The closest: every writer takes these for holders, whatever region he thinks of.
            let region = operation.walk.unserved_in_region();
            let Some(next) = region.or_else(|| operation.walk.next_on_paths(MIN_HOLDERS, PARALLEL))
            else {
                break;
            };
            let is_few = operation.walk.region() < MIN_HOLDERS;
            let serves = next.in_region || is_few && operation.walk.converged(MIN_HOLDERS);
            let ask = if serves {
                Ask::Watch { target, kind, lease_s, known }
            } else {
                Ask::Find { target, count: WAY }
            };
            self.ask_next(now, id, operation, next, (ask, serves));
            wanted -= usize::from(serves);
        }
        if wanted > 0 && operation.walk.region() < MIN_HOLDERS {
            while wanted > 0
                && let Some(next) = operation.walk.closest_unserved()
            {
                let ask = Ask::Watch { target, kind, lease_s, known };
                self.ask_next(now, id, operation, next, (ask, true));
                wanted -= 1;
            }
        }
        let Operation { work: Work::Watch(watch), walk, .. } = operation else { return true };
        if walk.waiting() == 0 {
            let replicas = watch.leases.len();
            if watch.told != replicas {
                watch.told = replicas;
                self.events.push_back(Event::Progress(id, Progress::Watching { replicas }));
            }
            if replicas < LEASES.min(walk.holders()) || replicas == 0 {
                watch.renew_at = watch.renew_at.min(now + LEASES_AGAIN);
            }
        }
        false
    }

    /// The deadline has come: ends with what there is.
    fn out_of_time(&mut self, now: Moment, id: OperationId, operation: &mut Operation) {
        match &operation.work {
            Work::Put(_) => self.end_put(now, id, operation),
            Work::Record(_) => self.end_record(now, id, operation),
            Work::List(_) => self.end_list(now, id, operation),
            Work::Blob(_) => {
                let is_cut_off = operation.walk.answered == 0;
                let outcome = if is_cut_off {
                    Outcome::Failed(Failure::Unanswered)
                } else {
                    Outcome::Blob(None)
                };
                self.tell(now, id, operation, outcome);
            }
            Work::Find if operation.walk.answered > 0 => {
                let nodes = operation.walk.found().take(NODES).map(Peer::from).collect();
                self.tell(now, id, operation, Outcome::Nodes(nodes));
            }
            Work::Ping | Work::Join | Work::Find | Work::Watch(_) => {
                self.joining.retain(|(_, waiting)| *waiting != id);
                self.tell(now, id, operation, Outcome::Failed(Failure::Unanswered));
            }
        }
    }

    /// Whether anything is worth waiting for.
    pub(super) fn is_waiting(operation: &Operation) -> bool {
        operation.walk.waiting() > 0 || operation.asides > 0
    }

    /// How many paths an operation has.
    pub(super) fn options(command: &Command) -> u8 {
        match command {
            Command::GetRecord { options, .. } => options.replicas.max(1),
            _ => 1,
        }
    }
}
