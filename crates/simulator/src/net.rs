//! The network between nodes: how long a message takes, and whether it arrives.
//!
//! Each trouble is a file of its own below this one. What happens to a message depends on who sends
//! it to whom, when, and its sequence number; the only state is that of access lines and NATs.

mod access;
pub mod latency;
mod nat;
mod trouble;

use std::time::Duration;

use kademlia::Moment;
use kademlia::protocol::Way;

use crate::engine::Place;
use crate::random::{Draw, mix3, unit};
pub use access::AccessSettings;
pub use latency::Latency;
pub use nat::NatSettings;
pub use trouble::{Bursts, Partition};

use access::Access;
use nat::Nats;

/// How the network behaves. The default is one without trouble.
#[derive(Clone, Debug, Default)]
pub struct NetSettings {
    /// Round-trip times.
    pub latency: Latency,
    /// Delay on top, as a share of the way's own: the mean of an exponential distribution.
    pub jitter: f64,
    /// Share of messages lost, each for itself.
    pub loss: f64,
    /// Loss that comes in bursts.
    pub bursts: Option<Bursts>,
    /// Share of messages that arrive twice.
    pub duplication: f64,
    /// Share of messages that take a detour, so that later ones overtake them.
    pub reordering: f64,
    /// How much longer a detour takes, at most.
    pub detour: Duration,
    /// Time a node takes for each message.
    pub processing: Duration,
    /// Share of nodes that are slow.
    pub slow: f64,
    /// Time a slow node takes on top for each message.
    pub slow_by: Duration,
    /// Share of pairs of nodes that cannot reach each other though others reach both.
    pub unlinked: f64,
    /// Access lines; `None`: without limits.
    pub access: Option<AccessSettings>,
    /// Address translation; `None`: every node is reachable.
    pub nat: Option<NatSettings>,
    /// Times at which the network is split.
    pub partitions: Vec<Partition>,
}

impl NetSettings {
    /// Whether messages take as long as the way does, and all arrive once.
    fn is_calm(&self) -> bool {
        let shares =
            [self.jitter, self.loss, self.duplication, self.reordering, self.slow, self.unlinked];
        shares.iter().all(|share| *share == 0.0)
            && self.processing.is_zero()
            && self.bursts.is_none()
            && self.access.is_none()
            && self.nat.is_none()
            && self.partitions.is_empty()
            && !matches!(self.latency, Latency::Constant(_))
    }
}

/// A message as the network sees it.
#[derive(Clone, Copy, Debug)]
pub struct Packet {
    /// Who sends it.
    pub from: Place,
    /// Whom it is for.
    pub to: Place,
    /// Its length.
    pub bytes: usize,
    /// How it travels.
    pub way: Way,
    /// What tells it from the sender's other messages.
    pub sequence: u64,
}

/// Why a message did not arrive.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Fate {
    /// Lost by chance.
    Lost,
    /// Lost in a burst.
    Burst,
    /// The network was split between the two.
    Partitioned,
    /// The two can never reach each other.
    Unlinked,
    /// The receiver's NAT had not seen it ask the sender.
    Filtered,
    /// An access line was congested.
    Congested,
    /// Nobody was there.
    Absent,
}

/// When a message arrives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Carried {
    /// Its arrival, or why there is none.
    pub first: Result<Moment, Fate>,
    /// Its arrival a second time.
    pub second: Option<Moment>,
}

/// The network between the nodes of one run.
#[derive(Clone, Debug)]
pub struct Net {
    settings: NetSettings,
    seed: u64,
    access: Option<Access>,
    nats: Option<Nats>,
    /// Whether there is no trouble at all, and no jitter: then only the way counts.
    is_calm: bool,
}

/// Names of what is drawn, so that no two draws are the same.
mod about {
    pub(super) const MESSAGE: u64 = 1;
    pub(super) const SLOW: u64 = 2;
    pub(super) const LINK: u64 = 3;
    pub(super) const POSITION: u64 = 4;
    pub(super) const PAIR: u64 = 5;
    pub(super) const BURST: u64 = 6;
    pub(super) const SIDE: u64 = 7;
    pub(super) const NAT: u64 = 8;
}

impl Net {
    /// A network; `seed` decides all that is random about it.
    pub fn new(settings: NetSettings, seed: u64) -> Self {
        let access = settings.access.map(Access::new);
        let nats = settings.nat.map(|nat| Nats::new(nat, seed));
        let is_calm = settings.is_calm();
        Self { settings, seed, access, nats, is_calm }
    }

    /// Finds out where the first `places` nodes are, once for the whole run.
    pub fn survey(&mut self, places: u32) {
        self.settings.latency.survey(self.seed, places);
    }

    /// Asks for where a node is, so that it is known at once when a message goes there.
    pub fn prefetch(&self, place: Place) {
        self.settings.latency.prefetch(place);
    }

    /// How it behaves.
    pub const fn settings(&self) -> &NetSettings {
        &self.settings
    }

    /// The round-trip time between two nodes without jitter and queues.
    pub fn round_trip(&self, a: Place, b: Place) -> Duration {
        Duration::from_micros(self.round_trip_micros(a, b))
    }

    /// The same in microseconds.
    pub fn round_trip_micros(&self, a: Place, b: Place) -> u64 {
        let way = self.settings.latency.round_trip_micros(self.seed, a, b);
        if self.settings.slow == 0.0 && self.settings.processing.is_zero() {
            return way;
        }
        let slow = |place| if self.is_slow(place) { self.settings.slow_by } else { Duration::ZERO };
        let more = slow(a) + slow(b) + self.settings.processing * 2;
        way + u64::try_from(more.as_micros()).unwrap_or(u64::MAX)
    }

    /// Whether a node knows that it can only be reached by those it has asked.
    pub fn is_client(&self, place: Place) -> bool {
        self.nats.as_ref().is_some_and(|nats| nats.is_client(place))
    }

    /// Whether a node can only be reached by those it has asked, and may know it or not.
    pub fn is_behind_nat(&self, place: Place) -> bool {
        self.nats.as_ref().is_some_and(|nats| nats.is_behind(place))
    }

    /// Decides what becomes of a message.
    pub fn carry(&mut self, now: Moment, packet: &Packet) -> Carried {
        if self.is_calm {
            let way = self.round_trip_micros(packet.from, packet.to);
            let micros = match packet.way {
                Way::Datagram => way / 2,
                Way::Bulk => way * 3 / 2,
            };
            let at = Moment::from_micros(now.as_micros().saturating_add(micros));
            return Carried { first: Ok(at), second: None };
        }
        let mut draw = Draw::new(self.seed, about::MESSAGE, packet.sequence);
        if let Some(nats) = &mut self.nats {
            nats.opened(now, packet.from, packet.to);
        }
        if let Some(fate) = self.obstacle(now, packet, &mut draw) {
            return Carried { first: Err(fate), second: None };
        }
        let base = now + self.delay(packet, &mut draw);
        let first = match &mut self.access {
            Some(access) => access.pass(now, base, packet).ok_or(Fate::Congested),
            None => Ok(base),
        };
        let doubled = packet.way == Way::Datagram && draw.chance(self.settings.duplication);
        let second = first.ok().filter(|_| doubled).map(|at| at + self.delay(packet, &mut draw));
        Carried { first, second }
    }

    fn obstacle(&self, now: Moment, packet: &Packet, draw: &mut Draw) -> Option<Fate> {
        let &Packet { from, to, .. } = packet;
        let settings = &self.settings;
        let parted = |part: &Partition| part.parts(self.seed, now, from, to);
        if settings.partitions.iter().any(parted) {
            return Some(Fate::Partitioned);
        }
        if settings.unlinked > 0.0 {
            let (low, high) = (from.min(to), from.max(to));
            let pair = u64::from(low) << 32 | u64::from(high);
            if unit(mix3(self.seed, about::LINK, pair)) < settings.unlinked {
                return Some(Fate::Unlinked);
            }
        }
        if self.nats.as_ref().is_some_and(|nats| !nats.admits(now, from, to)) {
            return Some(Fate::Filtered);
        }
        if packet.way == Way::Bulk {
            return None;
        }
        if draw.chance(settings.loss) {
            return Some(Fate::Lost);
        }
        let burst = settings.bursts.as_ref()?;
        burst.strikes(self.seed, now, to, draw).then_some(Fate::Burst)
    }

    fn delay(&self, packet: &Packet, draw: &mut Draw) -> Duration {
        let &Packet { from, to, .. } = packet;
        let settings = &self.settings;
        let way = settings.latency.round_trip(self.seed, from, to) / 2;
        let mut delay = way + settings.processing;
        if settings.jitter > 0.0 {
            delay += way.mul_f64(settings.jitter * draw.exponential(1.0).min(20.0));
        }
        if settings.reordering > 0.0 && draw.chance(settings.reordering) {
            delay += settings.detour.mul_f64(draw.unit());
        }
        if self.is_slow(to) {
            delay += settings.slow_by;
        }
        match packet.way {
            Way::Datagram => delay,
            // A reliable exchange is opened first, then grows its window.
            Way::Bulk => delay + way * 2,
        }
    }

    fn is_slow(&self, place: Place) -> bool {
        self.settings.slow > 0.0
            && unit(mix3(self.seed, about::SLOW, u64::from(place))) < self.settings.slow
    }
}

#[cfg(test)]
mod tests;
