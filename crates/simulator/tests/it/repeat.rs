//! One seed gives one run, on any number of threads, whoever sleeps meanwhile.

use std::num::NonZeroUsize;
use std::path::Path;

use simulator::{Overrides, Report, ScenarioFile};

fn run(text: &str, threads: usize) -> Report {
    let file =
        ScenarioFile::parse(Path::new("r"), text, Path::new(""), Overrides::default()).unwrap();
    simulator::run(&file, NonZeroUsize::new(threads).unwrap(), &mut |_| ()).unwrap()
}

/// One small scenario of each kind.
const KINDS: [(&str, &str); 4] = [
    ("quiet", "[[workload]]\nkind = \"find\"\nrate = 5\nuntil = \"50s\"\n"),
    (
        "chaos",
        "[population]\nbirth = \"join\"\njoin_over = \"20s\"\n[latency]\njitter = 0.2\n\
         [trouble]\nloss = 0.05\nduplication = 0.05\nreordering = 0.1\ndetour = \"300ms\"\nnat = 0.2\nrestricted = 0.1\n\
         up = 100000\ndown = 100000\nburst_share = 0.1\nburst_length = \"1s\"\nburst_loss = 0.9\n\
         [[happening]]\nat = \"30s\"\nkill = 0.2\njoin = 10\nover = \"5s\"\nsplit = 0.3\n\
         heals_at = \"40s\"\n[[workload]]\nkind = \"put\"\nrate = 2\nfrom = \"25s\"\n\
         [[workload]]\nkind = \"get\"\nrate = 2\nfrom = \"35s\"\n",
    ),
    (
        "churn",
        "[churn]\nmodel = \"exponential\"\nsession = \"60s\"\nabsence = \"60s\"\n\
         keeps_disk = true\n[[workload]]\nkind = \"announce\"\nrate = 2\n",
    ),
    (
        "liars",
        "[[adversary]]\nkind = \"adaptive\"\nshare = 0.2\n\
         [[workload]]\nkind = \"find\"\nrate = 5\nuntil = \"50s\"\n",
    ),
];

fn scenario(name: &str, rest: &str, nodes: u32) -> String {
    format!("name = \"{name}\"\nnodes = {nodes}\nduration = \"60s\"\nseeds = 2\n{rest}")
}

#[test]
fn one_seed_gives_one_run_on_any_number_of_threads() {
    for (name, rest) in KINDS {
        let text = scenario(name, rest, 120);
        let (one, two) = (run(&text, 1), run(&text, 2));
        assert_eq!(one, two, "{name}");
        assert_eq!(one.findings().next(), None, "{name}");
        let [first, second] = &one.points[0].runs[..] else { panic!("two seeds") };
        assert_ne!(first.trace_hash, second.trace_hash, "{name}");
    }
}

#[test]
fn sleeping_changes_nothing() {
    let (name, rest) = KINDS[0];
    let hash = |awake: u32| {
        let rest = format!("[population]\nawake = {awake}\n{rest}");
        run(&scenario(name, &rest, 3000), 1).trace_hash
    };
    assert_eq!(hash(1), hash(100_000));
}
