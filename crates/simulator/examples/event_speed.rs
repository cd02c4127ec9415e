//! How many events a second of one core's time a scenario comes to, from its beginning, and within
//! each tenth of its time, or hundredth if that is more than a day:
//! `cargo run --release -p polykad-simulator --example event_speed FILE [NODES]`.
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "measures time")]

use std::fs;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use simulator::stats::to_f64;
use simulator::{Overrides, ScenarioFile};

/// Time that this thread had a core for, in seconds; where the system does not tell, time that
/// went by.
fn core_seconds(begun: Instant) -> f64 {
    let told = fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanos: Option<f64> =
        told.and_then(|told| told.split_whitespace().next().and_then(|word| word.parse().ok()));
    nanos.map_or_else(|| begun.elapsed().as_secs_f64(), |nanos| nanos / 1e9)
}

const DAY: Duration = Duration::from_hours(24);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("which scenario?")?;
    let nodes = arguments.next().map(|nodes| nodes.parse()).transpose()?;
    let overrides = Overrides { nodes, ..Overrides::default() };
    let file = ScenarioFile::read(path.as_ref(), overrides)?;
    let begun = Instant::now();
    let (mut before, mut events_before) = (core_seconds(begun), 0);
    let started = before;
    let report = simulator::run(&file, NonZeroUsize::MIN, &mut |progress| {
        let share = progress.virtual_now.as_secs_f64() / progress.virtual_end.as_secs_f64();
        let now = core_seconds(begun);
        // Of several runs each counts from zero.
        events_before = if progress.events < events_before { 0 } else { events_before };
        let events = progress.events - events_before;
        let part = if progress.virtual_end > DAY { 1.0 } else { 10.0 };
        if (share * 100.0).round() % part == 0.0 && events > 0 {
            let rate = to_f64(events) / (now - before);
            let lost = progress
                .lost
                .map_or(String::new(), |lost| format!("  {lost} of {} lost", progress.stored));
            println!("{:>3.0} %  {events:>9} events  {rate:>9.0} a second{lost}", share * 100.0);
            (before, events_before) = (now, progress.events);
        }
    })?;
    let took = core_seconds(begun) - started;
    print!("{}", report.to_table());
    for run in report.points.iter().flat_map(|point| &point.runs) {
        let events = run.metrics.get("events").copied().unwrap_or(0.0);
        let bytes = run.metrics.get("nodes.bytes").copied().unwrap_or(0.0);
        println!("trace {}  {bytes:.0} bytes a node", run.trace_hash);
        println!("{events:.0} events in {took:.2} s: {:.0} a second", events / took);
    }
    Ok(())
}
