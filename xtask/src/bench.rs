//! `cargo xtask bench`: builds what is measured and hands over to the bench crate.

use std::fs;
use std::time::Duration;

use crate::build;
use crate::shell::{Run, installed, target_dir};
use crate::tools;

const LIMIT: Duration = Duration::from_hours(2);
const USAGE: &str = "usage: cargo xtask bench mainline [--rounds N] [--seconds S] [--json]
       cargo xtask bench store [--values N] [--bytes N] [--only polykad|fjall|redb]
       cargo xtask bench store --kills N [--seed N]
       cargo xtask bench store --rounds N [--values N] [--bytes N] [--cold]
       cargo xtask bench poly [--only polykad,OpenDHT,HyperDHT,libp2p-kad]
                         [--nodes N] [--json]";

/// `cargo xtask bench WHAT [OPTION...]`; the options are the bench program's.
pub(crate) fn run(arguments: &[&str]) -> Result<bool, String> {
    match arguments.split_first() {
        Some((&"mainline", options)) => mainline(options),
        Some((&"store", options)) => store(options),
        Some((&"poly", options)) => poly(options),
        _ => Err(USAGE.into()),
    }
}

fn mainline(options: &[&str]) -> Result<bool, String> {
    has_namespaces()?;
    let polykad = build::release("polykad-cli", "polykad")?;
    let mut run = bench("mainline")?.arg("--polykad").arg(polykad);
    if let Some(echo) = build::example("polykad", "echo") {
        run = run.arg("--echo").arg(echo);
    }
    match tools::python() {
        Ok(python) => run = run.arg("--python").arg(python),
        Err(reason) => eprintln!("without libtorrent: {reason}"),
    }
    ends_well(run, options)
}

/// The disk store: measured, or killed again and again; or a node over it.
fn store(options: &[&str]) -> Result<bool, String> {
    let command = match options {
        _ if options.contains(&"--kills") => "store-kill",
        _ if options.contains(&"--rounds") => "store-restart",
        _ => "store",
    };
    let folder = target_dir().join("bench-store");
    // What an earlier run left is nothing to begin with.
    let _ = fs::remove_dir_all(&folder);
    let done = ends_well(bench(command)?.arg("--folder").arg(&folder), options);
    let _ = fs::remove_dir_all(&folder);
    done
}

/// Networks of 100 nodes, ours and others'.
fn poly(options: &[&str]) -> Result<bool, String> {
    has_namespaces()?;
    let polykad = build::release("polykad-cli", "polykad")?;
    let mut run = bench("poly")?.arg("--polykad").arg(polykad);
    match tools::python_with("interop/bench/requirements.txt", "bench-venv") {
        Ok(python) => run = run.arg("--python").arg(python),
        Err(reason) => eprintln!("without OpenDHT: {reason}"),
    }
    match tools::modules() {
        Ok(modules) => run = run.args(["--node", "node", "--modules"]).arg(modules),
        Err(reason) => eprintln!("without HyperDHT: {reason}"),
    }
    // It takes minutes to build.
    if is_wanted("libp2p-kad", options) {
        match build::apart("interop/bench/libp2p", "polykad-interop-libp2p") {
            Ok(libp2p) => run = run.arg("--libp2p").arg(libp2p),
            Err(reason) => eprintln!("without libp2p-kad: {reason}"),
        }
    }
    ends_well(run, options)
}

/// Whether `--only`, if given, names it.
fn is_wanted(name: &str, options: &[&str]) -> bool {
    let only = options.iter().skip_while(|option| **option != "--only").nth(1);
    only.is_none_or(|only| only.split(',').any(|word| word == name))
}

fn has_namespaces() -> Result<(), String> {
    let has = installed("unshare") && installed("ip");
    has.then_some(()).ok_or_else(|| "needs `unshare` (util-linux) and `ip` (iproute2)".into())
}

fn bench(command: &str) -> Result<Run, String> {
    Ok(Run::new(build::release("polykad-bench", "polykad-bench")?).arg(command))
}

fn ends_well(run: Run, options: &[&str]) -> Result<bool, String> {
    Ok(run.args(options).limit(LIMIT).output()?.success)
}
