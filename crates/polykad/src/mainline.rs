//! The host of a Mainline node: client calls become commands, events become results.
//!
//! [`Host`] lives on the driver's task. It knows who waits for which operation ([`Waiter`]), and
//! hands what must survive to the disk. It never waits: a search for peers that is not read fast
//! enough gets all of them once more at its end.

use std::collections::BTreeMap;

use client::mainline::{Got, KnownContact, Nodes, Pong, Sample, Scrape, SignedItem, StoredKey};
use client::search::{Round, Step};
use client::status::Status;
use client::{FindError, GetError, Key, PingError, PutError, PutReport, Report};
use kademlia::limit::RateLimit;
use kademlia::{Contact, Moment, OperationId};
use mainline::command::{Command, Event, Item, Outcome, Progress};
use mainline::node::Node;
use mainline::wire::Id;
use std::net::SocketAddr;
use tokio::sync::{oneshot, watch};

use crate::clock::Clock;
use crate::disk::Disk;
use crate::driver;
use crate::outcomes::OutcomeCounts;
use crate::search::Teller;

pub(crate) mod calls;
mod convert;
mod outcomes;
mod records;

pub(crate) use records::restore;

use convert::{
    contact, find_error, get_error, ping_error, pong, put_error, put_report, report, round, sample,
    signed_item, status,
};

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
    Contacts(oneshot::Sender<Vec<KnownContact>>),
    /// As many keys of what is stored at most.
    Stored(usize, oneshot::Sender<Vec<StoredKey>>),
    /// Write the contacts to disk if they have changed.
    KeepContacts,
    /// From now on others may ask so much.
    Limit(Option<RateLimit>),
}

/// Who waits for an operation, and for what.
#[derive(Debug)]
pub(crate) enum Waiter {
    Pong(SocketAddr, oneshot::Sender<Result<Pong, PingError>>),
    SampleNode(SocketAddr, oneshot::Sender<Result<Sample, PingError>>),
    Nodes(oneshot::Sender<Result<Nodes, FindError>>),
    Scrape(oneshot::Sender<Result<Scrape, FindError>>),
    Immutable(oneshot::Sender<Result<Got<Vec<u8>>, GetError>>),
    Mutable(oneshot::Sender<Result<Got<SignedItem>, GetError>>),
    Put(Key, Option<i64>, oneshot::Sender<Result<PutReport, PutError>>),
    Peers(Teller<Vec<SocketAddr>>),
    Samples(Teller<Sample>),
    Steps(Moment, Teller<Step>),
    /// Of an announcement, its latest round, and the end.
    Rounds(Key, watch::Sender<Option<Round>>, oneshot::Sender<()>),
}

/// Stands between a Mainline node and those who use it.
#[derive(Debug)]
pub(crate) struct Host {
    clock: Clock,
    listen: Vec<SocketAddr>,
    disk: Option<Disk>,
    running: BTreeMap<OperationId, Running>,
    tickets: BTreeMap<u64, OperationId>,
    /// Findings that a search did not keep up with.
    untold: u64,
    outcomes: OutcomeCounts,
    /// What was last written to disk.
    ids: [Option<Id>; 2],
    contacts: Vec<Contact<SocketAddr>>,
}

#[derive(Debug)]
struct Running {
    ticket: u64,
    waiter: Waiter,
}

impl Host {
    pub(crate) fn new(clock: Clock, listen: Vec<SocketAddr>, disk: Option<Disk>) -> Self {
        Self {
            clock,
            listen,
            disk,
            running: BTreeMap::new(),
            tickets: BTreeMap::new(),
            untold: 0,
            outcomes: OutcomeCounts::new(&outcomes::KINDS),
            ids: [None; 2],
            contacts: Vec::new(),
        }
    }

    /// Writes ids and contacts to disk if they have changed.
    pub(crate) fn keep(&mut self, now: Moment, node: &Node) {
        let Some(disk) = &self.disk else { return };
        let status = node.status(now);
        let ids = [status.v4, status.v6].map(|side| side.map(|side| side.id));
        if ids != self.ids {
            for (v6, id) in [false, true].into_iter().zip(ids) {
                if let Some(id) = id {
                    disk.set(records::id_name(v6), id.as_bytes());
                }
            }
            self.ids = ids;
        }
        let contacts: Vec<_> = node.contacts().take(records::MAX_CONTACTS).collect();
        // Those of an earlier run are worth more than none.
        if !contacts.is_empty() && contacts != self.contacts {
            disk.set(records::CONTACTS, &records::encode_contacts(&contacts));
            self.contacts = contacts;
        }
    }

    fn progress(&mut self, now: Moment, operation: OperationId, progress: Progress) {
        let Some(running) = self.running.get_mut(&operation) else { return };
        match (&mut running.waiter, progress) {
            (Waiter::Peers(teller), Progress::Peers(peers)) => self.untold += teller.tell(peers),
            (Waiter::Samples(teller), Progress::Sample(found)) => {
                self.untold += teller.tell(sample(&found));
            }
            (Waiter::Steps(began, teller), Progress::Step(step)) => {
                self.untold +=
                    convert::step(now.since(*began), step).map_or(0, |step| teller.tell(step));
            }
            (Waiter::Rounds(key, rounds, _), Progress::Announced(acknowledgements)) => {
                rounds.send_replace(Some(round(*key, acknowledgements)));
            }
            // Items are told at the end, when the newest is known.
            _ => {}
        }
    }

    fn done(&mut self, operation: OperationId, outcome: Outcome, cost: &mainline::command::Report) {
        let Some(Running { ticket, waiter }) = self.running.remove(&operation) else { return };
        self.tickets.remove(&ticket);
        if let Some(kind) = outcomes::kind(&waiter) {
            self.outcomes.count(kind, outcomes::judge(&outcome), cost.elapsed);
        }
        let cost = report(cost);
        // Whatever does not fit the waiter is no answer to what it asked.
        match (waiter, outcome) {
            (Waiter::Peers(teller), Outcome::Peers(peers)) => teller.end(|| Some(peers), Ok(cost)),
            (Waiter::Peers(teller), Outcome::Failed(failure)) => {
                teller.end(|| None, Err(find_error(&failure)));
            }
            (Waiter::Samples(teller), Outcome::Nodes(_)) => teller.end(|| None, Ok(cost)),
            (Waiter::Samples(teller), Outcome::Failed(failure)) => {
                teller.end(|| None, Err(find_error(&failure)));
            }
            (Waiter::Steps(_, teller), Outcome::Nodes(_)) => teller.end(|| None, Ok(cost)),
            (Waiter::Steps(_, teller), Outcome::Failed(failure)) => {
                teller.end(|| None, Err(find_error(&failure)));
            }
            (Waiter::Rounds(_, rounds, ended), outcome) => {
                if let Outcome::Failed(failure) = outcome {
                    rounds.send_replace(Some(Err(find_error(&failure).into())));
                }
                let _ = ended.send(());
            }
            (waiter, outcome) => waiter.answer(outcome, cost),
        }
    }
}

impl Waiter {
    /// Answers what has one answer.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "outcomes grow; one that does not fit what was asked is no answer to it"
    )]
    fn answer(self, outcome: Outcome, cost: Report) {
        match self {
            Self::Pong(address, sender) => {
                let _ = sender.send(pong(address, outcome));
            }
            Self::SampleNode(address, sender) => {
                let _ = sender.send(match outcome {
                    Outcome::Sample(found) => Ok(sample(&found)),
                    outcome => Err(ping_error(address, outcome)),
                });
            }
            Self::Nodes(sender) => {
                let _ = sender.send(match outcome {
                    Outcome::Nodes(nodes) => {
                        Ok(Nodes { nodes: nodes.iter().map(contact).collect(), report: cost })
                    }
                    outcome => Err(convert::failed(&outcome)),
                });
            }
            Self::Scrape(sender) => {
                let _ = sender.send(match outcome {
                    Outcome::Scrape { seeds, downloaders, filters } => {
                        Ok(Scrape { seeds, downloaders, nodes: filters, report: cost })
                    }
                    outcome => Err(convert::failed(&outcome)),
                });
            }
            Self::Immutable(sender) => {
                let _ = sender.send(match outcome {
                    Outcome::Item(Some(Item::Immutable(value))) => {
                        Ok(Got { value: value.into(), report: cost })
                    }
                    outcome => Err(get_error(&outcome, cost)),
                });
            }
            Self::Mutable(sender) => {
                let _ = sender.send(match outcome {
                    Outcome::Item(Some(Item::Mutable(item))) => {
                        Ok(Got { value: signed_item(item), report: cost })
                    }
                    outcome => Err(get_error(&outcome, cost)),
                });
            }
            Self::Put(key, seq, sender) => {
                let put = |acknowledgements| put_report(key, seq, acknowledgements, Some(cost));
                let _ = sender.send(match outcome {
                    Outcome::Stored(acknowledgements) => Ok(put(acknowledgements)),
                    outcome => Err(put_error(outcome, put)),
                });
            }
            Self::Peers(_) | Self::Samples(_) | Self::Steps(..) | Self::Rounds(..) => {}
        }
    }
}

impl driver::Host<Node> for Host {
    type Request = Request;
    type Ticket = Option<(u64, Waiter)>;

    fn request(
        &mut self,
        view: driver::View<'_, Node>,
        request: Request,
    ) -> Option<(Command, Self::Ticket)> {
        match request {
            Request::Run { ticket, command, waiter } => Some((*command, Some((ticket, waiter)))),
            Request::Cancel(ticket) => {
                let operation = self.tickets.get(&ticket)?;
                Some((Command::Cancel(*operation), None))
            }
            Request::Status(sender) => {
                let mut status = status(view.now, &view.protocol.status(view.now), view.counters);
                status.listen.clone_from(&self.listen);
                status.dropped.untold = self.untold;
                if let Some(mainline) = &mut status.mainline {
                    mainline.outcomes = self.outcomes.all();
                }
                status.disk = self.disk.as_ref().map(Disk::status);
                status.dropped.unpersisted = self.disk.as_ref().map_or(0, Disk::lost);
                let _ = sender.send(status);
                None
            }
            Request::Contacts(sender) => {
                let members = view.protocol.members();
                let _ = sender.send(members.map(|m| convert::member(view.now, &m)).collect());
                None
            }
            Request::Stored(most, sender) => {
                let _ = sender.send(convert::stored(view.now, view.protocol, most));
                None
            }
            Request::KeepContacts => {
                self.keep(view.now, view.protocol);
                None
            }
            Request::Limit(limit) => Some((Command::SetRateLimit(limit), None)),
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
            Event::Progress(operation, progress) => self.progress(now, operation, progress),
            Event::Done(operation, outcome, report) => self.done(operation, outcome, &report),
            Event::ExternalAddress(address) => {
                tracing::info!(%address, "others see this node at another address than it knew");
            }
            Event::IdChanged { v6, id } => {
                tracing::info!(%id, v6, "new id, bound to the address that others see");
                if let Some(disk) = &self.disk {
                    disk.set(records::id_name(v6), id.as_bytes());
                }
            }
            Event::Stored(stored) => {
                if let Some(disk) = &self.disk {
                    records::keep(disk, self.clock.calendar(), &stored);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
