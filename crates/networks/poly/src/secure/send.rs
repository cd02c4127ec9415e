//! Outwards: what becomes of a message of the inner protocol.

use std::time::Duration;

use kademlia::protocol::Way;
use kademlia::{Moment, Transmit};

use super::attempt::{Attempt, MAX_QUEUED, MAX_TRIES, PATIENCE, Stage};
use super::noise::First;
use super::session::{State, cost};
use super::wire::{self, Cookie, Kind, NO_COOKIE};
use super::{Core, MAX_FIRST_REQUEST_BYTES, MAX_MESSAGE_BYTES};
use crate::contact::Peer;

/// An unproven address that may get nothing more is turned to by a handshake of our own only after
/// this time: not as an answer to what came from there.
const OWN_WILL_AFTER: Duration = Duration::from_secs(5);

/// Messages that a handshake is begun for.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// To travel inside it.
    pub(super) first: Option<Vec<u8>>,
    /// To follow it.
    pub(super) queue: Vec<Vec<u8>>,
    /// Handshakes begun for them so far.
    pub(super) tries: u8,
}

impl Core {
    /// Sends a message: as a datagram in `buffer`, or later.
    pub(super) fn send(
        &mut self,
        now: Moment,
        to: Peer,
        message: &[u8],
        buffer: &mut Vec<u8>,
    ) -> Option<Transmit<Peer>> {
        if message.is_empty() || message.len() > MAX_MESSAGE_BYTES || to.id == self.noise.keys.id {
            self.counters.dropped += 1;
            return None;
        }
        if self.answer_with(to, message) {
            return None;
        }
        if let Some(number) = self.table.choose(now, to) {
            return self.send_in_session(now, number, to, message, buffer);
        }
        self.send_in_handshake(now, to, message);
        None
    }

    fn send_in_session(
        &mut self,
        now: Moment,
        number: u32,
        to: Peer,
        message: &[u8],
        buffer: &mut Vec<u8>,
    ) -> Option<Transmit<Peer>> {
        let renewal = self.renewal();
        let session = self.table.session(number)?;
        let peer = Peer::new(session.peer.id, to.address);
        // To where a peer only seems to be, nothing is sent but what fits its allowance.
        let is_candidate = session.peer != peer;
        match session.state(now, renewal) {
            State::Ready => {}
            State::Ageing | State::Doubtful if is_candidate => {}
            State::Spent if is_candidate => {
                self.counters.dropped += 1;
                return None;
            }
            State::Ageing => self.renew(now, peer),
            State::Doubtful => {
                self.send_in_handshake(now, peer, message);
                return None;
            }
            State::Spent => {
                self.table.remove(number);
                self.send_in_handshake(now, peer, message);
                return None;
            }
        }
        let session = self.table.session(number)?;
        let may = session.allowance_for(to.address);
        if may.is_some_and(|allowance| allowance < cost(message)) {
            self.hold(now, number, peer, message);
            return None;
        }
        session.seal(now, Kind::Data, message, buffer)?;
        session.spend(to.address, buffer.len());
        self.counters.sent += 1;
        self.table.touch(now, number);
        self.retained.keep(now, number, message);
        Some(Transmit { to: Peer::unproven(to.address), way: Way::Datagram })
    }

    /// Keeps a message for an address that may not get so much yet.
    pub(super) fn hold(&mut self, now: Moment, number: u32, to: Peer, message: &[u8]) {
        let asked = self.ask_for_proof(now, number, to.address);
        let Some(session) = self.table.session(number) else {
            return;
        };
        let is_candidate = session.peer.address != to.address;
        if !asked && !is_candidate && now.since(session.made) > OWN_WILL_AFTER {
            self.send_in_handshake(now, to, message);
        } else if !session.hold(message) {
            self.counters.dropped += 1;
        }
    }

    /// Sends a message by a handshake: in a new one, or behind one that is under way.
    fn send_in_handshake(&mut self, now: Moment, to: Peer, message: &[u8]) {
        let newest = self.table.link(to).attempt;
        let newest = newest.and_then(|number| self.attempts.attempt(number));
        let mut waiting = Waiting { first: Some(message.to_vec()), ..Waiting::default() };
        if let Some(attempt) = newest {
            if now.since(attempt.began) < PATIENCE {
                if attempt.queue.len() < MAX_QUEUED {
                    attempt.queue.push(message.to_vec());
                } else {
                    self.counters.dropped += 1;
                }
                return;
            }
            waiting.queue = core::mem::take(&mut attempt.queue);
        }
        self.initiate(now, to, waiting, None);
    }

    /// Begins a handshake beside the session that is.
    fn renew(&mut self, now: Moment, peer: Peer) {
        if self.table.link(peer).attempt.is_none() {
            self.initiate(now, peer, Waiting::default(), None);
        }
    }

    /// Begins a handshake, or asks who is there if that is not known.
    pub(super) fn initiate(
        &mut self,
        now: Moment,
        to: Peer,
        waiting: Waiting,
        cookie: Option<Cookie>,
    ) {
        let count = waiting.queue.len() as u64 + u64::from(waiting.first.is_some());
        if cookie.is_none() && !self.gate.may_initiate(now, to.address.ip()) {
            self.counters.withheld += 1;
            self.counters.dropped += count;
            return;
        }
        let number = self.number();
        let Waiting { mut first, mut queue, tries } = waiting;
        self.scratch.clear();
        let stage = if to.is_proven() {
            if let Some(long) = first.take_if(|first| first.len() > MAX_FIRST_REQUEST_BYTES) {
                queue.insert(0, long);
            }
            self.write_initiation(now, number, to, first.as_deref(), cookie)
        } else {
            Some(self.write_hello())
        };
        let Some(stage) = stage else {
            self.counters.dropped += count;
            return;
        };
        let is_challenged = cookie.is_some();
        let attempt =
            Attempt { first, queue, is_challenged, tries, ..Attempt::new(now, to, stage) };
        self.counters.initiated += u64::from(to.is_proven());
        self.table.set_attempt(to, number);
        if let Some((number, evicted)) = self.attempts.insert(number, attempt) {
            self.table.end_attempt(evicted.to, number);
            self.counters.unanswered += 1;
        }
        self.flush_scratch(to.address);
    }

    fn write_initiation(
        &mut self,
        now: Moment,
        number: u32,
        to: Peer,
        request: Option<&[u8]>,
        cookie: Option<Cookie>,
    ) -> Option<Stage> {
        // A cookie proves our address: the answer may have any length then.
        let needs_room =
            cookie.is_none() && request.is_some_and(|request| !(self.config.asks_little)(request));
        let first = First {
            to: &to.id,
            sender: self.noise.keys.index(number),
            stamp_ms: self.gate.unix_ms(now).unwrap_or(0),
            cookie: cookie.unwrap_or(NO_COOKIE),
            request: request.unwrap_or_default(),
            padded_to: if needs_room { self.config.first_datagram_bytes } else { 0 },
        };
        let secret = self.random();
        let handshake = self.noise.initiate(secret, &first, &mut self.scratch)?;
        Some(Stage::Initiated(Box::new(handshake)))
    }

    fn write_hello(&mut self) -> Stage {
        let nonce = self.random();
        let keys = &self.noise.keys;
        wire::write_hello(&mut self.scratch, nonce, |covered| keys.hello_mac(covered));
        Stage::Asked(nonce)
    }

    /// A handshake was not answered in time.
    pub(super) fn attempt_due(&mut self, now: Moment, number: u32, is_over: bool) {
        let Some(attempt) = self.attempts.attempt(number) else {
            return;
        };
        let to = attempt.to;
        if is_over {
            self.counters.dropped += attempt.queue.len() as u64;
            self.attempts.remove(number);
            self.table.end_attempt(to, number);
            self.counters.unanswered += 1;
            return;
        }
        let is_newest = self.table.link(to).attempt == Some(number);
        let asked = matches!(attempt.stage, Stage::Asked(_));
        if !is_newest || attempt.tries + 1 >= MAX_TRIES || (attempt.queue.is_empty() && !asked) {
            return;
        }
        let tries = attempt.tries + 1;
        let mut queue = core::mem::take(&mut attempt.queue);
        let first = if asked { attempt.first.take() } else { Some(queue.remove(0)) };
        self.initiate(now, to, Waiting { first, queue, tries }, None);
    }
}
