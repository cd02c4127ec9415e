//! The seam: what a network is to whatever drives it.
//!
//! A network implements [`Protocol`]; the socket driver, the simulator, tests and fuzzers call
//! [`step`] and implement [`Transport`]. Nothing else passes between the two sides. Wrappers
//! (encryption, tracing, fault injection) are `Protocol`s around a `Protocol`.

use core::fmt;
use core::ops::{Add, Sub};
use std::collections::VecDeque;
use std::time::Duration;

/// A network protocol as a pure state machine.
///
/// After every `handle_*` call its owner drains `poll_transmit` and `poll_event`, then sleeps until
/// `next_timeout` or the next input. [`step`] does this in the one right order.
pub trait Protocol {
    /// Who a message comes from or goes to: a socket address, or an address with a proven node id.
    type Peer: Copy + Ord + fmt::Debug;
    /// What the owner of the node asks for.
    type Command;
    /// What the owner is told: progress and results of its commands, changes worth knowing.
    type Event;

    /// Takes in a message that arrived from `from`. Any bytes at all are fine.
    fn handle_message(&mut self, now: Moment, from: Self::Peer, message: &[u8]);
    /// Takes in a wish of the owner. Events that answer it carry the returned id.
    fn handle_command(&mut self, now: Moment, command: Self::Command) -> OperationId;
    /// Does what has fallen due. Being called early is harmless.
    fn handle_timeout(&mut self, now: Moment);
    /// Writes the next message to send into `buffer` (cleared first) and says where it goes.
    fn poll_transmit(&mut self, now: Moment, buffer: &mut Vec<u8>) -> Option<Transmit<Self::Peer>>;
    /// The next event for the owner.
    fn poll_event(&mut self) -> Option<Self::Event>;
    /// When `handle_timeout` wants to be called next; `None`: never.
    fn next_timeout(&self) -> Option<Moment>;
}

/// Where a driver puts what a protocol sends and tells.
pub trait Transport<P: Protocol> {
    /// The buffer that the next message is written into.
    fn buffer(&mut self) -> &mut Vec<u8>;
    /// Sends what was just written into [`Transport::buffer`].
    fn transmit(&mut self, transmit: Transmit<P::Peer>);
    /// Tells the owner.
    fn event(&mut self, event: P::Event);
}

/// What a driver feeds into a protocol.
#[derive(Debug)]
pub enum Input<'a, P: Protocol> {
    /// A message arrived.
    Message(P::Peer, &'a [u8]),
    /// The owner wants something.
    Command(P::Command),
    /// The moment named by [`Protocol::next_timeout`] has come, or may have.
    Timeout,
}

/// One turn of the drive loop: feed one input, hand all that follows from it to `transport`.
///
/// Returns the operation that a command began. Afterwards the driver sleeps until the next input or
/// until [`Protocol::next_timeout`], whichever comes first.
pub fn step<P: Protocol>(
    protocol: &mut P,
    now: Moment,
    input: Input<'_, P>,
    transport: &mut impl Transport<P>,
) -> Option<OperationId> {
    let operation = match input {
        Input::Message(from, message) => {
            protocol.handle_message(now, from, message);
            None
        }
        Input::Command(command) => Some(protocol.handle_command(now, command)),
        Input::Timeout => {
            protocol.handle_timeout(now);
            None
        }
    };
    while let Some(transmit) = protocol.poll_transmit(now, transport.buffer()) {
        transport.transmit(transmit);
    }
    while let Some(event) = protocol.poll_event() {
        transport.event(event);
    }
    operation
}

/// An instant: microseconds since the driver's start.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Moment(u64);

impl Moment {
    /// The driver's start.
    pub const START: Self = Self(0);

    /// The instant `micros` microseconds after the driver's start.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since the driver's start.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// The time since `earlier`, zero if that lies ahead.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

/// Saturates at the end of time.
impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(micros))
    }
}

/// Saturates at the start.
impl Sub<Duration> for Moment {
    type Output = Self;

    fn sub(self, span: Duration) -> Self {
        let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        Self(self.0.saturating_sub(micros))
    }
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}s", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

/// Names one wish of a node's owner; unique within the node's run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct OperationId(pub u64);

/// Where a message goes, and how.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Transmit<Peer> {
    /// The receiver.
    pub to: Peer,
    /// The way there.
    pub way: Way,
}

/// How a message travels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// One datagram, which may be lost, doubled or reordered.
    Datagram,
    /// A reliable ordered exchange, for what exceeds a datagram.
    Bulk,
}

/// Messages a protocol has written and not yet handed over, in one buffer that is reused.
#[derive(Debug)]
pub struct Outbox<Peer> {
    bytes: Vec<u8>,
    /// Receiver and end of its message in `bytes`.
    queue: VecDeque<(Transmit<Peer>, usize)>,
    /// Start of the first queued message in `bytes`.
    start: usize,
}

impl<Peer> Default for Outbox<Peer> {
    fn default() -> Self {
        Self { bytes: Vec::new(), queue: VecDeque::new(), start: 0 }
    }
}

impl<Peer: Copy> Outbox<Peer> {
    /// Capacity kept for reuse once all is handed over: idle nodes of a large simulation must not
    /// keep what one burst needed.
    const KEPT_BYTES: usize = 4096;

    /// Queues the message that `write` appends.
    pub fn push(&mut self, transmit: Transmit<Peer>, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.queue.push_back((transmit, self.bytes.len()));
    }

    /// Moves the first message into `buffer`; this is [`Protocol::poll_transmit`].
    pub fn pop(&mut self, buffer: &mut Vec<u8>) -> Option<Transmit<Peer>> {
        let Some((transmit, end)) = self.queue.pop_front() else {
            self.bytes.clear();
            self.bytes.shrink_to(Self::KEPT_BYTES);
            self.start = 0;
            return None;
        };
        buffer.clear();
        buffer.extend_from_slice(self.bytes.get(self.start..end).unwrap_or_default());
        self.start = end;
        Some(transmit)
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

#[cfg(test)]
mod tests;
