//! Encryption between nodes: [`Secure`] wraps a protocol whose peers have proven ids.
//!
//! Noise IK over datagrams, specified byte by byte in `docs/poly-secure.md`. What it does:
//!
//! - The first request travels inside the handshake: first contact costs one round trip.
//! - Nothing that was captured changes anything when it is sent again: not messages (a window of
//!   counters), not initiations (a stamp, a memory of ephemeral keys, and cookies where those do
//!   not suffice).
//! - To an address that has not shown that it hears us, never more bytes go than came from there.
//!   What does not fit is held until it has.
//! - A peer that has lost its session says so and gets the messages it could not read in the next
//!   handshake.
//! - With a pre-shared key, whoever does not have it never gets a byte.
//! - All is bounded: sessions, handshakes, what is held and what is remembered, work for strangers.
//!
//! Towards the sockets, datagrams come from and go to peers of which only the address counts; a
//! message that comes with an id is one of `Way::Bulk`, whose connection has proven it, and passes
//! untouched. Those of the inner protocol pass once their receiver has shown to be there
//! (`secure/bulk.rs`).
//!
//! `secure/receive.rs` follows a datagram inwards, `secure/send.rs` a message outwards.

use core::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use ed25519_dalek::SigningKey;
use kademlia::protocol::{Outbox, Way};
use kademlia::{Key, Moment, OperationId, Protocol, Transmit};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use crate::contact::Peer;
use attempt::Attempts;
use bulk::{Long, on_its_way};
use gate::Gate;
use keys::MAX_NUMBER;
use noise::Noise;
use receive::Answering;
use retained::Retained;
use session::Renewal;
use table::Table;

mod attempt;
mod bulk;
mod gate;
mod keys;
mod noise;
mod once;
mod primitives;
mod receive;
mod retained;
mod send;
mod session;
mod table;
mod window;
mod wire;

pub use gate::GateSettings;
pub use wire::{
    CHALLENGE_BYTES, HELLO_BYTES, INITIATION_BYTES, MAX_DATAGRAM_BYTES, OVERHEAD_BYTES,
    RESPONSE_BYTES,
};

/// The longest message of the inner protocol, bytes. Longer ones go [`Way::Bulk`].
pub const MAX_MESSAGE_BYTES: usize = MAX_DATAGRAM_BYTES - OVERHEAD_BYTES;
/// The longest request that travels inside the first datagram; longer ones wait for the handshake.
pub const MAX_FIRST_REQUEST_BYTES: usize = MAX_DATAGRAM_BYTES - INITIATION_BYTES;

/// How sessions are kept.
#[derive(Clone)]
pub struct SecureConfig {
    /// The name of the network. Nodes of differently named ones do not understand each other.
    pub network: Vec<u8>,
    /// The key of a private network; whoever does not have it gets no answer at all.
    pub shared_key: Option<[u8; 32]>,
    /// Unix time at [`Moment::START`], milliseconds. Without it each first contact costs a second
    /// round trip, in which the other side makes sure that it is no replay.
    pub started_unix_ms: Option<u64>,
    /// Sessions kept; the least used are given up first. One takes about 2 KB.
    pub max_sessions: usize,
    /// A session not used for so long is given up.
    pub idle: Duration,
    /// A session is renewed after this time: so much at most is readable to whoever gets at its
    /// keys.
    pub renew_after: Duration,
    /// And after so many messages.
    pub renew_after_messages: u32,
    /// A first datagram to an address that has proven nothing is padded to so many bytes, for its
    /// answer may not be longer: 640 have room for an answer of 574, 8 contacts and more.
    pub first_datagram_bytes: usize,
    /// Whether what answers a message is so short that it needs no such padding, as that to a ping
    /// does not: it finds room in as many bytes as the shortest first datagram has, 179.
    pub asks_little: fn(&[u8]) -> bool,
    /// Limits on handshakes.
    pub gate: GateSettings,
}

impl Default for SecureConfig {
    fn default() -> Self {
        Self {
            network: b"polykad".to_vec(),
            shared_key: None,
            started_unix_ms: None,
            max_sessions: 4096,
            idle: Duration::from_mins(30),
            renew_after: Duration::from_hours(1),
            renew_after_messages: 1 << 24,
            first_datagram_bytes: 640,
            asks_little: crate::wire::asks_little,
            gate: GateSettings::default(),
        }
    }
}

impl fmt::Debug for SecureConfig {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecureConfig")
            .field("network", &String::from_utf8_lossy(&self.network))
            .field("private", &self.shared_key.is_some())
            .finish_non_exhaustive()
    }
}

/// What passed through the layer. Counts run from its start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Handshakes begun here.
    pub initiated: u64,
    /// Handshakes begun here that led to a session.
    pub completed: u64,
    /// Handshakes begun here that nobody answered.
    pub unanswered: u64,
    /// Handshakes begun by others that led to a session.
    pub accepted: u64,
    /// Messages handed to the inner protocol.
    pub received: u64,
    /// Messages sent in sessions.
    pub sent: u64,
    /// Datagrams that are none of this layer's.
    pub malformed: u64,
    /// Datagrams of other networks, to other nodes, or by inventors.
    pub foreign: u64,
    /// Datagrams that were here before.
    pub replayed: u64,
    /// Datagrams whose MAC or tag is wrong.
    pub forged: u64,
    /// Handshakes and hellos of hosts that began too many.
    pub limited: u64,
    /// Challenges sent.
    pub challenged: u64,
    /// Challenges heeded.
    pub heeded: u64,
    /// Handshakes not begun because of the limit on turning to one host.
    pub withheld: u64,
    /// Messages given up: too long, or no room to keep them until a handshake or a proof came.
    pub dropped: u64,
    /// Peers that moved to another address.
    pub moved: u64,
    /// Sessions given up for others or for idleness.
    pub evicted: u64,
}

/// A protocol, encrypted.
pub struct Secure<P> {
    inner: P,
    core: Core,
    /// What the inner protocol wrote last.
    plain: Vec<u8>,
    /// What was decrypted last.
    opened: Vec<u8>,
}

/// All but the inner protocol.
#[derive(Debug)]
struct Core {
    config: SecureConfig,
    noise: Noise,
    rng: ChaCha20Rng,
    gate: Gate,
    table: Table,
    attempts: Attempts,
    retained: Retained,
    /// Initiations whose answer the inner protocol is about to give.
    answering: Vec<Answering>,
    long: Long,
    outbox: Outbox<Peer>,
    /// A datagram in the making.
    scratch: Vec<u8>,
    counters: Counters,
}

impl<P: Protocol<Peer = Peer>> Secure<P> {
    /// Wraps `inner`, whose node has this identity. All randomness comes from `seed`, which must be
    /// new for every run of a node: keys follow from it.
    ///
    /// # Panics
    /// If the cryptographic library refuses valid keys.
    pub fn new(inner: P, identity: &SigningKey, config: SecureConfig, seed: [u8; 32]) -> Self {
        let mut rng = ChaCha20Rng::from_seed(seed);
        let noise = Noise::new(identity, &config.network, config.shared_key.as_ref());
        #[expect(clippy::expect_used, reason = "a library that refuses valid keys is of no use")]
        let noise = noise.expect("a clamped scalar is a key");
        let core = Core {
            gate: Gate::new(config.gate, config.started_unix_ms, &mut rng),
            table: Table::new(noise.keys.id, config.max_sessions),
            attempts: Attempts::default(),
            retained: Retained::default(),
            answering: Vec::new(),
            long: Long::default(),
            outbox: Outbox::default(),
            scratch: Vec::new(),
            counters: Counters::default(),
            config,
            noise,
            rng,
        };
        Self { inner, core, plain: Vec::new(), opened: Vec::new() }
    }

    /// The inner protocol.
    pub const fn inner(&self) -> &P {
        &self.inner
    }

    /// The inner protocol, to be changed.
    pub const fn inner_mut(&mut self) -> &mut P {
        &mut self.inner
    }

    /// The node's id.
    pub const fn id(&self) -> Key {
        self.core.noise.keys.id
    }

    /// What passed through so far.
    pub const fn counters(&self) -> Counters {
        self.core.counters
    }

    /// Whether somebody at this address has shown to be there, by a session that is alive. Those
    /// alone may connect for messages too long for a datagram.
    pub fn knows(&self, address: SocketAddr) -> bool {
        self.core.table.knows(address)
    }

    /// Sessions kept now.
    pub fn sessions(&self) -> usize {
        self.core.table.len()
    }

    /// Handshakes under way.
    pub fn handshakes(&self) -> usize {
        self.core.attempts.len()
    }
}

impl<P: Protocol<Peer = Peer>> Protocol for Secure<P> {
    type Peer = Peer;
    type Command = P::Command;
    type Event = P::Event;

    fn handle_message(&mut self, now: Moment, from: Peer, message: &[u8]) {
        if from.is_proven() {
            self.inner.handle_message(now, from, message);
            return;
        }
        let mut opened = core::mem::take(&mut self.opened);
        opened.clear();
        if let Some(from) = self.core.receive(now, from.address, message, &mut opened) {
            self.core.counters.received += 1;
            self.inner.handle_message(now, from, &opened);
        }
        self.opened = opened;
    }

    fn handle_command(&mut self, now: Moment, command: P::Command) -> OperationId {
        self.inner.handle_command(now, command)
    }

    fn handle_timeout(&mut self, now: Moment) {
        self.core.expire(now);
        self.inner.handle_timeout(now);
    }

    fn poll_transmit(&mut self, now: Moment, buffer: &mut Vec<u8>) -> Option<Transmit<Peer>> {
        loop {
            if let Some(transmit) = self.core.outbox.pop(buffer) {
                return Some(transmit);
            }
            if let Some(to) = self.core.poll_long(now, buffer) {
                return Some(on_its_way(to));
            }
            let Some(transmit) = self.inner.poll_transmit(now, &mut self.plain) else {
                if self.core.finish_answers(now) {
                    continue;
                }
                return None;
            };
            if transmit.way == Way::Bulk {
                if self.core.send_long(now, transmit.to, &self.plain) {
                    core::mem::swap(buffer, &mut self.plain);
                    return Some(transmit);
                }
                continue;
            }
            let sent = self.core.send(now, transmit.to, &self.plain, buffer);
            if sent.is_some() {
                return sent;
            }
        }
    }

    fn poll_event(&mut self) -> Option<P::Event> {
        self.inner.poll_event()
    }

    fn next_timeout(&self) -> Option<Moment> {
        [
            self.inner.next_timeout(),
            self.core.attempts.next_due(),
            self.core.table.next_expiry(self.core.config.idle),
            self.core.long.next_expiry(),
        ]
        .into_iter()
        .flatten()
        .min()
    }
}

impl<P: fmt::Debug> fmt::Debug for Secure<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secure")
            .field("inner", &self.inner)
            .field("sessions", &self.core.table.len())
            .finish_non_exhaustive()
    }
}

impl Core {
    fn renewal(&self) -> Renewal {
        Renewal { after: self.config.renew_after, after_messages: self.config.renew_after_messages }
    }

    /// Does what has fallen due.
    fn expire(&mut self, now: Moment) {
        while let Some((number, is_over)) = self.attempts.pop_due(now) {
            self.attempt_due(now, number, is_over);
        }
        self.expire_long(now);
        let expired = self.table.expire(now, self.config.idle);
        self.counters.evicted += expired as u64;
    }

    /// A number that no session or handshake has.
    fn number(&mut self) -> u32 {
        loop {
            let number = self.rng.next_u32() & MAX_NUMBER;
            let is_answering = self.answering.iter().any(|answering| answering.is(number));
            if !is_answering && !self.table.contains(number) && !self.attempts.contains(number) {
                return number;
            }
        }
    }

    fn random<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.rng.fill_bytes(&mut bytes);
        bytes
    }
}

#[cfg(test)]
mod tests;
