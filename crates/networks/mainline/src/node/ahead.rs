//! What a simulator asks of a node: what memory it takes, and to fetch memory ahead, step by step,
//! for what is to be asked for is known only when something else has come (see
//! [`kademlia::ahead`]).

use core::net::SocketAddrV4;

use kademlia::ahead::fetch;
use kademlia::{Contact, Key};

use super::Node;
use super::operation::Operation;
use super::side::Side;

impl Node {
    /// Bytes of memory that this node takes: its own, and what its table, rate limits and votes
    /// have on the heap. Buffers of what is under way, and what is stored, come on top.
    pub fn bytes(&self) -> usize {
        let v4 = self.sides.v4.as_ref().map_or(0, Side::heap_bytes);
        let v6 = self.sides.v6.as_deref();
        let v6 = v6.map_or(0, |side| size_of_val(side) + side.heap_bytes());
        size_of::<Self>() + v4 + v6 + self.core.limiter.heap_bytes()
    }

    /// Contacts in its tables.
    pub fn contacts_known(&self) -> usize {
        let v4 = self.sides.v4.as_ref().map_or(0, |side| side.overlay.table().len());
        v4 + self.sides.v6.as_ref().map_or(0, |side| side.overlay.table().len())
    }

    /// Peers and items that it stores for others.
    pub fn values_stored(&self) -> usize {
        self.core.peers.len() + self.core.items.len()
    }

    /// Operations that have not ended.
    pub fn operations_under_way(&self) -> usize {
        self.core.operations.len()
    }

    /// Requests that await an answer.
    pub fn requests_in_flight(&self) -> usize {
        let v4 = self.sides.v4.as_ref().map_or(0, |side| side.overlay.in_flight());
        v4 + self.sides.v6.as_ref().map_or(0, |side| side.overlay.in_flight())
    }

    /// Asks for what almost every turn of this node reads.
    pub fn prefetch(&self) {
        let core = &self.core;
        fetch(&self.sides);
        fetch(&core.reply);
        fetch(&core.outbox);
        fetch(&core.events);
        fetch(&core.limiter);
        fetch(&core.operations);
        fetch(&core.waiting);
        fetch(&core.counters.queries);
        fetch(&core.counters.by_method);
        fetch(&core.settings.read_only);
        if let Some(side) = &self.sides.v4 {
            fetch(&side.id);
            side.overlay.prefetch();
        }
    }

    /// Asks for what a query of `asker` about `target` will need besides, once what
    /// [`Node::prefetch`] asked for has come.
    pub fn prefetch_for_query(&self, asker: &Contact<SocketAddrV4>, target: &Key) {
        if let Some(side) = &self.sides.v4 {
            side.overlay.table().prefetch_place(asker);
            side.overlay.table().prefetch_bucket(target);
            self.core.limiter.prefetch();
        }
    }

    /// Asks for what an answer of `by` will need besides.
    pub fn prefetch_for_answer(&self, by: &Contact<SocketAddrV4>) {
        if let Some(side) = &self.sides.v4 {
            side.overlay.table().prefetch_place(by);
            side.overlay.prefetch_work();
            side.prefetch_votes();
            self.core.deadlines.prefetch();
            self.core.walks.prefetch();
            self.core.operations.prefetch();
            fetch(&self.core.rng);
        }
    }

    /// Asks for what a timeout will need besides.
    pub fn prefetch_for_timeout(&self) {
        if let Some(side) = &self.sides.v4 {
            side.overlay.prefetch_work();
            self.core.deadlines.prefetch();
        }
    }

    /// Asks for what a request that is overdue changes, once what [`Node::prefetch_for_timeout`]
    /// asked for has come.
    pub fn prefetch_overdue(&self) {
        if let Some(side) = &self.sides.v4 {
            side.overlay.prefetch_lookup();
        }
    }

    /// Asks for the contacts that a query about `target` is answered with, once what
    /// [`Node::prefetch_for_query`] asked for has come.
    pub fn prefetch_closest(&self, target: &Key) {
        if let Some(side) = &self.sides.v4 {
            side.overlay.table().prefetch_closest(target);
        }
    }

    /// Asks for what an answer of `by` changes, once what [`Node::prefetch_for_answer`] asked for
    /// has come.
    pub fn prefetch_consequences(&self, by: &Contact<SocketAddrV4>) {
        if let Some(side) = &self.sides.v4 {
            side.overlay.table().prefetch_for_answer(by);
            side.overlay.prefetch_lookup();
        }
        if let Some((_, operation)) = self.core.operations.first() {
            fetch::<Operation>(operation);
        }
    }
}
