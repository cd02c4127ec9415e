//! One system call a datagram, for systems without recvmmsg and sendmmsg.

use std::io;

use socket2::SockRef;
use tokio::net::UdpSocket;

use super::{MAX_DATAGRAM_BYTES, Meta, Received, STRIDE, Slot};

/// Not known how.
pub(super) const fn never_fragment(_: &UdpSocket, _: bool) -> bool {
    false
}

/// Nobody tries longer ones here.
pub(super) const fn is_too_long(_: &io::Error) -> bool {
    false
}

/// Receives at most a batch of datagrams without waiting; returns how many.
pub(super) fn receive(socket: &UdpSocket, received: &mut Received) -> io::Result<usize> {
    let slots = received.bytes.chunks_exact_mut(STRIDE);
    let mut count = 0;
    for (slot, meta) in slots.zip(received.meta.iter_mut()) {
        // One byte beyond the limit tells a datagram that was cut off.
        let buffer = slot.get_mut(..=MAX_DATAGRAM_BYTES).unwrap_or_default();
        match socket.try_recv_from(buffer) {
            Ok((bytes, from)) => {
                let cut_off = bytes > MAX_DATAGRAM_BYTES;
                received.oversized += u64::from(cut_off);
                let from = (!cut_off).then_some(from);
                *meta = Meta { from, bytes };
                count += 1;
            }
            Err(error) if count == 0 => return Err(error),
            Err(_) => break,
        }
    }
    Ok(count)
}

/// Sends the first of `slots` without waiting; returns how many the system took.
pub(super) fn send(socket: &UdpSocket, slots: &[Slot]) -> io::Result<usize> {
    // Past the runtime, which knows nothing of a new socket until it has waited for it.
    let socket = SockRef::from(socket);
    let mut count = 0;
    for slot in slots {
        match socket.send_to(&slot.bytes, &slot.to.into()) {
            Ok(_) => count += 1,
            Err(error) if count == 0 => return Err(error),
            Err(_) => break,
        }
    }
    Ok(count)
}
