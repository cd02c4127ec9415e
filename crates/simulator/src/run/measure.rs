//! What a run measures: samples on the way, judgements of results, and the figures at the end.

use std::collections::BTreeMap;

use kademlia::Key;

use super::{Held, Run, SAMPLES, random_id};
use crate::checker::must_find;
use crate::engine::{Engine, Place};
use crate::ids::Id;
use crate::network::Network;
use crate::random::Draw;
use crate::recorder::{Kinds, Operation};
use crate::report::RunReport;
use crate::scenario::WorkKind;
use crate::stats::{Distribution, to_f64};

/// Curves over time, and sums of judgements.
#[derive(Debug, Default)]
pub(super) struct Curves {
    /// By name: (seconds since the start, value).
    over_time: BTreeMap<&'static str, Vec<(f64, f64)>>,
    last: (u64, u64, u64),
    /// Lookups judged; how many found the closest node, how many any of the closest; and the share
    /// of the closest found.
    judged: u64,
    exact: u64,
    reached: u64,
    recall: f64,
    /// Stores judged, and the share of holders that are among the closest.
    stores: u64,
    overlap: f64,
    /// Gets and seeks since the last sample, and those that found something.
    asked: u64,
    found: u64,
    /// Gets that failed though a holder among the closest was there.
    missed: u64,
    /// Gets and seeks ended, and those that found something, from the beginning.
    searches: (u64, u64),
    /// Messages when the first get or seek began.
    before_searches: Option<u64>,
    /// The same three when nodes were killed for the first time: searches, found, messages.
    killed: Option<(u64, u64, u64)>,
}

/// Nodes looked at for one sample.
const LOOKED_AT: usize = 200;
/// Newcomers imagined to see what each would move.
const NEWCOMERS: u64 = 200;
const NEWCOMER: u64 = 0x2a_05;
/// Nodes of a network at most in which it is counted how keys are spread, and keys for each.
const MOST_SPREAD: usize = 20_000;
const KEYS_SPREAD: u64 = 100;
const SPREAD: u64 = 0x2a_06;
/// Results compared with the truth.
pub(super) const MAX_JUDGED: u64 = 20_000;

impl Curves {
    pub(super) fn add(&mut self, name: &'static str, at: f64, value: f64) {
        self.over_time.entry(name).or_default().push((at, value));
    }

    /// How many of the holders are among the nodes closest to the target.
    pub(super) fn overlap_stored<N: Network>(
        &mut self,
        engine: &Engine<N::Node, N>,
        target: &Id,
        holders: &[Place],
    ) {
        if self.stores >= MAX_JUDGED {
            return;
        }
        self.stores += 1;
        self.overlap += share_of(holders, &closest(engine, target, holders.len()));
    }
}

fn share_of(found: &[Place], truth: &[Place]) -> f64 {
    let hits = truth.iter().filter(|place| found.contains(place)).count();
    to_f64(hits as u64) / to_f64(truth.len().max(1) as u64)
}

/// The honest nodes closest to a target that are there.
pub(super) fn closest<N: Network>(
    engine: &Engine<N::Node, N>,
    target: &Id,
    many: usize,
) -> Vec<Place> {
    let network = engine.births();
    let ids = network.ids();
    let mut found = ids.closest(target, many, |place| {
        engine.is_present(place) && network.is_honest(place) && network.is_reachable(place)
    });
    // Those that came later are behind the sorted ones.
    let key = Key::from(*target);
    let base = u32::try_from(ids.base()).unwrap_or(u32::MAX);
    let all = u32::try_from(ids.len()).unwrap_or(u32::MAX);
    found.extend((base..all).filter(|place| {
        engine.is_present(*place) && network.is_honest(*place) && network.is_reachable(*place)
    }));
    found.sort_by_cached_key(|place| key.distance(&ids.key(*place)));
    found.truncate(many);
    found
}

impl<N: Network + 'static> Run<'_, N> {
    /// Compares what a lookup found with the truth.
    pub(super) fn judge_find(&mut self, operation: &Operation, nodes: &[Place]) {
        if self.curves.judged >= MAX_JUDGED {
            return;
        }
        let many = self.scenario.node.closest.unwrap_or(8);
        let truth = closest(&self.engine, &operation.target, many);
        self.curves.judged += 1;
        self.curves.exact += u64::from(nodes.first() == truth.first());
        self.curves.reached += u64::from(truth.iter().any(|place| nodes.contains(place)));
        self.curves.recall += share_of(nodes, &truth);
    }

    /// A value was looked for.
    pub(super) fn judge_get(&mut self, place: Place, operation: &Operation, found: bool) {
        self.judge_holders(place, operation);
        let found = found || operation.found;
        self.curves.asked += 1;
        self.curves.found += u64::from(found);
        self.curves.searches.0 += 1;
        self.curves.searches.1 += u64::from(found);
        let key = (operation.kind == WorkKind::Get, operation.number);
        if found {
            return;
        }
        let Some(holders) = self.stored.get(&key) else { return };
        let many = self.scenario.node.closest.unwrap_or(8);
        let truth = closest(&self.engine, &operation.target, many);
        if !holders.places.iter().any(|holder| truth.contains(holder)) {
            return;
        }
        self.curves.missed += 1;
        let since = operation.started.since(self.inputs.start);
        let held = self.engine.now().since(holders.at);
        if must_find(self.scenario, since, held)
            && let Some(checkers) = self.recorder.checkers()
        {
            let what = format!("{:?} of {} in vain, though a holder is there", key.0, key.1);
            checkers.note("found", operation.started, place, what);
        }
    }

    /// A get or seek begins.
    pub(super) fn note_search(&mut self) {
        let messages = self.recorder.traffic().0;
        self.curves.before_searches.get_or_insert(messages);
    }

    /// Nodes are killed.
    pub(super) fn note_kill(&mut self) {
        let ((asked, found), messages) = (self.curves.searches, self.recorder.traffic().0);
        self.curves.killed.get_or_insert((asked, found, messages));
    }

    /// How searches went before nodes were killed, and after.
    fn put_killed(&self, put: &mut impl FnMut(String, f64)) {
        let (Some((asked, found, messages)), Some(first)) =
            (self.curves.killed, self.curves.before_searches)
        else {
            return;
        };
        let (all, all_found) = self.curves.searches;
        let share = |part: u64, whole: u64| to_f64(part) / to_f64(whole.max(1));
        put("before_kill.found".into(), share(found, asked));
        put("before_kill.messages_per_search".into(), share(messages.saturating_sub(first), asked));
        put("after_kill.found".into(), share(all_found - found, all - asked));
        let after = self.recorder.traffic().0 - messages;
        put("after_kill.messages_per_search".into(), share(after, all - asked));
    }

    /// How unequally keys are spread over the nodes of the beginning: what the one that is to hold
    /// most of random keys holds, over the mean.
    fn put_spread(&self, put: &mut impl FnMut(String, f64)) {
        let network = self.engine.births();
        let nodes = network.ids().base();
        if nodes == 0 || nodes > MOST_SPREAD {
            return;
        }
        let mut held = vec![0_u64; nodes];
        let mut draw = Draw::new(self.inputs.seed, SPREAD, 0);
        for _ in 0..nodes as u64 * KEYS_SPREAD {
            for keeper in network.keepers(&random_id(&mut draw)) {
                if let Some(count) = held.get_mut(keeper as usize) {
                    *count += 1;
                }
            }
        }
        let sum = held.iter().sum::<u64>();
        if sum > 0 {
            let most = held.iter().copied().max().unwrap_or(0);
            put(
                "load.keys_max_over_mean".into(),
                to_f64(most) * to_f64(nodes as u64) / to_f64(sum),
            );
        }
    }

    /// A look at how things are.
    pub(super) fn sample(&mut self) {
        let at = self.engine.now().since(self.inputs.start).as_secs_f64();
        let span = self.scenario.duration.0.as_secs_f64() / f64::from(SAMPLES);
        let present = self.engine.present() as u64;
        let (messages, bytes) = self.recorder.traffic();
        let events = self.engine.work().events;
        let last = self.curves.last;
        let rate = |now: u64, before: u64| to_f64(now - before) / span / to_f64(present.max(1));
        self.curves.add("nodes", at, to_f64(present));
        self.curves.add("bytes_per_node_per_s", at, rate(bytes, last.1));
        self.curves.add("messages_per_node_per_s", at, rate(messages, last.0));
        self.curves.last = (messages, bytes, events);
        self.sample_survival(at);
        self.sample_tables(at);
    }

    /// The share of stored values with a holder that is there, and of gets that succeed.
    fn sample_survival(&mut self, at: f64) {
        if self.curves.asked > 0 {
            let share = to_f64(self.curves.found) / to_f64(self.curves.asked);
            self.curves.add("found", at, share);
            (self.curves.asked, self.curves.found) = (0, 0);
        }
        if self.stored.is_empty() || self.sample_holders(at) {
            return;
        }
        for (name, renewed) in [("survival", false), ("survival_renewed", true)] {
            let kept = || self.stored.values().filter(|held| held.renewed == renewed);
            let all = kept().count() as u64;
            let alive = |held: &&Held| held.places.iter().any(|p| self.engine.is_present(*p));
            if all > 0 {
                let share = to_f64(kept().filter(alive).count() as u64) / to_f64(all);
                self.curves.add(name, at, share);
            }
        }
    }

    /// How fresh tables are: the share of their contacts that are there.
    fn sample_tables(&mut self, at: f64) {
        let (mut contacts, mut there) = (0_u64, 0_u64);
        let places = self.engine.places();
        let all_there = self.engine.present() == places;
        let step = (places / LOOKED_AT).max(1);
        for place in (0..places).step_by(step) {
            let Some(node) = u32::try_from(place).ok().and_then(|p| self.engine.node(p)) else {
                continue;
            };
            for contact in self.engine.births().contacts(node) {
                contacts += 1;
                there += u64::from(self.engine.is_present(contact));
            }
            if all_there && contacts > 0 {
                // Whoever else is looked at, nobody is missing.
                break;
            }
        }
        if contacts > 0 {
            self.curves.add("fresh_contacts", at, to_f64(there) / to_f64(contacts));
        }
    }

    /// The figures.
    pub(super) fn report(mut self) -> RunReport {
        let mut metrics = BTreeMap::new();
        let mut put = |name: String, value: f64| {
            metrics.insert(name, value);
        };
        let mut distributions = BTreeMap::new();
        for (kind, kinds) in self.recorder.kinds() {
            let name = kind.name();
            for (metric, value) in figures(kinds) {
                put(format!("{name}.{metric}"), value);
            }
            distributions.insert(format!("{name}.latency"), kinds.latency.cumulated());
            if kinds.first.count() > 0 {
                distributions.insert(format!("{name}.first"), kinds.first.cumulated());
            }
            if kinds.hops.count() > 0 {
                distributions.insert(format!("{name}.hops"), kinds.hops.cumulated());
            }
        }
        let curves = &self.curves;
        if curves.judged > 0 {
            put("find.exact".into(), to_f64(curves.exact) / to_f64(curves.judged));
            put("find.reached".into(), to_f64(curves.reached) / to_f64(curves.judged));
            put("find.recall".into(), curves.recall / to_f64(curves.judged));
        }
        if curves.stores > 0 {
            put("stored.overlap".into(), curves.overlap / to_f64(curves.stores));
        }
        put("get.missed".into(), to_f64(curves.missed));
        for name in ["survival", "survival_renewed", "fresh_contacts", "nodes"] {
            let Some(curve) = curves.over_time.get(name) else { continue };
            if let Some((_, value)) = curve.last() {
                put(format!("{name}.end"), *value);
            }
            for hours in [4.0, 12.0].into_iter().filter(|_| name.starts_with("survival")) {
                if let Some((_, value)) = curve.iter().find(|(at, _)| *at >= hours * 3600.0) {
                    put(format!("{name}.{hours}h"), *value);
                }
            }
        }
        if let Some(lost) = self.lost {
            put("survival.lost".into(), to_f64(lost));
        }
        for (name, metric) in [("survival", "survival.least"), ("fewest_holders", "holders.fewest")]
        {
            let curve = curves.over_time.get(name).into_iter().flatten();
            if let Some(least) = curve.map(|(_, value)| *value).min_by(f64::total_cmp) {
                put(metric.into(), least);
            }
        }
        self.put_traffic(&mut put);
        if let Some(checkers) = self.recorder.checkers() {
            for (name, value) in checkers.measures() {
                put(name.to_owned(), value);
            }
        }
        let findings = self.recorder.checkers().map(|c| c.findings().to_vec()).unwrap_or_default();
        put("findings".into(), to_f64(findings.len() as u64));
        RunReport {
            seed: self.inputs.seed,
            trace_hash: format!("{:016x}", self.engine.trace().hash()),
            metrics,
            distributions,
            over_time: core::mem::take(&mut self.curves.over_time)
                .into_iter()
                .map(|(name, curve)| (name.to_owned(), curve))
                .collect(),
            findings,
        }
    }

    /// What comings and goings move: of all that is stored, the share that should change its holder
    /// when a node joins, and that loses one when a node leaves, on average and at worst.
    fn put_moved(&self, put: &mut impl FnMut(String, f64)) {
        if self.stored.is_empty() {
            return;
        }
        self.put_killed(put);
        self.put_spread(put);
        let all = to_f64(self.stored.len() as u64);
        let network = self.engine.births();
        let mut draw = Draw::new(self.inputs.seed, NEWCOMER, 0);
        let mut taken = 0_u64;
        for _ in 0..NEWCOMERS {
            let newcomer = random_id(&mut draw);
            let takes = |held: &&Held| network.takes_over(&newcomer, &held.target, &held.places);
            taken += self.stored.values().filter(takes).count() as u64;
        }
        put("moved.join".into(), to_f64(taken) / to_f64(NEWCOMERS) / all);
        let mut holds: BTreeMap<Place, u64> = BTreeMap::new();
        for holder in self.stored.values().flat_map(|held| &held.places) {
            *holds.entry(*holder).or_default() += 1;
        }
        let sum = holds.values().sum::<u64>();
        put("moved.leave".into(), to_f64(sum) / to_f64(network.ids().len() as u64) / all);
        put("moved.leave_worst".into(), to_f64(holds.values().copied().max().unwrap_or(0)) / all);
    }

    fn put_traffic(&self, put: &mut impl FnMut(String, f64)) {
        let work = self.engine.work();
        put("events".into(), to_f64(work.events));
        put("lost".into(), to_f64(work.lost));
        for (fate, count) in self.recorder.fates() {
            put(format!("lost.{}", format!("{fate:?}").to_lowercase()), to_f64(*count));
        }
        let (messages, bytes) = self.recorder.traffic();
        let seconds = self.scenario.duration.0.as_secs_f64();
        let nodes = self.curves.over_time.get("nodes");
        let mean_nodes = nodes.map_or(0.0, |curve| {
            curve.iter().map(|(_, nodes)| nodes).sum::<f64>() / to_f64(curve.len().max(1) as u64)
        });
        let node_seconds = (seconds * mean_nodes).max(1.0);
        put("messages".into(), to_f64(messages));
        let wishes = self.recorder.kinds().values().map(|kinds| kinds.begun).sum::<u64>();
        put("messages.per_wish".into(), to_f64(messages) / to_f64(wishes.max(1)));
        put("node.messages_per_s".into(), to_f64(messages) / node_seconds);
        put("node.bytes_per_s".into(), to_f64(bytes) / node_seconds);
        let mut load = Distribution::default();
        let everybody = (0..).zip(self.recorder.received());
        for (_, received) in everybody.filter(|(place, _)| self.engine.is_present(*place)) {
            load.add(u64::from(*received));
        }
        let mean = load.mean().max(f64::EPSILON);
        put("load.max_over_mean".into(), to_f64(load.max()) / mean);
        put("load.p99_over_mean".into(), load.quantile(0.99) / mean);
        let (mut awake, mut contacts, mut values, mut bytes) = (0_u64, 0_u64, 0_u64, 0_u64);
        for (_, node) in self.engine.awake() {
            let standing = self.engine.births().standing(node, self.engine.now());
            awake += 1;
            contacts += standing.contacts as u64;
            values += standing.values as u64;
            bytes += standing.bytes as u64;
        }
        self.put_moved(put);
        self.put_placement(put);
        self.put_records(put);
        put("nodes.awake".into(), to_f64(awake));
        put("nodes.bytes".into(), to_f64(bytes) / to_f64(awake.max(1)));
        put("nodes.contacts".into(), to_f64(contacts) / to_f64(awake.max(1)));
        put("nodes.values".into(), to_f64(values) / to_f64(awake.max(1)));
    }
}

/// The figures of one kind of wish.
fn figures(kinds: &Kinds) -> Vec<(&'static str, f64)> {
    let ended = kinds.fulfilled + kinds.failed;
    let ms = |distribution: &Distribution, share: f64| distribution.quantile(share) / 1000.0;
    let mut figures = vec![
        ("count", to_f64(ended)),
        ("success", to_f64(kinds.fulfilled) / to_f64(ended.max(1))),
        ("messages", kinds.messages.mean()),
        ("unanswered", kinds.unanswered.mean()),
        ("latency_p50_ms", ms(&kinds.latency, 0.5)),
        ("latency_p90_ms", ms(&kinds.latency, 0.9)),
        ("latency_p99_ms", ms(&kinds.latency, 0.99)),
    ];
    if kinds.hops.count() > 0 {
        figures.push(("hops", kinds.hops.mean()));
    }
    if kinds.first.count() > 0 {
        figures.push(("first_p50_ms", ms(&kinds.first, 0.5)));
        figures.push(("first_p99_ms", ms(&kinds.first, 0.99)));
    }
    if kinds.stored.count() > 0 {
        figures.push(("replicas", kinds.stored.mean()));
    }
    if kinds.complete.count() > 0 {
        figures.push(("complete_p50_ms", ms(&kinds.complete, 0.5)));
        figures.push(("complete_p99_ms", ms(&kinds.complete, 0.99)));
        figures.push(("most_p50_ms", ms(&kinds.most, 0.5)));
        figures.push(("most_p99_ms", ms(&kinds.most, 0.99)));
        figures.push(("holders", kinds.holders.mean()));
    }
    figures
}
