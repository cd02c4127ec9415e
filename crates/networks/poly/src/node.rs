//! The node: what it answers, and what it asks.
//!
//! Follow one message through [`Node::handle_message`]: a request goes to `answer`, what answers
//! one of ours to `heard`, which hands it to the overlay and then to whatever it was asked for.
//! Follow one wish of the owner through `client`, which begins it, and `advance`, which says whom
//! to ask next and when it is over. Nobody asks for `repair`: that is how holders keep what they
//! hold.
//!
//! Every message comes from a proven id; the layer below sees to that. There is one table for both
//! address families.

mod advance;
mod ahead;
mod answer;
mod client;
mod get;
mod heard;
mod heat;
mod known;
mod operation;
mod parting;
mod put;
mod reach;
mod repair;
mod swap;
mod walk;
mod watch;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use kademlia::limit::{RateLimit, RateLimiter};
use kademlia::overlay::{LookupId, Overlay, OverlayEvent, OverlaySettings, Question};
use kademlia::protocol::{Outbox, Way};
use kademlia::size::Size;
use kademlia::table::{Member, TableSettings};
use kademlia::{Address, Contact, Key, Moment, OperationId, Protocol, Rtt, Transmit};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

use crate::command::{Command, Event, Refusal};
use crate::contact::{Endpoint, Peer};
use crate::region::{Census, Radius};
use crate::store::{Limits, MemoryStore, Shelf, ShelfUsage, Store};
use crate::wire::{Ask, MAX_MESSAGE_BYTES, Malformed, Message, RefusalReply, Request, Sender};
use heat::Heat;
use known::Known;
use operation::{Operation, Work};
use parting::Parting;
use reach::Reach;
pub use reach::Reachability;
use repair::Repair;
use swap::Promises;
use watch::{Pushed, Watchers};

/// How a node behaves.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a setting of its own")]
pub struct Settings {
    /// Its id: the public key that the layer below proves.
    pub id: Key,
    /// It has IPv4.
    pub v4: bool,
    /// It has IPv6.
    pub v6: bool,
    /// Ask, but hold nothing, and stay out of others' tables: for nodes that cannot be reached.
    pub client: bool,
    /// Have others test whether they can reach it, and be a client if they can't.
    pub test_reach: bool,
    /// Unix seconds at [`Moment::START`].
    pub clock: u64,
    /// What one host or subnet may ask, those of this machine and of private networks apart;
    /// `None`: no limit.
    pub rate_limit: Option<RateLimit>,
    /// Contacts remembered at most: some 120 bytes each.
    pub contacts: usize,
    /// The routing table.
    pub table: TableSettings,
    /// How often the neighbourhood is looked up, and buckets that could hold more.
    pub refresh_every: Duration,
    /// How often if that finds hardly anybody new.
    pub refresh_at_most: Duration,
    /// How often holders compare what they hold with another one.
    pub repair_every: Duration,
    /// For how long watched replicas are asked to tell changes.
    pub lease: Duration,
    /// What is kept for others.
    pub limits: Limits,
}

impl Settings {
    /// As by default, for the node with this id; `clock`: unix seconds at [`Moment::START`].
    pub fn new(id: Key, clock: u64) -> Self {
        Self {
            id,
            v4: true,
            v6: true,
            client: false,
            test_reach: false,
            clock,
            // A client that puts in a row asks the same holders often: five times Mainline's share.
            rate_limit: Some(RateLimit {
                per_host_per_second: 100,
                host_burst: 1000,
                per_subnet_per_second: 400,
                subnet_burst: 4000,
            }),
            contacts: 65_536,
            table: TableSettings {
                bucket_size: 20,
                spares: 8,
                questionable_after: Duration::from_hours(1),
                near_after: Duration::from_mins(15),
                checked_after: Duration::from_mins(5),
                queries_prove: true,
                // Among millions near contacts must be met first; ids are proven, so that whoever
                // would take all places needs as many subnets as ever.
                settled_after: Duration::from_hours(2),
                ..TableSettings::default()
            },
            refresh_every: Duration::from_mins(15),
            refresh_at_most: Duration::from_hours(4),
            repair_every: Duration::from_mins(10),
            lease: Duration::from_mins(10),
            limits: Limits::default(),
        }
    }

    fn overlay(&self) -> OverlaySettings {
        let mut overlay = OverlaySettings {
            bits: Key::BITS,
            table: self.table,
            refresh_every: self.refresh_every,
            refresh_at_most: self.refresh_at_most,
            ..OverlaySettings::default()
        };
        // Our neighbourhood is our region: a refresh must find all of it.
        overlay.lookup.closest = 20;
        overlay.lookup.per_answer = 24;
        // Elsewhere contacts are wanted that are there, and somebody who names them.
        overlay.filling.closest = 3;
        overlay.asks_hearsay = true;
        overlay
    }
}

/// How a node is doing.
#[derive(Clone, Debug)]
pub struct Status {
    /// Its id.
    pub id: Key,
    /// Contacts in its routing table.
    pub table: kademlia::table::Census,
    /// Contacts remembered in all.
    pub contacts: usize,
    /// The estimated number of nodes in the network.
    pub network_size: Option<Size>,
    /// How near a key must be to be the node's.
    pub radius: Radius,
    /// What it holds for others.
    pub shelf: ShelfUsage,
    /// Operations under way.
    pub operations: usize,
    /// Watchers it tells changes.
    pub watchers: usize,
    /// Whether others can reach it.
    pub reachability: Reachability,
    /// What passed through it.
    pub counters: Counters,
}

/// What passed through a node. Counts run from its start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Requests received, by [`Ask::number`]; 0 of those that no such node knows.
    pub requests: [u64; Ask::NUMBERS],
    /// Requests answered.
    pub answers: u64,
    /// Requests refused, by the number of the reason; see [`Refusal::number`].
    pub refused: [u64; Refusal::NUMBERS],
    /// Answers and refusals received that belong to a request of ours.
    pub heard: u64,
    /// Answers and refusals received that belong to none.
    pub unsolicited: u64,
    /// Bytes that are no message.
    pub malformed: u64,
    /// Requests sent.
    pub asked: u64,
    /// Values that were false: a wrong hash, a forged signature.
    pub forged: u64,
    /// Comparisons with other holders.
    pub compared: u64,
    /// Values fetched from other holders.
    pub fetched: u64,
    /// Values given to other holders.
    pub given: u64,
    /// Stale or missing replicas mended after a get.
    pub mended: u64,
}

impl Counters {
    fn requested(&mut self, number: usize) {
        if let Some(count) = self.requests.get_mut(number) {
            *count += 1;
        }
    }
}

/// A node.
#[derive(Debug)]
pub struct Node<S = MemoryStore> {
    settings: Settings,
    rng: ChaCha8Rng,
    /// Unix seconds at [`Moment::START`].
    clock: i64,
    /// When it was driven for the first time.
    begun: Option<Moment>,
    overlay: Overlay<Endpoint>,
    known: Known,
    census: Census,
    strangers: Rtt,
    shelf: Shelf<S>,
    watchers: Watchers,
    heat: Heat,
    promises: Promises,
    repair: Repair,
    parting: Parting,
    reach: Reach,
    limiter: RateLimiter,
    outbox: Outbox<Peer>,
    events: VecDeque<Event>,
    counters: Counters,
    operations: BTreeMap<OperationId, Operation>,
    /// When operations want to be looked after.
    due: BTreeSet<(Moment, OperationId)>,
    /// Operations that wait for the lookup that joins.
    joining: Vec<(LookupId, OperationId)>,
    /// The ids of bootstrap addresses, where they are known.
    named: BTreeMap<Endpoint, Key>,
    errands: BTreeMap<u64, Errand>,
    next_operation: u64,
    next_tag: u64,
    sweep_at: Moment,
    scratch: answer::Scratch,
}

/// A request of ours, and what for.
#[derive(Clone, Debug)]
struct Errand {
    to: Contact<Endpoint>,
    job: Job,
    /// Whether question or answer exceeds a datagram: it takes as long as its bytes do, whatever
    /// the round-trip time.
    is_long: bool,
}

/// What for.
#[derive(Clone, Debug)]
enum Job {
    /// A step of an operation's walk.
    Step(OperationId),
    /// Something for an operation beside its walk: a long value, more entries.
    Aside(OperationId),
    /// Is it there?
    Ping(OperationId),
    /// To tell a watcher a change; how often it was tried.
    Push { slot: crate::value::Slot, tries: u8 },
    /// To compare and exchange with another holder.
    Repair,
    /// To be called, and so to learn whether others can reach us.
    Probe,
    /// Is a contact back that was lost?
    Lost,
    /// To learn what of a batch that is no longer ours another holder lacks: the batch.
    Offer(u32),
    /// To hand over what is no longer ours: the slot.
    HandOver(crate::value::Slot),
    /// Whatever comes of it: replicas mended, copies cached, leases given up.
    Nothing,
}

/// Operations that may run at once.
pub const MAX_OPERATIONS: usize = 4096;
/// How often what has expired is looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(30);
/// How much of it at once, and how soon the rest.
const SWEPT_AT_ONCE: usize = 1000;
const SWEEP_SOONEST: Duration = Duration::from_millis(100);

impl Node {
    /// A node that knows nobody and holds nothing. All its randomness comes from `seed`.
    pub fn new(settings: Settings, seed: [u8; 32]) -> Self {
        Self::with_store(settings, seed, MemoryStore::default())
    }
}

impl<S: Store> Node<S> {
    /// A node that holds what is in `store`.
    pub fn with_store(settings: Settings, seed: [u8; 32], store: S) -> Self {
        let mut rng = ChaCha8Rng::from_seed(seed);
        let limiter = match settings.rate_limit {
            Some(limit) => RateLimiter::new(limit, &mut rng),
            None => RateLimiter::disabled(),
        };
        Self {
            overlay: Overlay::new(settings.id, settings.overlay()),
            known: Known::new(settings.id, settings.contacts, settings.table.questionable_after),
            census: Census::default(),
            strangers: Rtt::new(STRANGERS_RTT),
            shelf: Shelf::new(store, settings.limits, settings.clock),
            watchers: Watchers::default(),
            heat: Heat::default(),
            promises: Promises::default(),
            repair: Repair::default(),
            parting: Parting::default(),
            reach: Reach::new(settings.test_reach && !settings.client),
            limiter,
            clock: i64::try_from(settings.clock).unwrap_or(i64::MAX),
            rng,
            settings,
            outbox: Outbox::default(),
            events: VecDeque::new(),
            counters: Counters::default(),
            operations: BTreeMap::new(),
            due: BTreeSet::new(),
            joining: Vec::new(),
            named: BTreeMap::new(),
            errands: BTreeMap::new(),
            next_operation: 0,
            next_tag: 0,
            sweep_at: Moment::START + SWEEP_EVERY,
            begun: None,
            scratch: answer::Scratch::default(),
        }
    }

    /// Brings in contacts of an earlier run; call before the node is driven.
    pub fn restore_contacts(&mut self, contacts: impl IntoIterator<Item = Peer>) {
        let contacts = contacts.into_iter().filter(Peer::is_proven);
        let contacts: Vec<_> = contacts.map(|peer| peer.contact()).collect();
        for contact in &contacts {
            if self.reaches(contact) && contact.key != self.settings.id {
                self.known.named(Moment::START, *contact);
            }
        }
        self.overlay.restore(contacts);
        // Without a size every node would count as a holder of everything.
        self.observe_home();
        self.repair.begin(Moment::START);
    }

    /// Makes this a node that has been up for long, with this table, whose next round of refreshing
    /// begins at `refresh_at`, with these further contacts, and with an estimate of how many nodes
    /// there are and the magnitude that others told. For the simulator, whose networks are born in
    /// steady state.
    pub fn settle(
        &mut self,
        now: Moment,
        (nodes, magnitude): (f64, u8),
        members: impl IntoIterator<Item = Member<Endpoint>>,
        others: impl IntoIterator<Item = (Contact<Endpoint>, Rtt)>,
        refresh_at: Moment,
    ) {
        let members: Vec<_> = members.into_iter().collect();
        for Member { contact, standing } in &members {
            let (first, last) = (standing.first_answer(), standing.last_seen());
            self.known.settle(*contact, first, last, Some(standing.rtt));
        }
        for (contact, rtt) in others {
            self.known.settle(contact, now - SETTLED_FOR, now, Some(rtt));
        }
        self.overlay.settle(members, refresh_at);
        self.observe_home();
        self.census.settle_at(nodes, magnitude);
        self.repair.settle(refresh_at);
        self.begun = Some(Moment::START);
    }

    /// The contacts that are worth remembering for the next run, those first that were there for
    /// longest: they are the most likely to be there then.
    pub fn contacts(&self) -> impl Iterator<Item = Peer> {
        let heard = self.known.all().filter(|(_, seen)| seen.was_heard());
        let mut heard: Vec<_> = heard.map(|(contact, seen)| (seen.age_s(), contact)).collect();
        heard.sort_by_key(|(age_s, _)| std::cmp::Reverse(*age_s));
        heard.into_iter().map(|(_, contact)| contact.into())
    }

    /// The contacts of its routing table, with what it knows of each.
    pub fn members(&self) -> impl Iterator<Item = &Member<Endpoint>> {
        self.overlay.table().members()
    }

    /// What it holds.
    pub fn shelf(&self) -> &Shelf<S> {
        &self.shelf
    }

    /// How it is doing.
    pub fn status(&self, now: Moment) -> Status {
        Status {
            id: self.settings.id,
            table: self.overlay.table().census(now),
            contacts: self.known.len(),
            network_size: self.census.size(),
            radius: self.census.radius(),
            shelf: self.shelf.usage(),
            operations: self.operations.len(),
            watchers: self.watchers.len(),
            reachability: self.reach.verdict,
            counters: self.counters,
        }
    }

    /// The time at `now` by this node's clock, in unix seconds.
    pub fn unix(&self, now: Moment) -> u64 {
        let seconds = i64::try_from(now.as_micros() / 1_000_000).unwrap_or(i64::MAX);
        u64::try_from(self.clock.saturating_add(seconds)).unwrap_or(0)
    }

    /// Checks what must always hold; for tests and the simulator's checkers.
    pub fn check_invariants(&self) -> Result<(), &'static str> {
        self.overlay.table().check_invariants()?;
        self.shelf.check_invariants()?;
        let is_due =
            |(id, operation): (&OperationId, &Operation)| self.due.contains(&(operation.due, *id));
        if self.due.len() != self.operations.len() || !self.operations.iter().all(is_due) {
            return Err("an operation has no deadline, or a deadline no operation");
        }
        let works_for = |job: &Job| match job {
            Job::Step(id) | Job::Aside(id) | Job::Ping(id) => self.operations.contains_key(id),
            Job::Push { .. }
            | Job::Repair
            | Job::Probe
            | Job::Lost
            | Job::Offer(_)
            | Job::HandOver(_)
            | Job::Nothing => true,
        };
        if !self.errands.values().all(|errand| works_for(&errand.job)) {
            return Err("a request works for no operation");
        }
        if self.errands.len() > 4 * MAX_OPERATIONS * 64 {
            return Err("requests are not forgotten");
        }
        Ok(())
    }

    /// Requests that await an answer, or have expired so lately that a late one still counts; for
    /// tests and the simulator's checkers.
    pub fn pending_requests(&self) -> usize {
        self.overlay.pending().count()
    }

    /// Watches under way: the only operations that do not end by themselves.
    pub fn watches(&self) -> usize {
        let is_watch = |operation: &&Operation| matches!(operation.work, Work::Watch(_));
        self.operations.values().filter(is_watch).count()
    }

    fn me(&self) -> Key {
        self.settings.id
    }

    /// Ourselves among holders; nobody dials this.
    fn myself(&self) -> Peer {
        Peer::new(self.settings.id, ([0, 0, 0, 0], 0).into())
    }

    fn sender(&self) -> Sender {
        let Settings { v4, v6, .. } = self.settings;
        Sender { client: self.is_client(), v4, v6 }
    }

    fn reaches(&self, contact: &Contact<Endpoint>) -> bool {
        let family = if contact.address.is_v4() { self.settings.v4 } else { self.settings.v6 };
        family && contact.address.is_usable()
    }

    /// Sends a request of our own; returns its tag. `None`: too much is under way.
    fn ask(&mut self, now: Moment, to: Contact<Endpoint>, ask: Ask<'_>, job: Job) -> Option<u64> {
        let key = Some(to.key).filter(|key| *key != Key::ZERO);
        let tag = self.next_tag;
        let rng = &mut self.rng;
        let transaction = if matches!(ask, Ask::Push { .. } | Ask::Hail) {
            // Who watches, or can't be reached, may be a client.
            self.overlay.request_apart(now, to.address, tag, rng)?
        } else {
            self.overlay.request(now, to.address, key, tag, rng)?
        };
        self.next_tag += 1;
        // Whoever is asked beside the walk for all of a value has just said how long it is.
        let wants_all = matches!(ask, Ask::Get { room: answer::MAX_BULK, .. });
        let wants_all = wants_all && matches!(job, Job::Aside(_));
        let request = Request { transaction: transaction.0, sender: self.sender(), ask };
        self.reach.spoke(now, to.address);
        let way = self.send(to.into(), &Message::Request(request));
        let is_long = wants_all || way == Way::Bulk;
        self.errands.insert(tag, Errand { to, job, is_long });
        self.counters.asked += 1;
        Some(tag)
    }

    /// Sends what the overlay wants to ask, and draws the consequences of what it found.
    fn drain(&mut self, now: Moment) {
        loop {
            if let Some(ask) = self.overlay.poll_ask(now, &mut self.rng) {
                let question = match ask.question {
                    Question::Ping => Ask::Ping,
                    Question::Find { target, .. } => {
                        let is_home = target == self.settings.id;
                        Ask::Find { target, count: if is_home { NEIGHBOURS } else { FOUND } }
                    }
                };
                let id = ask.key.or_else(|| self.named.get(&ask.to).copied());
                let to = Peer::new(id.unwrap_or(Key::ZERO), ask.to.socket());
                let transaction = ask.transaction.0;
                let request = Request { transaction, sender: self.sender(), ask: question };
                self.reach.spoke(now, ask.to);
                self.send(to, &Message::Request(request));
                self.counters.asked += 1;
            } else if let Some(event) = self.overlay.poll_event() {
                match event {
                    OverlayEvent::LookupDone(id, lookup) => self.upkeep_found(now, id, &lookup),
                    OverlayEvent::Unanswered(tag) => self.unanswered(now, tag),
                }
            } else {
                return;
            }
        }
    }

    fn upkeep_found(
        &mut self,
        now: Moment,
        id: LookupId,
        lookup: &kademlia::lookup::Lookup<Endpoint>,
    ) {
        let closest = lookup.closest();
        self.census.observe(&lookup.target(), closest.iter().map(|contact| &contact.key));
        self.observe_home();
        if !closest.is_empty() {
            self.repair.begin(now);
        }
        let waiting: Vec<_> = self.joining.extract_if(.., |(join, _)| *join == id).collect();
        for (_, operation) in waiting {
            self.joined(now, operation, &closest);
        }
    }

    /// What our own neighbourhood says about the network's size.
    fn observe_home(&mut self) {
        let me = self.me();
        let near = self.known.closest(&me, 20);
        self.census.observe_home(&me, near.iter().map(|contact| &contact.key));
    }

    fn sweep(&mut self, now: Moment) {
        let unix = self.unix(now);
        self.shelf.expire(unix, SWEPT_AT_ONCE);
        self.watchers.expire(known::seconds(now));
        let goes_on = self.shelf.next_expiry().is_some_and(|next| next <= unix);
        self.sweep_at = now + if goes_on { SWEEP_SOONEST } else { SWEEP_EVERY };
    }

    /// When something has expired that can be swept away.
    fn next_sweep(&self) -> Option<Moment> {
        if self.watchers.len() > 0 {
            return Some(self.sweep_at);
        }
        let expiry = i64::try_from(self.shelf.next_expiry()?).unwrap_or(i64::MAX);
        let seconds = u64::try_from(expiry.saturating_sub(self.clock)).unwrap_or(0);
        let expired = Moment::from_micros(seconds.saturating_mul(1_000_000));
        Some(self.sweep_at.max(expired))
    }
}

/// Contacts that the upkeep's questions ask for: a whole neighbourhood, or what any lookup needs.
const NEIGHBOURS: u8 = 20;
const FOUND: u8 = 12;
/// How long nodes never asked before are expected to take, at first: the mean between hosts of
/// `PlanetLab`; twice of it and more is slow.
const STRANGERS_RTT: Duration = Duration::from_millis(150);
/// How long the further contacts of a settled node have been known.
const SETTLED_FOR: Duration = Duration::from_hours(2);

impl<S: Store> Node<S> {
    fn refuse(&mut self, to: Peer, transaction: u32, refusal: Refusal) {
        if let Some(count) = self.counters.refused.get_mut(refusal.number()) {
            *count += 1;
        }
        self.send(to, &Message::Refusal(RefusalReply { transaction, refusal }));
    }

    fn send(&mut self, to: Peer, message: &Message<'_>) -> Way {
        send(&mut self.outbox, &mut self.scratch.message, to, message)
    }
}

/// Queues a message: in one datagram if it fits.
fn send(outbox: &mut Outbox<Peer>, scratch: &mut Vec<u8>, to: Peer, message: &Message<'_>) -> Way {
    scratch.clear();
    message.encode(scratch);
    let way = if scratch.len() > MAX_MESSAGE_BYTES { Way::Bulk } else { Way::Datagram };
    outbox.push(Transmit { to, way }, |out| out.extend_from_slice(scratch));
    if scratch.capacity() > KEPT_BYTES {
        *scratch = Vec::new();
    }
    way
}

/// Capacity of buffers that is kept for reuse: a long value must not stay in an idle node.
const KEPT_BYTES: usize = 4096;

impl<S: Store> Protocol for Node<S> {
    type Peer = Peer;
    type Command = Command;
    type Event = Event;

    fn handle_message(&mut self, now: Moment, from: Peer, message: &[u8]) {
        if from.id == self.me() || !from.is_proven() {
            self.counters.malformed += 1;
            return;
        }
        match Message::decode(message) {
            Ok(Message::Request(request)) => self.answer(now, from, &request),
            Ok(Message::Answer(answer)) => self.heard(now, from, &answer),
            Ok(Message::Refusal(reply)) => self.heard_refusal(now, from, reply),
            Err(Malformed::UnknownRequest { transaction }) => {
                self.counters.requested(0);
                self.refuse(from, transaction, Refusal::Unknown);
            }
            Err(_) => self.counters.malformed += 1,
        }
        self.drain(now);
    }

    fn handle_command(&mut self, now: Moment, command: Command) -> OperationId {
        self.begun.get_or_insert(now);
        let id = self.begin(now, command);
        self.drain(now);
        id
    }

    fn handle_timeout(&mut self, now: Moment) {
        self.begun.get_or_insert(now);
        self.overlay.handle_timeout(now, &mut self.rng);
        self.drain(now);
        if self.sweep_at <= now {
            self.sweep(now);
        }
        self.operations_due(now);
        self.run_repair(now);
        self.run_parting(now);
        self.run_reach(now);
        self.drain(now);
    }

    fn poll_transmit(&mut self, _now: Moment, buffer: &mut Vec<u8>) -> Option<Transmit<Peer>> {
        self.outbox.pop(buffer)
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn next_timeout(&self) -> Option<Moment> {
        let operations = self.due.first().map(|(due, _)| *due);
        let sweep = self.next_sweep();
        let upkeep =
            [self.repair.next_timeout(), self.parting.next_timeout(), self.reach.next_timeout()];
        let all = [self.overlay.next_timeout(), operations, sweep].into_iter().chain(upkeep);
        all.flatten().min().filter(|due| due.as_micros() != u64::MAX)
    }
}
