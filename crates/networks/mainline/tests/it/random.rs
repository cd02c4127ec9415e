//! Random things done to small networks; whatever they are, certain promises hold.
//!
//! `PROPTEST_CASES` sets the dose. A failure that was found and shrunk becomes a test of its own,
//! named `regression_*`.

use std::time::Duration;

use ed25519_dalek::SigningKey;
use kademlia::{Moment, OperationId};
use mainline::command::{Command, Item, Outcome};
use mainline::item::immutable_target;
use mainline::wire::Id;
use mainline::{MutableItem, Salt, Settings};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::world::{Place, World};

/// Something done to the network. Nodes are meant modulo the number of nodes.
#[derive(Clone, Copy, Debug)]
enum Act {
    Join {
        at: u8,
        through: u8,
    },
    Put {
        at: u8,
        value: u8,
    },
    PutSigned {
        at: u8,
        seq: i8,
        value: u8,
        cas: Option<i8>,
    },
    Get {
        at: u8,
        value: u8,
    },
    GetSigned {
        at: u8,
    },
    FindNode {
        at: u8,
        target: u8,
    },
    GetPeers {
        at: u8,
        torrent: u8,
    },
    Announce {
        at: u8,
        torrent: u8,
    },
    Scrape {
        at: u8,
        torrent: u8,
    },
    Sample {
        at: u8,
        target: u8,
    },
    Ping {
        at: u8,
        to: u8,
    },
    /// Cancels one of the operations begun, whatever became of it.
    Cancel {
        nth: u8,
    },
    /// Ends a node for good; the first one stays.
    Drop {
        at: u8,
    },
    Restart {
        at: u8,
    },
    /// Messages to it are lost, until it is paused again.
    Pause {
        at: u8,
    },
    /// Share of messages lost, in percent.
    Lose {
        percent: u8,
    },
    Wait {
        millis: u16,
    },
    /// The clock jumps: a machine slept.
    Jump {
        minutes: u8,
    },
}

fn act() -> impl Strategy<Value = Act> {
    use Act::*;
    prop_oneof![
        4 => (any::<u8>(), any::<u8>()).prop_map(|(at, through)| Join { at, through }),
        2 => (any::<u8>(), 0..4u8).prop_map(|(at, value)| Put { at, value }),
        2 => (any::<u8>(), 0..4i8, 0..3u8, proptest::option::of(0..4i8))
            .prop_map(|(at, seq, value, cas)| PutSigned { at, seq, value, cas }),
        1 => (any::<u8>(), 0..4u8).prop_map(|(at, value)| Get { at, value }),
        1 => any::<u8>().prop_map(|at| GetSigned { at }),
        1 => any::<(u8, u8)>().prop_map(|(at, target)| FindNode { at, target }),
        1 => (any::<u8>(), 0..2u8).prop_map(|(at, torrent)| GetPeers { at, torrent }),
        1 => (any::<u8>(), 0..2u8).prop_map(|(at, torrent)| Announce { at, torrent }),
        1 => (any::<u8>(), 0..2u8).prop_map(|(at, torrent)| Scrape { at, torrent }),
        1 => any::<(u8, u8)>().prop_map(|(at, target)| Sample { at, target }),
        1 => any::<(u8, u8)>().prop_map(|(at, to)| Ping { at, to }),
        2 => any::<u8>().prop_map(|nth| Cancel { nth }),
        1 => any::<u8>().prop_map(|at| Drop { at }),
        2 => any::<u8>().prop_map(|at| Restart { at }),
        2 => any::<u8>().prop_map(|at| Pause { at }),
        1 => (0..80u8).prop_map(|percent| Lose { percent }),
        4 => (0..60_000u16).prop_map(|millis| Wait { millis }),
        1 => (0..200u8).prop_map(|minutes| Jump { minutes }),
    ]
}

/// Where the nodes are. On global addresses they change their ids (BEP 42).
#[derive(Clone, Copy, Debug)]
enum Addresses {
    Local,
    Global,
    Dual,
}

struct Trial {
    world: World,
    places: Vec<Place>,
    begun: Vec<(Place, OperationId, Moment)>,
    jumped: Duration,
    acts: u64,
}

fn value(n: u8) -> Vec<u8> {
    format!("i{n}e").into_bytes()
}

impl Trial {
    fn new(seed: u64, nodes: u8, addresses: Addresses) -> Self {
        let mut world = World::new(seed);
        let mut add = |n| match addresses {
            Addresses::Local => world.add(&format!("10.77.0.{n}:6881"), Settings::default()),
            Addresses::Global => world.add(&format!("45.{n}.0.{n}:6881"), Settings::default()),
            Addresses::Dual => {
                world.add_dual(&format!("10.77.0.{n}:6881"), &format!("[fd00::{n:x}]:6881"))
            }
        };
        let places = (1..=nodes).map(&mut add).collect();
        Self { world, places, begun: Vec::new(), jumped: Duration::ZERO, acts: 0 }
    }

    fn place(&self, n: u8) -> Place {
        self.places[usize::from(n) % self.places.len()]
    }

    fn command(&mut self, at: u8, command: Command) {
        let at = self.place(at);
        let id = self.world.command(at, command);
        self.begun.push((at, id, self.world.now));
    }

    fn act(&mut self, act: Act) {
        self.acts += 1;
        let torrent = |n: u8| Id::new([n; 20]);
        match act {
            Act::Join { at, through } => {
                let through = self.place(through);
                let others = if through == self.place(at) { vec![] } else { vec![through] };
                self.command(at, Command::Bootstrap(others));
            }
            Act::Put { at, value: n } => self.command(at, Command::PutImmutable(value(n).into())),
            Act::PutSigned { at, seq, value: n, cas } => {
                let key = SigningKey::from_bytes(&[1; 32]);
                let item = MutableItem::sign(&key, Salt::none(), seq.into(), &value(n)).unwrap();
                self.command(at, Command::PutMutable { item, cas: cas.map(i64::from) });
            }
            Act::Get { at, value: n } => {
                self.command(at, Command::GetImmutable(immutable_target(&value(n))));
            }
            Act::GetSigned { at } => {
                let public_key = SigningKey::from_bytes(&[1; 32]).verifying_key().to_bytes();
                self.command(at, Command::GetMutable { public_key, salt: Salt::none() });
            }
            Act::FindNode { at, target } => self.command(at, Command::FindNode(torrent(target))),
            Act::GetPeers { at, torrent: n } => self.command(at, Command::GetPeers(torrent(n))),
            Act::Announce { at, torrent: n } => {
                let announce = Command::Announce { info_hash: torrent(n), port: None, seed: true };
                self.command(at, announce);
            }
            Act::Scrape { at, torrent: n } => self.command(at, Command::Scrape(torrent(n))),
            Act::Sample { at, target } => self.command(at, Command::Sample(torrent(target))),
            Act::Ping { at, to } => {
                let to = self.place(to);
                if to != self.place(at) {
                    self.command(at, Command::Ping(to));
                }
            }
            Act::Cancel { nth } => {
                let count = self.begun.len().max(1);
                if let Some((at, id, _)) = self.begun.get(usize::from(nth) % count).copied() {
                    self.world.command(at, Command::Cancel(id));
                }
            }
            Act::Drop { .. } | Act::Restart { .. } | Act::Pause { .. } => self.trouble(act),
            Act::Lose { percent } => self.world.loss = f64::from(percent) / 100.0,
            Act::Wait { millis } => self.world.run_for(Duration::from_millis(millis.into())),
            Act::Jump { minutes } => {
                let span = Duration::from_mins(minutes.into());
                self.world.now = self.world.now + span;
                self.jumped += span;
            }
        }
    }

    fn trouble(&mut self, act: Act) {
        match act {
            Act::Drop { at } if self.place(at) != self.places[0] => {
                let place = self.place(at);
                self.world.kill(place);
                self.places.retain(|other| *other != place);
                self.begun.retain(|(at, _, _)| *at != place);
            }
            Act::Restart { at } => {
                let place = self.place(at);
                self.world.restart(place);
                self.begun.retain(|(at, _, _)| *at != place);
            }
            Act::Pause { at } => {
                let place = self.place(at);
                if !self.world.deaf.remove(&place) {
                    self.world.deaf.insert(place);
                }
            }
            _ => {}
        }
    }

    /// What holds after whatever was done.
    fn check(mut self) {
        self.everything_ends();
        self.all_is_quiet();
        self.the_network_heals();
    }

    /// Every operation ends within its deadline; only announcements go on, until cancelled.
    fn everything_ends(&mut self) {
        let deadline = Settings::default().deadline;
        self.world.run_for(deadline);
        for (at, id, since) in self.begun.clone() {
            if !self.world.done.contains_key(&(at, id)) {
                self.world.command(at, Command::Cancel(id));
            }
            let (outcome, report) = &self.world.done[&(at, id)];
            let allowed = match outcome {
                Outcome::Stored(_) => self.world.now.since(since),
                _ => deadline + self.jumped,
            };
            assert!(report.elapsed <= allowed, "{outcome:?} after {:?}", report.elapsed);
        }
        for place in &self.places {
            assert_eq!(self.world.node(*place).status(self.world.now).operations, 0);
        }
        let minutes = self.world.now.as_micros() / 60_000_000;
        let bound = self.acts * 60 + minutes * 8 * 10;
        assert!(self.world.messages <= bound, "{} messages of {bound}", self.world.messages);
    }

    /// No timer spins and no request is forgotten.
    fn all_is_quiet(&mut self) {
        self.world.loss = 0.0;
        self.world.deaf.clear();
        self.world.run_for(Duration::from_mins(10));
        self.world.wakes_given.clear();
        let before = self.world.messages;
        self.world.run_for(Duration::from_mins(10));
        for place in self.places.clone() {
            let wakes = self.world.wakes_given.get(&place).copied().unwrap_or_default();
            assert!(wakes <= 100, "{wakes} wakes in ten quiet minutes");
            let until = self.world.now + Duration::from_mins(1);
            while self.world.node(place).pending_requests() > 0 && self.world.now < until {
                self.world.run_for(Duration::from_millis(100));
            }
            let node = self.world.node(place);
            assert_eq!(node.pending_requests(), 0);
            assert!(kademlia::Protocol::next_timeout(node).is_none_or(|at| at > self.world.now));
        }
        let sent = self.world.messages - before;
        assert!(sent <= 300 * self.places.len() as u64, "{sent} messages in ten quiet minutes");
    }

    /// With all trouble over, whoever joins finds what another stores.
    fn the_network_heals(mut self) {
        let first = self.places[0];
        for place in self.places.clone().into_iter().skip(1) {
            let (outcome, _) = self.world.perform(place, Command::Bootstrap(vec![first]));
            assert!(matches!(outcome, Outcome::Nodes(_)), "{outcome:?}");
        }
        self.world.run_for(Duration::from_secs(10));
        let target = immutable_target(b"4:heal");
        let (outcome, _) = self.world.perform(first, Command::PutImmutable((*b"4:heal").into()));
        if self.places.len() > 1 {
            assert!(matches!(outcome, Outcome::Stored(_)), "{outcome:?}");
        }
        for place in self.places.into_iter().skip(1) {
            let (outcome, _) = self.world.perform(place, Command::GetImmutable(target));
            assert!(matches!(outcome, Outcome::Item(Some(Item::Immutable(_)))), "{outcome:?}");
        }
    }
}

fn run(seed: u64, nodes: u8, addresses: Addresses, acts: &[Act]) {
    let mut trial = Trial::new(seed, nodes, addresses);
    for act in acts {
        trial.act(*act);
    }
    trial.check();
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn promises_hold_whatever_happens(
        seed: u64,
        nodes in 2..=8u8,
        addresses in prop_oneof![
            Just(Addresses::Local), Just(Addresses::Global), Just(Addresses::Dual)
        ],
        acts in vec(act(), 1..60),
    ) {
        run(seed, nodes, addresses, &acts);
    }
}

/// Everybody changed ids at once; who joined just then asked for old ids, and took the answers
/// under the new ones for worthless.
#[test]
fn regression_join_while_ids_change() {
    let acts =
        [Act::Restart { at: 0 }, Act::Restart { at: 79 }, Act::Join { at: 199, through: 180 }];
    run(444_617_990_769_398_331, 4, Addresses::Global, &acts);
}
