//! `cargo xtask test`: all stages, whatever becomes of the ones before, and a summary at the end.
//!
//! The last line is `N passed, N failed, N skipped`, counting single tests where a stage tells
//! them, and the stage itself where it does not.

use std::time::{Duration, Instant};

use crate::shell::{Output, Run, cargo};
use crate::{build, clients, fuzz, interop, planted, simulate, tidy};

/// What became of a stage's tests.
#[derive(Default, Debug, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failures: Vec<String>,
    pub(crate) skipped: Vec<String>,
}

impl Tally {
    pub(crate) fn pass(&mut self) {
        self.passed += 1;
    }

    pub(crate) fn fail(&mut self, what: impl Into<String>) {
        self.failures.push(what.into());
    }

    pub(crate) fn skip(&mut self, what: impl Into<String>) {
        self.skipped.push(what.into());
    }

    /// One test that passed or not.
    pub(crate) fn expect(&mut self, holds: bool, otherwise: impl Into<String>) {
        if holds {
            self.pass();
        } else {
            self.fail(otherwise);
        }
    }
}

/// A part of the test run; an error is a stage that could not be run at all.
struct Stage {
    name: &'static str,
    what: &'static str,
    run: fn() -> Result<Tally, String>,
}

const STAGES: [Stage; 13] = [
    Stage { name: "format", what: "rustfmt", run: format },
    Stage { name: "tidy", what: "rules no lint knows", run: tidy::stage },
    Stage { name: "clippy", what: "lints, all targets, warnings denied", run: clippy },
    Stage { name: "unit", what: "unit, property and integration tests", run: unit },
    Stage { name: "doc", what: "documentation: examples and links", run: doc },
    Stage { name: "planted", what: "the lints catch planted clocks", run: planted::stage },
    Stage { name: "determinism", what: "same trace in debug and release", run: determinism },
    Stage { name: "simulate", what: "scenarios: one seed, one run", run: simulate::stage },
    Stage { name: "licences", what: "cargo deny", run: licences },
    Stage { name: "demo", what: "every value found after the kill", run: demo },
    Stage { name: "clients", what: "JavaScript and Python", run: clients::stage },
    Stage { name: "interop", what: "real BitTorrent clients", run: interoperate },
    Stage { name: "fuzz", what: "each target shortly, from its corpus", run: fuzz::stage },
];

/// `cargo xtask test [--no-skip] [--list] [ONLY...]`.
pub(crate) fn run(arguments: &[&str]) -> Result<bool, String> {
    let flags: Vec<&str> = arguments.iter().copied().filter(|a| a.starts_with('-')).collect();
    let only: Vec<&str> = arguments.iter().copied().filter(|a| !a.starts_with('-')).collect();
    if let Some(unknown) = flags.iter().find(|flag| !["--no-skip", "--list"].contains(flag)) {
        return Err(format!("unknown option {unknown}: --no-skip and --list exist"));
    }
    if flags.contains(&"--list") {
        for stage in &STAGES {
            println!("{:12} {}", stage.name, stage.what);
        }
        return Ok(true);
    }
    if let Some(unknown) = only.iter().find(|name| STAGES.iter().all(|s| s.name != **name)) {
        return Err(format!("no stage {unknown}: see `cargo xtask test --list`"));
    }
    let strict = flags.contains(&"--no-skip") || std::env::var("CI").is_ok_and(|ci| ci == "true");
    let mut results = Vec::new();
    for stage in STAGES.iter().filter(|s| only.is_empty() || only.contains(&s.name)) {
        println!("\n=== {}: {}", stage.name, stage.what);
        let start = Instant::now();
        let mut tally = (stage.run)()
            .unwrap_or_else(|reason| Tally { failures: vec![reason], ..Tally::default() });
        if strict {
            let skipped = tally.skipped.drain(..);
            tally.failures.extend(skipped.map(|what| format!("skipped: {what}")));
        }
        results.push((stage.name, tally, start.elapsed()));
    }
    Ok(summarize(&results))
}

/// Prints what became of each stage; whether none failed.
fn summarize(results: &[(&str, Tally, Duration)]) -> bool {
    println!("\n=== summary");
    for (name, tally, time) in results {
        let verdict = if tally.failures.is_empty() { "ok" } else { "FAILED" };
        let skipped = match tally.skipped.len() {
            0 => String::new(),
            count => format!(", {count} SKIPPED"),
        };
        let (passed, failed) = (tally.passed, tally.failures.len());
        let seconds = time.as_secs_f64();
        println!(
            "{name:12} {verdict:6} {seconds:7.1} s  {passed} passed, {failed} failed{skipped}"
        );
    }
    let list = |title: &str, of: fn(&Tally) -> &Vec<String>| {
        if results.iter().any(|(_, tally, _)| !of(tally).is_empty()) {
            println!("\n{title}:");
        }
        for (name, tally, _) in results {
            for what in of(tally) {
                println!("  {name}: {what}");
            }
        }
    };
    list("!!! SKIPPED", |tally| &tally.skipped);
    list("!!! FAILED", |tally| &tally.failures);
    let total = |of: fn(&Tally) -> usize| results.iter().map(|(_, t, _)| of(t)).sum::<usize>();
    let failed = total(|tally| tally.failures.len());
    let (passed, skipped) = (total(|tally| tally.passed), total(|tally| tally.skipped.len()));
    println!("\n{passed} passed, {failed} failed, {skipped} skipped");
    failed == 0
}

fn format() -> Result<Tally, String> {
    let output = cargo().args(["fmt", "--all", "--", "--check"]).output()?;
    Ok(whole(&output, "not formatted: run `cargo fmt --all`"))
}

fn clippy() -> Result<Tally, String> {
    let output = cargo()
        .args(["clippy", "--workspace", "--all-targets", "--quiet", "--", "--deny", "warnings"])
        .output()?;
    Ok(whole(&output, "clippy has findings: see above"))
}

fn unit() -> Result<Tally, String> {
    let output = cargo()
        .args(["test", "--workspace", "--lib", "--bins", "--tests", "--no-fail-fast"])
        .output()?;
    Ok(cargo_tests(&output))
}

fn doc() -> Result<Tally, String> {
    let examples = cargo().args(["test", "--workspace", "--doc", "--no-fail-fast"]).output()?;
    let mut tally = cargo_tests(&examples);
    let links = cargo()
        .args(["doc", "--workspace", "--no-deps", "--document-private-items", "--quiet"])
        .env("RUSTDOCFLAGS", "--deny warnings")
        .output()?;
    tally.expect(links.success, "rustdoc has findings: see above");
    Ok(tally)
}

/// The tests `the_same_seed…` print `trace hash: …`: it must be the same with and without
/// optimization.
fn determinism() -> Result<Tally, String> {
    let mut tally = Tally::default();
    let hashes = |profile: &[&str]| -> Result<Vec<String>, String> {
        let output = cargo()
            .args(["test", "--package", "polykad-mainline", "--quiet"])
            .args(profile)
            .args(["the_same_seed", "--", "--nocapture", "--test-threads=1"])
            .output()?;
        let said = format!("{}{}", output.stdout, output.stderr);
        let found = trace_hashes(&said);
        if output.success {
            Ok(found)
        } else {
            Err("a test of determinism fails: see above".into())
        }
    };
    let (debug, release) = (hashes(&[])?, hashes(&["--release"])?);
    tally.expect(!debug.is_empty(), "no test of polykad-mainline prints `trace hash: HASH`");
    let same = debug == release;
    tally.expect(same, format!("debug {debug:?} and release {release:?} differ"));
    Ok(tally)
}

fn licences() -> Result<Tally, String> {
    let mut tally = Tally::default();
    if !cargo().args(["deny", "--version"]).quiet().succeeds() {
        // Its advisory check needs a database from outside; the others run offline. Building it
        // takes longer than all other stages together, so it is not installed here.
        println!(
            "not run: cargo-deny is not installed; `cargo xtask tidy` checks licences by itself"
        );
        return Ok(tally);
    }
    let output = cargo().args(["deny", "check", "licenses", "bans", "sources"]).output()?;
    tally.expect(output.success, "cargo deny has findings: see above");
    Ok(tally)
}

/// The demonstration a newcomer runs first ends by itself, with every value found.
fn demo() -> Result<Tally, String> {
    let polykad = build::release("polykad-cli", "polykad")?;
    let limit = Duration::from_mins(3);
    let output = Run::new(polykad).arg("demo").limit(limit).output()?;
    Ok(whole(&output, "`polykad demo` failed: see above"))
}

fn interoperate() -> Result<Tally, String> {
    let mut tally = Tally::default();
    let output = interop::scenarios(&[])?;
    for line in output.stdout.lines() {
        match line.split_once(' ') {
            Some(("ok", _)) => tally.pass(),
            Some(("FAIL", what)) => tally.fail(what),
            Some(("SKIP", what)) => tally.skip(what),
            _ => {}
        }
    }
    if !output.success && tally.failures.is_empty() {
        tally.fail("the scenarios could not be run: see above");
    }
    Ok(tally)
}

/// A program that is one test.
fn whole(output: &Output, otherwise: &str) -> Tally {
    let mut tally = Tally::default();
    tally.expect(output.success, otherwise);
    tally
}

/// Adds up cargo's `test result:` lines and names the tests that failed.
fn cargo_tests(output: &Output) -> Tally {
    let mut tally = Tally::default();
    for line in output.stdout.lines() {
        if let Some(counts) = line.strip_prefix("test result: ") {
            let count = |kind: &str| count_before(counts, kind);
            tally.passed += count(" passed");
            (0..count(" ignored")).for_each(|_| tally.skip("an ignored test"));
        } else if let Some(name) = line.strip_suffix(" ... FAILED") {
            tally.fail(name.trim_start_matches("test "));
        }
    }
    if !output.success && tally.failures.is_empty() {
        tally.fail("the tests do not build or one crashed: see above");
    }
    tally
}

/// The number that stands before a word, as in `12 passed; 1 failed`.
fn count_before(text: &str, word: &str) -> usize {
    let before = text.split(word).next().filter(|before| before.len() < text.len());
    let number = before.and_then(|before| before.rsplit([' ', ';']).next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// What follows each `trace hash: `, in order of appearance.
fn trace_hashes(text: &str) -> Vec<String> {
    let after = text.split("trace hash: ").skip(1);
    after.map(|rest| rest.chars().take_while(char::is_ascii_alphanumeric).collect()).collect()
}

#[cfg(test)]
mod tests;
