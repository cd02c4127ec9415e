//! Who a node is and where: [`Peer`], what messages come from and go to, and [`Endpoint`], an
//! address as tables keep it and as contacts travel on the wire.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use kademlia::{Address, Contact, Key};

/// A node at an address: its id, which is its Ed25519 public key, and where it is reached.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Peer {
    /// The id; all zero if nobody has proven one: "whoever is there".
    pub id: Key,
    /// Where it is reached.
    pub address: SocketAddr,
}

impl Peer {
    /// A node with a known id.
    pub const fn new(id: Key, address: SocketAddr) -> Self {
        Self { id, address }
    }

    /// Whoever is at this address.
    pub const fn unproven(address: SocketAddr) -> Self {
        Self { id: Key::ZERO, address }
    }

    /// Whether an id is known.
    pub fn is_proven(&self) -> bool {
        self.id != Key::ZERO
    }

    pub(crate) fn contact(&self) -> Contact<Endpoint> {
        Contact { key: self.id, address: Endpoint::new(self.address) }
    }
}

impl From<Contact<Endpoint>> for Peer {
    fn from(contact: Contact<Endpoint>) -> Self {
        Self { id: contact.key, address: contact.address.socket() }
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_proven() {
            write!(f, "{:?}@{}", self.id, self.address)
        } else {
            write!(f, "?@{}", self.address)
        }
    }
}

/// An address of either family in 18 bytes: tables are mostly addresses and keys. IPv4 addresses
/// are kept in their IPv6-mapped form; flow labels and scopes are not kept.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    ip: [u8; 16],
    port: [u8; 2],
}

impl Endpoint {
    /// The endpoint of a socket address.
    pub const fn new(address: SocketAddr) -> Self {
        let ip = match address.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
            IpAddr::V6(ip) => ip.octets(),
        };
        Self { ip, port: address.port().to_be_bytes() }
    }

    /// As a socket address.
    pub fn socket(self) -> SocketAddr {
        SocketAddr::new(self.host(), self.port())
    }

    /// Whether it is one of IPv4.
    pub const fn is_v4(self) -> bool {
        Ipv6Addr::from_octets(self.ip).to_ipv4_mapped().is_some()
    }
}

impl Address for Endpoint {
    fn host(&self) -> IpAddr {
        let ip = Ipv6Addr::from_octets(self.ip);
        ip.to_ipv4_mapped().map_or(IpAddr::V6(ip), IpAddr::V4)
    }

    fn port(&self) -> u16 {
        u16::from_be_bytes(self.port)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.socket())
    }
}

/// Bytes of a contact with an IPv4 address on the wire: id, address, port.
pub const PACKED_V4_BYTES: usize = 38;
/// Bytes of a contact with an IPv6 address on the wire.
pub const PACKED_V6_BYTES: usize = 50;

/// Appends a contact as it travels.
pub fn pack(contact: &Contact<Endpoint>, out: &mut Vec<u8>) {
    out.extend_from_slice(contact.key.as_bytes());
    match contact.address.host() {
        IpAddr::V4(ip) => out.extend_from_slice(&ip.octets()),
        IpAddr::V6(ip) => out.extend_from_slice(&ip.octets()),
    }
    out.extend_from_slice(&contact.address.port);
}

/// The contacts in `packed`, whose addresses have 4 or 16 bytes; a broken rest is ignored.
pub fn unpack(packed: &[u8], is_v4: bool) -> impl Iterator<Item = Contact<Endpoint>> + Clone {
    let size = if is_v4 { PACKED_V4_BYTES } else { PACKED_V6_BYTES };
    packed.chunks_exact(size).filter_map(unpack_one)
}

fn unpack_one(packed: &[u8]) -> Option<Contact<Endpoint>> {
    let (id, rest) = packed.split_first_chunk::<32>()?;
    let (ip, port) = rest.split_last_chunk::<2>()?;
    let host = match <[u8; 4]>::try_from(ip) {
        Ok(octets) => IpAddr::V4(Ipv4Addr::from(octets)),
        Err(_) => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(ip).ok()?)),
    };
    // An IPv4 address in IPv6's clothes would be a second name of one node.
    if host.is_ipv6() && host.to_canonical().is_ipv4() {
        return None;
    }
    let address = Endpoint::new(SocketAddr::new(host, u16::from_be_bytes(*port)));
    Some(Contact { key: Key::new(*id), address })
}

#[cfg(test)]
mod tests;
