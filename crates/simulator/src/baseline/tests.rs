use super::*;
use crate::scenario::{Overrides, ScenarioFile};
use std::num::NonZeroUsize;
use std::path::Path;

fn metrics(kind: &str) -> BTreeMap<String, f64> {
    let text = format!(
        "name = \"b\"\nnetwork = \"{kind}\"\nnodes = 1000\nduration = \"120s\"\n\
         [[workload]]\nkind = \"put\"\nrate = 10\nuntil = \"20s\"\nkeys = 100000\n\
         [[workload]]\nkind = \"get\"\nrate = 10\nfrom = \"30s\"\nuntil = \"50s\"\nkeys = 200\n"
    );
    let file =
        ScenarioFile::parse(Path::new("b"), &text, Path::new(""), Overrides::default()).unwrap();
    let report = crate::run(&file, NonZeroUsize::MIN, &mut |_| ()).unwrap();
    assert!(report.holds(), "{}", report.to_table());
    report.points[0].runs[0].metrics.clone()
}

#[test]
fn each_finds_what_it_should() {
    let check = |kind: &str, success: f64, messages: core::ops::Range<f64>| {
        let metrics = metrics(kind);
        assert!(metrics["get.success"] >= success, "{kind}: {metrics:#?}");
        assert!(messages.contains(&metrics["get.messages"]), "{kind}: {metrics:#?}");
    };
    check("central", 1.0, 1.5..2.1);
    check("flooding", 0.9, 3.0..5.0);
    check("walks", 0.9, 30.0..33.0);
    check("chord", 1.0, 2.0..9.0);
    check("small-world", 1.0, 0.9..1.1);
}
