//! `cargo xtask wheel`: the Python package as a wheel for every Python from 3.9 on (abi3), by
//! maturin; installed into an environment of its own and imported.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::dist::{must, said};
use crate::shell::{Run, root, target_dir};

/// Programs that make and check wheels, as pip names them.
const TOOLS: [&str; 1] = ["maturin>=1.9,<2"];
const INSTALL_LIMIT: Duration = Duration::from_mins(10);

/// `cargo xtask wheel`.
pub(crate) fn run() -> Result<bool, String> {
    let folder = root().join("target/dist");
    fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let wheel = make(&folder)?;
    println!("{}", wheel.display());
    Ok(true)
}

/// Makes the wheel in a folder; its path.
pub(crate) fn make(folder: &Path) -> Result<PathBuf, String> {
    let python = environment("wheel-tools", &TOOLS)?;
    // Of the same version an older one would be installed.
    wheels(folder).into_iter().try_for_each(fs::remove_file).map_err(|error| error.to_string())?;
    must(
        Run::new(&python)
            .args(["-m", "maturin", "build", "--release", "--quiet", "--out"])
            .arg(folder)
            .args(["--manifest-path", "crates/python/Cargo.toml"])
            .env("CARGO_TARGET_DIR", target_dir()),
    )?;
    let wheel = wheels(folder).pop().ok_or("maturin made no wheel")?;
    let tried = environment("wheel-tried", &[])?;
    must(
        Run::new(&tried)
            .args(["-m", "pip", "install", "--quiet", "--no-index", "--force-reinstall"])
            .arg("--disable-pip-version-check")
            .arg(&wheel),
    )?;
    let version =
        said(Run::new(&tried).args(["-c", "import polykad; print(polykad.__version__)"]))?;
    if version.trim() != env!("CARGO_PKG_VERSION") {
        return Err(format!("the wheel is of version {}", version.trim()));
    }
    Ok(wheel)
}

fn wheels(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    paths.filter(|path| path.extension().is_some_and(|end| end == "whl")).collect()
}

/// The Python of an environment under the target folder that has these packages.
fn environment(name: &str, packages: &[&str]) -> Result<PathBuf, String> {
    let home = target_dir().join(name);
    let python = home.join("bin/python");
    if !python.is_file() {
        must(Run::new("python3").args(["-m", "venv"]).arg(&home))?;
    }
    if !packages.is_empty() {
        must(
            Run::new(&python)
                .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
                .args(packages)
                .limit(INSTALL_LIMIT),
        )?;
    }
    Ok(python)
}
