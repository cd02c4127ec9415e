//! A node of Polykad's own network in this process.
//!
//! [`PolyNode`] is built, spawned, used and shut down. Its `Host` lives on the driver's task: it
//! turns calls into commands and events into results, and hands what must survive to the disk. It
//! never waits.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use client::poly::{Change, GetError, Got, KnownPeer, PolyStatus, PutError, Stored, StoredValue};
use client::status::{Tally, Traffic};
use client::{FindError, Key, Status, Step};
use kademlia::{Moment, OperationId};
use poly::command::{Command, Event, Outcome, Progress, Report};
use poly::contact::Peer;
use poly::secure::Secure;
use poly::value::{Entry, Record};
use tokio::sync::{mpsc, oneshot, watch};

use crate::clock::Clock;
use crate::disk::Disk;
use crate::driver;
use crate::outcomes::OutcomeCounts;
use crate::search::Teller;

mod calls;
mod connect;
mod convert;
mod kept;
mod node;
mod outcomes;
mod seek;
mod values;

pub use connect::Incoming;
pub use node::{Builder as PolyBuilder, DEFAULT_PORT, PUBLIC_NETWORK, PolyNode};

use convert::find_error;
use values::Values;

/// The node as it runs: the protocol behind its encryption.
type Machine = Secure<poly::node::Node<Values>>;

/// Changes that wait for the one who watches at most.
const CHANGES: usize = 1024;

/// What clients send to the node.
#[derive(Debug)]
pub(crate) enum Request {
    /// Begin an operation.
    Run {
        /// Names it from the outside; unique within the node's run.
        ticket: u64,
        command: Box<Command>,
        waiter: Waiter,
    },
    /// Nobody waits any more.
    Cancel(u64),
    Status(oneshot::Sender<Status>),
    /// The contacts of the routing table.
    Contacts(oneshot::Sender<Vec<KnownPeer>>),
    /// So many of the values held.
    Held(usize, oneshot::Sender<Vec<StoredValue>>),
    /// Write the contacts to disk if they have changed.
    KeepContacts,
    /// Move along streams that their owners have used.
    Carry,
}

/// Who waits for an operation, and for what.
#[derive(Debug)]
pub(crate) enum Waiter {
    Stored(Key, oneshot::Sender<Result<Stored, PutError>>),
    Blob(oneshot::Sender<Result<Got<Vec<u8>>, GetError>>),
    Record(oneshot::Sender<Result<Got<Record>, GetError>>),
    Entries(oneshot::Sender<Result<Got<Vec<Entry>>, GetError>>),
    Nodes(oneshot::Sender<Result<Got<Vec<Peer>>, GetError>>),
    Pong(oneshot::Sender<Result<Got<Peer>, GetError>>),
    Joined(oneshot::Sender<Result<Got<Vec<Peer>>, FindError>>),
    /// Steps of a traced search, which began then.
    Steps(Moment, Teller<Step>),
    /// Changes of what is watched; it ends when the receiver is gone.
    Watch(mpsc::Sender<Change>),
}

/// Stands between a node and those who use it.
#[derive(Debug)]
pub(crate) struct Host {
    clock: Clock,
    listen: Vec<SocketAddr>,
    /// The port of the gateway that leads to ours.
    mapped: watch::Receiver<Option<u16>>,
    disk: Option<Disk>,
    running: BTreeMap<OperationId, Running>,
    tickets: BTreeMap<u64, OperationId>,
    /// Changes that a watcher did not keep up with.
    untold: u64,
    outcomes: OutcomeCounts,
    /// The contacts last written to disk.
    contacts: Vec<Peer>,
    /// When the driver started by the wall clock as it stood last, in unix seconds.
    started_unix: u64,
}

/// Corrections of the wall clock smaller than this are no news, in seconds.
const CLOCK_NEWS_S: u64 = 60;

#[derive(Debug)]
struct Running {
    ticket: u64,
    waiter: Waiter,
}

impl Host {
    pub(crate) fn new(
        clock: Clock,
        listen: Vec<SocketAddr>,
        mapped: watch::Receiver<Option<u16>>,
        disk: Option<Disk>,
    ) -> Self {
        Self {
            clock,
            listen,
            mapped,
            disk,
            running: BTreeMap::new(),
            tickets: BTreeMap::new(),
            untold: 0,
            outcomes: OutcomeCounts::new(&outcomes::KINDS),
            contacts: Vec::new(),
            started_unix: clock.calendar().to_unix(Moment::START),
        }
    }

    /// The time by the wall clock, in unix seconds. That it was set is told: values expire by it.
    fn unix(&mut self, now: Moment) -> u64 {
        let calendar = self.clock.calendar();
        let started = calendar.to_unix(Moment::START);
        let seconds = started.abs_diff(self.started_unix);
        if seconds >= CLOCK_NEWS_S {
            let way = if started > self.started_unix { "forward" } else { "back" };
            tracing::warn!("the system's clock was set {way} by {seconds} s: values expire by it");
        }
        self.started_unix = started;
        calendar.to_unix(now)
    }

    /// Writes contacts to disk if they have changed.
    pub(crate) fn keep(&mut self, node: &Machine) {
        let Some(disk) = &self.disk else { return };
        let contacts: Vec<_> = node.inner().contacts().take(kept::MAX_CONTACTS).collect();
        // Those of an earlier run are worth more than none.
        if !contacts.is_empty() && contacts != self.contacts {
            disk.set(kept::CONTACTS, &kept::encode_contacts(&contacts));
            self.contacts = contacts;
        }
    }

    fn status(&self, view: &driver::View<'_, Machine>) -> Status {
        let node = view.protocol.inner().status(view.now);
        let counters = view.counters;
        let mut status = Status::default();
        status.uptime = view.now.since(Moment::START);
        status.listen.clone_from(&self.listen);
        status.disk = self.disk.as_ref().map(Disk::status);
        let values = view.protocol.inner().shelf().store().status();
        if let (Some(disk), Some(values)) = (&mut status.disk, values) {
            disk.bytes += values.bytes;
            disk.trouble = disk.trouble.take().or(values.trouble);
        }
        status.poly = Some(PolyStatus {
            listen: self.listen.clone(),
            mapped_port: *self.mapped.borrow(),
            outcomes: self.outcomes.all(),
            ..poly_status(&node, view.protocol)
        });
        status.traffic = Traffic {
            received: counters.received,
            received_bytes: counters.received_bytes,
            sent: counters.sent,
            sent_bytes: counters.sent_bytes,
        };
        status.dropped.oversized = counters.oversized;
        status.dropped.send_full = counters.send_full;
        status.dropped.send_failed = counters.send_failed;
        status.dropped.malformed = node.counters.malformed + view.protocol.counters().malformed;
        status.dropped.rate_limited = view.protocol.counters().limited;
        status.dropped.untold = self.untold;
        status.dropped.unpersisted = self.disk.as_ref().map_or(0, Disk::lost);
        status
    }
}

fn poly_status(node: &poly::node::Status, secure: &Machine) -> PolyStatus {
    PolyStatus {
        id: node.id,
        listen: Vec::new(),
        reachability: node.reachability,
        mapped_port: None,
        contacts: node.contacts,
        table: node.table.good + node.table.questionable,
        network_size: node.network_size.map(|size| size.nodes),
        values: node.shelf.values,
        value_bytes: node.shelf.bytes,
        operations: node.operations,
        watchers: node.watchers,
        sessions: secure.sessions(),
        requests: node.counters.requests.iter().sum(),
        queries: tallies(&node.counters.requests, client::poly::query_of),
        answers: node.counters.answers,
        refused: node.counters.refused.iter().sum(),
        refusals: tallies(&node.counters.refused, client::poly::reason_of),
        asked: node.counters.asked,
        heard: node.counters.heard,
        unsolicited: node.counters.unsolicited,
        forged: node.counters.forged,
        repaired: node.counters.fetched + node.counters.given + node.counters.mended,
        outcomes: Vec::new(),
    }
}

/// Counts by number in the words of the API.
fn tallies(counts: &[u64], word: fn(usize) -> Option<&'static str>) -> Vec<Tally> {
    let named = (0..)
        .zip(counts)
        .filter_map(|(number, count)| Some(Tally { name: word(number)?.into(), count: *count }));
    named.collect()
}

/// The contacts of the routing table.
fn contacts(view: &driver::View<'_, Machine>) -> Vec<KnownPeer> {
    let members = view.protocol.inner().members();
    let known = members.map(|member| KnownPeer {
        peer: member.contact.into(),
        rtt: member.standing.rtt.smoothed(),
        known_for: view.now.since(member.standing.first_answer()),
        silent_for: view.now.since(member.standing.last_seen()),
        failures: member.standing.failures,
    });
    known.collect()
}

/// Some of the values held.
fn held(view: &driver::View<'_, Machine>, most: usize) -> Vec<StoredValue> {
    let node = view.protocol.inner();
    let (shelf, now) = (node.shelf(), node.unix(view.now));
    let slots = shelf.after(None, most, |_, head| head.expires > now).into_iter();
    let values = slots.filter_map(|(_, slot)| {
        shelf.head(now, &slot).map(|head| StoredValue { key: slot.key, kind: head.kind })
    });
    values.collect()
}

impl Waiter {
    /// Answers with what came of the operation. Whatever does not fit what was asked is no answer
    /// to it, and ends it as stopped.
    #[expect(clippy::wildcard_enum_match_arm, reason = "what does not fit is no answer")]
    fn answer(self, outcome: Outcome, report: Report) {
        // An error of `send` means that nobody waits any more.
        match self {
            Self::Stored(key, sender) => {
                let _ = sender.send(match outcome {
                    Outcome::Stored(acknowledgements) => {
                        Ok(Stored { key, acknowledgements, report })
                    }
                    Outcome::Failed(failure) => Err(failure.into()),
                    _ => Err(PutError::Stopped),
                });
            }
            Self::Blob(sender) => {
                let _ = sender.send(found(outcome, report, |outcome| match outcome {
                    Outcome::Blob(blob) => Some(blob.map(Into::into)),
                    _ => None,
                }));
            }
            Self::Record(sender) => {
                let _ = sender.send(found(outcome, report, |outcome| match outcome {
                    Outcome::Record(record) => Some(record.map(|record| *record)),
                    _ => None,
                }));
            }
            Self::Entries(sender) => {
                let _ = sender.send(found(outcome, report, |outcome| match outcome {
                    Outcome::Entries(entries) => Some(Some(entries)),
                    _ => None,
                }));
            }
            Self::Nodes(sender) => {
                let _ = sender.send(found(outcome, report, |outcome| match outcome {
                    Outcome::Nodes(nodes) => Some(Some(nodes)),
                    _ => None,
                }));
            }
            Self::Pong(sender) => {
                let _ = sender.send(found(outcome, report, |outcome| match outcome {
                    Outcome::Pong { peer, .. } => Some(Some(peer)),
                    _ => None,
                }));
            }
            Self::Joined(sender) => {
                let _ = sender.send(match outcome {
                    Outcome::Nodes(nodes) => Ok(Got { value: nodes, report }),
                    Outcome::Failed(failure) => Err(find_error(&failure)),
                    _ => Err(FindError::Stopped),
                });
            }
            Self::Steps(_, teller) => teller.end(
                || None,
                match outcome {
                    Outcome::Failed(failure) => Err(find_error(&failure)),
                    _ => Ok(convert::report(report)),
                },
            ),
            Self::Watch(_) => {}
        }
    }
}

/// The result of a search: `of` picks what was looked for, `Some(None)` if there is none.
fn found<T>(
    outcome: Outcome,
    report: Report,
    of: impl FnOnce(Outcome) -> Option<Option<T>>,
) -> Result<Got<T>, GetError> {
    if let Outcome::Failed(failure) = outcome {
        return Err(failure.into());
    }
    match of(outcome) {
        Some(Some(value)) => Ok(Got { value, report }),
        Some(None) => Err(GetError::NotFound { report }),
        None => Err(GetError::Stopped),
    }
}

impl driver::Host<Machine> for Host {
    type Request = Request;
    type Ticket = Option<(u64, Waiter)>;

    fn request(
        &mut self,
        view: driver::View<'_, Machine>,
        request: Request,
    ) -> Option<(Command, Self::Ticket)> {
        match request {
            Request::Run { ticket, command, waiter } => Some((*command, Some((ticket, waiter)))),
            Request::Cancel(ticket) => {
                let operation = self.tickets.get(&ticket)?;
                Some((Command::Cancel(*operation), None))
            }
            Request::Status(sender) => {
                let _ = sender.send(self.status(&view));
                None
            }
            Request::Contacts(sender) => {
                let _ = sender.send(contacts(&view));
                None
            }
            Request::Held(most, sender) => {
                let _ = sender.send(held(&view, most));
                None
            }
            // The driver does so after each request.
            Request::Carry => None,
            Request::KeepContacts => {
                self.keep(view.protocol);
                Some((Command::SetClock(self.unix(view.now)), None))
            }
        }
    }

    fn began(&mut self, operation: OperationId, ticket: Self::Ticket) {
        if let Some((ticket, mut waiter)) = ticket {
            if let Waiter::Steps(began, _) = &mut waiter {
                *began = self.clock.now();
            }
            self.tickets.insert(ticket, operation);
            self.running.insert(operation, Running { ticket, waiter });
        }
    }

    fn event(&mut self, now: Moment, event: Event) {
        match event {
            Event::Progress(operation, Progress::Changed(change)) => {
                if let Some(Running { waiter: Waiter::Watch(changes), .. }) =
                    self.running.get(&operation)
                {
                    let full =
                        matches!(changes.try_send(change), Err(mpsc::error::TrySendError::Full(_)));
                    self.untold += u64::from(full);
                }
            }
            Event::Progress(operation, Progress::Step(step)) => {
                if let Some(Running { waiter: Waiter::Steps(began, teller), .. }) =
                    self.running.get_mut(&operation)
                {
                    self.untold += teller.tell(convert::step(now.since(*began), step));
                }
            }
            Event::Done(operation, outcome, report) => {
                if let Some(Running { ticket, waiter }) = self.running.remove(&operation) {
                    self.tickets.remove(&ticket);
                    if let Some(kind) = outcomes::kind(&waiter) {
                        self.outcomes.count(kind, outcomes::judge(&outcome), report.elapsed);
                    }
                    waiter.answer(outcome, report);
                }
            }
            Event::PutComplete(_, acknowledgements) => {
                let holders = acknowledgements.stored.len();
                tracing::debug!(holders, "a put is complete");
            }
            Event::Progress(..) => {}
        }
    }

    fn knows(&self, protocol: &Machine, address: SocketAddr) -> bool {
        protocol.knows(address)
    }
}
