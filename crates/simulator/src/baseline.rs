//! Networks of the past behind the same seam, small and honest: what ours is compared with.
//!
//! They speak a fixed little message, keep what they store for ever, and know each other from the
//! beginning: no joining, no repair. Each search scheme is a file of its own.

mod central;
mod chord;
mod flooding;
mod links;
mod message;
mod small_world;
mod walks;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use kademlia::protocol::{Outbox, Way};
use kademlia::{Moment, OperationId, Protocol, Transmit};

use crate::engine::{Births, Place};
use crate::ids::{Id, Ids};
use crate::network::{Ending, Network, News, NodeStanding, Swap, Wish};
use crate::random::{Draw, mix2};
use crate::scenario::Kind;
use links::Links;
use message::{Message, Verb};

/// A network of one of the kinds.
#[derive(Clone, Debug)]
pub struct BaselineNetwork {
    ids: Ids,
    world: Arc<World>,
}

/// What all nodes of a network have in common: who is linked with whom.
#[derive(Debug)]
struct World {
    kind: Kind,
    seed: u64,
    links: Links,
}

/// What the owner of a node asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Request {
    /// Store something under a key.
    Store(u64),
    /// Find what is stored under a key.
    Find(u64),
    /// Nothing that these networks know.
    Nothing,
}

/// A node.
#[derive(Debug)]
pub struct BaselineNode {
    me: Place,
    world: Arc<World>,
    draw: Draw,
    outbox: Outbox<Place>,
    events: VecDeque<News>,
    operations: BTreeMap<OperationId, Operation>,
    next: u64,
    /// What it holds.
    held: BTreeSet<u64>,
    /// Searches that have passed, and from where: the newest.
    passed: VecDeque<(u64, Place)>,
    /// Of the central index: who holds what.
    index: BTreeMap<u64, Place>,
}

/// A wish under way.
#[derive(Clone, Debug)]
struct Operation {
    key: u64,
    stores: bool,
    started: Moment,
    deadline: Moment,
    /// Requests sent by its owner.
    asked: u32,
    /// Of an iterative search: whom to ask next, best first, and when to stop waiting for the last.
    ahead: Vec<Place>,
    tried: BTreeSet<Place>,
    impatient: Moment,
    hops: u8,
}

/// How long a wish may take.
const DEADLINE: Duration = Duration::from_secs(15);
/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(1);
/// Searches remembered, so that none passes twice.
const PASSED: usize = 1024;

/// Names of what is drawn.
const NODE: u64 = 0xba_01;

impl BaselineNetwork {
    /// `count` nodes of a kind.
    pub fn new(kind: Kind, seed: u64, count: u32) -> Self {
        let ids = Ids::new(seed, count, |_, draw| {
            let mut id = Id::default();
            for (to, from) in id.iter_mut().zip(draw.seed()) {
                *to = from;
            }
            id
        });
        let links = Links::new(kind, seed, &ids);
        Self { ids, world: Arc::new(World { kind, seed, links }) }
    }
}

impl BaselineNode {
    fn new(me: Place, world: Arc<World>) -> Self {
        Self {
            me,
            draw: Draw::new(world.seed, NODE, me.into()),
            world,
            outbox: Outbox::default(),
            events: VecDeque::new(),
            operations: BTreeMap::new(),
            next: 0,
            held: BTreeSet::new(),
            passed: VecDeque::new(),
            index: BTreeMap::new(),
        }
    }

    fn send(&mut self, to: Place, message: &Message) {
        self.outbox.push(Transmit { to, way: Way::Datagram }, |out| message.encode(out));
    }

    /// Sends, or takes at once what is for this node itself.
    fn deliver(&mut self, now: Moment, to: Place, message: Message) {
        if to == self.me {
            self.take(now, to, message);
        } else {
            self.send(to, &message);
        }
    }

    /// A number for a search that no other has.
    fn search(&self, operation: OperationId) -> u64 {
        u64::from(self.me) << 32 | operation.0 & u64::from(u32::MAX)
    }

    /// Notes that a search has passed. False: it had before.
    fn passes(&mut self, search: u64, from: Place) -> bool {
        if self.passed.iter().any(|(other, _)| *other == search) {
            return false;
        }
        if self.passed.len() >= PASSED {
            self.passed.pop_front();
        }
        self.passed.push_back((search, from));
        true
    }

    fn begin(&mut self, now: Moment, operation: OperationId) {
        match self.world.kind {
            Kind::Central => central::begin(self, now, operation),
            Kind::Flooding => flooding::begin(self, now, operation),
            Kind::Walks => walks::begin(self, now, operation),
            Kind::Chord | Kind::Mainline | Kind::Poly => chord::begin(self, now, operation),
            Kind::SmallWorld => small_world::begin(self, now, operation),
        }
    }

    fn take(&mut self, now: Moment, from: Place, message: Message) {
        match self.world.kind {
            Kind::Central => central::take(self, now, from, message),
            Kind::Flooding => flooding::take(self, now, from, &message),
            Kind::Walks => walks::take(self, now, from, message),
            Kind::Chord | Kind::Mainline | Kind::Poly => chord::take(self, now, from, message),
            Kind::SmallWorld => small_world::take(self, now, from, message),
        }
    }

    /// Counts a request of an operation's owner.
    fn asked(&mut self, operation: OperationId) {
        if let Some(operation) = self.operations.get_mut(&operation) {
            operation.asked += 1;
        }
    }

    /// The operation that a message to its owner is about.
    fn operation(search: u64) -> OperationId {
        OperationId(search & u64::from(u32::MAX))
    }

    /// Ends an operation.
    fn end(&mut self, now: Moment, id: OperationId, holders: Vec<Place>, hops: u8) {
        let Some(operation) = self.operations.remove(&id) else { return };
        let ending = Ending {
            fulfilled: !holders.is_empty(),
            nodes: holders,
            asked: operation.asked,
            failed: 0,
            hops: hops.into(),
            elapsed: now.since(operation.started),
            seq: None,
        };
        if ending.fulfilled && !operation.stores {
            self.events.push_back(News::Found(id));
        }
        self.events.push_back(News::Done(id, ending));
    }
}

impl Protocol for BaselineNode {
    type Peer = Place;
    type Command = Request;
    type Event = News;

    fn handle_message(&mut self, now: Moment, from: Place, message: &[u8]) {
        if let Some(message) = Message::decode(message) {
            self.take(now, from, message);
        }
    }

    fn handle_command(&mut self, now: Moment, command: Request) -> OperationId {
        let id = OperationId(self.next);
        self.next += 1;
        let (key, stores) = match command {
            Request::Store(key) => (key, true),
            Request::Find(key) => (key, false),
            Request::Nothing => {
                self.events.push_back(News::Done(id, Ending::default()));
                return id;
            }
        };
        let operation = Operation {
            key,
            stores,
            started: now,
            deadline: now + DEADLINE,
            asked: 0,
            ahead: Vec::new(),
            tried: BTreeSet::new(),
            impatient: now + DEADLINE,
            hops: 0,
        };
        self.operations.insert(id, operation);
        if !stores && self.held.contains(&key) {
            self.end(now, id, vec![self.me], 0);
        } else {
            self.begin(now, id);
        }
        id
    }

    fn handle_timeout(&mut self, now: Moment) {
        let late = |operation: &Operation| operation.deadline <= now;
        let over: Vec<_> =
            self.operations.iter().filter(|(_, o)| late(o)).map(|(id, _)| *id).collect();
        for id in over {
            self.end(now, id, Vec::new(), 0);
        }
        let waiting: Vec<_> =
            self.operations.iter().filter(|(_, o)| o.impatient <= now).map(|(id, _)| *id).collect();
        for id in waiting {
            chord::next(self, now, id);
        }
    }

    fn poll_transmit(&mut self, _now: Moment, buffer: &mut Vec<u8>) -> Option<Transmit<Place>> {
        self.outbox.pop(buffer)
    }

    fn poll_event(&mut self) -> Option<News> {
        self.events.pop_front()
    }

    fn next_timeout(&self) -> Option<Moment> {
        self.operations.values().map(|operation| operation.deadline.min(operation.impatient)).min()
    }
}

impl Births<BaselineNode> for BaselineNetwork {
    fn born(&self, place: Place) -> BaselineNode {
        BaselineNode::new(place, self.world.clone())
    }

    fn first_timeout(&self, _place: Place) -> Option<Moment> {
        None
    }

    fn peer(&self, place: Place) -> Place {
        place
    }

    fn place(&self, peer: Place) -> Option<Place> {
        ((peer as usize) < self.ids.len()).then_some(peer)
    }
}

impl Network for BaselineNetwork {
    type Node = BaselineNode;

    fn ids(&self) -> &Ids {
        &self.ids
    }

    fn ids_mut(&mut self) -> &mut Ids {
        &mut self.ids
    }

    fn add(&mut self) -> Place {
        self.ids.add(|_, draw| {
            let mut id = Id::default();
            for (to, from) in id.iter_mut().zip(draw.seed()) {
                *to = from;
            }
            id
        })
    }

    fn fresh(&self, place: Place, _incarnation: u32, _now: Moment) -> BaselineNode {
        BaselineNode::new(place, self.world.clone())
    }

    fn is_honest(&self, _place: Place) -> bool {
        true
    }

    fn is_reachable(&self, _place: Place) -> bool {
        true
    }

    fn persist(&mut self, _place: Place, _event: &News) {}

    fn luggage(&self, _node: &BaselineNode) -> Vec<Place> {
        Vec::new()
    }

    fn unpack(&mut self, _place: Place, _node: &mut BaselineNode, _contacts: &[Place]) {}

    fn command(&self, wish: &Wish) -> Request {
        match wish {
            Wish::Put(number, _) | Wish::Announce(number) | Wish::KeepAnnouncing(number) => {
                Request::Store(key(*number))
            }
            Wish::Get(number, _) | Wish::Seek(number) => Request::Find(key(*number)),
            Wish::Join(_) | Wish::Find(_) | Wish::Cancel(_) | Wish::Swap(_) | Wish::Read(_) => {
                Request::Nothing
            }
        }
    }

    fn target(&self, wish: &Wish) -> Option<Id> {
        let number = match wish {
            Wish::Put(number, _)
            | Wish::Get(number, _)
            | Wish::Announce(number)
            | Wish::KeepAnnouncing(number)
            | Wish::Seek(number)
            | Wish::Swap(Swap { number, .. })
            | Wish::Read(number) => *number,
            Wish::Find(id) => return Some(*id),
            Wish::Join(_) | Wish::Cancel(_) => return None,
        };
        let mut id = Id::default();
        for (to, from) in id.iter_mut().zip(key(number).to_be_bytes()) {
            *to = from;
        }
        Some(id)
    }

    fn news(&self, event: &News) -> Option<News> {
        Some(event.clone())
    }

    fn contacts(&self, node: &BaselineNode) -> Vec<Place> {
        node.world.links.of(node.me)
    }

    fn is_answer(message: &[u8]) -> bool {
        Message::decode(message).is_some_and(|message| message.verb == Verb::Hit)
    }

    fn describe(&self, message: &[u8], _target: &Id) -> String {
        Message::decode(message).map_or("noise".into(), |message| {
            let Message { verb, hops, place, others, .. } = message;
            format!("{verb:?}, {hops} steps so far, place {place}, others {others:?}")
        })
    }

    fn check(&self, node: &BaselineNode) -> Result<(), &'static str> {
        if node.passed.len() > PASSED { Err("remembers too many searches") } else { Ok(()) }
    }

    fn standing(&self, node: &BaselineNode, _now: Moment) -> NodeStanding {
        let contacts = node.world.links.of(node.me).len();
        NodeStanding {
            contacts,
            values: node.held.len() + node.index.len(),
            operations: node.operations.len(),
            in_flight: node.operations.len(),
            bytes: size_of::<BaselineNode>()
                + node.passed.capacity() * size_of::<(u64, Place)>()
                + (node.held.len() + 2 * node.index.len()) * size_of::<u64>(),
        }
    }

    /// Honest nodes of the past: what they store for ever has no bound, nor has what owners want.
    fn bounds(&self) -> NodeStanding {
        let contacts = self.ids.len();
        let any = usize::MAX;
        NodeStanding { contacts, values: any, operations: any, in_flight: any, bytes: any }
    }

    fn keepers(&self, target: &Id) -> Vec<Place> {
        let links = &self.world.links;
        let key = links::point(target);
        match self.world.kind {
            Kind::Central => vec![0],
            Kind::Chord | Kind::Mainline | Kind::Poly => vec![links.successor(key)],
            Kind::SmallWorld => vec![links.nearest(key)],
            Kind::Flooding | Kind::Walks => Vec::new(),
        }
    }

    fn takes_over(&self, newcomer: &Id, target: &Id, holders: &[Place]) -> bool {
        let links = &self.world.links;
        let (key, comes) = (links::point(target), links::point(newcomer));
        match self.world.kind {
            // The first node at the key or after it is responsible.
            Kind::Chord => holders
                .iter()
                .all(|holder| comes.wrapping_sub(key) < links.point(*holder).wrapping_sub(key)),
            // What is shared stays with who shares it; the small world caches and moves nothing.
            Kind::Central
            | Kind::Flooding
            | Kind::Walks
            | Kind::SmallWorld
            | Kind::Mainline
            | Kind::Poly => false,
        }
    }
}

/// The key of a value: a point on the ring of all 64-bit numbers.
fn key(number: u64) -> u64 {
    mix2(NODE, number)
}

#[cfg(test)]
mod tests;
