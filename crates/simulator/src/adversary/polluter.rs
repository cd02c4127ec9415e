//! Polluters: shipped nodes whose owners announce themselves under a topic that they have nothing
//! to do with.

use core::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use kademlia::{Moment, OperationId, Protocol, Transmit};
use mainline::command::{Command, Event};
use mainline::node::Node;
use mainline::wire;

use super::Guild;

/// How long it waits for its own join before it begins.
const WAIT: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Polluter {
    node: Node,
    guild: Arc<Guild>,
    /// When it begins; `None`: it has begun, or has not joined.
    begins: Option<Moment>,
}

impl Polluter {
    pub(super) fn new(node: Node, guild: Arc<Guild>) -> Self {
        Self { node, guild, begins: None }
    }
}

impl Protocol for Polluter {
    type Peer = SocketAddr;
    type Command = Command;
    type Event = Event;

    fn handle_message(&mut self, now: Moment, from: SocketAddr, message: &[u8]) {
        self.node.handle_message(now, from, message);
    }

    fn handle_command(&mut self, now: Moment, command: Command) -> OperationId {
        self.begins = Some(now + WAIT);
        self.node.handle_command(now, command)
    }

    fn handle_timeout(&mut self, now: Moment) {
        if self.begins.is_some_and(|begins| begins <= now) {
            self.begins = None;
            let info_hash = wire::Id::new(self.guild.topic);
            let command = Command::Announce { info_hash, port: None, seed: false };
            self.node.handle_command(now, command);
        }
        self.node.handle_timeout(now);
    }

    fn poll_transmit(&mut self, now: Moment, buffer: &mut Vec<u8>) -> Option<Transmit<SocketAddr>> {
        self.node.poll_transmit(now, buffer)
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.node.poll_event()
    }

    fn next_timeout(&self) -> Option<Moment> {
        [self.node.next_timeout(), self.begins].into_iter().flatten().min()
    }
}
