//! The ids and addresses of a run's nodes, and tables drawn from them.
//!
//! Nodes of the beginning are sorted by id, so a place is a rank, and the contacts that could be in
//! bucket *j* of a node are a range of places. A hash of node, bucket and slot picks from the
//! range: a table costs no memory until it is needed. Nodes that come later have the places behind.

use core::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use core::ops::Range;
use std::collections::BTreeMap;

use kademlia::Key;
use kademlia::ahead::fetch;

use crate::engine::Place;
use crate::random::{Draw, below, mix2, mix3, unit};

/// Length of an id in bytes: Mainline's 160 bits.
pub const ID_BYTES: usize = 20;

/// An id.
pub type Id = [u8; ID_BYTES];

/// Who lives where.
#[derive(Clone, Debug)]
pub struct Ids {
    seed: u64,
    /// By place: those of the beginning in the order of their ids, then later ones.
    seats: Vec<Seat>,
    /// How many were there from the beginning.
    base: usize,
    /// For each prefix of [`INDEX_BITS`], the first place whose id is not below it.
    index: Vec<u32>,
    /// The place of each host.
    places: Vec<Place>,
    /// Nodes with addresses of their own.
    elsewhere: BTreeMap<SocketAddrV4, Place>,
    elsewhere_of: BTreeMap<Place, SocketAddrV4>,
    /// A bit for each place of the beginning where nobody was.
    absent: Vec<u64>,
    /// A bit for each place of the beginning whose node nobody knows; empty: all are known.
    unlisted: Vec<u64>,
    /// Probability that one who was not there is drawn into a table all the same.
    stale: f64,
}

/// Who lives at a place. A birth reads hundreds of them here and there: none lies on two cache
/// lines.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(32))]
struct Seat {
    id: Id,
    /// The number of its host, from which its address follows; [`NO_HOST`]: it lives elsewhere.
    host: u32,
}

const INDEX_BITS: u32 = 16;

/// Addresses are 16.0.0.0 to 79.255.255.255, of which none is reserved; hosts are spread over all
/// of it, so that hardly two share a subnet.
const FIRST_ADDRESS: u32 = 16 << 24;
const ADDRESS_BITS: u32 = 30;
const SPREAD: u32 = 0x2e4a_7d35;
/// `SPREAD`'s inverse modulo 2^32, by Newton's iteration.
const GATHER: u32 = {
    let mut inverse = SPREAD;
    let mut round = 0;
    while round < 5 {
        inverse = inverse.wrapping_mul(2u32.wrapping_sub(SPREAD.wrapping_mul(inverse)));
        round += 1;
    }
    inverse
};
const PORT: u16 = 6881;

/// Names of what is drawn.
mod about {
    pub(super) const ID: u64 = 0x1d_01;
    pub(super) const SLOT: u64 = 0x1d_02;
    pub(super) const ABSENT: u64 = 0x1d_03;
}

impl Ids {
    /// `count` nodes. `id` makes the id of the node at an address from a stream of its own.
    pub fn new(seed: u64, count: u32, mut id: impl FnMut(SocketAddrV4, &mut Draw) -> Id) -> Self {
        let mut seats: Vec<Seat> = (0..count)
            .map(|host| {
                let id = id(host_address(host), &mut Draw::new(seed, about::ID, host.into()));
                Seat { id, host }
            })
            .collect();
        seats.sort_unstable_by_key(|seat| (seat.id, seat.host));
        let mut places = vec![0; seats.len()];
        for (place, seat) in (0..).zip(&seats) {
            if let Some(entry) = places.get_mut(seat.host as usize) {
                *entry = place;
            }
        }
        let mut ids = Self {
            seed,
            base: seats.len(),
            index: Vec::new(),
            absent: vec![0; seats.len().div_ceil(64)],
            unlisted: Vec::new(),
            seats,
            places,
            elsewhere: BTreeMap::new(),
            elsewhere_of: BTreeMap::new(),
            stale: 0.0,
        };
        ids.build_index();
        ids
    }

    fn build_index(&mut self) {
        let mut index = vec![0; (1 << INDEX_BITS) + 1];
        for seat in &self.seats {
            if let Some(count) = index.get_mut(prefix(&seat.id) as usize + 1) {
                *count += 1;
            }
        }
        let mut sum = 0;
        for count in &mut index {
            sum += *count;
            *count = sum;
        }
        self.index = index;
    }

    /// Marks a share of the nodes as not there at the beginning, and says which share of the
    /// entries in tables is stale, that is, names one of those.
    pub fn set_absent(&mut self, share: f64, stale: f64) {
        let base = u32::try_from(self.base).unwrap_or(u32::MAX);
        for place in 0..base {
            if unit(mix3(self.seed, about::ABSENT, place.into())) < share {
                mark(&mut self.absent, place);
            }
        }
        // Of what is drawn, absent·p is stale and 1 − absent is not.
        let odds = stale / (1.0 - stale).max(f64::EPSILON) * (1.0 - share);
        self.stale = if share > 0.0 { (odds / share).min(1.0) } else { 0.0 };
    }

    /// Marks nodes that are there but in nobody's table: who cannot be asked, nobody knows for
    /// long.
    pub fn set_unlisted(&mut self, is_unlisted: impl Fn(Place) -> bool) {
        let mut unlisted = vec![0; self.base.div_ceil(64)];
        let places = 0..u32::try_from(self.base).unwrap_or(u32::MAX);
        places.filter(|place| is_unlisted(*place)).for_each(|place| mark(&mut unlisted, place));
        self.unlisted = if unlisted.iter().any(|word| *word != 0) { unlisted } else { Vec::new() };
    }

    /// Whether the node was there at the beginning.
    pub fn was_present(&self, place: Place) -> bool {
        !is_marked(&self.absent, place)
    }

    /// Adds a node on a host of its own; `id` makes its id.
    pub fn add(&mut self, id: impl FnOnce(SocketAddrV4, &mut Draw) -> Id) -> Place {
        let host = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
        let place = u32::try_from(self.seats.len()).unwrap_or(u32::MAX);
        let mut draw = Draw::new(self.seed, about::ID, host.into());
        self.seats.push(Seat { id: id(host_address(host), &mut draw), host });
        self.places.push(place);
        place
    }

    /// Adds a node at a chosen address outside of the range that others live in.
    pub fn add_at(&mut self, address: SocketAddrV4, id: Id) -> Place {
        let place = u32::try_from(self.seats.len()).unwrap_or(u32::MAX);
        self.seats.push(Seat { id, host: NO_HOST });
        self.elsewhere.insert(address, place);
        self.elsewhere_of.insert(place, address);
        place
    }

    /// How many nodes there are.
    pub const fn len(&self) -> usize {
        self.seats.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.seats.is_empty()
    }

    /// How many were there, or could have been, from the beginning.
    pub const fn base(&self) -> usize {
        self.base
    }

    /// The id of a node.
    pub fn id(&self, place: Place) -> Id {
        self.seats.get(place as usize).map(|seat| seat.id).unwrap_or_default()
    }

    /// The id of a node as a key.
    pub fn key(&self, place: Place) -> Key {
        Key::from(self.id(place))
    }

    /// The address of a node.
    pub fn address(&self, place: Place) -> SocketAddrV4 {
        match self.seats.get(place as usize) {
            Some(seat) if seat.host != NO_HOST => host_address(seat.host),
            _ => self.elsewhere_of.get(&place).copied().unwrap_or(NOWHERE),
        }
    }

    /// Asks for what the id and the address of a node are made of.
    pub fn prefetch(&self, place: Place) {
        if let Some(seat) = self.seats.get(place as usize) {
            fetch(seat);
        }
    }

    /// Asks for what tells the node from its address, once what [`Ids::prefetch`] asked for has
    /// come.
    pub fn prefetch_way_back(&self, place: Place) {
        let seat = self.seats.get(place as usize);
        if let Some(place) = seat.and_then(|seat| self.places.get(seat.host as usize)) {
            fetch(place);
        }
    }

    /// The node at an address.
    pub fn place(&self, address: SocketAddr) -> Option<Place> {
        let SocketAddr::V4(address) = address else { return None };
        let offset = address.ip().to_bits().wrapping_sub(FIRST_ADDRESS);
        if offset >> ADDRESS_BITS != 0 || address.port() != PORT {
            return self.elsewhere.get(&address).copied();
        }
        let host = offset.wrapping_mul(GATHER) & ((1 << ADDRESS_BITS) - 1);
        self.places.get(host as usize).copied()
    }

    /// The `count` nodes of the beginning closest to a target, closest first, of those that `which`
    /// admits.
    pub fn closest(&self, target: &Id, count: usize, which: impl Fn(Place) -> bool) -> Vec<Place> {
        let key = Key::from(*target);
        let mut found: Vec<Place> = Vec::new();
        // Ever larger subtrees around the target, each without the one before.
        let mut inner = 0..0;
        for range in self.subtrees(target).into_iter().rev() {
            let ring = (range.start..inner.start).chain(inner.end..range.end);
            let mut ring: Vec<Place> =
                if inner.is_empty() { range.clone().collect() } else { ring.collect() };
            ring.retain(|place| which(*place));
            ring.sort_by_cached_key(|place| key.distance(&self.key(*place)));
            found.extend(ring);
            if found.len() >= count {
                break;
            }
            inner = range;
        }
        found.truncate(count);
        found
    }

    /// The ranges of places that share 0, 1, 2 … leading bits with `id`, down to an empty one or
    /// one of at most a few.
    fn subtrees(&self, id: &Id) -> Vec<Range<Place>> {
        let mut range = 0..u32::try_from(self.base).unwrap_or(u32::MAX);
        let mut all = vec![range.clone()];
        let mut bit = 0;
        while range.len() > 4 && bit < 160 {
            let (zeros, ones) = self.split(&range, id, bit);
            range = if bit_of(id, bit) { ones } else { zeros };
            all.push(range.clone());
            bit += 1;
        }
        all
    }

    /// The contacts that a node has in its table if it has been up for long: bucket by bucket, at
    /// most `size` each.
    pub fn table(&self, place: Place, size: usize, mut add: impl FnMut(Place)) {
        let id = self.id(place);
        let mut range = 0..u32::try_from(self.base).unwrap_or(u32::MAX);
        let mut bit = 0;
        while range.len() > 1 && bit < 160 {
            let (zeros, ones) = self.split(&range, &id, bit);
            let (own, other) = if bit_of(&id, bit) { (ones, zeros) } else { (zeros, ones) };
            self.draw(place, bit, &other, size, &mut add);
            range = own;
            bit += 1;
        }
    }

    /// Draws at most `size` different places from a bucket's range.
    fn draw(
        &self,
        place: Place,
        bucket: u32,
        range: &Range<Place>,
        size: usize,
        add: &mut impl FnMut(Place),
    ) {
        if range.len() <= size {
            range.clone().filter(|drawn| self.is_known(place, *drawn)).for_each(add);
            return;
        }
        let (mut drawn, mut count, mut filter) = ([0; MAX_BUCKET], 0, 0_u64);
        let bucket = mix3(self.seed ^ about::SLOT, u64::from(place), u64::from(bucket));
        for slot in 0..4 * size as u64 {
            let offset = below(mix2(bucket, slot), range.len() as u64);
            let candidate = range.start + u32::try_from(offset).unwrap_or(0);
            let (known, rest) = drawn.split_at_mut(count);
            let Some(free) = rest.first_mut().filter(|_| count < size) else { return };
            // Who was drawn before has its bit set.
            let bit = 1 << (candidate % 64);
            let is_drawn = filter & bit != 0 && known.contains(&candidate);
            if is_drawn || !self.is_known(place, candidate) {
                continue;
            }
            filter |= bit;
            *free = candidate;
            count += 1;
            add(candidate);
        }
    }

    /// Whether a node may know another: it is there, or its entry is stale.
    fn is_known(&self, place: Place, other: Place) -> bool {
        let pair = u64::from(place) << 32 | u64::from(other);
        let is_there =
            self.was_present(other) || unit(mix3(self.seed, about::ABSENT, pair)) < self.stale;
        is_there && !is_marked(&self.unlisted, other)
    }

    /// Splits the places that share `bit` bits with `id` by the next one.
    fn split(&self, range: &Range<Place>, id: &Id, bit: u32) -> (Range<Place>, Range<Place>) {
        let middle = if bit < INDEX_BITS {
            let own = prefix(id) >> (INDEX_BITS - bit) << (INDEX_BITS - bit);
            let first = own | 1 << (INDEX_BITS - 1 - bit);
            self.index.get(first as usize).copied().unwrap_or(range.end)
        } else {
            let places = range.start as usize..range.end as usize;
            let seats = self.seats.get(places).unwrap_or_default();
            let zeros = seats.partition_point(|other| !bit_of(&other.id, bit));
            range.start + u32::try_from(zeros).unwrap_or(0)
        };
        (range.start..middle, middle..range.end)
    }
}

/// Contacts a bucket may hold here, those in reserve included.
pub const MAX_BUCKET: usize = 256;
const NO_HOST: u32 = u32::MAX;
const NOWHERE: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0);

/// The address of the host with a number; the hosts of the beginning are numbered from 0.
pub fn host_address(host: u32) -> SocketAddrV4 {
    let offset = host.wrapping_mul(SPREAD) & ((1 << ADDRESS_BITS) - 1);
    SocketAddrV4::new(Ipv4Addr::from_bits(FIRST_ADDRESS + offset), PORT)
}

/// Sets the bit of a place.
fn mark(words: &mut [u64], place: Place) {
    if let Some(word) = words.get_mut(place as usize / 64) {
        *word |= 1 << (place % 64);
    }
}

/// Whether the bit of a place is set; those beyond the end are not.
fn is_marked(words: &[u64], place: Place) -> bool {
    words.get(place as usize / 64).is_some_and(|word| word >> (place % 64) & 1 != 0)
}

fn prefix(id: &Id) -> u32 {
    let [first, second, ..] = *id;
    u32::from(u16::from_be_bytes([first, second]))
}

fn bit_of(id: &Id, bit: u32) -> bool {
    id.get(bit as usize / 8).is_some_and(|byte| byte & (0x80 >> (bit % 8)) != 0)
}

#[cfg(test)]
mod tests;
