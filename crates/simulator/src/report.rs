//! What simulations result in: figures with their certainty, curves, findings, assertions.

mod html;
mod plot;
mod table;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::checker::Finding;
use crate::scenario::{Assertion, Scenario};
use crate::stats::Estimate;

/// How far one run has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// The run's seed.
    pub seed: u64,
    /// Virtual time since its start.
    pub virtual_now: Duration,
    /// Virtual time it will take.
    pub virtual_end: Duration,
    /// Events handled so far.
    pub events: u64,
    /// Events pending.
    pub pending: usize,
    /// Values and topics stored so far.
    pub stored: usize,
    /// Of these, how many nobody who is there holds; `None`: nobody knows.
    pub lost: Option<u64>,
}

/// The result of one run.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct RunReport {
    /// Its seed: with the scenario it gives the same run again.
    pub seed: u64,
    /// The hash over all its messages, in hexadecimal.
    pub trace_hash: String,
    /// Figures by name.
    pub metrics: BTreeMap<String, f64>,
    /// Cumulative distributions by name: value (microseconds, or a count) and share.
    pub distributions: BTreeMap<String, Vec<(f64, f64)>>,
    /// Curves by name: seconds since the start, and value.
    pub over_time: BTreeMap<String, Vec<(f64, f64)>>,
    /// What checkers found.
    pub findings: Vec<Finding>,
}

/// The results of all seeds with one combination of parameters.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct PointReport {
    /// The swept parameters, as `path = value`; empty without a sweep.
    pub label: String,
    /// Nodes at the beginning.
    pub nodes: u32,
    /// Figures averaged over the seeds.
    pub metrics: BTreeMap<String, Estimate>,
    /// The runs, by seed.
    pub runs: Vec<RunReport>,
}

/// An assertion, and whether it held.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Checked {
    /// The point's label.
    pub label: String,
    /// The metric.
    pub metric: String,
    /// Its value; `None`: there is no such metric, which counts as a failure.
    pub value: Option<f64>,
    /// The lower bound.
    pub at_least: Option<f64>,
    /// The upper bound.
    pub at_most: Option<f64>,
    /// Whether it held.
    pub holds: bool,
}

/// The result of a scenario.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Report {
    /// The scenario's name.
    pub name: String,
    /// What it is about.
    pub about: String,
    /// The hash over the messages of all runs, in hexadecimal.
    pub trace_hash: String,
    /// Virtual seconds of one run.
    pub duration_s: f64,
    /// The points of its sweep; one without a sweep.
    pub points: Vec<PointReport>,
    /// Its assertions.
    pub assertions: Vec<Checked>,
}

impl PointReport {
    /// Puts the runs of a point together.
    pub fn new(label: String, nodes: u32, runs: Vec<RunReport>) -> Self {
        let mut values: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for run in &runs {
            for (name, value) in &run.metrics {
                values.entry(name.clone()).or_default().push(*value);
            }
        }
        let metrics =
            values.into_iter().map(|(name, values)| (name, Estimate::new(&values))).collect();
        Self { label, nodes, metrics, runs }
    }
}

impl Report {
    /// Puts the points of a scenario together.
    pub fn new(scenario: &Scenario, points: Vec<PointReport>) -> Self {
        let assertions = points
            .iter()
            .flat_map(|point| scenario.assert.iter().map(|assertion| judge(point, assertion)))
            .collect();
        let runs = points.iter().flat_map(|point| &point.runs);
        let hash = runs.fold(0, |hash: u64, run| {
            let trace = u64::from_str_radix(&run.trace_hash, 16).unwrap_or(0);
            crate::random::mix2(hash, trace)
        });
        Self {
            name: scenario.name.clone(),
            about: scenario.about.clone(),
            trace_hash: format!("{hash:016x}"),
            duration_s: scenario.duration.0.as_secs_f64(),
            points,
            assertions,
        }
    }

    /// Whether all assertions held and no checker found anything.
    pub fn holds(&self) -> bool {
        self.assertions.iter().all(|checked| checked.holds) && self.findings().next().is_none()
    }

    /// What checkers found, with the seed of the run.
    pub fn findings(&self) -> impl Iterator<Item = (u64, &Finding)> {
        let runs = self.points.iter().flat_map(|point| &point.runs);
        runs.flat_map(|run| run.findings.iter().map(|finding| (run.seed, finding)))
    }

    /// As a table for a terminal.
    pub fn to_table(&self) -> String {
        table::table(self)
    }

    /// As JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// As one self-contained HTML page.
    pub fn to_html(&self) -> String {
        html::page(self)
    }
}

fn judge(point: &PointReport, assertion: &Assertion) -> Checked {
    let value = point.metrics.get(&assertion.metric).map(|estimate| estimate.mean);
    let holds = value.is_some_and(|value| {
        assertion.at_least.is_none_or(|bound| value >= bound)
            && assertion.at_most.is_none_or(|bound| value <= bound)
    });
    Checked {
        label: point.label.clone(),
        metric: assertion.metric.clone(),
        value,
        at_least: assertion.at_least,
        at_most: assertion.at_most,
        holds,
    }
}

/// A number for people: as many digits as say something.
pub(crate) fn readable(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 {
        "0".to_owned()
    } else if size >= 1e5 {
        let digits = format!("{value:.0}");
        let mut grouped = String::new();
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) && !grouped.ends_with('-') {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        grouped
    } else if size >= 100.0 {
        format!("{value:.0}")
    } else if size >= 10.0 {
        format!("{value:.1}")
    } else if size >= 0.1 {
        format!("{value:.3}")
    } else {
        format!("{value:.2e}")
    }
}

#[cfg(test)]
mod tests;
