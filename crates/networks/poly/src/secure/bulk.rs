//! Messages too long for a datagram: when they may set out.
//!
//! They travel on another way, by connections whose first datagrams are long and which the other
//! side accepts only from addresses that it knows. So a long message waits until its receiver has
//! shown to be there, and goes behind a *knock*: the control datagram "here I am", which shows the
//! receiver that we are.

use std::collections::VecDeque;
use std::time::Duration;

use kademlia::protocol::Way;
use kademlia::{Moment, Transmit};

use super::send::Waiting;
use super::session::State;
use super::wire::Kind;
use super::{Core, attempt::GIVE_UP_AFTER};
use crate::contact::Peer;

/// Long messages that wait at most, and their bytes.
const MAX_WAITING: usize = 256;
const MAX_WAITING_BYTES: usize = 8 << 20;
/// How long one waits: a handshake, and another if its first datagram was lost.
const WAIT: Duration = GIVE_UP_AFTER;

/// Messages that wait for their receivers.
#[derive(Debug, Default)]
pub(super) struct Long {
    waiting: VecDeque<(Moment, Peer, Vec<u8>)>,
    bytes: usize,
}

impl Long {
    /// When the first one is given up.
    pub(super) fn next_expiry(&self) -> Option<Moment> {
        self.waiting.front().map(|(since, ..)| *since + WAIT)
    }
}

impl Core {
    /// Sends a long message, now if `true`; else it waits.
    pub(super) fn send_long(&mut self, now: Moment, to: Peer, message: &[u8]) -> bool {
        if self.table.is_proven(to) {
            self.knock(now, to);
            return true;
        }
        self.knock(now, to);
        let Long { waiting, bytes } = &mut self.long;
        if waiting.len() >= MAX_WAITING || *bytes + message.len() > MAX_WAITING_BYTES {
            self.counters.dropped += 1;
        } else {
            *bytes += message.len();
            waiting.push_back((now, to, message.to_vec()));
        }
        false
    }

    /// The next long message whose receiver has shown to be there since.
    pub(super) fn poll_long(&mut self, now: Moment, buffer: &mut Vec<u8>) -> Option<Peer> {
        let table = &self.table;
        let at = self.long.waiting.iter().position(|(_, to, _)| table.is_proven(*to))?;
        let (_, to, message) = self.long.waiting.remove(at)?;
        self.long.bytes -= message.len();
        *buffer = message;
        self.knock(now, to);
        Some(to)
    }

    /// Gives up what has waited too long.
    pub(super) fn expire_long(&mut self, now: Moment) {
        while let Some((_, _, message)) =
            self.long.waiting.pop_front_if(|(since, ..)| *since + WAIT <= now)
        {
            self.long.bytes -= message.len();
            self.counters.dropped += 1;
        }
    }

    /// Shows a peer that we are there, and sees to it that it does as much.
    fn knock(&mut self, now: Moment, to: Peer) {
        if let Some(answering) = self.answering.iter_mut().find(|answering| answering.peer == to) {
            // It proves its address to get what is held.
            answering.hold(&[]);
            return;
        }
        let renewal = self.renewal();
        let number = self.table.choose(now, to);
        let number = number.filter(|number| {
            let session = self.table.session(*number);
            let state = session.map(|session| session.state(now, renewal));
            matches!(state, Some(State::Ready | State::Ageing))
        });
        let Some(number) = number else {
            self.knock_by_handshake(now, to);
            return;
        };
        let allowance =
            self.table.session(number).and_then(|session| session.allowance_for(to.address));
        if allowance.is_some() {
            self.hold(now, number, to, &[]);
        } else {
            self.seal_into_outbox(now, number, to.address, Kind::Control, &[]);
            self.table.touch(now, number);
        }
    }

    fn knock_by_handshake(&mut self, now: Moment, to: Peer) {
        let newest = self.table.link(to).attempt;
        match newest.and_then(|number| self.attempts.attempt(number)) {
            Some(attempt) if attempt.queue.is_empty() => attempt.queue.push(Vec::new()),
            Some(_) => {}
            None => {
                let waiting = Waiting { queue: vec![Vec::new()], ..Waiting::default() };
                self.initiate(now, to, waiting, None);
            }
        }
    }
}

/// Where a long message goes.
pub(super) const fn on_its_way(to: Peer) -> Transmit<Peer> {
    Transmit { to, way: Way::Bulk }
}
