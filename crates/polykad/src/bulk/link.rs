//! One QUIC connection: messages that wait, go out and come in.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use poly::contact::Peer;
use quinn_proto::{
    Connection, Dir, Event, ReadError, ReadableError, StreamEvent, StreamId, VarInt, WriteError,
};
use rustls::pki_types::CertificateDer;

use super::flow::{Flows, From};
use super::streams::Streams;

/// Bytes that wait for one peer at most; what comes on top is dropped, and counted.
const MAX_WAITING_BYTES: usize = 4 << 20;

/// What a connection is closed with when its peer is another than it should be.
const WRONG_PEER: u32 = 1;
/// What a stream is stopped with whose message is too long.
const TOO_LONG: u32 = 2;

/// Where a connection is.
pub(super) struct Here<'a> {
    /// Its number.
    pub(super) handle: usize,
    /// Who takes its streams.
    pub(super) streams: &'a Streams,
}

#[derive(Debug)]
pub(super) struct Link {
    pub(super) connection: Connection,
    /// Whom we meant to reach, if we connected.
    wanted: Option<Peer>,
    /// Who it is, once proven.
    pub(super) proven: Option<Peer>,
    waiting: VecDeque<Bytes>,
    waiting_bytes: usize,
    /// Messages under way: of each what is still to be written.
    sending: BTreeMap<StreamId, Bytes>,
    receiving: BTreeMap<StreamId, Vec<u8>>,
    /// Messages received in whole.
    pub(super) arrived: Vec<Vec<u8>>,
    timeout: Option<Instant>,
    /// Streams of bytes beside the messages.
    pub(super) flows: Flows,
    over: bool,
}

impl Link {
    pub(super) fn accepted(connection: Connection) -> Self {
        Self::new(connection, None)
    }

    pub(super) fn connecting(connection: Connection, to: Peer) -> Self {
        Self::new(connection, Some(to))
    }

    fn new(connection: Connection, wanted: Option<Peer>) -> Self {
        Self {
            connection,
            wanted,
            proven: None,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            sending: BTreeMap::new(),
            receiving: BTreeMap::new(),
            arrived: Vec::new(),
            timeout: None,
            flows: Flows::default(),
            over: false,
        }
    }

    pub(super) fn remote(&self) -> SocketAddr {
        self.connection.remote_address()
    }

    /// Who is on the other side, or should be.
    pub(super) fn peer(&self) -> Option<Peer> {
        self.proven.or(self.wanted)
    }

    /// Whether it takes no messages any more.
    pub(super) fn is_over(&self) -> bool {
        self.over || self.connection.is_closed()
    }

    /// Whether nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        let messages = self.unsent() > 0 || !self.receiving.is_empty();
        self.proven.is_some() && !messages && self.flows.is_empty()
    }

    /// Messages not yet acknowledged to be received.
    pub(super) fn unsent(&self) -> u64 {
        (self.waiting.len() + self.sending.len()) as u64
    }

    /// Queues a message; `false` if too much waits already.
    pub(super) fn queue(&mut self, message: Bytes) -> bool {
        if self.is_over() || self.waiting_bytes + message.len() > MAX_WAITING_BYTES {
            return false;
        }
        self.waiting_bytes += message.len();
        self.waiting.push_back(message);
        true
    }

    pub(super) fn timeout(&self) -> Option<Instant> {
        self.timeout
    }

    /// Notes when the connection wants to be woken, once all it had to send is sent.
    pub(super) fn arm(&mut self) {
        self.timeout = self.connection.poll_timeout();
    }

    /// Handles the connection's events, reads and writes what can be; returns how many messages are
    /// lost.
    pub(super) fn advance(
        &mut self,
        now: Instant,
        max_message_bytes: usize,
        here: &Here<'_>,
    ) -> u64 {
        let mut lost = 0;
        while let Some(event) = self.connection.poll() {
            match event {
                Event::Connected => self.connected(now),
                Event::ConnectionLost { reason } => {
                    tracing::debug!(%reason, peer = ?self.peer(), "bulk connection ended");
                    self.over = true;
                    lost += self.unsent();
                    self.waiting.clear();
                    self.sending.clear();
                    self.waiting_bytes = 0;
                    self.flows.lost(&mut self.connection);
                }
                Event::Stream(StreamEvent::Opened { dir: Dir::Uni }) => {
                    while let Some(stream) = self.connection.streams().accept(Dir::Uni) {
                        self.receiving.insert(stream, Vec::new());
                        self.read(stream, max_message_bytes);
                    }
                }
                Event::Stream(StreamEvent::Opened { dir: Dir::Bi }) => {
                    let Some(from) = self.from(here) else { continue };
                    self.flows.accept(&mut self.connection, &from);
                }
                Event::Stream(StreamEvent::Readable { id }) if id.dir() == Dir::Bi => {
                    let Some(from) = self.from(here) else { continue };
                    self.flows.read(&mut self.connection, id, &from);
                }
                Event::Stream(StreamEvent::Writable { id }) if id.dir() == Dir::Bi => {
                    self.flows.write(&mut self.connection, id);
                }
                Event::Stream(StreamEvent::Stopped { id, .. }) if id.dir() == Dir::Bi => {
                    self.flows.stopped(&mut self.connection, id);
                }
                Event::Stream(StreamEvent::Finished { id }) if id.dir() == Dir::Bi => {
                    self.flows.delivered(id);
                }
                Event::Stream(StreamEvent::Readable { id }) => self.read(id, max_message_bytes),
                Event::Stream(StreamEvent::Writable { id }) => self.write(id),
                Event::Stream(StreamEvent::Stopped { id, .. }) => {
                    lost += u64::from(self.sending.remove(&id).is_some());
                }
                Event::Stream(_)
                | Event::HandshakeDataReady
                | Event::DatagramReceived
                | Event::DatagramsUnblocked => {}
            }
        }
        self.open_streams();
        if self.proven.is_some() && !self.over {
            self.flows.begin(&mut self.connection, here.handle);
        }
        lost
    }

    /// The owner of a stream has read or written.
    pub(super) fn touched(&mut self, id: StreamId, here: &Here<'_>) {
        if let Some(from) = self.from(here) {
            self.flows.read(&mut self.connection, id, &from);
        }
    }

    fn from<'a>(&self, here: &Here<'a>) -> Option<From<'a>> {
        Some(From { peer: self.proven?, handle: here.handle, streams: here.streams })
    }

    /// The handshake is complete: who is it?
    fn connected(&mut self, now: Instant) {
        let identity = self.connection.crypto_session().peer_identity();
        let keys = identity.and_then(|any| any.downcast::<Vec<CertificateDer<'static>>>().ok());
        let id = keys.as_deref().and_then(|keys| super::id(keys.first()?));
        let peer = id.map(|id| Peer::new(id, self.remote()));
        match (peer, self.wanted) {
            (Some(peer), None) => self.proven = Some(peer),
            (Some(peer), Some(wanted)) if peer.id == wanted.id => self.proven = Some(wanted),
            _ => {
                self.over = true;
                self.connection.close(now, VarInt::from_u32(WRONG_PEER), Bytes::new());
            }
        }
    }

    /// Begins as many waiting messages as the peer has streams for.
    fn open_streams(&mut self) {
        if self.proven.is_none() || self.over {
            return;
        }
        while !self.waiting.is_empty() {
            let Some(stream) = self.connection.streams().open(Dir::Uni) else { return };
            if let Some(message) = self.waiting.pop_front() {
                self.sending.insert(stream, message);
                self.write(stream);
            }
        }
    }

    fn write(&mut self, id: StreamId) {
        let Some(rest) = self.sending.get_mut(&id) else { return };
        let mut stream = self.connection.send_stream(id);
        while !rest.is_empty() {
            // What is written is cut off its front.
            match stream.write_chunks(core::slice::from_mut(rest)) {
                Ok(written) => {
                    self.waiting_bytes = self.waiting_bytes.saturating_sub(written.bytes);
                }
                Err(WriteError::Blocked) => return,
                Err(WriteError::Stopped(_) | WriteError::ClosedStream) => break,
            }
        }
        // An error means that the peer wants no more of it.
        let _ = stream.finish();
        self.sending.remove(&id);
    }

    fn read(&mut self, id: StreamId, max_message_bytes: usize) {
        let Some(message) = self.receiving.get_mut(&id) else { return };
        match take_in(&mut self.connection, id, message, max_message_bytes) {
            Reading::Blocked => {}
            Reading::Whole => self.arrived.extend(self.receiving.remove(&id)),
            Reading::Broken => {
                self.receiving.remove(&id);
            }
        }
    }
}

/// How far the reading of a message has come.
enum Reading {
    Blocked,
    Whole,
    Broken,
}

fn take_in(
    connection: &mut Connection,
    id: StreamId,
    message: &mut Vec<u8>,
    max_bytes: usize,
) -> Reading {
    let mut stream = connection.recv_stream(id);
    let mut chunks = match stream.read(true) {
        Ok(chunks) => chunks,
        Err(ReadableError::ClosedStream | ReadableError::IllegalOrderedRead) => {
            return Reading::Broken;
        }
    };
    let reading = loop {
        match chunks.next(max_bytes + 1) {
            Ok(Some(chunk)) if message.len() + chunk.bytes.len() <= max_bytes => {
                message.extend_from_slice(&chunk.bytes);
            }
            Ok(Some(_)) | Err(ReadError::Reset(_)) => break Reading::Broken,
            Ok(None) => break Reading::Whole,
            Err(ReadError::Blocked) => break Reading::Blocked,
        }
    };
    // The connection is asked for something to send after every input anyway.
    let _ = chunks.finalize();
    if matches!(reading, Reading::Broken) {
        // An error means that the stream has ended by itself.
        let _ = connection.recv_stream(id).stop(VarInt::from_u32(TOO_LONG));
    }
    reading
}
