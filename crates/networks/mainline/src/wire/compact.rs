//! Compact addresses and contacts: BEP 5, "Contact Encoding"; BEP 32 for IPv6.

use core::marker::PhantomData;
use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use kademlia::{Address, Contact};

use super::bencode::{self, Reader};
use super::id::Id;

/// An address with a compact form: the IP and then the port, both big-endian.
pub trait Compact: Address {
    /// Length of a compact address: 6 for IPv4, 18 for IPv6.
    const ADDRESS_BYTES: usize;
    /// Length of a compact contact: an id and an address.
    const CONTACT_BYTES: usize = Id::BYTES + Self::ADDRESS_BYTES;

    /// A compact address.
    type Bytes: AsRef<[u8]>;

    /// Reads an address that is exactly `bytes`.
    fn from_compact(bytes: &[u8]) -> Option<Self>;
    /// The address in its compact form.
    fn to_compact(&self) -> Self::Bytes;

    /// Appends the address.
    fn write_compact(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.to_compact().as_ref());
    }
}

impl Compact for SocketAddrV4 {
    const ADDRESS_BYTES: usize = 6;
    type Bytes = [u8; 6];

    fn from_compact(bytes: &[u8]) -> Option<Self> {
        let (ip, port) = bytes.split_first_chunk::<4>()?;
        let port = u16::from_be_bytes(port.try_into().ok()?);
        Some(Self::new(Ipv4Addr::from(*ip), port))
    }

    fn to_compact(&self) -> [u8; 6] {
        let [a, b, c, d] = self.ip().octets();
        let [high, low] = self.port().to_be_bytes();
        [a, b, c, d, high, low]
    }
}

impl Compact for SocketAddrV6 {
    const ADDRESS_BYTES: usize = 18;
    type Bytes = [u8; 18];

    fn from_compact(bytes: &[u8]) -> Option<Self> {
        let (ip, port) = bytes.split_first_chunk::<16>()?;
        let port = u16::from_be_bytes(port.try_into().ok()?);
        Some(Self::new(Ipv6Addr::from(*ip), port, 0, 0))
    }

    fn to_compact(&self) -> [u8; 18] {
        let mut bytes = [0; 18];
        let (ip, port) = bytes.split_at_mut(16);
        ip.copy_from_slice(&self.ip().octets());
        port.copy_from_slice(&self.port().to_be_bytes());
        bytes
    }
}

/// Reads a compact address of either family.
pub fn read_address(bytes: &[u8]) -> Option<SocketAddr> {
    match bytes.len() {
        SocketAddrV4::ADDRESS_BYTES => SocketAddrV4::from_compact(bytes).map(SocketAddr::V4),
        SocketAddrV6::ADDRESS_BYTES => SocketAddrV6::from_compact(bytes).map(SocketAddr::V6),
        _ => None,
    }
}

/// Appends a compact address of either family, as a bencoded string: one entry of [`Values`], and
/// the value of the key `ip`.
pub fn write_address(out: &mut Vec<u8>, address: SocketAddr) {
    match address {
        SocketAddr::V4(address) => {
            out.extend_from_slice(b"6:");
            address.write_compact(out);
        }
        SocketAddr::V6(address) => {
            out.extend_from_slice(b"18:");
            address.write_compact(out);
        }
    }
}

/// Appends a compact contact: one entry of [`Nodes`].
pub fn write_contact<A: Compact>(out: &mut Vec<u8>, contact: &Contact<A>) {
    out.extend_from_slice(&contact.key.id::<{ Id::BYTES }>());
    contact.address.write_compact(out);
}

/// The contacts of a `nodes` or `nodes6` string.
///
/// Yields those with a usable address (a port, a unicast host) and passes over the others, and over
/// an incomplete one at the end.
#[derive(Clone, Debug)]
pub struct Nodes<'a, A> {
    rest: &'a [u8],
    family: PhantomData<A>,
}

impl<'a, A: Compact> Nodes<'a, A> {
    /// The contacts in `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, family: PhantomData }
    }
}

impl<A: Compact> Iterator for Nodes<'_, A> {
    type Item = Contact<A>;

    fn next(&mut self) -> Option<Contact<A>> {
        loop {
            let (entry, rest) = self.rest.split_at_checked(A::CONTACT_BYTES)?;
            self.rest = rest;
            let (id, address) = entry.split_first_chunk::<{ Id::BYTES }>()?;
            let address = A::from_compact(address)?;
            if address.is_usable() {
                let key = Id::new(*id).key();
                return Some(Contact { key, address });
            }
        }
    }
}

/// The peers of a `values` list: what stands between the list's `l` and `e`.
///
/// Iterating yields addresses of both families (BEP 32 asks for tolerance of mixed lists) and
/// passes over what is no usable address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Values<'a>(&'a [u8]);

impl<'a> Values<'a> {
    /// From entries written with [`write_address`].
    pub const fn new(entries: &'a [u8]) -> Self {
        Self(entries)
    }

    /// The bencoded entries.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0
    }

    /// The peers.
    pub fn iter(&self) -> impl Iterator<Item = SocketAddr> + use<'a> {
        let mut reader = Reader::new(self.0);
        core::iter::from_fn(move || {
            while reader.peek().is_some() {
                let entry = Reader::new(reader.element(bencode::MAX_VALUE_DEPTH).ok()?).string();
                let peer = entry.ok().and_then(read_address);
                if let Some(peer) = peer.filter(Address::is_usable) {
                    return Some(peer);
                }
            }
            None
        })
    }
}

#[cfg(test)]
mod tests;
