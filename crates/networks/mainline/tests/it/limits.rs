//! Rate limits: who floods gets his share, and nobody else notices.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use kademlia::limit::RateLimit;
use mainline::Settings;
use mainline::wire::{Query, Request};

use crate::quirks::TORRENT;
use crate::raw::{STRANGER, encoded};
use crate::world::World;

/// How many of the queries that `flood` sends within 10 s, `per_second` of them in turn, are
/// answered; and how many of 300 other hosts' queries, 5 a second each, are not.
fn flooded(flood: &[SocketAddr], per_second: u64, request: Request<'_>) -> (u64, u64) {
    const SECONDS: u64 = 10;
    let mut world = World::new(1);
    let node = world.add("45.0.0.1:6881", Settings::default());
    let bytes = encoded(&Query { read_only: true, ..Query::new(b"tran", STRANGER, request) });
    let get_peers = Request::GetPeers { info_hash: TORRENT, noseed: false, scrape: false };
    let honest = encoded(&Query { read_only: true, ..Query::new(b"tran", STRANGER, get_peers) });
    let hosts: Vec<_> = (0..300u32).map(|n| format!("46.{}.{}.7:7", n / 100, n % 100)).collect();
    let others = u64::try_from(hosts.len()).unwrap() * 5;
    let (mut answered, mut unserved) = (0, 0);
    for tick in 0..SECONDS * per_second {
        world.now = kademlia::Moment::from_micros(1 + tick * 1_000_000 / per_second);
        let turn = usize::try_from(tick).unwrap();
        let from = flood[turn % flood.len()];
        answered += world.inject_from(from, node, &bytes).len();
        if tick % (per_second / others) == 0 {
            let from = &hosts[turn / usize::try_from(per_second / others).unwrap() % hosts.len()];
            unserved += u64::from(world.inject(from, node, &honest).is_empty());
        }
    }
    let status = world.node(node).status(world.now);
    let all = status.counters.answers + status.counters.errors;
    let refused = status.refusals.by_host + status.refusals.by_subnet;
    assert_eq!(all + refused, status.counters.queries, "all are counted");
    (answered.try_into().unwrap(), unserved)
}

#[test]
fn one_host_gets_its_share() {
    let limit = RateLimit::default();
    let flood = ["45.9.9.9:9".parse().unwrap()];
    let ping = |port| SocketAddr::new(IpAddr::from([45, 9, 9, 9]), port);
    let share = u64::from(limit.host_burst + 10 * limit.per_host_per_second);
    let find = Request::FindNode { target: TORRENT };
    let (answered, unserved) = flooded(&flood, 50_000, find);
    assert!((share - 1..=share + 1).contains(&answered), "{answered} of {share}");
    assert_eq!(unserved, 0);
    // Other ports of the same host make no difference.
    let ports: Vec<_> = (1..1000).map(ping).collect();
    let (answered, unserved) = flooded(&ports, 50_000, Request::Ping);
    assert!((share - 1..=share + 1).contains(&answered), "{answered} of {share}");
    assert_eq!(unserved, 0);
}

#[test]
fn one_subnet_gets_its_share() {
    let limit = RateLimit::default();
    let share = u64::from(limit.subnet_burst + 10 * limit.per_subnet_per_second);
    let flood: Vec<_> =
        (0..=255u8).map(|n| SocketAddr::new(IpAddr::from([45, 9, 9, n]), 9)).collect();
    let (answered, unserved) = flooded(&flood, 50_000, Request::Ping);
    assert!((share - 1..=share + 1).contains(&answered), "{answered} of {share}");
    assert_eq!(unserved, 0);
}

#[test]
fn a_host_of_many_ipv6_addresses_is_one() {
    let limit = RateLimit::default();
    let mut world = World::new(2);
    let settings = Settings { v4: false, v6: true, ..Settings::default() };
    let node = world.add("[2001:db8::1]:6881", settings);
    let bytes = encoded(&Query { read_only: true, ..Query::new(b"tran", STRANGER, Request::Ping) });
    let mut answered = 0;
    for n in 0..10_000u32 {
        world.now = world.now + Duration::from_micros(100);
        let from = format!("[2001:db8:5:5::{n:x}]:5", n = n % 5000 + 1);
        answered += world.inject(&from, node, &bytes).len();
    }
    let share = limit.host_burst + limit.per_host_per_second;
    assert!(answered <= share as usize + 1, "{answered} of {share}");
}

/// Puts are dear: checking a signature takes long.
#[test]
fn puts_get_a_smaller_share() {
    let limit = RateLimit::default();
    let put = Request::Put(mainline::wire::Put {
        token: b"bad",
        value: b"i1e",
        mutable: None,
        target: None,
    });
    let (answered, unserved) = flooded(&["45.9.9.9:9".parse().unwrap()], 50_000, put);
    let share = u64::from(limit.host_burst + 10 * limit.per_host_per_second) / 8;
    assert!((share - 1..=share + 1).contains(&answered), "{answered} of {share}");
    assert_eq!(unserved, 0);
}
