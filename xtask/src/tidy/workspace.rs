//! What the rules look at: the workspace as `cargo metadata` tells it, and its source files.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::shell::{cargo, root};

/// The workspace.
#[derive(Debug, Default)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) members: Vec<Member>,
    /// Name and licence of each package from elsewhere.
    pub(crate) foreign: Vec<(String, String)>,
    /// All `.rs` files of the members.
    pub(crate) sources: Vec<Source>,
}

/// A crate of the workspace.
#[derive(Debug, Clone, Default)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    /// Its folder relative to the root, with `/`.
    pub(crate) place: String,
    /// What it depends on, development dependencies apart.
    pub(crate) dependencies: Vec<String>,
    pub(crate) binaries: Vec<String>,
    pub(crate) manifest: String,
}

/// One source file.
#[derive(Debug, Default)]
pub(crate) struct Source {
    /// Relative to the root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Workspace {
    /// Asks cargo and reads the sources.
    pub(crate) fn load() -> Result<Self, String> {
        let output = cargo().args(["metadata", "--format-version", "1"]).quiet().output()?;
        if !output.success {
            return Err("cargo metadata failed: see above".to_owned());
        }
        let metadata: Value = serde_json::from_str(&output.stdout).map_err(|e| e.to_string())?;
        let mut workspace = Self { root: root(), ..Self::default() };
        let members = strings(field(&metadata, "workspace_members"));
        for package in field(&metadata, "packages").as_array().into_iter().flatten() {
            if members.contains(&string(field(package, "id"))) {
                workspace.members.push(Member::read(package, &workspace.root)?);
            } else {
                let licence = string(field(package, "license"));
                workspace.foreign.push((string(field(package, "name")), licence));
            }
        }
        for member in &workspace.members {
            collect(&member.folder, &workspace.root, &mut workspace.sources)?;
        }
        workspace.sources.sort_by(|a, b| a.path.cmp(&b.path));
        workspace.sources.dedup_by(|a, b| a.path == b.path);
        Ok(workspace)
    }

    /// The crates that are pure state machines.
    pub(crate) fn protocol_crates(&self) -> Vec<&Member> {
        let pure = |member: &&Member| {
            member.place == "crates/kademlia" || member.place.starts_with("crates/networks/")
        };
        self.members.iter().filter(pure).collect()
    }

    /// The binaries of the fuzz package.
    pub(crate) fn fuzz_targets(&self) -> Vec<String> {
        let fuzz = self.members.iter().find(|member| member.place == "fuzz");
        fuzz.map(|member| member.binaries.clone()).unwrap_or_default()
    }
}

impl Member {
    fn read(package: &Value, root: &Path) -> Result<Self, String> {
        let manifest_path = PathBuf::from(string(field(package, "manifest_path")));
        let folder = manifest_path.parent().unwrap_or(root).to_path_buf();
        let place = folder.strip_prefix(root).unwrap_or(&folder).display().to_string();
        let shipped = |dependency: &&Value| field(dependency, "kind").as_str() != Some("dev");
        let dependencies = field(package, "dependencies").as_array().into_iter().flatten();
        let binary = |target: &&Value| strings(field(target, "kind")).contains(&"bin".to_owned());
        let targets = field(package, "targets").as_array().into_iter().flatten();
        Ok(Self {
            name: string(field(package, "name")),
            place,
            dependencies: dependencies.filter(shipped).map(|d| string(field(d, "name"))).collect(),
            binaries: targets.filter(binary).map(|target| string(field(target, "name"))).collect(),
            manifest: read(&manifest_path)?,
            folder,
        })
    }
}

impl Source {
    /// Whether it holds tests alone.
    pub(crate) fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs")
            || self.path.split('/').any(|part| part == "tests" || part == "benches")
    }

    /// Lines with their numbers, from 1.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(number, line)| (number + 1, line))
    }
}

/// A file's text.
pub(crate) fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn collect(folder: &Path, root: &Path, sources: &mut Vec<Source>) -> Result<(), String> {
    let entries = fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                collect(&path, root, sources)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let relative = path.strip_prefix(root).unwrap_or(&path).display().to_string();
            sources.push(Source { path: relative, text: read(&path)? });
        }
    }
    Ok(())
}

/// A field of an object; null where there is none.
fn field<'a>(value: &'a Value, name: &str) -> &'a Value {
    value.get(name).unwrap_or(&Value::Null)
}

fn string(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn strings(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(string).collect()
}
