//! How the peers of one torrent lie in its record, and which slot a newcomer gets.

use core::net::{IpAddr, SocketAddr};

use kademlia::limit::site;
use kademlia::store::arena::Record;
use kademlia::store::seconds_until;
use kademlia::{Address, Moment};
use rand_core::Rng;

use crate::wire::compact::read_address;

/// Ports of one host (IPv6: of one /64) in one torrent at most: room for some clients behind one
/// address, little room for one client that fills a torrent with itself. Local hosts are exempt.
pub const PORTS_PER_HOST: usize = 16;

/// Address, then expiry and seed flag in four bytes.
pub(super) const SLOT_V4: usize = 6 + 4;
pub(super) const SLOT_V6: usize = 18 + 4;

pub(super) const fn slot_size(v6: bool) -> usize {
    if v6 { SLOT_V6 } else { SLOT_V4 }
}

/// A record's tag: the number of its IPv4 slots and of its IPv6 slots.
pub(super) fn pack(v4: usize, v6: usize) -> u32 {
    let narrow = |count| u32::from(u16::try_from(count).unwrap_or(u16::MAX));
    narrow(v4) | narrow(v6) << 16
}

pub(super) const fn counts(tag: u32) -> (usize, usize) {
    ((tag & 0xffff) as usize, (tag >> 16) as usize)
}

/// A peer to be stored.
pub(super) struct Announced {
    pub(super) peer: SocketAddr,
    bytes: [u8; 18],
    seed: bool,
    pub(super) due: u32,
}

impl Announced {
    pub(super) fn new(peer: SocketAddr, seed: bool, expires: Moment) -> Self {
        let mut bytes = [0; 18];
        let mut at = 0;
        let mut push = |part: &[u8]| {
            let end = at + part.len();
            bytes.get_mut(at..end).unwrap_or_default().copy_from_slice(part);
            at = end;
        };
        match peer.ip() {
            IpAddr::V4(ip) => push(&ip.octets()),
            IpAddr::V6(ip) => push(&ip.octets()),
        }
        push(&peer.port().to_be_bytes());
        // The seed flag takes the 32nd bit: 68 years.
        let due = seconds_until(expires).min(u32::MAX >> 1);
        Self { peer, bytes, seed, due }
    }

    pub(super) const fn v6(&self) -> bool {
        self.peer.is_ipv6()
    }

    pub(super) fn address(&self) -> &[u8] {
        self.bytes.get(..slot_size(self.v6()) - 4).unwrap_or_default()
    }

    /// The leading bytes that the host's addresses share: all of IPv4, the /64 of IPv6.
    pub(super) fn host(&self) -> &[u8] {
        self.bytes.get(..if self.v6() { 8 } else { 4 }).unwrap_or_default()
    }

    /// The leading bytes that the site's addresses share.
    pub(super) fn site(&self) -> &[u8] {
        self.bytes.get(..if self.v6() { 6 } else { 3 }).unwrap_or_default()
    }

    /// Fills the slot that `out` begins with.
    pub(super) fn write(&self, due: u32, out: &mut [u8]) {
        let address = self.address();
        if let Some((head, rest)) = out.split_at_mut_checked(address.len())
            && let Some(stamp) = rest.first_chunk_mut()
        {
            head.copy_from_slice(address);
            *stamp = (due << 1 | u32::from(self.seed)).to_le_bytes();
        }
    }
}

/// The slots of one family of a torrent.
#[derive(Clone, Copy)]
pub(super) struct Slots<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) size: usize,
    /// Where they begin in the record's value.
    pub(super) start: usize,
}

/// One peer's slot.
#[derive(Clone, Copy)]
pub(super) struct Slot<'a> {
    /// Compact.
    pub(super) address: &'a [u8],
    /// When it expires; 0: free.
    pub(super) due: u32,
    pub(super) seed: bool,
}

impl<'a> Slots<'a> {
    pub(super) const fn none() -> Self {
        Self { bytes: &[], size: SLOT_V4, start: 0 }
    }

    pub(super) fn of<const K: usize>(record: Record<'a, K>, v6: bool) -> Self {
        let (v4_slots, _) = counts(record.tag);
        let border = v4_slots * SLOT_V4;
        let (head, tail) = record.value.split_at_checked(border).unwrap_or((record.value, &[]));
        if v6 {
            Self { bytes: tail, size: SLOT_V6, start: border }
        } else {
            Self { bytes: head, size: SLOT_V4, start: 0 }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len() / self.size
    }

    pub(super) fn get(&self, index: usize) -> Option<Slot<'a>> {
        Slot::read(self.bytes.get(index * self.size..)?.get(..self.size)?)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Slot<'a>> + use<'a> {
        self.bytes.chunks_exact(self.size).filter_map(Slot::read)
    }
}

impl<'a> Slot<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (address, stamp) = bytes.split_last_chunk()?;
        let stamp = u32::from_le_bytes(*stamp);
        Some(Self { address, due: stamp >> 1, seed: stamp & 1 != 0 })
    }
}

pub(super) fn all_slots<const K: usize>(record: Record<'_, K>) -> impl Iterator<Item = Slot<'_>> {
    Slots::of(record, false).iter().chain(Slots::of(record, true).iter())
}

pub(super) fn site_of(address: &[u8]) -> u64 {
    read_address(address).map_or(0, |peer| site(peer.ip()))
}

/// The slot for a peer: its own, a free one, or that of who has to go; `None` if there may be more
/// slots.
pub(super) fn choose(slots: Slots<'_>, now: u32, new: &Announced, limit: usize) -> Option<usize> {
    let older = |best: &mut Option<(u32, usize)>, slot: (u32, usize)| {
        *best = Some(best.map_or(slot, |best| best.min(slot)));
    };
    let (mut free, mut ports) = (None, 0);
    let (mut of_host, mut of_site, mut of_all) = (None, None, None);
    for (index, slot) in slots.iter().enumerate() {
        if slot.address == new.address() {
            return Some(index);
        }
        if slot.due <= now {
            free = free.or(Some(index));
            continue;
        }
        let aged = (slot.due, index);
        older(&mut of_all, aged);
        if slot.address.starts_with(new.site()) {
            older(&mut of_site, aged);
        }
        if slot.address.starts_with(new.host()) {
            older(&mut of_host, aged);
            ports += 1;
        }
    }
    let loser = if ports >= PORTS_PER_HOST && !new.peer.is_local() {
        of_host
    } else if free.is_none() && slots.len() >= limit {
        of_site.or(of_all)
    } else {
        None
    };
    loser.map(|(_, index)| index).or(free)
}

/// Clears the slots of expired peers, telling of each. Returns when the next one expires, and how
/// many are left.
pub(super) fn clear_expired(
    tag: u32,
    value: &mut [u8],
    now: u32,
    mut expired: impl FnMut(&[u8]),
) -> (u32, usize) {
    let (mut next, mut live) = (u32::MAX, 0);
    let (v4_slots, _) = counts(tag);
    let border = (v4_slots * SLOT_V4).min(value.len());
    let (v4, v6) = value.split_at_mut(border);
    for bytes in v4.chunks_exact_mut(SLOT_V4).chain(v6.chunks_exact_mut(SLOT_V6)) {
        let Some(slot) = Slot::read(bytes).filter(|slot| slot.due > 0) else {
            continue;
        };
        if slot.due > now {
            next = next.min(slot.due);
            live += 1;
        } else {
            expired(slot.address);
            bytes.fill(0);
        }
    }
    (next, live)
}

/// Visits the numbers below `len` once each, in one of `16 · len` orders: every number is equally
/// likely to be among the first, and it takes one random draw and no memory.
pub(super) struct Shuffle {
    next: usize,
    stride: usize,
    len: usize,
    left: usize,
}

impl Shuffle {
    /// Primes above any number of slots, so that each shares no factor with it.
    const PRIMES: [usize; 16] = [
        65537, 65539, 65543, 65551, 65557, 65563, 65579, 65581, 65587, 65599, 65609, 65617, 65629,
        65633, 65647, 65651,
    ];

    pub(super) fn new(len: usize, rng: &mut impl Rng) -> Self {
        let random = if len > 1 { rng.next_u32() } else { 0 };
        let prime = Self::PRIMES.get(random as usize & 15).copied().unwrap_or(1);
        let next = (u64::from(random >> 4) * len as u64) >> 28;
        let stride = prime.checked_rem(len).unwrap_or(0);
        Self { next: usize::try_from(next).unwrap_or(0), stride, len, left: len }
    }
}

impl Iterator for Shuffle {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        self.left = self.left.checked_sub(1)?;
        let index = self.next;
        self.next += self.stride;
        if self.next >= self.len {
            self.next -= self.len;
        }
        Some(index)
    }
}
