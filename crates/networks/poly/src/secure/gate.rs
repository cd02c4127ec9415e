//! The gate before handshakes: cookies, limits, and what tells a new initiation from a replayed
//! one. `docs/poly-secure.md`, "Freshness" and "Floods".

use core::net::{IpAddr, SocketAddr};
use std::collections::BTreeSet;
use std::time::Duration;

use kademlia::Moment;
use kademlia::limit::{RateLimit, RateLimiter};
use rand_core::Rng;

use super::keys::{KEY_BYTES, mac};
use super::wire::{Cookie, NO_COOKIE};

/// How long a cookie holds: several of the longest round trips.
const COOKIE_LIFE: Duration = Duration::from_secs(20);
/// An initiation's stamp may be off our clock by this; what is more pays a round trip to get a
/// cookie. Synchronised clocks agree within a second, neglected ones within a minute or two.
const MAX_SKEW: Duration = Duration::from_mins(2);
/// An accepted initiation is remembered at least for so long: until its stamp lies outside.
const REMEMBER: Duration = MAX_SKEW.saturating_mul(2);
/// Initiations remembered in each of two generations, 24 bytes each: 68 handshakes a second at
/// best. With more, stamps of the recent past no longer hold and cost a round trip.
const MAX_REMEMBERED: usize = 16_384;

/// What the gate allows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GateSettings {
    /// Handshakes begun towards this node, by host and subnet; `None`: no limit. Those that show a
    /// cookie have the same limit once more, for themselves: forged addresses cannot use it up.
    pub incoming: Option<RateLimit>,
    /// Handshakes that this node begins, by the host and subnet it turns to; `None`: no limit.
    /// Contacts are hearsay: without a limit, nodes could be made to send to someone who never
    /// asked for it.
    pub outgoing: Option<RateLimit>,
    /// Handshakes a second that are taken without a cookie; when there are more, all have to
    /// show one. A handshake takes 0.1 ms of processor time.
    pub handshakes_per_second: u32,
}

impl Default for GateSettings {
    /// A host may be many nodes behind one address; each greets a peer once an hour.
    fn default() -> Self {
        Self {
            incoming: Some(RateLimit {
                per_host_per_second: 20,
                host_burst: 400,
                per_subnet_per_second: 80,
                subnet_burst: 1600,
            }),
            outgoing: Some(RateLimit {
                per_host_per_second: 20,
                host_burst: 400,
                per_subnet_per_second: 80,
                subnet_burst: 1600,
            }),
            handshakes_per_second: 1000,
        }
    }
}

/// What becomes of an initiation before anything is computed for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// Go on; whether its address is proven.
    Pass { address_proven: bool },
    /// It has to come back with a cookie.
    Challenge,
    /// Its host has begun too many.
    Limited,
    /// It was here before.
    Replayed,
}

/// The gate.
#[derive(Debug)]
pub(super) struct Gate {
    secret: [u8; KEY_BYTES],
    strangers: RateLimiter,
    holders: RateLimiter,
    outgoing: RateLimiter,
    load: Load,
    /// Unix time at [`Moment::START`], milliseconds.
    started_ms: Option<u64>,
    seen: Seen,
}

impl Gate {
    pub(super) fn new(settings: GateSettings, started_ms: Option<u64>, rng: &mut impl Rng) -> Self {
        let mut limiter = |limit: Option<RateLimit>| {
            limit.map_or_else(RateLimiter::disabled, |limit| RateLimiter::new(limit, rng))
        };
        let (strangers, holders) = (limiter(settings.incoming), limiter(settings.incoming));
        let outgoing = limiter(settings.outgoing);
        let mut secret = [0; KEY_BYTES];
        rng.fill_bytes(&mut secret);
        let seen = Seen { stamp_floor_ms: started_ms.unwrap_or(u64::MAX), ..Seen::default() };
        let load = Load { per_second: settings.handshakes_per_second, ..Load::default() };
        Self { secret, strangers, holders, outgoing, load, started_ms, seen }
    }

    /// The cookie of an address.
    pub(super) fn cookie(&self, now: Moment, address: SocketAddr) -> Cookie {
        self.cookie_of(second(now), address)
    }

    fn cookie_of(&self, second: u32, address: SocketAddr) -> Cookie {
        let ip = match address.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        let second = second.to_be_bytes();
        let mut covered = [second.as_slice(), &ip.octets()].concat();
        covered.extend_from_slice(&address.port().to_be_bytes());
        let mac = mac(&self.secret, &covered);
        let mut bytes = second.into_iter().chain(mac);
        core::array::from_fn(|_| bytes.next().unwrap_or_default())
    }

    fn is_cookie(&self, now: Moment, address: SocketAddr, cookie: &Cookie) -> bool {
        let Some(issued) = cookie.first_chunk().map(|bytes| u32::from_be_bytes(*bytes)) else {
            return false;
        };
        let age = second(now).checked_sub(issued);
        let is_young = age.is_some_and(|age| Duration::from_secs(age.into()) <= COOKIE_LIFE);
        // An attacker learns nothing from the time this takes: the cookie is the address's own.
        is_young && issued >= self.seen.cookie_floor && self.cookie_of(issued, address) == *cookie
    }

    /// Judges an initiation whose MAC was right, by what stands in its header.
    pub(super) fn judge(
        &mut self,
        now: Moment,
        from: SocketAddr,
        (ephemeral, stamp_ms, cookie): (&[u8; 32], u64, &Cookie),
    ) -> Verdict {
        if self.seen.contains(ephemeral) {
            return Verdict::Replayed;
        }
        if *cookie != NO_COOKIE {
            return if !self.is_cookie(now, from, cookie) {
                Verdict::Challenge
            } else if self.holders.allow(now, from.ip(), 1) {
                Verdict::Pass { address_proven: true }
            } else {
                Verdict::Limited
            };
        }
        if !self.strangers.allow(now, from.ip(), 1) {
            return Verdict::Limited;
        }
        if self.is_fresh(now, stamp_ms) && self.load.take(now) {
            Verdict::Pass { address_proven: false }
        } else {
            Verdict::Challenge
        }
    }

    /// Whether an initiation with this stamp would be remembered had it been here before.
    fn is_fresh(&self, now: Moment, stamp_ms: u64) -> bool {
        self.unix_ms(now).is_some_and(|unix_ms| {
            let skew = Duration::from_millis(unix_ms.abs_diff(stamp_ms));
            skew <= MAX_SKEW && stamp_ms > self.seen.stamp_floor_ms
        })
    }

    /// Remembers an initiation that proved genuine.
    pub(super) fn accepted(&mut self, now: Moment, ephemeral: &[u8; 32], stamp_ms: u64) {
        self.seen.insert(now, ephemeral, stamp_ms);
    }

    /// Whether a hello may be answered.
    pub(super) fn may_answer(&mut self, now: Moment, host: IpAddr) -> bool {
        self.strangers.allow(now, host, 1)
    }

    /// Whether this node may turn to a host it has no session with.
    pub(super) fn may_initiate(&mut self, now: Moment, host: IpAddr) -> bool {
        self.outgoing.allow(now, host, 1)
    }

    /// Unix time, milliseconds; `None` without a clock.
    pub(super) fn unix_ms(&self, now: Moment) -> Option<u64> {
        self.started_ms.map(|started| started.saturating_add(now.as_micros() / 1000))
    }
}

fn second(now: Moment) -> u32 {
    u32::try_from(now.as_micros() / 1_000_000).unwrap_or(u32::MAX)
}

/// How many handshakes are taken from whoever comes: a token bucket, full after one second.
#[derive(Debug, Default)]
struct Load {
    per_second: u32,
    /// When it will be full again.
    full_at: Moment,
}

impl Load {
    fn take(&mut self, now: Moment) -> bool {
        let price = Duration::from_secs(1) / self.per_second.max(1);
        let full_at = self.full_at.max(now) + price;
        let has_room = self.per_second > 0 && full_at.since(now) <= Duration::from_secs(1);
        if has_room {
            self.full_at = full_at;
        }
        has_room
    }
}

/// Which initiations were accepted, by their ephemeral keys, in two generations.
///
/// What is forgotten must not be accepted again: when a generation goes, stamps up to its latest
/// and cookies up to its end no longer hold.
#[derive(Debug, Default)]
struct Seen {
    current: Generation,
    previous: Generation,
    /// Stamps up to this one do not hold. At first the node's start: what was accepted before is
    /// not known.
    stamp_floor_ms: u64,
    /// Cookies of seconds before this one do not hold.
    cookie_floor: u32,
}

#[derive(Debug, Default)]
struct Generation {
    began: Moment,
    keys: BTreeSet<[u8; 16]>,
    latest_stamp_ms: u64,
}

impl Seen {
    fn contains(&self, ephemeral: &[u8; 32]) -> bool {
        let key = shortened(ephemeral);
        self.current.keys.contains(&key) || self.previous.keys.contains(&key)
    }

    fn insert(&mut self, now: Moment, ephemeral: &[u8; 32], stamp_ms: u64) {
        let is_full = self.current.keys.len() >= MAX_REMEMBERED;
        if is_full || now.since(self.current.began) >= REMEMBER {
            self.rotate(now);
        }
        self.current.keys.insert(shortened(ephemeral));
        self.current.latest_stamp_ms = self.current.latest_stamp_ms.max(stamp_ms);
    }

    fn rotate(&mut self, now: Moment) {
        let fresh = Generation { began: now, ..Generation::default() };
        let ended = core::mem::replace(&mut self.current, fresh);
        let gone = core::mem::replace(&mut self.previous, ended);
        if !gone.keys.is_empty() {
            self.stamp_floor_ms = self.stamp_floor_ms.max(gone.latest_stamp_ms);
            self.cookie_floor = self.cookie_floor.max(second(self.previous.began) + 1);
        }
    }
}

/// Half of a key tells it from all others as well.
fn shortened(ephemeral: &[u8; 32]) -> [u8; 16] {
    let mut bytes = ephemeral.iter();
    core::array::from_fn(|_| bytes.next().copied().unwrap_or_default())
}

#[cfg(test)]
mod tests;
