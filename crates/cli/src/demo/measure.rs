//! What the demo measures: one entry for each lookup, summed up as shares and percentiles.

use std::time::Duration;

use client::Report;
use serde::Serialize;

use super::AT_A_TIME;
use crate::failure::Failure;
use crate::output::{Output, millis};
use crate::terminal::{Paint, Terminal};

/// The lookups of one act.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    tried: usize,
    done: usize,
    hops: u64,
    messages: u64,
    latencies: Vec<Duration>,
}

/// A tally summed up.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(super) struct Summary {
    /// Lookups that brought the right value, or puts that were acknowledged.
    pub(super) found: usize,
    pub(super) tried: usize,
    /// Means over all lookups that told what they cost.
    pub(super) hops: f64,
    pub(super) messages: f64,
    pub(super) latency_ms: Percentiles,
}

/// Of the latencies of what was found.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize)]
pub(super) struct Percentiles {
    pub(super) p50: f64,
    pub(super) p90: f64,
    pub(super) p99: f64,
}

impl Tally {
    /// Notes a lookup: whether it did what it should, and what it cost.
    pub(super) fn note(&mut self, done: bool, report: Option<Report>) {
        self.tried += 1;
        self.done += usize::from(done);
        let Some(report) = report else {
            return;
        };
        self.hops += u64::from(report.hops);
        self.messages += u64::from(report.asked);
        if done {
            self.latencies.push(report.elapsed);
        }
    }

    pub(super) fn tried(&self) -> usize {
        self.tried
    }

    pub(super) fn done(&self) -> usize {
        self.done
    }

    pub(super) fn summary(&self) -> Summary {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        Summary {
            found: self.done,
            tried: self.tried,
            hops: mean(self.hops, self.tried),
            messages: mean(self.messages, self.tried),
            latency_ms: Percentiles {
                p50: percentile(&sorted, 50),
                p90: percentile(&sorted, 90),
                p99: percentile(&sorted, 99),
            },
        }
    }
}

/// The table of what happened.
pub(super) fn table(
    rows: &[(&str, &Summary)],
    terminal: Terminal,
    output: Output,
) -> Result<(), Failure> {
    let head = format!(
        "{:<20}{:>12}{:>7}{:>10}{:>9}{:>9}{:>9}",
        "", "found", "hops", "messages", "p50", "p90", "p99"
    );
    output.line(terminal.paint(Paint::Dim, &head))?;
    for (name, summary) in rows {
        output.line(row(name, summary))?;
    }
    output.line("")?;
    output
        .line("hops are steps from node to node; messages are requests sent; p50, p90 and p99")?;
    output.line(format!("are latencies in ms, with {AT_A_TIME} at a time"))?;
    output.line("")
}

fn row(name: &str, summary: &Summary) -> String {
    let Summary { found, tried, hops, messages, latency_ms } = summary;
    let Percentiles { p50, p90, p99 } = latency_ms;
    let found = format!("{found} of {tried}");
    format!("{name:<20}{found:>12}{hops:>7.1}{messages:>10.1}{p50:>9.1}{p90:>9.1}{p99:>9.1}")
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
fn mean(sum: u64, count: usize) -> f64 {
    let mean = sum as f64 / count.max(1) as f64;
    (mean * 100.0).round() / 100.0
}

/// By nearest rank, in milliseconds: the smallest latency that `percent` of all do not exceed.
fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().map_or(0.0, millis)
}

#[cfg(test)]
mod tests;
