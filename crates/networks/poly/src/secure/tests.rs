//! Nodes with a small inner protocol, in a network of virtual time that loses, doubles, delays and
//! remembers datagrams.

mod attacks;
mod life;
mod vector;
mod world;

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use world::{Ask, World, address, config, identity, peer, private};

const ROUND_TRIP: Duration = Duration::from_millis(100);

/// Nodes 1 and 2, which know each other's ids, at one second.
fn pair(config: &SecureConfig) -> World {
    let mut world = World::new(1);
    world.add(1, config.clone());
    world.add(2, config.clone());
    world.run_for(Duration::from_secs(1));
    world
}

/// How long the answer to a question of node 1 to node 2 takes.
fn ask(world: &mut World, ask: Ask) -> Option<Duration> {
    let asked = world.now;
    let number = world.ask(1, peer(2), ask);
    world.run_for(Duration::from_secs(4));
    let (answered, from) = world.answered(1, number)?;
    assert_eq!(from, peer(2));
    Some(answered.since(asked))
}

#[test]
fn first_contact_costs_one_round_trip() {
    for config in [config(), private()] {
        let mut world = pair(&config);
        assert_eq!(ask(&mut world, Ask::default()), Some(ROUND_TRIP));
        assert_eq!(world.datagrams, 2);
        assert_eq!(ask(&mut world, Ask::default()), Some(ROUND_TRIP));
        assert_eq!(world.datagrams, 4);
        assert_eq!(world.node(1).counters().initiated, 1);
        assert_eq!((world.node(1).sessions(), world.node(2).sessions()), (1, 1));
    }
}

#[test]
fn who_is_asked_first_may_ask_back() {
    let mut world = pair(&config());
    ask(&mut world, Ask::default());
    let number = world.ask(2, peer(1), Ask::default());
    world.run_for(ROUND_TRIP);
    assert_eq!(world.answered(2, number).unwrap().1, peer(1));
    assert_eq!(world.node(2).counters().initiated, 0, "the session serves both");
}

#[test]
fn an_address_alone_costs_one_more() {
    let mut world = pair(&config());
    let asked = world.now;
    let number = world.ask(1, Peer::unproven(address(2)), Ask::default());
    let later = world.ask(1, Peer::unproven(address(2)), Ask::default());
    world.run_for(Duration::from_secs(1));
    let (answered, from) = world.answered(1, number).unwrap();
    assert_eq!((answered.since(asked), from), (ROUND_TRIP * 2, peer(2)));
    assert!(world.answered(1, later).is_some(), "what came in between follows");
    let number = world.ask(1, Peer::unproven(address(2)), Ask::default());
    world.run_for(ROUND_TRIP);
    assert!(world.answered(1, number).is_some(), "now it is known who is there");
    assert_eq!(world.node(1).counters().initiated, 1);
}

#[test]
fn without_a_clock_it_costs_one_more() {
    let without = SecureConfig { started_unix_ms: None, ..config() };
    let wrong = SecureConfig { started_unix_ms: Some(7), ..config() };
    for (asker, answerer) in [(&without, &config()), (&config(), &without), (&wrong, &config())] {
        let mut world = World::new(1);
        world.add(1, asker.clone());
        world.add(2, answerer.clone());
        world.run_for(Duration::from_secs(1));
        assert_eq!(ask(&mut world, Ask::default()), Some(ROUND_TRIP * 2));
        assert_eq!(world.node(2).counters().challenged, 1);
        assert_eq!(ask(&mut world, Ask::default()), Some(ROUND_TRIP));
    }
}

#[test]
fn long_answers_wait_for_the_proof() {
    let mut world = pair(&config());
    let longest = MAX_MESSAGE_BYTES;
    assert_eq!(ask(&mut world, Ask { answer: longest, ..Ask::default() }), Some(ROUND_TRIP * 2));
    assert_eq!(ask(&mut world, Ask { answer: longest, ..Ask::default() }), Some(ROUND_TRIP));
    assert_eq!(world.node(2).counters().dropped, 0);
}

#[test]
fn answers_up_to_the_padding_fit() {
    let room = config().first_datagram_bytes - RESPONSE_BYTES;
    let mut world = pair(&config());
    assert_eq!(ask(&mut world, Ask { answer: room, ..Ask::default() }), Some(ROUND_TRIP));
    let mut world = pair(&config());
    assert_eq!(ask(&mut world, Ask { answer: room + 1, ..Ask::default() }), Some(ROUND_TRIP * 2));
}

#[test]
fn what_asks_little_is_not_padded() {
    let little = SecureConfig { asks_little: |_| true, ..config() };
    let much = SecureConfig { asks_little: |_| false, ..config() };
    for (config, bytes) in [(little, 179 + 50), (much, 640)] {
        let mut world = pair(&config);
        let question = Ask { request: 50, answer: 60, is_bulk: false };
        assert_eq!(ask(&mut world, question), Some(ROUND_TRIP));
        assert_eq!(world.captured[0].bytes.len(), bytes);
        assert_eq!(world.datagrams, 2, "the answer comes with the response");
    }
}

#[test]
fn long_requests_wait_for_the_handshake() {
    for (request, trips) in
        [(MAX_FIRST_REQUEST_BYTES, 1), (MAX_FIRST_REQUEST_BYTES + 1, 2), (MAX_MESSAGE_BYTES, 2)]
    {
        let mut world = pair(&config());
        let taken = ask(&mut world, Ask { request, ..Ask::default() });
        assert_eq!(taken, Some(ROUND_TRIP * trips), "{request}");
    }
    let mut world = pair(&config());
    let request = MAX_MESSAGE_BYTES + 1;
    assert_eq!(ask(&mut world, Ask { request, ..Ask::default() }), None);
    assert_eq!(world.node(1).counters().dropped, 1);
}

#[test]
fn several_questions_at_once_share_a_handshake() {
    let mut world = pair(&config());
    let to = peer(2);
    let numbers: Vec<u32> = (0..5).map(|_| world.ask(1, to, Ask::default())).collect();
    world.run_for(ROUND_TRIP * 2);
    assert!(numbers.iter().all(|number| world.answered(1, *number).is_some()));
    assert_eq!(world.node(1).counters().initiated, 1);
}

#[test]
fn simultaneous_open_settles() {
    let mut world = pair(&config());
    let (one, two) = (peer(1), peer(2));
    let there = world.ask(1, two, Ask::default());
    let back = world.ask(2, one, Ask::default());
    world.run_for(ROUND_TRIP);
    assert!(world.answered(1, there).is_some() && world.answered(2, back).is_some());
    for _ in 0..20 {
        let there = world.ask(1, two, Ask { answer: 1000, ..Ask::default() });
        let back = world.ask(2, one, Ask { answer: 1000, ..Ask::default() });
        world.run_for(Duration::from_secs(2));
        assert!(world.answered(1, there).is_some() && world.answered(2, back).is_some());
    }
    for node in [1, 2] {
        let counters = world.node(node).counters();
        assert_eq!((counters.initiated, counters.challenged, counters.dropped), (1, 0, 0));
    }
}

/// Nothing long goes to whoever has not shown to be there; and it is known there when it comes.
#[test]
fn long_messages_wait_until_both_know_each_other() {
    let long = Ask { is_bulk: true, request: 60_000, ..Ask::default() };
    let mut world = pair(&config());
    world.ask(1, peer(2), long);
    assert_eq!(world.bulk, []);
    world.run_for(ROUND_TRIP);
    let sent = (address(1), peer(2), 60_000);
    assert_eq!(world.bulk, [sent]);
    world.run_for(ROUND_TRIP);
    assert!(world.node(2).knows(address(1)) && world.node(1).knows(address(2)));
    world.ask(1, peer(2), long);
    assert_eq!(world.bulk, [sent, sent], "now at once");
    world.deliver_bulk(2, peer(1), 60_000);
    assert_eq!(world.heard(2), 1);
    world.check();
}

/// The answer to a first request that is long: the asker's address may be forged.
#[test]
fn long_answers_to_strangers_wait_for_their_proof() {
    let mut world = pair(&config());
    let number = world.ask(1, peer(2), Ask { answer: 60_000, ..Ask::default() });
    world.run_for(ROUND_TRIP);
    assert_eq!((world.bulk.as_slice(), world.answered(1, number)), (&[][..], None));
    world.run_for(ROUND_TRIP);
    assert_eq!(world.bulk, [(address(2), peer(1), 60_000)]);
    world.check();
}

#[test]
fn long_messages_to_nobody_are_given_up() {
    let mut world = World::new(1);
    world.add(1, config());
    world.run_for(Duration::from_secs(1));
    for _ in 0..300 {
        world.ask(1, peer(3), Ask { is_bulk: true, request: 60_000, ..Ask::default() });
    }
    let dropped = world.node(1).counters().dropped;
    assert!(dropped >= 300 - 8 * 1024 * 1024 / 60_000, "bounded: {dropped}");
    world.run_for(Duration::from_mins(2));
    assert_eq!(world.bulk, []);
    assert!(world.node(1).counters().dropped >= 300);
    assert_eq!((world.node(1).handshakes(), world.node(1).next_timeout()), (0, None));
}

#[test]
fn the_same_seed_gives_the_same_datagrams() {
    let run = |seed| {
        let mut world = World::new(seed);
        world.loss = 0.1;
        world.add(1, config());
        world.add(2, config());
        for _ in 0..20 {
            world.run_for(Duration::from_millis(100));
            world.ask(1, peer(2), Ask::default());
        }
        world.run_for(Duration::from_secs(10));
        world.captured.iter().map(|datagram| datagram.bytes.clone()).collect::<Vec<_>>()
    };
    assert_eq!(run(3), run(3));
    assert_ne!(run(3), run(4));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whatever is lost, doubled and reordered: no message arrives twice, and those whose sender
    /// tries again arrive.
    #[test]
    fn loss_and_disorder_are_tolerated(seed: u64, loss in 0.0..0.4, doubled in 0.0..0.3) {
        let mut world = World::new(seed);
        world.add(1, config());
        world.add(2, config());
        (world.loss, world.doubled, world.jitter) = (loss, doubled, Duration::from_millis(200));
        world.run_for(Duration::from_secs(1));
        for round in 0..15 {
            let (asker, other) = if round % 3 == 0 { (2, 1) } else { (1, 2) };
            let mut numbers = Vec::new();
            for _ in 0..20 {
                numbers.push(world.ask(asker, peer(other), Ask::default()));
                world.run_for(Duration::from_secs(1));
                if numbers.iter().any(|number| world.answered(asker, *number).is_some()) {
                    break;
                }
            }
            let is_answered = numbers.iter().any(|number| world.answered(asker, *number).is_some());
            prop_assert!(is_answered, "round {}", round);
        }
        world.check();
    }
}
