//! Who a node is and where, when it last answered, its round-trip time.

use crate::protocol::Moment;
use core::fmt::Debug;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::time::Duration;

use crate::key::Key;

/// A transport address, with the parts of it that limits count by.
///
/// Implemented by the three socket address types: an overlay of one address family uses the narrow
/// one, because a table is mostly addresses and keys.
pub trait Address: Copy + Ord + Debug {
    /// The address without its port.
    fn host(&self) -> IpAddr;
    /// The UDP port.
    fn port(&self) -> u16;

    /// The network that one party is likely to hold: the /24 of an IPv4 address, the /64 of an
    /// IPv6 one. The two families never collide.
    fn subnet(&self) -> u64 {
        match self.host() {
            IpAddr::V4(ip) => u64::from(ip.to_bits() >> 8),
            // Global IPv6 begins with 001: bit 63 is free to tell the families apart.
            IpAddr::V6(ip) => (ip.to_bits() >> 64) as u64 | 1 << 63,
        }
    }

    /// Sixteen bits of a hash of the subnet: where two differ, so do the subnets. A list of them
    /// tells at a glance that none of many addresses shares a subnet with another.
    fn subnet_mark(&self) -> u16 {
        (self.subnet().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48) as u16
    }

    /// Whether the host is on this machine or in a private network, where many nodes rightly share
    /// an address or a subnet.
    fn is_local(&self) -> bool {
        match self.host() {
            IpAddr::V4(ip) => is_local_v4(ip),
            IpAddr::V6(ip) => is_local_v6(ip),
        }
    }

    /// Whether a datagram can be sent there: a port, and a unicast host.
    fn is_usable(&self) -> bool {
        let host = self.host();
        let unicast = match host {
            IpAddr::V4(ip) => !ip.is_broadcast() && ip.octets()[0] != 0,
            IpAddr::V6(ip) => ip.to_ipv4_mapped().is_none(),
        };
        self.port() != 0 && unicast && !host.is_multicast() && !host.is_unspecified()
    }
}

/// Whether a subnet mark is among many. Looking at all is quicker than stopping at the first, for
/// it takes many at a time.
pub(crate) fn is_among(mark: u16, marks: &[u16]) -> bool {
    marks.iter().fold(0, |found, other| found | u16::from(*other == mark)) != 0
}

fn is_local_v4(ip: Ipv4Addr) -> bool {
    ip.is_private() || ip.is_loopback() || ip.is_link_local()
}

fn is_local_v6(ip: Ipv6Addr) -> bool {
    ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local()
}

impl Address for SocketAddrV4 {
    fn host(&self) -> IpAddr {
        IpAddr::V4(*self.ip())
    }

    fn port(&self) -> u16 {
        Self::port(self)
    }
}

impl Address for SocketAddrV6 {
    fn host(&self) -> IpAddr {
        IpAddr::V6(*self.ip())
    }

    fn port(&self) -> u16 {
        Self::port(self)
    }
}

impl Address for SocketAddr {
    fn host(&self) -> IpAddr {
        self.ip()
    }

    fn port(&self) -> u16 {
        Self::port(self)
    }
}

/// A node as others hand it on: its id and its address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Contact<A> {
    /// The node's id.
    pub key: Key,
    /// Where it listens.
    pub address: A,
}

/// What we know of a contact from our own exchanges with it.
///
/// Times are kept to the second: a table of a million simulated nodes is mostly these.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Standing {
    first_answer_s: u32,
    last_answer_s: u32,
    last_query_s: u32,
    /// How many minutes before its first answer it began, as it says.
    older_min: u16,
    /// Round-trip time of its answers.
    pub rtt: Rtt,
    /// Requests in a row that it left unanswered.
    pub failures: u8,
    /// Whether its id is proven to belong to it, or to its address.
    pub verified: bool,
}

impl Standing {
    /// Of a contact that has just answered for the first time.
    pub fn new(now: Moment, rtt: Rtt, verified: bool) -> Self {
        let now = seconds(now);
        Self {
            first_answer_s: now,
            last_answer_s: now,
            last_query_s: now,
            older_min: 0,
            rtt,
            failures: 0,
            verified,
        }
    }

    /// Of a contact that answered in an earlier run: worth asking, not worth handing on.
    pub fn restored() -> Self {
        // Nothing is known of its speed today: expected soon enough that a dead one costs little.
        let rtt = Rtt::new(Duration::from_millis(150));
        Self { failures: 1, ..Self::new(Moment::START, rtt, false) }
    }

    /// Whether it has been neither heard of nor given up on since it was restored.
    pub fn is_restored(&self) -> bool {
        self.failures == 1 && self.last_answer_s == 0
    }

    /// It answered.
    pub fn answered(&mut self, now: Moment, rtt: Option<Duration>) {
        self.last_answer_s = seconds(now);
        self.failures = 0;
        if let Some(rtt) = rtt {
            self.rtt.observe(rtt);
        }
    }

    /// It sent us a query: a sign of life from one that has answered before (BEP 5, routing table).
    pub fn queried(&mut self, now: Moment) {
        self.last_query_s = seconds(now);
    }

    /// A request to it went unanswered.
    pub fn failed(&mut self) {
        self.failures = self.failures.saturating_add(1);
    }

    /// It says that it has been up for so long; more than 45 days count as so many.
    pub fn says_age(&mut self, now: Moment, age: Duration) {
        let older = age.saturating_sub(now.since(self.first_answer()));
        self.older_min = u16::try_from(older.as_secs() / 60).unwrap_or(u16::MAX);
    }

    /// When it first answered.
    pub fn first_answer(&self) -> Moment {
        moment(self.first_answer_s)
    }

    /// How old it was when it last answered, as far as is known or it says.
    pub fn age(&self) -> Duration {
        let known_s = self.last_answer_s.saturating_sub(self.first_answer_s);
        Duration::from_secs(u64::from(known_s) + 60 * u64::from(self.older_min))
    }

    /// When it last answered.
    pub fn last_answer(&self) -> Moment {
        moment(self.last_answer_s)
    }

    /// When it last gave a sign of life: an answer, or a query.
    pub fn last_seen(&self) -> Moment {
        moment(self.last_answer_s.max(self.last_query_s))
    }
}

fn seconds(moment: Moment) -> u32 {
    u32::try_from(moment.as_micros() / 1_000_000).unwrap_or(u32::MAX)
}

fn moment(seconds: u32) -> Moment {
    Moment::from_micros(u64::from(seconds) * 1_000_000)
}

/// A smoothed round-trip time and its deviation (RFC 6298, section 2), in units of 100 µs, which
/// reach to 6.5 s.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rtt {
    smoothed: u16,
    deviation: u16,
}

impl Rtt {
    const UNIT_MICROS: u64 = 100;

    /// After a first measurement (RFC 6298, 2.2).
    pub fn new(measured: Duration) -> Self {
        let measured = Self::units(measured);
        Self { smoothed: measured, deviation: measured / 2 }
    }

    /// After `times` measurements that were all the same.
    pub fn steady(measured: Duration, times: u32) -> Self {
        let Self { smoothed, deviation } = Self::new(measured);
        // Without an error only the deviation changes.
        let mut left = u32::from(deviation);
        for _ in 1..times {
            left -= left / 4;
        }
        Self { smoothed, deviation: u16::try_from(left).unwrap_or(deviation) }
    }

    /// Takes in a further measurement (RFC 6298, 2.3: α = 1/8, β = 1/4).
    pub fn observe(&mut self, measured: Duration) {
        let measured = Self::units(measured);
        let error = self.smoothed.abs_diff(measured);
        self.deviation = self.deviation - self.deviation / 4 + error / 4;
        self.smoothed = self.smoothed - self.smoothed / 8 + measured / 8;
    }

    /// The smoothed round-trip time.
    pub fn smoothed(&self) -> Duration {
        Self::span(self.smoothed.into())
    }

    /// The time after which an answer is overdue: smoothed + 4 deviations, the deviation taken for
    /// a sixteenth of the smoothed time at least, for even the steadiest path has its hiccups.
    pub fn overdue(&self) -> Duration {
        let deviation = self.deviation.max(self.smoothed / 16);
        Self::span(u64::from(self.smoothed) + 4 * u64::from(deviation))
    }

    fn units(span: Duration) -> u16 {
        // Division of 128 bits is slow, and 64 reach far beyond the largest unit.
        let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        u16::try_from(micros / Self::UNIT_MICROS).unwrap_or(u16::MAX)
    }

    fn span(units: u64) -> Duration {
        Duration::from_micros(units * Self::UNIT_MICROS)
    }
}

#[cfg(test)]
mod tests;
