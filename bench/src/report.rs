//! What is printed: medians of all rounds, ratios, and whether the goals are met.

use std::fmt::{self, Display, Formatter};

use serde_json::{Value, json};

use crate::process::Memory;

/// One round of load on one server.
#[derive(Clone, Debug)]
pub(crate) struct Round {
    pub(crate) server: &'static str,
    pub(crate) kind: &'static str,
    /// Microseconds of server CPU an answer.
    pub(crate) cpu_us: f64,
    /// Of these, outside the kernel.
    pub(crate) user_us: f64,
    pub(crate) per_second: f64,
    pub(crate) bytes: f64,
    /// Part of the answers with 8 contacts.
    pub(crate) full: f64,
    /// Part of the time that the server's core was busy with it.
    pub(crate) busy: f64,
    pub(crate) p99_ms: f64,
}

/// What one server keeps in memory.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) server: &'static str,
    pub(crate) idle: Memory,
    /// CPU milliseconds a second, idle.
    pub(crate) idle_cpu_ms: f64,
    /// Bytes for each info-hash with one peer, and how many were stored.
    pub(crate) info_hash: (f64, u64),
    /// Bytes for each item of 105 bytes, and how many were stored.
    pub(crate) item: (f64, u64),
}

/// All that was measured.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    pub(crate) rounds: Vec<Round>,
    pub(crate) kept: Vec<Kept>,
}

/// A goal: what, what was measured, and the limit.
struct Goal {
    what: String,
    measured: f64,
    limit: f64,
    at_most: bool,
}

impl Goal {
    fn is_met(&self) -> bool {
        if self.at_most { self.measured <= self.limit } else { self.measured >= self.limit }
    }
}

impl Report {
    /// The median over the rounds of one server and kind; `None`: it was not measured.
    fn median(&self, server: &str, kind: &str, figure: fn(&Round) -> f64) -> Option<f64> {
        let fits = |round: &&Round| round.server == server && round.kind == kind;
        median(self.rounds.iter().filter(fits).map(figure).collect())
    }

    fn goals(&self) -> Vec<Goal> {
        let mut goals = Vec::new();
        let echo = self.median("echo", "echo", |round| round.cpu_us);
        for kind in ["find_node", "get_peers"] {
            let cpu = |server| self.median(server, kind, |round| round.cpu_us);
            let Some(ours) = cpu("polykad") else { continue };
            let mut add = |what: String, measured, limit, at_most| {
                goals.push(Goal { what, measured, limit, at_most });
            };
            if let Some(echo) = echo {
                add(format!("{kind}: CPU over the echo's"), ours / echo, 1.25, true);
            }
            if let Some(theirs) = cpu("libtorrent") {
                add(format!("{kind}: libtorrent's CPU over ours"), theirs / ours, 2.0, false);
            }
            if let Some(user) = self.median("polykad", kind, |round| round.user_us) {
                add(format!("{kind}: µs outside the kernel"), user, 0.5, true);
            }
            // The generator may be the slower side: what counts is the server's CPU.
            add(format!("{kind}: answers a second of CPU"), 1e6 / ours, 200_000.0, false);
        }
        for kept in self.kept.iter().filter(|kept| kept.server == "polykad") {
            let mut add = |what: &str, measured, limit| {
                goals.push(Goal { what: what.into(), measured, limit, at_most: true });
            };
            add("idle: resident MiB", mib(kept.idle.resident), 4.0);
            add("idle: CPU ms a second", kept.idle_cpu_ms, 0.02);
            add("bytes an info-hash with one peer", kept.info_hash.0, 110.0);
            add("bytes an item of 105 bytes", kept.item.0, 170.0);
        }
        goals
    }

    fn write_serving(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "server      query       CPU µs/answer  user µs  answers/s  bytes  8 nodes  \
             core busy  p99 ms"
        )?;
        for (server, kind) in self.pairs() {
            let figure = |figure| self.median(server, kind, figure).unwrap_or(f64::NAN);
            let (cpu, rate) = (figure(|round| round.cpu_us), figure(|round| round.per_second));
            let user = figure(|round| round.user_us);
            let (bytes, full) = (figure(|round| round.bytes), figure(|round| round.full * 100.0));
            let busy = figure(|round| round.busy * 100.0);
            let p99 = figure(|round| round.p99_ms);
            writeln!(
                f,
                "{server:11} {kind:11} {cpu:13.2} {user:8.2} {rate:10.0} {bytes:6.0} {full:7.0}% \
                 {busy:9.0}% {p99:7.2}"
            )?;
        }
        writeln!(f)
    }

    fn write_memory(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "server      idle RSS MiB  private MiB  CPU ms/s  B/info-hash  B/item")?;
        for kept in &self.kept {
            let Kept { server, idle, idle_cpu_ms, info_hash, item } = kept;
            let (resident, private) = (mib(idle.resident), mib(idle.private));
            write!(f, "{server:11} {resident:12.1} {private:12.1} {idle_cpu_ms:9.3} ")?;
            let stored = (info_hash.1, item.1);
            writeln!(f, "{:12.0} {:7.0}   {stored:?} stored", info_hash.0, item.0)?;
        }
        writeln!(f, "(libtorrent's idle figures have its Python in them)")?;
        writeln!(f)
    }

    /// Servers and kinds in order of their first round.
    fn pairs(&self) -> Vec<(&'static str, &'static str)> {
        let mut pairs = Vec::new();
        for round in &self.rounds {
            if !pairs.contains(&(round.server, round.kind)) {
                pairs.push((round.server, round.kind));
            }
        }
        pairs
    }

    pub(crate) fn json(&self) -> Value {
        let rounds = self.pairs().into_iter().map(|(server, kind)| {
            let figure = |figure| self.median(server, kind, figure);
            json!({
                "server": server,
                "query": kind,
                "cpu_us_per_answer": figure(|round| round.cpu_us),
                "user_us_per_answer": figure(|round| round.user_us),
                "answers_per_second": figure(|round| round.per_second),
                "bytes_per_answer": figure(|round| round.bytes),
                "with_8_nodes": figure(|round| round.full),
                "core_busy": figure(|round| round.busy),
                "p99_ms": figure(|round| round.p99_ms),
            })
        });
        let kept = self.kept.iter().map(|kept| {
            json!({
                "server": kept.server,
                "idle_resident_bytes": kept.idle.resident,
                "idle_private_bytes": kept.idle.private,
                "idle_cpu_ms_per_second": kept.idle_cpu_ms,
                "bytes_per_info_hash": kept.info_hash.0,
                "bytes_per_item": kept.item.0,
            })
        });
        let goals = self.goals().into_iter().map(|goal| {
            json!({
                "goal": goal.what,
                "measured": goal.measured,
                "limit": goal.limit,
                "met": goal.is_met(),
            })
        });
        json!({
            "serving": rounds.collect::<Vec<_>>(),
            "memory": kept.collect::<Vec<_>>(),
            "goals": goals.collect::<Vec<_>>(),
        })
    }
}

/// Tables for people.
impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if !self.rounds.is_empty() {
            self.write_serving(f)?;
        }
        if !self.kept.is_empty() {
            self.write_memory(f)?;
        }
        writeln!(f, "goal                                     measured       limit")?;
        for goal in self.goals() {
            let sign = if goal.at_most { "≤" } else { "≥" };
            let verdict = if goal.is_met() { "met" } else { "MISSED" };
            let Goal { what, measured, limit, .. } = goal;
            writeln!(f, "{what:38} {measured:10.2}  {sign} {limit:9.2}  {verdict}")?;
        }
        Ok(())
    }
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1u32 << 20)
}

/// The middle one; of an even number, the mean of the middle two.
fn median(mut figures: Vec<f64>) -> Option<f64> {
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    let upper = *figures.get(middle)?;
    if figures.len() % 2 == 1 {
        return Some(upper);
    }
    figures.get(middle - 1).map(|lower| f64::midpoint(*lower, upper))
}

#[cfg(test)]
mod tests;
