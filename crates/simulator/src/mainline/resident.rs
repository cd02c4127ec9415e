//! Whoever lives at a place of a Mainline network.

use core::net::SocketAddr;

use kademlia::{Moment, OperationId, Protocol, Transmit};
use mainline::command::{Command, Event};
use mainline::node::Node;

use crate::adversary::Rogue;

/// Somebody who does not play by the rules.
#[derive(Debug)]
pub struct Intruder(pub(crate) Box<dyn Rogue>);

/// A node of a Mainline network.
#[derive(Debug)]
#[repr(C)] // What tells the two apart comes first: it is read first.
#[expect(clippy::large_enum_variant, reason = "the engine boxes it, and nearly all are honest")]
pub enum Resident {
    /// The shipped node.
    Honest(Node),
    /// Somebody else.
    Rogue(Intruder),
}

impl Resident {
    /// The shipped node, if it is one.
    pub fn honest(&self) -> Option<&Node> {
        match self {
            Self::Honest(node) => Some(node),
            Self::Rogue(_) => None,
        }
    }
}

impl Protocol for Resident {
    type Peer = SocketAddr;
    type Command = Command;
    type Event = Event;

    fn handle_message(&mut self, now: Moment, from: SocketAddr, message: &[u8]) {
        match self {
            Self::Honest(node) => node.handle_message(now, from, message),
            Self::Rogue(rogue) => rogue.0.handle_message(now, from, message),
        }
    }

    fn handle_command(&mut self, now: Moment, command: Command) -> OperationId {
        match self {
            Self::Honest(node) => node.handle_command(now, command),
            Self::Rogue(rogue) => rogue.0.handle_command(now, command),
        }
    }

    fn handle_timeout(&mut self, now: Moment) {
        match self {
            Self::Honest(node) => node.handle_timeout(now),
            Self::Rogue(rogue) => rogue.0.handle_timeout(now),
        }
    }

    fn poll_transmit(&mut self, now: Moment, buffer: &mut Vec<u8>) -> Option<Transmit<SocketAddr>> {
        match self {
            Self::Honest(node) => node.poll_transmit(now, buffer),
            Self::Rogue(rogue) => rogue.0.poll_transmit(now, buffer),
        }
    }

    fn poll_event(&mut self) -> Option<Event> {
        match self {
            Self::Honest(node) => node.poll_event(),
            Self::Rogue(rogue) => rogue.0.poll_event(),
        }
    }

    fn next_timeout(&self) -> Option<Moment> {
        match self {
            Self::Honest(node) => node.next_timeout(),
            Self::Rogue(rogue) => rogue.0.next_timeout(),
        }
    }
}
