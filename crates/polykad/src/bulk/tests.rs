use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use client::Key;
use ed25519_dalek::SigningKey;
use poly::contact::Peer;

use super::Bulk;
use crate::driver::Carrier;

const MAX_BYTES: usize = 70_000;

/// Two nodes and the wire between them, in time of its own.
struct World {
    now: Instant,
    nodes: [Bulk; 2],
    peers: [Peer; 2],
    /// On the way to each.
    wire: [VecDeque<Vec<u8>>; 2],
    arrived: [Vec<(Peer, Vec<u8>)>; 2],
    /// Every so many datagrams one is lost; 0: none.
    loss: usize,
    sent: usize,
    /// The longest datagram that the way between them takes.
    takes: usize,
    /// The longest that has passed.
    passed: usize,
    /// Whether the nodes know each other by a session.
    known: bool,
}

impl World {
    fn new() -> Self {
        let keys = [[1; 32], [2; 32]];
        let peer = |at: usize| {
            let id = Key::new(SigningKey::from_bytes(&keys[at]).verifying_key().to_bytes());
            let address: SocketAddr = format!("10.0.0.{}:7", at + 1).parse().unwrap();
            Peer::new(id, address)
        };
        Self {
            now: Instant::now(),
            nodes: [0, 1].map(|at| Bulk::new(&keys[at], MAX_BYTES, Some(4000), [9; 32]).unwrap()),
            peers: [peer(0), peer(1)],
            wire: [const { VecDeque::new() }; 2],
            arrived: [const { Vec::new() }; 2],
            loss: 0,
            sent: 0,
            takes: 1472,
            passed: 0,
            known: true,
        }
    }

    fn send(&mut self, from: usize, to: Peer, message: &[u8]) {
        self.nodes[from].send(self.now, to, message.to_vec());
    }

    /// Lets time pass.
    fn run(&mut self, span: Duration) {
        let end = self.now + span;
        while self.now < end {
            for at in [0, 1] {
                let mut buffer = Vec::new();
                while let Some(to) = self.nodes[at].poll_transmit(self.now, &mut buffer) {
                    assert!(Bulk::takes(&buffer) && buffer.len() <= 4000, "{}", buffer.len());
                    self.sent += 1;
                    if buffer.len() > self.takes {
                        continue;
                    }
                    self.passed = self.passed.max(buffer.len());
                    if to == self.peers[1 - at].address
                        && (self.loss == 0 || !self.sent.is_multiple_of(self.loss))
                    {
                        self.wire[1 - at].push_back(buffer.clone());
                    }
                }
            }
            self.now += Duration::from_millis(1);
            for at in [0, 1] {
                let from = self.peers[1 - at].address;
                while let Some(datagram) = self.wire[at].pop_front() {
                    self.nodes[at].receive(self.now, from, &datagram, self.known);
                }
                self.nodes[at].handle_timeout(self.now);
                while let Some(arrived) = self.nodes[at].poll_message() {
                    self.arrived[at].push(arrived);
                }
            }
        }
    }
}

#[test]
fn messages_arrive_with_the_proven_sender() {
    for loss in [0, 7] {
        let mut world = World { loss, ..World::new() };
        let message: Vec<u8> = (0..66_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        let [a, b] = world.peers;
        world.send(0, b, &message);
        world.send(0, b, b"short");
        world.run(Duration::from_secs(3));
        world.arrived[1].sort_by_key(|(_, message)| message.len());
        assert_eq!(world.arrived[1], [(a, b"short".to_vec()), (a, message.clone())]);
        // The answer takes the connection that is there.
        world.send(1, a, &message);
        world.run(Duration::from_secs(3));
        assert_eq!(world.arrived[0], [(b, message)]);
        assert_eq!((world.nodes[0].connections(), world.nodes[1].connections()), (1, 1));
        assert_eq!(world.nodes[0].counters().dropped, 0);
    }
}

#[test]
fn many_messages_at_once_wait_for_streams() {
    let mut world = World::new();
    let [_, b] = world.peers;
    for number in 0..100_u8 {
        world.send(0, b, &vec![number; 20_000]);
    }
    world.run(Duration::from_secs(5));
    let mut numbers: Vec<_> = world.arrived[1].iter().map(|(_, message)| message[0]).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..100).collect::<Vec<_>>());
}

#[test]
fn datagrams_grow_to_what_the_way_takes() {
    for (takes, least) in [(1200, 1200), (1472, 1472 - 128), (9000, 4000 - 128)] {
        let mut world = World { takes, ..World::new() };
        let [_, b] = world.peers;
        for _ in 0..20 {
            world.send(0, b, &vec![7; 20_000]);
            world.run(Duration::from_secs(1));
        }
        assert_eq!(world.arrived[1].len(), 20, "{takes}");
        assert!((least..=takes).contains(&world.passed), "{} of {takes}", world.passed);
    }
}

#[test]
fn what_one_peer_may_make_us_hold_is_bounded() {
    let mut world = World::new();
    let nobody = Peer::new(world.peers[1].id, "10.0.0.9:7".parse().unwrap());
    for _ in 0..100 {
        world.send(0, nobody, &vec![0; 65_000]);
    }
    let dropped = world.nodes[0].counters().dropped;
    assert!((30..40).contains(&dropped), "{dropped}");
    world.run(Duration::from_mins(2));
    assert_eq!(world.nodes[0].counters().dropped, 100, "given up, and said so");
    assert_eq!((world.nodes[0].connections(), world.nodes[0].next_timeout()), (0, None));
}

#[test]
fn a_message_too_long_is_neither_sent_nor_taken() {
    let mut world = World::new();
    let [_, b] = world.peers;
    world.send(0, b, &vec![0; MAX_BYTES + 1]);
    assert_eq!(world.nodes[0].counters().dropped, 1);
    world.nodes[0].max_message_bytes *= 2;
    world.send(0, b, &vec![0; MAX_BYTES + 1]);
    world.send(0, b, b"next");
    world.run(Duration::from_secs(3));
    let messages: Vec<_> = world.arrived[1].iter().map(|(_, message)| message.len()).collect();
    assert_eq!(messages, [4]);
}

#[test]
fn another_than_the_wanted_node_gets_nothing() {
    let mut world = World::new();
    let [a, b] = world.peers;
    let impostor = Peer::new(a.id, b.address);
    world.send(0, impostor, b"secret");
    world.run(Duration::from_secs(10));
    assert_eq!(world.arrived[1], []);
    assert_eq!(world.nodes[0].counters().dropped, 1);
}

#[test]
fn strangers_get_no_byte() {
    let mut world = World { known: false, ..World::new() };
    let [_, b] = world.peers;
    world.send(0, b, b"hello");
    world.run(Duration::from_secs(5));
    assert_eq!(world.arrived[1], []);
    assert!(world.nodes[1].counters().strangers > 0);
    assert_eq!(world.nodes[1].connections(), 0);
    let mut buffer = Vec::new();
    assert_eq!(world.nodes[1].poll_transmit(world.now, &mut buffer), None);
}

#[test]
fn any_datagram_is_fine() {
    let mut world = World::new();
    let [a, _] = world.peers;
    for length in 0..1300_usize {
        let datagram: Vec<u8> =
            (0..length).map(|n| (n * 31 + length).to_le_bytes()[0] | 0x40).collect();
        let now = world.now;
        world.nodes[1].receive(now, a.address, &datagram, true);
    }
    world.run(Duration::from_secs(1));
    assert_eq!(world.arrived[1], []);
}

#[test]
fn unused_connections_end() {
    let mut world = World::new();
    let [_, b] = world.peers;
    world.send(0, b, b"hello");
    world.run(Duration::from_secs(1));
    assert_eq!(world.nodes[1].connections(), 1);
    world.run(Duration::from_mins(2));
    assert_eq!((world.nodes[0].connections(), world.nodes[1].connections()), (0, 0));
}
