//! The engine: virtual time, nodes, and the messages between them.
//!
//! It knows a node by its *place*, a number, and drives it through [`kademlia::protocol::step`] as
//! the socket driver does. What happens is totally ordered by time and, at one time, by a sequence
//! number made of the place that caused it and that place's own count; so the order does not depend
//! on how the work is done.
//!
//! Nodes of a network born in steady state are *asleep* until something is sent to them. The first
//! input wakes one up: [`Births::born`] makes the real node, and the real node handles it. One that
//! has done nothing but answer is as it was born, and may be put to sleep again for its memory.

mod slab;

use std::collections::VecDeque;
use std::time::Duration;

use kademlia::ahead::{fetch, fetch_all};
use kademlia::protocol::{Input, Transport, step};
use kademlia::{Moment, OperationId, Protocol, Transmit};

use crate::net::{Fate, Net, Packet};
use crate::queue::{Queue, Timed};
use crate::trace::Trace;
use slab::Slab;

/// Numbers the nodes of a run.
pub type Place = u32;

/// Where nodes come from, and how they find each other.
pub trait Births<P: Protocol> {
    /// The node that sleeps at `place`, as it stood at the beginning. Always the same.
    fn born(&self, place: Place) -> P;
    /// When that node wants to be woken first.
    fn first_timeout(&self, place: Place) -> Option<Moment>;
    /// What others call the node at `place`.
    fn peer(&self, place: Place) -> P::Peer;
    /// Who is called that.
    fn place(&self, peer: P::Peer) -> Option<Place>;
    /// Asks for what is needed to know a place.
    fn prefetch_place(&self, place: Place) {
        let _ = place;
    }
    /// Asks for what the node will need when it handles a message, which comes with its sender, or
    /// a timeout: some of it at each [`Reading`], so that it is in the processor's cache by then.
    /// The message is not told at the first.
    fn prefetch(&self, node: &P, message: Option<(Place, &[u8])>, reading: Reading) {
        let _ = (node, message, reading);
    }
}

/// How far the engine is in reading what a message will need.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reading {
    /// The node itself, of which the first cache line is there.
    Node,
    /// What the node points to.
    Parts,
    /// What these point to.
    Leaves,
}

/// Sees all that happens, and changes nothing.
pub trait Observer<P: Protocol, B> {
    /// A message leaves `from`. `to` is `None` if nobody ever had that address.
    fn sent(&mut self, births: &B, now: Moment, from: Place, to: Option<Place>, message: &[u8]) {
        let _ = (births, now, from, to, message);
    }
    /// A message does not arrive.
    fn lost(&mut self, now: Moment, from: Place, to: Place, fate: Fate) {
        let _ = (now, from, to, fate);
    }
    /// A message has arrived, and is about to be handled.
    fn arrived(&mut self, births: &B, now: Moment, from: Place, to: Place, message: &[u8]) {
        let _ = (births, now, from, to, message);
    }
    /// A node has handled what came in.
    fn stepped(&mut self, births: &B, now: Moment, place: Place, node: &P) {
        let _ = (births, now, place, node);
    }
    /// A node has told its owner something. What is put on `agenda` comes back from
    /// [`Engine::advance`] at its time.
    fn event(
        &mut self,
        births: &B,
        now: Moment,
        place: Place,
        event: P::Event,
        agenda: &mut Agenda,
    ) {
        let _ = (births, now, place, event, agenda);
    }
}

/// What an observer wants to come back to: times and codes.
pub type Agenda = Vec<(Moment, u64)>;

/// How an engine works.
#[derive(Clone, Copy, Debug)]
pub struct EngineSettings {
    /// When the simulation begins.
    pub start: Moment,
    /// When it ends: what is due later is not kept.
    pub end: Moment,
    /// Nodes as they were born that are kept awake, for speed.
    pub awake: usize,
}

/// Counts of what an engine did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Work {
    /// Inputs handled by nodes: messages, commands, timeouts.
    pub events: u64,
    /// Messages handled.
    pub delivered: u64,
    /// Messages that did not arrive.
    pub lost: u64,
    /// Timeouts handled.
    pub timeouts: u64,
    /// Nodes woken up.
    pub births: u64,
}

/// A network of nodes in virtual time.
pub struct Engine<P: Protocol, B> {
    settings: EngineSettings,
    now: Moment,
    queue: Queue<What>,
    hosts: Vec<Host<P>>,
    /// Places where nobody is.
    absent: usize,
    births: B,
    net: Net,
    outlet: Outlet<P>,
    /// The message that is being handled.
    inbox: Vec<u8>,
    agenda: Agenda,
    /// Places of nodes awake as they were born, in the order they woke up.
    unchanged: VecDeque<Place>,
    controls: u32,
    trace: Trace,
    work: Work,
}

#[derive(Clone, Copy, Debug)]
enum What {
    Message { from: Place, to: Place, buffer: u32 },
    Wake(Place),
    Control(u64),
}

#[derive(Debug)]
struct Host<P> {
    node: Option<Box<P>>,
    /// The time, in microseconds, of the wake-up that counts.
    wake: u64,
    /// When the node wants to be woken: then, or later.
    due: u64,
    /// What this place has caused so far: half of a sequence number.
    caused: u32,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Nobody is there.
    Absent,
    /// A node that [`Births`] makes when it is needed.
    Asleep,
    /// A node that has done nothing but answer.
    Unchanged,
    /// A node with a history.
    Changed,
}

impl<P> Host<P> {
    /// Takes the node away, and counts its place among the `absent`.
    fn leave(&mut self, absent: &mut usize) -> Option<Box<P>> {
        *absent += usize::from(self.state != State::Absent);
        self.wake = NEVER;
        self.state = State::Absent;
        self.node.take()
    }
}

/// Takes what a node sends and tells in one step.
struct Outlet<P: Protocol> {
    buffer: Vec<u8>,
    slab: Slab,
    sent: Vec<(Transmit<P::Peer>, u32)>,
    events: Vec<P::Event>,
}

impl<P: Protocol> Transport<P> for Outlet<P> {
    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    fn transmit(&mut self, transmit: Transmit<P::Peer>) {
        let number = self.slab.store(&self.buffer);
        self.sent.push((transmit, number));
    }

    fn event(&mut self, event: P::Event) {
        self.events.push(event);
    }
}

/// No wake-up is pending.
const NEVER: u64 = u64::MAX;

impl<P: Protocol, B: Births<P>> Engine<P, B> {
    /// An engine without nodes.
    pub fn new(settings: EngineSettings, births: B, net: Net) -> Self {
        Self {
            settings,
            now: settings.start,
            queue: Queue::default(),
            hosts: Vec::new(),
            absent: 0,
            births,
            net,
            outlet: Outlet {
                buffer: Vec::new(),
                slab: Slab::default(),
                sent: Vec::new(),
                events: Vec::new(),
            },
            inbox: Vec::new(),
            agenda: Vec::new(),
            unchanged: VecDeque::new(),
            controls: 0,
            trace: Trace::default(),
            work: Work::default(),
        }
    }

    /// The time.
    pub const fn now(&self) -> Moment {
        self.now
    }

    /// Where its nodes come from.
    pub const fn births(&self) -> &B {
        &self.births
    }

    /// Where its nodes come from, to add to.
    pub const fn births_mut(&mut self) -> &mut B {
        &mut self.births
    }

    /// The network between its nodes.
    pub const fn net_mut(&mut self) -> &mut Net {
        &mut self.net
    }

    /// What it did so far.
    pub const fn work(&self) -> Work {
        self.work
    }

    /// The hash over all messages so far.
    pub const fn trace(&self) -> Trace {
        self.trace
    }

    /// Events to come.
    pub const fn pending(&self) -> usize {
        self.queue.len()
    }

    /// Messages under way.
    pub fn in_flight(&self) -> usize {
        self.outlet.slab.in_use()
    }

    /// How many places there are.
    pub const fn places(&self) -> usize {
        self.hosts.len()
    }

    /// Adds `count` places, whose nodes are asleep.
    pub fn add_asleep(&mut self, count: u32) {
        let first = self.hosts.len();
        self.hosts.reserve_exact(count as usize);
        for _ in 0..count {
            self.hosts.push(Host {
                node: None,
                wake: NEVER,
                due: 0,
                caused: 0,
                state: State::Asleep,
            });
        }
        for place in (0..).skip(first).take(count as usize) {
            if let Some(due) = self.births.first_timeout(place) {
                self.arm(place, due);
            }
        }
    }

    /// How many nodes are there, awake or asleep.
    pub const fn present(&self) -> usize {
        self.hosts.len() - self.absent
    }

    /// Adds an empty place.
    pub fn add_absent(&mut self) -> Place {
        self.absent += 1;
        self.hosts.push(Host { node: None, wake: NEVER, due: 0, caused: 0, state: State::Absent });
        u32::try_from(self.hosts.len() - 1).unwrap_or(u32::MAX)
    }

    /// Puts a node in an empty place.
    pub fn settle(&mut self, place: Place, node: P) {
        let due = node.next_timeout();
        if let Some(host) = self.hosts.get_mut(place as usize) {
            self.absent -= usize::from(host.state == State::Absent);
            host.node = Some(Box::new(node));
            host.state = State::Changed;
            host.due = due.map_or(NEVER, Moment::as_micros);
        }
        if let Some(due) = due {
            self.arm(place, due);
        }
    }

    /// Takes a node away, as it is. `None`: nobody was there.
    pub fn remove(&mut self, place: Place) -> Option<P> {
        self.wake_up(place);
        self.hosts.get_mut(place as usize)?.leave(&mut self.absent).map(|node| *node)
    }

    /// Takes a node away without a look at it.
    pub fn kill(&mut self, place: Place) {
        if let Some(host) = self.hosts.get_mut(place as usize) {
            host.leave(&mut self.absent);
        }
    }

    /// Whether a node is there.
    pub fn is_present(&self, place: Place) -> bool {
        self.hosts.get(place as usize).is_some_and(|host| host.state != State::Absent)
    }

    /// The node at a place, if it is awake.
    pub fn node(&self, place: Place) -> Option<&P> {
        self.hosts.get(place as usize)?.node.as_deref()
    }

    /// The nodes that are awake.
    pub fn awake(&self) -> impl Iterator<Item = (Place, &P)> {
        (0..).zip(&self.hosts).filter_map(|(place, host)| Some((place, host.node.as_deref()?)))
    }

    /// Wakes every node, and keeps it awake.
    pub fn wake_all(&mut self) {
        for place in 0..u32::try_from(self.hosts.len()).unwrap_or(u32::MAX) {
            self.wake_up(place);
            if let Some(host) = self.hosts.get_mut(place as usize)
                && host.state == State::Unchanged
            {
                host.state = State::Changed;
            }
        }
        self.unchanged.clear();
    }

    /// Makes `code` come back from [`Engine::advance`] at a time.
    pub fn schedule(&mut self, at: Moment, code: u64) {
        let sequence = u64::MAX << 32 | u64::from(self.controls);
        self.controls = self.controls.wrapping_add(1);
        let at = at.max(self.now).as_micros();
        self.queue.push(Timed { at, sequence, what: What::Control(code) });
    }

    /// Hands a command to a node. `None`: nobody is there.
    pub fn command(
        &mut self,
        place: Place,
        command: P::Command,
        observer: &mut impl Observer<P, B>,
    ) -> Option<OperationId> {
        self.wake_up(place);
        self.step(place, Input::Command(command), None, observer)
    }

    /// Lets bytes arrive at a node that claim to come from another.
    pub fn spoof(
        &mut self,
        claimed: Place,
        to: Place,
        message: &[u8],
        observer: &mut impl Observer<P, B>,
    ) {
        let from = self.births.peer(claimed);
        self.wake_up(to);
        observer.arrived(&self.births, self.now, claimed, to, message);
        self.step(to, Input::Message(from, message), Some(from), observer);
    }

    /// Goes on until something scheduled comes back, or until `limit`.
    pub fn advance(&mut self, limit: Moment, observer: &mut impl Observer<P, B>) -> Option<u64> {
        while let Some(event) = self.queue.pop_until(limit.as_micros()) {
            self.now = self.now.max(Moment::from_micros(event.at));
            self.look_ahead();
            match event.what {
                What::Message { from, to, buffer } => self.deliver(from, to, buffer, observer),
                What::Wake(place) => self.wake(place, event.at, observer),
                What::Control(code) => return Some(code),
            }
        }
        self.now = self.now.max(limit);
        None
    }

    /// Asks for what messages that come soon will need: for another one at each step, since what is
    /// to be asked for is found in what was asked for before.
    fn look_ahead(&self) {
        match self.queue.peek(AHEAD_PLACE) {
            Some(What::Message { from, to, buffer }) => {
                self.hosts.get(*to as usize).inspect(|host| fetch(*host));
                self.outlet.slab.prefetch(*buffer);
                self.net.prefetch(*to);
                self.births.prefetch_place(*from);
            }
            Some(What::Wake(place)) => {
                self.hosts.get(*place as usize).inspect(|host| fetch(*host));
            }
            Some(What::Control(_)) | None => {}
        }
        match self.queue.peek(AHEAD_FIRST) {
            Some(What::Message { to, buffer, .. }) => {
                fetch_all(self.outlet.slab.message(*buffer));
                self.node(*to).inspect(|node| fetch(*node));
            }
            Some(What::Wake(place)) => {
                self.to_be_woken(*place).inspect(|node| fetch(*node));
            }
            Some(What::Control(_)) | None => {}
        }
        self.look_at(AHEAD_NODE, Reading::Node);
        self.look_at(AHEAD_PARTS, Reading::Parts);
        self.look_at(AHEAD_LEAVES, Reading::Leaves);
    }

    fn look_at(&self, ahead: usize, reading: Reading) {
        match self.queue.peek(ahead) {
            Some(What::Message { from, to, buffer }) => {
                if let Some(node) = self.node(*to) {
                    let message = || (*from, self.outlet.slab.message(*buffer));
                    let message = (reading != Reading::Node).then(message);
                    self.births.prefetch(node, message, reading);
                }
            }
            Some(What::Wake(place)) => {
                if let Some(node) = self.to_be_woken(*place) {
                    self.births.prefetch(node, None, reading);
                }
            }
            Some(What::Control(_)) | None => {}
        }
    }

    /// The node at a place, if a wake-up will reach it: most come before their time.
    fn to_be_woken(&self, place: Place) -> Option<&P> {
        let host = self.hosts.get(place as usize).filter(|host| host.due <= host.wake)?;
        host.node.as_deref()
    }

    fn deliver(&mut self, from: Place, to: Place, buffer: u32, observer: &mut impl Observer<P, B>) {
        let mut message = core::mem::take(&mut self.inbox);
        self.outlet.slab.take(buffer, &mut message);
        self.wake_up(to);
        if self.node(to).is_some() {
            self.work.delivered += 1;
            let peer = self.births.peer(from);
            observer.arrived(&self.births, self.now, from, to, &message);
            self.step(to, Input::Message(peer, &message), Some(peer), observer);
        } else {
            self.work.lost += 1;
            observer.lost(self.now, from, to, Fate::Absent);
        }
        self.inbox = message;
    }

    fn wake(&mut self, place: Place, at: u64, observer: &mut impl Observer<P, B>) {
        let Some(host) = self.hosts.get_mut(place as usize) else { return };
        if host.wake != at {
            return;
        }
        host.wake = NEVER;
        let due = Moment::from_micros(host.due);
        if due > self.now {
            // What it waited for came meanwhile.
            if host.due != NEVER {
                self.arm(place, due);
            }
            return;
        }
        self.wake_up(place);
        match self.node(place).and_then(Protocol::next_timeout) {
            Some(due) if due > self.now => self.arm(place, due),
            Some(_) => {
                self.work.timeouts += 1;
                self.step(place, Input::Timeout, None, observer);
            }
            None => {}
        }
    }

    /// One turn of a node. `from`: who the input came from, if it is a message.
    fn step(
        &mut self,
        place: Place,
        input: Input<'_, P>,
        from: Option<P::Peer>,
        observer: &mut impl Observer<P, B>,
    ) -> Option<OperationId> {
        let host = self.hosts.get_mut(place as usize)?;
        let mut node = host.node.take()?;
        // Of nodes with a history nobody asks whether they have done nothing but answer.
        let could_sleep = host.state != State::Changed;
        let due_before = if could_sleep { node.next_timeout() } else { None };
        let operation = step(&mut *node, self.now, input, &mut self.outlet);
        self.work.events += 1;
        let due = node.next_timeout();
        observer.stepped(&self.births, self.now, place, &node);
        let only_answered = could_sleep
            && from.is_some()
            && due == due_before
            && self.outlet.events.is_empty()
            && self.outlet.sent.iter().all(|(transmit, _)| Some(transmit.to) == from);
        host.node = Some(node);
        host.due = due.map_or(NEVER, Moment::as_micros);
        if !only_answered {
            host.state = State::Changed;
        }
        if let Some(due) = due {
            self.arm(place, due);
        }
        self.send_all(place, observer);
        let mut events = core::mem::take(&mut self.outlet.events);
        for event in events.drain(..) {
            observer.event(&self.births, self.now, place, event, &mut self.agenda);
        }
        self.outlet.events = events;
        while let Some((at, code)) = self.agenda.pop() {
            self.schedule(at, code);
        }
        operation
    }

    fn send_all(&mut self, from: Place, observer: &mut impl Observer<P, B>) {
        let mut sent = core::mem::take(&mut self.outlet.sent);
        for (transmit, buffer) in sent.drain(..) {
            self.send(from, transmit, buffer, observer);
        }
        self.outlet.sent = sent;
    }

    fn send(
        &mut self,
        from: Place,
        transmit: Transmit<P::Peer>,
        buffer: u32,
        observer: &mut impl Observer<P, B>,
    ) {
        let to = self.births.place(transmit.to);
        let sequence = self.next_sequence(from);
        let message = self.outlet.slab.message(buffer);
        observer.sent(&self.births, self.now, from, to, message);
        self.trace.add(self.now.as_micros(), sequence, to.unwrap_or(u32::MAX), message);
        let bytes = message.len();
        let Some(to) = to else {
            self.work.lost += 1;
            self.outlet.slab.free(buffer);
            return;
        };
        let packet = Packet { from, to, bytes, way: transmit.way, sequence };
        let carried = self.net.carry(self.now, &packet);
        if let Some(at) = carried.second {
            let copy = self.outlet.slab.copy(buffer);
            let sequence = self.next_sequence(from);
            self.queue_message(at, sequence, from, to, copy);
        }
        match carried.first {
            Ok(at) => self.queue_message(at, sequence, from, to, buffer),
            Err(fate) => {
                self.work.lost += 1;
                observer.lost(self.now, from, to, fate);
                self.outlet.slab.free(buffer);
            }
        }
    }

    fn queue_message(&mut self, at: Moment, sequence: u64, from: Place, to: Place, buffer: u32) {
        let what = What::Message { from, to, buffer };
        self.queue.push(Timed { at: at.as_micros(), sequence, what });
    }

    fn next_sequence(&mut self, place: Place) -> u64 {
        let host = self.hosts.get_mut(place as usize);
        let caused = host.map_or(0, |host| {
            host.caused = host.caused.wrapping_add(1);
            host.caused
        });
        u64::from(place) << 32 | u64::from(caused)
    }

    /// Sees to it that the node is woken at `due`, or before.
    fn arm(&mut self, place: Place, due: Moment) {
        let due = due.max(self.now + TICK);
        let Some(host) = self.hosts.get_mut(place as usize) else { return };
        if due.as_micros() >= host.wake || due > self.settings.end {
            return;
        }
        host.wake = due.as_micros();
        let sequence = self.next_sequence(place);
        self.queue.push(Timed { at: due.as_micros(), sequence, what: What::Wake(place) });
    }

    /// Makes the node of a sleeping place.
    fn wake_up(&mut self, place: Place) {
        let Some(host) = self.hosts.get_mut(place as usize) else { return };
        if host.state != State::Asleep {
            return;
        }
        host.node = Some(Box::new(self.births.born(place)));
        host.state = State::Unchanged;
        self.work.births += 1;
        self.unchanged.push_back(place);
        while self.unchanged.len() > self.settings.awake.max(1) {
            let Some(oldest) = self.unchanged.pop_front() else { return };
            if let Some(host) = self.hosts.get_mut(oldest as usize)
                && host.state == State::Unchanged
            {
                host.node = None;
                host.due = 0;
                host.state = State::Asleep;
            }
        }
    }
}

/// Nodes go in the order in which they lie in memory: that of places is none there, and giving back
/// the memory of a million nodes would take longer than many a run.
impl<P: Protocol, B> Drop for Engine<P, B> {
    fn drop(&mut self) {
        let nodes = self.hosts.iter_mut().filter_map(|host| host.node.take());
        let mut nodes: Vec<Box<P>> = nodes.collect();
        nodes.sort_unstable_by_key(|node| core::ptr::from_ref::<P>(node).addr());
    }
}

/// Events between one that is handled and one that is prepared for, step by step: its place, the
/// first cache line of the node there and the message, the node, what that points to, and what this
/// points to.
const AHEAD_PLACE: usize = 20;
const AHEAD_FIRST: usize = 16;
const AHEAD_NODE: usize = 12;
const AHEAD_PARTS: usize = 8;
const AHEAD_LEAVES: usize = 4;
const _: () = assert!(AHEAD_PLACE < crate::queue::AHEAD, "the queue shows so many");

/// Time between two timeouts of one node, at least.
const TICK: Duration = Duration::from_micros(1);

#[cfg(test)]
mod tests;
