//! `polykad sim`: runs a scenario, shows how far it is, and prints what came of it.

use std::fs;
use std::io::{self, IsTerminal};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use serde_json::json;
use simulator::{Overrides, Progress, Report, ScenarioFile};

use crate::args::{Replay, SimOptions};
use crate::failure::Failure;
use crate::output::{Output, short_span};
use crate::parse;

/// How often the progress is shown.
const SHOW_EVERY: Duration = Duration::from_millis(250);

/// Runs the command.
pub(crate) fn run(options: &SimOptions, output: Output) -> Result<(), Failure> {
    let SimOptions { seed, seeds, nodes, .. } = *options;
    let file = ScenarioFile::read(&options.scenario, Overrides { seed, seeds, nodes })
        .map_err(|error| Failure::wrong_use(error.to_string()))?;
    if let Some(replay) = options.replay {
        return tell(&file, replay, output);
    }
    let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let begun = Instant::now();
    let mut display = Display::new(&file);
    let report = simulator::run(&file, options.threads.unwrap_or(cores), &mut |progress| {
        display.show(progress);
    });
    display.clear();
    let report = report.map_err(|error| Failure::wrong_use(error.to_string()))?;
    if let Some(path) = &options.html {
        fs::write(path, report.to_html()).map_err(|error| {
            Failure::failed(format!("cannot write {}: {error}", path.display()))
        })?;
    }
    print(&report, begun.elapsed(), output)
}

fn tell(file: &ScenarioFile, replay: Replay, output: Output) -> Result<(), Failure> {
    let lines = simulator::explain(file, replay.seed, replay.at)
        .map_err(|error| Failure::wrong_use(error.to_string()))?;
    if lines.is_empty() {
        let message = "no operation begins then: give a time before the last workload ends";
        return Err(Failure::failed(message));
    }
    output.line(lines.join("\n"))?;
    output.object(&json!({ "seed": replay.seed, "steps": lines }))
}

fn print(report: &Report, took: Duration, output: Output) -> Result<(), Failure> {
    let events: f64 = report.points.iter().flat_map(|point| &point.runs).map(events_of).sum();
    let rate = events / took.as_secs_f64().max(1e-9);
    output.raw(report.to_table().as_bytes())?;
    let memory = peak_memory().map_or(String::new(), |bytes| format!(", {:.2} GiB", gib(bytes)));
    output.line(format!("{}, {rate:.0} events/s{memory}", short_span(took)))?;
    if let Ok(mut object) = serde_json::to_value(report) {
        if let Some(object) = object.as_object_mut() {
            object.insert("holds".into(), json!(report.holds()));
            object.insert("elapsed_ms".into(), json!(crate::output::millis(took)));
            object.insert("events_per_s".into(), json!(rate.round()));
            object.insert("peak_memory_bytes".into(), json!(peak_memory()));
        }
        output.object(&object)?;
    }
    if report.holds() {
        return Ok(());
    }
    let failed = report.assertions.iter().filter(|checked| !checked.holds).count();
    let found = report.findings().count();
    Err(Failure::failed(format!(
        "{failed} assertions do not hold and checkers found {found} faults: see the report, and \
         --replay SEED@TIME for what happened"
    )))
}

fn events_of(run: &simulator::report::RunReport) -> f64 {
    run.metrics.get("events").copied().unwrap_or(0.0)
}

/// Reads `SEED@TIME`, as `1@5s`.
pub(crate) fn replay(text: &str) -> Result<Replay, String> {
    let wrong = || format!("{text:?} is not SEED@TIME: write 1@5s");
    let (seed, at) = text.split_once('@').ok_or_else(wrong)?;
    let seed = seed.parse().map_err(|_| wrong())?;
    let at = parse::span(at).map_err(|_| wrong())?;
    Ok(Replay { seed, at })
}

/// One line on a terminal's stderr, drawn again and again.
struct Display {
    live: bool,
    begun: Instant,
    shown: Option<Instant>,
    runs: u64,
    /// Runs that have ended, and the events of each run under way by its seed.
    last: Option<Progress>,
    done: u64,
}

impl Display {
    fn new(file: &ScenarioFile) -> Self {
        let runs = file.points.iter().map(|point| u64::from(point.scenario.seeds)).sum();
        let live = io::stderr().is_terminal();
        Self { live, begun: Instant::now(), shown: None, runs, last: None, done: 0 }
    }

    fn show(&mut self, progress: Progress) {
        if progress.virtual_now >= progress.virtual_end {
            self.done += 1;
        }
        self.last = Some(progress);
        let due = self.shown.is_none_or(|shown| shown.elapsed() >= SHOW_EVERY);
        if !self.live || !due {
            return;
        }
        self.shown = Some(Instant::now());
        let share = progress.virtual_now.as_secs_f64() / progress.virtual_end.as_secs_f64();
        let runs = f64::from(u32::try_from(self.runs).unwrap_or(u32::MAX));
        let done = f64::from(u32::try_from(self.done).unwrap_or(u32::MAX));
        let whole = ((done + share) / runs).clamp(0.001, 1.0);
        let took = self.begun.elapsed();
        let left = took.mul_f64(1.0 / whole - 1.0);
        let memory = peak_memory().map_or(0.0, gib);
        eprint!(
            "\r\x1b[Krun {}/{} · {} of {} · {} events · {} pending · {memory:.2} GiB · {} left",
            (self.done + 1).min(self.runs),
            self.runs,
            short_span(progress.virtual_now),
            short_span(progress.virtual_end),
            progress.events,
            progress.pending,
            short_span(left)
        );
    }

    fn clear(&self) {
        if self.live && self.shown.is_some() {
            eprint!("\r\x1b[K");
        }
    }
}

/// The most memory this process has had, in bytes, where the system tells.
fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib << 10)
}

#[expect(clippy::cast_precision_loss, reason = "bytes of memory, for people")]
fn gib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 30)
}

#[cfg(test)]
mod tests;
