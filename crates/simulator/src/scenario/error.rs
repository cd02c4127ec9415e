//! What can be wrong with a scenario, where, and what to do about it.

use std::path::{Path, PathBuf};

use super::{
    Assertion, BirthKind, ChurnModel, Happening, Kind, Overrides, Point, Scenario, WorkKind,
};
use crate::ids::MAX_BUCKET;
use crate::memory::lacking_gib;

/// Why a scenario cannot be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScenarioError {
    /// The file cannot be read.
    #[error("{}: cannot be read ({source}): check the path", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Something in it is wrong.
    #[error("{}:{line}: {what}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong, and the remedy.
        what: String,
    },
    /// A measured matrix cannot be used.
    #[error("{}: {source}", path.display())]
    Matrix {
        /// The file.
        path: PathBuf,
        /// Why.
        source: crate::net::latency::MatrixError,
    },
    /// A churn trace cannot be used.
    #[error("{}:{line}: {what}", path.display())]
    Trace {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong, and the remedy.
        what: String,
    },
}

impl ScenarioError {
    pub(super) fn syntax(path: &Path, text: &str, error: &toml::de::Error) -> Self {
        let start = error.span().map_or(0, |span| span.start);
        let line = 1 + text.bytes().take(start).filter(|byte| *byte == b'\n').count();
        let mut message = error.message().to_owned();
        for (kind, meant) in KINDS {
            message = message.replace(&format!("expected {kind}"), &format!("expected {meant}"));
        }
        let remedy = if message.contains("unknown field") {
            "; correct the spelling or remove it"
        } else if message.contains("missing field") {
            ": add it"
        } else if message.contains("duplicate key") {
            ": remove one of them"
        } else {
            ""
        };
        Self::Invalid { path: path.to_owned(), line, what: format!("{message}{remedy}") }
    }
}

/// Names of types, and what they mean to a person.
const KINDS: [(&str, &str); 5] = [
    ("u16", "a whole number from 0 to 65535"),
    ("u32", "a whole number from 0 to 4294967295"),
    ("u64", "a whole number, 0 or more"),
    ("usize", "a whole number, 0 or more"),
    ("f64", "a number"),
];

/// An error at the line where a field is set, or its table begins.
pub(super) fn invalid(path: &Path, text: &str, spot: Spot, what: &str) -> ScenarioError {
    ScenarioError::Invalid { path: path.to_owned(), line: spot.line(text), what: what.to_owned() }
}

pub(super) fn no_such_path(path: &Path, text: &str, sweep: usize, of: &str) -> ScenarioError {
    let what =
        format!("sweep of {of:?} leads nowhere: name a field, as \"nodes\" or \"node.paths\"");
    invalid(path, text, Spot { table: "sweep", index: sweep, field: "of" }, &what)
}

pub(super) fn no_values(path: &Path, text: &str, sweep: usize) -> ScenarioError {
    let spot = Spot { table: "sweep", index: sweep, field: "values" };
    invalid(path, text, spot, "a sweep over no values runs nothing: add some")
}

/// Where a value stands: in which table (none: at the top), the how many-th of that name, and in
/// which field.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot {
    pub(super) table: &'static str,
    pub(super) index: usize,
    pub(super) field: &'static str,
}

impl Spot {
    const fn top(field: &'static str) -> Self {
        Self { table: "", index: 0, field }
    }

    const fn of(table: &'static str, field: &'static str) -> Self {
        Self { table, index: 0, field }
    }

    /// The path that a sweep of it has.
    fn is_path(self, path: &str) -> bool {
        let Self { table, index, field } = self;
        path == field && table.is_empty()
            || path == format!("{table}.{field}")
            || path == format!("{table}.{index}.{field}")
    }

    /// The line of the field, else of its table's head, else of any field of that name; from 1.
    fn line(self, text: &str) -> usize {
        let is_head = |line: &str| line.trim_start().starts_with('[');
        let is_own = |line: &str| line.trim().trim_matches(['[', ']']).trim() == self.table;
        let sets = |line: &str| {
            let rest = line.trim_start().strip_prefix(self.field);
            rest.is_some_and(|rest| rest.trim_start().starts_with('='))
        };
        let lines = || (1..).zip(text.lines());
        let head = lines().filter(|(_, line)| is_head(line) && is_own(line)).nth(self.index);
        let head = head.map(|(number, _)| number);
        let begins = if self.table.is_empty() { Some(0) } else { head };
        let within = begins.and_then(|begins| {
            let mut block = lines().skip(begins).take_while(|(_, line)| !is_head(line));
            block.find(|(_, line)| sets(line))
        });
        let found = within.map(|(number, _)| number).or(head);
        let anywhere = || lines().find(|(_, line)| sets(line)).map(|(number, _)| number);
        found.or_else(anywhere).unwrap_or(1)
    }
}

/// What is wrong, with the remedy, and where.
type Mistake = (Spot, String);

/// Finds values that make no sense.
pub(super) fn validate(
    path: &Path,
    text: &str,
    folder: &Path,
    point: &Point,
    overrides: Overrides,
) -> Result<(), ScenarioError> {
    let scenario = &point.scenario;
    let found = top_mistake(scenario)
        .or_else(|| share_mistake(scenario))
        .or_else(|| number_mistake(scenario))
        .or_else(|| file_mistake(scenario, folder))
        .or_else(|| node_mistake(scenario))
        .or_else(|| work_mistake(scenario))
        .or_else(|| churn_mistake(scenario))
        .or_else(|| time_mistake(scenario))
        .or_else(|| combination_mistake(scenario))
        .or_else(|| memory_mistake(scenario));
    let Some((spot, what)) = found else { return Ok(()) };
    if let Some(nodes) = overrides.nodes.filter(|_| spot.is_path("nodes")) {
        return Err(invalid(path, text, spot, &format!("with --nodes {nodes}: {what}")));
    }
    // It may be a sweep that has set it.
    match scenario.sweep.iter().position(|sweep| spot.is_path(&sweep.of)) {
        Some(index) => {
            let spot = Spot { table: "sweep", index, field: "values" };
            Err(invalid(path, text, spot, &format!("with {}: {what}", point.label)))
        }
        None => Err(invalid(path, text, spot, &what)),
    }
}

fn top_mistake(scenario: &Scenario) -> Option<Mistake> {
    let wrong = |field, what: &str| Some((Spot::top(field), what.to_owned()));
    if scenario.nodes < 2 {
        let what = format!("nodes = {} is no network: take 2 or more", scenario.nodes);
        return wrong("nodes", &what);
    }
    if scenario.duration.0.is_zero() {
        return wrong("duration", "a duration of 0 simulates nothing: take 60s or so");
    }
    if scenario.seeds == 0 {
        return wrong("seeds", "0 seeds run nothing: take 1 or more");
    }
    if scenario.memory_gib.is_nan() || scenario.memory_gib <= 0.0 {
        return wrong("memory_gib", "no memory holds no node: take 1 or more");
    }
    None
}

fn share_mistake(scenario: &Scenario) -> Option<Mistake> {
    let mut shares = shares(scenario).into_iter();
    if let Some((spot, value)) = shares.find(|(_, value)| !(0.0..=1.0).contains(value)) {
        return Some((spot, format!("{} = {value} is no share: take 0 to 1", spot.field)));
    }
    let Scenario { population, trouble, .. } = scenario;
    if population.stale >= 1.0 || population.absent >= 1.0 {
        let what = "nobody would be there: lower absent and stale".to_owned();
        return Some((Spot::of("population", "absent"), what));
    }
    if trouble.nat + trouble.restricted >= 1.0 {
        let what = "nobody could be reached: lower nat and restricted".to_owned();
        return Some((Spot::of("trouble", "nat"), what));
    }
    None
}

fn shares(scenario: &Scenario) -> Vec<(Spot, f64)> {
    let Scenario { population, trouble, .. } = scenario;
    let of_trouble = |field, value| (Spot::of("trouble", field), value);
    let mut shares = vec![
        (Spot::of("population", "absent"), population.absent),
        (Spot::of("population", "stale"), population.stale),
        of_trouble("loss", trouble.loss),
        of_trouble("burst_share", trouble.burst_share),
        of_trouble("burst_loss", trouble.burst_loss),
        of_trouble("duplication", trouble.duplication),
        of_trouble("reordering", trouble.reordering),
        of_trouble("slow", trouble.slow),
        of_trouble("unlinked", trouble.unlinked),
        of_trouble("nat", trouble.nat),
        of_trouble("restricted", trouble.restricted),
    ];
    let churn = scenario.churn.iter();
    shares.extend(churn.map(|churn| (Spot::of("churn", "daily_wave"), churn.daily_wave)));
    for (index, happening) in scenario.happening.iter().enumerate() {
        let spot = |field| Spot { table: "happening", index, field };
        shares.extend([(spot("kill"), happening.kill), (spot("split"), happening.split)]);
    }
    let adversaries = scenario.adversary.iter().enumerate();
    shares.extend(adversaries.map(|(index, adversary)| {
        (Spot { table: "adversary", index, field: "share" }, adversary.share)
    }));
    shares
}

/// Numbers that are no shares and have bounds all the same.
fn number_mistake(scenario: &Scenario) -> Option<Mistake> {
    let jitter = scenario.latency.jitter;
    if !(0.0..=100.0).contains(&jitter) {
        let what = format!("jitter = {jitter} is no share of a way: take 0 to 100");
        return Some((Spot::of("latency", "jitter"), what));
    }
    if scenario.trouble.burst_share > 0.0 && scenario.trouble.burst_length.0.is_zero() {
        let what = "bursts of no length lose nothing: add burst_length".to_owned();
        return Some((Spot::of("trouble", "burst_share"), what));
    }
    None
}

/// Files that are named and do not exist.
fn file_mistake(scenario: &Scenario, folder: &Path) -> Option<Mistake> {
    let matrix = scenario.latency.matrix.as_ref();
    let trace = scenario.churn.as_ref().and_then(|churn| churn.trace.as_ref());
    let files = [
        (Spot::of("latency", "matrix"), matrix, ", or leave matrix out for the built-in model"),
        (Spot::of("churn", "trace"), trace, ", or take another model"),
    ];
    files.into_iter().find_map(|(spot, file, otherwise)| {
        let missing = folder.join(file?);
        let what = format!(
            "{} does not exist: give a path relative to this file{otherwise}",
            missing.display()
        );
        (!missing.is_file()).then_some((spot, what))
    })
}

fn node_mistake(scenario: &Scenario) -> Option<Mistake> {
    let node = &scenario.node;
    let zeros = [
        ("parallelism", node.parallelism),
        ("closest", node.closest),
        ("paths", node.paths.map(usize::from)),
        ("bucket", node.bucket),
    ];
    if let Some((field, _)) = zeros.into_iter().find(|(_, value)| *value == Some(0)) {
        return Some((Spot::of("node", field), format!("{field} = 0 asks nobody: take 1 or more")));
    }
    if node.bucket.unwrap_or(0) + node.spares.unwrap_or(0) > MAX_BUCKET {
        let what = format!(
            "a bucket has {MAX_BUCKET} contacts at most, spares included: lower bucket or spares"
        );
        return Some((Spot::of("node", "bucket"), what));
    }
    None
}

fn work_mistake(scenario: &Scenario) -> Option<Mistake> {
    for (index, work) in scenario.workload.iter().enumerate() {
        let wrong = |field, what: String| Some((Spot { table: "workload", index, field }, what));
        if !(work.rate > 0.0 && work.rate <= 1e7) {
            return wrong("rate", format!("rate = {} does nothing: take 0.001 to 1e7", work.rate));
        }
        if work.value_bytes > 900 && matches!(work.kind, WorkKind::Put | WorkKind::Get) {
            return wrong("value_bytes", "values may have 900 bytes at most".into());
        }
        let is_of_records = matches!(work.kind, WorkKind::Swap | WorkKind::Read);
        if is_of_records && scenario.network != Kind::Poly {
            return wrong("kind", "records are poly's: take network = \"poly\"".into());
        }
        if work.per_owner == 0 {
            return wrong("per_owner", "an owner stores nothing: take 1 or more".into());
        }
        if work.keys == 0 {
            return wrong("keys", "keys = 0 leaves nothing to ask for: take 1 or more".into());
        }
        if !(0.0..=10.0).contains(&work.zipf) {
            return wrong("zipf", format!("zipf = {} is no power: take 0 to 10", work.zipf));
        }
    }
    None
}

fn churn_mistake(scenario: &Scenario) -> Option<Mistake> {
    let churn = scenario.churn.as_ref()?;
    let spans = churn.session.zip(churn.absence);
    let shapes = churn.session_shape.zip(churn.absence_shape);
    let missing = match churn.model {
        ChurnModel::Exponential => spans.is_none().then_some("session and absence"),
        ChurnModel::Weibull => (spans.is_none() || shapes.is_none())
            .then_some("session, absence, session_shape and absence_shape"),
        ChurnModel::Trace => churn.trace.is_none().then_some("trace"),
        ChurnModel::Kad | ChurnModel::Ipfs => None,
    };
    if let Some(missing) = missing {
        let what = format!("this churn model needs {missing}: add them");
        return Some((Spot::of("churn", "model"), what));
    }
    for (field, span) in [("session", churn.session), ("absence", churn.absence)] {
        if span.is_some_and(|span| span.0.is_zero()) {
            let what = format!("{field} = 0 is over before it begins: take 1s or more");
            return Some((Spot::of("churn", field), what));
        }
    }
    let shapes = [("session_shape", churn.session_shape), ("absence_shape", churn.absence_shape)];
    for (field, shape) in shapes {
        if let Some(shape) = shape.filter(|shape| !(0.05..=100.0).contains(shape)) {
            let what = format!("{field} = {shape} is no shape: take 0.05 to 100");
            return Some((Spot::of("churn", field), what));
        }
    }
    None
}

/// What begins after the end.
fn time_mistake(scenario: &Scenario) -> Option<Mistake> {
    let end = scenario.duration;
    for (index, work) in scenario.workload.iter().enumerate() {
        if work.from >= work.until.unwrap_or(end).min(end) {
            let spot = Spot { table: "workload", index, field: "from" };
            let what = "the workload is over before it begins: take from before until and duration";
            return Some((spot, what.to_owned()));
        }
    }
    let index = scenario.happening.iter().position(|happening| happening.at >= end)?;
    let spot = Spot { table: "happening", index, field: "at" };
    Some((spot, "this happens after the end: lower at, or raise duration".to_owned()))
}

fn memory_mistake(scenario: &Scenario) -> Option<Mistake> {
    let needed = lacking_gib(scenario)?;
    let what = format!(
        "{} nodes need about {needed:.1} GiB, and memory_gib allows {:.1}: raise memory_gib, or \
         lower nodes",
        scenario.nodes, scenario.memory_gib
    );
    Some((Spot::top("nodes"), what))
}

/// Parts that do not go together.
fn combination_mistake(scenario: &Scenario) -> Option<Mistake> {
    let splits = |h: &Happening| h.split > 0.0 && h.heals_at.is_none_or(|heals| heals <= h.at);
    if let Some(index) = scenario.happening.iter().position(splits) {
        let spot = Spot { table: "happening", index, field: "split" };
        return Some((spot, "a split needs heals_at, later than at: add it".into()));
    }
    let is_shipped = matches!(scenario.network, Kind::Mainline | Kind::Poly);
    if !is_shipped && scenario.population.birth == BirthKind::Join {
        let what = "baselines are born in steady state: remove birth".into();
        return Some((Spot::of("population", "birth"), what));
    }
    if scenario.network != Kind::Mainline && !scenario.adversary.is_empty() {
        let what = "adversaries exist against mainline alone: remove them".into();
        return Some((Spot::of("adversary", "kind"), what));
    }
    let bounds_nothing = |a: &Assertion| a.at_least.is_none() && a.at_most.is_none();
    if let Some(index) = scenario.assert.iter().position(bounds_nothing) {
        let spot = Spot { table: "assert", index, field: "metric" };
        return Some((spot, "an assertion needs at_least or at_most: add one".into()));
    }
    let is_asked = |kind: WorkKind| scenario.workload.iter().any(|work| work.kind == kind);
    for (index, assertion) in scenario.assert.iter().enumerate() {
        let of = assertion.metric.split('.').next();
        let kind = WorkKind::ALL.into_iter().find(|kind| Some(kind.name()) == of);
        if let Some(kind) = kind.filter(|kind| !is_asked(*kind)) {
            let kind = kind.name();
            let what = format!("nothing measures it: add a workload of kind = {kind:?}");
            return Some((Spot { table: "assert", index, field: "metric" }, what));
        }
    }
    None
}
