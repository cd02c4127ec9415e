//! What strangers, eavesdroppers and floods achieve: nothing.

use super::world::Captured;
use super::*;

fn elsewhere(host: u8) -> SocketAddr {
    ([203, 0, 113, host], 53).into()
}

/// Everything that went between two nodes while they talked about this and that.
fn overheard(config: &SecureConfig) -> (World, Vec<Captured>) {
    let mut world = pair(config);
    world.ask(1, Peer::unproven(address(2)), Ask::default());
    world.run_for(Duration::from_secs(1));
    for answer in [50, 1000, 300] {
        ask(&mut world, Ask { answer, ..Ask::default() });
        let number = world.ask(2, peer(1), Ask { answer, ..Ask::default() });
        world.run_for(Duration::from_secs(1));
        assert!(world.answered(2, number).is_some());
    }
    let captured = core::mem::take(&mut world.captured);
    (world, captured)
}

#[test]
fn what_was_captured_changes_nothing_when_it_is_sent_again() {
    let (mut world, captured) = overheard(&config());
    for pause in [0, 1, 60, 300, 1500, 4000] {
        world.run_for(Duration::from_secs(pause));
        let before = [1, 2].map(|node| (world.heard(node), world.node(node).sessions()));
        for datagram in &captured {
            let to = if datagram.to == address(1) { 1 } else { 2 };
            for from in [datagram.from, elsewhere(1)] {
                let sent = world.inject(to, from, &datagram.bytes);
                let sent: usize = sent.iter().map(|datagram| datagram.bytes.len()).sum();
                assert!(sent <= datagram.bytes.len());
            }
        }
        let after = [1, 2].map(|node| (world.heard(node), world.node(node).sessions()));
        assert_eq!(before, after, "after {pause} s");
    }
}

#[test]
fn nor_does_it_after_a_restart() {
    let (mut world, captured) = overheard(&config());
    world.add(
        2,
        SecureConfig {
            // The restarted node's clock goes on where the former's was.
            started_unix_ms: config().started_unix_ms.map(|ms| ms + world.now.as_micros() / 1000),
            ..config()
        },
    );
    for datagram in captured.iter().filter(|datagram| datagram.to == address(2)) {
        world.inject(2, datagram.from, &datagram.bytes);
    }
    assert_eq!((world.heard(2), world.node(2).sessions()), (0, 0));
}

#[test]
fn a_private_node_is_silent_to_strangers() {
    let mut world = World::new(1);
    world.add(1, private());
    world.add(2, private());
    // One without the key, one with another, one of another name.
    world.add(3, config());
    world.add(4, SecureConfig { shared_key: Some([8; 32]), ..config() });
    world.add(5, SecureConfig { network: b"other".to_vec(), ..private() });
    world.run_for(Duration::from_secs(1));
    for node in 3..=5 {
        for to in [peer(2), Peer::unproven(address(2))] {
            world.ask(node, to, Ask::default());
            world.ask(node, to, Ask { request: 1100, ..Ask::default() });
        }
    }
    world.run_for(Duration::from_secs(30));
    assert!(world.captured.iter().all(|datagram| datagram.from != address(2)), "not a byte");
    assert!(world.node(2).counters().foreign > 5);
    assert!(ask(&mut world, Ask::default()).is_some(), "with the key it joins");
}

#[test]
fn a_private_node_is_silent_to_what_is_forged() {
    let (mut world, captured) = overheard(&private());
    for datagram in captured.iter().filter(|datagram| datagram.to == address(2)) {
        for at in 0..datagram.bytes.len() {
            let mut bytes = datagram.bytes.clone();
            bytes[at] ^= 1 << (at % 8);
            assert!(world.inject(2, elsewhere(2), &bytes).is_empty(), "byte {at} of {datagram:?}");
        }
        for length in 0..datagram.bytes.len() {
            let bytes = &datagram.bytes[..length];
            assert!(world.inject(2, elsewhere(2), bytes).is_empty(), "{length} of {datagram:?}");
        }
    }
}

#[test]
fn networks_do_not_mix() {
    let mut world = World::new(1);
    world.add(1, config());
    world.add(2, SecureConfig { network: b"other".to_vec(), ..config() });
    world.run_for(Duration::from_secs(1));
    assert_eq!(ask(&mut world, Ask::default()), None);
    assert!(world.captured.iter().all(|datagram| datagram.from != address(2)));
}

fn first(to: &Key) -> noise::First<'_> {
    noise::First {
        to,
        sender: 1,
        stamp_ms: 1,
        cookie: wire::NO_COOKIE,
        request: b"x",
        padded_to: 0,
    }
}

#[test]
fn nobody_can_claim_the_id_of_another() {
    let liar = Noise::new(&identity(9), &config().network, None).unwrap();
    let honest = Noise::new(&identity(2), &config().network, None).unwrap();
    let open = |liar: &Noise| {
        let mut bytes = Vec::new();
        liar.initiate([3; 32], &first(&honest.keys.id), &mut bytes)?;
        let Some(wire::Datagram::Initiation(read)) = wire::Datagram::parse(&bytes) else {
            panic!("no initiation")
        };
        assert!(honest.keys.is_initiation_mac(read.covered, &read.mac));
        honest.open([4; 32], &read).map(|opened| opened.id)
    };
    assert_eq!(open(&liar), Some(liar.keys.id));
    let victim = Key::new(identity(1).verifying_key().to_bytes());
    let mut liar = liar;
    liar.keys.id = victim;
    assert_eq!(open(&liar), None);
    // Points of small order: whoever claimed them would need no secret.
    for weak in [Key::new([0; 32]), Key::new(core::array::from_fn(|at| u8::from(at == 0)))] {
        assert_eq!(keys::public_of(&weak), None);
        let mut bytes = Vec::new();
        assert!(liar.initiate([3; 32], &first(&weak), &mut bytes).is_none());
    }
}

#[test]
fn an_index_cannot_be_invented() {
    let keys = Noise::new(&identity(1), b"", None).unwrap().keys;
    for number in [0, 1, 0x00ab_cdef, MAX_NUMBER] {
        let index = keys.index(number);
        assert_eq!(keys.number(index), Some(number));
        for bit in 0..64 {
            assert_eq!(keys.number(index ^ 1 << bit), None);
        }
    }
    let again = Noise::new(&identity(1), b"", None).unwrap().keys;
    assert_eq!(keys.index(7), again.index(7), "after a restart, too");
    let private = Noise::new(&identity(1), b"", Some(&[1; 32])).unwrap().keys;
    assert_ne!(keys.index(7), private.index(7));
}

/// Fresh initiations to node 2 by nodes that exist nowhere.
fn strangers(now: Moment, count: u32) -> Vec<Vec<u8>> {
    (0..count).map(|number| stranger(now, number)).collect()
}

fn stranger(now: Moment, number: u32) -> Vec<u8> {
    let stamp_ms = config().started_unix_ms.unwrap() + now.as_micros() / 1000;
    let noise = Noise::new(&identity(200), &config().network, None).unwrap();
    let to = peer(2).id;
    let mut ephemeral = [1; 32];
    ephemeral[..4].copy_from_slice(&number.to_be_bytes());
    let first = noise::First {
        to: &to,
        sender: number.into(),
        stamp_ms,
        cookie: wire::NO_COOKIE,
        request: &[b"q", &number.to_be_bytes()[..], &[4, 0]].concat(),
        padded_to: 300,
    };
    let mut bytes = Vec::new();
    noise.initiate(ephemeral, &first, &mut bytes).unwrap();
    bytes
}

#[test]
fn a_flood_is_bounded_and_others_still_get_through() {
    let gate = GateSettings { handshakes_per_second: 5, ..GateSettings::default() };
    let mut world = pair(&SecureConfig { gate, max_sessions: 64, ..config() });
    for (at, bytes) in strangers(world.now, 300).into_iter().enumerate() {
        // From many addresses, as who forges them would.
        let from = SocketAddr::from(([203, 0, at.to_le_bytes()[0], 1], 53));
        let sent = world.inject(2, from, &bytes);
        let sent: usize = sent.iter().map(|datagram| datagram.bytes.len()).sum();
        assert!(sent <= bytes.len());
    }
    let counters = world.node(2).counters();
    assert_eq!((counters.accepted, counters.challenged), (5, 295));
    assert!(world.node(2).sessions() <= 16, "those that confirmed nothing have a part only");
    assert_eq!(ask(&mut world, Ask::default()), Some(ROUND_TRIP * 2), "with a cookie");
}

#[test]
fn one_host_begins_so_many_and_no_more() {
    let limit = kademlia::limit::RateLimit {
        per_host_per_second: 1,
        host_burst: 10,
        per_subnet_per_second: 1,
        subnet_burst: 100,
    };
    let gate = GateSettings { incoming: Some(limit), ..GateSettings::default() };
    let mut world = pair(&SecureConfig { gate, ..config() });
    for bytes in strangers(world.now, 100) {
        world.inject(2, elsewhere(7), &bytes);
    }
    let counters = world.node(2).counters();
    assert_eq!((counters.accepted, counters.limited), (10, 90));
    assert_eq!(ask(&mut world, Ask::default()), Some(ROUND_TRIP));
}

#[test]
fn a_node_turns_to_one_host_so_often_and_no_more() {
    let limit = kademlia::limit::RateLimit {
        per_host_per_second: 1,
        host_burst: 5,
        per_subnet_per_second: 1,
        subnet_burst: 100,
    };
    let gate = GateSettings { outgoing: Some(limit), ..GateSettings::default() };
    let mut world = World::new(1);
    world.add(1, SecureConfig { gate, ..config() });
    for id in 1..100 {
        let id = Key::new(identity(id + 100).verifying_key().to_bytes());
        world.ask(1, Peer::new(id, elsewhere(3)), Ask::default());
    }
    assert_eq!((world.node(1).counters().initiated, world.node(1).counters().withheld), (5, 94));
}

#[test]
fn a_forged_move_takes_nothing_away() {
    let mut world = pair(&config());
    ask(&mut world, Ask::default());
    // Somebody on the path holds back a question and sends it from elsewhere.
    world.loss = 1.0;
    world.ask(1, peer(2), Ask { request: 100, answer: 1100, ..Ask::default() });
    let stolen = world.captured.pop().unwrap().bytes;
    world.loss = 0.0;
    let sent = world.inject(2, elsewhere(4), &stolen);
    let sent: usize = sent.iter().map(|datagram| datagram.bytes.len()).sum();
    assert!(sent <= stolen.len());
    assert_eq!(world.node(2).counters().moved, 0);
    assert_eq!(ask(&mut world, Ask::default()), Some(ROUND_TRIP));
    assert_eq!(world.node(1).counters().initiated, 1);
}

/// What an attacker may do to node 2.
#[derive(Clone, Debug)]
enum Act {
    /// Node 1 asks honestly.
    Ask {
        request: usize,
        answer: usize,
    },
    /// One of the last datagrams, from some address, perhaps with a bit turned or its end cut off.
    Send {
        which: usize,
        host: u8,
        turned: Option<usize>,
        cut: Option<usize>,
    },
    Bytes {
        host: u8,
        bytes: Vec<u8>,
    },
    /// A stranger's genuine initiation.
    Stranger {
        host: u8,
        number: u32,
    },
    /// What is on its way is lost, then time passes.
    Lose(bool),
    Wait(u64),
    Restart,
}

fn act() -> impl Strategy<Value = Act> {
    let cut = || prop::option::weighted(0.3, 0usize..1200);
    prop_oneof![
        3 => (0usize..1171, 0usize..1171)
            .prop_map(|(request, answer)| Act::Ask { request, answer }),
        6 => (0usize..40, 0u8..4, cut(), cut())
            .prop_map(|(which, host, turned, cut)| Act::Send { which, host, turned, cut }),
        1 => (0u8..4, prop::collection::vec(any::<u8>(), 0..300))
            .prop_map(|(host, mut bytes)| {
                if let Some(first) = bytes.first_mut() { *first = 0x10 | *first & 7 }
                Act::Bytes { host, bytes }
            }),
        2 => (0u8..4, 0u32..1000).prop_map(|(host, number)| Act::Stranger { host, number }),
        1 => any::<bool>().prop_map(Act::Lose),
        2 => (1u64..12_000).prop_map(Act::Wait),
        1 => Just(Act::Restart),
    ]
}

fn perform(world: &mut World, act: &Act) {
    match act {
        Act::Ask { request, answer } => {
            let ask = Ask { request: *request, answer: *answer, is_bulk: false };
            world.ask(1, peer(2), ask);
        }
        Act::Send { which, host, turned, cut } => {
            let to_two = world.captured.iter().rev().filter(|sent| sent.to == address(2));
            let Some(mut bytes) = to_two.clone().nth(*which).map(|sent| sent.bytes.clone()) else {
                return;
            };
            if let Some(byte) = turned.and_then(|at| bytes.get_mut(at)) {
                *byte ^= 1;
            }
            bytes.truncate(cut.unwrap_or(usize::MAX));
            world.inject(2, elsewhere(*host), &bytes);
        }
        Act::Bytes { host, bytes } => drop(world.inject(2, elsewhere(*host), bytes)),
        Act::Stranger { host, number } => {
            let bytes = stranger(world.now, *number);
            world.inject(2, elsewhere(*host), &bytes);
        }
        Act::Lose(lose) => world.loss = if *lose { 1.0 } else { 0.0 },
        Act::Wait(ms) => world.run_for(Duration::from_millis(*ms)),
        Act::Restart => world.add(
            2,
            SecureConfig {
                started_unix_ms: config()
                    .started_unix_ms
                    .map(|ms| ms + world.now.as_micros() / 1000),
                ..config()
            },
        ),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// A node whose protocol only answers never sends more to an address than came from there,
    /// unless the address is one that has proven itself: that of node 1.
    #[test]
    fn never_more_to_an_unproven_address_than_came_from_it(
        acts in prop::collection::vec(act(), 1..60),
    ) {
        let mut world = pair(&config());
        for act in &acts {
            perform(&mut world, act);
            for ((node, address), (bytes_in, bytes_out)) in &world.traffic {
                let is_stranger = *node == 2 && *address != super::address(1);
                prop_assert!(!is_stranger || bytes_out <= bytes_in, "{address}: {act:?}");
            }
        }
        world.check();
    }

    /// Bytes of anyone get no answer, and leave the node as it was.
    #[test]
    fn any_bytes_are_survived(
        datagrams in prop::collection::vec(
            (prop::collection::vec(any::<u8>(), 0..1300), 0x10u8..0x18), 0..60),
    ) {
        let mut world = pair(&config());
        for (mut bytes, kind) in datagrams {
            if let Some(first) = bytes.first_mut() {
                *first = kind;
            }
            let sent = world.inject(2, elsewhere(5), &bytes);
            prop_assert!(sent.is_empty(), "nothing of this is genuine");
        }
        prop_assert_eq!(world.heard(2), 0);
        prop_assert!(ask(&mut world, Ask::default()).is_some());
    }
}

#[test]
fn an_address_that_is_not_proven_gets_no_handshake() {
    let mut world = pair(&SecureConfig { renew_after: Duration::from_mins(1), ..config() });
    ask(&mut world, Ask::default());
    ask(&mut world, Ask::default());
    // The session is due for renewal; somebody on the path sends a question from elsewhere.
    world.run_for(Duration::from_secs(70));
    world.loss = 1.0;
    world.ask(1, peer(2), Ask { request: 400, answer: 20, ..Ask::default() });
    let stolen = world.captured.iter().rev().find(|sent| sent.bytes.len() > 400);
    let stolen = stolen.unwrap().bytes.clone();
    let sent = world.inject(2, elsewhere(4), &stolen);
    assert!(sent.iter().all(|datagram| datagram.bytes[0] != 0x13), "{sent:?}");
    // A proof that was meant for another address moves nobody either.
    assert_eq!(world.node(2).counters().moved, 0);
}
