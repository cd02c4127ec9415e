//! From a scenario file to a report: builds what each run needs, and runs all.

use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use kademlia::Moment;
use kademlia::limit::RateLimit;

use crate::baseline::BaselineNetwork;
use crate::churn::{Turn, read_trace};
use crate::mainline::{Birth, EARLIEST_START, MainlineNetwork};
use crate::memory;
use crate::net::{
    AccessSettings, Bursts, Latency, NatSettings, Net, NetSettings, Partition, latency,
};
use crate::network::Network;
use crate::parallel;
use crate::poly::PolyNetwork;
use crate::random::mix2;
use crate::report::{PointReport, Progress, Report, RunReport};
use crate::run::{Run, RunInputs};
use crate::scenario::{Kind, LatencyModel, NodeFields, Scenario, ScenarioError, ScenarioFile};

/// Runs all points and seeds of a scenario on at most `threads` threads.
pub fn run(
    file: &ScenarioFile,
    threads: NonZeroUsize,
    progress: &mut dyn FnMut(Progress),
) -> Result<Report, ScenarioError> {
    let mut jobs = Vec::new();
    for point in &file.points {
        let shared = Shared::new(&point.scenario, &file.folder)?;
        let seeds = u64::from(point.scenario.seeds);
        for seed in (0..seeds).map(|index| point.scenario.seed + index) {
            jobs.push((&point.scenario, shared.clone(), seed));
        }
    }
    let runs = parallel::map(
        jobs,
        threads,
        |(scenario, shared, seed), progress| shared.run(scenario, seed, progress),
        progress,
    );
    let mut runs = runs.into_iter();
    let points = file.points.iter().map(|point| {
        let seeds = point.scenario.seeds as usize;
        let of_point = runs.by_ref().take(seeds).collect();
        PointReport::new(point.label.clone(), point.scenario.nodes, of_point)
    });
    Ok(Report::new(&file.scenario, points.collect()))
}

/// Runs the first point of a scenario with one seed, and tells the first operation that begins `at`
/// after the start or later, step by step: who was asked, what came back, and when.
pub fn explain(file: &ScenarioFile, seed: u64, at: Duration) -> Result<Vec<String>, ScenarioError> {
    let Some(point) = file.points.first() else { return Ok(Vec::new()) };
    let shared = Shared::new(&point.scenario, &file.folder)?;
    Ok(shared.explain(&point.scenario, seed, at))
}

/// What the seeds of one point have in common.
#[derive(Clone, Debug)]
struct Shared {
    net: NetSettings,
    turns: Vec<Turn>,
    awake: usize,
}

impl Shared {
    fn new(scenario: &Scenario, folder: &Path) -> Result<Self, ScenarioError> {
        let churn = scenario.churn.as_ref();
        let turns = match churn.and_then(|churn| churn.trace.as_ref()) {
            Some(trace) => read_trace(&folder.join(trace))?,
            None => Vec::new(),
        };
        Ok(Self { net: net_settings(scenario, folder)?, turns, awake: memory::awake(scenario) })
    }

    fn run(self, scenario: &Scenario, seed: u64, progress: &mut dyn FnMut(Progress)) -> RunReport {
        let (inputs, net) = self.inputs(scenario, seed);
        if scenario.network == Kind::Mainline {
            let network = mainline_network(scenario, seed, inputs.start, &net);
            return Run::new(scenario, inputs, network, net).run(progress);
        }
        if scenario.network == Kind::Poly {
            let network = poly_network(scenario, seed, inputs.start, &net);
            return Run::new(scenario, inputs, network, net).run(progress);
        }
        let network = BaselineNetwork::new(scenario.network, seed, scenario.nodes);
        Run::new(scenario, inputs, network, net).run(progress)
    }

    fn explain(self, scenario: &Scenario, seed: u64, at: Duration) -> Vec<String> {
        let (inputs, net) = self.inputs(scenario, seed);
        if scenario.network == Kind::Mainline {
            let network = mainline_network(scenario, seed, inputs.start, &net);
            return Run::new(scenario, inputs, network, net).explain(at);
        }
        if scenario.network == Kind::Poly {
            let network = poly_network(scenario, seed, inputs.start, &net);
            return Run::new(scenario, inputs, network, net).explain(at);
        }
        let network = BaselineNetwork::new(scenario.network, seed, scenario.nodes);
        Run::new(scenario, inputs, network, net).explain(at)
    }

    fn inputs(self, scenario: &Scenario, seed: u64) -> (RunInputs, Net) {
        let mut net = Net::new(self.net, mix2(seed, NET));
        net.survey(scenario.nodes);
        (RunInputs { start: EARLIEST_START, seed, awake: self.awake, turns: self.turns }, net)
    }
}

/// Names the network's share of a seed.
const NET: u64 = 0x5e_01;

fn mainline_network(scenario: &Scenario, seed: u64, start: Moment, net: &Net) -> MainlineNetwork {
    let population = &scenario.population;
    let birth = Birth { start, silence: population.silence.0 };
    let settings = node_settings(&scenario.node);
    let mut network = MainlineNetwork::new(seed, scenario.nodes, settings, birth, net.clone());
    network.set_absent(absent(scenario, seed), population.stale);
    network.ids_mut().set_unlisted(|place| net.is_behind_nat(place));
    network.add_adversaries(&scenario.adversary);
    network
}

fn poly_network(scenario: &Scenario, seed: u64, start: Moment, net: &Net) -> PolyNetwork {
    let population = &scenario.population;
    let birth = Birth { start, silence: population.silence.0 };
    let mut network = PolyNetwork::new(seed, scenario.nodes, &scenario.node, birth, net.clone());
    network.set_absent(absent(scenario, seed), population.stale);
    network.ids_mut().set_unlisted(|place| net.is_behind_nat(place));
    network
}

/// The share of nodes that is not there at first: as given, or as churn has it.
fn absent(scenario: &Scenario, seed: u64) -> f64 {
    let absent = scenario.population.absent;
    match &scenario.churn {
        Some(churn) if absent == 0.0 => {
            1.0 - crate::churn::Sessions::new(churn, seed).availability()
        }
        // Stale entries name somebody.
        _ if absent == 0.0 && scenario.population.stale > 0.0 => scenario.population.stale,
        _ => absent,
    }
}

fn net_settings(scenario: &Scenario, folder: &Path) -> Result<NetSettings, ScenarioError> {
    let trouble = &scenario.trouble;
    let start = EARLIEST_START;
    let partitions = scenario.happening.iter().filter(|happening| happening.split > 0.0);
    let bursts = (trouble.burst_share > 0.0).then_some(Bursts {
        share: trouble.burst_share,
        length: trouble.burst_length.0,
        loss: trouble.burst_loss,
    });
    let limit = |bytes: u64| if bytes == 0 { u64::MAX } else { bytes };
    let access = (trouble.up > 0 || trouble.down > 0).then_some(AccessSettings {
        up: limit(trouble.up),
        down: limit(trouble.down),
        queue: Duration::from_secs(1),
    });
    Ok(NetSettings {
        latency: latency(scenario, folder)?,
        jitter: scenario.latency.jitter,
        loss: trouble.loss,
        bursts,
        duplication: trouble.duplication,
        reordering: trouble.reordering,
        detour: trouble.detour.0,
        processing: trouble.processing.0,
        slow: trouble.slow,
        slow_by: trouble.slow_by.0,
        unlinked: trouble.unlinked,
        access,
        nat: (trouble.nat + trouble.restricted > 0.0).then_some(NatSettings {
            clients: trouble.nat,
            restricted: trouble.restricted,
            hole: Duration::from_mins(2),
        }),
        partitions: partitions
            .map(|happening| Partition {
                from: start + happening.at.0,
                until: start + happening.heals_at.unwrap_or_default().0,
                share: happening.split,
            })
            .collect(),
    })
}

fn latency(scenario: &Scenario, folder: &Path) -> Result<Latency, ScenarioError> {
    let fields = &scenario.latency;
    if let Some(matrix) = &fields.matrix {
        let path = folder.join(matrix);
        let file = std::fs::File::open(&path)
            .map_err(|source| ScenarioError::Unreadable { path: path.clone(), source })?;
        let matrix =
            latency::Matrix::read(file).map_err(|source| ScenarioError::Matrix { path, source })?;
        return Ok(Latency::Matrix(matrix));
    }
    Ok(match (fields.constant, fields.model) {
        (Some(span), _) => Latency::Constant(span.0),
        (None, LatencyModel::Planetlab) => Latency::Model(latency::Model::planetlab()),
        (None, LatencyModel::Home) => Latency::Model(latency::Model::home()),
    })
}

pub(crate) fn node_settings(fields: &NodeFields) -> mainline::Settings {
    let mut settings = mainline::Settings::default();
    let set = |to: &mut usize, from: Option<usize>| *to = from.unwrap_or(*to);
    set(&mut settings.lookup.parallelism, fields.parallelism);
    set(&mut settings.lookup.closest, fields.closest);
    set(&mut settings.table.bucket_size, fields.bucket);
    set(&mut settings.table.spares, fields.spares);
    settings.lookup.paths = fields.paths.unwrap_or(settings.lookup.paths);
    settings.rate_limit = fields.rate_limit.unwrap_or(true).then(RateLimit::default);
    if let Some(lifetime) = fields.lifetime {
        settings.store.peer_lifetime = lifetime.0;
        settings.store.item_lifetime = lifetime.0;
    }
    settings.announce_every = fields.announce_every.map_or(settings.announce_every, |span| span.0);
    settings.deadline = fields.deadline.map_or(settings.deadline, |span| span.0);
    settings
}

#[cfg(test)]
mod tests;
