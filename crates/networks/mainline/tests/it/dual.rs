//! IPv6 and dual stack (BEP 32): two networks that help each other.

use std::time::Duration;

use mainline::Settings;
use mainline::command::{Command, Failure, Item, Outcome};
use mainline::item::immutable_target;
use mainline::wire::Id;

use crate::world::{Place, World};

struct Families {
    world: World,
    v4: Vec<Place>,
    v6: Vec<Place>,
    dual: Vec<Place>,
}

/// Nodes of one family and nodes of both, joined through one node of each family.
fn families(seed: u64, single: u32, dual: u32) -> Families {
    let mut world = World::new(seed);
    let only_v6 = Settings { v4: false, v6: true, ..Settings::default() };
    let v4: Vec<_> = (0..single)
        .map(|n| world.add(&format!("10.77.4.{}:6881", n + 1), Settings::default()))
        .collect();
    let v6: Vec<_> = (0..single)
        .map(|n| world.add(&format!("[fd00::6:{:x}]:6881", n + 1), only_v6.clone()))
        .collect();
    let dual: Vec<_> = (0..dual)
        .map(|n| {
            let n = n + 1;
            world.add_dual(&format!("10.77.46.{n}:6881"), &format!("[fd00::46:{n:x}]:6881"))
        })
        .collect();
    for place in v4.iter().chain(&v6).chain(&dual) {
        let mut through = vec![v4[0], v6[0]];
        let is_dual = dual.contains(place);
        through.retain(|first| first != place && (is_dual || first.is_ipv4() == place.is_ipv4()));
        if !through.is_empty() {
            world.command(*place, Command::Bootstrap(through));
        }
        world.run_for(Duration::from_millis(50));
    }
    world.run_for(Duration::from_mins(1));
    Families { world, v4, v6, dual }
}

fn put(world: &mut World, at: Place, value: &[u8]) -> (usize, usize) {
    match world.perform(at, Command::PutImmutable(value.into())).0 {
        Outcome::Stored(acknowledgements) => {
            let all = acknowledgements.stored.len();
            let v4 = acknowledgements.stored.iter().filter(|c| c.address.is_ipv4()).count();
            (v4, all - v4)
        }
        other => panic!("not stored: {other:?}"),
    }
}

fn get(world: &mut World, at: Place, value: &[u8]) -> bool {
    let (outcome, _) = world.perform(at, Command::GetImmutable(immutable_target(value)));
    match outcome {
        Outcome::Item(Some(Item::Immutable(found))) => *found == *value,
        Outcome::Item(None) => false,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_network_of_ipv6_alone() {
    let Families { mut world, v6, .. } = families(1, 20, 1);
    assert_eq!(put(&mut world, v6[3], b"i3e"), (0, 8));
    assert!(get(&mut world, v6[17], b"i3e"));
    let torrent = Id::new([1; 20]);
    world.command(v6[5], Command::Announce { info_hash: torrent, port: None, seed: true });
    world.run_for(Duration::from_secs(5));
    let (outcome, _) = world.perform(v6[9], Command::GetPeers(torrent));
    assert_eq!(outcome, Outcome::Peers(vec![v6[5]]));
    let (outcome, _) = world.perform(v6[9], Command::Scrape(torrent));
    assert!(matches!(outcome, Outcome::Scrape { seeds, .. } if (seeds - 1.0).abs() < 0.1));
    let status = world.node(v6[9]).status(world.now);
    assert!(status.v4.is_none() && status.v6.unwrap().census.good >= 8);
    let (outcome, _) = world.perform(v6[9], Command::Ping("10.77.4.1:6881".parse().unwrap()));
    assert_eq!(outcome, Outcome::Failed(Failure::WrongFamily));
}

#[test]
fn dual_nodes_serve_both_families() {
    let Families { mut world, v4, v6, dual } = families(2, 12, 6);
    let (in_v4, in_v6) = put(&mut world, dual[2], b"5:twice");
    assert_eq!((in_v4, in_v6), (8, 8));
    for at in [v4[4], v6[7], dual[5]] {
        assert!(get(&mut world, at, b"5:twice"), "{at}");
    }
    // What one family stores, dual nodes find; and the other family too, if one of them holds it.
    assert_eq!(put(&mut world, v4[3], b"i4e"), (8, 0));
    assert_eq!(put(&mut world, v6[3], b"i6e"), (0, 8));
    for (at, value) in [(dual[1], b"i4e"), (dual[1], b"i6e"), (v4[8], b"i4e"), (v6[8], b"i6e")] {
        assert!(get(&mut world, at, value), "{at}");
    }
}

#[test]
fn announcements_of_dual_nodes_reach_both_families() {
    let Families { mut world, v4, v6, dual } = families(3, 12, 6);
    let torrent = Id::new([3; 20]);
    for at in [v4[2], v6[2], dual[2]] {
        world.command(at, Command::Announce { info_hash: torrent, port: Some(99), seed: false });
    }
    world.run_for(Duration::from_secs(5));
    let peer = |place: Place| Place::new(place.ip(), 99);
    let seen_by_v4 = vec![peer(v4[2]), peer(dual[2])];
    let seen_by_v6 = vec![peer(v6[2]), peer(world.v6_of(dual[2]))];
    let all = [seen_by_v4.clone(), seen_by_v6.clone()].concat();
    for (at, expected) in [(v4[7], seen_by_v4), (v6[7], seen_by_v6), (dual[4], all)] {
        let (outcome, _) = world.perform(at, Command::GetPeers(torrent));
        assert_eq!(outcome, Outcome::Peers(expected), "{at}");
    }
}

#[test]
fn a_dual_node_with_ipv4_bootstrap_alone_finds_its_way_into_ipv6() {
    let Families { mut world, dual, v4, v6 } = families(4, 6, 12);
    let newcomer = world.add_dual("10.77.99.9:6881", "[fd00::99:9]:6881");
    let (outcome, _) = world.perform(newcomer, Command::Bootstrap(vec![v4[0]]));
    assert!(matches!(outcome, Outcome::Nodes(_)), "{outcome:?}");
    world.run_for(Duration::from_mins(10));
    let status = world.node(newcomer).status(world.now);
    assert!(status.v6.unwrap().census.good >= 8, "{status:?}");
    let twin = world.v6_of(newcomer);
    let knows = |place: &&Place| world.node(**place).contacts().any(|c| c.address == twin);
    assert!(v6.iter().chain(&dual).filter(knows).count() >= 4);
    put(&mut world, v6[1], b"i99e");
    assert!(get(&mut world, newcomer, b"i99e"));
}
