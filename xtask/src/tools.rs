//! Programs that tests need beyond Rust: found, or installed by package name where possible.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crate::shell::{Run, cargo, installed, root, target_dir};

/// Debian packages by a program each brings.
const DEBIAN: [(&str, &str); 4] = [
    ("ip", "iproute2"),
    ("aria2c", "aria2"),
    ("transmission-daemon", "transmission-daemon"),
    ("unshare", "util-linux"),
];
const INSTALL_LIMIT: Duration = Duration::from_mins(10);

/// The Python of an environment under `target/` with what `interop/requirements.txt` names.
pub(crate) fn python() -> Result<PathBuf, String> {
    let requirements = root().join("interop/requirements.txt");
    let wanted = fs::read_to_string(&requirements).map_err(|error| error.to_string())?;
    let home = target_dir().join("interop-venv");
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
        return Err("pip could not install interop/requirements.txt".to_owned());
    }
    fs::write(&stamp, wanted).map_err(|error| error.to_string())?;
    Ok(python)
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
