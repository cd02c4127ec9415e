//! Mainline in the simulator: the shipped [`mainline::Node`], unchanged, and those among its nodes
//! that do not play by the rules.
#![expect(clippy::format_push_string, reason = "explanations are for people")]

mod resident;

use core::cell::RefCell;
use core::net::{SocketAddr, SocketAddrV4};
use std::collections::BTreeMap;
use std::time::Duration;

use kademlia::overlay::Overlay;
use kademlia::table::Member;
use kademlia::{Contact, Key, Moment, Rtt, Standing};
use mainline::command::{Command, Event, Outcome, Progress, Stored};
use mainline::external::derive_id;
use mainline::item::immutable_target;
use mainline::node::{MAX_OPERATIONS, Node, Settings};
use mainline::wire;

use crate::adversary::{self, Adversaries};
use crate::engine::{Births, Place, Reading};
use crate::ids::{ID_BYTES, Id, Ids};
use crate::net::Net;
use crate::network::{Ending, Network, News, NodeStanding, Swap, Wish};
use crate::random::{Draw, mix2};
use crate::scenario::AdversaryFields;
pub use resident::{Intruder, Resident};

/// How nodes are born in steady state.
#[derive(Clone, Copy, Debug)]
pub struct Birth {
    /// When the simulation begins.
    pub start: Moment,
    /// How long ago a contact was heard of last, at most. With zero no contact is due for a check
    /// and no table for a refresh in the first quarter of an hour.
    pub silence: Duration,
}

/// A network of Mainline nodes.
#[derive(Clone, Debug)]
pub struct MainlineNetwork {
    seed: u64,
    /// What is drawn about members of tables begins with this.
    member_seed: u64,
    ids: Ids,
    settings: Settings,
    birth: Birth,
    net: Net,
    /// What nodes have written to their disks.
    disks: BTreeMap<Place, Vec<Stored>>,
    adversaries: Adversaries,
    /// Used again for each birth, so that what a node keeps lies together.
    cradle: RefCell<Cradle>,
}

/// What a birth needs for a while.
#[derive(Clone, Debug, Default)]
struct Cradle {
    others: Vec<Place>,
    members: Vec<Member<SocketAddrV4>>,
}

/// Names of what is drawn.
mod about {
    pub(super) const SEED: u64 = 0x3a_01;
    pub(super) const MEMBER: u64 = 0x3a_02;
    pub(super) const REFRESH: u64 = 0x3a_03;
    pub(super) const VALUE: u64 = 0x3a_04;
    pub(super) const TOPIC: u64 = 0x3a_05;
}

/// The age from which a contact is settled, and by how much the oldest are older.
const AGE_MIN_MICROS: u64 = 30 * 60 * 1_000_000;
const AGE_SPREAD_MICROS: u64 = 150 * 60 * 1_000_000;
/// When simulations should begin at the earliest, so that contacts can be so old.
pub const EARLIEST_START: Moment = Moment::from_micros(4 * 3600 * 1_000_000);

impl MainlineNetwork {
    /// `count` nodes, whose ids follow from their addresses (BEP 42).
    pub fn new(seed: u64, count: u32, settings: Settings, birth: Birth, net: Net) -> Self {
        let ids = Ids::new(seed, count, derived);
        Self {
            seed,
            member_seed: mix2(seed, about::MEMBER),
            ids,
            settings,
            birth,
            net,
            disks: BTreeMap::new(),
            adversaries: Adversaries::default(),
            cradle: RefCell::default(),
        }
    }

    /// Marks a share of the nodes as not there at the beginning; see [`Ids::set_absent`].
    pub fn set_absent(&mut self, share: f64, stale: f64) {
        self.ids.set_absent(share, stale);
    }

    /// Adds those that do not play by the rules.
    pub fn add_adversaries(&mut self, fields: &[AdversaryFields]) {
        self.adversaries = Adversaries::new(self.seed, fields, &mut self.ids, topic, derived);
    }

    /// Whoever lives at a place, as one that knows nobody; or the shipped node with a table of its
    /// own, by `settled`.
    fn resident(&self, place: Place, seed: [u8; 32], settled: bool) -> Resident {
        let me = self.contact(place);
        let settings = || self.settings_of(place);
        if let Some(rogue) = self.adversaries.resident(place, me, settings, seed) {
            return Resident::Rogue(Intruder(rogue));
        }
        let mut node = Node::new(self.settings_of(place), seed);
        if settled {
            let table = self.settings.table;
            let size = table.bucket_size + table.spares;
            let Cradle { others, members } = &mut *self.cradle.borrow_mut();
            others.clear();
            members.clear();
            self.ids.table(place, size, |other| others.push(other));
            for other in &*others {
                self.prefetch_place(*other);
            }
            members.extend(others.iter().map(|other| self.member(place, *other)));
            node.settle(members, self.refresh_at(place));
        }
        Resident::Honest(node)
    }

    fn settings_of(&self, place: Place) -> Settings {
        Settings {
            v4: true,
            v6: false,
            id_v4: Some(wire::Id::new(self.ids.id(place))),
            read_only: self.settings.read_only || self.net.is_client(place),
            ..self.settings.clone()
        }
    }

    fn refresh_at(&self, place: Place) -> Moment {
        let period = Duration::from_mins(15);
        let mut draw = Draw::new(self.seed, about::REFRESH, place.into());
        let share = draw.unit();
        if self.birth.silence.is_zero() {
            self.birth.start + period.mul_f64(1.0 + 0.1 * share)
        } else {
            self.birth.start + period.mul_f64(share)
        }
    }

    fn member(&self, place: Place, other: Place) -> Member<SocketAddrV4> {
        let pair = mix2(place.into(), other.into());
        let mut draw = Draw::of(self.member_seed, pair);
        // In whole microseconds: a million nodes have two hundred million members.
        let silence = u64::try_from(self.birth.silence.as_micros()).unwrap_or(u64::MAX);
        let last = self.birth.start.as_micros().saturating_sub(draw.below(silence));
        let first = last.saturating_sub(AGE_MIN_MICROS + draw.below(AGE_SPREAD_MICROS));
        let (first, last) = (Moment::from_micros(first), Moment::from_micros(last));
        let measured = Duration::from_micros(self.net.round_trip_micros(place, other));
        let mut standing = Standing::new(first, Rtt::steady(measured, 9), true);
        standing.answered(last, None);
        standing.queried(last);
        Member { contact: self.contact(other), standing }
    }

    fn contact(&self, place: Place) -> Contact<SocketAddrV4> {
        Contact { key: self.ids.key(place), address: self.ids.address(place) }
    }

    fn places(&self, contacts: &[Contact<SocketAddr>]) -> Vec<Place> {
        contacts.iter().filter_map(|contact| self.ids.place(contact.address)).collect()
    }
}

fn derived(address: SocketAddrV4, draw: &mut Draw) -> Id {
    *derive_id((*address.ip()).into(), draw).as_bytes()
}

impl Births<Resident> for MainlineNetwork {
    fn born(&self, place: Place) -> Resident {
        let seed = Draw::new(self.seed, about::SEED, place.into()).seed();
        self.resident(place, seed, true)
    }

    fn first_timeout(&self, place: Place) -> Option<Moment> {
        if !self.ids.was_present(place) || self.adversaries.holds(place) {
            return None;
        }
        if self.birth.silence.is_zero() {
            return Some(self.birth.start + self.settings.table.questionable_after);
        }
        // The first check is due at once or soon: woken early, the node says when.
        Some(self.birth.start)
    }

    fn peer(&self, place: Place) -> SocketAddr {
        self.ids.address(place).into()
    }

    fn place(&self, peer: SocketAddr) -> Option<Place> {
        self.ids.place(peer)
    }

    fn prefetch_place(&self, place: Place) {
        self.net.prefetch(place);
        self.ids.prefetch(place);
    }

    fn prefetch(&self, node: &Resident, message: Option<(Place, &[u8])>, reading: Reading) {
        let Resident::Honest(node) = node else { return };
        match (reading, message) {
            (Reading::Node, _) => node.prefetch(),
            (Reading::Parts, None) => node.prefetch_for_timeout(),
            (Reading::Leaves, None) => node.prefetch_overdue(),
            (Reading::Parts, Some((from, message))) => {
                self.ids.prefetch_way_back(from);
                let from = self.contact(from);
                match asked_target(message) {
                    Some(target) => node.prefetch_for_query(&from, &target),
                    None => node.prefetch_for_answer(&from),
                }
            }
            (Reading::Leaves, Some((from, message))) => match asked_target(message) {
                Some(target) => node.prefetch_closest(&target),
                None => node.prefetch_consequences(&self.contact(from)),
            },
        }
    }
}

/// The target of a query, if it stands where our nodes write it.
fn asked_target(message: &[u8]) -> Option<Key> {
    let rest = message.strip_prefix(b"d1:ad2:id20:")?.get(ID_BYTES..)?;
    let rest = rest.strip_prefix(b"6:target20:").or(rest.strip_prefix(b"9:info_hash20:"))?;
    rest.first_chunk::<ID_BYTES>().map(|id| Key::from(*id))
}

impl Network for MainlineNetwork {
    type Node = Resident;

    fn ids(&self) -> &Ids {
        &self.ids
    }

    fn ids_mut(&mut self) -> &mut Ids {
        &mut self.ids
    }

    fn add(&mut self) -> Place {
        self.ids.add(derived)
    }

    fn fresh(&self, place: Place, incarnation: u32, _now: Moment) -> Resident {
        let about = mix2(about::SEED, incarnation.into());
        let seed = Draw::new(self.seed, about, place.into()).seed();
        self.resident(place, seed, false)
    }

    fn is_honest(&self, place: Place) -> bool {
        !self.adversaries.holds(place)
    }

    fn spoofing_rate(&self, place: Place) -> Option<f64> {
        self.adversaries.spoofing_rate(place)
    }

    fn forgery(&self, draw: &mut Draw) -> Vec<u8> {
        adversary::forgery(draw)
    }

    fn is_reachable(&self, place: Place) -> bool {
        !self.net.is_behind_nat(place)
    }

    fn persist(&mut self, place: Place, event: &Event) {
        if let Event::Stored(stored) = event {
            let disk = self.disks.entry(place).or_default();
            // What is put again replaces what was there.
            disk.retain(|other| !is_same(other, stored));
            disk.push(stored.clone());
        }
    }

    fn luggage(&self, node: &Resident) -> Vec<Place> {
        self.contacts(node)
    }

    fn unpack(&mut self, place: Place, node: &mut Resident, contacts: &[Place]) {
        let Resident::Honest(node) = node else { return };
        node.restore_contacts(contacts.iter().map(|place| Contact {
            key: self.ids.key(*place),
            address: self.ids.address(*place).into(),
        }));
        for stored in self.disks.get(&place).into_iter().flatten() {
            node.restore(stored.clone());
        }
    }

    fn contacts(&self, node: &Resident) -> Vec<Place> {
        let Resident::Honest(node) = node else { return Vec::new() };
        let contacts: Vec<_> = node.contacts().collect();
        self.places(&contacts)
    }

    fn is_answer(message: &[u8]) -> bool {
        matches!(wire::Message::decode(message), Ok(wire::Message::Response(_)))
    }

    fn command(&self, wish: &Wish) -> Command {
        match wish {
            Wish::Join(through) => {
                let addresses = through.iter().map(|place| self.ids.address(*place).into());
                Command::Bootstrap(addresses.collect())
            }
            Wish::Find(id) => Command::FindNode(wire::Id::new(*id)),
            Wish::Put(number, bytes) => Command::PutImmutable(value(*number, *bytes)),
            Wish::Get(number, bytes) => {
                Command::GetImmutable(immutable_target(&value(*number, *bytes)))
            }
            Wish::Announce(number) | Wish::KeepAnnouncing(number) => Command::Announce {
                info_hash: wire::Id::new(topic(*number)),
                port: None,
                seed: false,
            },
            Wish::Seek(number) => Command::GetPeers(wire::Id::new(topic(*number))),
            Wish::Cancel(operation) => Command::Cancel(*operation),
            // Scenarios ask it of poly alone.
            Wish::Swap(Swap { number, .. }) | Wish::Read(number) => {
                Command::FindNode(wire::Id::new(topic(*number)))
            }
        }
    }

    fn target(&self, wish: &Wish) -> Option<Id> {
        match wish {
            Wish::Join(_) | Wish::Cancel(_) => None,
            Wish::Find(id) => Some(*id),
            Wish::Put(number, bytes) | Wish::Get(number, bytes) => {
                Some(*immutable_target(&value(*number, *bytes)).as_bytes())
            }
            Wish::Announce(number)
            | Wish::KeepAnnouncing(number)
            | Wish::Seek(number)
            | Wish::Swap(Swap { number, .. })
            | Wish::Read(number) => Some(topic(*number)),
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "news are few among events")]
    fn news(&self, event: &Event) -> Option<News> {
        match event {
            Event::Progress(id, Progress::Peers(_) | Progress::Item(_)) => Some(News::Found(*id)),
            Event::Progress(id, Progress::Announced(who)) => {
                Some(News::Stored(*id, self.places(&who.stored)))
            }
            Event::Done(id, outcome, report) => {
                let ending = Ending {
                    asked: report.asked,
                    failed: report.failed,
                    hops: report.hops,
                    elapsed: report.elapsed,
                    ..self.ending(outcome)
                };
                Some(News::Done(*id, ending))
            }
            _ => None,
        }
    }

    fn describe(&self, message: &[u8], target: &Id) -> String {
        match wire::Message::decode(message) {
            Ok(wire::Message::Query(query)) => {
                let request = format!("{:?}", query.request);
                let name = request.split([' ', '{', '(']).next().unwrap_or_default().to_owned();
                format!("asks: {name}")
            }
            Ok(wire::Message::Response(response)) => self.describe_response(&response, target),
            Ok(wire::Message::Error(error)) => {
                format!("error {}: {}", error.code, String::from_utf8_lossy(error.message))
            }
            Err(malformed) => format!("malformed: {malformed}"),
        }
    }

    fn check(&self, node: &Resident) -> Result<(), &'static str> {
        node.honest().map_or(Ok(()), Node::check_invariants)
    }

    fn standing(&self, node: &Resident, _now: Moment) -> NodeStanding {
        let Some(node) = node.honest() else { return NodeStanding::default() };
        NodeStanding {
            contacts: node.contacts_known(),
            values: node.values_stored(),
            operations: node.operations_under_way(),
            in_flight: node.requests_in_flight(),
            bytes: node.bytes(),
        }
    }

    fn bounds(&self) -> NodeStanding {
        let (table, store) = (self.settings.table, self.settings.store);
        let contacts = table.bucket_size * wire::Id::BITS as usize;
        // The smallest peer takes six bytes.
        let values = store.items + store.peer_bytes / 6;
        let bytes = contacts * 100 + store.item_bytes + store.peer_bytes + (1 << 20);
        let (operations, in_flight) = (MAX_OPERATIONS, Overlay::<SocketAddrV4>::MAX_IN_FLIGHT);
        NodeStanding { contacts, values, operations, in_flight, bytes }
    }

    fn bucket_size(&self) -> Option<usize> {
        Some(self.settings.table.bucket_size)
    }

    fn keepers(&self, target: &Id) -> Vec<Place> {
        self.ids.closest(target, self.settings.lookup.closest, |_| true)
    }

    fn takes_over(&self, newcomer: &Id, target: &Id, holders: &[Place]) -> bool {
        let target = Key::from(*target);
        let comes = target.distance(&Key::from(*newcomer));
        holders.iter().any(|holder| comes < target.distance(&self.ids.key(*holder)))
    }
}

impl MainlineNetwork {
    fn describe_response(&self, response: &wire::Response<'_>, target: &Id) -> String {
        let target = Key::from(*target);
        let named = response.contacts_v4().map(|contact| {
            let place = self.ids.place(contact.address.into());
            let name = place.map_or("nobody".to_owned(), |place| place.to_string());
            format!("{name} at {:?}", contact.key.distance(&target))
        });
        let named: Vec<String> = named.collect();
        let mut text = format!("answers at {:?}", response.sender.key().distance(&target));
        let peers = response.peers().count();
        if peers > 0 {
            text.push_str(&format!(", {peers} peers"));
        }
        if response.value.is_some() {
            text.push_str(", the value");
        }
        if !named.is_empty() {
            text.push_str(&format!(", names {}", named.join(", ")));
        }
        text
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "whatever else it is, it failed")]
    fn ending(&self, outcome: &Outcome) -> Ending {
        let fulfilled = Ending { fulfilled: true, ..Ending::default() };
        match outcome {
            Outcome::Nodes(nodes) => Ending { nodes: self.places(nodes), ..fulfilled },
            Outcome::Peers(peers) => Ending { fulfilled: !peers.is_empty(), ..Ending::default() },
            Outcome::Item(item) => Ending { fulfilled: item.is_some(), ..Ending::default() },
            Outcome::Stored(who) => Ending { nodes: self.places(&who.stored), ..fulfilled },
            Outcome::Pong { .. } | Outcome::Scrape { .. } | Outcome::Sample(_) => fulfilled,
            _ => Ending::default(),
        }
    }
}

/// Whether two records are about the same peer or item.
fn is_same(a: &Stored, b: &Stored) -> bool {
    match (a, b) {
        (
            Stored::Peer { info_hash: a, peer: p, .. },
            Stored::Peer { info_hash: b, peer: q, .. },
        ) => a == b && p == q,
        (Stored::Item { item: a, .. }, Stored::Item { item: b, .. }) => a == b,
        (Stored::Peer { .. }, Stored::Item { .. }) | (Stored::Item { .. }, Stored::Peer { .. }) => {
            false
        }
    }
}

/// The value of a number: a bencoded string of `bytes` bytes.
fn value(number: u64, bytes: usize) -> Box<[u8]> {
    let mut value = format!("{bytes}:").into_bytes();
    let mut draw = Draw::new(0, about::VALUE, number);
    while value.len() < bytes + 8 {
        value.extend_from_slice(&draw.next().to_le_bytes());
    }
    let head = value.iter().position(|byte| *byte == b':').unwrap_or(0) + 1;
    value.truncate(head + bytes);
    value.into()
}

/// The info-hash of a topic.
fn topic(number: u64) -> Id {
    let mut draw = Draw::new(0, about::TOPIC, number);
    let mut id = [0; 20];
    for (to, from) in id.iter_mut().zip(draw.seed()) {
        *to = from;
    }
    id
}

#[cfg(test)]
mod tests;
