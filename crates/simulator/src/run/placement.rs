//! Where values are and where they are looked for, what comings and goings really move, and how
//! near contacts are.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Run;
use super::measure::{MAX_JUDGED, closest};
use crate::engine::Place;
use crate::network::Network;
use crate::recorder::Operation;
use crate::scenario::WorkKind;
use crate::stats::{Distribution, to_f64};

/// What was seen of it on the way.
#[derive(Debug, Default)]
pub(super) struct Placement {
    /// Round-trip times to the nearest holder that was there when a value was looked for: no search
    /// is faster.
    nearest: Distribution,
    /// Searches of which it was judged whom they take for holders, and the share of those that had
    /// the value.
    judged: u64,
    overlap: f64,
    /// Values that holders had got from each other before the first node joined or was killed.
    before: Option<u64>,
    /// Nodes that joined, and that were killed.
    pub(super) joins: u64,
    pub(super) deaths: u64,
}

/// Nodes looked at, of those awake, to see how near contacts are.
const LOOKED_AT: usize = 500;
/// Contacts that share fewer bits than this with a node are its far ones: of these there are many,
/// and a table may choose.
const FAR_BITS: u32 = 3;
/// Nodes that may be holders are sought among so many.
const AROUND: usize = 48;
/// Holders that a value has whatever its region.
const LEAST: usize = 8;

impl<N: Network + 'static> Run<'_, N> {
    /// A search for a value begins.
    pub(super) fn note_nearest(&mut self, place: Place, operation: &Operation) {
        if operation.kind != WorkKind::Get {
            return;
        }
        let Some(held) = self.stored.get(&(true, operation.number)) else { return };
        let network = self.engine.births();
        let there = held.places.iter().filter(|holder| self.engine.is_present(**holder));
        let round_trip = |holder: &Place| {
            if *holder == place { Some(Duration::ZERO) } else { network.round_trip(place, *holder) }
        };
        if let Some(nearest) = there.filter_map(round_trip).min() {
            self.placement.nearest.add_span(nearest);
        }
    }

    /// A node joins, or some are killed.
    pub(super) fn note_turn(&mut self) {
        if self.placement.before.is_none() {
            self.placement.before = Some(self.moved());
        }
    }

    /// Values that holders have got from each other.
    fn moved(&self) -> u64 {
        let (network, now) = (self.engine.births(), self.engine.now());
        self.engine.awake().map(|(_, node)| network.moved(node, now)).sum()
    }

    /// Compares whom a search that has ended takes for holders with who has the value.
    pub(super) fn judge_holders(&mut self, place: Place, operation: &Operation) {
        let target = &operation.target;
        if self.placement.judged >= MAX_JUDGED || operation.kind != WorkKind::Get {
            return;
        }
        let Some(node) = self.engine.node(place) else { return };
        let (network, now) = (self.engine.births(), self.engine.now());
        let mut asked = closest(&self.engine, target, AROUND);
        let in_region = asked.iter().take_while(|other| network.asks(node, now, target, **other));
        let count = in_region.count();
        if count == 0 {
            return;
        }
        asked.truncate(count.max(LEAST));
        let has = |other: &&Place| {
            self.engine.node(**other).is_some_and(|node| network.holds(node, now, target))
        };
        let having = asked.iter().filter(has).count() as u64;
        self.placement.judged += 1;
        self.placement.overlap += to_f64(having) / to_f64(asked.len() as u64);
    }

    /// The figures.
    pub(super) fn put_placement(&self, put: &mut impl FnMut(String, f64)) {
        let Placement { nearest, judged, overlap, .. } = &self.placement;
        if nearest.count() > 0 {
            put("get.bound_p50_ms".into(), nearest.quantile(0.5) / 1000.0);
            put("get.bound_p99_ms".into(), nearest.quantile(0.99) / 1000.0);
            let first = self.recorder.kinds().get(&WorkKind::Get).map(|kinds| &kinds.first);
            if let Some(first) = first {
                let bound = nearest.quantile(0.5).max(1.0);
                put("get.first_over_bound".into(), first.quantile(0.5) / bound);
            }
        }
        if *judged > 0 {
            put("get.overlap".into(), overlap / to_f64(*judged));
        }
        self.put_real_moves(put);
        self.put_real_load(put);
        self.put_nearness(put);
    }

    /// Values that holders got from each other, and how many that are over what falls to those who
    /// joined, or fell to those who died.
    fn put_real_moves(&self, put: &mut impl FnMut(String, f64)) {
        let Placement { joins, deaths, before, .. } = self.placement;
        let moved = self.moved().saturating_sub(before.unwrap_or(0));
        let holders = self.recorder.kinds().get(&WorkKind::Put).map(|kinds| &kinds.holders);
        let Some(holders) = holders.filter(|holders| holders.count() > 0) else { return };
        put("moved.values".into(), to_f64(moved));
        let nodes = to_f64(self.engine.births().ids().base() as u64);
        let share = to_f64(self.stored.len() as u64) * holders.mean() / nodes;
        for (name, turns) in [("moved.over_joined", joins), ("moved.over_died", deaths)] {
            if turns > 0 {
                put(name.into(), to_f64(moved) / (to_f64(turns) * share));
            }
        }
    }

    /// How unequally the values that were stored are spread.
    fn put_real_load(&self, put: &mut impl FnMut(String, f64)) {
        let mut held: BTreeMap<Place, u64> = BTreeMap::new();
        let (network, now) = (self.engine.births(), self.engine.now());
        for (place, node) in self.engine.awake() {
            held.insert(place, network.standing(node, now).values as u64);
        }
        let sum = held.values().sum::<u64>();
        if sum > 0 {
            let most = held.values().copied().max().unwrap_or(0);
            let mean = to_f64(sum) / to_f64(self.engine.present() as u64);
            put("load.values_max_over_mean".into(), to_f64(most) / mean);
        }
    }

    /// How near the contacts of tables are.
    fn put_nearness(&self, put: &mut impl FnMut(String, f64)) {
        let network = self.engine.births();
        let (mut all, mut far) = (Distribution::default(), Distribution::default());
        let awake: Vec<_> = self.engine.awake().collect();
        let step = awake.len().div_ceil(LOOKED_AT).max(1);
        for (place, node) in awake.into_iter().step_by(step) {
            let key = network.ids().key(place);
            for other in network.members(node) {
                let Some(round_trip) = network.round_trip(place, other) else { continue };
                all.add_span(round_trip);
                if key.shared_prefix(&network.ids().key(other)) < FAR_BITS {
                    far.add_span(round_trip);
                }
            }
        }
        for (name, contacts) in [("table", all), ("table.far", far)] {
            if contacts.count() > 0 {
                put(format!("{name}.rtt_p50_ms"), contacts.quantile(0.5) / 1000.0);
                put(format!("{name}.rtt_p90_ms"), contacts.quantile(0.9) / 1000.0);
            }
        }
    }
}
