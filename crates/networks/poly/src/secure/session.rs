//! One session: its keys, its replay window, and where its peer is known to be.

use core::net::SocketAddr;
use std::time::Duration;

use kademlia::Moment;

use super::noise::Transport;
use super::window::Window;
use super::wire::{self, HEADER_BYTES, Index, Kind, Nonce, Sealed};
use crate::contact::Peer;

/// Messages that wait in a session for its peer's address to be proven: an answer and a push.
/// Sessions of unproven addresses are few, so this bounds what floods can make us keep.
pub(super) const MAX_HELD: usize = 2;
/// Counters of a session at most; then it is spent. Far below what the cipher allows, and half of
/// what the header has room for.
const MAX_COUNTER: u32 = 1 << 31;
/// A session in which nothing was heard for so long after something was sent may be dead: the next
/// message goes by a new handshake.
const DOUBT_AFTER: Duration = Duration::from_secs(10);

/// A session with a peer.
#[derive(Debug)]
pub(super) struct Session {
    /// Its id is proven; its address too unless there is an `allowance`.
    pub(super) peer: Peer,
    /// How the peer calls the session.
    pub(super) remote: Index,
    transport: Transport,
    /// The counter of the next message.
    next: u32,
    window: Window,
    pub(super) made: Moment,
    /// When the peer last sent something genuine.
    pub(super) heard: Moment,
    /// When something was first sent since then.
    silent_since: Option<Moment>,
    /// Whether this side began the handshake.
    pub(super) is_initiator: bool,
    /// Whether the peer has the keys for certain.
    pub(super) is_confirmed: bool,
    /// Bytes that may go to the peer's address before it is proven; `None`: it is.
    pub(super) allowance: Option<usize>,
    /// Another address from which the peer seems to speak now.
    pub(super) candidate: Option<Candidate>,
    /// Messages that wait for an address to be proven.
    pub(super) held: Vec<Vec<u8>>,
    /// The last request to prove an address.
    pub(super) asked: Option<Asked>,
    /// When a challenge was last heeded.
    pub(super) challenged: Option<Moment>,
    /// The second in which the session was last used: its place in the order of eviction.
    pub(super) used: u64,
}

/// An address that a peer may have moved to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    pub(super) address: SocketAddr,
    /// Bytes that may go there before it is proven.
    pub(super) allowance: usize,
}

/// A request to prove an address.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) at: Moment,
    /// Only an answer from there counts: one that was overheard proves nothing elsewhere.
    pub(super) address: SocketAddr,
    /// To be sent back.
    pub(super) token: Nonce,
}

/// Why a message within a session was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Refused {
    /// Seen before, or too old to tell.
    Replayed,
    /// Not made with the session's key.
    Forged,
}

/// What is to be done before a session carries a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    /// Nothing.
    Ready,
    /// Begin a new handshake in the background.
    Ageing,
    /// Send by a new handshake: the peer does not seem to hear.
    Doubtful,
    /// Give the session up.
    Spent,
}

/// When sessions are renewed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Renewal {
    pub(super) after: Duration,
    pub(super) after_messages: u32,
}

impl Session {
    pub(super) fn new(
        now: Moment,
        peer: Peer,
        remote: Index,
        transport: Transport,
        is_initiator: bool,
    ) -> Self {
        Self {
            peer,
            remote,
            transport,
            next: 0,
            window: Window::default(),
            made: now,
            heard: now,
            silent_since: None,
            is_initiator,
            is_confirmed: is_initiator,
            allowance: None,
            candidate: None,
            held: Vec::new(),
            asked: None,
            challenged: None,
            used: 0,
        }
    }

    /// Writes a message as a datagram into `out`, which is cleared first.
    pub(super) fn seal(
        &mut self,
        now: Moment,
        kind: Kind,
        message: &[u8],
        out: &mut Vec<u8>,
    ) -> Option<()> {
        let header = kind.header(self.remote, self.next);
        out.clear();
        out.extend_from_slice(&header);
        out.extend_from_slice(message);
        let body = out.get_mut(HEADER_BYTES..)?;
        let tag = self.transport.seal.seal(self.next.into(), &header, body)?;
        out.extend_from_slice(&tag);
        self.next = self.next.checked_add(1)?;
        self.silent_since.get_or_insert(now);
        Some(())
    }

    /// Decrypts a message into `plain`. Says whether it is the newest so far.
    pub(super) fn open(
        &mut self,
        now: Moment,
        sealed: &Sealed<'_>,
        plain: &mut Vec<u8>,
    ) -> Result<bool, Refused> {
        if !self.window.is_new(sealed.counter) {
            return Err(Refused::Replayed);
        }
        plain.clear();
        plain.extend_from_slice(sealed.body);
        let opened = self.transport.open.open(sealed.counter.into(), sealed.header, plain);
        let length = opened.ok_or(Refused::Forged)?.len();
        plain.truncate(length);
        let is_newest = self.window.is_ahead(sealed.counter);
        self.window.mark(sealed.counter);
        self.heard = now;
        self.silent_since = None;
        Ok(is_newest)
    }

    /// Whether it can carry one more message now.
    pub(super) fn state(&self, now: Moment, renewal: Renewal) -> State {
        let age = now.since(self.made);
        // The initiator renews; if it never sends, the responder does, somewhat later.
        let patience = u32::from(!self.is_initiator);
        let (after, messages) = (renewal.after, renewal.after_messages);
        if self.next >= MAX_COUNTER || age > renewal.after * 2 {
            State::Spent
        } else if self.silent_since.is_some_and(|since| now.since(since) > DOUBT_AFTER) {
            State::Doubtful
        } else if age > after + after / 8 * patience
            || self.next > messages.saturating_add(messages / 8 * patience)
        {
            State::Ageing
        } else {
            State::Ready
        }
    }

    /// Whether its peer has shown to hear us: it is no forged address that a flood invented.
    pub(super) fn is_settled(&self) -> bool {
        self.is_confirmed || self.allowance.is_none()
    }

    /// Bytes that may go to an address now; `None`: any.
    pub(super) fn allowance_for(&self, address: SocketAddr) -> Option<usize> {
        match self.candidate {
            Some(candidate) if candidate.address == address => Some(candidate.allowance),
            _ if address == self.peer.address => self.allowance,
            _ => Some(0),
        }
    }

    /// Takes what a datagram to an address costs off its allowance.
    pub(super) fn spend(&mut self, address: SocketAddr, bytes: usize) {
        if let Some(candidate) = &mut self.candidate
            && candidate.address == address
        {
            candidate.allowance = candidate.allowance.saturating_sub(bytes);
        } else if let Some(allowance) = &mut self.allowance {
            *allowance = allowance.saturating_sub(bytes);
        }
    }

    /// Keeps a message until an address is proven; whether there was room.
    pub(super) fn hold(&mut self, message: &[u8]) -> bool {
        let has_room = self.held.len() < MAX_HELD;
        if has_room {
            self.held.push(message.to_vec());
        }
        has_room
    }
}

/// What a message costs on the wire.
pub(super) const fn cost(message: &[u8]) -> usize {
    message.len() + wire::OVERHEAD_BYTES
}
