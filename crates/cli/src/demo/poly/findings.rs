//! What the demo found out: a table and a verdict for people, an object for scripts.

use serde::Serialize;

use super::plan::Plan;
use crate::args::DemoOptions;
use crate::demo::measure::{Summary, Tally, table};
use crate::failure::Failure;
use crate::output::{Output, count};
use crate::terminal::{Paint, Terminal};

/// The object of `--json`.
#[derive(Serialize, Debug)]
pub(super) struct Findings {
    pub(super) nodes: usize,
    pub(super) processes: usize,
    /// Nodes killed, each time.
    pub(super) killed: Vec<usize>,
    pub(super) seed: u64,
    pub(super) values: usize,
    pub(super) put: Summary,
    pub(super) swap: Summary,
    /// Writers behind the newest version who were told so, and who were not.
    pub(super) late_refused: usize,
    pub(super) late_accepted: usize,
    pub(super) announce: Summary,
    /// Before the first kill, after it, and after the restart.
    pub(super) reads: Vec<Summary>,
    /// What watchers were told, as often.
    pub(super) told: Vec<Summary>,
    pub(super) copies: Copies,
    /// What was not acknowledged.
    pub(super) unstored: Vec<Loss>,
    /// What was acknowledged, and not found by a later read.
    pub(super) lost: Vec<Loss>,
    pub(super) elapsed_ms: f64,
}

/// Copies of values in the whole network.
#[derive(Serialize, Default, Debug)]
pub(super) struct Copies {
    /// Of the survivors, before they were killed.
    pub(super) before: usize,
    /// Of all nodes, right after they were started again.
    pub(super) after: usize,
}

/// A value with which something is wrong.
#[derive(Serialize, Debug)]
pub(super) struct Loss {
    pub(super) key: String,
    pub(super) what: String,
    pub(super) why: String,
}

impl Findings {
    pub(super) fn new(options: &DemoOptions, plan: &Plan) -> Self {
        let nothing = Tally::default().summary();
        Self {
            nodes: options.nodes,
            processes: plan.processes,
            killed: Vec::new(),
            seed: options.seed,
            values: options.values,
            put: nothing.clone(),
            swap: nothing.clone(),
            late_refused: 0,
            late_accepted: 0,
            announce: nothing,
            reads: Vec::new(),
            told: Vec::new(),
            copies: Copies::default(),
            unstored: Vec::new(),
            lost: Vec::new(),
            elapsed_ms: 0.0,
        }
    }

    /// What is wrong; `None`: nothing.
    fn complaint(&self) -> Option<String> {
        let Self { lost, unstored, late_accepted, told, seed, .. } = self;
        let untold: usize = told.iter().map(|told| told.tried - told.found).sum();
        let of = |losses: &[Loss]| {
            losses.first().map(|loss| format!("; one of them: {}, {}", loss.what, loss.why))
        };
        if !unstored.is_empty() {
            let puts = count(unstored.len(), "put");
            let one = of(unstored).unwrap_or_default();
            return Some(format!("{puts} were not acknowledged (seed {seed}){one}"));
        }
        if !lost.is_empty() {
            let reads = count(lost.len(), "read");
            let one = of(lost).unwrap_or_default();
            return Some(format!("{reads} of acknowledged values failed (seed {seed}){one}"));
        }
        if *late_accepted > 0 {
            let writers = count(*late_accepted, "writer");
            return Some(format!("{writers} behind the newest version were not refused"));
        }
        (untold > 0).then(|| format!("the watcher was not told of {}", count(untold, "change")))
    }
}

/// The table of what happened, and the verdict.
pub(super) fn report(
    findings: &Findings,
    output: Output,
    terminal: Terminal,
) -> Result<(), Failure> {
    output.line("")?;
    let names = ["read", "read after kill", "read after restart"];
    let mut rows =
        vec![("put", &findings.put), ("swap", &findings.swap), ("announce", &findings.announce)];
    rows.extend(names.into_iter().zip(&findings.reads));
    table(&rows, terminal, output)?;
    if let Some(complaint) = findings.complaint() {
        let failure = Failure::failed(complaint);
        return Err(match serde_json::to_value(findings) {
            Ok(serde_json::Value::Object(details)) => Failure { details, ..failure },
            _ => failure,
        });
    }
    let Findings { nodes, killed, reads, .. } = findings;
    let first = killed.first().copied().unwrap_or(0);
    let kept = reads.last().map_or(0, |read| read.tried);
    for line in [
        format!("{first} of {nodes} nodes were killed at once, then all. What is watched aside,"),
        "nothing was stored again by its owner: what holders had acknowledged was on their".into(),
        "disks, and what died with one holder others had.".into(),
    ] {
        output.line(line)?;
    }
    let verdict = format!("Every one of the {kept} acknowledged values was found, each time.");
    output.line(terminal.paint(Paint::Green, &verdict))?;
    output.line("Next: `polykad serve --network poly` keeps a node; see `polykad --help`.")?;
    output.object(findings)
}
