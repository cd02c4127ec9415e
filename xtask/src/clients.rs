//! The test run's stage `clients`: the JavaScript and the Python package against real daemons and
//! nodes on loopback, and the examples of the README. Both are run from their sources, with what
//! the stage `unit` builds, so that nothing is built for them alone.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::dist::{must, said};
use crate::shell::{Output, Run, cargo, installed, root, target_dir};
use crate::suite::Tally;

const BUILD: [&str; 6] = ["test", "--workspace", "--lib", "--bins", "--tests", "--no-run"];
const LIMIT: Duration = Duration::from_mins(10);

/// The test run's stage.
pub(crate) fn stage() -> Result<Tally, String> {
    // Word for word what `unit` builds: with other packages chosen other features would be.
    must(cargo().args(BUILD).limit(Duration::from_mins(30)))?;
    let program = target_dir().join("debug/polykad");
    let mut tally = Tally::default();
    match node_lacks() {
        Some(reason) => tally.skip(format!("JavaScript: {reason}")),
        None => javascript(&program, &mut tally)?,
    }
    match python_lacks() {
        Some(reason) => tally.skip(format!("Python: {reason}")),
        None => python(&program, &mut tally)?,
    }
    Ok(tally)
}

/// Why the JavaScript tests can't be run: they want Node 20.3 or later.
fn node_lacks() -> Option<String> {
    if !installed("node") {
        return Some("node is not installed: apt-get install nodejs".to_owned());
    }
    let version = said(Run::new("node").arg("--version")).unwrap_or_default();
    let major = version.trim().trim_start_matches('v').split('.').next();
    let major: u32 = major.and_then(|major| major.parse().ok()).unwrap_or_default();
    (major < 20).then(|| format!("node {} is older than 20.3", version.trim()))
}

/// Why the Python tests can't be run: they want Python 3.9 or later.
fn python_lacks() -> Option<String> {
    let is_right = "import sys; sys.exit(sys.version_info < (3, 9))";
    let runs = Run::new("python3").args(["-c", is_right]).hushed().succeeds();
    (!runs).then(|| "no python3 of 3.9 or later".to_owned())
}

fn javascript(program: &Path, tally: &mut Tally) -> Result<(), String> {
    let folder = root().join("clients/javascript/test");
    let entries = fs::read_dir(&folder).map_err(|error| error.to_string())?;
    let mut tests: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    tests.retain(|path| path.to_string_lossy().ends_with(".test.js"));
    tests.sort();
    let output = Run::new("node")
        .args(["--test", "--test-reporter=tap"])
        .args(tests)
        .env("POLYKAD_PROGRAM", program)
        .limit(LIMIT)
        .quiet()
        .output()?;
    of_tap(&output, tally);
    Ok(())
}

/// Adds up what node's test runner says at its end, and names the tests that failed.
fn of_tap(output: &Output, tally: &mut Tally) {
    let count = |kind: &str| {
        let line = output.stdout.lines().find_map(|line| line.strip_prefix(kind));
        line.and_then(|number| number.trim().parse::<usize>().ok()).unwrap_or(0)
    };
    tally.passed += count("# pass ");
    let before = tally.failures.len();
    for line in output.stdout.lines().map(str::trim) {
        if let Some(named) = line.strip_prefix("not ok ") {
            tally.fail(format!("JavaScript: {named}"));
        }
    }
    if !output.success && tally.failures.len() == before {
        tally.fail("JavaScript: the tests ended badly: see above");
    }
}

fn python(program: &Path, tally: &mut Tally) -> Result<(), String> {
    let folder = target_dir().join("python-package");
    lay_out(&folder.join("polykad")).map_err(|error| format!("{}: {error}", folder.display()))?;
    let output = Run::new("python3")
        .args(["-W", "error::ResourceWarning", "-m", "unittest", "discover", "--start-directory"])
        .arg(root().join("crates/python/tests"))
        .env("PYTHONPATH", &folder)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("POLYKAD_PROGRAM", program)
        .limit(LIMIT)
        .quiet()
        .output()?;
    of_unittest(&output, tally);
    Ok(())
}

/// The package as a wheel would install it.
fn lay_out(package: &Path) -> std::io::Result<()> {
    fs::create_dir_all(package)?;
    for entry in fs::read_dir(root().join("crates/python/python/polykad"))?.flatten() {
        if entry.path().is_file() {
            fs::copy(entry.path(), package.join(entry.file_name()))?;
        }
    }
    let native = target_dir().join("debug/deps/lib_native.so");
    // In place of one that may be in use.
    let new = package.join("new");
    fs::copy(native, &new)?;
    fs::rename(new, package.join("_native.abi3.so"))
}

/// Adds up what unittest says at its end, and names the tests that failed.
fn of_unittest(output: &Output, tally: &mut Tally) {
    let lines = || output.stderr.lines();
    let before = tally.failures.len();
    for line in lines() {
        if let Some(named) = ["FAIL: ", "ERROR: "].iter().find_map(|kind| line.strip_prefix(kind)) {
            tally.fail(format!("Python: {named}"));
        }
    }
    let failed = tally.failures.len() - before;
    let run = lines().find_map(|line| line.strip_prefix("Ran ")?.split(' ').next()?.parse().ok());
    tally.passed += run.unwrap_or(0_usize).saturating_sub(failed);
    if !output.success && failed == 0 {
        tally.fail("Python: the tests ended badly: see above");
    }
}

#[cfg(test)]
mod tests;
