//! How much memory a run takes, estimated before it begins.

use core::net::SocketAddrV4;

use crate::mainline::Resident;
use crate::scenario::{BirthKind, Scenario};
use crate::simulate::node_settings;
use crate::stats::to_f64;

/// Memory of a run, estimated, in bytes.
#[derive(Clone, Copy, Debug)]
struct Memory {
    /// For each node, awake or not: its place, id and address.
    place: f64,
    /// For a node that is awake.
    node: f64,
    /// Nodes that will not sleep again.
    changed: f64,
}

const GIB: f64 = 1_073_741_824.0;

/// GiB that all nodes take which cannot sleep, if that is more than the scenario allows.
pub(crate) fn lacking_gib(scenario: &Scenario) -> Option<f64> {
    let needed = Memory::estimate(scenario).needed(scenario) / GIB;
    (needed > scenario.memory_gib).then_some(needed)
}

/// How many nodes may be kept awake as they were born.
pub(crate) fn awake(scenario: &Scenario) -> usize {
    if scenario.population.awake > 0 {
        return scenario.population.awake as usize;
    }
    let memory = Memory::estimate(scenario);
    let free = (scenario.memory_gib * GIB - memory.needed(scenario)) / memory.node;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
    let free = free.clamp(1000.0, f64::from(scenario.nodes) + 1000.0) as usize;
    free
}

impl Memory {
    fn estimate(scenario: &Scenario) -> Self {
        let nodes = f64::from(scenario.nodes);
        let settings = node_settings(&scenario.node);
        #[expect(clippy::cast_precision_loss, reason = "small counts")]
        let bucket = (settings.table.bucket_size + settings.table.spares) as f64;
        let buckets = (nodes / bucket).max(1.0).log2() + 3.0;
        #[expect(clippy::cast_precision_loss, reason = "sizes of structs")]
        let (node, member) = (
            size_of::<Resident>() as f64,
            size_of::<kademlia::table::Member<SocketAddrV4>>() as f64,
        );
        let all_change = scenario.population.birth == BirthKind::Join
            || !scenario.population.silence.0.is_zero()
            || scenario.churn.is_some();
        let seconds = scenario.duration.0.as_secs_f64();
        let wishes = scenario.workload.iter().map(|work| {
            let most = if work.count == 0 { f64::MAX } else { to_f64(work.count) };
            (work.rate * seconds).min(most)
        });
        Self {
            place: PLACE_BYTES,
            node: node + buckets * bucket * member * ALLOCATOR + BUFFERS,
            changed: if all_change { nodes } else { wishes.sum::<f64>().min(nodes) },
        }
    }

    fn needed(&self, scenario: &Scenario) -> f64 {
        f64::from(scenario.nodes) * self.place + self.changed * self.node
    }
}

/// A place takes an id, an address, a host, an entry in the load statistics and a wake-up.
const PLACE_BYTES: f64 = 120.0;
/// What the allocator takes on top for many small vectors.
const ALLOCATOR: f64 = 1.25;
/// Buffers and rate limiters of a node that has answered: measured.
const BUFFERS: f64 = 4000.0;
