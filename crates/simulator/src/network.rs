//! What a simulation must know of a network beyond [`kademlia::Protocol`]: how its nodes are born,
//! how a wish becomes a command, and what its events mean.
//!
//! One implementation is a file: the real networks and the baselines alike.

use std::time::Duration;

use kademlia::{Moment, OperationId, Protocol};

use crate::engine::{Births, Place};
use crate::ids::{Id, Ids};
use crate::random::Draw;

/// A network that can be simulated.
pub trait Network: Births<<Self as Network>::Node> {
    /// Its nodes.
    type Node: Protocol;

    /// The nodes that there are.
    fn ids(&self) -> &Ids;
    /// The nodes that there are, to add to.
    fn ids_mut(&mut self) -> &mut Ids;
    /// Adds a node that comes later; it has a place but is not there yet.
    fn add(&mut self) -> Place;
    /// The node at a place, as one that knows nobody yet, which begins at `now`.
    fn fresh(&self, place: Place, incarnation: u32, now: Moment) -> <Self as Network>::Node;
    /// Whether the node at a place plays by the rules.
    fn is_honest(&self, place: Place) -> bool;
    /// How many messages a second the one at a place sends in the names of others.
    fn spoofing_rate(&self, place: Place) -> Option<f64> {
        let _ = place;
        None
    }
    /// A message in the name of another.
    fn forgery(&self, draw: &mut Draw) -> Vec<u8> {
        let _ = draw;
        Vec::new()
    }
    /// Whether others can ask the node at a place.
    fn is_reachable(&self, place: Place) -> bool;
    /// Writes to a node's disk what an event says must be kept.
    fn persist(&mut self, place: Place, event: &<<Self as Network>::Node as Protocol>::Event);
    /// The contacts that a node takes along when it leaves.
    fn luggage(&self, node: &<Self as Network>::Node) -> Vec<Place>;
    /// Gives a node that returns the contacts it had taken along, and its disk.
    fn unpack(&mut self, place: Place, node: &mut <Self as Network>::Node, contacts: &[Place]);
    /// What to ask a node for, to fulfil a wish.
    fn command(&self, wish: &Wish) -> <<Self as Network>::Node as Protocol>::Command;
    /// What is stored under, and looked for, for a wish.
    fn target(&self, wish: &Wish) -> Option<Id>;
    /// What an event says about a wish.
    fn news(&self, event: &<<Self as Network>::Node as Protocol>::Event) -> Option<News>;
    /// Who is in a node's table.
    fn contacts(&self, node: &<Self as Network>::Node) -> Vec<Place>;
    /// Whether a message answers another.
    fn is_answer(message: &[u8]) -> bool;
    /// Whether there are messages of which [`Network::is_stored`] is true.
    const ACKNOWLEDGES: bool = false;
    /// Whether a message acknowledges that something was stored.
    fn is_stored(message: &[u8]) -> bool {
        let _ = message;
        false
    }
    /// What a message says, in a line for people. `target`: what the search is for.
    fn describe(&self, message: &[u8], target: &Id) -> String;
    /// Hands out under which targets a node stores values; whether the network can tell.
    fn stored(&self, node: &<Self as Network>::Node, each: &mut dyn FnMut(Id)) -> bool {
        let _ = (node, each);
        false
    }
    /// What must hold of a node at any time.
    fn check(&self, node: &<Self as Network>::Node) -> Result<(), &'static str>;
    /// How a node stands.
    fn standing(&self, node: &<Self as Network>::Node, now: Moment) -> NodeStanding;
    /// How it may stand at most.
    fn bounds(&self) -> NodeStanding;
    /// How many contacts that share equally many bits with its owner a table may hold; `None`: it
    /// has no buckets.
    fn bucket_size(&self) -> Option<usize> {
        None
    }
    /// Who is to hold what is stored under `target` if all of the beginning are there; nobody where
    /// everybody keeps his own.
    fn keepers(&self, target: &Id) -> Vec<Place>;
    /// Whether a node holds what is stored under `target`.
    fn holds(&self, node: &Self::Node, now: Moment, target: &Id) -> bool {
        let _ = (node, now, target);
        false
    }
    /// Whether a node that looks for what is stored under `target` takes another for a holder.
    fn asks(&self, node: &Self::Node, now: Moment, target: &Id, other: Place) -> bool {
        let _ = (node, now, target, other);
        false
    }
    /// Which version a node holds of the record stored under `target`.
    fn version(&self, node: &Self::Node, now: Moment, target: &Id) -> Option<u64> {
        let _ = (node, now, target);
        None
    }
    /// How many values a node has got from other holders, who keep them by themselves.
    fn moved(&self, node: &Self::Node, now: Moment) -> u64 {
        let _ = (node, now);
        0
    }
    /// Who has a place in a node's routing table.
    fn members(&self, node: &Self::Node) -> Vec<Place> {
        let _ = node;
        Vec::new()
    }
    /// How long a question from one to the other takes, with its answer.
    fn round_trip(&self, from: Place, to: Place) -> Option<Duration> {
        let _ = (from, to);
        None
    }
    /// Whether a newcomer with this id should hold what is stored under `target`, in the place of
    /// one of those that do.
    fn takes_over(&self, newcomer: &Id, target: &Id, holders: &[Place]) -> bool {
        let _ = (newcomer, target, holders);
        false
    }
}

/// What the owner of a node wants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Wish {
    /// To join through these nodes.
    Join(Vec<Place>),
    /// The nodes closest to an id.
    Find(Id),
    /// To store a value for others: its number, and its length.
    Put(u64, usize),
    /// The value of that number and length.
    Get(u64, usize),
    /// To be found under a topic, once.
    Announce(u64),
    /// To be found under a topic, from now on.
    KeepAnnouncing(u64),
    /// Whoever is found under a topic.
    Seek(u64),
    /// To replace a version of a record by another.
    Swap(Swap),
    /// The newest version of the record of that number.
    Read(u64),
    /// To stop something.
    Cancel(OperationId),
}

/// A compare-and-swap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Swap {
    /// The record's number.
    pub number: u64,
    /// The version that must be the newest; 0: none at all.
    pub expected: u64,
    /// The version that replaces it.
    pub seq: u64,
    /// Which try it is, from 1: each says something else.
    pub attempt: u64,
}

/// What became of a wish.
#[derive(Clone, PartialEq, Debug)]
pub enum News {
    /// The first result is here.
    Found(OperationId),
    /// It has been stored by these, and will be stored again.
    Stored(OperationId, Vec<Place>),
    /// A put whose end was told is complete: these hold the value.
    Complete(OperationId, Vec<Place>),
    /// It is over.
    Done(OperationId, Ending),
}

/// How a wish ended.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Ending {
    /// Whether it was fulfilled.
    pub fulfilled: bool,
    /// Nodes found, closest first, or those that stored it.
    pub nodes: Vec<Place>,
    /// Requests sent.
    pub asked: u32,
    /// Requests unanswered.
    pub failed: u32,
    /// Steps to the closest node found.
    pub hops: u32,
    /// From the wish to its end.
    pub elapsed: Duration,
    /// The version of a record that was found, or that stood in the way.
    pub seq: Option<u64>,
}

/// How a node stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct NodeStanding {
    /// Contacts in its table.
    pub contacts: usize,
    /// Values it stores.
    pub values: usize,
    /// Operations under way.
    pub operations: usize,
    /// Requests that await an answer.
    pub in_flight: usize,
    /// Bytes of memory, without buffers of what is under way.
    pub bytes: usize,
}
