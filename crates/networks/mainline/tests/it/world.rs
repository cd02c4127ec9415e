//! A small world for nodes: virtual time, seeded latency and loss, a hash over all that is sent.
//!
//! The nodes are the real ones, driven through the same seam and loop as by the socket driver.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use kademlia::protocol::{Input, Transport, step};
use kademlia::{Moment, OperationId, Protocol, Transmit};
use mainline::command::{Command, Event, Outcome, Progress, Report};
use mainline::{Node, Settings};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use siphasher::sip::SipHasher13;
use std::hash::Hasher;

/// Names a node of the world.
pub(crate) type Place = SocketAddr;

pub(crate) struct World {
    pub(crate) now: Moment,
    pub(crate) loss: f64,
    nodes: BTreeMap<Place, Node>,
    /// The IPv6 addresses of dual-stack nodes, which go by their IPv4 one, and the other way round.
    twins: BTreeMap<Place, Place>,
    queue: BTreeMap<(Moment, u64), Arrival>,
    wakes: BTreeMap<Place, Moment>,
    sequence: u64,
    rng: ChaCha8Rng,
    trace: SipHasher13,
    pub(crate) events: BTreeMap<(Place, OperationId), Vec<Progress>>,
    pub(crate) done: BTreeMap<(Place, OperationId), (Outcome, Report)>,
    pub(crate) told: Vec<(Place, Event)>,
    pub(crate) messages: u64,
    /// Messages to these nodes are lost.
    pub(crate) deaf: BTreeSet<Place>,
    /// Messages that arrived where no node is: from, to, bytes.
    post: Vec<(Place, Place, Vec<u8>)>,
    /// Times a node was woken because it wanted to.
    pub(crate) wakes_given: BTreeMap<Place, u64>,
}

enum Arrival {
    Message { from: Place, to: Place, bytes: Vec<u8> },
    Wake(Place),
}

/// Collects what a node sends in one step.
#[derive(Default)]
struct Collect {
    buffer: Vec<u8>,
    sent: Vec<(SocketAddr, Vec<u8>)>,
    events: Vec<Event>,
}

impl Transport<Node> for Collect {
    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    fn transmit(&mut self, transmit: Transmit<SocketAddr>) {
        self.sent.push((transmit.to, self.buffer.clone()));
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
            nodes: BTreeMap::new(),
            twins: BTreeMap::new(),
            queue: BTreeMap::new(),
            wakes: BTreeMap::new(),
            sequence: 0,
            rng: ChaCha8Rng::seed_from_u64(seed),
            trace: SipHasher13::new(),
            events: BTreeMap::new(),
            done: BTreeMap::new(),
            told: Vec::new(),
            messages: 0,
            deaf: BTreeSet::new(),
            post: Vec::new(),
            wakes_given: BTreeMap::new(),
        }
    }

    /// Adds a node with a seed of its own.
    pub(crate) fn add(&mut self, place: &str, settings: Settings) -> Place {
        let place: Place = place.parse().unwrap();
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        self.nodes.insert(place, Node::new(settings, seed));
        place
    }

    /// Adds a node with two addresses; it goes by the first, of IPv4.
    pub(crate) fn add_dual(&mut self, v4: &str, v6: &str) -> Place {
        let place = self.add(v4, Settings { v6: true, ..Settings::default() });
        let twin = v6.parse().unwrap();
        self.twins.extend([(twin, place), (place, twin)]);
        place
    }

    /// Where a node is reached by IPv6.
    pub(crate) fn v6_of(&self, place: Place) -> Place {
        if place.is_ipv6() { place } else { self.twins[&place] }
    }

    pub(crate) fn node(&self, place: Place) -> &Node {
        &self.nodes[&place]
    }

    pub(crate) fn node_mut(&mut self, place: Place) -> &mut Node {
        self.nodes.get_mut(&place).unwrap()
    }

    pub(crate) fn kill(&mut self, place: Place) -> Node {
        self.wakes.remove(&place);
        self.done.retain(|(at, _), _| *at != place);
        self.events.retain(|(at, _), _| *at != place);
        self.nodes.remove(&place).unwrap()
    }

    /// Ends a node and starts it again with the id and the contacts it had, as a driver does that
    /// keeps them on disk.
    pub(crate) fn restart(&mut self, place: Place) {
        let old = self.kill(place);
        let status = old.status(self.now);
        let settings = Settings {
            id_v4: status.v4.map(|side| side.id),
            id_v6: status.v6.map(|side| side.id),
            v4: status.v4.is_some(),
            v6: status.v6.is_some(),
            ..Settings::default()
        };
        self.add(&place.to_string(), settings);
        self.node_mut(place).restore_contacts(old.contacts());
        self.take(place, Collect::default());
    }

    /// `count` IPv4 nodes on local addresses, all joined through the first.
    pub(crate) fn populate(&mut self, count: u32, settings: &Settings) -> Vec<Place> {
        let places: Vec<_> = (1..=count)
            .map(|n| self.add(&format!("10.77.{}.{}:6881", n / 250, n % 250 + 1), settings.clone()))
            .collect();
        for place in &places {
            let through = if *place == places[0] { vec![] } else { vec![places[0]] };
            if !through.is_empty() {
                self.command(*place, Command::Bootstrap(through));
            }
            self.run_for(Duration::from_millis(50));
        }
        self.run_for(Duration::from_secs(20));
        places
    }

    /// What is on its way to an address, oldest first.
    pub(crate) fn sent_to(&self, place: &str) -> Vec<Vec<u8>> {
        let place: Place = place.parse().unwrap();
        let under_way = self.queue.values().filter_map(|arrival| match arrival {
            Arrival::Message { to, bytes, .. } if *to == place => Some(bytes.clone()),
            _ => None,
        });
        under_way.collect()
    }

    pub(crate) fn command(&mut self, at: Place, command: Command) -> OperationId {
        self.step(at, Input::Command(command)).unwrap()
    }

    /// Sends bytes from an address that is no node of ours; returns what comes back to it.
    pub(crate) fn inject(
        &mut self,
        from: &str,
        to: Place,
        bytes: &[u8],
    ) -> Vec<(SocketAddr, Vec<u8>)> {
        self.inject_from(from.parse().unwrap(), to, bytes)
    }

    pub(crate) fn inject_from(
        &mut self,
        from: SocketAddr,
        to: Place,
        bytes: &[u8],
    ) -> Vec<(SocketAddr, Vec<u8>)> {
        let mut out = Collect::default();
        let node = self.nodes.get_mut(&to).unwrap();
        step(node, self.now, Input::Message(from, bytes), &mut out);
        let back = out.sent.extract_if(.., |(receiver, _)| *receiver == from).collect();
        self.take(to, out);
        back
    }

    /// Lets time pass while `serve` answers what is sent to addresses without a node: it is given
    /// sender, receiver and message, and returns the answer.
    pub(crate) fn run_serving(
        &mut self,
        span: Duration,
        mut serve: impl FnMut(Place, Place, &[u8]) -> Option<Vec<u8>>,
    ) {
        let until = self.now + span;
        self.post.clear();
        while self.advance(until) {
            for (from, to, bytes) in core::mem::take(&mut self.post) {
                if let Some(answer) = serve(from, to, &bytes) {
                    self.step(from, Input::Message(to, &answer));
                }
            }
        }
        self.now = until;
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

    /// The hash over all messages and their times so far.
    pub(crate) fn trace_hash(&self) -> u64 {
        self.trace.finish()
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
                let twin = self.twins.get(&to).filter(|_| to.is_ipv6());
                let place = *twin.unwrap_or(&to);
                if !self.nodes.contains_key(&place) {
                    self.post.push((from, to, bytes));
                } else if !self.deaf.contains(&place) {
                    self.step(place, Input::Message(from, &bytes));
                }
            }
            Arrival::Wake(place) => {
                if self.wakes.get(&place) == Some(&at) {
                    self.wakes.remove(&place);
                    *self.wakes_given.entry(place).or_default() += 1;
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
        for (to, bytes) in out.sent {
            let from = if to.is_ipv6() { self.v6_of(at) } else { at };
            let asks_itself = to == from && bytes.ends_with(b"1:y1:qe");
            assert!(!asks_itself || !self.knows_itself(at, to), "a node asks itself");
            assert_eq!(to.is_ipv4(), from.is_ipv4(), "a node has no such family");
            self.trace.write_u64(self.now.as_micros());
            self.trace.write(at.to_string().as_bytes());
            self.trace.write(to.to_string().as_bytes());
            self.trace.write(&bytes);
            self.messages += 1;
            let lost = f64::from(self.rng.next_u32()) < self.loss * f64::from(u32::MAX);
            let latency = Duration::from_micros(u64::from(self.rng.next_u32() % 40_000) + 5000);
            if !lost {
                self.schedule(self.now + latency, Arrival::Message { from, to, bytes });
            }
        }
        for event in out.events {
            match event {
                Event::Progress(id, progress) => {
                    self.events.entry((at, id)).or_default().push(progress);
                }
                Event::Done(id, outcome, report) => {
                    let twice = self.done.insert((at, id), (outcome, report));
                    assert!(twice.is_none(), "an operation ended twice");
                }
                other => self.told.push((at, other)),
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

    /// Whether a node knows that this is its own address. One that was restarted under an id that
    /// followed its address does not yet, and meets its earlier self in others' tables.
    fn knows_itself(&self, at: Place, address: Place) -> bool {
        let status = self.nodes[&at].status(self.now);
        let sides = [status.v4, status.v6].into_iter().flatten();
        sides.into_iter().any(|side| side.external == Some(address))
    }

    fn schedule(&mut self, at: Moment, arrival: Arrival) {
        self.sequence += 1;
        self.queue.insert((at, self.sequence), arrival);
    }
}
