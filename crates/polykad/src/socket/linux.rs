//! Batches by recvmmsg(2) and sendmmsg(2). The only unsafe code of the crate.
//!
//! Headers are built on the stack for each call: 64 of them take some 100 ns, and no raw pointer
//! outlives the call it is made for.
#![expect(unsafe_code, reason = "the standard library has no batched datagrams")]

use core::ffi::c_void;
use core::mem::{MaybeUninit, size_of};
use core::ptr;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd};

use libc::{AF_INET, AF_INET6, MSG_DONTWAIT, MSG_TRUNC, iovec, mmsghdr, sockaddr_in, sockaddr_in6};

use rustix::net::sockopt::{
    Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery, set_ip_mtu_discover, set_ipv6_mtu_discover,
};

use super::{BATCH, MAX_DATAGRAM_BYTES, Meta, Received, STRIDE, Slot};

/// Room for the address of either family; its first field tells which.
#[derive(Clone, Copy)]
#[repr(C)]
union Name {
    v4: sockaddr_in,
    v6: sockaddr_in6,
}

/// Sets "don't fragment", whatever the system believes of the way; whether that has worked.
pub(super) fn never_fragment(socket: &impl AsFd, is_v4: bool) -> bool {
    if is_v4 {
        set_ip_mtu_discover(socket, Ipv4PathMtuDiscovery::PROBE).is_ok()
    } else {
        set_ipv6_mtu_discover(socket, Ipv6PathMtuDiscovery::PROBE).is_ok()
    }
}

/// Whether a datagram was refused because it is longer than what the link takes.
pub(super) fn is_too_long(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EMSGSIZE)
}

/// Receives at most [`BATCH`] datagrams without waiting; returns how many.
pub(super) fn receive(socket: &impl AsFd, received: &mut Received) -> io::Result<usize> {
    let mut names = [const { MaybeUninit::<Name>::zeroed() }; BATCH];
    let mut vectors = [EMPTY_VECTOR; BATCH];
    let mut headers = [EMPTY_HEADER; BATCH];
    let buffers = received.bytes.chunks_exact_mut(STRIDE);
    for (((header, vector), name), buffer) in
        headers.iter_mut().zip(&mut vectors).zip(&mut names).zip(buffers)
    {
        *vector = iovec {
            iov_base: buffer.as_mut_ptr().cast::<c_void>(),
            iov_len: MAX_DATAGRAM_BYTES.min(buffer.len()),
        };
        header.msg_hdr.msg_name = name.as_mut_ptr().cast::<c_void>();
        header.msg_hdr.msg_namelen = NAME_BYTES;
        header.msg_hdr.msg_iov = ptr::from_mut(vector);
        header.msg_hdr.msg_iovlen = 1;
    }
    // SAFETY: `headers` has BATCH valid entries. Each points to a name of `msg_namelen` bytes, to
    // one vector, and by it to a buffer of at least `iov_len` bytes that no other entry shares; all
    // of them are borrowed mutably or owned here until after the call, and the kernel keeps no
    // pointer beyond it. The timeout may be null.
    let count = unsafe {
        libc::recvmmsg(
            socket.as_fd().as_raw_fd(),
            headers.as_mut_ptr(),
            BATCH_U32,
            MSG_DONTWAIT,
            ptr::null_mut(),
        )
    };
    let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
    for ((meta, header), name) in received.meta.iter_mut().zip(&headers).zip(&names).take(count) {
        let cut_off = header.msg_hdr.msg_flags & MSG_TRUNC != 0;
        received.oversized += u64::from(cut_off);
        // SAFETY: all of the name was initialised (zeroed) before the kernel wrote into it, and any
        // bytes are valid for the integers that it consists of.
        let name = unsafe { name.assume_init_ref() };
        *meta = Meta {
            from: if cut_off { None } else { decode(name, header.msg_hdr.msg_namelen) },
            bytes: header.msg_len as usize,
        };
    }
    Ok(count)
}

/// Sends the first of `slots`, at most [`BATCH`], without waiting; returns how many the system
/// took.
pub(super) fn send(socket: &impl AsFd, slots: &[Slot]) -> io::Result<usize> {
    let mut names = [const { MaybeUninit::<Name>::uninit() }; BATCH];
    let mut vectors = [EMPTY_VECTOR; BATCH];
    let mut headers = [EMPTY_HEADER; BATCH];
    let mut count = 0;
    for (((header, vector), name), slot) in
        headers.iter_mut().zip(&mut vectors).zip(&mut names).zip(slots)
    {
        let (encoded, name_bytes) = encode(slot.to);
        *vector = iovec {
            iov_base: slot.bytes.as_ptr().cast_mut().cast::<c_void>(),
            iov_len: slot.bytes.len(),
        };
        header.msg_hdr.msg_name = ptr::from_mut(name.write(encoded)).cast::<c_void>();
        header.msg_hdr.msg_namelen = name_bytes;
        header.msg_hdr.msg_iov = ptr::from_mut(vector);
        header.msg_hdr.msg_iovlen = 1;
        count += 1;
    }
    // SAFETY: the first `count` of `headers` are filled in: each points to a name whose first
    // `msg_namelen` bytes are initialised, and by its one vector to a slot's initialised bytes.
    // The kernel only reads those, although iovec's pointer is mutable, and keeps no pointer beyond
    // the call, until after which all of them are borrowed or owned here.
    let sent = unsafe {
        libc::sendmmsg(socket.as_fd().as_raw_fd(), headers.as_mut_ptr(), count, MSG_DONTWAIT)
    };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

#[expect(clippy::cast_possible_truncation, reason = "the constant is 64")]
const BATCH_U32: u32 = BATCH as u32;

#[expect(clippy::cast_possible_truncation, reason = "28 bytes")]
const NAME_BYTES: u32 = size_of::<Name>() as u32;

#[expect(clippy::cast_possible_truncation, reason = "16 bytes")]
const V4_BYTES: u32 = size_of::<sockaddr_in>() as u32;

#[expect(clippy::cast_possible_truncation, reason = "28 bytes")]
const V6_BYTES: u32 = size_of::<sockaddr_in6>() as u32;

const EMPTY_VECTOR: iovec = iovec { iov_base: ptr::null_mut(), iov_len: 0 };

// SAFETY: the header consists of integers and pointers, for which zero is valid; on some targets
// it has private padding, so that it can't be written out.
const EMPTY_HEADER: mmsghdr = unsafe { MaybeUninit::zeroed().assume_init() };

/// The address the kernel wrote, if it is one of the two families and whole.
fn decode(name: &Name, bytes: u32) -> Option<SocketAddr> {
    // SAFETY: all bytes of the union are initialised, and any bytes are valid in both variants.
    let (v4, v6) = unsafe { (&name.v4, &name.v6) };
    match i32::from(v4.sin_family) {
        AF_INET if bytes >= V4_BYTES => {
            let ip = Ipv4Addr::from_bits(u32::from_be(v4.sin_addr.s_addr));
            let port = u16::from_be(v4.sin_port);
            Some(SocketAddr::V4(SocketAddrV4::new(ip, port)))
        }
        AF_INET6 if bytes >= V6_BYTES => {
            let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
            let port = u16::from_be(v6.sin6_port);
            // The flow label is no part of an address that is kept; the scope is.
            Some(SocketAddr::V6(SocketAddrV6::new(ip, port, 0, v6.sin6_scope_id)))
        }
        _ => None,
    }
}

/// The address as the kernel reads it, and how many of its bytes count.
#[expect(clippy::cast_possible_truncation, reason = "AF_INET and AF_INET6 are 2 and 10")]
fn encode(address: SocketAddr) -> (Name, u32) {
    match address {
        SocketAddr::V4(address) => {
            let v4 = sockaddr_in {
                sin_family: AF_INET as u16,
                sin_port: address.port().to_be(),
                sin_addr: libc::in_addr { s_addr: address.ip().to_bits().to_be() },
                sin_zero: [0; 8],
            };
            (Name { v4 }, V4_BYTES)
        }
        SocketAddr::V6(address) => {
            let v6 = sockaddr_in6 {
                sin6_family: AF_INET6 as u16,
                sin6_port: address.port().to_be(),
                sin6_flowinfo: 0,
                sin6_addr: libc::in6_addr { s6_addr: address.ip().octets() },
                sin6_scope_id: address.scope_id(),
            };
            (Name { v6 }, V6_BYTES)
        }
    }
}
