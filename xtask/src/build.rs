//! Our own programs, built for the tests and benchmarks that run them.

use std::path::PathBuf;

use crate::shell::{Output, cargo, root, target_dir};

/// Builds the release binary of a package; its path.
pub(crate) fn release(package: &str, binary: &str) -> Result<PathBuf, String> {
    let built = cargo().args(["build", "--release", "--quiet", "--package", package]).output()?;
    require(&built, package)?;
    Ok(target_dir().join("release").join(binary))
}

/// Builds the debug binary of a package; its path.
pub(crate) fn debug(package: &str, binary: &str) -> Result<PathBuf, String> {
    let built = cargo().args(["build", "--quiet", "--package", package]).output()?;
    require(&built, package)?;
    Ok(target_dir().join("debug").join(binary))
}

/// Builds the release binary of a crate apart from the workspace, in a folder of its own under
/// `target/`; its path.
pub(crate) fn apart(folder: &str, binary: &str) -> Result<PathBuf, String> {
    let home = target_dir().join(binary.trim_start_matches("polykad-"));
    let built = cargo()
        .args(["build", "--release", "--quiet", "--locked", "--manifest-path"])
        .arg(root().join(folder).join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&home)
        .output()?;
    require(&built, folder)?;
    Ok(home.join("release").join(binary))
}

/// Builds an example of a package, if it has one of that name; its path.
pub(crate) fn example(package: &str, name: &str) -> Option<PathBuf> {
    let built = cargo()
        .args(["build", "--release", "--quiet", "--package", package, "--example", name])
        .quiet()
        .succeeds();
    built.then(|| target_dir().join("release/examples").join(name))
}

fn require(built: &Output, package: &str) -> Result<(), String> {
    if built.success { Ok(()) } else { Err(format!("package {package} does not build: see above")) }
}
