//! Sessions over time: loss of one side, renewal, idleness, eviction, addresses that change.

use super::*;

#[test]
fn a_restarted_peer_recovers_within_one_extra_round_trip() {
    for config in [config(), private()] {
        let mut world = pair(&config);
        ask(&mut world, Ask::default());
        world.add(2, config);
        for request in [50, MAX_FIRST_REQUEST_BYTES] {
            assert!(ask(&mut world, Ask { request, ..Ask::default() }).is_some());
        }
        assert_eq!(world.node(1).counters().heeded, 1);
        let mut world = pair(&self::config());
        ask(&mut world, Ask::default());
        world.add(2, self::config());
        assert_eq!(ask(&mut world, Ask::default()), Some(ROUND_TRIP * 2));
        assert_eq!(ask(&mut world, Ask::default()), Some(ROUND_TRIP));
    }
}

#[test]
fn all_that_was_on_its_way_to_a_restarted_peer_arrives() {
    let mut world = pair(&config());
    ask(&mut world, Ask::default());
    world.add(2, config());
    let to = peer(2);
    let numbers: Vec<u32> = (0..4).map(|_| world.ask(1, to, Ask::default())).collect();
    world.run_for(ROUND_TRIP * 3);
    assert!(numbers.iter().all(|number| world.answered(1, *number).is_some()));
    assert_eq!(world.node(1).counters().heeded, 1, "one handshake for all");
}

#[test]
fn a_restarted_initiator_is_heard_at_once() {
    let mut world = pair(&config());
    ask(&mut world, Ask::default());
    world.add(1, config());
    assert_eq!(ask(&mut world, Ask::default()), Some(ROUND_TRIP));
    let number = world.ask(2, peer(1), Ask::default());
    world.run_for(ROUND_TRIP * 2);
    assert!(world.answered(2, number).is_some());
}

#[test]
fn a_peer_that_no_longer_hears_is_greeted_anew() {
    let mut world = pair(&config());
    ask(&mut world, Ask::default());
    world.loss = 1.0;
    ask(&mut world, Ask::default());
    world.run_for(Duration::from_secs(20));
    world.loss = 0.0;
    assert_eq!(ask(&mut world, Ask::default()), Some(ROUND_TRIP));
    assert_eq!(world.node(1).counters().initiated, 2);
}

#[test]
fn nobody_there_is_forgotten() {
    let mut world = World::new(1);
    world.add(1, config());
    for to in [peer(2), Peer::unproven(address(3))] {
        world.ask(1, to, Ask { request: 1100, ..Ask::default() });
    }
    world.run_for(Duration::from_mins(1));
    assert_eq!(world.node(1).handshakes(), 0);
    assert_eq!(world.node(1).sessions(), 0);
    assert_eq!(world.datagrams, 6, "three tries each");
    assert_eq!(world.node(1).next_timeout(), None);
}

#[test]
fn sessions_are_renewed_by_time_and_by_count() {
    let by_count = SecureConfig { renew_after_messages: 50, ..config() };
    let by_time = SecureConfig { renew_after: Duration::from_secs(30), ..config() };
    for config in [by_count, by_time] {
        let mut world = pair(&config);
        for round in 0..300 {
            let (asker, other) = if round % 2 == 0 { (1, 2) } else { (2, 1) };
            let number = world.ask(asker, peer(other), Ask { answer: 1000, ..Ask::default() });
            world.run_for(Duration::from_millis(if round == 0 {
                1000
            } else {
                100 + round % 2 * 900
            }));
            assert!(world.answered(asker, number).is_some(), "{round}");
        }
        let counters = world.node(1).counters();
        assert!((4..=8).contains(&counters.initiated), "{counters:?}");
        assert_eq!(counters.initiated, counters.completed);
        assert_eq!((counters.challenged, counters.dropped, counters.forged), (0, 0, 0));
        assert!(world.node(1).sessions() <= 2);
        world.check();
    }
}

#[test]
fn idle_sessions_end() {
    let mut world = pair(&config());
    ask(&mut world, Ask::default());
    world.run_for(config().idle + Duration::from_secs(2));
    assert_eq!((world.node(1).sessions(), world.node(2).sessions()), (0, 0));
    assert_eq!(ask(&mut world, Ask::default()), Some(ROUND_TRIP));
}

#[test]
fn the_least_used_sessions_make_room() {
    let config = SecureConfig { max_sessions: 8, ..config() };
    let mut world = World::new(1);
    for node in 1..=20 {
        world.add(node, config.clone());
    }
    world.run_for(Duration::from_secs(1));
    for node in 2..=20 {
        let number = world.ask(1, peer(node), Ask::default());
        let kept = world.ask(1, peer(2), Ask::default());
        world.run_for(Duration::from_secs(2));
        assert!(world.answered(1, number).is_some() && world.answered(1, kept).is_some());
        assert!(world.node(1).sessions() <= 8);
    }
    assert_eq!(world.node(2).counters().accepted, 1, "what is used is kept");
    // One whose session made room has to begin anew, and loses nothing.
    let number = world.ask(3, peer(1), Ask::default());
    world.run_for(ROUND_TRIP * 2);
    assert!(world.answered(3, number).is_some());
}

#[test]
fn a_peer_may_move() {
    let mut world = pair(&config());
    ask(&mut world, Ask { answer: 1000, ..Ask::default() });
    let elsewhere = "203.0.113.9:999".parse().unwrap();
    world.moved.insert(1, elsewhere);
    assert_eq!(
        ask(&mut world, Ask { request: 100, answer: 40, ..Ask::default() }),
        Some(ROUND_TRIP)
    );
    assert_eq!(world.node(2).counters().moved, 1);
    let number = world.ask(2, Peer { address: elsewhere, ..peer(1) }, Ask::default());
    world.run_for(ROUND_TRIP);
    assert!(world.answered(2, number).is_some(), "reached where it is now");
    assert_eq!(world.node(2).sessions(), 1);
    assert_eq!(world.node(1).counters().initiated, 1);
}

#[test]
fn long_answers_follow_a_moved_peer_once_it_has_proven_where_it_is() {
    let mut world = pair(&config());
    ask(&mut world, Ask::default());
    world.moved.insert(1, "203.0.113.9:999".parse().unwrap());
    let taken = ask(&mut world, Ask { request: 100, answer: 1100, ..Ask::default() });
    assert_eq!(taken, Some(ROUND_TRIP * 2));
}
