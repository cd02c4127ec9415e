//! Batched datagrams over one IPv4 socket that can speak for many addresses of this host.
//!
//! recvmmsg(2) and sendmmsg(2) take 64 datagrams a call; `IP_PKTINFO` (ip(7)) tells to which of our
//! addresses a datagram came and chooses from which one goes out.
#![expect(
    unsafe_code,
    reason = "the batched calls exist in no safe interface that has PKTINFO too"
)]

use std::io;
use std::mem;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;
use std::ptr;
use std::time::Duration;

/// Datagrams a call.
pub(crate) const BATCH: usize = 64;
/// Longest datagram taken in.
const MAX_BYTES: usize = 4096;
/// Room for one `in_pktinfo` control message.
const CONTROL_WORDS: usize = 8;
const SOCKET_BUFFER_BYTES: libc::c_int = 8 << 20;

/// A datagram's two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ends {
    /// The other side.
    pub(crate) peer: SocketAddrV4,
    /// Our side; unspecified on sending: the socket's own.
    pub(crate) local: Ipv4Addr,
}

/// A bound socket.
pub(crate) struct Batch {
    socket: UdpSocket,
    received: Box<Buffers>,
    queued: Box<Buffers>,
    queue: Vec<(Ends, usize)>,
}

/// What one call reads or writes.
struct Buffers {
    data: [[u8; MAX_BYTES]; BATCH],
    names: [libc::sockaddr_in; BATCH],
    control: [[u64; CONTROL_WORDS]; BATCH],
    slices: [libc::iovec; BATCH],
    headers: [libc::mmsghdr; BATCH],
}

impl Buffers {
    fn new() -> Box<Self> {
        // SAFETY: all fields are plain data or null pointers, for which zero bytes are valid.
        unsafe { Box::new(mem::zeroed()) }
    }

    /// Points the headers at the buffers, the first `count` of the given lengths.
    fn link(&mut self, lengths: impl Iterator<Item = usize>, control_bytes: usize) {
        let all = self.headers.iter_mut().zip(&mut self.slices).zip(&mut self.data);
        let rest = self.names.iter_mut().zip(&mut self.control).zip(lengths);
        for (((header, slice), data), ((name, control), length)) in all.zip(rest) {
            slice.iov_base = data.as_mut_ptr().cast();
            slice.iov_len = length;
            header.msg_hdr.msg_name = ptr::from_mut(name).cast();
            header.msg_hdr.msg_namelen = length_of::<libc::sockaddr_in>();
            header.msg_hdr.msg_iov = slice;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_control = control.as_mut_ptr().cast();
            header.msg_hdr.msg_controllen = control_bytes;
            header.msg_hdr.msg_flags = 0;
        }
    }
}

fn length_of<T>() -> libc::socklen_t {
    libc::socklen_t::try_from(size_of::<T>()).unwrap_or(libc::socklen_t::MAX)
}

impl Batch {
    /// Binds; an unspecified address means all of this host's.
    pub(crate) fn bind(address: SocketAddrV4) -> io::Result<Self> {
        let socket = UdpSocket::bind(address)?;
        socket.set_nonblocking(true)?;
        let fd = socket.as_raw_fd();
        set(fd, libc::IPPROTO_IP, libc::IP_PKTINFO, 1)?;
        for option in [libc::SO_RCVBUFFORCE, libc::SO_SNDBUFFORCE] {
            // Only root may exceed the system's limit; less means more lost queries, no wrong
            // figure.
            let _ = set(fd, libc::SOL_SOCKET, option, SOCKET_BUFFER_BYTES);
        }
        let (received, queued) = (Buffers::new(), Buffers::new());
        Ok(Self { socket, received, queued, queue: Vec::with_capacity(BATCH) })
    }

    /// Whether [`Batch::push`] has room.
    pub(crate) fn has_room(&self) -> bool {
        self.queue.len() < BATCH
    }

    /// Queues a datagram that `write` writes into the buffer, returning its length.
    pub(crate) fn push(&mut self, ends: Ends, write: impl FnOnce(&mut [u8]) -> usize) {
        let slot = self.queue.len();
        if let Some(data) = self.queued.data.get_mut(slot) {
            let length = write(data).min(MAX_BYTES);
            self.queue.push((ends, length));
        }
    }

    /// Sends what is queued; how many went out. The rest is dropped.
    pub(crate) fn send(&mut self) -> usize {
        let count = self.queue.len();
        if count == 0 {
            return 0;
        }
        let chosen = self.queue.iter().any(|(ends, _)| !ends.local.is_unspecified());
        let control_bytes = if chosen { control_space() } else { 0 };
        self.queued.link(self.queue.iter().map(|(_, length)| *length), control_bytes);
        let slots = self.queued.names.iter_mut().zip(&mut self.queued.control);
        for ((name, control), (ends, _)) in slots.zip(&self.queue) {
            *name = to_system(ends.peer);
            write_control(control, ends.local);
        }
        self.queue.clear();
        let headers = self.queued.headers.as_mut_ptr();
        let count = libc::c_uint::try_from(count).unwrap_or(0);
        // SAFETY: the first `count` headers were linked to live buffers of `self` just above.
        let sent = unsafe { libc::sendmmsg(self.socket.as_raw_fd(), headers, count, 0) };
        usize::try_from(sent).unwrap_or(0)
    }

    /// Takes in what has come, up to one batch; how many.
    pub(crate) fn receive(&mut self, mut take: impl FnMut(Ends, &[u8])) -> usize {
        self.received.link(std::iter::repeat_n(MAX_BYTES, BATCH), CONTROL_WORDS * 8);
        let headers = self.received.headers.as_mut_ptr();
        let count = libc::c_uint::try_from(BATCH).unwrap_or(0);
        let (fd, flags) = (self.socket.as_raw_fd(), libc::MSG_DONTWAIT);
        // SAFETY: all headers were linked to live buffers of `self` just above.
        let got = unsafe { libc::recvmmsg(fd, headers, count, flags, ptr::null_mut()) };
        let got = usize::try_from(got).unwrap_or(0);
        let received = &self.received;
        let slots = received.headers.iter().zip(&received.data);
        let slots = slots.zip(received.names.iter().zip(&received.control));
        for ((header, data), (name, control)) in slots.take(got) {
            let length = usize::try_from(header.msg_len).unwrap_or(0);
            let local = read_control(control, header.msg_hdr.msg_controllen);
            let ends = Ends { peer: from_system(name), local };
            take(ends, data.get(..length).unwrap_or_default());
        }
        got
    }

    /// Waits until something has come.
    pub(crate) fn wait(&self, at_most: Duration) {
        let mut poll =
            libc::pollfd { fd: self.socket.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let nanos = libc::c_long::from(at_most.subsec_nanos());
        let seconds = libc::time_t::try_from(at_most.as_secs()).unwrap_or(libc::time_t::MAX);
        let time = libc::timespec { tv_sec: seconds, tv_nsec: nanos };
        // SAFETY: one valid pollfd and a valid time; no signal mask.
        unsafe { libc::ppoll(&raw mut poll, 1, &raw const time, ptr::null()) };
    }
}

fn set(fd: i32, level: i32, option: i32, value: libc::c_int) -> io::Result<()> {
    let length = length_of::<libc::c_int>();
    // SAFETY: the value lives through the call and has the length given.
    let result = unsafe { libc::setsockopt(fd, level, option, (&raw const value).cast(), length) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn to_system(address: SocketAddrV4) -> libc::sockaddr_in {
    // SAFETY: plain data, for which zero bytes are valid.
    let mut name: libc::sockaddr_in = unsafe { mem::zeroed() };
    name.sin_family = libc::sa_family_t::try_from(libc::AF_INET).unwrap_or_default();
    name.sin_port = address.port().to_be();
    name.sin_addr.s_addr = u32::from(*address.ip()).to_be();
    name
}

fn from_system(name: &libc::sockaddr_in) -> SocketAddrV4 {
    let ip = Ipv4Addr::from(u32::from_be(name.sin_addr.s_addr));
    SocketAddrV4::new(ip, u16::from_be(name.sin_port))
}

/// The control message is a header of length, level and type, then `in_pktinfo`: interface index,
/// local address, header's destination (ip(7)). In words of 8 bytes on the 64-bit systems this
/// runs on: length; level and type; index and local address; destination.
const CONTROL_LENGTH: u64 = 28;

const fn control_space() -> usize {
    32
}

fn pair(low: u32, high: u32) -> u64 {
    if cfg!(target_endian = "little") {
        u64::from(high) << 32 | u64::from(low)
    } else {
        u64::from(low) << 32 | u64::from(high)
    }
}

fn write_control(control: &mut [u64; CONTROL_WORDS], local: Ipv4Addr) {
    let kind = pair(libc::IPPROTO_IP.cast_unsigned(), libc::IP_PKTINFO.cast_unsigned());
    let address = pair(0, u32::from(local).to_be());
    let words = [CONTROL_LENGTH, kind, address, 0];
    control.iter_mut().zip(words).for_each(|(to, word)| *to = word);
}

fn read_control(control: &[u64; CONTROL_WORDS], length: usize) -> Ipv4Addr {
    let [_, _, _, destination, ..] = control;
    if length < control_space() {
        return Ipv4Addr::UNSPECIFIED;
    }
    let [a, b, c, d, ..] = destination.to_ne_bytes();
    Ipv4Addr::new(a, b, c, d)
}

#[cfg(test)]
mod tests;
