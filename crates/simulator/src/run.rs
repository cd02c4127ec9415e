//! One run: a scenario with one seed, from birth to the last operation's end.
//!
//! Everything that is planned is an entry of the engine's agenda, so that it takes its place in the
//! order of all events: wishes, comings and goings, happenings, samples.

mod measure;
mod placement;
mod plan;
mod records;
mod survival;

use std::collections::BTreeMap;
use std::time::Duration;

use kademlia::Moment;

use crate::checker::Checkers;
use crate::churn::{Sessions, Turn};
use crate::engine::{Engine, EngineSettings, Place};
use crate::network::{Network, Wish};
use crate::random::{Draw, Zipf, mix2, mix3, unit};
use crate::recorder::{Finished, Operation, PATIENCE, Recorder};
use crate::report::{Progress, RunReport};
use crate::scenario::{BirthKind, Scenario, WorkKind};
use measure::Curves;
use placement::Placement;
use plan::Plan;
use records::Records;

/// What a run is given besides its scenario.
#[derive(Clone, Debug)]
pub struct RunInputs {
    /// When it begins.
    pub start: Moment,
    /// The seed.
    pub seed: u64,
    /// Nodes as born that are kept awake.
    pub awake: usize,
    /// A churn trace, if there is one.
    pub turns: Vec<Turn>,
}

/// A run under way.
pub struct Run<'a, N: Network + 'static> {
    scenario: &'a Scenario,
    inputs: RunInputs,
    engine: Engine<N::Node, N>,
    recorder: Recorder<N>,
    sessions: Option<Sessions>,
    /// How often each node has come and gone.
    turns: BTreeMap<Place, u32>,
    /// Contacts that nodes that are away took along.
    luggage: BTreeMap<Place, Vec<Place>>,
    works: Vec<Work>,
    /// Values and topics that have been stored: who holds them.
    stored: BTreeMap<(bool, u64), Held>,
    records: Records,
    curves: Curves,
    placement: Placement,
    /// Values that nobody who is there held when that was counted last.
    lost: Option<u64>,
    /// Whether owners renew what they store as long as they are there.
    renews: bool,
    draws: u64,
}

/// A value or topic that has been stored.
struct Held {
    /// Where it belongs.
    target: crate::ids::Id,
    /// By whom.
    places: Vec<Place>,
    /// Since when.
    at: Moment,
    /// Who wanted it stored.
    owner: Place,
    /// Whether its owner renews it as long as it is there.
    renewed: bool,
}

/// The state of one workload.
struct Work {
    zipf: Option<Zipf>,
    begun: u64,
    /// Who stores now, of owners that leave, and how many values it has begun to store.
    owner: Option<(Place, u64)>,
}

/// Names of what is drawn.
mod about {
    pub(super) const WISH: u64 = 0x2a_01;
    pub(super) const KILL: u64 = 0x2a_02;
    pub(super) const JOIN: u64 = 0x2a_03;
    pub(super) const SPOOF: u64 = 0x2a_04;
}

/// Samples taken in a run.
const SAMPLES: u32 = 100;
/// Nodes that a newcomer joins through.
const INTRODUCERS: usize = 3;

impl<'a, N: Network + 'static> Run<'a, N> {
    /// Sets up a run; nothing has happened yet.
    pub fn new(
        scenario: &'a Scenario,
        inputs: RunInputs,
        network: N,
        net: crate::net::Net,
    ) -> Self {
        let places = network.ids().len();
        let end = inputs.start + scenario.duration.0 + PATIENCE;
        let settings = EngineSettings { start: inputs.start, end, awake: inputs.awake };
        let joins = scenario.population.birth == BirthKind::Join;
        let every = (places as u64 / 50).max(1);
        let checkers = Checkers::new(joins && places <= 5000, every);
        let keeps_disk = scenario.churn.as_ref().is_some_and(|churn| churn.keeps_disk);
        let recorder = Recorder::new(places, keeps_disk, Some(checkers));
        let works = scenario.workload.iter().map(|work| Work {
            zipf: (work.zipf > 0.0).then(|| {
                Zipf::new(usize::try_from(work.keys).unwrap_or(1).min(1 << 20), work.zipf)
            }),
            begun: 0,
            owner: None,
        });
        Self {
            sessions: scenario.churn.as_ref().map(|churn| Sessions::new(churn, inputs.seed)),
            works: works.collect(),
            scenario,
            engine: Engine::new(settings, network, net),
            recorder,
            inputs,
            turns: BTreeMap::new(),
            luggage: BTreeMap::new(),
            stored: BTreeMap::new(),
            records: Records::default(),
            curves: Curves::default(),
            placement: Placement::default(),
            lost: None,
            renews: scenario.workload.iter().any(|work| work.kind == WorkKind::Keep),
            draws: 0,
        }
    }

    /// Runs it to its end.
    pub fn run(mut self, progress: &mut dyn FnMut(Progress)) -> RunReport {
        self.proceed(progress);
        self.report()
    }

    /// Runs it to its end, and tells the first operation that begins `at` after the start or later,
    /// step by step.
    pub fn explain(mut self, at: Duration) -> Vec<String> {
        self.recorder.explain(self.inputs.start + at);
        self.proceed(&mut |_| ());
        self.recorder.explanation().to_vec()
    }

    fn proceed(&mut self, progress: &mut dyn FnMut(Progress)) {
        self.be_born();
        self.plan_all();
        let end = self.inputs.start + self.scenario.duration.0;
        while let Some(code) = self.engine.advance(end, &mut self.recorder) {
            let plan = Plan::decode(code);
            self.act(plan);
            self.settle_accounts();
            if plan == Plan::Sample {
                progress(self.progress());
            }
        }
        // What is under way may end; nothing new begins.
        while let Some(code) = self.engine.advance(end + PATIENCE, &mut self.recorder) {
            if !matches!(Plan::decode(code), Plan::Wish(_) | Plan::Spoof(_)) {
                self.act(Plan::decode(code));
            }
            self.settle_accounts();
        }
        self.settle_accounts();
        self.check_ended();
    }

    fn progress(&self) -> Progress {
        Progress {
            seed: self.inputs.seed,
            virtual_now: self.engine.now().since(self.inputs.start),
            virtual_end: self.scenario.duration.0,
            events: self.engine.work().events,
            pending: self.engine.pending(),
            stored: self.stored.len(),
            lost: self.lost,
        }
    }

    /// Puts the nodes of the beginning in their places.
    fn be_born(&mut self) {
        let ids = self.engine.births().ids();
        let (base, all) = (count(ids.base()), count(ids.len()));
        if self.scenario.population.birth == BirthKind::Steady {
            self.engine.add_asleep(base);
            for place in 0..base {
                if !self.engine.births().ids().was_present(place) {
                    self.engine.kill(place);
                }
            }
            // Those with places behind the base are nobody's neighbours by birth: they join.
            for _ in base..all {
                let place = self.engine.add_absent();
                self.engine.schedule(self.inputs.start, Plan::Join(place).encode());
            }
            return;
        }
        let over = self.scenario.population.join_over.0;
        for index in 0..all {
            let place = self.engine.add_absent();
            if self.engine.births().ids().was_present(place) {
                let at = self.inputs.start + over.mul_f64(f64::from(index) / f64::from(all));
                self.engine.schedule(at, Plan::Join(place).encode());
            }
        }
    }

    fn plan_all(&mut self) {
        let start = self.inputs.start;
        for (index, work) in (0..).zip(&self.scenario.workload) {
            self.engine.schedule(start + work.from.0, Plan::Wish(index).encode());
        }
        for (index, happening) in (0..).zip(&self.scenario.happening) {
            self.engine.schedule(start + happening.at.0, Plan::Happen(index).encode());
        }
        for sample in 1..=SAMPLES {
            let share = f64::from(sample) / f64::from(SAMPLES);
            let at = start + self.scenario.duration.0.mul_f64(share);
            self.engine.schedule(at, Plan::Sample.encode());
        }
        for turn in core::mem::take(&mut self.inputs.turns) {
            let plan = if turn.joins { Plan::Join(turn.place) } else { Plan::Leave(turn.place) };
            self.engine.schedule(start + turn.at, plan.encode());
        }
        self.plan_sessions();
        for place in 0..count(self.engine.places()) {
            if self.engine.births().spoofing_rate(place).is_some() {
                self.engine.schedule(start, Plan::Spoof(place).encode());
            }
        }
    }

    /// Whoever is there leaves when its session ends, whoever is not comes when its absence does.
    fn plan_sessions(&mut self) {
        let Some(sessions) = self.sessions.clone() else { return };
        for place in 0..count(self.engine.places()) {
            let is_there = self.engine.is_present(place);
            let honest = self.engine.births().is_honest(place);
            if let Some(rest) = sessions.rest(place, is_there).filter(|_| honest) {
                let plan = if is_there { Plan::Leave(place) } else { Plan::Join(place) };
                self.engine.schedule(self.inputs.start + rest, plan.encode());
            }
        }
    }

    fn act(&mut self, plan: Plan) {
        match plan {
            Plan::Wish(index) => self.wish(index),
            Plan::Join(place) => self.join(place),
            Plan::Leave(place) => self.leave(place),
            Plan::Happen(index) => self.happen(index),
            Plan::Spoof(place) => self.spoof(place),
            Plan::Sample => self.sample(),
        }
    }

    /// A number that belongs to this moment of this run.
    fn draw(&mut self, about: u64) -> Draw {
        self.draws += 1;
        Draw::new(mix2(self.inputs.seed, about), self.draws, 0)
    }

    /// A node that is there, honest, and no other than those that answer.
    fn anybody(&self, draw: &mut Draw) -> Option<Place> {
        let places = self.engine.places() as u64;
        let candidates = core::iter::repeat_with(|| count_u64(draw.below(places.max(1))));
        candidates
            .take(1000)
            .find(|place| self.engine.is_present(*place) && self.engine.births().is_honest(*place))
    }

    fn wish(&mut self, index: u32) {
        let Some(fields) = self.scenario.workload.get(index as usize) else { return };
        let mut draw = self.draw(about::WISH);
        let pause = Duration::from_secs_f64((1.0 / fields.rate).max(1e-6));
        let next = self.engine.now() + pause;
        let until = fields.until.map_or(self.scenario.duration.0, |until| until.0);
        let Some(work) = self.works.get_mut(index as usize) else { return };
        let number = match (fields.kind, &work.zipf) {
            // What is stored is stored once; after the last the first again.
            (WorkKind::Put | WorkKind::Announce | WorkKind::Keep | WorkKind::Swap, _) => {
                work.begun % fields.keys
            }
            (_, Some(zipf)) => zipf.draw(&mut draw) as u64,
            _ => draw.below(fields.keys),
        };
        work.begun += 1;
        if next < self.inputs.start + until && (fields.count == 0 || work.begun < fields.count) {
            self.engine.schedule(next, Plan::Wish(index).encode());
        }
        let bytes = fields.value_bytes;
        let swap = if fields.kind == WorkKind::Swap { self.next_swap(number) } else { None };
        let wish = match fields.kind {
            WorkKind::Swap => {
                let Some(swap) = swap else { return };
                swap
            }
            WorkKind::Read if !self.records.has(number) => return,
            WorkKind::Read => Wish::Read(number),
            WorkKind::Find => Wish::Find(random_id(&mut draw)),
            WorkKind::Put => Wish::Put(number, bytes),
            WorkKind::Get => Wish::Get(number, bytes),
            WorkKind::Announce => Wish::Announce(number),
            WorkKind::Keep => Wish::KeepAnnouncing(number),
            WorkKind::Seek => Wish::Seek(number),
        };
        // Only what has been stored is asked for.
        let is_item = fields.kind == WorkKind::Get;
        if matches!(fields.kind, WorkKind::Get | WorkKind::Seek)
            && !self.stored.contains_key(&(is_item, number))
        {
            return;
        }
        if matches!(fields.kind, WorkKind::Get | WorkKind::Seek) {
            self.note_search();
        }
        let owner = if fields.owner_leaves { self.owner(index, &mut draw) } else { None };
        if let Some(place) = owner.or_else(|| self.anybody(&mut draw)) {
            if fields.kind == WorkKind::Swap {
                let target = self.engine.births().target(&wish).unwrap_or_default();
                self.records.begins(place, &wish, target);
            }
            // Before it swaps again, an owner may have to look.
            let kind = if matches!(wish, Wish::Read(_)) { WorkKind::Read } else { fields.kind };
            self.perform(place, kind, number, &wish);
        }
    }

    /// Who stores the next value, of owners that leave after `per_owner` of them.
    fn owner(&mut self, index: u32, draw: &mut Draw) -> Option<Place> {
        let fields = self.scenario.workload.get(index as usize)?;
        let owner = self.works.get(index as usize)?.owner;
        let stays = owner
            .filter(|(place, begun)| *begun < fields.per_owner && self.engine.is_present(*place));
        let (place, begun) = match stays {
            Some(owner) => owner,
            None => (self.anybody(draw)?, 0),
        };
        self.works.get_mut(index as usize)?.owner = Some((place, begun + 1));
        Some(place)
    }

    fn perform(&mut self, place: Place, kind: WorkKind, number: u64, wish: &Wish) {
        let network = self.engine.births();
        let (command, target) = (network.command(wish), network.target(wish));
        let started = self.engine.now();
        let target = target.unwrap_or_default();
        let operation = Operation { kind, number, target, started, found: false };
        self.note_nearest(place, &operation);
        self.recorder.expect_operation(place, &operation);
        let Some(id) = self.engine.command(place, command, &mut self.recorder) else { return };
        self.recorder.watch(place, id, operation);
    }

    fn join(&mut self, place: Place) {
        if self.engine.is_present(place) {
            return;
        }
        self.note_turn();
        self.placement.joins += 1;
        let mut draw = self.draw(about::JOIN);
        let introducers: Vec<Place> =
            (0..INTRODUCERS).filter_map(|_| self.anybody(&mut draw)).collect();
        let turn = self.turns.entry(place).or_default();
        *turn += 1;
        let turn = *turn;
        let now = self.engine.now();
        let mut node = self.engine.births().fresh(place, turn, now);
        let luggage = self.luggage.remove(&place).unwrap_or_default();
        self.engine.births_mut().unpack(place, &mut node, &luggage);
        self.engine.settle(place, node);
        if !introducers.is_empty() {
            let command = self.engine.births().command(&Wish::Join(introducers));
            self.recorder.expect();
            self.engine.command(place, command, &mut self.recorder);
        }
        self.plan_turn(place, turn, true);
    }

    fn leave(&mut self, place: Place) {
        let Some(node) = self.engine.remove(place) else { return };
        let contacts = self.engine.births().luggage(&node);
        self.luggage.insert(place, contacts);
        self.recorder.forget(place);
        // What its owner no longer renews is nothing to be measured.
        if self.renews {
            self.stored.retain(|_, held| !held.renewed || held.owner != place);
        }
        if !self.scenario.churn.as_ref().is_some_and(|churn| churn.keeps_disk) {
            self.lose(place);
        }
        let turn = self.turns.get(&place).copied().unwrap_or(0);
        self.plan_turn(place, turn, false);
    }

    /// What a node held is gone.
    fn lose(&mut self, place: Place) {
        for held in self.stored.values_mut() {
            held.places.retain(|holder| *holder != place);
        }
    }

    /// Plans when a stay or absence that begins now ends.
    fn plan_turn(&mut self, place: Place, turn: u32, is_session: bool) {
        let since = self.engine.now().since(self.inputs.start);
        let Some(sessions) = &self.sessions else { return };
        let Some(length) =
            sessions.length(place, turn * 2 + u32::from(is_session), is_session, since)
        else {
            return;
        };
        let plan = if is_session { Plan::Leave(place) } else { Plan::Join(place) };
        self.engine.schedule(self.engine.now() + length, plan.encode());
    }

    /// Sends a query to anybody in the name of one victim.
    fn spoof(&mut self, place: Place) {
        let Some(rate) = self.engine.births().spoofing_rate(place) else { return };
        let mut draw = self.draw(about::SPOOF);
        let pause = Duration::from_secs_f64(1.0 / rate.max(1e-3));
        self.engine.schedule(self.engine.now() + pause, Plan::Spoof(place).encode());
        let Some(to) = self.anybody(&mut draw) else { return };
        let victim = self.anybody(&mut Draw::new(self.inputs.seed, about::SPOOF, place.into()));
        let forgery = self.engine.births().forgery(&mut draw);
        if let Some(victim) = victim.filter(|victim| *victim != to) {
            self.engine.spoof(victim, to, &forgery, &mut self.recorder);
        }
    }

    fn happen(&mut self, index: u32) {
        let Some(happening) = self.scenario.happening.get(index as usize) else { return };
        let kill = mix3(self.inputs.seed, about::KILL, u64::from(index));
        if happening.kill > 0.0 {
            self.note_turn();
            self.note_kill();
            for place in 0..count(self.engine.places()) {
                if unit(mix2(kill, place.into())) < happening.kill
                    && self.engine.births().is_honest(place)
                {
                    self.placement.deaths += u64::from(self.engine.is_present(place));
                    self.engine.kill(place);
                    self.recorder.forget(place);
                }
            }
        }
        for newcomer in 0..happening.join {
            let place = self.engine.births_mut().add();
            self.engine.add_absent();
            let share = f64::from(newcomer) / f64::from(happening.join);
            let at = self.engine.now() + happening.over.0.mul_f64(share);
            self.engine.schedule(at, Plan::Join(place).encode());
        }
    }

    /// Draws the consequences of what has ended, and writes disks.
    fn settle_accounts(&mut self) {
        for (place, event) in self.recorder.disk() {
            self.engine.births_mut().persist(place, &event);
        }
        for finished in self.recorder.finished() {
            self.settle_account(finished);
        }
    }

    fn settle_account(&mut self, finished: Finished) {
        if matches!(finished.operation.kind, WorkKind::Swap | WorkKind::Read) {
            return self.records.ended(&finished);
        }
        let Finished { place, operation, ending, .. } = finished;
        if finished.is_complete {
            if let Some(held) = self.stored.get_mut(&(true, operation.number)) {
                held.places = ending.nodes;
            }
            return;
        }
        match operation.kind {
            WorkKind::Find => self.judge_find(&operation, &ending.nodes),
            WorkKind::Put | WorkKind::Announce | WorkKind::Keep => {
                if ending.nodes.is_empty() {
                    return;
                }
                let key = (operation.kind == WorkKind::Put, operation.number);
                self.curves.overlap_stored(&self.engine, &operation.target, &ending.nodes);
                let (target, at) = (operation.target, self.engine.now());
                let renewed = operation.kind == WorkKind::Keep;
                self.stored
                    .insert(key, Held { target, places: ending.nodes, at, owner: place, renewed });
                self.after_storing(place, &operation);
            }
            WorkKind::Get | WorkKind::Seek => self.judge_get(place, &operation, ending.fulfilled),
            WorkKind::Swap | WorkKind::Read => {}
        }
    }

    /// Announced once, or by an owner that leaves.
    fn after_storing(&mut self, place: Place, operation: &Operation) {
        let mut works = self.works.iter().zip(&self.scenario.workload);
        // Of several values the last that was begun is, for this, the last that was stored.
        let leaves = works.any(|(work, fields)| {
            let is_at_it =
                work.owner.is_some_and(|(owner, begun)| owner == place && begun < fields.per_owner);
            fields.kind == operation.kind && fields.owner_leaves && !is_at_it
        });
        if operation.kind == WorkKind::Announce {
            let mine: Vec<_> = self
                .recorder
                .operations()
                .iter()
                .filter(|((owner, _), other)| *owner == place && other.number == operation.number)
                .map(|((_, id), _)| *id)
                .collect();
            for id in mine {
                let command = self.engine.births().command(&Wish::Cancel(id));
                self.engine.command(place, command, &mut self.recorder);
            }
        }
        if leaves {
            self.engine.kill(place);
            self.recorder.forget(place);
        }
    }

    /// Every operation has ended, unless its node has left or it goes on for ever.
    fn check_ended(&mut self) {
        let now = self.engine.now();
        let open: Vec<_> = self
            .recorder
            .operations()
            .iter()
            .filter(|(_, operation)| operation.kind != WorkKind::Keep)
            .map(|((place, id), operation)| {
                (
                    *place,
                    format!(
                        "{:?} {id:?} begun at {:?} never ended",
                        operation.kind, operation.started
                    ),
                )
            })
            .collect();
        for (place, what) in open {
            if let Some(checkers) = self.recorder.checkers() {
                checkers.note("operations", now, place, what);
            }
        }
    }
}

fn random_id(draw: &mut Draw) -> crate::ids::Id {
    let mut id = crate::ids::Id::default();
    for (to, from) in id.iter_mut().zip(draw.seed()) {
        *to = from;
    }
    id
}

fn count(places: usize) -> u32 {
    u32::try_from(places).unwrap_or(u32::MAX)
}

fn count_u64(places: u64) -> u32 {
    u32::try_from(places).unwrap_or(u32::MAX)
}
