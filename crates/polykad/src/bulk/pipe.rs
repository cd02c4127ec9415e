//! The owner's end of a stream of bytes: what tasks read and write, and the driver carries.
//!
//! A [`Pipe`] has a bounded buffer each way. The driver fills one and drains the other; it never
//! waits. Whoever uses the [`End`] waits where its buffer is empty or full, and nudges the driver
//! when he has changed that.

use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use client::poly::ConnectError;
use quinn_proto::StreamId;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;

use super::streams::Streams;

/// Bytes that wait in a pipe at most, each way: what 100 MB/s bring in half a millisecond.
pub(super) const PIPE_BYTES: usize = 64 << 10;

/// Which stream of which connection carries it.
pub(super) type Carried = (usize, StreamId);

/// A stream's buffers, between its owner and the driver.
pub(super) struct Pipe {
    state: Mutex<State>,
}

#[expect(clippy::struct_excessive_bools, reason = "either side ends by itself, for its own reason")]
struct State {
    carried: Option<Carried>,
    incoming: VecDeque<u8>,
    /// Nothing more comes in.
    incoming_ended: bool,
    outgoing: VecDeque<u8>,
    /// The owner writes no more.
    outgoing_ended: bool,
    /// The owner is gone.
    is_abandoned: bool,
    /// The other side has all that was written, and knows that nothing follows.
    is_delivered: bool,
    /// The other side reads no more.
    is_stopped: bool,
    /// It broke off, and nothing of it works any more.
    is_broken: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
    /// Who waits for the other side to take it.
    opened: Option<oneshot::Sender<Result<(), ConnectError>>>,
}

/// What the driver has to do with a pipe's outgoing side once it is empty.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Rest {
    /// Wait for more.
    Open,
    /// Say that nothing follows.
    Ended,
}

impl Pipe {
    /// `opened`: who waits for the other side to take it.
    pub(super) fn new(opened: Option<oneshot::Sender<Result<(), ConnectError>>>) -> Arc<Self> {
        let state = State {
            carried: None,
            incoming: VecDeque::new(),
            incoming_ended: false,
            outgoing: VecDeque::new(),
            outgoing_ended: false,
            is_abandoned: false,
            is_delivered: false,
            is_stopped: false,
            is_broken: false,
            reader: None,
            writer: None,
            opened,
        };
        Arc::new(Self { state: Mutex::new(state) })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn carry(&self, by: Carried) {
        self.lock().carried = Some(by);
    }

    /// The other side has taken it, or refuses to.
    pub(super) fn answered(&self, answer: Result<(), ConnectError>) {
        let opened = self.lock().opened.take();
        if let Some(opened) = opened {
            // An error means that nobody waits any more.
            let _ = opened.send(answer);
        }
    }

    /// How much more may come in.
    pub(super) fn room(&self) -> usize {
        let state = self.lock();
        // What nobody reads is thrown away.
        if state.is_abandoned {
            PIPE_BYTES
        } else {
            PIPE_BYTES.saturating_sub(state.incoming.len())
        }
    }

    /// Takes in what has arrived.
    pub(super) fn take_in(&self, bytes: &[u8]) {
        let mut state = self.lock();
        if !state.is_abandoned {
            state.incoming.extend(bytes);
        }
        state.wake_reader();
    }

    /// Nothing more arrives.
    pub(super) fn end_incoming(&self) {
        let mut state = self.lock();
        state.incoming_ended = true;
        state.wake_reader();
    }

    /// The other side has all that was written.
    pub(super) fn delivered(&self) {
        let mut state = self.lock();
        state.is_delivered = true;
        state.wake_writer();
    }

    /// The other side reads no more.
    pub(super) fn stop_outgoing(&self) {
        let mut state = self.lock();
        state.is_stopped = true;
        state.outgoing = VecDeque::new();
        state.wake_writer();
    }

    /// It has broken off.
    pub(super) fn break_off(&self) {
        self.answered(Err(ConnectError::Broken));
        let mut state = self.lock();
        state.is_broken = true;
        state.wake_reader();
        state.wake_writer();
    }

    /// Hands what is to go out to `write`, which says how much of it has gone, until that is 0 or
    /// nothing is left; `None`: something is.
    pub(super) fn drain(&self, mut write: impl FnMut(&[u8]) -> usize) -> Option<Rest> {
        let mut state = self.lock();
        let mut any = false;
        let rest = loop {
            let (front, _) = state.outgoing.as_slices();
            if front.is_empty() {
                let ended = state.outgoing_ended;
                break Some(if ended { Rest::Ended } else { Rest::Open });
            }
            let written = write(front);
            if written == 0 {
                break None;
            }
            state.outgoing.drain(..written);
            any = true;
        };
        if any {
            state.wake_writer();
        }
        rest
    }

    /// Whether its owner is gone.
    pub(super) fn is_abandoned(&self) -> bool {
        self.lock().is_abandoned
    }
}

impl State {
    fn wake_reader(&mut self) {
        if let Some(waker) = self.reader.take() {
            waker.wake();
        }
    }

    fn wake_writer(&mut self) {
        if let Some(waker) = self.writer.take() {
            waker.wake();
        }
    }
}

fn broken() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, "the stream broke off: the other node is gone")
}

/// The end of a stream that its owner holds. Dropping it ends the stream once what was written has
/// gone out.
pub(crate) struct End {
    pipe: Arc<Pipe>,
    streams: Streams,
}

impl End {
    pub(super) fn new(pipe: Arc<Pipe>, streams: Streams) -> Self {
        Self { pipe, streams }
    }

    fn nudge(&self, carried: Option<Carried>) {
        if let Some(carried) = carried {
            self.streams.touch(carried);
        }
    }
}

impl fmt::Debug for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("End")
    }
}

impl AsyncRead for End {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.pipe.lock();
        if state.incoming.is_empty() {
            if state.incoming_ended {
                return Poll::Ready(Ok(()));
            }
            if state.is_broken {
                return Poll::Ready(Err(broken()));
            }
            state.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        let was_full = state.incoming.len() >= PIPE_BYTES / 2;
        while into.remaining() > 0 {
            let (front, _) = state.incoming.as_slices();
            let count = front.len().min(into.remaining());
            let Some(part) = front.get(..count).filter(|part| !part.is_empty()) else { break };
            into.put_slice(part);
            state.incoming.drain(..count);
        }
        let carried = state.carried.filter(|_| was_full);
        drop(state);
        self.nudge(carried);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for End {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.pipe.lock();
        if state.is_broken || state.is_stopped || state.outgoing_ended {
            return Poll::Ready(Err(broken()));
        }
        let room = PIPE_BYTES.saturating_sub(state.outgoing.len());
        if room == 0 {
            state.writer = Some(context.waker().clone());
            return Poll::Pending;
        }
        let taken = bytes.get(..room.min(bytes.len())).unwrap_or_default();
        state.outgoing.extend(taken);
        let carried = state.carried;
        drop(state);
        self.nudge(carried);
        Poll::Ready(Ok(taken.len()))
    }

    /// Waits until the driver has taken all that was written.
    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.pipe.lock();
        if state.outgoing.is_empty() {
            return Poll::Ready(Ok(()));
        }
        if state.is_broken || state.is_stopped {
            return Poll::Ready(Err(broken()));
        }
        state.writer = Some(context.waker().clone());
        Poll::Pending
    }

    /// Says that nothing follows, and waits until the other side has acknowledged all of it.
    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.pipe.lock();
        if state.is_delivered {
            return Poll::Ready(Ok(()));
        }
        if state.is_broken || state.is_stopped {
            return Poll::Ready(Err(broken()));
        }
        state.writer = Some(context.waker().clone());
        let carried = (!state.outgoing_ended).then_some(state.carried).flatten();
        state.outgoing_ended = true;
        drop(state);
        self.nudge(carried);
        Poll::Pending
    }
}

impl Drop for End {
    fn drop(&mut self) {
        let mut state = self.pipe.lock();
        state.is_abandoned = true;
        state.outgoing_ended = true;
        state.incoming = VecDeque::new();
        let carried = state.carried;
        drop(state);
        self.nudge(carried);
    }
}
