//! A report as text for a terminal.
#![expect(clippy::format_push_string, reason = "a report is written once")]

use super::{Report, readable};

/// Metrics that are no news to a person: they are in the JSON.
const QUIET: [&str; 2] = ["nodes.awake", "get.missed"];

pub(super) fn table(report: &Report) -> String {
    let mut text = format!("{}\n", report.name);
    if !report.about.is_empty() {
        text += &format!("{}\n", report.about);
    }
    text += "\n";
    let labels: Vec<&str> = report.points.iter().map(|point| point.label.as_str()).collect();
    let mut rows: Vec<Vec<String>> = Vec::new();
    if labels.iter().any(|label| !label.is_empty()) {
        let labels = labels.iter().map(|label| (*label).to_owned());
        rows.push(core::iter::once(String::new()).chain(labels).collect());
    }
    for name in names(report) {
        let values = report.points.iter().map(|point| {
            point.metrics.get(&name).map_or("–".to_owned(), |estimate| {
                let mean = readable(estimate.mean);
                if estimate.half_width > 0.0 {
                    format!("{mean} ± {}", readable(estimate.half_width))
                } else {
                    mean
                }
            })
        });
        rows.push(core::iter::once(name.clone()).chain(values).collect());
    }
    text += &aligned(&rows);
    text += &footer(report);
    text
}

fn names(report: &Report) -> Vec<String> {
    let mut names: Vec<String> =
        report.points.iter().flat_map(|point| point.metrics.keys().cloned()).collect();
    names.sort_unstable();
    names.dedup();
    names.retain(|name| !QUIET.contains(&name.as_str()));
    names
}

/// The first column to the left, the others to the right.
fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let pad = " ".repeat(width - cell.chars().count());
            line += &if column == 0 { format!("{cell}{pad}") } else { format!("  {pad}{cell}") };
        }
        text += line.trim_end();
        text += "\n";
    }
    text
}

/// Says that there is no such metric, and which there are of the same beginning.
fn missing(report: &Report, metric: &str) -> String {
    let of = metric.split('.').next().unwrap_or_default();
    let mut known = names(report);
    if known.iter().any(|name| name.split('.').next() == Some(of)) {
        known.retain(|name| name.split('.').next() == Some(of));
    }
    format!("missing (there are {})", known.join(", "))
}

fn footer(report: &Report) -> String {
    let mut text = String::from("\n");
    for checked in &report.assertions {
        let verdict = if checked.holds { "holds" } else { "FAILS" };
        let value = checked.value.map_or_else(|| missing(report, &checked.metric), readable);
        let bounds = [
            checked.at_least.map(|bound| format!("at least {}", readable(bound))),
            checked.at_most.map(|bound| format!("at most {}", readable(bound))),
        ];
        let bounds: Vec<String> = bounds.into_iter().flatten().collect();
        let label = if checked.label.is_empty() {
            String::new()
        } else {
            format!(" with {}", checked.label)
        };
        text += &format!("{verdict}: {} = {value}, {}{label}\n", checked.metric, bounds.join(", "));
    }
    for (seed, finding) in report.findings() {
        let seconds = super::super::stats::to_f64(finding.at_micros) / 1e6;
        text += &format!(
            "FOUND by {}: node {} {} (seed {seed}, at {seconds:.6} s)\n",
            finding.checker, finding.place, finding.what
        );
    }
    text += &format!("trace {}\n", report.trace_hash);
    text
}
