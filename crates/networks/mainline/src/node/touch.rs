//! What a simulator asks of a node: what memory it takes, and to read ahead. Among a hundred
//! thousand nodes, most of the time that a query takes is waiting for memory. Whoever knows what
//! comes next can wait for several nodes at once.
//!
//! The numbers returned mean nothing; they are there so that the reading is not optimized away.

use core::net::SocketAddrV4;

use kademlia::{Contact, Key};

use super::Node;
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

    /// Reads what almost every turn of this node needs.
    pub fn touch(&self) -> u64 {
        let core = &self.core;
        let side = self.sides.v4.as_ref().map_or(0, |side| {
            side.overlay.touch() ^ u64::from(side.id.as_bytes().first().copied().unwrap_or(0))
        });
        let sizes = core.operations.len() ^ core.waiting.len() ^ core.events.len();
        let switches = u64::from(self.sides.v6.is_some())
            ^ u64::from(core.settings.read_only)
            ^ u64::from(core.reply.is_some())
            ^ u64::from(core.outbox.is_empty());
        let counts = core.counters.queries ^ core.counters.by_method.find_node;
        let limits = core.limiter.refusals().by_host ^ core.sweep_at.as_micros();
        side ^ sizes as u64 ^ switches ^ counts ^ limits
    }

    /// Reads what a query of `asker` about `target` will need besides.
    pub fn touch_for_query(&self, asker: &Contact<SocketAddrV4>, target: &Key) -> u64 {
        let Some(side) = &self.sides.v4 else { return 0 };
        let table = side.overlay.table();
        table.touch_for_query(asker, target) ^ self.core.limiter.touch()
    }

    /// Reads what an answer of `by` will need besides.
    pub fn touch_for_answer(&self, by: &Contact<SocketAddrV4>) -> u64 {
        let Some(side) = &self.sides.v4 else { return 0 };
        let core = &self.core;
        let deadline = core.deadlines.first().map_or(0, |((_, id), ())| id.0);
        let walk = core.walks.first().map_or(0, |(_, id)| id.0);
        let operation = core.operations.first().map_or(0, |(_, operation)| operation.touch());
        let overlay = side.overlay.table().touch(by) ^ side.overlay.touch_lookups();
        overlay ^ side.touch_votes() ^ deadline ^ walk ^ operation
    }
}
