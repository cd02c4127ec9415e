//! A small world for nodes: virtual time, seeded latency and loss, partitions.
//!
//! The nodes are the real ones, driven through the same seam and loop as by the socket driver; the
//! world plays the layer that proves ids.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use kademlia::protocol::{Input, Transport, Way, step};
use kademlia::{Key, Moment, OperationId, Protocol, Transmit};
use poly::command::{Acknowledgements, Command, Event, Outcome, Progress, Report};
use poly::{MemoryStore, Node, Peer, Settings};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// Unix seconds at the beginning of each world.
pub(crate) const CLOCK: u64 = 1_800_000_000;

/// How long a NAT lets in answers (RFC 4787, REQ-5: at least two minutes).
const HOLE: Duration = Duration::from_mins(2);

/// Names a node of the world.
pub(crate) type Place = SocketAddr;

pub(crate) struct World {
    pub(crate) now: Moment,
    pub(crate) loss: f64,
    /// The period of repair of nodes to come, unless it is the usual one.
    pub(crate) repair_every: Option<Duration>,
    nodes: BTreeMap<Place, Node>,
    queue: BTreeMap<(Moment, u64), Arrival>,
    wakes: BTreeMap<Place, Moment>,
    sequence: u64,
    pub(crate) rng: ChaCha8Rng,
    pub(crate) progress: BTreeMap<(Place, OperationId), Vec<Progress>>,
    pub(crate) done: BTreeMap<(Place, OperationId), (Outcome, Report)>,
    pub(crate) complete: BTreeMap<(Place, OperationId), Acknowledgements>,
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
    /// Who cannot talk to those who are not in it.
    pub(crate) island: BTreeSet<Place>,
    /// Who is behind a NAT: hosts to which they have not sent anything lately do not reach them.
    pub(crate) nats: BTreeSet<Place>,
    /// Until when they let in what a host sends.
    holes: BTreeMap<(Place, IpAddr), Moment>,
    next_address: u32,
}

enum Arrival {
    Message { from: Peer, to: Peer, bytes: Vec<u8> },
    Wake(Place),
}

/// Collects what a node sends in one step.
#[derive(Default)]
struct Collect {
    buffer: Vec<u8>,
    sent: Vec<(Transmit<Peer>, Vec<u8>)>,
    events: Vec<Event>,
}

impl Transport<Node> for Collect {
    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    fn transmit(&mut self, transmit: Transmit<Peer>) {
        self.sent.push((transmit, self.buffer.clone()));
    }

    fn event(&mut self, event: Event) {
        self.events.push(event);
    }
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            now: Moment::from_micros(1),
            loss: 0.0,
            repair_every: None,
            nodes: BTreeMap::new(),
            queue: BTreeMap::new(),
            wakes: BTreeMap::new(),
            sequence: 0,
            rng: ChaCha8Rng::seed_from_u64(seed),
            progress: BTreeMap::new(),
            done: BTreeMap::new(),
            complete: BTreeMap::new(),
            messages: 0,
            bytes: 0,
            island: BTreeSet::new(),
            nats: BTreeSet::new(),
            holes: BTreeMap::new(),
            next_address: 0,
        }
    }

    /// The settings of the next node: a random id, an address of its own.
    pub(crate) fn settings(&mut self) -> Settings {
        let mut settings = Settings::new(Key::random(256, &mut self.rng), CLOCK);
        settings.repair_every = self.repair_every.unwrap_or(settings.repair_every);
        settings
    }

    pub(crate) fn add(&mut self, settings: Settings) -> Place {
        self.next_address += 1;
        let n = self.next_address;
        let place: Place = format!("10.77.{}.{}:6000", n / 250, n % 250 + 1).parse().unwrap();
        self.add_at(place, settings, MemoryStore::default());
        place
    }

    pub(crate) fn add_at(&mut self, place: Place, settings: Settings, store: MemoryStore) {
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        // The node's clock runs since the beginning of the world.
        self.nodes.insert(place, Node::with_store(settings, seed, store));
    }

    /// Adds a node that joins through another.
    pub(crate) fn join(&mut self, through: Place) -> Place {
        let settings = self.settings();
        let place = self.add(settings);
        self.command(place, Command::Bootstrap(vec![Peer::unproven(through)]));
        place
    }

    pub(crate) fn node(&self, place: Place) -> &Node {
        &self.nodes[&place]
    }

    pub(crate) fn places(&self) -> Vec<Place> {
        self.nodes.keys().copied().collect()
    }

    pub(crate) fn peer(&self, place: Place) -> Peer {
        Peer::new(self.nodes[&place].status(self.now).id, place)
    }

    pub(crate) fn kill(&mut self, place: Place) -> Node {
        self.wakes.remove(&place);
        self.done.retain(|(at, _), _| *at != place);
        self.progress.retain(|(at, _), _| *at != place);
        self.nodes.remove(&place).unwrap()
    }

    /// Starts a node that was killed again, with its id, contacts and disk.
    pub(crate) fn restart(&mut self, place: Place, old: &Node) {
        let settings = Settings::new(old.status(self.now).id, CLOCK);
        self.add_at(place, settings, old.shelf().store().clone());
        let contacts: Vec<_> = old.contacts().collect();
        self.nodes.get_mut(&place).unwrap().restore_contacts(contacts);
        self.take(place, Collect::default());
    }

    /// `count` nodes on local addresses, all joined through earlier ones.
    pub(crate) fn populate(&mut self, count: usize) -> Vec<Place> {
        let settings = self.settings();
        let mut places = vec![self.add(settings)];
        while places.len() < count {
            let through = places[self.rng.next_u32() as usize % places.len()];
            places.push(self.join(through));
            self.run_for(Duration::from_millis(50));
        }
        self.run_for(Duration::from_mins(1));
        places
    }

    pub(crate) fn command(&mut self, at: Place, command: Command) -> OperationId {
        self.step(at, Input::Command(command)).unwrap()
    }

    /// Hands a message to a node as if from `from`; returns what it sends back to there at once.
    pub(crate) fn inject(&mut self, from: Peer, to: Place, bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut out = Collect::default();
        let node = self.nodes.get_mut(&to).unwrap();
        step(node, self.now, Input::Message(from, bytes), &mut out);
        node.check_invariants().unwrap();
        let back = out.sent.extract_if(.., |(transmit, _)| transmit.to == from);
        let back = back.map(|(_, bytes)| bytes).collect();
        self.take(to, out);
        back
    }

    /// Runs a command to its end.
    pub(crate) fn perform(&mut self, at: Place, command: Command) -> (Outcome, Report) {
        let id = self.command(at, command);
        let limit = self.now + Duration::from_mins(2);
        while self.now < limit {
            if let Some(done) = self.done.get(&(at, id)) {
                return done.clone();
            }
            if !self.advance(limit) {
                break;
            }
        }
        self.done.get(&(at, id)).cloned().expect("the operation has not ended")
    }

    pub(crate) fn run_for(&mut self, span: Duration) {
        let until = self.now + span;
        while self.advance(until) {}
        self.now = until;
    }

    /// Which nodes hold a value now.
    pub(crate) fn holders(&self, key: &Key) -> Vec<Place> {
        let slot = poly::value::Slot::of(*key);
        let holds = |node: &Node| node.shelf().head(node.unix(self.now), &slot).is_some();
        self.nodes.iter().filter(|(_, node)| holds(node)).map(|(place, _)| *place).collect()
    }

    fn advance(&mut self, until: Moment) -> bool {
        let Some(((at, _), _)) = self.queue.first_key_value() else { return false };
        if *at > until {
            return false;
        }
        let ((at, _), arrival) = self.queue.pop_first().unwrap();
        self.now = self.now.max(at);
        match arrival {
            Arrival::Message { from, to, bytes } => {
                let Some(node) = self.nodes.get(&to.address) else { return true };
                // The layer below dials ids: whoever else is there never sees the message.
                let is_there = !to.is_proven() || node.status(self.now).id == to.id;
                if is_there {
                    self.step(to.address, Input::Message(from, &bytes));
                }
            }
            Arrival::Wake(place) => {
                if self.wakes.get(&place) == Some(&at) {
                    self.wakes.remove(&place);
                    self.step(place, Input::Timeout);
                }
            }
        }
        true
    }

    fn step(&mut self, at: Place, input: Input<'_, Node>) -> Option<OperationId> {
        let mut out = Collect::default();
        let node = self.nodes.get_mut(&at)?;
        let operation = step(node, self.now, input, &mut out);
        node.check_invariants().unwrap();
        self.take(at, out);
        operation
    }

    fn take(&mut self, at: Place, out: Collect) {
        let from = self.peer(at);
        for (Transmit { to, way }, bytes) in out.sent {
            assert!(to.id != from.id, "a node talks to itself");
            assert_eq!(way == Way::Bulk, bytes.len() > poly::wire::MAX_MESSAGE_BYTES);
            self.messages += 1;
            self.bytes += bytes.len() as u64;
            let lost = way == Way::Datagram
                && f64::from(self.rng.next_u32()) < self.loss * f64::from(u32::MAX);
            let apart = self.island.contains(&at) != self.island.contains(&to.address);
            let latency = Duration::from_micros(u64::from(self.rng.next_u32() % 40_000) + 5000);
            if self.nats.contains(&at) {
                self.holes.insert((at, to.address.ip()), self.now + HOLE);
            }
            let hole = self.holes.get(&(to.address, at.ip()));
            let shut = self.nats.contains(&to.address) && hole.is_none_or(|end| *end < self.now);
            if !lost && !apart && !shut {
                self.schedule(self.now + latency, Arrival::Message { from, to, bytes });
            }
        }
        for event in out.events {
            match event {
                Event::Progress(id, progress) => {
                    self.progress.entry((at, id)).or_default().push(progress);
                }
                Event::Done(id, outcome, report) => {
                    let twice = self.done.insert((at, id), (outcome, report));
                    assert!(twice.is_none(), "an operation ended twice");
                }
                Event::PutComplete(id, acknowledgements) => {
                    self.complete.insert((at, id), acknowledgements);
                }
            }
        }
        if let Some(due) = self.nodes[&at].next_timeout() {
            let due = due.max(self.now + Duration::from_micros(1));
            if self.wakes.get(&at).is_none_or(|wake| *wake != due) {
                self.wakes.insert(at, due);
                self.schedule(due, Arrival::Wake(at));
            }
        } else {
            self.wakes.remove(&at);
        }
    }

    fn schedule(&mut self, at: Moment, arrival: Arrival) {
        self.sequence += 1;
        self.queue.insert((at, self.sequence), arrival);
    }
}
