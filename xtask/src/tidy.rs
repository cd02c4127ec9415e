//! `cargo xtask tidy`: the rules of the code base that no lint knows. Each finding says what to do.

mod arrows;
mod layout;
mod source;
pub(crate) mod workspace;

use crate::suite::Tally;
use workspace::Workspace;

/// A rule: its name, and what breaks it.
type Rule = (&'static str, fn(&Workspace) -> Vec<String>);

const RULES: [Rule; 15] = [
    ("arrows between crates", arrows::direct),
    ("nothing impure beneath protocols", arrows::impure),
    ("licences of dependencies", arrows::licences),
    ("the same files in every network", layout::networks),
    ("the same ban list in every protocol crate", layout::ban_lists),
    ("protocol crates forbid unsafe code", layout::forbid_unsafe),
    ("one place for rust-version", layout::rust_version),
    ("seeds for every fuzz target", layout::corpora),
    ("files of at most 700 lines", source::file_length),
    ("lines of at most 100 columns", source::line_length),
    ("modules open with their purpose", source::heads),
    ("no ignored tests", source::ignored),
    ("lint exceptions with reasons", source::exceptions),
    ("nothing left to do", source::unfinished),
    ("tests in files of their own", source::inline_tests),
];

/// `cargo xtask tidy`.
pub(crate) fn run() -> Result<bool, String> {
    let tally = stage()?;
    for finding in &tally.failures {
        println!("{finding}");
    }
    println!("{} rules kept, {} findings", tally.passed, tally.failures.len());
    Ok(tally.failures.is_empty())
}

/// The test run's stage: one test a rule.
pub(crate) fn stage() -> Result<Tally, String> {
    let workspace = Workspace::load()?;
    let mut tally = Tally::default();
    for (name, rule) in RULES {
        let findings = rule(&workspace);
        if findings.is_empty() {
            tally.pass();
        }
        for finding in findings {
            tally.fail(format!("{name}: {finding}"));
        }
    }
    Ok(tally)
}
