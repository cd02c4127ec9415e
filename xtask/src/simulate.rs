//! One seed gives one run: a small scenario of each kind sends the same messages in debug and in
//! release, and eight seeds of five hundred nodes under chaos end well in under two minutes.

use std::path::Path;
use std::time::Duration;

use crate::build;
use crate::shell::Run;
use crate::suite::Tally;

/// A scenario of each kind, made small: file, and what is said besides. Those that are not here
/// differ from one that is in their size alone.
const SMALL: [(&str, &[&str]); 17] = [
    ("born-or-joined", &["--nodes", "100"]),
    ("chaos", &["--nodes", "60", "--seed", "1"]),
    ("churn", &["--nodes", "60"]),
    ("flash-crowd", &["--nodes", "100"]),
    ("history", &["--nodes", "300"]),
    ("liars", &["--nodes", "300"]),
    ("lookups", &["--nodes", "300"]),
    ("mass-failure", &["--nodes", "60", "--seed", "1"]),
    ("nat", &["--nodes", "100"]),
    ("spoofing", &["--nodes", "30"]),
    ("sybils", &["--nodes", "60", "--seed", "1"]),
    ("poly-chaos", &["--nodes", "40", "--seed", "1"]),
    ("poly-churn", &["--nodes", "60"]),
    ("poly-lookups", &["--nodes", "100"]),
    ("poly-mass-failure", &["--nodes", "60"]),
    ("poly-million", &["--nodes", "200"]),
    ("poly-one-hop", &["--nodes", "100"]),
];

/// How long one run may take in debug, and chaos in release.
const LIMIT: Duration = Duration::from_mins(2);

pub(crate) fn stage() -> Result<Tally, String> {
    let mut tally = Tally::default();
    let programs =
        [build::debug("polykad-cli", "polykad")?, build::release("polykad-cli", "polykad")?];
    for (scenario, arguments) in SMALL {
        let [debug, release] = programs.each_ref().map(|p| trace(p, scenario, arguments));
        let (debug, release) = (debug?, release?);
        tally.expect(debug.is_some(), format!("{scenario} prints no trace hash"));
        let differ = format!("{scenario}: debug {debug:?} and release {release:?} differ");
        tally.expect(debug == release, differ);
    }
    let [_, release] = &programs;
    let chaos = Run::new(release).args(["sim", "scenarios/chaos.toml"]).limit(LIMIT);
    tally.expect(chaos.succeeds(), "chaos fails, or takes longer than two minutes");
    Ok(tally)
}

/// The trace hash that a scenario ends with. Its assertions are made for more nodes.
fn trace(program: &Path, scenario: &str, arguments: &[&str]) -> Result<Option<String>, String> {
    let file = format!("scenarios/{scenario}.toml");
    let run = Run::new(program).args(["sim", &file]).args(arguments);
    let output = run.limit(LIMIT).hushed().output()?;
    Ok(last_trace(&output.stdout).map(str::to_owned))
}

fn last_trace(text: &str) -> Option<&str> {
    text.lines().rev().find_map(|line| line.strip_prefix("trace "))
}

#[cfg(test)]
mod tests;
