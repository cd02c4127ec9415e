//! Fuzzing: shortly as a stage of the test run, at length by `cargo xtask fuzz`.
//!
//! Inputs found on the way go to `target/fuzz-corpus`; `fuzz/corpus` holds the seeds.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crate::shell::{Output, Run, cargo, root, target_dir};
use crate::suite::Tally;
use crate::tidy::workspace::Workspace;
use crate::tools;

/// How long each target runs in the test run.
const STAGE_SECONDS: u64 = 20;
/// Executions of a long run unless told.
const EXECUTIONS: u64 = 10_000_000;
/// An input may take this long.
const INPUT_SECONDS: u64 = 60;
/// A target may use this much memory: growth without bound is a finding.
const MEMORY_MB: u64 = 1024;
/// A script of acts is at most this long: shorter ones run more often, and find as much.
const SCRIPT_BYTES: u32 = 512;
const RECORD: &str = "docs/fuzzing.md";

/// How much to fuzz.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dose {
    Executions(u64),
    Seconds(u64),
}

/// What came of fuzzing one target.
struct Finding {
    target: String,
    executions: u64,
    seconds: f64,
    peak_mb: u64,
    /// Files with the inputs that broke it.
    artifacts: Vec<PathBuf>,
    clean: bool,
}

/// `cargo xtask fuzz [--executions N | --seconds S] [--record] [TARGET...]`.
pub(crate) fn run(arguments: &[&str]) -> Result<bool, String> {
    let (dose, record, wanted) = parse(arguments)?;
    tools::cargo_fuzz()?;
    let all = targets()?;
    if let Some(unknown) = wanted.iter().find(|name| !all.contains(*name)) {
        return Err(format!("no fuzz target {unknown}: there are {}", all.join(", ")));
    }
    let chosen = all.into_iter().filter(|name| wanted.is_empty() || wanted.contains(name));
    let mut clean = true;
    let mut rows = String::new();
    for target in chosen {
        let finding = fuzz(&target, dose, false)?;
        clean &= finding.clean;
        rows.push_str(&row(&finding));
    }
    println!("{HEAD}{rows}");
    if record {
        let path = root().join(RECORD);
        let before = fs::read_to_string(&path).unwrap_or_else(|_| TITLE.to_owned() + HEAD);
        fs::write(&path, before + &rows).map_err(|error| format!("{RECORD}: {error}"))?;
    }
    Ok(clean)
}

/// The test run's stage.
pub(crate) fn stage() -> Result<Tally, String> {
    let mut tally = Tally::default();
    if let Err(reason) = tools::cargo_fuzz() {
        tally.skip(reason);
        return Ok(tally);
    }
    let targets = targets()?;
    tally.expect(!targets.is_empty(), "there is no fuzz target");
    for target in targets {
        let finding = fuzz(&target, Dose::Seconds(STAGE_SECONDS), true)?;
        let files = finding.artifacts.iter().map(|path| path.display().to_string());
        let files = files.collect::<Vec<_>>().join(", ");
        tally.expect(finding.clean, format!("{target}: findings in {files}"));
        println!("{target}: {} executions", finding.executions);
    }
    Ok(tally)
}

const TITLE: &str = "# Fuzzing\n\nLong runs, by `cargo xtask fuzz --record`.\n\n";
const HEAD: &str =
    "| target | executions | seconds | peak memory | findings |\n|---|---|---|---|---|\n";

fn row(finding: &Finding) -> String {
    let Finding { target, executions, seconds, peak_mb, artifacts, clean } = finding;
    let count = if *clean { 0 } else { artifacts.len().max(1) };
    format!("| {target} | {executions} | {seconds:.0} | {peak_mb} MiB | {count} |\n")
}

fn parse(arguments: &[&str]) -> Result<(Dose, bool, Vec<String>), String> {
    let (mut dose, mut record, mut wanted) = (Dose::Executions(EXECUTIONS), false, Vec::new());
    let mut words = arguments.iter();
    let number = |word: Option<&&str>, option: &str| {
        let number = word.and_then(|word| word.replace('_', "").parse().ok());
        number.ok_or_else(|| format!("{option} wants a number"))
    };
    while let Some(word) = words.next() {
        match *word {
            "--executions" => dose = Dose::Executions(number(words.next(), word)?),
            "--seconds" => dose = Dose::Seconds(number(words.next(), word)?),
            "--record" => record = true,
            option if option.starts_with('-') => return Err(format!("unknown option {option}")),
            target => wanted.push(target.to_owned()),
        }
    }
    Ok((dose, record, wanted))
}

/// The binaries of the fuzz package.
fn targets() -> Result<Vec<String>, String> {
    Ok(Workspace::load()?.fuzz_targets())
}

fn fuzz(target: &str, dose: Dose, quiet: bool) -> Result<Finding, String> {
    let found = target_dir().join("fuzz-corpus").join(target);
    fs::create_dir_all(&found).map_err(|error| format!("{}: {error}", found.display()))?;
    let before = artifacts(target);
    let limit = match dose {
        Dose::Executions(count) => format!("-runs={count}"),
        Dose::Seconds(seconds) => format!("-max_total_time={seconds}"),
    };
    let build_only =
        cargo().args(["fuzz", "build"]).args(instruments(target)).arg(target).quiet().output()?;
    if !build_only.success {
        return Err(format!("fuzz target {target} does not build: see above"));
    }
    let start = std::time::Instant::now();
    let run = command(target, &found, &limit);
    let output: Output = if quiet { run.quiet().output()? } else { run.output()? };
    let seconds = start.elapsed().as_secs_f64();
    let said = &output.stderr;
    let after = artifacts(target).into_iter().filter(|path| !before.contains(path)).collect();
    Ok(Finding {
        target: target.to_owned(),
        executions: statistic(said, "number_of_executed_units"),
        seconds,
        peak_mb: statistic(said, "peak_rss_mb"),
        artifacts: after,
        clean: output.success,
    })
}

/// Whether its input is a script of acts.
fn is_scripted(target: &str) -> bool {
    ["node", "poly_node", "secure"].contains(&target)
}

/// What is compiled in beside the code. What is fuzzed forbids unsafe code: without a sanitizer it
/// runs ten times as often. Targets whose input is a script of acts have no magic words to find by
/// tracing comparisons: without it they run twice as often.
fn instruments(target: &str) -> Vec<&'static str> {
    let mut instruments = vec!["--sanitizer", "none"];
    if is_scripted(target) {
        instruments.push("--no-trace-compares");
    }
    instruments
}

fn command(target: &str, found: &std::path::Path, limit: &str) -> Run {
    let run = cargo()
        .args(["fuzz", "run"])
        .args(instruments(target))
        .arg(target)
        .arg(found)
        .arg(root().join("fuzz/corpus").join(target))
        .args(["--", limit, "-print_final_stats=1", "-verbosity=0", "-use_value_profile=0"])
        .arg(format!("-timeout={INPUT_SECONDS}"))
        .arg(format!("-rss_limit_mb={MEMORY_MB}"))
        .limit(Duration::from_hours(12));
    if is_scripted(target) { run.arg(format!("-max_len={SCRIPT_BYTES}")) } else { run }
}

/// The files that libFuzzer left of inputs that broke a target.
fn artifacts(target: &str) -> Vec<PathBuf> {
    let folder = root().join("fuzz/artifacts").join(target);
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

/// One of libFuzzer's `stat::NAME: VALUE`.
fn statistic(text: &str, name: &str) -> u64 {
    let mut lines = text.lines().rev();
    let found = lines.find_map(|line| line.strip_prefix("stat::")?.strip_prefix(name));
    let value = found.and_then(|rest| rest.strip_prefix(':'));
    value.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests;
