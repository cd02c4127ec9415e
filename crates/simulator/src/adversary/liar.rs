//! Liars in routing: they answer every question with each other.

use core::net::{SocketAddr, SocketAddrV4};
use std::sync::Arc;

use kademlia::protocol::{Outbox, Way};
use kademlia::{Contact, Key, Moment, OperationId, Protocol, Transmit};
use mainline::command::{Command, Event};
use mainline::wire::{Message, Query, Request};

use super::{Guild, NAMED, write_answer};
use crate::ids::Id;
use crate::random::{below, mix3};
use crate::scenario::AdversaryKind;

#[derive(Debug)]
pub(super) struct Liar {
    kind: AdversaryKind,
    me: Contact<SocketAddrV4>,
    guild: Arc<Guild>,
    outbox: Outbox<SocketAddr>,
}

impl Liar {
    pub(super) fn new(kind: AdversaryKind, me: Contact<SocketAddrV4>, guild: Arc<Guild>) -> Self {
        Self { kind, me, guild, outbox: Outbox::default() }
    }

    fn answer(&mut self, from: SocketAddr, query: &Query<'_>) {
        let target = match query.request {
            Request::FindNode { target }
            | Request::GetPeers { info_hash: target, .. }
            | Request::Get { target, .. }
            | Request::SampleInfohashes { target } => Some(target),
            Request::Ping
            | Request::AnnouncePeer { .. }
            | Request::Put(_)
            | Request::Unknown { .. } => None,
        };
        let mut sender = self.me.key.id();
        let mut named = Vec::new();
        if let Some(target) = target.map(|target| *target.as_bytes()) {
            named = self.named(&target);
            if self.kind == AdversaryKind::Forgers {
                sender = forged(&target, self.me.address);
            }
        }
        let transmit = Transmit { to: from, way: Way::Datagram };
        let transaction = query.transaction;
        self.outbox.push(transmit, |out| write_answer(out, transaction, sender, from, &named));
    }

    /// Whom it names.
    fn named(&self, target: &Id) -> Vec<Contact<SocketAddrV4>> {
        let key = Key::from(*target);
        if self.kind == AdversaryKind::Adaptive {
            return self.guild.nearest(&key, NAMED);
        }
        // The same eight whatever is asked, of each liar's own.
        let own = u64::from(self.me.address.ip().to_bits());
        let members = &self.guild.members;
        let pick = |slot: u64| {
            let at = below(mix3(self.guild.seed, own, slot), members.len() as u64);
            usize::try_from(at).ok().and_then(|at| members.get(at)).copied()
        };
        let mut named: Vec<_> = (0..NAMED as u64).filter_map(pick).collect();
        if self.kind == AdversaryKind::Forgers {
            for contact in &mut named {
                contact.key = Key::from(forged(target, contact.address));
            }
        }
        named
    }
}

/// The id that a forger at an address takes on for whoever seeks `target`: nearer than anybody.
fn forged(target: &Id, address: SocketAddrV4) -> Id {
    let mut id = *target;
    let own = mix3(0, u64::from(address.ip().to_bits()), 0).to_be_bytes();
    for (to, from) in id.iter_mut().skip(16).zip(own) {
        *to = from;
    }
    id
}

impl Protocol for Liar {
    type Peer = SocketAddr;
    type Command = Command;
    type Event = Event;

    fn handle_message(&mut self, _now: Moment, from: SocketAddr, message: &[u8]) {
        if let Ok(Message::Query(query)) = Message::decode(message) {
            self.answer(from, &query);
        }
    }

    fn handle_command(&mut self, _now: Moment, _command: Command) -> OperationId {
        OperationId(0)
    }

    fn handle_timeout(&mut self, _now: Moment) {}

    fn poll_transmit(
        &mut self,
        _now: Moment,
        buffer: &mut Vec<u8>,
    ) -> Option<Transmit<SocketAddr>> {
        self.outbox.pop(buffer)
    }

    fn poll_event(&mut self) -> Option<Event> {
        None
    }

    fn next_timeout(&self) -> Option<Moment> {
        None
    }
}
