//! `cargo xtask dist`: everything that is handed out, in `target/dist`, with checksums.
//!
//! A tarball with the program, its manual pages and completions; the Debian package (`deb.rs`), the
//! Python wheel (`wheel.rs`), the JavaScript package and the guide where what makes them is
//! installed. What is left out is told at the end. The same commit gives the same tarball.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::shell::{Run, installed, root};
use crate::{build, deb, wheel};

/// Shells, and what their completions of `polykad` are called.
const SHELLS: [(&str, &str); 5] = [
    ("bash", "polykad"),
    ("zsh", "_polykad"),
    ("fish", "polykad.fish"),
    ("elvish", "polykad.elv"),
    ("powershell", "polykad.ps1"),
];

/// Files that go into the tarball as they are.
const FILES: [&str; 7] = [
    "README.md",
    "CHANGELOG.md",
    "LICENSE-MIT",
    "LICENSE-APACHE",
    "packaging/polykad.service",
    "packaging/polykad.sysusers",
    "packaging/grafana.json",
];

/// Puts a package into a folder, or says why not.
type Make = fn(&Path) -> Result<(), String>;

/// What is made beside the tarball.
const OTHERS: [(&str, Make); 4] = [
    ("the Debian package", deb::make),
    ("the Python wheel", |folder| wheel::make(folder).map(drop)),
    ("the JavaScript package", javascript),
    ("the guide", guide),
];

/// What the program itself tells, laid out for packages.
pub(crate) struct Staged {
    /// The program.
    pub(crate) program: PathBuf,
    /// `man/*.1`, `completions/*`, `polykad.toml`.
    pub(crate) folder: PathBuf,
}

/// `cargo xtask dist`.
pub(crate) fn run() -> Result<bool, String> {
    let folder = folder()?;
    let staged = stage(&folder)?;
    let mut left_out = Vec::new();
    tarball(&staged, &folder)?;
    for (what, make) in OTHERS {
        if let Err(reason) = make(&folder) {
            left_out.push(format!("{what}: {reason}"));
        }
    }
    checksums(&folder)?;
    for what in &left_out {
        println!("left out: {what}");
    }
    Ok(left_out.is_empty())
}

/// Where it all goes: empty.
pub(crate) fn folder() -> Result<PathBuf, String> {
    // Not where `CARGO_TARGET_DIR` says: the Debian package's list of files names this one.
    let folder = root().join("target/dist");
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(cannot(&folder, &error));
        }
        _ => {}
    }
    make_folder(&folder)?;
    Ok(folder)
}

/// Builds the program and has it describe itself.
pub(crate) fn stage(dist: &Path) -> Result<Staged, String> {
    let program = build::release("polykad-cli", "polykad")?;
    let folder = dist.join("stage");
    describe(&program, &folder)?;
    Ok(Staged { program, folder })
}

/// Manual pages, completions and the configuration file of a program.
pub(crate) fn describe(program: &Path, folder: &Path) -> Result<(), String> {
    let completions = folder.join("completions");
    make_folder(&completions)?;
    must(Run::new(program).arg("man").arg(folder.join("man")))?;
    for (shell, name) in SHELLS {
        let script = said(Run::new(program).args(["completions", shell]))?;
        write(&completions.join(name), &script)?;
    }
    let config = said(Run::new(program).args(["config", "init", "-"]))?;
    write(&folder.join("polykad.toml"), &config)
}

fn tarball(staged: &Staged, dist: &Path) -> Result<(), String> {
    let (version, target) = (env!("CARGO_PKG_VERSION"), target()?);
    let name = format!("polykad-{version}-{target}");
    let folder = dist.join(&name);
    make_folder(&folder)?;
    let program = folder.join("polykad");
    copy(&staged.program, &program)?;
    must(Run::new("strip").arg(&program))?;
    for file in FILES {
        let file = root().join(file);
        copy(&file, &folder.join(file.file_name().unwrap_or_default()))?;
    }
    must(
        Run::new("cp")
            .arg("--recursive")
            .args(["man", "completions", "polykad.toml"].map(|part| staged.folder.join(part)))
            .arg(&folder),
    )?;
    let since = said(Run::new("git").args(["log", "-1", "--format=%ct"]))?;
    must(
        Run::new("tar")
            .args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner"])
            .arg(format!("--mtime=@{}", since.trim()))
            .args(["--use-compress-program", "gzip --no-name -9", "--create", "--file"])
            .arg(dist.join(format!("{name}.tar.gz")))
            .arg("--directory")
            .arg(dist)
            .arg(&name),
    )?;
    fs::remove_dir_all(&folder).map_err(|error| cannot(&folder, &error))
}

/// The machine that the program is for, as rustc names it.
fn target() -> Result<String, String> {
    let told = said(Run::new("rustc").arg("-vV"))?;
    let host = told.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| "rustc tells no host".to_owned())
}

fn javascript(dist: &Path) -> Result<(), String> {
    if !installed("npm") {
        return Err("npm is not installed".to_owned());
    }
    // A copy, so that the licences lie beside the code in the package and once in the repository.
    let folder = dist.join("stage/javascript");
    must(Run::new("cp").arg("--recursive").arg(root().join("clients/javascript")).arg(&folder))?;
    for licence in ["LICENSE-MIT", "LICENSE-APACHE"] {
        copy(&root().join(licence), &folder.join(licence))?;
    }
    must(Run::new("npm").args(["pack", "--pack-destination"]).arg(dist).folder(&folder))
}

fn guide(dist: &Path) -> Result<(), String> {
    if !installed("mdbook") {
        return Err("mdbook is not installed: cargo install mdbook".to_owned());
    }
    must(Run::new("mdbook").args(["build", "docs/guide", "--dest-dir"]).arg(dist.join("guide")))
}

/// `SHA256SUMS` of all files but what they were made from.
fn checksums(dist: &Path) -> Result<(), String> {
    let entries = fs::read_dir(dist).map_err(|error| cannot(dist, &error))?;
    let mut files: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    files.sort();
    let names = files.iter().filter_map(|file| file.file_name());
    let sums = said(Run::new("sha256sum").args(names).folder(dist))?;
    print!("{sums}");
    write(&dist.join("SHA256SUMS"), &sums)
}

/// Runs a program that must succeed.
pub(crate) fn must(run: Run) -> Result<(), String> {
    said(run).map(drop)
}

/// What a program prints that must succeed.
pub(crate) fn said(run: Run) -> Result<String, String> {
    let output = run.quiet().output()?;
    if output.success { Ok(output.stdout) } else { Err("a command failed: see above".to_owned()) }
}

fn make_folder(folder: &Path) -> Result<(), String> {
    fs::create_dir_all(folder).map_err(|error| cannot(folder, &error))
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    fs::copy(from, to).map(drop).map_err(|error| cannot(from, &error))
}

fn write(file: &Path, text: &str) -> Result<(), String> {
    fs::write(file, text).map_err(|error| cannot(file, &error))
}

fn cannot(path: &Path, error: &io::Error) -> String {
    format!("{}: {error}", path.display())
}

#[cfg(test)]
mod tests;
