//! Flooders: they send queries without pause, and care for no answer.

use core::net::{SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use kademlia::protocol::{Outbox, Way};
use kademlia::{Contact, Moment, OperationId, Protocol, Transmit};
use mainline::command::{Command, Event};
use mainline::wire::{self, Query, Request};

use super::Guild;
use crate::ids::{Id, host_address};
use crate::random::Draw;

#[derive(Debug)]
pub(super) struct Flooder {
    me: Contact<SocketAddrV4>,
    guild: Arc<Guild>,
    draw: Draw,
    next: Option<Moment>,
    outbox: Outbox<SocketAddr>,
}

impl Flooder {
    pub(super) fn new(me: Contact<SocketAddrV4>, guild: Arc<Guild>) -> Self {
        let own = u64::from(me.address.ip().to_bits());
        let draw = Draw::new(guild.seed, own, 0);
        Self { me, guild, draw, next: None, outbox: Outbox::default() }
    }
}

/// A query for a random target, as somebody with this id would send it.
pub(super) fn write_query(out: &mut Vec<u8>, sender: Id, draw: &mut Draw) {
    let mut target = Id::default();
    for (to, from) in target.iter_mut().zip(draw.seed()) {
        *to = from;
    }
    let transaction = draw.next().to_be_bytes();
    let request = Request::FindNode { target: wire::Id::new(target) };
    Query::new(&transaction, wire::Id::new(sender), request).encode(out);
}

impl Protocol for Flooder {
    type Peer = SocketAddr;
    type Command = Command;
    type Event = Event;

    fn handle_message(&mut self, _now: Moment, _from: SocketAddr, _message: &[u8]) {}

    fn handle_command(&mut self, now: Moment, _command: Command) -> OperationId {
        // Its owner lets it join: that is when it begins.
        self.next = (self.guild.rate > 0.0).then_some(now);
        OperationId(0)
    }

    fn handle_timeout(&mut self, now: Moment) {
        let pause = Duration::from_secs_f64(1.0 / self.guild.rate.max(1e-3));
        while let Some(next) = self.next.filter(|next| *next <= now) {
            self.next = Some(next + pause.max(Duration::from_micros(1)));
            let host = self.draw.below(u64::from(self.guild.hosts.max(1)));
            let to = host_address(u32::try_from(host).unwrap_or(0));
            if to != self.me.address {
                let (sender, draw) = (self.me.key.id(), &mut self.draw);
                let transmit = Transmit { to: to.into(), way: Way::Datagram };
                self.outbox.push(transmit, |out| write_query(out, sender, draw));
            }
        }
    }

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
        self.next
    }
}
