//! Peers of torrents (BEP 5), with who has the whole content (BEP 33).
//!
//! One record a torrent, in the packed pages of [`kademlia::store::arena`]. Its content is an array
//! of slots for IPv4 peers and behind it one for IPv6 peers; a slot is the compact address, the
//! second at which it expires and whether it is a seed, 10 and 22 bytes. A torrent with one peer
//! thus takes 42 bytes and its share of the index.

mod slots;

use core::net::SocketAddr;

use kademlia::Moment;
use kademlia::limit::site;
use kademlia::store::arena::{Place, Record, Sweep};
use kademlia::store::{Arena, Sources, Usage, moment, seconds};
use rand_core::Rng;

pub use slots::PORTS_PER_HOST;
use slots::{
    Announced, SLOT_V6, Shuffle, Slot, Slots, all_slots, choose, clear_expired, counts, pack,
    site_of, slot_size,
};

use super::{PAGES_PER_SWEEP, StoreSettings};
use crate::wire::Id;
use crate::wire::compact::read_address;

/// The peers of all torrents that others have announced to us.
#[derive(Clone, Debug)]
pub struct PeerStore {
    arena: Arena<{ Id::BYTES }>,
    /// Peers announced, by site.
    sites: Sources,
    settings: StoreSettings,
    peers: usize,
    refused: u64,
    displaced: u64,
}

/// Why a peer was not stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PeerRefused {
    /// The peer's site has announced as many as one may.
    #[error("too many peers announced from this network")]
    Quota,
    /// The store is full.
    #[error("the store is full")]
    Full,
    /// It would have expired already.
    #[error("expired already")]
    Expired,
}

impl PeerStore {
    /// An empty store, which has allocated nothing; the keys of its hashes come from `rng`.
    pub fn new(settings: StoreSettings, rng: &mut impl Rng) -> Self {
        Self {
            arena: Arena::new(rng),
            sites: Sources::new(rng),
            settings,
            peers: 0,
            refused: 0,
            displaced: 0,
        }
    }

    /// Stores a peer, or renews it; who announces as a seed, or no longer, is taken at the last
    /// word. A torrent that has as many peers as it may loses the one that has been silent longest:
    /// of the newcomer's own host if that holds [`PORTS_PER_HOST`] already, else of its site if one
    /// is there, else of all. Returns when the peer expires.
    pub fn announce(
        &mut self,
        now: Moment,
        info_hash: &Id,
        peer: SocketAddr,
        seed: bool,
    ) -> Result<Moment, PeerRefused> {
        let expires = now + self.settings.peer_lifetime;
        let result = self.insert(seconds(now), info_hash, &Announced::new(peer, seed, expires));
        self.refused += u64::from(result.is_err());
        result.map(|()| expires)
    }

    /// Takes back what an earlier run had stored, until it expires; the same limits hold.
    pub fn restore(&mut self, info_hash: &Id, peer: SocketAddr, seed: bool, expires: Moment) {
        let result = self.insert(0, info_hash, &Announced::new(peer, seed, expires));
        self.refused += u64::from(result.is_err());
    }

    /// Appends up to `limit` random peers of one family as bencoded compact strings, one `values`
    /// entry each; without seeds if `noseed` (BEP 33).
    #[expect(clippy::too_many_arguments, reason = "what the query asks for, and where to put it")]
    pub fn write_peers(
        &self,
        now: Moment,
        info_hash: &Id,
        v6: bool,
        noseed: bool,
        limit: usize,
        rng: &mut impl Rng,
        out: &mut Vec<u8>,
    ) {
        let slots = self.record(info_hash).map_or(Slots::none(), |record| Slots::of(record, v6));
        let now = seconds(now);
        let shuffled = Shuffle::new(slots.len(), rng).filter_map(|index| slots.get(index));
        let wanted = shuffled.filter(|slot| slot.due > now && !(noseed && slot.seed));
        for slot in wanted.take(limit) {
            out.extend_from_slice(if v6 { b"18:" } else { b"6:" });
            out.extend_from_slice(slot.address);
        }
    }

    /// All peers of a torrent, of both families, and whether each is a seed.
    pub fn peers_of(
        &self,
        now: Moment,
        info_hash: &Id,
    ) -> impl Iterator<Item = (SocketAddr, bool)> {
        let now = seconds(now);
        let slots = self.record(info_hash).into_iter().flat_map(all_slots);
        let alive = slots.filter(move |slot| slot.due > now);
        alive.filter_map(|slot| Some((read_address(slot.address)?, slot.seed)))
    }

    /// Appends up to `limit` random info-hashes, 20 bytes each (BEP 51); never more than
    /// [`MAX_SAMPLE`].
    pub fn write_sample(&self, limit: usize, rng: &mut impl Rng, out: &mut Vec<u8>) {
        let mut left = limit;
        self.arena.sample::<MAX_SAMPLE>(rng, |record| {
            if left > 0 {
                left -= 1;
                out.extend_from_slice(record.key);
            }
        });
    }

    /// All peers: torrent, address, whether it is a seed, when it expires. For a snapshot.
    pub fn iter(&self, now: Moment) -> impl Iterator<Item = (Id, SocketAddr, bool, Moment)> {
        let now = seconds(now);
        self.arena.iter().flat_map(move |record| {
            let alive = all_slots(record).filter(move |slot| slot.due > now);
            alive.filter_map(move |slot| {
                let peer = read_address(slot.address)?;
                Some((Id::new(*record.key), peer, slot.seed, moment(slot.due)))
            })
        })
    }

    /// How many torrents have peers.
    pub fn info_hashes(&self) -> usize {
        self.arena.len()
    }

    /// How many peers are stored, expired ones that still take room included.
    pub fn len(&self) -> usize {
        self.peers
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.arena.is_empty()
    }

    /// How full the store is (its entries are torrents), and what it had to turn away.
    pub fn usage(&self) -> Usage {
        Usage {
            entries: self.arena.len(),
            bytes: self.bytes(),
            refused: self.refused,
            displaced: self.displaced,
        }
    }

    /// Frees what expired peers hold; a bounded number a call.
    pub fn expire(&mut self, now: Moment) {
        let now = seconds(now);
        for _ in 0..PAGES_PER_SWEEP {
            if self.arena.next_due().is_none_or(|next| next > now) {
                break;
            }
            self.sweep(now, Sweep::Routine);
        }
    }

    /// When [`PeerStore::expire`] wants to be called next.
    pub fn next_expiry(&self) -> Option<Moment> {
        self.arena.next_due().map(moment)
    }

    fn record(&self, info_hash: &Id) -> Option<Record<'_, { Id::BYTES }>> {
        self.arena.get(self.arena.find(info_hash.as_bytes())?)
    }

    fn insert(&mut self, now: u32, info_hash: &Id, new: &Announced) -> Result<(), PeerRefused> {
        if new.due <= now {
            return Err(PeerRefused::Expired);
        }
        let key = info_hash.as_bytes();
        if let Plan::Write(place, index) = self.plan(now, key, new)
            && self.write(place, index, new).is_ok()
        {
            return Ok(());
        }
        self.check_quota(now, new)?;
        let mut plan = self.plan(now, key, new);
        if !matches!(plan, Plan::Write(..)) {
            self.make_room(now, key, new)?;
            // That may have moved the record, or removed it.
            plan = self.plan(now, key, new);
        }
        match plan {
            Plan::Write(place, index) => self.write(place, index, new),
            Plan::Grow => self.grow(key, new),
            Plan::Begin => self.begin(key, new),
        }
    }

    /// Where the peer will go.
    fn plan(&self, now: u32, key: &[u8; Id::BYTES], new: &Announced) -> Plan {
        let Some(place) = self.arena.find(key) else {
            return Plan::Begin;
        };
        let Some(record) = self.arena.get(place) else {
            return Plan::Begin;
        };
        let slots = Slots::of(record, new.v6());
        let limit = self.settings.peers_per_torrent.max(1).into();
        choose(slots, now, new, limit).map_or(Plan::Grow, |index| Plan::Write(place, index))
    }

    /// Writes the peer over a slot, which may be its own, free, or another's.
    fn write(&mut self, place: Place, index: usize, new: &Announced) -> Result<(), PeerRefused> {
        let Some(record) = self.arena.get(place) else {
            return Err(PeerRefused::Full);
        };
        let slots = Slots::of(record, new.v6());
        let old = slots.get(index).filter(|slot| slot.due > 0);
        let own = old.filter(|slot| slot.address == new.address());
        let old_site = old.map(|slot| self.sites.id(site_of(slot.address)));
        let due = own.map_or(new.due, |slot| slot.due.max(new.due));
        let earliest = record.due.min(due);
        let start = slots.start + index * slots.size;

        let site = self.sites.id(site(new.peer.ip()));
        if old_site != Some(site) {
            let limit = self.settings.peers_per_site;
            if self.sites.usage(site) >= limit {
                return Err(PeerRefused::Quota);
            }
            self.sites.charge(site, 1);
            if let Some(old_site) = old_site {
                self.sites.release(old_site, 1);
            }
        }
        self.peers += usize::from(old_site.is_none());
        self.arena.set_due(place, earliest);
        if let Some(value) = self.arena.value_mut(place) {
            new.write(due, value.get_mut(start..).unwrap_or_default());
        }
        Ok(())
    }

    /// Adds slots to a torrent whose slots are all taken, a quarter of what it has, and the peer.
    fn grow(&mut self, key: &[u8; Id::BYTES], new: &Announced) -> Result<(), PeerRefused> {
        let record = self.arena.find(key).and_then(|place| self.arena.get(place));
        let Some(record) = record else {
            return Err(PeerRefused::Full);
        };
        let (v4, v6) = counts(record.tag);
        let slots = Slots::of(record, new.v6());
        let more = growth(slots.len(), self.settings.peers_per_torrent.into());
        let (end, len) = (slots.start + slots.len() * slots.size, record.value.len());
        let (index, added) = (slots.len(), more * slots.size);
        let tag = if new.v6() { pack(v4, v6 + more) } else { pack(v4 + more, v6) };

        let place = self.arena.resize(key, len + added).ok_or(PeerRefused::Full)?;
        self.arena.set_tag(place, tag);
        if let Some(value) = self.arena.value_mut(place) {
            // What lies behind moves up: the IPv6 slots, if it is IPv4 that grows.
            value.copy_within(end..len, end + added);
            value.get_mut(end..end + added).unwrap_or_default().fill(0);
        }
        self.write(place, index, new)
    }

    /// Stores the first peer of a torrent.
    fn begin(&mut self, key: &[u8; Id::BYTES], new: &Announced) -> Result<(), PeerRefused> {
        let mut value = [0; SLOT_V6];
        new.write(new.due, &mut value);
        let tag = if new.v6() { pack(0, 1) } else { pack(1, 0) };
        let value = value.get(..slot_size(new.v6())).unwrap_or_default();
        let record = Record { key, due: new.due, tag, value };
        self.arena.insert(record).map_err(|_| PeerRefused::Full)?;
        self.sites.charge(self.sites.id(site(new.peer.ip())), 1);
        self.peers += 1;
        Ok(())
    }

    fn check_quota(&mut self, now: u32, new: &Announced) -> Result<(), PeerRefused> {
        let site = self.sites.id(site(new.peer.ip()));
        for _ in 0..=SWEEPS_PER_ANNOUNCE {
            if self.sites.usage(site) < self.settings.peers_per_site {
                return Ok(());
            }
            if !self.sweep(now, Sweep::Pressed) {
                break;
            }
        }
        Err(PeerRefused::Quota)
    }

    /// Bytes of memory, as they are counted against the limit.
    fn bytes(&self) -> usize {
        let overhead = self.arena.len() * INDEX_BYTES + self.sites.len() * SITE_BYTES;
        self.arena.live_bytes() + overhead
    }

    /// Sees to it that the peer finds room, or changes nothing but what had expired.
    fn make_room(
        &mut self,
        now: u32,
        key: &[u8; Id::BYTES],
        new: &Announced,
    ) -> Result<(), PeerRefused> {
        let slots = self.arena.find(key).and_then(|place| self.arena.get(place));
        let slots = slots.map(|record| Slots::of(record, new.v6()).len());
        let more = slots.map_or(1, |len| growth(len, self.settings.peers_per_torrent.into()));
        let slots = more * slot_size(new.v6()) + SITE_BYTES;
        let record = Arena::<{ Id::BYTES }>::record_bytes(0) + INDEX_BYTES;
        let limit = self.settings.peer_bytes.saturating_sub(slots + record);
        for _ in 0..SWEEPS_PER_ANNOUNCE {
            if self.bytes() <= limit {
                return Ok(());
            }
            if !self.sweep(now, Sweep::Pressed) {
                break;
            }
        }
        let lacking = self.bytes().saturating_sub(limit);
        if lacking > 0 { self.displace(lacking, key, new) } else { Ok(()) }
    }

    /// Removes torrents all of whose peers belong to sites that hold more than the newcomer's
    /// would. The first peers of a torrent speak for all: whoever fills us with torrents of his own
    /// is among them, and a torrent that others share with him is spared.
    fn displace(
        &mut self,
        lacking: usize,
        keep: &[u8; Id::BYTES],
        new: &Announced,
    ) -> Result<(), PeerRefused> {
        let sites = &self.sites;
        let holds = sites.usage(sites.id(site(new.peer.ip()))) + 1;
        let mut drawn = Vec::with_capacity(DRAWS);
        self.arena.draw(DRAWS, |record| {
            let taken = all_slots(record).filter(|slot| slot.due > 0).take(SPEAKERS);
            let usage = taken.map(|slot| sites.usage(sites.id(site_of(slot.address)))).min();
            let bytes = Arena::<{ Id::BYTES }>::record_bytes(record.value.len()) + INDEX_BYTES;
            drawn.push((usage.unwrap_or(u32::MAX), *record.key, bytes));
        });
        drawn.sort_unstable_by(|a, b| b.cmp(a));
        drawn.dedup();
        drawn.retain(|(usage, key, _)| *usage > holds && key != keep);
        let mut left = lacking;
        let losers = drawn.iter().take_while(|(_, _, bytes)| {
            let needed = left > 0;
            left = left.saturating_sub(*bytes);
            needed
        });
        let losers = losers.count();
        if left > 0 {
            return Err(PeerRefused::Full);
        }
        for (_, key, _) in drawn.iter().take(losers) {
            self.drop_torrent(key);
            self.displaced += 1;
        }
        Ok(())
    }

    fn drop_torrent(&mut self, key: &[u8; Id::BYTES]) {
        let Some(place) = self.arena.find(key) else {
            return;
        };
        let slots = self.arena.get(place).into_iter().flat_map(all_slots);
        for slot in slots.filter(|slot| slot.due > 0) {
            self.sites.release(self.sites.id(site_of(slot.address)), 1);
            self.peers -= 1;
        }
        self.arena.remove(place);
    }

    /// Frees the slots of expired peers on one page, and the torrents that have none left.
    fn sweep(&mut self, now: u32, why: Sweep) -> bool {
        let Self { arena, sites, peers, .. } = self;
        let mut sparse = Vec::new();
        let swept = arena.sweep(now, why, |record| {
            let (next, live) = clear_expired(record.tag, record.value, now, |address| {
                sites.release(sites.id(site_of(address)), 1);
                *peers -= 1;
            });
            let (v4, v6) = counts(record.tag);
            if live > 0 && v4 + v6 > MIN_SPARSE_SLOTS && live < (v4 + v6) / 4 {
                sparse.push(*record.key);
            }
            (live > 0).then_some(next)
        });
        for key in sparse {
            self.pack_torrent(&key);
        }
        swept
    }

    /// Gives back the free slots of a torrent.
    fn pack_torrent(&mut self, key: &[u8; Id::BYTES]) {
        let record = self.arena.find(key).and_then(|place| self.arena.get(place));
        let Some(record) = record else {
            return;
        };
        let (mut packed, mut taken) = (Vec::new(), [0, 0]);
        for (v6, count) in [false, true].into_iter().zip(&mut taken) {
            for slot in Slots::of(record, v6).bytes.chunks_exact(slot_size(v6)) {
                if Slot::read(slot).is_some_and(|slot| slot.due > 0) {
                    packed.extend_from_slice(slot);
                    *count += 1;
                }
            }
        }
        let [v4, v6] = taken;
        if let Some(place) = self.arena.resize(key, packed.len()) {
            self.arena.set_tag(place, pack(v4, v6));
            if let Some(value) = self.arena.value_mut(place) {
                value.copy_from_slice(&packed);
            }
        }
    }
}

/// Info-hashes in a sample at most: what fits a datagram beside the contacts (libtorrent's number).
pub const MAX_SAMPLE: usize = 20;

/// Pages swept at most to make room for one peer.
const SWEEPS_PER_ANNOUNCE: usize = 4;

/// What a torrent costs in the arena's index, and a site in the accounting, at most.
const INDEX_BYTES: usize = 11;
const SITE_BYTES: usize = 20;

/// Torrents looked at when some have to give way; see `kademlia::store`.
const DRAWS: usize = 64;

/// Peers of each of them that are looked at.
const SPEAKERS: usize = 8;

/// Torrents with more slots than that give them back when three quarters are free.
const MIN_SPARSE_SLOTS: usize = 16;

/// Slots to add to `len` of them: a quarter, so that a growing torrent is copied rarely and wastes
/// little.
fn growth(len: usize, limit: usize) -> usize {
    (len / 4).clamp(1, limit.saturating_sub(len).max(1))
}

/// What will become of an announced peer.
#[derive(Clone, Copy)]
enum Plan {
    /// It goes to a slot of the torrent's record that is there already.
    Write(Place, usize),
    /// The torrent gets more slots.
    Grow,
    /// The torrent is new.
    Begin,
}

#[cfg(test)]
mod tests;
