//! Sybils next to a topic: the shipped node, but for the topic it names only its like, hands out
//! nothing, and says that it has stored what it drops.

use core::net::{SocketAddr, SocketAddrV4};
use std::sync::Arc;

use kademlia::protocol::{Outbox, Way};
use kademlia::{Contact, Key, Moment, OperationId, Protocol, Transmit};
use mainline::command::{Command, Event};
use mainline::node::Node;
use mainline::wire::{Message, Request};

use super::{Guild, NAMED, write_answer};

#[derive(Debug)]
pub(super) struct Sybil {
    node: Node,
    me: Contact<SocketAddrV4>,
    guild: Arc<Guild>,
    outbox: Outbox<SocketAddr>,
}

impl Sybil {
    pub(super) fn new(node: Node, me: Contact<SocketAddrV4>, guild: Arc<Guild>) -> Self {
        Self { node, me, guild, outbox: Outbox::default() }
    }

    /// Answers what is about the topic. False: it is not.
    fn intercept(&mut self, from: SocketAddr, message: &[u8]) -> bool {
        let Ok(Message::Query(query)) = Message::decode(message) else { return false };
        let (target, names) = match query.request {
            Request::GetPeers { info_hash, .. } => (info_hash, true),
            Request::FindNode { target } | Request::Get { target, .. } => (target, true),
            Request::AnnouncePeer { info_hash, .. } => (info_hash, false),
            Request::Ping
            | Request::Put(_)
            | Request::SampleInfohashes { .. }
            | Request::Unknown { .. } => return false,
        };
        if *target.as_bytes() != self.guild.topic {
            return false;
        }
        let named = if names {
            self.guild.nearest(&Key::from(self.guild.topic), NAMED)
        } else {
            Vec::new()
        };
        let (sender, transaction) = (self.me.key.id(), query.transaction);
        let transmit = Transmit { to: from, way: Way::Datagram };
        self.outbox.push(transmit, |out| write_answer(out, transaction, sender, from, &named));
        true
    }
}

impl Protocol for Sybil {
    type Peer = SocketAddr;
    type Command = Command;
    type Event = Event;

    fn handle_message(&mut self, now: Moment, from: SocketAddr, message: &[u8]) {
        if !self.intercept(from, message) {
            self.node.handle_message(now, from, message);
        }
    }

    fn handle_command(&mut self, now: Moment, command: Command) -> OperationId {
        self.node.handle_command(now, command)
    }

    fn handle_timeout(&mut self, now: Moment) {
        self.node.handle_timeout(now);
    }

    fn poll_transmit(&mut self, now: Moment, buffer: &mut Vec<u8>) -> Option<Transmit<SocketAddr>> {
        self.outbox.pop(buffer).or_else(|| self.node.poll_transmit(now, buffer))
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.node.poll_event()
    }

    fn next_timeout(&self) -> Option<Moment> {
        self.node.next_timeout()
    }
}
