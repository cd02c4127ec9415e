//! Random lists of what owners and the world do to some nodes; shrunk when one breaks a promise.

use std::time::Duration;

use crate::world::{CLOCK, Place, World};
use kademlia::Key;
use poly::command::{Command, GetOptions};
use poly::value::{Kind, SigningKey, blob_key, record_key, topic_key};
use poly::{Entry, Node, Peer, Record};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Act {
    Join(u8),
    Kill(u8),
    Restart,
    Put(u8, u8, u16),
    Get(u8, u8, u16),
    Record(u8, u8, u8, bool),
    GetRecord(u8, u8),
    Entry(u8, u8, bool),
    List(u8),
    Watch(u8, u8),
    CancelLast(u8),
    Clock(u8, i16),
    Split(u8),
    Loss(bool),
    Pass(u16),
    Bytes(u8, Vec<u8>),
}

fn act() -> impl Strategy<Value = Act> {
    let small = || any::<u8>();
    prop_oneof![
        2 => small().prop_map(Act::Join),
        1 => small().prop_map(Act::Kill),
        1 => Just(Act::Restart),
        4 => (small(), 0..6u8, 0..3000u16).prop_map(|(at, n, len)| Act::Put(at, n, len)),
        4 => (small(), 0..6u8, 0..3000u16).prop_map(|(at, n, len)| Act::Get(at, n, len)),
        4 => (small(), 0..3u8, small(), any::<bool>())
            .prop_map(|(at, who, seq, gone)| Act::Record(at, who, seq, gone)),
        3 => (small(), 0..3u8).prop_map(|(at, who)| Act::GetRecord(at, who)),
        2 => (small(), 0..4u8, any::<bool>()).prop_map(|(at, who, gone)| Act::Entry(at, who, gone)),
        2 => small().prop_map(Act::List),
        1 => (small(), 0..3u8).prop_map(|(at, who)| Act::Watch(at, who)),
        1 => small().prop_map(Act::CancelLast),
        1 => (small(), any::<i16>()).prop_map(|(at, by)| Act::Clock(at, by)),
        1 => small().prop_map(Act::Split),
        1 => any::<bool>().prop_map(Act::Loss),
        6 => (0..2000u16).prop_map(Act::Pass),
        1 => (small(), prop::collection::vec(any::<u8>(), 0..60))
            .prop_map(|(at, bytes)| Act::Bytes(at, bytes)),
    ]
}

struct Play {
    world: World,
    dead: Vec<(Place, Node)>,
    last: Option<(Place, kademlia::OperationId)>,
}

impl Play {
    fn pick(&self, n: u8) -> Place {
        let places = self.world.places();
        places[usize::from(n) % places.len()]
    }

    fn unix(&self) -> u64 {
        CLOCK + self.world.now.as_micros() / 1_000_000
    }

    fn command(&mut self, at: u8, command: Command) {
        let place = self.pick(at);
        self.last = Some((place, self.world.command(place, command)));
    }

    /// What the world does; what owners want is a [`Play::wish`].
    fn act(&mut self, act: Act) {
        match act {
            Act::Join(through) => {
                if self.world.places().len() < 8 {
                    let through = self.pick(through);
                    self.world.join(through);
                }
            }
            Act::Kill(at) => {
                if self.world.places().len() > 1 {
                    let place = self.pick(at);
                    self.dead.push((place, self.world.kill(place)));
                }
            }
            Act::Restart => {
                if let Some((place, old)) = self.dead.pop() {
                    self.world.restart(place, &old);
                }
            }
            Act::Split(n) => {
                let places = self.world.places();
                let n = usize::from(n) % (places.len() + 1);
                self.world.island = places.into_iter().take(n).collect();
            }
            Act::Loss(is_lossy) => self.world.loss = if is_lossy { 0.3 } else { 0.0 },
            Act::Pass(ticks) => {
                self.world.run_for(Duration::from_millis(u64::from(ticks) * 50));
            }
            Act::Bytes(at, bytes) => {
                let from = Peer::new(Key::new([3; 32]), "80.9.9.9:9".parse().unwrap());
                let to = self.pick(at);
                self.world.inject(from, to, &bytes);
            }
            wish => self.wish(&wish),
        }
    }

    fn wish(&mut self, act: &Act) {
        let signer = |who: u8| SigningKey::from_bytes(&[who; 32]);
        let blob = |n: u8, len: u16| vec![n; usize::from(len)];
        let key = |who: u8| record_key(&signer(who).verifying_key().to_bytes(), b"");
        match *act {
            Act::Put(at, n, len) => self.command(at, Command::put_blob(&blob(n, len))),
            Act::Get(at, n, len) => {
                self.command(at, Command::get_blob(blob_key(&blob(n, len))));
            }
            Act::Record(at, who, seq, is_gone) => {
                let value = (!is_gone).then_some(&b"value"[..]);
                let end = self.unix() + 3600;
                let record = Record::sign(&signer(who), b"", seq.into(), end, value);
                let expected = seq.is_multiple_of(3).then_some(u64::from(seq / 2));
                self.command(at, Command::put_record(record, expected));
            }
            Act::GetRecord(at, who) => self.command(at, Command::get_record(key(who))),
            Act::Entry(at, who, is_gone) => {
                let payload = (!is_gone).then_some(&b"payload"[..]);
                let (end, seq) = (self.unix() + 3600, self.unix());
                let entry = Entry::sign(&signer(who), topic_key(b"t"), 0, seq, end, payload);
                self.command(at, Command::put_entry(entry));
            }
            Act::List(at) => {
                let (topic, options) = (topic_key(b"t"), GetOptions::default());
                self.command(at, Command::ListTopic { topic, limit: 10, options });
            }
            Act::Watch(at, 0) => {
                let (key, kind) = (topic_key(b"t"), Kind::Entry);
                self.command(at, Command::Watch { key, kind });
            }
            Act::Watch(at, who) => {
                let (key, kind) = (key(who), Kind::Record);
                self.command(at, Command::Watch { key, kind });
            }
            Act::CancelLast(at) => match self.last.take() {
                Some((place, id)) if self.world.places().contains(&place) => {
                    self.world.command(place, Command::Cancel(id));
                }
                _ => {
                    let nobody = Peer::unproven("10.9.9.9:9".parse().unwrap());
                    self.command(at, Command::Ping(nobody));
                }
            },
            Act::Clock(at, by) => {
                let unix = self.unix().saturating_add_signed(by.into());
                self.command(at, Command::SetClock(unix));
            }
            _ => unreachable!("the world does all else"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whatever happens, invariants hold (the world checks them after each step), and once it is
    /// over every wish has ended but for watches.
    #[test]
    fn whatever_happens_every_wish_ends(
        seed in any::<u64>(),
        acts in prop::collection::vec(act(), 0..60),
    ) {
        let mut world = World::new(seed);
        world.populate(3);
        let mut play = Play { world, dead: Vec::new(), last: None };
        for act in acts {
            play.act(act);
        }
        play.world.run_for(Duration::from_mins(2));
        for place in play.world.places() {
            let node = play.world.node(place);
            let status = node.status(play.world.now);
            let watches = node.watches();
            prop_assert_eq!(status.operations, watches, "an operation has not ended");
            prop_assert!(node.pending_requests() < 300);
        }
    }
}
