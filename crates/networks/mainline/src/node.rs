//! The Mainline node: what it answers, and what it asks.
//!
//! Follow one datagram through [`Node::handle_message`]: a query goes to `answer`, a response or an
//! error to `heard`, which hands it to the overlay and then to the operation it belongs to. Follow
//! one wish of the owner through `client`: a walk towards the target, then requests to store.
//!
//! A node has one *side* for each address family (BEP 32: two networks that help each other), each
//! with its own id, table and lookups. Code that serves both is generic over `Family`.

mod ahead;
mod answer;
mod client;
mod heard;
mod operation;
mod rounds;
mod side;

use core::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
use std::collections::VecDeque;
use std::time::Duration;

use kademlia::flat::FlatMap;
use kademlia::limit::{RateLimit, RateLimiter, Refusals};
use kademlia::lookup::LookupSettings;
use kademlia::overlay::{LookupId, OverlaySettings};
use kademlia::protocol::{Outbox, Way};
use kademlia::size::Size;
use kademlia::table::{Census, Member, TableSettings};
use kademlia::token::Tokens;
use kademlia::{Contact, Moment, OperationId, Protocol, Transmit};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use crate::command::{Command, Event, Progress, Quest, Step, Stored};
use crate::contact::canonical;
use crate::store::{ItemStore, PeerStore, StoreSettings};
use crate::wire::{Id, Message, Request, code};
use answer::Reply;
use operation::Operation;
use side::{Family, Side, Sides};

/// How we sign our messages: `PK`, and the version of Polykad (BEP 5, "v").
const VERSION: &[u8] = &[b'P', b'K', 0, 1];

/// How a node behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Take part on IPv4.
    pub v4: bool,
    /// Take part on IPv6.
    pub v6: bool,
    /// The id on IPv4, if it had one before; random otherwise.
    pub id_v4: Option<Id>,
    /// The id on IPv6, if it had one before; random otherwise.
    pub id_v6: Option<Id>,
    /// Ask, but do not answer, and stay out of others' tables (BEP 43).
    pub read_only: bool,
    /// What one host or subnet may ask; `None`: no limit.
    pub rate_limit: Option<RateLimit>,
    /// How long an operation may take; then it ends with what it has.
    pub deadline: Duration,
    /// How often an announcement is renewed. Others keep it for 15 to 30 minutes or more.
    pub announce_every: Duration,
    /// The routing tables.
    pub table: TableSettings,
    /// The lookups.
    pub lookup: LookupSettings,
    /// What is stored for others.
    pub store: StoreSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            v4: true,
            v6: false,
            id_v4: None,
            id_v6: None,
            read_only: false,
            rate_limit: Some(RateLimit::default()),
            deadline: Duration::from_secs(30),
            announce_every: Duration::from_mins(13),
            table: TableSettings::default(),
            lookup: LookupSettings::default(),
            store: StoreSettings::default(),
        }
    }
}

impl Settings {
    fn overlay(&self) -> OverlaySettings {
        OverlaySettings {
            bits: Id::BITS,
            table: self.table,
            lookup: self.lookup,
            filling: self.lookup,
            ..OverlaySettings::default()
        }
    }
}

/// How a node is doing.
#[derive(Clone, Debug)]
pub struct Status {
    /// Its side on IPv4.
    pub v4: Option<FamilyStatus>,
    /// Its side on IPv6.
    pub v6: Option<FamilyStatus>,
    /// Torrents it stores peers of.
    pub info_hashes: usize,
    /// Peers it stores.
    pub peers: usize,
    /// Items it stores.
    pub items: usize,
    /// Operations under way.
    pub operations: usize,
    /// What passed through it.
    pub counters: Counters,
    /// Queries not answered because of the rate limit.
    pub refusals: Refusals,
}

/// A node's side on one address family.
#[derive(Clone, Copy, Debug)]
pub struct FamilyStatus {
    /// Its id.
    pub id: Id,
    /// Where others see it, once enough of them agree.
    pub external: Option<SocketAddr>,
    /// Its contacts.
    pub census: Census,
    /// The estimated number of nodes in the network.
    pub network_size: Option<Size>,
}

/// What passed through a node. Counts run from its start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Queries received, those over the limit included.
    pub queries: u64,
    /// Queries answered.
    pub answers: u64,
    /// Queries answered with an error.
    pub errors: u64,
    /// Responses and errors received that belong to a request of ours.
    pub responses: u64,
    /// Responses and errors received that belong to none.
    pub unsolicited: u64,
    /// Datagrams that are no message.
    pub malformed: u64,
    /// Requests sent.
    pub requests: u64,
    /// Queries received, by what they ask; those over the limit are not among them.
    pub by_method: ByMethod,
    /// Queries answered with an error, by why.
    pub by_fault: ByFault,
}

/// Queries by what they ask.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ByMethod {
    /// `ping`.
    pub ping: u64,
    /// `find_node`.
    pub find_node: u64,
    /// `get_peers`, scrapes included.
    pub get_peers: u64,
    /// `announce_peer`.
    pub announce_peer: u64,
    /// `get` (BEP 44).
    pub get: u64,
    /// `put` (BEP 44).
    pub put: u64,
    /// `sample_infohashes` (BEP 51).
    pub sample_infohashes: u64,
    /// Anything else.
    pub unknown: u64,
}

impl ByMethod {
    fn count(&mut self, request: &Request<'_>) {
        *match request {
            Request::Ping => &mut self.ping,
            Request::FindNode { .. } => &mut self.find_node,
            Request::GetPeers { .. } => &mut self.get_peers,
            Request::AnnouncePeer { .. } => &mut self.announce_peer,
            Request::Get { .. } => &mut self.get,
            Request::Put(_) => &mut self.put,
            Request::SampleInfohashes { .. } => &mut self.sample_infohashes,
            Request::Unknown { .. } => &mut self.unknown,
        } += 1;
    }
}

/// Queries answered with an error, by its code (BEP 5, BEP 44).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ByFault {
    /// 202: our store is full.
    pub store_full: u64,
    /// 203: a wrong token, an argument that is missing or makes no sense.
    pub protocol: u64,
    /// 204: a method we do not know.
    pub unknown_method: u64,
    /// 205 and 207: a value or a salt too long.
    pub too_long: u64,
    /// 206: a signature that does not match.
    pub bad_signature: u64,
    /// 301 and 302: an older version, or another than the writer expects.
    pub conflict: u64,
    /// Any other.
    pub other: u64,
}

impl ByFault {
    fn count(&mut self, fault: i64) {
        *match fault {
            code::SERVER => &mut self.store_full,
            code::PROTOCOL => &mut self.protocol,
            code::METHOD_UNKNOWN => &mut self.unknown_method,
            code::VALUE_TOO_BIG | code::SALT_TOO_BIG => &mut self.too_long,
            code::INVALID_SIGNATURE => &mut self.bad_signature,
            code::CAS_MISMATCH | code::SEQUENCE_TOO_LOW => &mut self.conflict,
            _ => &mut self.other,
        } += 1;
    }
}

/// A Mainline node.
#[derive(Debug)]
#[repr(C)]
pub struct Node {
    sides: Sides,
    core: Core,
}

/// All of a node that does not depend on the address family.
#[derive(Debug)]
#[repr(C)] // What each turn reads comes first: among many nodes a turn waits for each cache line.
struct Core {
    /// The answer to the query that came in last, until it is polled.
    reply: Option<Reply>,
    outbox: Outbox<SocketAddr>,
    events: VecDeque<Event>,
    limiter: RateLimiter,
    operations: FlatMap<OperationId, Box<Operation>>,
    /// When operations fall due: to end, or to begin their next round.
    deadlines: FlatMap<(Moment, OperationId), ()>,
    /// Which operation a lookup works for, by whether it is on IPv6. Lookups of the upkeep are not
    /// here.
    walks: FlatMap<(bool, LookupId), OperationId>,
    /// Operations in [`Phase::Waiting`](operation::Phase), in the order in which they came.
    waiting: VecDeque<OperationId>,
    /// When the stores look for what has expired.
    sweep_at: Moment,
    /// Whether anything is stored.
    has_stored: bool,
    counters: Counters,
    settings: Settings,
    rng: ChaCha8Rng,
    tokens: Tokens,
    peers: PeerStore,
    items: ItemStore,
    /// Which operation a request outside of lookups works for, by its tag.
    requests: FlatMap<u64, OperationId>,
    next_operation: u64,
    next_tag: u64,
    /// Peers of an answer being written.
    scratch: Vec<u8>,
}

/// Operations that may run at once.
pub const MAX_OPERATIONS: usize = 1024;
/// How often the stores look for what has expired.
const SWEEP_EVERY: Duration = Duration::from_mins(1);
/// How soon they go on if much has.
const SWEEP_SOONEST: Duration = Duration::from_millis(100);

impl Node {
    /// A node that knows nobody yet. All its randomness comes from `seed`.
    pub fn new(settings: Settings, seed: [u8; 32]) -> Self {
        let mut rng = ChaCha8Rng::from_seed(seed);
        let overlay = settings.overlay();
        let random_id = |rng: &mut ChaCha8Rng| {
            let mut id = [0; Id::BYTES];
            rng.fill_bytes(&mut id);
            Id::new(id)
        };
        // Both are drawn whether needed or not, so that what follows does not depend on it.
        let (id_v4, id_v6) = (random_id(&mut rng), random_id(&mut rng));
        let id_v4 = settings.id_v4.unwrap_or(id_v4);
        let id_v6 = settings.id_v6.unwrap_or(id_v6);
        let sides = Sides {
            v4: settings.v4.then(|| Side::new(id_v4, overlay)),
            v6: settings.v6.then(|| Box::new(Side::new(id_v6, overlay))),
        };
        let limiter = match settings.rate_limit {
            Some(limit) => RateLimiter::new(limit, &mut rng),
            None => RateLimiter::disabled(),
        };
        let mut core = Core {
            tokens: Tokens::new(Moment::START, &mut rng),
            peers: PeerStore::new(settings.store, &mut rng),
            items: ItemStore::new(settings.store, &mut rng),
            limiter,
            settings,
            rng,
            reply: None,
            outbox: Outbox::default(),
            events: VecDeque::new(),
            sweep_at: Moment::START + SWEEP_EVERY,
            has_stored: false,
            counters: Counters::default(),
            operations: FlatMap::default(),
            deadlines: FlatMap::default(),
            walks: FlatMap::default(),
            requests: FlatMap::default(),
            waiting: VecDeque::new(),
            next_operation: 0,
            next_tag: 0,
            scratch: Vec::new(),
        };
        core.items.set_home(&sides.home());
        Self { sides, core }
    }

    /// Brings in contacts of an earlier run; call before the node is driven.
    pub fn restore_contacts(&mut self, contacts: impl IntoIterator<Item = Contact<SocketAddr>>) {
        for Contact { key, address } in contacts {
            match address {
                SocketAddr::V4(address) => self.sides.restore(Contact { key, address }),
                SocketAddr::V6(address) => self.sides.restore(Contact { key, address }),
            }
        }
    }

    /// Makes this a node that has been up for long on IPv4, with this table; its next round of
    /// refreshing begins at `refresh_at`. For the simulator, whose networks are born in steady
    /// state.
    pub fn settle(&mut self, members: &[Member<SocketAddrV4>], refresh_at: Moment) {
        if let Some(side) = &mut self.sides.v4 {
            side.overlay.settle(members, refresh_at);
        }
    }

    /// Brings in what an earlier run stored; call before the node is driven.
    pub fn restore(&mut self, stored: Stored) {
        match stored {
            Stored::Peer { info_hash, peer, seed, expires } => {
                self.core.peers.restore(&info_hash, peer, seed, expires);
            }
            Stored::Item { item, expires } => self.core.items.restore(item, expires),
        }
        self.core.note_stored();
    }

    /// The contacts that are worth remembering for the next run: those that answered last.
    pub fn contacts(&self) -> impl Iterator<Item = Contact<SocketAddr>> {
        let v4 = self.sides.v4.iter().flat_map(Side::good_contacts);
        v4.chain(self.sides.v6.as_deref().into_iter().flat_map(Side::good_contacts))
    }

    /// All its contacts, with what it knows of each.
    pub fn members(&self) -> impl Iterator<Item = Member<SocketAddr>> {
        let v4 = self.sides.v4.iter().flat_map(Side::members);
        v4.chain(self.sides.v6.as_deref().into_iter().flat_map(Side::members))
    }

    /// The keys of what it stores for others: torrents once for each peer, and items.
    pub fn stored_keys(&self, now: Moment) -> impl Iterator<Item = (Id, Quest)> {
        let peers = self.core.peers.iter(now).map(|(info_hash, ..)| (info_hash, Quest::Peers));
        peers.chain(self.core.items.iter(now).map(|(target, ..)| (target, Quest::Item)))
    }

    /// How it is doing.
    pub fn status(&self, now: Moment) -> Status {
        Status {
            v4: self.sides.v4.as_ref().map(|side| side.status(now)),
            v6: self.sides.v6.as_ref().map(|side| side.status(now)),
            info_hashes: self.core.peers.info_hashes(),
            peers: self.core.peers.len(),
            items: self.core.items.len(),
            operations: self.core.operations.len(),
            counters: self.core.counters,
            refusals: self.core.limiter.refusals(),
        }
    }

    /// Checks what must always hold; for tests and the simulator's checkers.
    pub fn check_invariants(&self) -> Result<(), &'static str> {
        if let Some(side) = &self.sides.v4 {
            side.overlay.table().check_invariants()?;
        }
        if let Some(side) = &self.sides.v6 {
            side.overlay.table().check_invariants()?;
        }
        if self.core.walks.values().any(|id| !self.core.operations.contains_key(id)) {
            return Err("a walk works for no operation");
        }
        if self.core.requests.values().any(|id| !self.core.operations.contains_key(id)) {
            return Err("a request works for no operation");
        }
        let core = &self.core;
        let mut timed = core.operations.iter().map(|(id, operation)| (operation.deadline, *id));
        let all_timed = timed.all(|entry| core.deadlines.contains_key(&entry));
        if core.deadlines.len() != core.operations.len() || !all_timed {
            return Err("an operation has no deadline, or a deadline no operation");
        }
        if core.has_stored == (core.peers.is_empty() && core.items.is_empty()) {
            return Err("what is stored goes unnoticed");
        }
        Ok(())
    }

    /// Requests that await an answer, or have expired so lately that a late one still counts; for
    /// tests and the simulator's checkers.
    pub fn pending_requests(&self) -> usize {
        let v4 = self.sides.v4.as_ref().map_or(0, |side| side.overlay.pending().count());
        v4 + self.sides.v6.as_ref().map_or(0, |side| side.overlay.pending().count())
    }

    fn receive<A: Family>(&mut self, now: Moment, from: A, message: &[u8]) {
        if A::side(&mut self.sides).is_none() {
            return;
        }
        self.put_reply_by(now);
        match Message::decode(message) {
            Ok(Message::Query(query)) => self.answer(now, from, &query),
            Ok(Message::Response(response)) => self.heard(now, from, &response),
            Ok(Message::Error(error)) => self.heard_error(now, from, &error),
            Err(malformed) => self.answer_malformed(now, from, &malformed),
        }
    }

    /// Writes the next message to send, and on the way draws the consequences of what the overlays
    /// found. Answers and the queries of lookups go straight into the driver's buffer.
    fn next_message(&mut self, now: Moment, buffer: &mut Vec<u8>) -> Option<Transmit<SocketAddr>> {
        if let Some(reply) = self.core.reply.take() {
            buffer.clear();
            self.write_reply(now, &reply, buffer);
            return Some(Transmit { to: reply.to, way: Way::Datagram });
        }
        loop {
            if let Some(transmit) = self.core.outbox.pop(buffer) {
                return Some(transmit);
            }
            if let Some(to) = self.next_ask::<SocketAddrV4>(now, buffer) {
                return Some(Transmit { to: to.into(), way: Way::Datagram });
            }
            if self.next_overlay_event::<SocketAddrV4>(now) {
                continue;
            }
            if let Some(to) = self.next_ask::<SocketAddrV6>(now, buffer) {
                return Some(Transmit { to: to.into(), way: Way::Datagram });
            }
            if !self.next_overlay_event::<SocketAddrV6>(now) && !self.store_next(now) {
                return None;
            }
        }
    }

    /// Writes what an overlay wants to ask; returns whom.
    fn next_ask<A: Family>(&mut self, now: Moment, buffer: &mut Vec<u8>) -> Option<A> {
        let side = A::side(&mut self.sides)?;
        let ask = side.overlay.poll_ask(now, &mut self.core.rng)?;
        buffer.clear();
        self.write_ask::<A>(&ask, buffer);
        Some(ask.to)
    }

    /// Draws the consequences of what an overlay has to tell, if it has.
    fn next_overlay_event<A: Family>(&mut self, now: Moment) -> bool {
        let event = A::side(&mut self.sides).and_then(|side| side.overlay.poll_event());
        let is_there = event.is_some();
        if let Some(event) = event {
            self.overlay_event::<A>(now, event);
        }
        is_there
    }

    /// A further input comes before the answer to the last one was polled: it waits with other
    /// messages.
    fn put_reply_by(&mut self, now: Moment) {
        if let Some(reply) = self.core.reply.take() {
            let mut outbox = core::mem::take(&mut self.core.outbox);
            let transmit = Transmit { to: reply.to, way: Way::Datagram };
            outbox.push(transmit, |out| self.write_reply(now, &reply, out));
            self.core.outbox = outbox;
        }
    }
}

impl Core {
    /// Drops what has expired; one call does a bounded part of it.
    fn sweep(&mut self, now: Moment) {
        self.peers.expire(now);
        self.items.expire(now);
        self.note_stored();
        let next = [self.peers.next_expiry(), self.items.next_expiry()].into_iter().flatten().min();
        let pause = next.map_or(SWEEP_EVERY, |next| next.since(now));
        self.sweep_at = now + pause.clamp(SWEEP_SOONEST, SWEEP_EVERY);
    }

    /// What is stored has changed.
    fn note_stored(&mut self) {
        self.has_stored = !self.peers.is_empty() || !self.items.is_empty();
    }

    /// Tells the owner of a traced walk of a step.
    fn trace(&mut self, id: OperationId, step: Step) {
        self.events.push_back(Event::Progress(id, Progress::Step(step)));
    }
}

impl Protocol for Node {
    type Peer = SocketAddr;
    type Command = Command;
    type Event = Event;

    fn handle_message(&mut self, now: Moment, from: SocketAddr, message: &[u8]) {
        match from {
            SocketAddr::V4(from) => self.receive(now, from, message),
            SocketAddr::V6(from) => self.receive(now, canonical(from), message),
        }
    }

    fn handle_command(&mut self, now: Moment, command: Command) -> OperationId {
        self.begin(now, command)
    }

    fn handle_timeout(&mut self, now: Moment) {
        let Self { sides, core } = self;
        if let Some(side) = &mut sides.v4 {
            side.overlay.handle_timeout(now, &mut core.rng);
        }
        if let Some(side) = &mut sides.v6 {
            side.overlay.handle_timeout(now, &mut core.rng);
        }
        if core.sweep_at <= now {
            core.sweep(now);
        }
        self.operations_due(now);
    }

    fn poll_transmit(&mut self, now: Moment, buffer: &mut Vec<u8>) -> Option<Transmit<SocketAddr>> {
        self.next_message(now, buffer)
    }

    fn poll_event(&mut self) -> Option<Event> {
        let event = self.core.events.pop_front();
        if self.core.events.is_empty() && self.core.events.capacity() > 0 {
            // Events are large, and most nodes of a large simulation have had a few and have none.
            self.core.events.shrink_to(0);
        }
        event
    }

    fn next_timeout(&self) -> Option<Moment> {
        let v4 = self.sides.v4.as_ref().and_then(|side| side.overlay.next_timeout());
        let v6 = self.sides.v6.as_ref().and_then(|side| side.overlay.next_timeout());
        let operations = self.core.deadlines.first().map(|((due, _), ())| *due);
        let sweep = self.core.has_stored.then_some(self.core.sweep_at);
        sooner(sooner(v4, v6), sooner(operations, sweep))
    }
}

/// The first of two moments, if there are any.
fn sooner(a: Option<Moment>, b: Option<Moment>) -> Option<Moment> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
