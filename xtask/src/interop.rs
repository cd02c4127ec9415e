//! The interoperability scenarios of `interop/run.py`, with what they need.

use std::time::Duration;

use crate::build;
use crate::shell::{Output, Run};
use crate::tools;

/// All scenarios together end well within this; each has a limit of its own.
const LIMIT: Duration = Duration::from_mins(25);

/// `cargo xtask interop [FILTER...]`.
pub(crate) fn run(filter: &[&str]) -> Result<bool, String> {
    Ok(scenarios(filter)?.success)
}

/// Builds our programs and runs the scenarios whose names contain one of `filter`.
pub(crate) fn scenarios(filter: &[&str]) -> Result<Output, String> {
    let python = tools::python()?;
    let missing = tools::clients();
    if !missing.is_empty() {
        println!("not installed: {}", missing.join(", "));
    }
    let polykad = build::release("polykad-cli", "polykad")?;
    let bench = build::release("polykad-bench", "polykad-bench")?;
    Run::new(python)
        .args(["interop/run.py", "--polykad"])
        .arg(polykad)
        .arg("--bench")
        .arg(bench)
        .args(filter)
        .limit(LIMIT)
        .output()
}
