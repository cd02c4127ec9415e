//! Rate limits per address prefix: who asks too much is not answered.
//!
//! A network calls [`RateLimiter::allow`] for every query before it spends anything on it. (Answers
//! to our own requests are not limited: the request tracker knows how many to expect.) Each query
//! is charged to two token buckets, and served only if both have room:
//!
//! | level | IPv4 | IPv6 | who that is |
//! |---|---|---|---|
//! | host | /32 | /64 | one machine, or a home behind one address |
//! | subnet | /24 | /48 | one small operator |
//!
//! IPv6 is counted by /64 and /48 because a host picks freely within its /64, and a site commonly
//! holds a /48: counting single IPv6 addresses would count nothing. Hosts of this machine and of
//! private networks are counted by host alone, because there many nodes rightly share a subnet.
//!
//! # What it holds against
//!
//! Memory is bounded: a set-associative array, at most [`MAX_SETS`] sets of [`WAYS`] buckets a
//! level. A newcomer overwrites the bucket of its set that *owes least*, and a bucket that owes
//! nothing is the same as none. It follows:
//!
//! - Nobody frees his own drained bucket cheaply. As long as he asks on, his debt is the highest
//!   possible; to be overwritten, all other buckets of his set have to be drained as deeply, by
//!   queries from other prefixes. The hash is keyed, so he cannot aim at his set and must keep
//!   about `MAX_SETS × WAYS` prefixes drained, that is send what all those prefixes may ask
//!   together, to win one burst.
//! - Nobody drains the bucket of another: a newcomer starts with a full bucket, never with what the
//!   overwritten one owed. Only who can send in another's name (spoof his address) can use up his
//!   share; that the share is small is what keeps us from being an amplifier aimed at him.
//! - A flood from more prefixes than there are buckets is not stopped here: each sends within its
//!   share. That is what the bounds on the work per query are for.

use core::net::{IpAddr, SocketAddr};

use rand_core::Rng;
use siphasher::sip::SipHasher13;

use crate::ahead::fetch;
use crate::contact::Address;
use crate::protocol::Moment;

/// Buckets a set: four of 16 bytes are one cache line, so a query touches one line a level.
pub const WAYS: usize = 4;

/// Sets a level at most: 4096 buckets, 64 KiB. A bucket matters only while it owes, after one query
/// 1/20 s by default, so this serves 80,000 queries a second from as many hosts before any bucket
/// that still owes is overwritten.
pub const MAX_SETS: usize = 1024;

/// Sets that a level begins with. It doubles when a bucket that still owes would be overwritten, so
/// nodes with little traffic (a million in a simulation) stay at two cache lines.
const MIN_SETS: usize = 1;

/// How much one party may ask. A cost of 1 is one ordinary query.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RateLimit {
    /// Queries a second that one host may go on asking. 0 is taken as 1, and the burst likewise.
    pub per_host_per_second: u32,
    /// Queries that a host may ask at once after a pause.
    pub host_burst: u32,
    /// Queries a second that all hosts of a subnet together may go on asking.
    pub per_subnet_per_second: u32,
    /// Queries that a subnet may ask at once after a pause.
    pub subnet_burst: u32,
}

/// A busy Mainline node is asked 50 to 200 times a second by the whole world, by one host rarely
/// more than a few times. 20 a second leaves room for some dozens of clients behind one address;
/// the burst of ten seconds covers what a client asks when it starts, or puts in a row into a small
/// network; a subnet gets what four of its hosts may ask. As a reflector aimed at a victim we then
/// send it at most 20 answers a second. (libtorrent answers 49 queries in ten seconds, then ignores
/// the host for five minutes: that punishes those behind a shared address.)
impl Default for RateLimit {
    fn default() -> Self {
        Self {
            per_host_per_second: 20,
            host_burst: 200,
            per_subnet_per_second: 80,
            subnet_burst: 800,
        }
    }
}

/// Decides who is answered.
#[derive(Clone, Debug)]
pub struct RateLimiter {
    levels: Option<Levels>,
    refusals: Refusals,
}

/// How often a [`RateLimiter`] has refused.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Refusals {
    /// Because the host had asked too much.
    pub by_host: u64,
    /// Because the subnet had, though the host had not.
    pub by_subnet: u64,
}

#[derive(Clone, Debug)]
struct Levels {
    hasher: SipHasher13,
    hosts: Level,
    subnets: Level,
}

impl RateLimiter {
    /// A limiter in force; takes the key of its hash from `rng`.
    pub fn new(limit: RateLimit, rng: &mut impl Rng) -> Self {
        Self {
            levels: Some(Levels {
                hasher: SipHasher13::new_with_keys(rng.next_u64(), rng.next_u64()),
                hosts: Level::new(limit.per_host_per_second, limit.host_burst),
                subnets: Level::new(limit.per_subnet_per_second, limit.subnet_burst),
            }),
            refusals: Refusals::default(),
        }
    }

    /// A limiter that allows everything and costs nothing: for private networks and benchmarks.
    pub const fn disabled() -> Self {
        Self { levels: None, refusals: Refusals { by_host: 0, by_subnet: 0 } }
    }

    /// From now on this limit holds, for everybody from the beginning; `None`: none. Refusals are
    /// counted on.
    pub fn set(&mut self, limit: Option<RateLimit>, rng: &mut impl Rng) {
        self.levels = limit.and_then(|limit| Self::new(limit, rng).levels);
    }

    /// Whether a query of `host` may be served now; if so, it is charged with `cost`. A refused
    /// query costs nothing: who asks too much gets his share, not silence.
    pub fn allow(&mut self, now: Moment, host: IpAddr, cost: u32) -> bool {
        let Some(levels) = &mut self.levels else {
            return true;
        };
        let now = now.as_micros().saturating_mul(1000);
        let (host_prefix, subnet_prefix) = prefixes(host);
        let hash = |prefix: u64| levels.hasher.hash(&prefix.to_le_bytes());

        let (host_hash, host_debt) = (hash(host_prefix), levels.hosts.price(cost));
        if !levels.hosts.has_room(now, host_hash, host_debt) {
            self.refusals.by_host += 1;
            return false;
        }
        if !SocketAddr::new(host, 0).is_local() {
            let (hash, debt) = (hash(subnet_prefix), levels.subnets.price(cost));
            if !levels.subnets.has_room(now, hash, debt) {
                self.refusals.by_subnet += 1;
                return false;
            }
            levels.subnets.charge(now, hash, debt);
        }
        levels.hosts.charge(now, host_hash, host_debt);
        true
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        let sets = |levels: &Levels| levels.hosts.sets.len() + levels.subnets.sets.len();
        self.levels.as_ref().map_or(0, sets) * size_of::<Set>()
    }

    /// Asks for the first buckets: see [`ahead`](crate::ahead).
    pub fn prefetch(&self) {
        for level in self.levels.iter().flat_map(|levels| [&levels.hosts, &levels.subnets]) {
            if let Some(first) = level.sets.first() {
                fetch(first);
            }
        }
    }

    /// How often it has refused so far.
    pub const fn refusals(&self) -> Refusals {
        self.refusals
    }
}

/// What one small operator is likely to hold, as a word: the /24 of an IPv4 address, the /48 of an
/// IPv6 one, the families apart. Stores count by it too.
pub fn site(host: IpAddr) -> u64 {
    prefixes(host).1
}

/// The prefixes of the two levels.
fn prefixes(host: IpAddr) -> (u64, u64) {
    /// Set for IPv6 and never for IPv4, of which a prefix has at most 32 bits. Global IPv6
    /// addresses begin with 001, so nothing is lost.
    const V6: u64 = 1 << 63;
    match host {
        IpAddr::V4(ip) => (ip.to_bits().into(), u64::from(ip.to_bits() >> 8)),
        IpAddr::V6(ip) => {
            let network = (ip.to_bits() >> 64) as u64;
            (network | V6, network >> 16 | V6)
        }
    }
}

/// The buckets of one level.
#[derive(Clone, Debug)]
struct Level {
    /// What a cost of 1 adds to a debt, nanoseconds.
    interval_ns: u64,
    /// The highest debt, nanoseconds.
    burst_ns: u64,
    /// A power of two of them.
    sets: Box<[Set]>,
}

#[derive(Clone, Copy, Default, Debug)]
#[repr(align(64))]
struct Set([Bucket; WAYS]);

/// A token bucket, as the time at which it will be full again (the "virtual scheduling" form of the
/// generic cell rate algorithm, ITU-T I.371): what lies between now and then is the owner's debt.
#[derive(Clone, Copy, Default, Debug)]
struct Bucket {
    /// The whole hash of the prefix: two prefixes share a bucket with probability 2⁻⁶⁴. An empty
    /// place has 0, and the right content for a prefix of that hash.
    hash: u64,
    full_at_ns: u64,
}

impl Level {
    fn new(per_second: u32, burst: u32) -> Self {
        let interval_ns = 1_000_000_000 / u64::from(per_second.max(1));
        Self {
            interval_ns,
            burst_ns: interval_ns * u64::from(burst.max(1)),
            sets: vec![Set::default(); MIN_SETS].into_boxed_slice(),
        }
    }

    /// The debt that a cost amounts to. What is dearer than a whole burst passes when nothing is
    /// owed, instead of never.
    fn price(&self, cost: u32) -> u64 {
        (self.interval_ns * u64::from(cost)).min(self.burst_ns)
    }

    fn has_room(&mut self, now: u64, hash: u64, debt: u64) -> bool {
        let burst_ns = self.burst_ns;
        self.set(hash).iter().all(|bucket| {
            bucket.hash != hash || bucket.full_at_ns.saturating_sub(now) + debt <= burst_ns
        })
    }

    fn charge(&mut self, now: u64, hash: u64, debt: u64) {
        loop {
            let may_grow = self.sets.len() < MAX_SETS;
            let set = self.set(hash);
            if let Some(bucket) = set.iter_mut().find(|bucket| bucket.hash == hash) {
                bucket.full_at_ns = bucket.full_at_ns.max(now).saturating_add(debt);
                return;
            }
            let Some(least) = set.iter_mut().min_by_key(|bucket| bucket.full_at_ns) else {
                return;
            };
            if least.full_at_ns <= now || !may_grow {
                let full_at_ns = now.saturating_add(debt);
                *least = Bucket { hash, full_at_ns };
                return;
            }
            self.grow(now);
        }
    }

    fn set(&mut self, hash: u64) -> &mut [Bucket] {
        #[expect(clippy::cast_possible_truncation, reason = "the low bits are what is wanted")]
        let index = hash as usize & (self.sets.len() - 1);
        self.sets.get_mut(index).map_or(&mut [], |set| &mut set.0)
    }

    /// Doubles the sets. Buckets of one old set go to one of two new ones, so all find room.
    fn grow(&mut self, now: u64) {
        let doubled = vec![Set::default(); self.sets.len() * 2].into_boxed_slice();
        let old = core::mem::replace(&mut self.sets, doubled);
        for bucket in old.iter().flat_map(|set| set.0) {
            if bucket.full_at_ns > now
                && let Some(empty) = self.set(bucket.hash).iter_mut().find(|b| b.full_at_ns == 0)
            {
                *empty = bucket;
            }
        }
    }
}

#[cfg(test)]
mod tests;
