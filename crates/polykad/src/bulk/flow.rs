//! Streams of bytes on one QUIC connection: bidirectional ones, beside the messages.
//!
//! Who opens one writes the length of a service's name (1 byte) and the name; who is asked answers
//! with one byte whether he takes it. What follows is the owners'. A side reads only as much as its
//! owner has room for; QUIC's windows stop the other one then.

use core::fmt;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use client::poly::ConnectError;
use poly::contact::Peer;
use quinn_proto::{Connection, Dir, ReadError, StreamId, VarInt, WriteError};

use super::pipe::{Pipe, Rest};
use super::streams::{Streams, Taken};

/// How whoever is asked for a stream answers.
mod answer {
    pub(super) const TAKEN: u8 = 0;
    pub(super) const UNKNOWN: u8 = 1;
    pub(super) const BUSY: u8 = 2;
}

/// What a stream is ended with whose other end nobody holds.
const NOBODY: u32 = 3;
/// Read at a time at most, so that a stream does not hold up the others.
const CHUNK_BYTES: usize = 16 << 10;

/// The streams of one connection.
#[derive(Default)]
pub(super) struct Flows {
    by_id: BTreeMap<StreamId, Flow>,
    /// Those that wait for the connection, or until it may have one more.
    waiting: VecDeque<(Vec<u8>, Arc<Pipe>)>,
    /// Whether there ever was one.
    were_there: bool,
}

impl fmt::Debug for Flows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flows").field("open", &self.by_id.len()).finish_non_exhaustive()
    }
}

struct Flow {
    stage: Stage,
    /// What goes out before what the owner writes.
    head: Vec<u8>,
    reads: bool,
    writes: bool,
    /// What was written has arrived, or never will.
    is_settled: bool,
}

enum Stage {
    /// We have asked.
    Asked(Arc<Pipe>),
    /// The other side has asked, and this is what has come of its question.
    Asking(Vec<u8>),
    /// It is the owners'.
    Open(Arc<Pipe>),
    /// It was not taken.
    Refused,
}

impl Flows {
    /// Whether owners hold streams of this connection.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.by_id.values().all(Flow::is_left)
    }

    /// Whether this connection ever had one.
    pub(super) const fn were_there(&self) -> bool {
        self.were_there
    }

    /// Opens a stream as soon as possible.
    pub(super) fn open(&mut self, service: &[u8], pipe: Arc<Pipe>) {
        let length = u8::try_from(service.len()).unwrap_or(u8::MAX);
        self.waiting.push_back(([&[length], service].concat(), pipe));
    }

    /// Begins what waits; the connection must stand.
    pub(super) fn begin(&mut self, connection: &mut Connection, handle: usize) {
        while !self.waiting.is_empty() {
            let Some(id) = connection.streams().open(Dir::Bi) else { return };
            let Some((head, pipe)) = self.waiting.pop_front() else { return };
            pipe.carry((handle, id));
            let stage = Stage::Asked(pipe);
            self.by_id.insert(id, Flow::new(stage, head));
            self.were_there = true;
            self.write(connection, id);
        }
    }

    /// Takes in what the other side opens.
    pub(super) fn accept(&mut self, connection: &mut Connection, from: &From<'_>) {
        while let Some(id) = connection.streams().accept(Dir::Bi) {
            let stage = Stage::Asking(Vec::new());
            self.by_id.insert(id, Flow::new(stage, Vec::new()));
            self.were_there = true;
            self.read(connection, id, from);
        }
    }

    /// Reads what has arrived, as far as there is room for it.
    pub(super) fn read(&mut self, connection: &mut Connection, id: StreamId, from: &From<'_>) {
        let Some(flow) = self.by_id.get_mut(&id) else { return };
        if flow.reads {
            flow.read(connection, id, from);
        }
        if flow.writes {
            flow.write(connection, id);
        }
        self.settle(id);
    }

    /// Writes what waits, as far as the other side has room for it.
    pub(super) fn write(&mut self, connection: &mut Connection, id: StreamId) {
        let Some(flow) = self.by_id.get_mut(&id) else { return };
        if flow.writes {
            flow.write(connection, id);
        }
        self.settle(id);
    }

    /// The other side reads no more.
    pub(super) fn stopped(&mut self, connection: &mut Connection, id: StreamId) {
        let Some(flow) = self.by_id.get_mut(&id) else { return };
        flow.give_up(connection, id);
        self.settle(id);
    }

    /// The other side has all that was written.
    pub(super) fn delivered(&mut self, id: StreamId) {
        let Some(flow) = self.by_id.get_mut(&id) else { return };
        flow.is_settled = true;
        if let Some(pipe) = flow.pipe() {
            pipe.delivered();
        }
        self.settle(id);
    }

    /// The connection is lost, and with it all but what has arrived already.
    pub(super) fn lost(&mut self, connection: &mut Connection) {
        for (_, pipe) in self.waiting.drain(..) {
            pipe.break_off();
        }
        for (id, flow) in core::mem::take(&mut self.by_id) {
            if let (Stage::Open(pipe), true) = (&flow.stage, flow.reads) {
                take_rest(connection, id, pipe);
            }
            if let Some(pipe) = flow.pipe() {
                pipe.break_off();
            }
        }
    }

    fn settle(&mut self, id: StreamId) {
        if self.by_id.get(&id).is_some_and(|flow| !flow.reads && flow.is_settled) {
            self.by_id.remove(&id);
        }
    }
}

/// Who is on the other side of a connection, and who takes its streams here.
pub(super) struct From<'a> {
    pub(super) peer: Peer,
    pub(super) handle: usize,
    pub(super) streams: &'a Streams,
}

impl Flow {
    fn new(stage: Stage, head: Vec<u8>) -> Self {
        Self { stage, head, reads: true, writes: true, is_settled: false }
    }

    /// Writes no more, because the other side does not read.
    fn give_up(&mut self, connection: &mut Connection, id: StreamId) {
        (self.writes, self.is_settled) = (false, true);
        // An error means that it has ended.
        let _ = connection.send_stream(id).reset(VarInt::from_u32(NOBODY));
        // Whoever does not take a stream stops it too: his answer is still to come.
        if let Some(pipe) = self.pipe() {
            pipe.stop_outgoing();
        }
    }

    fn pipe(&self) -> Option<&Arc<Pipe>> {
        match &self.stage {
            Stage::Asked(pipe) | Stage::Open(pipe) => Some(pipe),
            Stage::Asking(_) | Stage::Refused => None,
        }
    }

    /// Whether nobody here holds it.
    fn is_left(&self) -> bool {
        self.pipe().is_none_or(|pipe| pipe.is_abandoned())
    }

    /// How much may be read now.
    fn room(&self) -> usize {
        match &self.stage {
            // The answer is one byte, and of a question the rest may be the owner's already.
            Stage::Asked(_) | Stage::Asking(_) => 1,
            Stage::Open(pipe) => pipe.room().min(CHUNK_BYTES),
            Stage::Refused => 0,
        }
    }

    fn read(&mut self, connection: &mut Connection, id: StreamId, from: &From<'_>) {
        loop {
            let room = self.room();
            if room == 0 {
                return;
            }
            match next(connection, id, room) {
                Next::Bytes(bytes) => self.arrived(connection, id, &bytes, from),
                Next::Blocked => return,
                Next::Ended => {
                    self.reads = false;
                    if let Stage::Open(pipe) = &self.stage {
                        pipe.end_incoming();
                    } else {
                        self.refuse(connection, id);
                    }
                    return;
                }
                Next::Broken => {
                    self.reads = false;
                    self.refuse(connection, id);
                    return;
                }
            }
        }
    }

    /// What was read is a part of the question, its answer, or the owner's.
    fn arrived(
        &mut self,
        connection: &mut Connection,
        id: StreamId,
        bytes: &[u8],
        from: &From<'_>,
    ) {
        match &mut self.stage {
            Stage::Open(pipe) => pipe.take_in(bytes),
            Stage::Asked(pipe) => {
                let pipe = Arc::clone(pipe);
                match bytes {
                    [answer::TAKEN] => {
                        pipe.answered(Ok(()));
                        self.stage = Stage::Open(pipe);
                    }
                    [answer::UNKNOWN] => self.refused(connection, id, &pipe, ConnectError::Refused),
                    [answer::BUSY] => self.refused(connection, id, &pipe, ConnectError::Busy),
                    _ => self.refused(connection, id, &pipe, ConnectError::Broken),
                }
            }
            Stage::Asking(question) => {
                question.extend_from_slice(bytes);
                let Some((length, name)) = question.split_first() else { return };
                if name.len() < usize::from(*length) {
                    return;
                }
                let taken = from.streams.offered(from.peer, name, (from.handle, id));
                let (stage, word) = match taken {
                    Taken::By(pipe) => (Stage::Open(pipe), answer::TAKEN),
                    Taken::Unknown => (Stage::Refused, answer::UNKNOWN),
                    Taken::Busy => (Stage::Refused, answer::BUSY),
                };
                self.stage = stage;
                self.head = vec![word];
                if matches!(self.stage, Stage::Refused) {
                    self.reads = false;
                    stop(connection, id);
                }
            }
            Stage::Refused => {}
        }
    }

    /// The other side does not take it.
    fn refused(
        &mut self,
        connection: &mut Connection,
        id: StreamId,
        pipe: &Arc<Pipe>,
        why: ConnectError,
    ) {
        pipe.answered(Err(why));
        self.reads = false;
        stop(connection, id);
        self.refuse(connection, id);
    }

    /// Nothing comes of it, or nothing more.
    fn refuse(&mut self, connection: &mut Connection, id: StreamId) {
        if let Some(pipe) = self.pipe() {
            pipe.break_off();
        }
        self.give_up(connection, id);
    }

    fn write(&mut self, connection: &mut Connection, id: StreamId) {
        let mut is_over = false;
        let mut send = |bytes: &[u8]| match connection.send_stream(id).write(bytes) {
            Ok(count) => count,
            Err(WriteError::Blocked) => 0,
            Err(WriteError::Stopped(_) | WriteError::ClosedStream) => {
                is_over = true;
                0
            }
        };
        while !self.head.is_empty() {
            let written = send(&self.head);
            if written == 0 {
                break;
            }
            self.head.drain(..written);
        }
        let rest = match (&self.stage, self.head.is_empty()) {
            (_, false) | (Stage::Asking(_), _) => None,
            (Stage::Refused, true) => Some(Rest::Ended),
            (Stage::Asked(pipe) | Stage::Open(pipe), true) => pipe.drain(send),
        };
        if is_over {
            self.give_up(connection, id);
        } else if rest == Some(Rest::Ended) {
            self.writes = false;
            // An error means that the other side has stopped it, which is told apart.
            let _ = connection.send_stream(id).finish();
        }
        if self.reads && self.is_left() && !matches!(self.stage, Stage::Asking(_)) {
            self.reads = false;
            stop(connection, id);
        }
    }
}

/// Takes in all that has arrived: no more than a stream's window.
fn take_rest(connection: &mut Connection, id: StreamId, pipe: &Pipe) {
    loop {
        match next(connection, id, CHUNK_BYTES) {
            Next::Bytes(bytes) => pipe.take_in(&bytes),
            Next::Ended => return pipe.end_incoming(),
            Next::Blocked | Next::Broken => return,
        }
    }
}

fn stop(connection: &mut Connection, id: StreamId) {
    // An error means that it has ended.
    let _ = connection.recv_stream(id).stop(VarInt::from_u32(NOBODY));
}

/// What there is to read.
enum Next {
    Bytes(Vec<u8>),
    Blocked,
    Ended,
    Broken,
}

fn next(connection: &mut Connection, id: StreamId, most: usize) -> Next {
    let mut stream = connection.recv_stream(id);
    let Ok(mut chunks) = stream.read(true) else { return Next::Broken };
    let next = match chunks.next(most) {
        Ok(Some(chunk)) => Next::Bytes(chunk.bytes.to_vec()),
        Ok(None) => Next::Ended,
        Err(ReadError::Blocked) => Next::Blocked,
        Err(ReadError::Reset(_)) => Next::Broken,
    };
    // The connection is asked for something to send after every input anyway.
    let _ = chunks.finalize();
    next
}
