//! Whoever lives at a place of a Mainline network.

use core::net::SocketAddr;

use kademlia::{Moment, OperationId, Protocol, Transmit};
use mainline::command::{Command, Event};
use mainline::node::Node;

/// A node of a Mainline network.
#[derive(Debug)]
pub enum Resident {
    /// The shipped node.
    Honest(Node),
}

impl Protocol for Resident {
    type Peer = SocketAddr;
    type Command = Command;
    type Event = Event;

    fn handle_message(&mut self, now: Moment, from: SocketAddr, message: &[u8]) {
        match self {
            Self::Honest(node) => node.handle_message(now, from, message),
        }
    }

    fn handle_command(&mut self, now: Moment, command: Command) -> OperationId {
        match self {
            Self::Honest(node) => node.handle_command(now, command),
        }
    }

    fn handle_timeout(&mut self, now: Moment) {
        match self {
            Self::Honest(node) => node.handle_timeout(now),
        }
    }

    fn poll_transmit(&mut self, now: Moment, buffer: &mut Vec<u8>) -> Option<Transmit<SocketAddr>> {
        match self {
            Self::Honest(node) => node.poll_transmit(now, buffer),
        }
    }

    fn poll_event(&mut self) -> Option<Event> {
        match self {
            Self::Honest(node) => node.poll_event(),
        }
    }

    fn next_timeout(&self) -> Option<Moment> {
        match self {
            Self::Honest(node) => node.next_timeout(),
        }
    }
}
