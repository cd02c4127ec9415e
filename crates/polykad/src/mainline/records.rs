//! What a Mainline node keeps on disk, and how it is written down.
//!
//! State: the ids, and the contacts as BEP 5's compact node info (26 bytes each) with BEP 32's (38)
//! behind a count. Values, by key: a torrent's peers, and items. All lengths are fixed but the
//! last, so nothing is framed. Numbers are big-endian. Changing any of this changes the format's
//! version in `disk/file.rs`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use kademlia::{Contact, Key};
use mainline::command::{Item, Stored};
use mainline::item::{MutableItem, Salt, immutable_target};
use mainline::node::{Node, Settings};
use mainline::wire::Id;

use crate::clock::{Calendar, unix_seconds};
use crate::disk::{Disk, DiskError, Opened};

/// Under which the contacts are kept.
pub(super) const CONTACTS: &str = "mainline-contacts";

/// Contacts kept at most: twice what a full table holds.
pub(super) const MAX_CONTACTS: usize = 2 * 160 * 8;

const PEER: u8 = b'p';
const IMMUTABLE: u8 = b'i';
const MUTABLE: u8 = b'm';

/// Under which the id of one family is kept.
pub(super) const fn id_name(v6: bool) -> &'static str {
    if v6 { "mainline-id-v6" } else { "mainline-id-v4" }
}

/// A node as the last run left it; returns it with the number of contacts it knows.
pub(crate) fn restore(
    opened: &Opened,
    calendar: Calendar,
    mut settings: Settings,
    seed: [u8; 32],
) -> Result<(Node, usize), DiskError> {
    let id = |v6| -> Result<Option<Id>, DiskError> {
        let bytes = opened.state(id_name(v6))?;
        Ok(bytes.and_then(|bytes| bytes.first_chunk().copied().map(Id::new)))
    };
    settings.id_v4 = id(false)?.or(settings.id_v4);
    settings.id_v6 = id(true)?.or(settings.id_v6);
    let (v4, v6) = (settings.v4, settings.v6);
    let mut node = Node::new(settings, seed);
    let contacts = opened.state(CONTACTS)?.unwrap_or_default();
    let contacts: Vec<_> = decode_contacts(&contacts)
        .filter(|contact| if contact.address.is_ipv4() { v4 } else { v6 })
        .collect();
    let known = contacts.len();
    node.restore_contacts(contacts);
    opened.values(unix_seconds(), |key, value, expires| {
        if let Some(stored) = decode(key, value, expires, calendar) {
            node.restore(stored);
        }
    })?;
    Ok((node, known))
}

/// Hands a change of the store to the disk.
pub(super) fn keep(disk: &Disk, calendar: Calendar, stored: &Stored) {
    match stored {
        Stored::Peer { info_hash, peer, seed, expires } => {
            let mut key = [0; 1 + Id::BYTES + 18];
            let key = pack(&mut key, &[&[PEER], info_hash.as_bytes(), &host_bytes(*peer)]);
            disk.keep(key, &[u8::from(*seed)], calendar.to_unix(*expires));
        }
        Stored::Item { item: Item::Immutable(value), expires } => {
            let mut key = [0; 1 + Id::BYTES];
            let key = pack(&mut key, &[&[IMMUTABLE], immutable_target(value).as_bytes()]);
            disk.keep(key, value, calendar.to_unix(*expires));
        }
        Stored::Item { item: Item::Mutable(item), expires } => {
            let mut key = [0; 1 + 32 + mainline::item::MAX_SALT_BYTES];
            let key = pack(&mut key, &[&[MUTABLE], &item.public_key, item.salt.as_bytes()]);
            let mut value = [0; 8 + 64 + mainline::item::MAX_VALUE_BYTES];
            let value = pack(&mut value, &[&item.seq.to_be_bytes(), &item.signature, &item.value]);
            disk.keep(key, value, calendar.to_unix(*expires));
        }
    }
}

/// Writes `parts` one after another; what exceeds the buffer is cut off.
fn pack<'a>(buffer: &'a mut [u8], parts: &[&[u8]]) -> &'a [u8] {
    let bytes = parts.iter().flat_map(|part| part.iter());
    let mut length = 0;
    for (place, byte) in buffer.iter_mut().zip(bytes) {
        *place = *byte;
        length += 1;
    }
    buffer.get(..length).unwrap_or_default()
}

/// What was stored, if it is understood.
fn decode(key: &[u8], value: &[u8], expires: u64, calendar: Calendar) -> Option<Stored> {
    let expires = calendar.moment(expires);
    let (&kind, key) = key.split_first()?;
    match kind {
        PEER => {
            let (info_hash, peer) = key.split_first_chunk()?;
            Some(Stored::Peer {
                info_hash: Id::new(*info_hash),
                peer: host(peer)?,
                seed: value.first().is_some_and(|&seed| seed != 0),
                expires,
            })
        }
        IMMUTABLE => Some(Stored::Item { item: Item::Immutable(value.into()), expires }),
        MUTABLE => {
            let (public_key, salt) = key.split_first_chunk()?;
            let (seq, value) = value.split_first_chunk()?;
            let (signature, value) = value.split_first_chunk()?;
            let item = MutableItem {
                public_key: *public_key,
                salt: Salt::new(salt).ok()?,
                seq: i64::from_be_bytes(*seq),
                value: value.into(),
                signature: *signature,
            };
            Some(Stored::Item { item: Item::Mutable(item), expires })
        }
        _ => None,
    }
}

/// Address and port, 6 or 18 bytes.
fn host_bytes(address: SocketAddr) -> HostBytes {
    let mut bytes = [0; 18];
    let port = address.port().to_be_bytes();
    let length = match address.ip() {
        IpAddr::V4(ip) => pack(&mut bytes, &[&ip.octets(), &port]).len(),
        IpAddr::V6(ip) => pack(&mut bytes, &[&ip.octets(), &port]).len(),
    };
    HostBytes { bytes, length }
}

struct HostBytes {
    bytes: [u8; 18],
    length: usize,
}

impl core::ops::Deref for HostBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

fn host(bytes: &[u8]) -> Option<SocketAddr> {
    let (ip, port) = bytes.split_last_chunk()?;
    let ip = match *ip {
        [_, _, _, _] => IpAddr::V4(Ipv4Addr::from(*ip.first_chunk::<4>()?)),
        _ => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(ip).ok()?)),
    };
    Some(SocketAddr::new(ip, u16::from_be_bytes(*port)))
}

/// The number of contacts on IPv4 (4 bytes), these, and those on IPv6.
pub(super) fn encode_contacts(contacts: &[Contact<SocketAddr>]) -> Vec<u8> {
    let (v4, v6): (Vec<&Contact<_>>, Vec<_>) =
        contacts.iter().partition(|contact| contact.address.is_ipv4());
    let count = u32::try_from(v4.len()).unwrap_or(u32::MAX);
    let mut bytes = count.to_be_bytes().to_vec();
    for contact in v4.into_iter().chain(v6) {
        bytes.extend_from_slice(&contact.key.id::<{ Id::BYTES }>());
        bytes.extend_from_slice(&host_bytes(contact.address));
    }
    bytes
}

fn decode_contacts(bytes: &[u8]) -> impl Iterator<Item = Contact<SocketAddr>> {
    let (count, rest) = bytes.split_first_chunk().unwrap_or((&[0; 4], &[]));
    let count = usize::try_from(u32::from_be_bytes(*count)).unwrap_or(usize::MAX);
    let v4_bytes = count.saturating_mul(Id::BYTES + 6);
    let (v4, v6) = rest.split_at_checked(v4_bytes).unwrap_or((rest, &[]));
    let v4 = v4.chunks_exact(Id::BYTES + 6);
    let v6 = v6.chunks_exact(Id::BYTES + 18);
    v4.chain(v6).filter_map(|bytes| {
        let (id, address) = bytes.split_first_chunk::<{ Id::BYTES }>()?;
        let contact = Contact { key: Key::from_id(id), address: host(address)? };
        (contact.address.port() != 0).then_some(contact)
    })
}

#[cfg(test)]
mod tests;
