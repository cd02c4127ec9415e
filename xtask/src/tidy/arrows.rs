//! Which crate may depend on which: arrows point one way, and nothing impure is beneath protocols.

use super::workspace::{Member, Workspace};
use crate::shell::cargo;

/// Where a crate lives (`*`: any one folder), and the places it may depend on (`**`: any).
const ARROWS: [(&str, &[&str]); 13] = [
    ("crates/kademlia", &[]),
    ("crates/networks/*", &["crates/kademlia"]),
    ("crates/simulator", &["crates/networks/*", "crates/kademlia"]),
    ("crates/client", &["crates/networks/poly", "crates/kademlia"]),
    ("crates/polykad", &["crates/client", "crates/networks/*", "crates/kademlia"]),
    ("crates/services/*", &["crates/client"]),
    ("crates/gateway", &["crates/client"]),
    ("crates/python", &["crates/client", "crates/gateway", "crates/polykad"]),
    (
        "crates/cli",
        &[
            "crates/gateway",
            "crates/services/*",
            "crates/polykad",
            "crates/client",
            "crates/simulator",
        ],
    ),
    ("counting", &[]),
    ("fuzz", &["**"]),
    ("bench", &["**"]),
    ("xtask", &[]),
];

/// Packages that read clocks, make randomness, open sockets or start threads.
const IMPURE: [&str; 16] = [
    "tokio",
    "async-std",
    "smol",
    "mio",
    "polling",
    "futures-executor",
    "socket2",
    "quinn",
    "getrandom",
    "rand",
    "fastrand",
    "chrono",
    "time",
    "jiff",
    "rayon",
    "libc",
];

/// Licences that code under `MIT OR Apache-2.0` can be shipped with. `deny.toml` has the same list.
const LICENCES: [&str; 12] = [
    "MIT",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "0BSD",
    "Zlib",
    "Unicode-3.0",
    "Unlicense",
    "CC0-1.0",
    "BlueOak-1.0.0",
];

/// Packages that nothing shipped depends on, and their further licence.
const EXCEPTIONS: [(&str, &str); 2] = [("libfuzzer-sys", "NCSA"), ("xxhash-rust", "BSL-1.0")];

/// Dependencies between the workspace's crates.
pub(super) fn direct(workspace: &Workspace) -> Vec<String> {
    workspace.members.iter().flat_map(|member| from(member, workspace)).collect()
}

fn from(member: &Member, workspace: &Workspace) -> Vec<String> {
    let Member { name, place, .. } = member;
    let Some((_, allowed)) = ARROWS.iter().find(|(pattern, _)| matches(pattern, place)) else {
        return vec![format!("{place} has no line in ARROWS of xtask/src/tidy/arrows.rs: add one")];
    };
    let targets =
        workspace.members.iter().filter(|other| member.dependencies.contains(&other.name));
    targets
        .filter(|other| !allowed.iter().any(|pattern| matches(pattern, &other.place)))
        .map(|other| {
            format!(
                "{name} must not depend on {}: go through {}",
                other.name,
                if allowed.is_empty() {
                    "nothing of the workspace".into()
                } else {
                    allowed.join(", ")
                }
            )
        })
        .collect()
}

fn matches(pattern: &str, place: &str) -> bool {
    match pattern.strip_suffix('*') {
        None => pattern == place,
        Some("*") => true,
        Some(folder) => place.strip_prefix(folder).is_some_and(|rest| !rest.contains('/')),
    }
}

/// What protocol crates and the simulator bring in, however indirectly, with their own features.
pub(super) fn impure(workspace: &Workspace) -> Vec<String> {
    let simulator = workspace.members.iter().filter(|member| member.place == "crates/simulator");
    let members = workspace.protocol_crates().into_iter().chain(simulator);
    members.flat_map(|member| impure_beneath(&member.name)).collect()
}

fn impure_beneath(package: &str) -> Vec<String> {
    let tree = cargo()
        .args(["tree", "--package", package, "--edges", "normal", "--prefix", "none"])
        .args(["--format", "{p}"])
        .quiet()
        .output();
    match tree {
        Ok(tree) if tree.success => impure_in(package, &tree.stdout),
        _ => vec![format!("cargo tree --package {package} failed")],
    }
}

fn impure_in(package: &str, tree: &str) -> Vec<String> {
    let mut names: Vec<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    names.sort_unstable();
    names.dedup();
    let found = names.into_iter().filter(|name| IMPURE.contains(name));
    let say = |name| {
        format!(
            "{package} brings in {name}: see `cargo tree -p {package} -i {name}`, drop a feature"
        )
    };
    found.map(say).collect()
}

/// Licences of everything from elsewhere.
pub(super) fn licences(workspace: &Workspace) -> Vec<String> {
    let foreign = workspace.foreign.iter();
    foreign
        .filter(|(name, licence)| !acceptable(name, licence))
        .map(|(name, licence)| {
            format!(
                "{name} is under {licence:?}: choose another package, or accept it in arrows.rs"
            )
        })
        .collect()
}

/// Whether every part of an SPDX expression offers a licence we accept.
fn acceptable(package: &str, expression: &str) -> bool {
    let parts = expression.split(" AND ");
    parts.into_iter().all(|part| {
        let choices = part.split(" OR ").flat_map(|choice| choice.split('/'));
        let mut names = choices.map(|choice| choice.trim_matches(['(', ')', ' ']));
        names.any(|name| LICENCES.contains(&name) || EXCEPTIONS.contains(&(package, name)))
    })
}

#[cfg(test)]
mod tests;
