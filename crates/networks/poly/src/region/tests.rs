#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::many_single_char_names,
    reason = "numbers of tests are small, or cut on purpose"
)]

use super::*;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

#[test]
fn a_radius_holds_its_share() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let key = Key::random(256, &mut rng);
    let radius = Radius::of(20.0, 1000.0);
    let held = (0..20_000).filter(|_| radius.holds(&Key::random(256, &mut rng), &key)).count();
    assert!((300..500).contains(&held), "{held} of 20,000 are in a 1/50");
    assert!(Radius::of(20.0, 20.0).holds(&key, &Key::random(256, &mut rng)));
    assert!(Radius::of(20.0, 10.0) == Radius::ALL);
}

#[test]
fn the_radius_follows_the_network_without_trembling() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let nodes: Vec<Key> = (0..2000).map(|_| Key::random(256, &mut rng)).collect();
    let mut census = Census::default();
    assert_eq!(census.radius(), Radius::ALL);
    let mut changes = 0;
    for _ in 0..200 {
        let target = Key::random(256, &mut rng);
        let mut near = nodes.clone();
        near.sort_by_key(|node| target.distance(node));
        let before = census.radius();
        census.observe(&target, near.iter().take(20));
        changes += usize::from(census.radius() != before);
    }
    let share = Radius::of(REGION_NODES, 2001.0).bits() as f64 / census.radius().bits() as f64;
    assert!((0.8..1.25).contains(&share), "the radius is off by {share}");
    assert!(changes < 20, "it has changed {changes} times");
}

#[test]
fn a_settled_census_knows_the_size() {
    for nodes in [30.0, 1000.0, 800_000.0] {
        let mut census = Census::default();
        census.settle_at(nodes, magnitude(nodes));
        let told = census.size().unwrap().nodes;
        assert!((told / nodes - 1.0).abs() < 0.03, "{told} for {nodes}");
    }
}

#[test]
fn what_most_others_tell_decides_where_ones_own_estimate_does_not() {
    let census = |nodes: f64, told: u8| {
        let mut census = Census::default();
        census.settle_at(nodes, told);
        census.magnitude().unwrap()
    };
    // 2^10 nodes are a magnitude of 80; 2^10.25 lie between two steps.
    let between = 2f64.powf(10.25);
    assert_eq!(magnitude(1023.0), 80);
    assert_eq!(census(between, 80), 80);
    assert_eq!(census(between, 84), 84);
    assert_eq!(census(between, 96), magnitude(between), "too far from what was seen");
    let mut torn = Census::default();
    [80, 84].repeat(8).into_iter().for_each(|magnitude| torn.hear(magnitude));
    assert_eq!(torn.most_told(), None, "no more than half agree");
    let mut young = Census::default();
    (0..4).for_each(|_| young.hear(80));
    assert_eq!(young.most_told(), None, "four are not enough");
    young.hear(80);
    assert_eq!(young.most_told(), Some(80));
}

#[test]
fn newcomers_take_the_size_of_the_network_as_others_do() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let nodes: Vec<Key> = (0..1200).map(|_| Key::random(256, &mut rng)).collect();
    let mut newcomers = Vec::new();
    for _ in 0..40 {
        let mut census = Census::default();
        for _ in 0..6 {
            let target = Key::random(256, &mut rng);
            let mut near = nodes.clone();
            near.sort_by_key(|node| target.distance(node));
            for _ in 0..4 {
                census.hear(80);
            }
            census.observe(&target, near.iter().take(20));
        }
        newcomers.push(census.magnitude());
    }
    let alike = newcomers.iter().filter(|magnitude| **magnitude == Some(80)).count();
    assert!(alike >= 38, "{alike} of 40 go by what others do: {newcomers:?}");
}

#[test]
fn keys_drawn_within_a_radius_lie_in_all_of_it() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let me = Key::random(256, &mut rng);
    for radius in [Radius::ALL, Radius::of(20.0, 1000.0), Radius::new(1)] {
        let keys: Vec<Key> = (0..1000).map(|_| radius.random_within(&me, &mut rng)).collect();
        assert!(keys.iter().all(|key| radius.holds(key, &me)));
        let half = Radius::new(radius.bits() / 2);
        let near = keys.iter().filter(|key| half.holds(key, &me)).count();
        assert!(radius.bits() == 1 || (400..600).contains(&near), "{near} of 1000 in the half");
    }
}

#[test]
fn a_network_is_doubted_when_the_neighbourhood_changes_not_because_it_is_dense() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    // Neighbours at even distances, as many to a region as in a network of `nodes`.
    let neighbours = |me: &Key, nodes: f64| -> Vec<Key> {
        let at = |count: u32| Radius::of(f64::from(count), nodes + 1.0).bits();
        let head = |key: &Key| u64::from_be_bytes(key.id());
        let key = |count: u32| {
            let mut bytes = *me.as_bytes();
            bytes[..8].copy_from_slice(&(head(me) ^ at(count)).to_be_bytes());
            Key::new(bytes)
        };
        (1..=20).map(key).collect()
    };
    let me = Key::random(256, &mut rng);
    let mut census = Census::default();
    census.observe_home(&me, &neighbours(&me, 1400.0));
    census.settle_at(1000.0, magnitude(1000.0));
    assert!((0..50).all(|_| !census.doubts()), "neighbours may lie densely");
    census.observe_home(&me, &neighbours(&me, 1000.0));
    assert!(census.doubts(), "three in ten of them are gone");
    let rounds = (0..50).filter(|_| census.doubts()).count();
    assert!(rounds < 10, "a node gets used to where it is, after {rounds} rounds");
    census.observe_home(&me, &neighbours(&me, 4000.0));
    assert!((0..50).all(|_| census.doubts()), "that is no chance any more");
}
