//! The way of messages too long for a datagram: QUIC (RFC 9000) on the node's own sockets.
//!
//! Each side proves its node id in the TLS handshake, by a raw public key (RFC 7250) that *is* the
//! id. A message travels on a unidirectional stream of its own, so none waits for another. The
//! driver hands in datagrams whose first byte has QUIC's fixed bit, and sends what
//! `poll_transmit` writes. Whoever is not known to the node by a live session is not
//! answered at all: an unproven address gets no byte, and a private network stays silent.
//!
//! Like a protocol this is a state machine without sockets; time is handed in.

mod flow;
mod identity;
mod link;
mod pipe;
mod streams;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use client::poly::ConnectError;
use poly::contact::Peer;
use quinn_proto::{
    AckFrequencyConfig, ClientConfig, ConnectionHandle, DatagramEvent, Endpoint, EndpointConfig,
    IdleTimeout, MtuDiscoveryConfig, ServerConfig, TransportConfig, VarInt,
};

use identity::id;
use link::{Here, Link};
pub(crate) use pipe::End;
use streams::Opening;
pub(crate) use streams::Streams;

use crate::driver::{Carrier, Reach};

/// Bit of the first byte that is set in every QUIC packet (RFC 9000, section 17) and clear in
/// poly's own.
const FIXED_BIT: u8 = 0x40;

/// Connections at once. Each holds some 20 KiB when idle.
const MAX_CONNECTIONS: usize = 256;

/// An unused connection ends after this time.
const IDLE: Duration = Duration::from_secs(30);

/// Messages that may be under way at once from one peer.
const STREAMS: u32 = 32;

/// Packets that may be unacknowledged before the receiver says a word, where it understands that
/// (the acknowledgement frequency extension of QUIC): a value comes in a burst.
const UNACKNOWLEDGED: u32 = 16;

/// How exactly the longest datagram that a way takes is found out, in bytes.
const LENGTHS_APART: u16 = 128;

/// Bytes of one peer's that may wait to be read: a few messages of the greatest length.
const RECEIVE_WINDOW_BYTES: u32 = 2 << 20;

/// Streams of bytes that one peer may have open at once.
const PIPES: u32 = 8;

/// Bytes of one stream's that may wait to be read: the longest message, so that it needs no more
/// than one round trip. All streams together leave half of the peer's window to messages.
const STREAM_WINDOW_BYTES: u32 = 128 << 10;

/// A connection whose streams are held open is kept alive by a word so often.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Round-trip time assumed of a new connection: its peer has just answered on another way, so the
/// cautious third of a second of RFC 9002 would only slow the first loss down.
const INITIAL_RTT: Duration = Duration::from_millis(100);

/// Messages over QUIC, for a node of the network `poly`.
pub struct Bulk {
    endpoint: Endpoint,
    client: ClientConfig,
    links: BTreeMap<usize, Link>,
    by_peer: BTreeMap<Peer, usize>,
    /// Links with something to send.
    touched: BTreeSet<usize>,
    /// Datagrams of no connection: refusals of the endpoint itself.
    strays: VecDeque<(SocketAddr, Vec<u8>)>,
    arrived: VecDeque<(Peer, Vec<u8>)>,
    streams: Streams,
    /// When connections whose streams are held open are next kept alive.
    alive_at: Option<Instant>,
    max_message_bytes: usize,
    counters: BulkCounters,
}

/// What passed over QUIC. Counters run from the node's start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct BulkCounters {
    /// Messages received in whole.
    pub received: u64,
    /// Their bytes.
    pub received_bytes: u64,
    /// Messages handed over to be sent.
    pub sent: u64,
    /// Their bytes.
    pub sent_bytes: u64,
    /// Messages given up: the peer could not be reached, is another than it should be, or does not
    /// keep up; or there are too many connections.
    pub dropped: u64,
    /// Datagrams of strangers, which are not answered.
    pub strangers: u64,
}

/// Why there is no bulk way.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BulkError {
    /// The key can't serve TLS.
    #[error("the node key cannot serve TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// Datagrams must not be so short.
    #[error("datagrams of QUIC must be allowed 1,200 bytes: {0}")]
    TooShort(#[from] quinn_proto::ConfigError),
    /// TLS lacks what QUIC needs.
    #[error("TLS lacks the cipher suite of QUIC's first packets")]
    NoInitialCipherSuite,
}

impl Bulk {
    /// A bulk way of the node whose Ed25519 secret key is `secret_key`; messages may have
    /// `max_message_bytes`, and datagrams grow to `longest` bytes where the way to a peer takes
    /// them. Without it they have 1,200: nothing may fragment them otherwise.
    ///
    /// # Errors
    /// The key is unfit.
    pub fn new(
        secret_key: &[u8; 32],
        max_message_bytes: usize,
        longest: Option<u16>,
        seed: [u8; 32],
    ) -> Result<Self, BulkError> {
        let (client, server) = identity::configurations(secret_key)?;
        let transport = Arc::new(transport(longest));
        let mut client = ClientConfig::new(Arc::new(client));
        client.transport_config(Arc::clone(&transport));
        let mut server = ServerConfig::with_crypto(Arc::new(server));
        server.transport_config(transport).migration(false).max_incoming(MAX_CONNECTIONS);
        let mut endpoint = EndpointConfig::default();
        endpoint.rng_seed(Some(seed)).grease_quic_bit(false);
        if let Some(longest) = longest {
            endpoint.max_udp_payload_size(longest)?;
        }
        Ok(Self {
            endpoint: Endpoint::new(
                Arc::new(endpoint),
                Some(Arc::new(server)),
                longest.is_some(),
                None,
            ),
            client,
            links: BTreeMap::new(),
            by_peer: BTreeMap::new(),
            touched: BTreeSet::new(),
            strays: VecDeque::new(),
            arrived: VecDeque::new(),
            streams: Streams::new(|| {}),
            alive_at: None,
            max_message_bytes,
            counters: BulkCounters::default(),
        })
    }

    /// Carries these streams.
    #[must_use]
    pub(crate) fn with_streams(mut self, streams: Streams) -> Self {
        self.streams = streams;
        self
    }

    /// What passed.
    pub const fn counters(&self) -> BulkCounters {
        self.counters
    }

    /// Connections open or under way.
    pub fn connections(&self) -> usize {
        self.links.len()
    }

    fn stray(&mut self, to: SocketAddr, datagram: Vec<u8>) {
        if self.strays.len() < MAX_CONNECTIONS {
            self.strays.push_back((to, datagram));
        }
    }

    fn connect(&mut self, now: Instant, to: Peer) -> Option<usize> {
        if self.links.len() >= MAX_CONNECTIONS && !self.drop_idle(now) {
            return None;
        }
        let connected = self.endpoint.connect(now, self.client.clone(), to.address, "poly");
        let (handle, connection) = match connected {
            Ok(connected) => connected,
            Err(error) => {
                tracing::debug!(%error, peer = ?to, "no bulk connection");
                return None;
            }
        };
        self.links.insert(handle.0, Link::connecting(connection, to));
        self.by_peer.insert(to, handle.0);
        Some(handle.0)
    }

    /// Closes one connection on which nothing is under way, if there is one.
    fn drop_idle(&mut self, now: Instant) -> bool {
        let idle = self.links.iter_mut().find(|(_, link)| link.is_idle());
        let Some((&handle, link)) = idle else { return false };
        link.connection.close(now, VarInt::from_u32(0), Bytes::new());
        if let Some(peer) = link.peer() {
            self.by_peer.remove(&peer);
        }
        self.pump(now, ConnectionHandle(handle));
        true
    }

    /// Moves along whatever a connection can: events, messages in, messages out.
    fn pump(&mut self, now: Instant, handle: ConnectionHandle) {
        self.touched.insert(handle.0);
        let Some(link) = self.links.get_mut(&handle.0) else { return };
        while let Some(event) = link.connection.poll_endpoint_events() {
            if let Some(event) = self.endpoint.handle_event(handle, event) {
                link.connection.handle_event(event);
            }
        }
        let here = Here { handle: handle.0, streams: &self.streams };
        let lost = link.advance(now, self.max_message_bytes, &here);
        self.counters.dropped += lost;
        for message in link.arrived.drain(..) {
            self.counters.received += 1;
            self.counters.received_bytes += message.len() as u64;
            if let Some(peer) = link.proven {
                self.arrived.push_back((peer, message));
            }
        }
        // A peer that connected to us is answered on its own connection.
        match (link.proven, link.is_over()) {
            (Some(peer), false) => {
                self.by_peer.entry(peer).or_insert(handle.0);
            }
            (_, true) => self.forget(handle.0),
            (None, false) => {}
        }
    }

    /// Opens the streams that owners want, and moves along those that they have used.
    fn serve_streams(&mut self, now: Instant) {
        let (opening, touched) = self.streams.take();
        for Opening { to, service, pipe } in opening {
            let open = self.by_peer.get(&to).copied();
            let Some(handle) = open.or_else(|| self.connect(now, to)) else {
                pipe.answered(Err(ConnectError::Busy));
                continue;
            };
            if let Some(link) = self.links.get_mut(&handle) {
                link.flows.open(&service, pipe);
                self.alive_at.get_or_insert(now + KEEP_ALIVE);
            }
            self.pump(now, ConnectionHandle(handle));
        }
        for (handle, id) in touched {
            if let Some(link) = self.links.get_mut(&handle) {
                link.touched(id, &Here { handle, streams: &self.streams });
            }
            self.pump(now, ConnectionHandle(handle));
        }
    }

    /// Says a word on connections whose streams are held open.
    fn keep_alive(&mut self, now: Instant) {
        self.alive_at = None;
        for (handle, link) in &mut self.links {
            if !link.flows.is_empty() && !link.is_over() {
                link.connection.ping();
                self.touched.insert(*handle);
                self.alive_at = Some(now + KEEP_ALIVE);
            }
        }
    }

    /// New messages go over another connection.
    fn forget(&mut self, handle: usize) {
        self.by_peer.retain(|_, used| *used != handle);
    }

    /// Drops a connection that has nothing more to say.
    fn settle(&mut self, handle: usize) {
        let drained = self.links.get_mut(&handle).is_some_and(|link| {
            while let Some(event) = link.connection.poll_endpoint_events() {
                let answer = self.endpoint.handle_event(ConnectionHandle(handle), event);
                if let Some(event) = answer {
                    link.connection.handle_event(event);
                }
            }
            link.connection.is_drained()
        });
        if drained {
            if let Some(link) = self.links.remove(&handle) {
                self.counters.dropped += link.unsent();
            }
            self.forget(handle);
        }
    }
}

impl Carrier<Peer> for Bulk {
    fn takes(datagram: &[u8]) -> bool {
        datagram.first().is_some_and(|first| first & FIXED_BIT != 0)
    }

    fn receive(&mut self, now: Instant, from: SocketAddr, datagram: &[u8], known: bool) {
        if !known && !self.links.values().any(|link| link.remote() == from) {
            self.counters.strangers += 1;
            return;
        }
        let mut answer = Vec::new();
        let data = BytesMut::from(datagram);
        match self.endpoint.handle(now, from, None, None, data, &mut answer) {
            Some(DatagramEvent::ConnectionEvent(handle, event)) => {
                if let Some(link) = self.links.get_mut(&handle.0) {
                    link.connection.handle_event(event);
                    self.pump(now, handle);
                }
            }
            Some(DatagramEvent::NewConnection(incoming)) => {
                if self.links.len() >= MAX_CONNECTIONS {
                    self.endpoint.ignore(incoming);
                    return;
                }
                match self.endpoint.accept(incoming, now, &mut answer, None) {
                    Ok((handle, connection)) => {
                        self.links.insert(handle.0, Link::accepted(connection));
                        self.pump(now, handle);
                    }
                    Err(error) => {
                        if let Some(transmit) = error.response {
                            self.stray(transmit.destination, answer);
                        }
                    }
                }
            }
            Some(DatagramEvent::Response(transmit)) => self.stray(transmit.destination, answer),
            None => {}
        }
    }

    fn send(&mut self, now: Instant, to: Peer, message: Vec<u8>) {
        let open = self.by_peer.get(&to).copied();
        let Some(handle) = open.or_else(|| self.connect(now, to)) else {
            self.counters.dropped += 1;
            return;
        };
        let Some(link) = self.links.get_mut(&handle) else { return };
        let bytes = message.len();
        if bytes > self.max_message_bytes || !link.queue(message.into()) {
            self.counters.dropped += 1;
            return;
        }
        self.counters.sent += 1;
        self.counters.sent_bytes += bytes as u64;
        self.pump(now, ConnectionHandle(handle));
    }

    fn poll_transmit(&mut self, now: Instant, buffer: &mut Vec<u8>) -> Option<SocketAddr> {
        buffer.clear();
        self.serve_streams(now);
        if let Some((to, datagram)) = self.strays.pop_front() {
            buffer.extend_from_slice(&datagram);
            return Some(to);
        }
        while let Some(&handle) = self.touched.first() {
            if let Some(link) = self.links.get_mut(&handle) {
                if let Some(transmit) = link.connection.poll_transmit(now, 1, buffer) {
                    return Some(transmit.destination);
                }
                link.arm();
                self.settle(handle);
            }
            self.touched.remove(&handle);
        }
        None
    }

    fn poll_message(&mut self) -> Option<(Peer, Vec<u8>)> {
        self.arrived.pop_front()
    }

    fn next_timeout(&self) -> Option<Instant> {
        self.links.values().filter_map(Link::timeout).chain(self.alive_at).min()
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.alive_at.is_some_and(|at| at <= now) {
            self.keep_alive(now);
        }
        let due = self.links.iter().filter(|(_, link)| link.timeout().is_some_and(|at| at <= now));
        let due: Vec<_> = due.map(|(&handle, _)| handle).collect();
        for handle in due {
            if let Some(link) = self.links.get_mut(&handle) {
                link.connection.handle_timeout(now);
            }
            self.pump(now, ConnectionHandle(handle));
        }
    }

    fn close(&mut self, now: Instant) {
        let handles: Vec<usize> = self.links.keys().copied().collect();
        for handle in handles {
            if let Some(link) = self.links.get_mut(&handle) {
                link.connection.close(now, VarInt::from_u32(0), Bytes::new());
            }
            self.pump(now, ConnectionHandle(handle));
        }
    }

    /// Who waits to know whether all that he wrote has arrived is told so by the last datagram, and
    /// once more if that was lost.
    fn lingers(&self) -> bool {
        self.links.values().any(|link| link.flows.were_there() && !link.connection.is_drained())
    }
}

impl Reach for Peer {
    type Carrier = Bulk;

    fn at(address: SocketAddr) -> Self {
        Self::unproven(address)
    }

    fn address(&self) -> SocketAddr {
        self.address
    }
}

impl core::fmt::Debug for Bulk {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let (links, counters) = (self.links.len(), &self.counters);
        f.debug_struct("Bulk")
            .field("connections", &links)
            .field("counters", counters)
            .finish_non_exhaustive()
    }
}

fn transport(longest: Option<u16>) -> TransportConfig {
    let mut acknowledgements = AckFrequencyConfig::default();
    acknowledgements.ack_eliciting_threshold(VarInt::from_u32(UNACKNOWLEDGED));
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(PIPES))
        .max_concurrent_uni_streams(VarInt::from_u32(STREAMS))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW_BYTES))
        .receive_window(VarInt::from_u32(RECEIVE_WINDOW_BYTES))
        .send_window(u64::from(RECEIVE_WINDOW_BYTES))
        .datagram_receive_buffer_size(None)
        .initial_rtt(INITIAL_RTT)
        .enable_segmentation_offload(false)
        .ack_frequency_config(Some(acknowledgements))
        .mtu_discovery_config(longest.map(|longest| {
            let mut discovery = MtuDiscoveryConfig::default();
            discovery.upper_bound(longest).minimum_change(LENGTHS_APART);
            discovery
        }));
    if let Ok(idle) = IdleTimeout::try_from(IDLE) {
        transport.max_idle_timeout(Some(idle));
    }
    transport
}

#[cfg(test)]
mod tests;
