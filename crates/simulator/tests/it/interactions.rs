//! Random lists of operations on a few nodes: whatever happens, invariants hold, nobody talks to
//! itself, and every operation ends.

use std::time::Duration;

use kademlia::Moment;
use proptest::prelude::*;
use simulator::checker::Checkers;
use simulator::engine::{Engine, EngineSettings, Place};
use simulator::mainline::{Birth, EARLIEST_START, MainlineNetwork, Resident};
use simulator::net::{Net, NetSettings};
use simulator::network::{Network, Wish};
use simulator::recorder::{Operation, Recorder};
use simulator::scenario::WorkKind;

/// Something that happens.
#[derive(Clone, Debug)]
enum Step {
    Join(Place, Place),
    Put(Place, u64),
    Get(Place, u64),
    Announce(Place, u64),
    Seek(Place, u64),
    /// Nothing, for so many milliseconds: from a blink to a clock that jumps by an hour.
    Wait(u64),
    /// A node is killed and comes back with its id and contacts.
    Restart(Place),
    /// Bytes from nowhere.
    Noise(Place, Vec<u8>),
}

const NODES: u32 = 8;

fn step() -> impl Strategy<Value = Step> {
    let place = 0..NODES;
    let number = 0..4_u64;
    let wait = prop_oneof![1..2000_u64, Just(60_000), Just(3_600_000)];
    prop_oneof![
        4 => (place.clone(), place.clone()).prop_map(|(a, b)| Step::Join(a, b)),
        2 => (place.clone(), number.clone()).prop_map(|(p, n)| Step::Put(p, n)),
        2 => (place.clone(), number.clone()).prop_map(|(p, n)| Step::Get(p, n)),
        1 => (place.clone(), number.clone()).prop_map(|(p, n)| Step::Announce(p, n)),
        1 => (place.clone(), number).prop_map(|(p, n)| Step::Seek(p, n)),
        3 => wait.prop_map(Step::Wait),
        1 => place.clone().prop_map(Step::Restart),
        1 => (place, prop::collection::vec(any::<u8>(), 0..80))
            .prop_map(|(place, bytes)| Step::Noise(place, bytes)),
    ]
}

/// Trouble between them.
fn trouble() -> impl Strategy<Value = NetSettings> {
    (0.0..0.3, 0.0..0.2, 0.0..0.3, 0..3000_u64).prop_map(
        |(loss, duplication, reordering, detour)| NetSettings {
            loss,
            duplication,
            reordering,
            detour: Duration::from_millis(detour),
            ..NetSettings::default()
        },
    )
}

struct World {
    engine: Engine<Resident, MainlineNetwork>,
    recorder: Recorder<MainlineNetwork>,
    restarts: u32,
}

impl World {
    fn new(seed: u64, trouble: NetSettings) -> Self {
        let net = Net::new(trouble, seed);
        let start = EARLIEST_START;
        let birth = Birth { start, silence: Duration::ZERO };
        let settings = mainline::Settings::default();
        let network = MainlineNetwork::new(seed, NODES, settings, birth, net.clone());
        let end = Moment::from_micros(u64::MAX / 2);
        let mut engine = Engine::new(EngineSettings { start, end, awake: 100 }, network, net);
        for place in 0..NODES {
            engine.add_absent();
            let node = engine.births().fresh(place, 0, start);
            engine.settle(place, node);
        }
        let recorder = Recorder::new(NODES as usize, false, Some(Checkers::new(true, 1)));
        Self { engine, recorder, restarts: 0 }
    }

    fn wish(&mut self, place: Place, kind: WorkKind, number: u64, wish: &Wish) {
        let network = self.engine.births();
        let target = network.target(wish).unwrap_or_default();
        let command = network.command(wish);
        let started = self.engine.now();
        let operation = Operation { kind, number, target, started, found: false };
        self.recorder.expect_operation(place, &operation);
        if let Some(id) = self.engine.command(place, command, &mut self.recorder) {
            self.recorder.watch(place, id, operation);
        }
    }

    fn wait(&mut self, span: Duration) {
        let until = self.engine.now() + span;
        assert_eq!(self.engine.advance(until, &mut self.recorder), None);
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Join(place, through) => {
                // A node that is told to join through itself cannot know that it is itself.
                let other = (*place + 1) % NODES;
                let through = if through == place { &other } else { through };
                let command = self.engine.births().command(&Wish::Join(vec![*through]));
                self.recorder.expect();
                self.engine.command(*place, command, &mut self.recorder);
            }
            Step::Put(p, n) => self.wish(*p, WorkKind::Put, *n, &Wish::Put(*n, 50)),
            Step::Get(p, n) => self.wish(*p, WorkKind::Get, *n, &Wish::Get(*n, 50)),
            Step::Announce(p, n) => self.wish(*p, WorkKind::Keep, *n, &Wish::Announce(*n)),
            Step::Seek(p, n) => self.wish(*p, WorkKind::Seek, *n, &Wish::Seek(*n)),
            Step::Wait(ms) => self.wait(Duration::from_millis(*ms)),
            Step::Restart(place) => {
                self.restarts += 1;
                let Some(node) = self.engine.remove(*place) else { return };
                self.recorder.forget(*place);
                let contacts = self.engine.births().luggage(&node);
                let now = self.engine.now();
                let mut node = self.engine.births().fresh(*place, self.restarts, now);
                self.engine.births_mut().unpack(*place, &mut node, &contacts);
                self.engine.settle(*place, node);
            }
            Step::Noise(place, bytes) => {
                let from = (*place + 1) % NODES;
                self.engine.spoof(from, *place, bytes, &mut self.recorder);
            }
        }
    }
}

fn ends_well(seed: u64, trouble: NetSettings, steps: &[Step]) {
    let mut world = World::new(seed, trouble);
    for step in steps {
        world.take(step);
    }
    world.wait(Duration::from_mins(3));
    let open: Vec<_> = world.recorder.operations().values().map(|o| o.kind).collect();
    assert!(open.iter().all(|kind| *kind == WorkKind::Keep), "never ended: {open:?}");
    let findings = world.recorder.checkers().map(|c| c.findings().to_vec()).unwrap_or_default();
    assert_eq!(findings, []);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn whatever_happens_ends_well(
        seed: u64,
        trouble in trouble(),
        steps in prop::collection::vec(step(), 1..60),
    ) {
        ends_well(seed, trouble, &steps);
    }
}
