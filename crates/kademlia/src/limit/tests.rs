use super::*;
use core::net::{Ipv4Addr, Ipv6Addr};
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use std::collections::BTreeMap;

const LIMIT: RateLimit = RateLimit {
    per_host_per_second: 10,
    host_burst: 50,
    per_subnet_per_second: 20,
    subnet_burst: 80,
};

fn limiter(seed: u64) -> RateLimiter {
    RateLimiter::new(LIMIT, &mut ChaCha8Rng::seed_from_u64(seed))
}

fn at(millis: u64) -> Moment {
    Moment::from_micros(millis * 1000)
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// How many of `tries` queries at `millis` pass.
fn burst(limiter: &mut RateLimiter, millis: u64, host: &str, tries: u32) -> u32 {
    (0..tries).map(|_| u32::from(limiter.allow(at(millis), ip(host), 1))).sum()
}

#[test]
fn a_host_gets_its_burst_and_then_its_rate() {
    let mut limiter = limiter(1);
    assert_eq!(burst(&mut limiter, 5000, "192.0.2.1", 1000), 50);
    assert_eq!(limiter.refusals().by_host, 950);
    assert_eq!(burst(&mut limiter, 6000, "192.0.2.1", 1000), 10);
    // 50,000 queries a second for ten seconds: 10 a second are served.
    let served: u32 =
        (0..10_000).map(|milli| burst(&mut limiter, 6001 + milli, "192.0.2.1", 50)).sum();
    assert_eq!(served, 100);
    assert_eq!(burst(&mut limiter, 60_000, "192.0.2.1", 1000), 50);
}

#[test]
fn a_subnet_is_limited_though_its_hosts_are_not() {
    for hosts in [
        ["192.0.2.1", "192.0.2.2", "192.0.2.3"],
        ["2001:db8:1:1::1", "2001:db8:1:2::1", "2001:db8:1:3::1"],
    ] {
        let mut limiter = limiter(2);
        let passed = hosts.map(|host| burst(&mut limiter, 0, host, 100));
        assert_eq!(passed, [50, 30, 0]);
        assert_eq!(limiter.refusals(), Refusals { by_host: 50, by_subnet: 170 });
    }
}

#[test]
fn ipv6_hosts_are_their_slash_64() {
    let mut limiter = limiter(3);
    let passed: u32 =
        (0..1000).map(|i| burst(&mut limiter, 0, &format!("2001:db8::{i:x}"), 1)).sum();
    assert_eq!(passed, 50);
}

#[test]
fn private_hosts_share_no_subnet_limit() {
    let mut limiter = limiter(4);
    for host in ["10.77.0.1", "10.77.0.2", "10.77.0.3", "127.0.0.1", "127.0.0.2"] {
        assert_eq!(burst(&mut limiter, 0, host, 100), 50);
    }
}

#[test]
fn dear_queries_pass_when_nothing_is_owed() {
    let mut limiter = limiter(5);
    assert!(limiter.allow(at(0), ip("192.0.2.1"), u32::MAX));
    assert!(!limiter.allow(at(0), ip("192.0.2.1"), 1));
    assert!(!limiter.allow(at(4900), ip("192.0.2.1"), 50));
    assert!(limiter.allow(at(4900), ip("192.0.2.1"), 49));
}

#[test]
fn disabled_allows_everything() {
    let mut limiter = RateLimiter::disabled();
    assert_eq!(burst(&mut limiter, 0, "192.0.2.1", 100_000), 100_000);
    assert_eq!(limiter.refusals(), Refusals::default());
}

#[test]
fn odd_settings_do_not_divide_by_zero() {
    let zero = RateLimit {
        per_host_per_second: 0,
        host_burst: 0,
        per_subnet_per_second: u32::MAX,
        subnet_burst: u32::MAX,
    };
    let mut limiter = RateLimiter::new(zero, &mut ChaCha8Rng::seed_from_u64(6));
    assert_eq!(burst(&mut limiter, 0, "192.0.2.1", 10), 1);
    assert!(!limiter.allow(Moment::from_micros(999_999), ip("192.0.2.1"), 1));
    assert!(limiter.allow(Moment::from_micros(u64::MAX), ip("192.0.2.1"), 1));
    assert!(limiter.allow(Moment::from_micros(u64::MAX), ip("192.0.2.2"), 1));
}

/// A flood of single queries in the name of a million others does not free who has used up his
/// share.
#[test]
fn a_drained_bucket_is_not_flushed() {
    let mut limiter = limiter(7);
    let mut served = burst(&mut limiter, 0, "192.0.2.1", 100);
    for i in 0..1_000_000u32 {
        let millis = u64::from(i) / 500;
        let spoofed = Ipv4Addr::from_bits(0x0b00_0000 + i * 97);
        limiter.allow(at(millis), spoofed.into(), 1);
        if i % 100 == 0 {
            served += burst(&mut limiter, millis, "192.0.2.1", 1);
        }
    }
    // 2 s at 10 a second after the burst of 50.
    assert_eq!(served, 50 + 19);
}

/// Nor does the flood use up the share of a host that asks modestly.
#[test]
fn a_flood_does_not_drain_others() {
    let mut limiter = limiter(8);
    for i in 0..1_000_000u32 {
        let millis = u64::from(i) / 200;
        limiter.allow(at(millis), Ipv4Addr::from_bits(0x0b00_0000 + i * 97).into(), 1);
        if i % 40_000 == 0 {
            assert!(limiter.allow(at(millis), ip("192.0.2.1"), 1));
        }
    }
}

#[test]
fn memory_is_small_and_bounded() {
    let bytes = |limiter: &RateLimiter| {
        let levels = limiter.levels.as_ref().unwrap();
        (levels.hosts.sets.len() + levels.subnets.sets.len()) * size_of::<Set>()
    };
    let mut limiter = limiter(9);
    for i in 0..100_000u32 {
        // One query a second from hosts far apart.
        limiter.allow(at(1000 * u64::from(i)), Ipv4Addr::from_bits(i << 9).into(), 1);
    }
    assert_eq!(bytes(&limiter), 128);
    for i in 0..100_000u32 {
        limiter.allow(at(0), Ipv4Addr::from_bits(i << 9).into(), 1);
    }
    assert_eq!(bytes(&limiter), 128 * 1024);
}

/// A bucket for every prefix, without bounds.
#[derive(Default)]
struct Model(BTreeMap<(bool, u64), u64>);

impl Model {
    fn allow(&mut self, now_ns: u64, host: IpAddr, cost: u64) -> bool {
        let (host, subnet) = prefixes(host);
        let mut levels = [((false, host), 100_000_000, 50), ((true, subnet), 50_000_000, 80)];
        let fits = levels.iter_mut().all(|(prefix, interval, burst)| {
            let owed = self.0.get(prefix).map_or(0, |full| full.saturating_sub(now_ns));
            owed + cost * *interval <= *burst * *interval
        });
        if fits {
            for (prefix, interval, _) in levels {
                let full = self.0.entry(prefix).or_default();
                *full = now_ns.max(*full) + cost * interval;
            }
        }
        fits
    }
}

proptest! {
    /// While fewer prefixes ask than there are buckets, the bounded limiter is the unbounded one.
    #[test]
    fn agrees_with_unbounded_buckets(
        seed in any::<u64>(),
        queries in prop::collection::vec((0u64..300, 0u32..40, any::<bool>(), 1u32..20), 1..400),
    ) {
        let mut limiter = limiter(seed);
        let mut model = Model::default();
        let mut millis = 0;
        for (pause, host, v6, cost) in queries {
            millis += pause;
            // Ten hosts a subnet.
            let host: IpAddr = if v6 {
                Ipv6Addr::from_bits(
                    0x2001 << 112 | u128::from(host / 10) << 80 | u128::from(host) << 64,
                ).into()
            } else {
                Ipv4Addr::from_bits(0x0b00_0000 | (host / 10) << 8 | host).into()
            };
            prop_assert_eq!(
                limiter.allow(at(millis), host, cost),
                model.allow(millis * 1_000_000, host, u64::from(cost))
            );
        }
    }
}
