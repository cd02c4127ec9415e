//! `cargo xtask deb`: the Debian package, by cargo-deb.
//!
//! What is in it stands in `crates/cli/Cargo.toml` under `package.metadata.deb`; scripts, unit and
//! system user are in `packaging/`.

use std::path::Path;
use std::time::Duration;

use crate::dist::{self, must};
use crate::shell::{Run, cargo, installed};

/// `cargo xtask deb`.
pub(crate) fn run() -> Result<bool, String> {
    let folder = dist::folder()?;
    dist::stage(&folder)?;
    make(&folder)?;
    Ok(true)
}

/// Makes the package in a folder, of what was staged there, and has lintian look at it where that
/// is installed.
pub(crate) fn make(folder: &Path) -> Result<(), String> {
    for program in ["dpkg-deb", "dpkg-shlibdeps"] {
        if !installed(program) {
            return Err(format!("{program} is not installed: apt-get install dpkg-dev"));
        }
    }
    cargo_deb()?;
    must(
        cargo()
            .args(["deb", "--no-build", "--strip", "--package", "polykad-cli", "--output"])
            .arg(format!("{}/", folder.display())),
    )?;
    if installed("lintian") {
        let entries = std::fs::read_dir(folder).map_err(|error| error.to_string())?;
        let packages = entries.flatten().map(|entry| entry.path());
        let packages = packages.filter(|path| path.extension().is_some_and(|end| end == "deb"));
        must(Run::new("lintian").args(["--fail-on", "error,warning"]).args(packages))?;
    }
    Ok(())
}

/// Makes `cargo deb` available.
fn cargo_deb() -> Result<(), String> {
    if installed("cargo-deb") || cargo().args(["deb", "--version"]).hushed().succeeds() {
        return Ok(());
    }
    must(cargo().args(["install", "--locked", "cargo-deb"]).limit(Duration::from_mins(20)))
}

#[cfg(test)]
mod tests;
