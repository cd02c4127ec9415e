//! Runs a scenario file and prints the table: a front end for measuring.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "front ends may look at the clock"
)]

use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Instant;

use simulator::{Overrides, ScenarioFile};

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, path, rest @ ..] = arguments.as_slice() else {
        eprintln!("usage: probe SCENARIO.toml [NODES]");
        return;
    };
    let nodes = rest.first().and_then(|nodes| nodes.parse().ok());
    let overrides = Overrides { nodes, ..Overrides::default() };
    let begun = Instant::now();
    let result = ScenarioFile::read(Path::new(path), overrides)
        .and_then(|file| simulator::run(&file, NonZeroUsize::MIN, &mut |_| ()));
    match result {
        Ok(report) => {
            let events: f64 = report
                .points
                .iter()
                .flat_map(|p| &p.runs)
                .map(|run| run.metrics.get("events").copied().unwrap_or(0.0))
                .sum();
            println!("{}", report.to_table());
            let took = begun.elapsed().as_secs_f64();
            println!("{took:.1} s, {:.0} events/s", events / took);
            let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
            let peak = status.lines().find(|line| line.starts_with("VmHWM"));
            println!("{}", peak.unwrap_or_default());
            let page = Path::new(path).with_extension("html");
            if let Some(name) = page.file_name() {
                let _ = std::fs::write(std::env::temp_dir().join(name), report.to_html());
            }
        }
        Err(error) => eprintln!("{error}"),
    }
}
