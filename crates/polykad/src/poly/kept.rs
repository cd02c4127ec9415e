//! What a node of `poly` keeps on disk of itself: its secret key, and its contacts.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use client::Key;
use poly::contact::Peer;

/// Contacts kept at most: enough to find back in after years.
pub(crate) const MAX_CONTACTS: usize = 1000;

/// Names of what is kept.
pub(crate) const SECRET_KEY: &str = "poly/secret-key";
pub(crate) const CONTACTS: &str = "poly/contacts";

/// Id, IPv6 address (IPv4 in its mapped form), port.
const CONTACT_BYTES: usize = 32 + 16 + 2;

/// Contacts as bytes.
pub(crate) fn encode_contacts(contacts: &[Peer]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(contacts.len() * CONTACT_BYTES);
    for Peer { id, address } in contacts {
        let ip = match address.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        bytes.extend_from_slice(id.as_bytes());
        bytes.extend_from_slice(&ip.octets());
        bytes.extend_from_slice(&address.port().to_be_bytes());
    }
    bytes
}

/// Contacts from bytes; what is left over at the end is none.
pub(crate) fn decode_contacts(bytes: &[u8]) -> impl Iterator<Item = Peer> {
    bytes.as_chunks::<CONTACT_BYTES>().0.iter().filter_map(|bytes| {
        let (id, rest) = bytes.split_first_chunk::<32>()?;
        let (ip, rest) = rest.split_first_chunk::<16>()?;
        let ip = Ipv6Addr::from_octets(*ip).to_canonical();
        let port = u16::from_be_bytes(*rest.first_chunk()?);
        Some(Peer::new(Key::new(*id), SocketAddr::new(ip, port)))
    })
}

#[cfg(test)]
mod tests;
