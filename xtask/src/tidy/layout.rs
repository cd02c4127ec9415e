//! Which files there must be, and what must be the same in several.

use std::fs;
use std::path::Path;

use super::workspace::{Member, Workspace, read};

/// The files of every network's folder, relative to it; an ending `/` means a folder.
const NETWORK_FILES: [&str; 7] = [
    "src/lib.rs",
    "src/wire.rs",
    "src/contact.rs",
    "src/node.rs",
    "src/store.rs",
    "tests/",
    "vectors/",
];

/// The same files in every network: who has read one can read the next.
pub(super) fn networks(workspace: &Workspace) -> Vec<String> {
    let networks = workspace.members.iter().filter(|m| m.place.starts_with("crates/networks/"));
    networks.flat_map(|member| missing_files(&member.folder, &member.place)).collect()
}

fn missing_files(folder: &Path, place: &str) -> Vec<String> {
    let missing = NETWORK_FILES.iter().filter(|name| match name.strip_suffix('/') {
        Some(name) => !has_entries(&folder.join(name)),
        None => !folder.join(name).is_file(),
    });
    missing.map(|name| format!("{place}/{name} is missing: every network has it")).collect()
}

fn has_entries(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some())
}

/// clippy takes the nearest `clippy.toml` and merges nothing: each must have it all.
pub(super) fn ban_lists(workspace: &Workspace) -> Vec<String> {
    let lists: Vec<(String, String)> = workspace
        .protocol_crates()
        .iter()
        .map(|member| {
            let text = read(&member.folder.join("clippy.toml")).unwrap_or_default();
            (member.place.clone(), ban_list(&text).to_owned())
        })
        .collect();
    different_lists(&lists)
}

/// The part of a `clippy.toml` from its first ban.
fn ban_list(text: &str) -> &str {
    text.find("disallowed-methods").and_then(|start| text.get(start..)).unwrap_or_default()
}

fn different_lists(lists: &[(String, String)]) -> Vec<String> {
    let Some((model_place, model)) = lists.iter().find(|(place, _)| place == "crates/kademlia")
    else {
        return vec!["crates/kademlia has no clippy.toml".to_owned()];
    };
    let mut findings = Vec::new();
    if !model.contains("disallowed-types") {
        findings.push(format!("{model_place}/clippy.toml bans nothing"));
    }
    let differing = lists.iter().filter(|(_, list)| list != model);
    findings.extend(differing.map(|(place, _)| {
        format!("{place}/clippy.toml differs from {model_place}/clippy.toml: copy its ban list")
    }));
    findings
}

/// Protocol crates say it in the crate itself, where a lint setting can't take it back.
pub(super) fn forbid_unsafe(workspace: &Workspace) -> Vec<String> {
    let pure = workspace.protocol_crates();
    let simulator = workspace.members.iter().filter(|member| member.place == "crates/simulator");
    let forbids = |member: &&Member| {
        let library = read(&member.folder.join("src/lib.rs")).unwrap_or_default();
        !library.lines().any(|line| line.trim() == "#![forbid(unsafe_code)]")
    };
    let lacking = pure.into_iter().chain(simulator).filter(forbids);
    lacking.map(|m| format!("{}/src/lib.rs: add #![forbid(unsafe_code)]", m.place)).collect()
}

/// Each manifest inherits it.
pub(super) fn rust_version(workspace: &Workspace) -> Vec<String> {
    let lacking = workspace.members.iter().filter(|member| !inherits(&member.manifest));
    let say = |member: &Member| {
        format!("{}/Cargo.toml: write `rust-version.workspace = true`", member.place)
    };
    let mut findings: Vec<String> = lacking.map(say).collect();
    let elsewhere = ["rust-toolchain", "rust-toolchain.toml"];
    let pinned = elsewhere.iter().filter(|name| workspace.root.join(name).exists());
    findings.extend(pinned.map(|name| format!("{name}: the version is in Cargo.toml alone")));
    findings
}

fn inherits(manifest: &str) -> bool {
    let lines = manifest.lines().map(str::trim).filter(|line| line.starts_with("rust-version"));
    lines.map(|line| line == "rust-version.workspace = true").eq([true])
}

/// A fuzz target without seeds starts from nothing each time.
pub(super) fn corpora(workspace: &Workspace) -> Vec<String> {
    let folder = workspace.root.join("fuzz/corpus");
    let lacking = workspace.fuzz_targets().into_iter().filter(|t| !has_entries(&folder.join(t)));
    lacking.map(|target| format!("fuzz/corpus/{target}: put a few seed inputs there")).collect()
}

#[cfg(test)]
mod tests;
