//! Polykad's own network in the simulator: the shipped [`poly::Node`], unchanged.
//!
//! The simulator plays the layer that proves ids. Nodes that leave take their disk along.

use core::cell::{Cell, RefCell};
use core::net::SocketAddrV4;
use std::collections::BTreeMap;
use std::time::Duration;

use kademlia::overlay::Overlay;
use kademlia::table::Member;
use kademlia::{Contact, Key, Moment, OperationId, Protocol, Rtt, Standing, Transmit};
use poly::command::{Command, Event, Failure, GetOptions, Outcome, PutOptions};
use poly::contact::Endpoint;
use poly::node::{MAX_OPERATIONS, Settings};
use poly::region::{MIN_HOLDERS, REGION_NODES, Radius, magnitude};
use poly::store::Store;
use poly::value::{Kind, MAX_LIFETIME_S, SigningKey, Slot, blob_key, record_key, topic_key};
use poly::wire::Message;
use poly::{Entry, MemoryStore, Node, Peer, Record};

use crate::engine::{Births, Place, Reading};
use crate::ids::{Id, Ids, MAX_BUCKET};
use crate::mainline::Birth;
use crate::net::Net;
use crate::network::{Ending, Network, News, NodeStanding, Swap, Wish};
use crate::random::{Draw, below, mix2};
use crate::scenario::NodeFields;

/// Unix seconds at the beginning of time.
const CLOCK: u64 = 1_800_000_000;
/// How far ahead entries and records end: their signer does not know the time.
const SIGNED_LIFETIME_S: u64 = 25 * 24 * 3600;

/// Names of what is drawn.
mod about {
    pub(super) const ID: u64 = 0x90_00;
    pub(super) const SEED: u64 = 0x90_01;
    pub(super) const MEMBER: u64 = 0x90_02;
    pub(super) const REFRESH: u64 = 0x90_03;
    pub(super) const VALUE: u64 = 0x90_04;
    pub(super) const OTHER: u64 = 0x90_05;
    pub(super) const AUTHOR: u64 = 0x90_06;
    pub(super) const SIZE: u64 = 0x90_07;
    pub(super) const OWNER: u64 = 0x90_08;
    pub(super) const CLOCK: u64 = 0x90_09;
}

/// The age from which a contact is settled, and by how much the oldest are older.
const AGE_MIN: Duration = Duration::from_mins(30);
const AGE_SPREAD: Duration = Duration::from_mins(150);

/// A network of poly's nodes.
#[derive(Debug)]
pub struct PolyNetwork {
    seed: u64,
    ids: Ids,
    settings: Settings,
    lifetime_s: u32,
    /// By how much clocks are wrong at most.
    clock_skew: Duration,
    deadline: Option<Duration>,
    paths: u8,
    /// Contacts beyond the table.
    contacts: u32,
    /// Of so many each bucket has the nearest.
    candidates: usize,
    birth: Birth,
    net: Net,
    /// How many nodes are there at the beginning.
    there: f64,
    /// How near a node must be to hold a key, by the true size of the network.
    region: Radius,
    /// What nodes have on their disks while they are away.
    disks: RefCell<BTreeMap<Place, MemoryStore>>,
    /// The whole keys of what was stored or looked for, by their heads.
    keys: RefCell<BTreeMap<Id, Key>>,
    /// Entries signed so far: each has an author of its own.
    signed: Cell<u64>,
}

/// The node at a place.
#[derive(Debug)]
pub struct Dweller {
    place: Place,
    node: Node,
}

impl PolyNetwork {
    /// `count` nodes.
    pub fn new(seed: u64, count: u32, fields: &NodeFields, birth: Birth, net: Net) -> Self {
        let mut settings = Settings::new(Key::ZERO, CLOCK);
        settings.v6 = false;
        settings.table.bucket_size = fields.bucket.unwrap_or(settings.table.bucket_size);
        settings.table.spares = fields.spares.unwrap_or(settings.table.spares);
        if fields.rate_limit == Some(false) {
            settings.rate_limit = None;
        }
        settings.repair_every = fields.repair_every.map_or(settings.repair_every, |span| span.0);
        let lifetime = fields.lifetime.map(|span| span.0.as_secs());
        let lifetime_s = lifetime.and_then(|seconds| u32::try_from(seconds).ok());
        Self {
            seed,
            ids: Ids::new(seed, count, random_id),
            settings,
            lifetime_s: lifetime_s.unwrap_or(MAX_LIFETIME_S).min(MAX_LIFETIME_S),
            clock_skew: fields.clock_skew.unwrap_or_default().0,
            deadline: fields.deadline.map(|span| span.0),
            paths: fields.paths.unwrap_or(1),
            contacts: fields.contacts.unwrap_or(0),
            candidates: fields.candidates.unwrap_or(CANDIDATES).min(MAX_BUCKET),
            birth,
            net,
            there: count.into(),
            region: Radius::of(REGION_NODES, count.into()),
            disks: RefCell::default(),
            keys: RefCell::default(),
            signed: Cell::new(0),
        }
    }

    /// Marks a share of the nodes as not there at the beginning; see [`Ids::set_absent`].
    pub fn set_absent(&mut self, share: f64, stale: f64) {
        self.ids.set_absent(share, stale);
        self.there *= 1.0 - share;
        self.region = Radius::of(REGION_NODES, self.there);
    }

    fn settings_of(&self, place: Place) -> Settings {
        let client = self.net.is_client(place);
        let clock = CLOCK - self.clock_skew.as_secs() + self.clock_ahead(place).as_secs();
        Settings { id: self.ids.key(place), client, clock, ..self.settings.clone() }
    }

    /// By how much a node's clock is ahead of the most belated.
    fn clock_ahead(&self, place: Place) -> Duration {
        Draw::new(self.seed, about::CLOCK, place.into()).span(2 * self.clock_skew)
    }

    /// Who signs all versions of a record.
    fn owner(&self, number: u64) -> SigningKey {
        SigningKey::from_bytes(&Draw::new(self.seed, about::OWNER, number).seed())
    }

    fn contact(&self, place: Place) -> Contact<Endpoint> {
        let address = Endpoint::new(self.ids.address(place).into());
        Contact { key: self.ids.key(place), address }
    }

    fn member(&self, place: Place, other: Place) -> Member<Endpoint> {
        let pair = mix2(place.into(), other.into());
        let mut draw = Draw::new(self.seed, about::MEMBER, pair);
        let last = self.birth.start - draw.span(self.birth.silence);
        let first = last - (AGE_MIN + draw.span(AGE_SPREAD));
        let measured = self.net.round_trip(place, other);
        let mut standing = Standing::new(first, Rtt::new(measured), true);
        for _ in 0..8 {
            standing.answered(last, Some(measured));
        }
        Member { contact: self.contact(other), standing }
    }

    /// The table of a node that was up for long, bucket by bucket: of the candidates of each the
    /// nearest, for near ones displace others while they are young, and follow them when they go.
    fn table(&self, place: Place) -> Vec<Place> {
        let size = self.settings.table.bucket_size + self.settings.table.spares;
        let me = self.ids.key(place);
        let (mut table, mut bucket) = (Vec::new(), Vec::new());
        let mut shared = 0;
        let mut choose = |bucket: &mut Vec<(u64, Place)>| {
            bucket.sort_unstable();
            table.extend(bucket.drain(..).take(size).map(|(_, other)| other));
        };
        self.ids.table(place, size.max(self.candidates), |other| {
            let bits = me.shared_prefix(&self.ids.key(other));
            if bits != shared {
                choose(&mut bucket);
                shared = bits;
            }
            bucket.push((self.net.round_trip_micros(place, other), other));
        });
        choose(&mut bucket);
        table
    }

    /// Contacts beyond the table, drawn from all that are there.
    fn others(&self, place: Place) -> Vec<(Contact<Endpoint>, Rtt)> {
        let base = u64::try_from(self.ids.base()).unwrap_or(0);
        let mut drawn = Vec::new();
        let all = u64::from(self.contacts) >= base;
        let wanted = if all { base } else { self.contacts.into() };
        let mut draw = Draw::new(self.seed, about::OTHER, place.into());
        for index in 0..wanted {
            let index = if all { index } else { below(draw.next(), base) };
            let other = Place::try_from(index).unwrap_or(0);
            if other != place && self.ids.was_present(other) {
                let rtt = Rtt::new(self.net.round_trip(place, other));
                drawn.push((self.contact(other), rtt));
            }
        }
        drawn
    }

    /// How many nodes a node takes the network for after many lookups: right to some hundredths.
    fn size(&self, place: Place) -> f64 {
        let mut draw = Draw::new(self.seed, about::SIZE, place.into());
        // The sum of three is close to normal; each has a deviation of 0.29.
        let stray = draw.unit() + draw.unit() + draw.unit() - 1.5;
        self.there * (SIZE_DEVIATION / 0.5 * stray).exp()
    }

    fn refresh_at(&self, place: Place) -> Moment {
        let period = self.settings.refresh_every;
        let share = Draw::new(self.seed, about::REFRESH, place.into()).unit();
        if self.birth.silence.is_zero() {
            self.birth.start + period.mul_f64(1.0 + 0.1 * share)
        } else {
            self.birth.start + period.mul_f64(share)
        }
    }

    fn places(&self, peers: &[Peer], own: Option<Place>) -> Vec<Place> {
        let place = |peer: &Peer| self.ids.place(peer.address).or(own);
        peers.iter().filter_map(place).collect()
    }

    fn put_options(&self) -> PutOptions {
        let options = PutOptions::default();
        PutOptions {
            lifetime_s: self.lifetime_s,
            deadline: self.deadline.unwrap_or(options.deadline),
            paths: self.paths,
            ..options
        }
    }

    fn get_options(&self) -> GetOptions {
        let options = GetOptions::default();
        let deadline = self.deadline.unwrap_or(options.deadline);
        GetOptions { deadline, paths: self.paths, ..options }
    }
}

fn random_id(address: SocketAddrV4, draw: &mut Draw) -> Id {
    let seed = Draw::new(draw.next(), about::ID, address.ip().to_bits().into()).seed();
    let mut id = Id::default();
    for (to, from) in id.iter_mut().zip(seed) {
        *to = from;
    }
    id
}

impl Births<Dweller> for PolyNetwork {
    fn born(&self, place: Place) -> Dweller {
        let seed = Draw::new(self.seed, about::SEED, place.into()).seed();
        let mut node = Node::new(self.settings_of(place), seed);
        let members = self.table(place).into_iter().map(|other| self.member(place, other));
        let (start, others) = (self.birth.start, self.others(place));
        let size = (self.size(place), magnitude(self.there));
        node.settle(start, size, members, others, self.refresh_at(place));
        Dweller { place, node }
    }

    fn first_timeout(&self, place: Place) -> Option<Moment> {
        if !self.ids.was_present(place) {
            return None;
        }
        if self.birth.silence.is_zero() {
            return Some(self.birth.start + self.settings.table.questionable_after);
        }
        Some(self.birth.start)
    }

    fn peer(&self, place: Place) -> Peer {
        Peer::new(self.ids.key(place), self.ids.address(place).into())
    }

    fn place(&self, peer: Peer) -> Option<Place> {
        self.ids.place(peer.address)
    }

    fn prefetch_place(&self, place: Place) {
        self.net.prefetch(place);
        self.ids.prefetch(place);
    }

    fn prefetch(&self, dweller: &Dweller, message: Option<(Place, &[u8])>, reading: Reading) {
        let node = &dweller.node;
        match (reading, message) {
            (Reading::Node, _) => node.prefetch(),
            (Reading::Parts, None) => node.prefetch_for_timeout(),
            (Reading::Leaves, None) => node.prefetch_overdue(),
            (Reading::Parts, Some((from, message))) => {
                self.ids.prefetch_way_back(from);
                node.prefetch_for_message(&self.peer(from), message);
            }
            (Reading::Leaves, Some((from, message))) => {
                node.prefetch_consequences(&self.peer(from), message);
            }
        }
    }
}

impl Network for PolyNetwork {
    type Node = Dweller;

    fn ids(&self) -> &Ids {
        &self.ids
    }

    fn ids_mut(&mut self) -> &mut Ids {
        &mut self.ids
    }

    fn add(&mut self) -> Place {
        self.ids.add(random_id)
    }

    fn fresh(&self, place: Place, incarnation: u32, _now: Moment) -> Dweller {
        let about = mix2(about::SEED, incarnation.into());
        let seed = Draw::new(self.seed, about, place.into()).seed();
        let store = self.disks.borrow_mut().remove(&place).unwrap_or_default();
        Dweller { place, node: Node::with_store(self.settings_of(place), seed, store) }
    }

    fn is_honest(&self, _place: Place) -> bool {
        true
    }

    fn is_reachable(&self, place: Place) -> bool {
        !self.net.is_behind_nat(place)
    }

    fn persist(&mut self, _place: Place, _event: &Event) {}

    fn luggage(&self, dweller: &Dweller) -> Vec<Place> {
        let disk = dweller.node.shelf().store().clone();
        self.disks.borrow_mut().insert(dweller.place, disk);
        self.contacts(dweller)
    }

    fn unpack(&mut self, _place: Place, dweller: &mut Dweller, contacts: &[Place]) {
        dweller.node.restore_contacts(contacts.iter().map(|place| self.peer(*place)));
    }

    fn contacts(&self, dweller: &Dweller) -> Vec<Place> {
        let contacts: Vec<_> = dweller.node.contacts().collect();
        self.places(&contacts, None)
    }

    fn is_answer(message: &[u8]) -> bool {
        matches!(Message::decode(message), Ok(Message::Answer(_) | Message::Refusal(_)))
    }

    fn command(&self, wish: &Wish) -> Command {
        match wish {
            Wish::Join(through) => {
                Command::Bootstrap(through.iter().map(|place| self.peer(*place)).collect())
            }
            Wish::Find(id) => Command::FindNode(Key::from(*id)),
            Wish::Put(number, bytes) => {
                Command::PutBlob { value: value(*number, *bytes), options: self.put_options() }
            }
            Wish::Get(number, bytes) => {
                let key = blob_key(&value(*number, *bytes));
                Command::GetBlob { key, options: self.get_options() }
            }
            Wish::Announce(number) | Wish::KeepAnnouncing(number) => {
                let author = self.signed.get();
                self.signed.set(author + 1);
                let seed = Draw::new(self.seed, about::AUTHOR, author).seed();
                let key = SigningKey::from_bytes(&seed);
                let topic = topic_key(&number.to_be_bytes());
                let expires = CLOCK + SIGNED_LIFETIME_S;
                let entry = Entry::sign(&key, topic, 0, 1, expires, Some(b"here"));
                Command::PutEntry { entry: Box::new(entry), options: self.put_options() }
            }
            Wish::Seek(number) => {
                let topic = topic_key(&number.to_be_bytes());
                Command::ListTopic { topic, limit: 100, options: self.get_options() }
            }
            Wish::Swap(Swap { number, expected, seq, attempt }) => {
                let (expires, text) = (CLOCK + SIGNED_LIFETIME_S, attempt.to_be_bytes());
                let record = Record::sign(&self.owner(*number), b"", *seq, expires, Some(&text));
                let (record, expected) = (Box::new(record), Some(*expected));
                Command::PutRecord { record, expected, options: self.put_options() }
            }
            Wish::Read(number) => {
                let key = self.record_key(*number);
                Command::GetRecord { key, options: self.get_options() }
            }
            Wish::Cancel(operation) => Command::Cancel(*operation),
        }
    }

    fn target(&self, wish: &Wish) -> Option<Id> {
        let key = match wish {
            Wish::Join(_) | Wish::Cancel(_) => return None,
            Wish::Find(id) => return Some(*id),
            Wish::Put(number, bytes) | Wish::Get(number, bytes) => {
                blob_key(&value(*number, *bytes))
            }
            Wish::Announce(number) | Wish::KeepAnnouncing(number) | Wish::Seek(number) => {
                topic_key(&number.to_be_bytes())
            }
            Wish::Swap(Swap { number, .. }) | Wish::Read(number) => self.record_key(*number),
        };
        self.keys.borrow_mut().insert(key.id(), key);
        Some(key.id())
    }

    fn news(&self, event: &Event) -> Option<News> {
        if let Event::PutComplete(id, who) = event {
            return Some(News::Complete(*id, self.places(&who.stored, None)));
        }
        let Event::Done(id, outcome, report) = event else { return None };
        let ending = Ending {
            asked: report.asked,
            failed: report.failed,
            hops: report.hops,
            elapsed: report.elapsed,
            ..self.ending(outcome)
        };
        Some(News::Done(*id, ending))
    }

    const ACKNOWLEDGES: bool = true;

    fn is_stored(message: &[u8]) -> bool {
        matches!(Message::decode(message), Ok(Message::Answer(answer)) if answer.stored.is_some())
    }

    fn describe(&self, message: &[u8], target: &Id) -> String {
        match Message::decode(message) {
            Ok(Message::Request(request)) => {
                let ask = format!("{:?}", request.ask);
                let name = ask.split([' ', '{', '(']).next().unwrap_or_default();
                format!("asks: {name}")
            }
            Ok(Message::Answer(answer)) => {
                let target = Key::from(*target);
                let named = answer.contacts.iter().map(|contact| contact.key.distance(&target));
                let nearest = named.min().map_or("nobody".to_owned(), |near| format!("{near:?}"));
                let value = if answer.value.is_some() { ", the value" } else { "" };
                let count = answer.contacts.iter().count();
                format!("answers{value}, names {count}, the nearest at {nearest}")
            }
            Ok(Message::Refusal(reply)) => format!("refuses: {}", reply.refusal),
            Err(malformed) => format!("malformed: {malformed}"),
        }
    }

    fn stored(&self, dweller: &Dweller, each: &mut dyn FnMut(Id)) -> bool {
        dweller.node.shelf().store().heads(&mut |slot, head| {
            if !head.cached {
                each(slot.key.id());
            }
        });
        true
    }

    fn check(&self, dweller: &Dweller) -> Result<(), &'static str> {
        dweller.node.check_invariants()
    }

    fn standing(&self, dweller: &Dweller, now: Moment) -> NodeStanding {
        let status = dweller.node.status(now);
        NodeStanding {
            contacts: status.table.good + status.table.questionable + status.table.bad,
            values: status.shelf.values,
            operations: status.operations,
            in_flight: dweller.node.pending_requests(),
            bytes: status.contacts * CONTACT_BYTES
                + usize::try_from(status.shelf.bytes).unwrap_or(usize::MAX),
        }
    }

    fn bounds(&self) -> NodeStanding {
        let Settings { table, limits, contacts, .. } = &self.settings;
        let in_table = table.bucket_size * Key::BITS as usize;
        let values = usize::try_from(limits.bytes / poly::store::OVERHEAD_BYTES);
        let bytes = usize::try_from(limits.bytes).unwrap_or(usize::MAX);
        NodeStanding {
            contacts: in_table,
            values: values.unwrap_or(usize::MAX),
            operations: MAX_OPERATIONS,
            // Expired ones that may still be answered count too.
            in_flight: 8 * Overlay::<Endpoint>::MAX_IN_FLIGHT,
            bytes: bytes + contacts * CONTACT_BYTES + (1 << 20),
        }
    }

    fn keepers(&self, target: &Id) -> Vec<Place> {
        let key = Key::from(*target);
        let mut near = self.ids.closest(target, MAX_KEEPERS, |_| true);
        let in_region =
            near.iter().take_while(|place| self.region.holds(&self.ids.key(**place), &key));
        let count = in_region.count();
        near.truncate(count.max(MIN_HOLDERS));
        near
    }

    fn holds(&self, dweller: &Dweller, now: Moment, target: &Id) -> bool {
        let Some(key) = self.keys.borrow().get(target).copied() else { return false };
        let (unix, shelf) = (dweller.node.unix(now), dweller.node.shelf());
        shelf.head(unix, &Slot::of(key)).is_some() || !shelf.entries(unix, &key, false).is_empty()
    }

    fn version(&self, dweller: &Dweller, now: Moment, target: &Id) -> Option<u64> {
        let slot = Slot::of(self.keys.borrow().get(target).copied()?);
        let head = dweller.node.shelf().head(dweller.node.unix(now), &slot)?;
        (head.kind == Kind::Record && !head.cached).then_some(head.version.seq)
    }

    fn asks(&self, dweller: &Dweller, now: Moment, target: &Id, other: Place) -> bool {
        dweller.node.status(now).radius.holds(&self.ids.key(other), &Key::from(*target))
    }

    fn moved(&self, dweller: &Dweller, now: Moment) -> u64 {
        let counters = dweller.node.status(now).counters;
        counters.fetched + counters.given
    }

    fn members(&self, dweller: &Dweller) -> Vec<Place> {
        let members = dweller.node.members();
        members.filter_map(|member| self.ids.place(member.contact.address.socket())).collect()
    }

    fn round_trip(&self, from: Place, to: Place) -> Option<Duration> {
        Some(self.net.round_trip(from, to))
    }

    fn takes_over(&self, newcomer: &Id, target: &Id, holders: &[Place]) -> bool {
        let (newcomer, target) = (Key::from(*newcomer), Key::from(*target));
        let comes = target.distance(&newcomer);
        let is_nearer = |holder: &&Place| target.distance(&self.ids.key(**holder)) < comes;
        self.region.holds(&newcomer, &target)
            || holders.iter().filter(is_nearer).count() < MIN_HOLDERS
    }
}

/// What a contact takes, in the table of all and in the routing table.
const CONTACT_BYTES: usize = 240;
/// Nodes that a region holds at most, for the figures.
const MAX_KEEPERS: usize = 64;
/// Standard deviation of estimates of the network's size by many lookups: see `kademlia::size`.
const SIZE_DEVIATION: f64 = 0.04;
/// Candidates of a bucket unless a scenario says otherwise: tables of nodes that joined two hours
/// ago and look up something every five minutes are nearer (`poly-born-or-joined.toml`).
const CANDIDATES: usize = 64;

impl PolyNetwork {
    fn record_key(&self, number: u64) -> Key {
        record_key(&self.owner(number).verifying_key().to_bytes(), b"")
    }

    fn ending(&self, outcome: &Outcome) -> Ending {
        let fulfilled = Ending { fulfilled: true, ..Ending::default() };
        match outcome {
            Outcome::Nodes(nodes) => Ending { nodes: self.places(nodes, None), ..fulfilled },
            Outcome::Blob(blob) => Ending { fulfilled: blob.is_some(), ..Ending::default() },
            Outcome::Record(record) => {
                let seq = record.as_ref().map(|record| record.seq);
                Ending { fulfilled: seq.is_some(), seq, ..Ending::default() }
            }
            Outcome::Entries(found) => Ending { fulfilled: !found.is_empty(), ..Ending::default() },
            Outcome::Stored(who) => Ending { nodes: self.places(&who.stored, None), ..fulfilled },
            Outcome::Pong { .. } => fulfilled,
            Outcome::Failed(Failure::Conflict(record)) => {
                Ending { seq: Some(record.seq), ..Ending::default() }
            }
            Outcome::Failed(_) => Ending::default(),
        }
    }
}

impl Protocol for Dweller {
    type Peer = Peer;
    type Command = Command;
    type Event = Event;

    fn handle_message(&mut self, now: Moment, from: Peer, message: &[u8]) {
        self.node.handle_message(now, from, message);
    }

    fn handle_command(&mut self, now: Moment, command: Command) -> OperationId {
        self.node.handle_command(now, command)
    }

    fn handle_timeout(&mut self, now: Moment) {
        self.node.handle_timeout(now);
    }

    fn poll_transmit(&mut self, now: Moment, buffer: &mut Vec<u8>) -> Option<Transmit<Peer>> {
        self.node.poll_transmit(now, buffer)
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.node.poll_event()
    }

    fn next_timeout(&self) -> Option<Moment> {
        self.node.next_timeout()
    }
}

/// The value of a number.
fn value(number: u64, bytes: usize) -> Box<[u8]> {
    let mut value = Vec::with_capacity(bytes + 8);
    let mut draw = Draw::new(0, about::VALUE, number);
    while value.len() < bytes {
        value.extend_from_slice(&draw.next().to_le_bytes());
    }
    value.truncate(bytes);
    value.into()
}
