//! Proof that the lints work: clocks, sockets, threads and randomness, planted into a copy of each
//! protocol crate, must make clippy fail, and by the very lint; the unplanted copy must pass.
//!
//! What is lint-proof in source could still come in through a dependency: `cargo xtask tidy` checks
//! those.

use std::fs;
use std::path::{Path, PathBuf};

use crate::shell::{Output, cargo, root, target_dir};
use crate::suite::Tally;
use crate::tidy::workspace::Workspace;

/// What is planted, each as the body of a function.
const PLANTS: [&str; 6] = [
    "let _ = std::time::Instant::now();",
    "let _ = std::time::SystemTime::now();",
    "std::thread::sleep(std::time::Duration::ZERO);",
    "let _ = std::collections::HashMap::<u8, u8>::new();",
    "let _: Option<std::net::UdpSocket> = None;",
    "let _ = std::hash::RandomState::new();",
];

/// Crates that tests of the protocol crates use.
const TEST_CRATES: [&str; 1] = ["counting"];

/// The test run's stage.
pub(crate) fn stage() -> Result<Tally, String> {
    let mut tally = Tally::default();
    let workspace = Workspace::load()?;
    let crates = workspace.protocol_crates();
    let folder = target_dir().join("planted");
    let helpers: Vec<_> = TEST_CRATES.iter().map(|name| root().join(name)).collect();
    let copied = crates.iter().map(|member| member.folder.as_path());
    let copied: Vec<_> = copied.chain(helpers.iter().map(PathBuf::as_path)).collect();
    copy_workspace(&folder, &copied)?;
    let control = lint(&folder, None)?;
    tally.expect(control.success, "the copy without plants does not pass clippy");
    for member in crates {
        let relative = member.folder.strip_prefix(root()).map_err(|error| error.to_string())?;
        let library = folder.join(relative).join("src/lib.rs");
        let original = fs::read_to_string(&library).map_err(|e| at(&library, &e))?;
        write(&library, &planted(&original))?;
        let output = lint(&folder, Some(&member.name))?;
        write(&library, &original)?;
        let found = caught(&output.stderr);
        let name = &member.name;
        let all = !output.success && found >= PLANTS.len();
        tally.expect(all, format!("{name}: {found} of {} plants caught", PLANTS.len()));
        println!("{name}: {found} findings of disallowed methods and types");
    }
    Ok(tally)
}

/// The library with one planted function for each plant.
fn planted(original: &str) -> String {
    let functions = PLANTS.iter().enumerate().map(|(number, body)| {
        format!("\n/// Planted.\npub fn planted_{number}() {{\n    {body}\n}}\n")
    });
    original.to_owned() + &functions.collect::<String>()
}

/// How many of clippy's findings are of the ban list.
fn caught(said: &str) -> usize {
    let is_finding = |line: &&str| {
        line.starts_with("error: use of a disallowed")
            || line.starts_with("error: use of a disallowed type")
    };
    said.lines().filter(is_finding).count()
}

fn lint(folder: &Path, package: Option<&str>) -> Result<Output, String> {
    let run = cargo().arg("clippy").arg("--quiet").folder(folder);
    let run = match package {
        Some(package) => run.args(["--package", package]),
        None => run.arg("--workspace"),
    };
    let run = run.env("CARGO_TARGET_DIR", target_dir());
    let run = run.args(["--", "--deny", "warnings"]);
    if package.is_some() { run.hushed().output() } else { run.quiet().output() }
}

/// A workspace of copies: the same manifests and lint settings, the protocol crates alone.
fn copy_workspace(folder: &Path, members: &[&Path]) -> Result<(), String> {
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(|error| at(folder, &error))?;
    }
    let root = root();
    let mut list = String::new();
    for member in members {
        let relative = member.strip_prefix(&root).map_err(|error| error.to_string())?;
        copy_tree(member, &folder.join(relative))?;
        list.extend(["    \"", &relative.display().to_string(), "\",\n"]);
    }
    for name in ["clippy.toml", "Cargo.lock"] {
        let (from, to) = (root.join(name), folder.join(name));
        fs::copy(&from, to).map_err(|error| at(&from, &error))?;
    }
    let path = root.join("Cargo.toml");
    let manifest = fs::read_to_string(&path).map_err(|error| at(&path, &error))?;
    write(&folder.join("Cargo.toml"), &with_members(&manifest, &list)?)
}

/// The workspace manifest with other members.
fn with_members(manifest: &str, list: &str) -> Result<String, String> {
    let (before, rest) = manifest.split_once("members = [").ok_or("Cargo.toml has no members")?;
    let (_, after) = rest.split_once(']').ok_or("Cargo.toml: members without end")?;
    let after = after.lines().filter(|line| !line.starts_with("default-members"));
    Ok(format!("{before}members = [\n{list}]{}\n", after.collect::<Vec<_>>().join("\n")))
}

fn copy_tree(from: &Path, to: &Path) -> Result<(), String> {
    fs::create_dir_all(to).map_err(|error| at(to, &error))?;
    let entries = fs::read_dir(from).map_err(|error| at(from, &error))?;
    for entry in entries.flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target).map_err(|error| at(&target, &error))?;
        }
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| at(path, &error))
}

fn at(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}

#[cfg(test)]
mod tests;
