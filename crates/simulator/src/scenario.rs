//! Scenario files: what is simulated, read from TOML. `scenarios/README.md` explains each field.
//!
//! A mistake ends with an error that names the file, the line and a remedy; nothing unknown is
//! passed over.

mod error;
mod span;

use std::path::{Path, PathBuf};

use serde::Deserialize;

pub use error::ScenarioError;
pub use span::Span;

/// A simulation to run.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Its name, as reports show it.
    pub name: String,
    /// What it is about, in a sentence or two.
    #[serde(default)]
    pub about: String,
    /// The network.
    #[serde(default)]
    pub network: Kind,
    /// Nodes at the beginning.
    pub nodes: u32,
    /// The first seed.
    #[serde(default = "one")]
    pub seed: u64,
    /// How many seeds are run, from the first on.
    #[serde(default = "one_u32")]
    pub seeds: u32,
    /// How long it lasts, in virtual time.
    pub duration: Span,
    /// Memory it may take, in GiB.
    #[serde(default = "sixteen")]
    pub memory_gib: f64,
    /// How the nodes come to be.
    #[serde(default)]
    pub population: Population,
    /// How they behave.
    #[serde(default)]
    pub node: NodeFields,
    /// Round-trip times.
    #[serde(default)]
    pub latency: LatencyFields,
    /// Trouble of the network between them.
    #[serde(default)]
    pub trouble: Trouble,
    /// What their owners want.
    #[serde(default)]
    pub workload: Vec<Workload>,
    /// How nodes come and go.
    pub churn: Option<Churn>,
    /// What happens once.
    #[serde(default)]
    pub happening: Vec<Happening>,
    /// Nodes that do not play by the rules.
    #[serde(default)]
    pub adversary: Vec<AdversaryFields>,
    /// Parameters that take several values, one after the other.
    #[serde(default)]
    pub sweep: Vec<Sweep>,
    /// What must hold of the results.
    #[serde(default)]
    pub assert: Vec<Assertion>,
}

const fn one() -> u64 {
    1
}

const fn one_u32() -> u32 {
    1
}

const fn sixteen() -> f64 {
    16.0
}

/// Which network.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// BitTorrent's DHT: the shipped node.
    #[default]
    Mainline,
    /// Polykad's own network: the shipped node.
    Poly,
    /// A central index, as Napster had.
    Central,
    /// Flooding, as in Gnutella.
    Flooding,
    /// Random walks, as in later Gnutella.
    Walks,
    /// A Chord ring.
    Chord,
    /// Greedy routing in a small world with caching, as in Freenet.
    SmallWorld,
}

/// How the nodes come to be.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Population {
    /// Whether tables are drawn as if all had joined long ago, or nodes really join.
    pub birth: BirthKind,
    /// How long ago contacts were heard of last, at most. Zero: no upkeep for a quarter of an hour.
    pub silence: Span,
    /// Share of the nodes that are not there at the beginning.
    pub absent: f64,
    /// Share of the entries in tables that are stale at the beginning.
    pub stale: f64,
    /// Nodes as born that are kept awake, for speed; 0: as many as memory allows.
    pub awake: u32,
    /// Over what time nodes join.
    pub join_over: Span,
}

impl Default for Population {
    fn default() -> Self {
        Self {
            birth: BirthKind::Steady,
            silence: Span::ZERO,
            absent: 0.0,
            stale: 0.0,
            awake: 0,
            join_over: Span::seconds(60),
        }
    }
}

/// How nodes come to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BirthKind {
    /// Tables are drawn.
    #[default]
    Steady,
    /// Nodes join, one after the other.
    Join,
}

/// How nodes behave; what is not given is as shipped.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NodeFields {
    /// Requests in flight on one path of a lookup.
    pub parallelism: Option<usize>,
    /// Closest contacts that must answer, and replicas of what is stored.
    pub closest: Option<usize>,
    /// Disjoint paths of a lookup.
    pub paths: Option<u8>,
    /// Contacts in a bucket.
    pub bucket: Option<usize>,
    /// Contacts in a bucket's reserve.
    pub spares: Option<usize>,
    /// Whether who asks too much is refused.
    pub rate_limit: Option<bool>,
    /// How long what others store is kept.
    pub lifetime: Option<Span>,
    /// How often an announcement is renewed.
    pub announce_every: Option<Span>,
    /// How long an operation may take.
    pub deadline: Option<Span>,
    /// Contacts that a node of `poly` born in steady state knows beyond its table.
    pub contacts: Option<u32>,
    /// Nodes of which each bucket of a node of `poly` born in steady state has the nearest.
    pub candidates: Option<usize>,
    /// How often holders of `poly` compare what they hold.
    pub repair_every: Option<Span>,
    /// By how much the clock of a node of `poly` is ahead or behind at most.
    pub clock_skew: Option<Span>,
}

/// Round-trip times.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LatencyFields {
    /// A fitted model.
    pub model: LatencyModel,
    /// A CSV file of measured ones in milliseconds, gzip or not, relative to the scenario.
    pub matrix: Option<PathBuf>,
    /// The same between all.
    pub constant: Option<Span>,
    /// Delay on top, as a share of the way's own.
    pub jitter: f64,
}

/// A fitted model of round-trip times.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LatencyModel {
    /// Between `PlanetLab` hosts.
    #[default]
    Planetlab,
    /// Between personal devices.
    Home,
}

/// Trouble of the network.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Trouble {
    /// Share of messages lost.
    pub loss: f64,
    /// Share of the time in which a node's line is bad.
    pub burst_share: f64,
    /// How long it is.
    pub burst_length: Span,
    /// Share of messages lost while it is.
    pub burst_loss: f64,
    /// Share of messages that arrive twice.
    pub duplication: f64,
    /// Share of messages that others overtake.
    pub reordering: f64,
    /// By how much, at most.
    pub detour: Span,
    /// Time a node takes for each message.
    pub processing: Span,
    /// Share of slow nodes.
    pub slow: f64,
    /// Time they take on top.
    pub slow_by: Span,
    /// Share of pairs that cannot reach each other.
    pub unlinked: f64,
    /// Share of nodes behind a NAT that know it: clients, which ask and answer nobody.
    pub nat: f64,
    /// Share of nodes behind a NAT that do not know it: they take part, and only those reach them
    /// whom they have asked within two minutes.
    pub restricted: f64,
    /// Bytes a second that a node can send; 0: no limit.
    pub up: u64,
    /// Bytes a second that a node can receive; 0: no limit.
    pub down: u64,
}

/// What owners want, again and again.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// What.
    pub kind: WorkKind,
    /// How often in a second, over the whole network.
    pub rate: f64,
    /// From when on.
    #[serde(default)]
    pub from: Span,
    /// Until when; the end if not given.
    pub until: Option<Span>,
    /// How often at most; 0: no limit.
    #[serde(default)]
    pub count: u64,
    /// Different values or topics.
    #[serde(default = "many")]
    pub keys: u64,
    /// How unequally they are wanted: rank to the power of minus this.
    #[serde(default)]
    pub zipf: f64,
    /// Length of a value.
    #[serde(default = "hundred")]
    pub value_bytes: usize,
    /// Whether an owner leaves for good once the value is stored.
    #[serde(default)]
    pub owner_leaves: bool,
    /// How many values one owner that leaves stores before; each has an owner of its own if 1.
    #[serde(default = "one")]
    pub per_owner: u64,
}

const fn many() -> u64 {
    1000
}

const fn hundred() -> usize {
    100
}

/// A kind of wish.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WorkKind {
    /// Find the nodes closest to a random id.
    Find,
    /// Store values, each once.
    Put,
    /// Get values that have been put.
    Get,
    /// Announce topics, each once and never again.
    Announce,
    /// Announce topics and go on doing so.
    Keep,
    /// Seek topics that have been announced.
    Seek,
    /// Update records of `poly` by compare-and-swap, each version after the one before.
    Swap,
    /// Get records that have been updated.
    Read,
}

impl WorkKind {
    /// All there are.
    pub const ALL: [Self; 8] = [
        Self::Find,
        Self::Put,
        Self::Get,
        Self::Announce,
        Self::Keep,
        Self::Seek,
        Self::Swap,
        Self::Read,
    ];

    /// Its name, as metrics have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Find => "find",
            Self::Put => "put",
            Self::Get => "get",
            Self::Announce => "announce",
            Self::Keep => "keep",
            Self::Seek => "seek",
            Self::Swap => "swap",
            Self::Read => "read",
        }
    }
}

/// How nodes come and go.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Churn {
    /// How long they stay and are away.
    pub model: ChurnModel,
    /// Mean session (exponential), or scale (Weibull).
    pub session: Option<Span>,
    /// Mean absence, or scale.
    pub absence: Option<Span>,
    /// Shape of sessions (Weibull).
    pub session_shape: Option<f64>,
    /// Shape of absences (Weibull).
    pub absence_shape: Option<f64>,
    /// Lines of `seconds,node,join|leave`, relative to the scenario.
    pub trace: Option<PathBuf>,
    /// Whether a node that returns brings back what it had stored.
    #[serde(default)]
    pub keeps_disk: bool,
    /// By how much sessions begin more often in the evening than in the morning: 0 to 1.
    #[serde(default)]
    pub daily_wave: f64,
}

/// Session lengths.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChurnModel {
    /// Exponential.
    Exponential,
    /// Weibull.
    Weibull,
    /// Weibull, as measured in eMule's Kad (Steiner 2009).
    Kad,
    /// Weibull, as measured in IPFS (Trautwein 2022).
    Ipfs,
    /// From a file.
    Trace,
}

/// What happens once.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Happening {
    /// When.
    pub at: Span,
    /// Share of the nodes that vanish at once.
    #[serde(default)]
    pub kill: f64,
    /// New nodes that join.
    #[serde(default)]
    pub join: u32,
    /// Over what time they do.
    #[serde(default)]
    pub over: Span,
    /// Share of the nodes cut off from the rest.
    #[serde(default)]
    pub split: f64,
    /// When that heals.
    pub heals_at: Option<Span>,
}

/// Nodes that do not play by the rules.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdversaryFields {
    /// What they do.
    pub kind: AdversaryKind,
    /// Share of the nodes that are such.
    #[serde(default)]
    pub share: f64,
    /// How many there are besides.
    #[serde(default)]
    pub count: u32,
    /// The topic that they are after.
    #[serde(default)]
    pub topic: u64,
    /// Messages a second that each sends.
    #[serde(default)]
    pub rate: f64,
}

/// What adversaries do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AdversaryKind {
    /// Name only each other, whatever is asked.
    Colluders,
    /// Name those of themselves that are closest to what is asked.
    Adaptive,
    /// Name contacts with ids made up to be closer than anybody, at addresses of their own.
    Forgers,
    /// Sit next to a topic, answer, and hand out nothing.
    Sybils,
    /// Announce themselves under a topic as many peers.
    Polluters,
    /// Send queries without pause.
    Flooders,
    /// Send queries in the names of others.
    Spoofers,
}

/// A parameter that takes several values.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sweep {
    /// Its path in this file, as `nodes` or `node.paths`.
    pub of: String,
    /// Its values.
    pub values: Vec<toml::Value>,
}

/// What must hold of a result, averaged over seeds.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assertion {
    /// The metric's name, as reports show it.
    pub metric: String,
    /// It must not be below this.
    pub at_least: Option<f64>,
    /// It must not be above this.
    pub at_most: Option<f64>,
}

/// A scenario with one combination of its sweeps' values.
#[derive(Clone, PartialEq, Debug)]
pub struct Point {
    /// The values, as `path = value`.
    pub label: String,
    /// The scenario with them.
    pub scenario: Scenario,
}

/// A scenario file that has been read.
#[derive(Clone, PartialEq, Debug)]
pub struct ScenarioFile {
    /// The scenario as written.
    pub scenario: Scenario,
    /// All combinations of its sweeps.
    pub points: Vec<Point>,
    /// Where paths in it start from.
    pub folder: PathBuf,
}

/// Values given outside of the file, which replace the file's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Overrides {
    /// Instead of `seed`; then one seed is run unless `seeds` is given too.
    pub seed: Option<u64>,
    /// Instead of `seeds`.
    pub seeds: Option<u32>,
    /// Instead of `nodes`, and of a sweep of it.
    pub nodes: Option<u32>,
}

impl ScenarioFile {
    /// Reads a file.
    pub fn read(path: &Path, overrides: Overrides) -> Result<Self, ScenarioError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ScenarioError::Unreadable { path: path.to_owned(), source })?;
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        Self::parse(path, &text, &folder, overrides)
    }

    /// Reads the text of a file.
    pub fn parse(
        path: &Path,
        text: &str,
        folder: &Path,
        overrides: Overrides,
    ) -> Result<Self, ScenarioError> {
        let mut scenario: Scenario =
            toml::from_str(text).map_err(|error| ScenarioError::syntax(path, text, &error))?;
        let mut table: toml::Table =
            toml::from_str(text).map_err(|error| ScenarioError::syntax(path, text, &error))?;
        apply(&mut scenario, &mut table, overrides);
        let points = points(path, text, &scenario, &table)?;
        for point in &points {
            error::validate(path, text, folder, point, overrides)?;
        }
        Ok(Self { scenario, points, folder: folder.to_owned() })
    }
}

fn apply(scenario: &mut Scenario, table: &mut toml::Table, overrides: Overrides) {
    if let Some(seed) = overrides.seed {
        scenario.seed = seed;
        scenario.seeds = 1;
        table.insert("seed".into(), i64::try_from(seed).unwrap_or(i64::MAX).into());
        table.insert("seeds".into(), 1.into());
    }
    if let Some(seeds) = overrides.seeds {
        scenario.seeds = seeds;
        table.insert("seeds".into(), i64::from(seeds).into());
    }
    if let Some(nodes) = overrides.nodes {
        scenario.nodes = nodes;
        table.insert("nodes".into(), i64::from(nodes).into());
        // Whoever says how many there are does not want other numbers besides.
        scenario.sweep.retain(|sweep| sweep.of != "nodes");
        if let Some(toml::Value::Array(sweeps)) = table.get_mut("sweep") {
            sweeps.retain(|sweep| sweep.get("of").and_then(toml::Value::as_str) != Some("nodes"));
        }
    }
}

/// All combinations of what is swept.
fn points(
    path: &Path,
    text: &str,
    scenario: &Scenario,
    table: &toml::Table,
) -> Result<Vec<Point>, ScenarioError> {
    let mut tables = vec![(String::new(), table.clone())];
    for (index, sweep) in scenario.sweep.iter().enumerate() {
        if sweep.values.is_empty() {
            return Err(error::no_values(path, text, index));
        }
        let mut next = Vec::new();
        for (label, table) in &tables {
            for value in &sweep.values {
                let mut table = table.clone();
                set(&mut table, &sweep.of, value.clone())
                    .ok_or_else(|| error::no_such_path(path, text, index, &sweep.of))?;
                let comma = if label.is_empty() { "" } else { ", " };
                next.push((format!("{label}{comma}{} = {value}", sweep.of), table));
            }
        }
        tables = next;
    }
    tables
        .into_iter()
        .map(|(label, table)| {
            let scenario = Scenario::deserialize(table).map_err(|error| {
                let spot = error::Spot { table: "sweep", index: 0, field: "values" };
                error::invalid(path, text, spot, &format!("with {label}: {}", error.message()))
            })?;
            Ok(Point { label, scenario })
        })
        .collect()
}

/// Sets a value by its dotted path; a number in it counts the tables of a list from 0.
fn set(table: &mut toml::Table, path: &str, value: toml::Value) -> Option<()> {
    let Some((head, rest)) = path.split_once('.') else {
        table.insert(path.to_owned(), value);
        return Some(());
    };
    match table.entry(head).or_insert_with(|| toml::Value::Table(toml::Table::new())) {
        toml::Value::Table(inner) => set(inner, rest, value),
        toml::Value::Array(list) => {
            let (index, rest) = rest.split_once('.')?;
            set(list.get_mut(index.parse::<usize>().ok()?)?.as_table_mut()?, rest, value)
        }
        toml::Value::String(_)
        | toml::Value::Integer(_)
        | toml::Value::Float(_)
        | toml::Value::Boolean(_)
        | toml::Value::Datetime(_) => None,
    }
}

#[cfg(test)]
mod tests;
