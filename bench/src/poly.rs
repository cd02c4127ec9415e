//! `polykad-bench poly`: networks of 100 nodes on this machine, ours and others', in one run.
//!
//! Each contender is a program that runs all nodes in one process and measures itself: so CPU is
//! that of the whole network. It prints one object of `Figures`. Ours is the command `poly-ours`;
//! the drivers of others are in `interop/bench/`.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::isolate;
use crate::options::Options;

mod ours;
mod table;

pub(crate) use ours::run as ours;
use table::Contender;

/// Put on `lo`: contenders that limit what one address may do get one for each node.
const NETWORK: &str = "10.77.0.1/16";

/// `polykad-bench poly`.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    if !options.has("inside") {
        return isolate::enter(&[]);
    }
    isolate::set_up_addresses(NETWORK)?;
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let only = options.text("only");
    let mut contenders = Vec::new();
    for (name, program, first) in programs(options, own)? {
        if only.is_some_and(|only| !only.split(',').any(|word| word == name)) {
            continue;
        }
        eprintln!("{name} is measured");
        match measure(&program, &first, options) {
            Ok(figures) => contenders.push(Contender { name, figures }),
            Err(reason) => eprintln!("{name} is not in the table: {reason}"),
        }
    }
    if options.has("json") {
        let all: serde_json::Map<String, Value> =
            contenders.into_iter().map(|one| (one.name.to_owned(), one.figures)).collect();
        println!("{:#}", Value::Object(all));
    } else {
        print!("{}", table::of(&contenders));
    }
    Ok(())
}

type Program = (&'static str, PathBuf, Vec<String>);

/// Who can be run, and how.
fn programs(options: &Options, own: PathBuf) -> Result<Vec<Program>, String> {
    let drivers = concat!(env!("CARGO_MANIFEST_DIR"), "/../interop/bench/");
    let driver = |name: &str| vec![format!("{drivers}{name}")];
    let mut ours = vec!["poly-ours".to_owned()];
    if let Some(polykad) = options.text("polykad") {
        ours.extend(["--polykad".to_owned(), polykad.to_owned()]);
    }
    let mut all = vec![("polykad", own, ours)];
    if let Some(python) = options.maybe("python")? {
        all.push(("OpenDHT", python, driver("opendht_network.py")));
    }
    if let Some(node) = options.maybe("node")? {
        let mut words = driver("hyperdht_network.cjs");
        words.extend(["--modules".to_owned(), options.required("modules")?]);
        all.push(("HyperDHT", node, words));
    }
    if let Some(libp2p) = options.maybe("libp2p")? {
        all.push(("libp2p-kad", libp2p, Vec::new()));
    }
    Ok(all)
}

/// Runs one, and reads the last line it prints.
fn measure(program: &PathBuf, first: &[String], options: &Options) -> Result<Value, String> {
    let mut command = Command::new(program);
    command.args(first).stdin(Stdio::null()).stderr(Stdio::inherit());
    for name in ["nodes", "values", "kept", "parts"] {
        if let Some(value) = options.text(name) {
            command.args([&format!("--{name}"), value]);
        }
    }
    let output = command.output().map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text.lines().next_back().ok_or("it printed nothing")?;
    serde_json::from_str(last).map_err(|error| format!("{error} in {last:?}"))
}
