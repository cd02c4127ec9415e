//! The socket driver: runs a network's state machine on real sockets and a real clock.
//!
//! One task owns the node. It waits for datagrams, requests and timeouts, and feeds each to the
//! node by [`kademlia::protocol::step`]; the clock is read once a batch, and what a batch answers
//! leaves in one system call. A [`Host`] stands between the node and those who use it: it turns
//! requests into commands, and hands events to whoever waits for them. It must never wait itself.
//!
//! Messages too long for a datagram go to a [`Carrier`], which has the same sockets.

use core::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kademlia::protocol::{Input, Way, step};
use kademlia::{Moment, OperationId, Protocol, Transmit, Transport};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Sleep, sleep_until};

use crate::clock::Clock;
use crate::socket::{BATCH, Readiness, Received, SendQueue, Socket};

/// Requests that wait for the node at most; who comes on top waits before queueing.
const REQUEST_QUEUE: usize = 256;

/// Batches of one socket served in a row, so that the other socket, requests and timeouts get their
/// turn within some 3 ms under full load.
const BATCHES_IN_A_ROW: usize = 16;
/// How long a driver that is stopped stays for those who wait for its last word, at most: their
/// repetitions come after three round trips.
const LINGER: Duration = Duration::from_secs(1);

/// What stands between a node and those who use it. Called on the task that owns the node.
pub trait Host<P: Protocol>: Send {
    /// What those who use the node send.
    type Request: Send;
    /// What connects an operation with the one who asked for it.
    type Ticket;

    /// Turns a request into a command, or serves it at once by a look at the node.
    fn request(
        &mut self,
        view: View<'_, P>,
        request: Self::Request,
    ) -> Option<(P::Command, Self::Ticket)>;
    /// The command made of a request has begun as `operation`. Its events follow.
    fn began(&mut self, operation: OperationId, ticket: Self::Ticket);
    /// The node tells something.
    fn event(&mut self, now: Moment, event: P::Event);
    /// Whether the node has proof that whoever is at this address is there: only they may connect
    /// for bulk messages.
    fn knows(&self, _protocol: &P, _address: SocketAddr) -> bool {
        false
    }
}

/// What sockets need to know of a peer.
pub trait Reach: Copy {
    /// What carries messages to and from such peers that are too long for a datagram.
    type Carrier: Carrier<Self>;

    /// Whoever sends datagrams from this address.
    fn at(address: SocketAddr) -> Self;
    /// Where datagrams go.
    fn address(&self) -> SocketAddr;
}

/// Carries messages too long for a datagram, over the driver's own sockets: a state machine like
/// the node itself.
pub trait Carrier<Peer>: Send {
    /// Whether a datagram is part of it.
    fn takes(datagram: &[u8]) -> bool;
    /// Takes in such a datagram. `known`: see [`Host::knows`].
    fn receive(&mut self, now: Instant, from: SocketAddr, datagram: &[u8], known: bool);
    /// Sends a message.
    fn send(&mut self, now: Instant, to: Peer, message: Vec<u8>);
    /// Writes the next datagram into `buffer`, which is cleared first.
    fn poll_transmit(&mut self, now: Instant, buffer: &mut Vec<u8>) -> Option<SocketAddr>;
    /// The next message that has arrived.
    fn poll_message(&mut self) -> Option<(Peer, Vec<u8>)>;
    /// When `handle_timeout` wants to be called next.
    fn next_timeout(&self) -> Option<Instant>;
    /// Does what has fallen due.
    fn handle_timeout(&mut self, now: Instant);
    /// Ends all connections: tells their peers, and what of theirs has arrived.
    fn close(&mut self, now: Instant);
    /// Whether somebody to whom that matters may not have heard of it yet.
    fn lingers(&self) -> bool;
}

impl Reach for SocketAddr {
    type Carrier = NoCarrier;

    fn at(address: SocketAddr) -> Self {
        address
    }

    fn address(&self) -> SocketAddr {
        *self
    }
}

/// There is none: the network has datagrams alone.
#[derive(Clone, Copy, Debug)]
pub enum NoCarrier {}

impl Carrier<SocketAddr> for NoCarrier {
    fn takes(_: &[u8]) -> bool {
        false
    }

    fn receive(&mut self, _: Instant, _: SocketAddr, _: &[u8], _: bool) {}

    fn send(&mut self, _: Instant, _: SocketAddr, _: Vec<u8>) {}

    fn poll_transmit(&mut self, _: Instant, _: &mut Vec<u8>) -> Option<SocketAddr> {
        None
    }

    fn poll_message(&mut self) -> Option<(SocketAddr, Vec<u8>)> {
        None
    }

    fn next_timeout(&self) -> Option<Instant> {
        None
    }

    fn handle_timeout(&mut self, _: Instant) {}

    fn close(&mut self, _: Instant) {}

    fn lingers(&self) -> bool {
        false
    }
}

/// A node between two inputs, as its host sees it.
#[derive(Debug)]
pub struct View<'a, P> {
    /// The moment it is.
    pub now: Moment,
    /// The node.
    pub protocol: &'a mut P,
    /// What passed through the sockets.
    pub counters: Counters,
}

/// What passed through a driver's sockets since its start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Datagrams received.
    pub received: u64,
    /// Bytes received.
    pub received_bytes: u64,
    /// Datagrams too long to take in.
    pub oversized: u64,
    /// Datagrams sent.
    pub sent: u64,
    /// Bytes sent.
    pub sent_bytes: u64,
    /// Datagrams not sent because the socket was full.
    pub send_full: u64,
    /// Datagrams that the system refused to send.
    pub send_failed: u64,
}

/// Runs one node; see [`Driver::run`].
pub struct Driver<P: Protocol<Peer: Reach>, H: Host<P>> {
    protocol: P,
    host: H,
    clock: Clock,
    requests: mpsc::UnboundedReceiver<Word<H::Request>>,
    permits: Arc<Semaphore>,
    received: Received,
    outlet: Outlet<P>,
    carrier: Option<<P::Peer as Reach>::Carrier>,
    received_count: u64,
    received_bytes: u64,
}

/// The way to a running node: cheap to clone. When the last one is dropped the driver ends.
#[derive(Debug)]
pub struct Handle<R> {
    requests: mpsc::UnboundedSender<Word<R>>,
    permits: Arc<Semaphore>,
}

/// The driver has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stopped;

#[derive(Debug)]
enum Word<R> {
    /// A request that took a permit.
    Queued(R),
    /// A request that took none.
    Urgent(R),
    Stop,
}

impl<R> Clone for Handle<R> {
    fn clone(&self) -> Self {
        Self { requests: self.requests.clone(), permits: Arc::clone(&self.permits) }
    }
}

impl<R> Handle<R> {
    /// Queues a request; waits while the queue is full.
    ///
    /// # Errors
    /// The driver has ended.
    pub async fn send(&self, request: R) -> Result<(), Stopped> {
        let permit = self.permits.acquire().await.map_err(|_| Stopped)?;
        permit.forget();
        let sent = self.requests.send(Word::Queued(request));
        sent.map_err(|_| Stopped)
    }

    /// Queues a request even if the queue is full. Only for what can't exceed what `send` let
    /// through: at most one such request for each sent one.
    ///
    /// # Errors
    /// The driver has ended.
    pub fn send_urgent(&self, request: R) -> Result<(), Stopped> {
        let sent = self.requests.send(Word::Urgent(request));
        sent.map_err(|_| Stopped)
    }

    /// Ends the driver once it has served what is queued already.
    pub fn stop(&self) {
        // An error means that it has ended: all the better.
        let _ = self.requests.send(Word::Stop);
    }
}

enum Wake<R> {
    Readable(Family),
    Writable,
    Timeout,
    Request(Option<Word<R>>),
}

#[derive(Clone, Copy)]
enum Family {
    V4,
    V6,
}

impl<P, H> Driver<P, H>
where
    P: Protocol<Peer: Reach>,
    H: Host<P>,
{
    /// A driver of `protocol` over `sockets`, of which the first of each family counts.
    pub fn new(
        protocol: P,
        host: H,
        clock: Clock,
        sockets: impl IntoIterator<Item = Socket>,
    ) -> (Self, Handle<H::Request>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let permits = Arc::new(Semaphore::new(REQUEST_QUEUE));
        let driver = Self {
            protocol,
            host,
            clock,
            requests: receiver,
            permits: Arc::clone(&permits),
            received: Received::default(),
            outlet: Outlet::new(sockets),
            carrier: None,
            received_count: 0,
            received_bytes: 0,
        };
        let handle = Handle { requests: sender, permits };
        (driver, handle)
    }

    /// Gives it something to carry messages that are too long for a datagram.
    #[must_use]
    pub fn with_carrier(mut self, carrier: <P::Peer as Reach>::Carrier) -> Self {
        self.carrier = Some(carrier);
        self
    }

    /// Runs until stopped, or until all handles are dropped; returns the node and its host.
    pub async fn run(mut self) -> (P, H) {
        let mut timer = core::pin::pin!(sleep_until(self.clock.instant(Moment::START)));
        let mut armed = Some(Moment::START);
        loop {
            let wake = self.wake(timer.as_mut(), armed.is_some()).await;
            let now = self.clock.now();
            match wake {
                Wake::Readable(family) => self.serve(family, now),
                Wake::Timeout => armed = None,
                Wake::Request(None | Some(Word::Stop)) => break,
                Wake::Request(Some(word)) => self.request(now, word),
                Wake::Writable => {}
            }
            self.expire(now);
            self.carry(now);
            self.outlet.flush();
            // A timer that is too early costs less than setting it again each time.
            if let Some(next) = self.next_timeout()
                && armed.is_none_or(|armed| next < armed)
            {
                timer.as_mut().reset(self.clock.instant(next));
                armed = Some(next);
            }
        }
        self.permits.close();
        self.leave().await;
        (self.protocol, self.host)
    }

    /// Ends the carrier's connections, and stays until those have heard of it to whom it matters.
    async fn leave(&mut self) {
        let until = self.clock.now() + LINGER;
        if let Some(carrier) = &mut self.carrier {
            carrier.close(self.clock.instant(self.clock.now()).into_std());
        }
        loop {
            self.carry(self.clock.now());
            self.outlet.flush();
            let Some(carrier) = self.carrier.as_ref().filter(|carrier| carrier.lingers()) else {
                return;
            };
            let next = carrier.next_timeout().map(|at| self.clock.moment(at.into()));
            let next = next.map_or(until, |next| next.min(until));
            let (v4, v6) = (self.outlet.v4.as_ref(), self.outlet.v6.as_ref());
            let readable = tokio::select! {
                () = readable(v4) => Some(Family::V4),
                () = readable(v6) => Some(Family::V6),
                () = sleep_until(self.clock.instant(next)) => None,
            };
            let now = self.clock.now();
            if now >= until {
                return;
            }
            if let Some(family) = readable {
                self.hear_out(family, now);
            }
        }
    }

    /// Takes in what is the carrier's alone: the node has ended.
    fn hear_out(&mut self, family: Family, now: Moment) {
        let Some(port) = self.outlet.port(family) else { return };
        if port.socket.receive(&mut self.received).is_err() {
            return;
        }
        for (from, message) in self.received.iter() {
            if let Some(carrier) = &mut self.carrier
                && <P::Peer as Reach>::Carrier::takes(message)
            {
                carrier.receive(self.clock.instant(now).into_std(), from, message, false);
            }
        }
    }

    async fn wake(&mut self, timer: core::pin::Pin<&mut Sleep>, armed: bool) -> Wake<H::Request> {
        let (v4, v6) = (self.outlet.v4.as_ref(), self.outlet.v6.as_ref());
        tokio::select! {
            () = readable(v4) => Wake::Readable(Family::V4),
            () = readable(v6) => Wake::Readable(Family::V6),
            () = writable(v4) => Wake::Writable,
            () = writable(v6) => Wake::Writable,
            () = timer, if armed => Wake::Timeout,
            request = self.requests.recv() => Wake::Request(request),
        }
    }

    /// Answers what has arrived on one socket.
    fn serve(&mut self, family: Family, mut now: Moment) {
        for _ in 0..BATCHES_IN_A_ROW {
            let Some(port) = self.outlet.port(family) else {
                return;
            };
            let readiness = match port.socket.receive(&mut self.received) {
                Ok(readiness) => readiness,
                Err(error) => {
                    tracing::debug!(%error, "receive failed");
                    return;
                }
            };
            self.handle_batch(now);
            self.carry(now);
            if readiness == Readiness::Drained {
                return;
            }
            self.outlet.flush();
            now = self.clock.now();
            self.expire(now);
        }
    }

    fn handle_batch(&mut self, now: Moment) {
        self.received_count += self.received.len() as u64;
        for (from, message) in self.received.iter() {
            self.received_bytes += message.len() as u64;
            if let Some(carrier) = &mut self.carrier
                && <P::Peer as Reach>::Carrier::takes(message)
            {
                let known = self.host.knows(&self.protocol, from);
                carrier.receive(self.clock.instant(now).into_std(), from, message, known);
                continue;
            }
            let input = Input::Message(P::Peer::at(from), message);
            step(&mut self.protocol, now, input, &mut self.outlet);
            for event in self.outlet.events.drain(..) {
                self.host.event(now, event);
            }
        }
    }

    /// Lets the node do what has fallen due.
    fn expire(&mut self, now: Moment) {
        if self.protocol.next_timeout().is_some_and(|next| next <= now) {
            step(&mut self.protocol, now, Input::Timeout, &mut self.outlet);
            self.tell_events(now);
        }
    }

    /// Moves along what is too long for a datagram: in, out, and what follows from it.
    fn carry(&mut self, now: Moment) {
        let Some(carrier) = &mut self.carrier else {
            self.outlet.unroutable += self.outlet.bulk.drain(..).len() as u64;
            return;
        };
        let instant = self.clock.instant(now).into_std();
        if carrier.next_timeout().is_some_and(|next| next <= instant) {
            carrier.handle_timeout(instant);
        }
        loop {
            for (to, message) in self.outlet.bulk.drain(..) {
                carrier.send(instant, to, message);
            }
            let Some((from, message)) = carrier.poll_message() else { break };
            step(&mut self.protocol, now, Input::Message(from, &message), &mut self.outlet);
            for event in self.outlet.events.drain(..) {
                self.host.event(now, event);
            }
        }
        let mut buffer = core::mem::take(&mut self.outlet.buffer);
        while let Some(to) = carrier.poll_transmit(instant, &mut buffer) {
            self.outlet.push(to, &mut buffer);
        }
        self.outlet.buffer = buffer;
    }

    fn next_timeout(&self) -> Option<Moment> {
        let carrier = self.carrier.as_ref().and_then(Carrier::next_timeout);
        let carrier = carrier.map(|at| self.clock.moment(at.into()));
        self.protocol.next_timeout().into_iter().chain(carrier).min()
    }

    fn request(&mut self, now: Moment, word: Word<H::Request>) {
        let request = match word {
            Word::Queued(request) => {
                self.permits.add_permits(1);
                request
            }
            Word::Urgent(request) => request,
            Word::Stop => return,
        };
        let counters = self.counters();
        let view = View { now, protocol: &mut self.protocol, counters };
        let Some((command, ticket)) = self.host.request(view, request) else {
            return;
        };
        let input = Input::Command(command);
        let operation = step(&mut self.protocol, now, input, &mut self.outlet);
        // The operation may have ended within the step: its events wait until the host knows it.
        if let Some(operation) = operation {
            self.host.began(operation, ticket);
        }
        self.tell_events(now);
    }

    fn tell_events(&mut self, now: Moment) {
        for event in self.outlet.events.drain(..) {
            self.host.event(now, event);
        }
    }

    fn counters(&self) -> Counters {
        let mut counters = Counters {
            received: self.received_count,
            received_bytes: self.received_bytes,
            oversized: self.received.oversized(),
            send_failed: self.outlet.unroutable,
            ..Counters::default()
        };
        for port in self.outlet.v4.iter().chain(&self.outlet.v6) {
            let sends = port.queue.counters();
            counters.sent += sends.sent;
            counters.sent_bytes += sends.sent_bytes;
            counters.send_full += sends.full;
            counters.send_failed += sends.failed;
        }
        counters
    }
}

/// Where the node's messages and events go.
struct Outlet<P: Protocol> {
    v4: Option<Port>,
    v6: Option<Port>,
    buffer: Vec<u8>,
    events: Vec<P::Event>,
    /// Messages too long for a datagram.
    bulk: Vec<(P::Peer, Vec<u8>)>,
    /// Messages to a family without a socket, or by a way there is not.
    unroutable: u64,
}

#[derive(Debug)]
struct Port {
    socket: Socket,
    queue: SendQueue,
}

impl<P: Protocol> Outlet<P> {
    fn new(sockets: impl IntoIterator<Item = Socket>) -> Self {
        let mut outlet = Self {
            v4: None,
            v6: None,
            buffer: Vec::new(),
            events: Vec::new(),
            bulk: Vec::new(),
            unroutable: 0,
        };
        for socket in sockets {
            let side = if socket.local().is_ipv4() { &mut outlet.v4 } else { &mut outlet.v6 };
            side.get_or_insert_with(|| Port { socket, queue: SendQueue::default() });
        }
        outlet
    }

    fn port(&mut self, family: Family) -> Option<&mut Port> {
        match family {
            Family::V4 => self.v4.as_mut(),
            Family::V6 => self.v6.as_mut(),
        }
    }

    /// Queues the datagram in `buffer`.
    fn push(&mut self, to: SocketAddr, buffer: &mut Vec<u8>) {
        let side = if to.is_ipv4() { &mut self.v4 } else { &mut self.v6 };
        let Some(port) = side else {
            self.unroutable += 1;
            return;
        };
        port.queue.push(to, buffer);
        if port.queue.len() >= BATCH {
            port.socket.send(&mut port.queue);
        }
    }

    fn flush(&mut self) {
        for port in self.v4.iter_mut().chain(&mut self.v6) {
            port.socket.send(&mut port.queue);
        }
    }
}

impl<P: Protocol<Peer: Reach>> Transport<P> for Outlet<P> {
    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    fn transmit(&mut self, transmit: Transmit<P::Peer>) {
        match transmit.way {
            Way::Datagram => {
                let mut buffer = core::mem::take(&mut self.buffer);
                self.push(transmit.to.address(), &mut buffer);
                self.buffer = buffer;
            }
            Way::Bulk => self.bulk.push((transmit.to, core::mem::take(&mut self.buffer))),
        }
    }

    fn event(&mut self, event: P::Event) {
        self.events.push(event);
    }
}

async fn readable(port: Option<&Port>) {
    match port {
        // An error means that the runtime ends, and this task with it.
        Some(port) if port.socket.readable().await.is_ok() => {}
        _ => pending().await,
    }
}

/// Only where something waits to be sent.
async fn writable(port: Option<&Port>) {
    match port {
        Some(port) if !port.queue.is_empty() && port.socket.writable().await.is_ok() => {}
        _ => pending().await,
    }
}

#[cfg(test)]
mod tests;
