//! Programs that tests need beyond Rust: found, or installed by package name where possible.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crate::shell::{Run, cargo, installed, root, target_dir};

/// Debian packages by a program each brings.
const DEBIAN: [(&str, &str); 5] = [
    ("ip", "iproute2"),
    ("aria2c", "aria2"),
    ("transmission-daemon", "transmission-daemon"),
    ("unshare", "util-linux"),
    ("faketime", "faketime"),
];
const INSTALL_LIMIT: Duration = Duration::from_mins(10);

/// The Python of an environment under `target/` with what `interop/requirements.txt` names.
pub(crate) fn python() -> Result<PathBuf, String> {
    python_with("interop/requirements.txt", "interop-venv")
}

/// The Python of an environment of this name under `target/`, with what a file names.
pub(crate) fn python_with(requirements: &str, name: &str) -> Result<PathBuf, String> {
    let file = requirements;
    let requirements = root().join(file);
    let wanted = fs::read_to_string(&requirements).map_err(|error| error.to_string())?;
    let home = target_dir().join(name);
    let python = home.join("bin/python");
    let stamp = home.join("requirements.txt");
    if fs::read_to_string(&stamp).is_ok_and(|had| had == wanted) && python.is_file() {
        return Ok(python);
    }
    let made = Run::new("python3").args(["-m", "venv", "--clear"]).arg(&home).quiet().succeeds();
    if !made {
        install_debian(&["python3-venv"])?;
        let again = Run::new("python3").args(["-m", "venv", "--clear"]).arg(&home).succeeds();
        again.then_some(()).ok_or("python3 -m venv does not work: install python3-venv")?;
    }
    let filled = Run::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"])
        .arg(&requirements)
        .limit(INSTALL_LIMIT)
        .succeeds();
    if !filled {
        return Err(format!("pip could not install {file}"));
    }
    fs::write(&stamp, wanted).map_err(|error| error.to_string())?;
    Ok(python)
}

/// A folder under `target/` with the packages that `interop/bench/package.json` names.
pub(crate) fn modules() -> Result<PathBuf, String> {
    let wanted = root().join("interop/bench/package.json");
    let home = target_dir().join("bench-modules");
    let has = home.join("package.json");
    let text = fs::read_to_string(&wanted).map_err(|error| error.to_string())?;
    if fs::read_to_string(&has).is_ok_and(|had| had == text) && home.join("node_modules").is_dir() {
        return Ok(home);
    }
    if !installed("npm") || !installed("node") {
        return Err("needs `node` and `npm`".to_owned());
    }
    fs::create_dir_all(&home).map_err(|error| error.to_string())?;
    fs::write(&has, &text).map_err(|error| error.to_string())?;
    let install = Run::new("npm").args(["install", "--silent", "--no-audit", "--no-fund"]);
    if install.folder(&home).limit(INSTALL_LIMIT).succeeds() {
        return Ok(home);
    }
    // Not to be taken for whole next time; if it stays, installing it again mends it.
    let _ = fs::remove_file(&has);
    Err("npm could not install interop/bench/package.json".to_owned())
}

/// Installs what is missing of the real clients; what is still missing then.
pub(crate) fn clients() -> Vec<&'static str> {
    let missing: Vec<&str> = DEBIAN
        .iter()
        .filter(|(program, _)| !installed(program))
        .map(|(_, package)| *package)
        .collect();
    if !missing.is_empty()
        && let Err(reason) = install_debian(&missing)
    {
        println!("{reason}");
    }
    DEBIAN.iter().map(|(program, _)| *program).filter(|program| !installed(program)).collect()
}

/// Makes `cargo fuzz` available.
pub(crate) fn cargo_fuzz() -> Result<(), String> {
    if installed("cargo-fuzz") || cargo().args(["fuzz", "--version"]).quiet().succeeds() {
        return Ok(());
    }
    let done = cargo().args(["install", "--locked", "cargo-fuzz"]).limit(INSTALL_LIMIT).succeeds();
    done.then_some(()).ok_or_else(|| "cargo install cargo-fuzz failed".to_owned())
}

fn install_debian(packages: &[&str]) -> Result<(), String> {
    let names = packages.join(" ");
    let is_root = fs::metadata("/proc/self").is_ok_and(|entry| {
        use std::os::unix::fs::MetadataExt;
        entry.uid() == 0
    });
    if !is_root || !installed("apt-get") {
        return Err(format!("missing, and only root can install: apt-get install {names}"));
    }
    let apt = || Run::new("apt-get").env("DEBIAN_FRONTEND", "noninteractive").limit(INSTALL_LIMIT);
    let install =
        || apt().args(["install", "--yes", "--no-install-recommends", "--quiet"]).args(packages);
    // Package lists may be missing or old.
    if install().quiet().succeeds()
        || apt().args(["update", "--quiet"]).succeeds() && install().succeeds()
    {
        return Ok(());
    }
    Err(format!("apt-get install {names} failed"))
}
