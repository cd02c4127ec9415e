//! Inwards: what becomes of a datagram.

use core::net::SocketAddr;
use std::time::Duration;

use kademlia::protocol::Way;
use kademlia::{Key, Moment, Transmit};
use snow::HandshakeState;

use super::Core;
use super::attempt::{Attempt, MAX_QUEUED, Stage};
use super::gate::Verdict;
use super::keys::public_of;
use super::noise::{self, Completed};
use super::send::Waiting;
use super::session::{Asked, Candidate, Refused, Session, cost};
use super::wire::{
    self, Control, Cookie, Datagram, HELLO_BYTES, Index, Initiation, Kind, MAX_DATAGRAM_BYTES, Mac,
    NO_COOKIE, Nonce, OVERHEAD_BYTES, RESPONSE_BYTES, Sealed,
};
use crate::contact::Peer;

/// Between two challenges that are heeded in one session.
const HEED_EVERY: Duration = Duration::from_secs(1);
/// Between two requests that a peer prove its address.
pub(super) const ASK_EVERY: Duration = Duration::from_secs(1);
/// Initiations that wait for their answer at once: with a driver that keeps to the order of calls,
/// one.
const MAX_ANSWERING: usize = 64;

/// An initiation whose answer the inner protocol is about to give.
pub(super) struct Answering {
    pub(super) peer: Peer,
    number: u32,
    /// How the initiator calls the session.
    remote: Index,
    handshake: HandshakeState,
    /// Bytes the response may have.
    room: usize,
    address_proven: bool,
    bytes_in: usize,
    answer: Option<Vec<u8>>,
    held: Vec<Vec<u8>>,
}

impl core::fmt::Debug for Answering {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Answering").field("peer", &self.peer).finish_non_exhaustive()
    }
}

impl Answering {
    pub(super) const fn is(&self, number: u32) -> bool {
        self.number == number
    }

    /// Takes a message to the initiator into the response, or keeps it for later.
    fn take(&mut self, message: &[u8]) -> bool {
        if self.answer.is_none() && message.len() + RESPONSE_BYTES <= self.room {
            self.answer = Some(message.to_vec());
            return true;
        }
        self.hold(message)
    }

    /// Keeps a message until the initiator has proven its address; whether there is room.
    pub(super) fn hold(&mut self, message: &[u8]) -> bool {
        let has_room = self.held.len() < super::session::MAX_HELD;
        if has_room {
            self.held.push(message.to_vec());
        }
        has_room
    }
}

impl Core {
    /// Takes in a datagram. If it holds a message for the inner protocol, that is left in `plain`,
    /// and its sender returned.
    pub(super) fn receive(
        &mut self,
        now: Moment,
        from: SocketAddr,
        bytes: &[u8],
        plain: &mut Vec<u8>,
    ) -> Option<Peer> {
        let Some(datagram) = Datagram::parse(bytes) else {
            self.counters.malformed += 1;
            return None;
        };
        match datagram {
            Datagram::Sealed(sealed) => self.sealed(now, from, &sealed, plain),
            Datagram::Initiation(initiation) => {
                self.initiation(now, from, &initiation, bytes.len(), plain)
            }
            Datagram::Response { to, noise } => self.response(now, from, (to, noise), plain),
            Datagram::Challenge { echo, cookie } => {
                self.challenge(now, from, echo, cookie);
                None
            }
            Datagram::Hello { nonce, covered, mac } => {
                self.hello(now, from, nonce, (covered, &mac));
                None
            }
            Datagram::Identity { nonce, id, cookie, covered, mac } => {
                self.identity(now, from, nonce, (Key::new(id), cookie), (covered, &mac));
                None
            }
        }
    }

    /// A message within a session.
    fn sealed(
        &mut self,
        now: Moment,
        from: SocketAddr,
        sealed: &Sealed<'_>,
        plain: &mut Vec<u8>,
    ) -> Option<Peer> {
        let Some(number) = self.noise.keys.number(sealed.to) else {
            self.counters.foreign += 1;
            return None;
        };
        let Some(session) = self.table.session(number) else {
            // Forgotten, or the response that it needs is still on its way.
            self.send_challenge(now, from, sealed.to);
            return None;
        };
        let is_newest = match session.open(now, sealed, plain) {
            Ok(is_newest) => is_newest,
            Err(Refused::Replayed) => {
                self.counters.replayed += 1;
                return None;
            }
            Err(Refused::Forged) => {
                self.counters.forged += 1;
                return None;
            }
        };
        let is_confirmed = session.is_confirmed;
        self.table.touch(now, number);
        if !is_confirmed {
            self.table.confirm(number);
        }
        let bytes_in = sealed.body.len() + wire::HEADER_BYTES;
        let peer = self.located(now, number, from, is_newest.then_some(bytes_in))?;
        match sealed.kind {
            Kind::Data => Some(peer),
            Kind::Control => {
                self.control(now, number, from, plain);
                None
            }
        }
    }

    /// Who sent a genuine message: the peer where it is known to be, or where it may have moved to.
    /// `newest` holds the bytes of a message ahead of all others; an older one moves nobody.
    fn located(
        &mut self,
        now: Moment,
        number: u32,
        from: SocketAddr,
        newest: Option<usize>,
    ) -> Option<Peer> {
        let session = self.table.session(number)?;
        let peer = session.peer;
        if from == peer.address {
            let was_unproven = session.allowance.take().is_some();
            if was_unproven || session.candidate.is_none() {
                self.release(now, number, from);
            }
            return Some(peer);
        }
        let known = session.candidate.is_some_and(|candidate| candidate.address == from);
        let Some(bytes_in) = newest else {
            return Some(if known { Peer::new(peer.id, from) } else { peer });
        };
        if !known && !self.table.link_candidate(number, from) {
            return Some(peer);
        }
        let session = self.table.session(number)?;
        let fresh = Candidate { address: from, allowance: 0 };
        let candidate = if known {
            session.candidate.get_or_insert(fresh)
        } else {
            session.asked = None;
            session.candidate.insert(fresh)
        };
        candidate.allowance = candidate.allowance.saturating_add(bytes_in);
        self.ask_for_proof(now, number, from);
        Some(Peer::new(peer.id, from))
    }

    /// A message of this layer.
    fn control(&mut self, now: Moment, number: u32, from: SocketAddr, plain: &[u8]) {
        match Control::parse(plain) {
            None => self.counters.malformed += 1,
            Some(Control::Here) => {}
            Some(Control::Prove(token)) => {
                self.send_control(now, number, from, Control::Proof(token));
            }
            Some(Control::Proof(token)) => self.proof(now, number, from, token),
        }
    }

    /// A peer has shown that it hears us where it speaks from.
    fn proof(&mut self, now: Moment, number: u32, from: SocketAddr, token: Nonce) {
        let Some(session) = self.table.session(number) else {
            return;
        };
        let asked = session.asked;
        let is_right = asked.is_some_and(|asked| asked.token == token && asked.address == from);
        let is_candidate = session.candidate.is_some_and(|candidate| candidate.address == from);
        if is_right && is_candidate {
            session.asked = None;
            self.table.relocate(number, from);
            self.counters.moved += 1;
            self.release(now, number, from);
        }
    }

    /// Sends what waited for an address to be proven.
    fn release(&mut self, now: Moment, number: u32, to: SocketAddr) {
        let held = self.table.session(number).map(|session| core::mem::take(&mut session.held));
        for message in held.into_iter().flatten() {
            self.seal_into_outbox(now, number, to, Kind::Data, &message);
        }
    }

    /// The first message of a handshake.
    fn initiation(
        &mut self,
        now: Moment,
        from: SocketAddr,
        initiation: &Initiation<'_>,
        bytes_in: usize,
        plain: &mut Vec<u8>,
    ) -> Option<Peer> {
        if !self.noise.keys.is_initiation_mac(initiation.covered, &initiation.mac) {
            self.counters.foreign += 1;
            return None;
        }
        let Initiation { ephemeral, stamp_ms, cookie, .. } = *initiation;
        let address_proven = match self.gate.judge(now, from, (ephemeral, stamp_ms, &cookie)) {
            Verdict::Pass { address_proven } => address_proven,
            Verdict::Challenge => {
                self.send_challenge(now, from, initiation.sender);
                return None;
            }
            Verdict::Limited => {
                self.counters.limited += 1;
                return None;
            }
            Verdict::Replayed => {
                self.counters.replayed += 1;
                return None;
            }
        };
        let secret = self.random();
        let Some(opened) = self.noise.open(secret, initiation) else {
            self.counters.forged += 1;
            return None;
        };
        // The stamp of one that shows a cookie was not looked at and means nothing.
        let stamp_ms = if cookie == NO_COOKIE { stamp_ms } else { 0 };
        self.gate.accepted(now, ephemeral, stamp_ms);
        if self.answering.len() >= MAX_ANSWERING {
            self.finish_answers(now);
        }
        let peer = Peer::new(opened.id, from);
        let address_proven = address_proven || self.table.is_proven(peer);
        let room = if address_proven { MAX_DATAGRAM_BYTES } else { bytes_in };
        let answering = Answering {
            peer,
            number: self.number(),
            remote: initiation.sender,
            handshake: opened.handshake,
            room,
            address_proven,
            bytes_in,
            answer: None,
            held: Vec::new(),
        };
        self.answering.push(answering);
        plain.extend_from_slice(&opened.request);
        (!opened.request.is_empty()).then_some(peer)
    }

    /// Takes a message into the response to an initiation, if one is due to its receiver.
    pub(super) fn answer_with(&mut self, to: Peer, message: &[u8]) -> bool {
        let Some(answering) = self.answering.iter_mut().find(|answering| answering.peer == to)
        else {
            return false;
        };
        if !answering.take(message) {
            self.counters.dropped += 1;
        }
        true
    }

    /// Sends the responses that waited for the inner protocol's answer. Whether there were any.
    pub(super) fn finish_answers(&mut self, now: Moment) -> bool {
        let answering = core::mem::take(&mut self.answering);
        let any = !answering.is_empty();
        for answering in answering {
            self.respond(now, answering);
        }
        any
    }

    fn respond(&mut self, now: Moment, answering: Answering) {
        let Answering { peer, number, remote, handshake, held, .. } = answering;
        let answer = answering.answer.unwrap_or_default();
        let sender = self.noise.keys.index(number);
        let payload = wire::second_payload(sender, !held.is_empty(), &answer);
        self.scratch.clear();
        let Some(transport) = noise::respond(handshake, remote, &payload, &mut self.scratch) else {
            return;
        };
        let mut session = Session::new(now, peer, remote, transport, false);
        let left = answering.bytes_in.saturating_sub(self.scratch.len());
        session.allowance = (!answering.address_proven).then_some(left);
        session.held = held;
        self.counters.accepted += 1;
        self.counters.evicted += self.table.insert(now, number, session) as u64;
        self.flush_scratch(peer.address);
    }

    /// The second message of a handshake.
    fn response(
        &mut self,
        now: Moment,
        from: SocketAddr,
        (to, noise): (Index, &[u8]),
        plain: &mut Vec<u8>,
    ) -> Option<Peer> {
        let Some(number) = self.noise.keys.number(to) else {
            self.counters.foreign += 1;
            return None;
        };
        let completed =
            self.attempts.attempt(number).and_then(|attempt| match &mut attempt.stage {
                Stage::Initiated(handshake) if attempt.to.address == from => {
                    noise::complete(handshake, noise)
                }
                Stage::Initiated(_) | Stage::Asked(_) => None,
            });
        let Some(completed) = completed else {
            self.counters.forged += 1;
            return None;
        };
        let attempt = self.attempts.remove(number)?;
        let Completed { sender, holds_more, answer, transport } = completed;
        let peer = attempt.to;
        let mut session = Session::new(now, peer, sender, transport, true);
        // A chain of challenges is slowed down, whatever causes it.
        session.challenged = attempt.is_challenged.then_some(now);
        self.counters.completed += 1;
        self.counters.evicted += self.table.insert(now, number, session) as u64;
        self.table.end_attempt(peer, number);
        let sent = self.send_queue(now, number, attempt);
        if holds_more && !sent {
            self.send_control(now, number, from, Control::Here);
        }
        plain.extend_from_slice(&answer);
        (!answer.is_empty()).then_some(peer)
    }

    /// Sends what waited for a handshake, and for a later one with the same peer. Whether there was
    /// anything.
    fn send_queue(&mut self, now: Moment, number: u32, attempt: Attempt) -> bool {
        let peer = attempt.to;
        let later = self.table.link(peer).attempt.and_then(|later| self.attempts.attempt(later));
        let later = later.map(|later| core::mem::take(&mut later.queue)).unwrap_or_default();
        let mut sent = false;
        for message in attempt.queue.into_iter().chain(later) {
            self.seal_into_outbox(now, number, peer.address, Kind::Data, &message);
            self.retained.keep(now, number, &message);
            sent = true;
        }
        sent
    }

    /// Someone cannot take what we sent.
    fn challenge(&mut self, now: Moment, from: SocketAddr, echo: Index, cookie: Cookie) {
        let ours = self.noise.keys.number(echo).filter(|number| self.attempts.contains(*number));
        if let Some(number) = ours {
            self.challenged_handshake(now, from, number, cookie);
        } else if let Some(number) = self.table.by_remote(from, echo) {
            self.challenged_session(now, number, cookie);
        } else {
            self.counters.foreign += 1;
        }
    }

    /// A handshake needs a cookie.
    fn challenged_handshake(&mut self, now: Moment, from: SocketAddr, number: u32, cookie: Cookie) {
        let heeded = self.attempts.attempt(number).is_some_and(|attempt| {
            let is_initiated = matches!(attempt.stage, Stage::Initiated(_));
            is_initiated && !attempt.is_challenged && attempt.to.address == from
        });
        if !heeded {
            self.counters.replayed += 1;
            return;
        }
        if let Some(attempt) = self.attempts.remove(number) {
            self.table.end_attempt(attempt.to, number);
            self.counters.heeded += 1;
            let waiting =
                Waiting { first: attempt.first, queue: attempt.queue, tries: attempt.tries };
            self.initiate(now, attempt.to, waiting, Some(cookie));
        }
    }

    /// A peer has lost a session.
    fn challenged_session(&mut self, now: Moment, number: u32, cookie: Cookie) {
        let Some(session) = self.table.session(number) else {
            return;
        };
        if session.challenged.is_some_and(|heeded| now.since(heeded) < HEED_EVERY) {
            self.counters.replayed += 1;
            return;
        }
        session.challenged = Some(now);
        let (peer, heard) = (session.peer, session.heard);
        self.counters.heeded += 1;
        let mut lost = self.retained.take(number, heard, MAX_QUEUED + 1).into_iter();
        let waiting = Waiting { first: lost.next(), queue: lost.collect(), tries: 0 };
        self.initiate(now, peer, waiting, Some(cookie));
    }

    /// Someone asks who we are.
    fn hello(
        &mut self,
        now: Moment,
        from: SocketAddr,
        nonce: Nonce,
        (covered, mac): (&[u8], &Mac),
    ) {
        if !self.noise.keys.is_hello_mac(covered, mac) {
            self.counters.foreign += 1;
            return;
        }
        if !self.gate.may_answer(now, from.ip()) {
            self.counters.limited += 1;
            return;
        }
        let cookie = self.gate.cookie(now, from);
        let keys = &self.noise.keys;
        self.scratch.clear();
        wire::write_identity(&mut self.scratch, nonce, (keys.id.as_bytes(), cookie), |covered| {
            keys.hello_mac(covered)
        });
        debug_assert_eq!(self.scratch.len(), HELLO_BYTES);
        self.flush_scratch(from);
    }

    /// Someone says who is there.
    fn identity(
        &mut self,
        now: Moment,
        from: SocketAddr,
        nonce: Nonce,
        (id, cookie): (Key, Cookie),
        (covered, mac): (&[u8], &Mac),
    ) {
        let unproven = Peer::unproven(from);
        let asked = self.table.exact_attempt(unproven).filter(|number| {
            self.attempts.attempt(*number).is_some_and(
                |attempt| matches!(attempt.stage, Stage::Asked(asked) if asked == nonce),
            )
        });
        let is_node = id != self.noise.keys.id && public_of(&id).is_some();
        let is_genuine = is_node && self.noise.keys.is_hello_mac(covered, mac);
        let Some(number) = asked.filter(|_| is_genuine) else {
            self.counters.foreign += 1;
            return;
        };
        if let Some(attempt) = self.attempts.remove(number) {
            self.table.end_attempt(unproven, number);
            let waiting =
                Waiting { first: attempt.first, queue: attempt.queue, tries: attempt.tries };
            self.initiate(now, Peer::new(id, from), waiting, Some(cookie));
        }
    }

    /// Says that something cannot be taken. Never longer than what it answers.
    fn send_challenge(&mut self, now: Moment, to: SocketAddr, echo: Index) {
        let cookie = self.gate.cookie(now, to);
        self.counters.challenged += 1;
        self.scratch.clear();
        wire::write_challenge(&mut self.scratch, echo, cookie);
        self.flush_scratch(to);
    }

    /// Sends a message of this layer if the address may get so much.
    pub(super) fn send_control(
        &mut self,
        now: Moment,
        number: u32,
        to: SocketAddr,
        control: Control,
    ) -> bool {
        let mut message = Vec::with_capacity(Control::MAX_BYTES);
        control.write(&mut message);
        let Some(session) = self.table.session(number) else {
            return false;
        };
        if session.allowance_for(to).is_some_and(|allowance| allowance < cost(&message)) {
            return false;
        }
        self.seal_into_outbox(now, number, to, Kind::Control, &message);
        true
    }

    /// Asks a peer to prove an address, if that may get so much and was not asked just now.
    pub(super) fn ask_for_proof(&mut self, now: Moment, number: u32, to: SocketAddr) -> bool {
        let token = self.random();
        let Some(session) = self.table.session(number) else {
            return false;
        };
        let before = session.asked.filter(|asked| asked.address == to);
        if before.is_some_and(|asked| now.since(asked.at) < ASK_EVERY) {
            return true;
        }
        session.asked = Some(Asked { at: now, address: to, token });
        let sent = self.send_control(now, number, to, Control::Prove(token));
        if !sent && let Some(session) = self.table.session(number) {
            session.asked = before;
        }
        sent
    }

    /// Encrypts a message and queues it; no message is a knock, "here I am".
    pub(super) fn seal_into_outbox(
        &mut self,
        now: Moment,
        number: u32,
        to: SocketAddr,
        kind: Kind,
        message: &[u8],
    ) {
        let Some(session) = self.table.session(number) else {
            return;
        };
        let kind = if message.is_empty() { Kind::Control } else { kind };
        if session.seal(now, kind, message, &mut self.scratch).is_some() {
            session.spend(to, message.len() + OVERHEAD_BYTES);
            if kind == Kind::Data {
                self.counters.sent += 1;
            }
            self.flush_scratch(to);
        }
    }

    /// Queues the datagram in `scratch`.
    pub(super) fn flush_scratch(&mut self, to: SocketAddr) {
        let transmit = Transmit { to: Peer::unproven(to), way: Way::Datagram };
        self.outbox.push(transmit, |out| out.extend_from_slice(&self.scratch));
    }
}
