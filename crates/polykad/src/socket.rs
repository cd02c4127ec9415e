//! UDP sockets that receive and send in batches.
//!
//! The driver, and the echo example that measures it, call [`Socket::receive`] with a [`Received`]
//! and [`Socket::send`] with a [`SendQueue`], which are reused: once the buffers have grown there
//! is no allocation a packet. On Linux a batch is one system call (recvmmsg, sendmmsg); elsewhere
//! it is one a datagram. One socket serves one address family.

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Protocol, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;

#[cfg(target_os = "linux")]
#[path = "socket/linux.rs"]
mod system;
#[cfg(not(target_os = "linux"))]
#[path = "socket/portable.rs"]
mod system;

/// Datagrams received or sent in one system call. Measured with 100-byte queries and 300-byte
/// answers on loopback: one at a time costs 8 to 26 µs of CPU an answer (each a wake of its own);
/// batches of 32, 64 and 128 cost 3.6 to 3.8 µs, the same within the noise.
pub const BATCH: usize = 64;

/// The longest datagram taken in: what an Ethernet frame of 9,000 bytes holds under IPv6. The
/// longest seen on Mainline: 2.5 kB, from a client that answers with its whole table.
pub const MAX_DATAGRAM_BYTES: usize = 8952;

/// Datagrams that wait for a full socket at most; what comes on top is dropped and counted.
const SEND_QUEUE: usize = 4 * BATCH;

/// Asked of the system for each direction; it may grant less. 4 MiB hold what arrives at 200,000
/// queries a second during a pause of 20 ms.
const SOCKET_BUFFER_BYTES: usize = 4 << 20;

/// A UDP socket of one address family, non-blocking.
#[derive(Debug)]
pub struct Socket {
    inner: UdpSocket,
    local: SocketAddr,
}

/// Whether more may be waiting.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Readiness {
    /// Call again at once.
    More,
    /// Nothing is left: wait first.
    Drained,
}

impl Socket {
    /// Binds `address`. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// The system's: address in use, not on this machine, no permission.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let domain = Domain::for_address(address);
        let socket = socket2::Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        // Less than asked is no reason to fail: a burst is then lost earlier.
        let _ = socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES);
        let _ = socket.set_send_buffer_size(SOCKET_BUFFER_BYTES);
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        let inner = UdpSocket::from_std(socket.into())?;
        let local = inner.local_addr()?;
        Ok(Self { inner, local })
    }

    /// The address it is bound to.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// From now on no datagram is fragmented: one that is longer than the way takes is refused or
    /// lost, which is how the longest that passes is found (RFC 8899). Whether the system can.
    pub fn never_fragment(&self) -> bool {
        system::never_fragment(&self.inner, self.local.is_ipv4())
    }

    /// Waits until there may be something to receive.
    ///
    /// # Errors
    /// The runtime is shutting down.
    pub async fn readable(&self) -> io::Result<()> {
        self.inner.readable().await
    }

    /// Waits until there may be room to send.
    ///
    /// # Errors
    /// The runtime is shutting down.
    pub async fn writable(&self) -> io::Result<()> {
        self.inner.writable().await
    }

    /// Receives what has arrived, at most [`BATCH`] datagrams, in place of what `received` held.
    ///
    /// # Errors
    /// The system's; wait before calling again. Having nothing to receive is not an error.
    pub fn receive(&self, received: &mut Received) -> io::Result<Readiness> {
        received.count = 0;
        let mut trouble = None;
        let result = self.inner.try_io(Interest::READABLE, || {
            match system::receive(&self.inner, received) {
                Ok(count) => received.count = count,
                Err(error) => trouble = Some(error),
            }
            // A batch that is not full has emptied the socket. Saying so here saves the call that
            // would find out; what arrives from now on wakes us again.
            if received.count < BATCH {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            Ok(())
        });
        match trouble {
            Some(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ if result.is_ok() => Ok(Readiness::More),
            _ => Ok(Readiness::Drained),
        }
    }

    /// Sends what `queue` holds until it is empty or the socket is full. A datagram that the system
    /// refuses (no route, a firewall, too long) is taken out and counted.
    pub fn send(&self, queue: &mut SendQueue) {
        while !queue.is_empty() {
            match self.send_batch(queue.first_batch()) {
                Ok(sent) => queue.sent(sent),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => queue.refused(&error),
            }
        }
    }

    fn send_batch(&self, slots: &[Slot]) -> io::Result<usize> {
        match system::send(&self.inner, slots) {
            // Once more in the way that makes `writable` wait.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.inner.try_io(Interest::WRITABLE, || system::send(&self.inner, slots))
            }
            result => result,
        }
    }
}

/// Datagrams just received; reused from batch to batch.
#[derive(Debug)]
pub struct Received {
    /// [`BATCH`] buffers of [`STRIDE`] bytes. Pages that no batch has reached take no memory.
    bytes: Box<[u8]>,
    meta: Box<[Meta; BATCH]>,
    count: usize,
    oversized: u64,
}

/// Distance between buffers: one cache line more than the longest datagram, so that their
/// beginnings, where nearly all of the work is done, do not share the same few cache sets.
const STRIDE: usize = MAX_DATAGRAM_BYTES + 64;

/// What the system says of a datagram received.
#[derive(Clone, Copy, Debug)]
struct Meta {
    /// `None`: it was cut off, or came from no socket address.
    from: Option<SocketAddr>,
    bytes: usize,
}

impl Default for Received {
    fn default() -> Self {
        let nothing = Meta { from: None, bytes: 0 };
        Self {
            bytes: vec![0; BATCH * STRIDE].into_boxed_slice(),
            meta: Box::new([nothing; BATCH]),
            count: 0,
            oversized: 0,
        }
    }
}

impl Received {
    /// The datagrams and their senders.
    pub fn iter(&self) -> impl Iterator<Item = (SocketAddr, &[u8])> {
        let slots = self.bytes.chunks_exact(STRIDE).zip(self.meta.iter());
        slots
            .take(self.count)
            .filter_map(|(slot, meta)| Some((meta.from?, slot.get(..meta.bytes)?)))
    }

    /// How many datagrams this batch has, those cut off included.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether this batch has none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Datagrams left out since the start because they exceeded [`MAX_DATAGRAM_BYTES`].
    pub fn oversized(&self) -> u64 {
        self.oversized
    }
}

/// Datagrams to send: a ring of buffers that keep their memory.
#[derive(Debug)]
pub struct SendQueue {
    slots: Box<[Slot]>,
    /// Index of the first datagram.
    head: usize,
    len: usize,
    counters: SendCounters,
}

/// What became of the datagrams of a [`SendQueue`] since its start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SendCounters {
    /// Sent.
    pub sent: u64,
    /// Bytes sent.
    pub sent_bytes: u64,
    /// Dropped because the queue was full.
    pub full: u64,
    /// Refused by the system.
    pub failed: u64,
}

/// One datagram to send.
#[derive(Debug)]
struct Slot {
    to: SocketAddr,
    bytes: Vec<u8>,
}

impl Default for SendQueue {
    fn default() -> Self {
        let nobody = SocketAddr::from(([0, 0, 0, 0], 0));
        let slot = || Slot { to: nobody, bytes: Vec::new() };
        Self {
            slots: core::iter::repeat_with(slot).take(SEND_QUEUE).collect(),
            head: 0,
            len: 0,
            counters: SendCounters::default(),
        }
    }
}

impl SendQueue {
    /// Queues the datagram in `bytes`, which gets another buffer in exchange. Dropped and counted
    /// if the queue is full.
    pub fn push(&mut self, to: SocketAddr, bytes: &mut Vec<u8>) {
        let index = (self.head + self.len) % SEND_QUEUE;
        match self.slots.get_mut(index) {
            Some(slot) if self.len < SEND_QUEUE => {
                slot.to = to;
                core::mem::swap(&mut slot.bytes, bytes);
                self.len += 1;
            }
            _ => self.counters.full += 1,
        }
    }

    /// How many datagrams wait.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What became of the datagrams so far.
    pub fn counters(&self) -> SendCounters {
        self.counters
    }

    /// The first datagrams, as many as lie in one piece, at most [`BATCH`].
    fn first_batch(&self) -> &[Slot] {
        let end = SEND_QUEUE.min(self.head + self.len.min(BATCH));
        self.slots.get(self.head..end).unwrap_or_default()
    }

    /// Takes out the first `count`.
    fn sent(&mut self, count: usize) {
        let sent = self.first_batch().iter().take(count);
        let bytes: usize = sent.map(|slot| slot.bytes.len()).sum();
        self.counters.sent += count as u64;
        self.counters.sent_bytes += bytes as u64;
        self.skip(count);
    }

    /// Takes out the first.
    fn refused(&mut self, error: &io::Error) {
        if let Some(slot) = self.first_batch().first() {
            tracing::debug!(to = %slot.to, bytes = slot.bytes.len(), %error, "not sent");
        }
        // One that tries out how long datagrams may be has found out.
        self.counters.failed += u64::from(!system::is_too_long(error));
        self.skip(1);
    }

    fn skip(&mut self, count: usize) {
        self.len = self.len.saturating_sub(count);
        // An empty queue starts over, so that light load stays within a few warm buffers.
        self.head = match self.len {
            0 => 0,
            _ => (self.head + count) % SEND_QUEUE,
        };
    }
}

#[cfg(test)]
mod tests;
