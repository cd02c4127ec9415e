use super::*;
use crate::scenario::{Overrides, ScenarioFile};
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;

fn metrics(text: &str) -> BTreeMap<String, f64> {
    let file =
        ScenarioFile::parse(Path::new("a"), text, Path::new(""), Overrides::default()).unwrap();
    let report = crate::run(&file, NonZeroUsize::MIN, &mut |_| ()).unwrap();
    assert!(report.holds(), "{}", report.to_table());
    report.points[0].runs[0].metrics.clone()
}

fn finds(adversary: &str) -> BTreeMap<String, f64> {
    metrics(&format!(
        "name = \"a\"\nnodes = 2000\nduration = \"60s\"\n\
         [[workload]]\nkind = \"find\"\nrate = 10\nuntil = \"30s\"\n{adversary}"
    ))
}

#[test]
fn liars_keep_lookups_from_the_key() {
    let honest = finds("");
    assert!(honest["find.reached"] > 0.99 && honest["find.recall"] > 0.95, "{honest:#?}");
    // In so small a network many a node knows the key's neighbourhood by itself.
    for (kind, recall) in [("colluders", 0.8), ("adaptive", 0.8), ("forgers", 0.8)] {
        let lied = finds(&format!("[[adversary]]\nkind = \"{kind}\"\nshare = 0.3\n"));
        assert!(lied["find.recall"] < recall, "{kind}: {lied:#?}");
    }
}

#[test]
fn sybils_may_have_their_ids() {
    let mut draw = Draw::new(1, 2, 3);
    let target = [0x5a; 20];
    let (address, id) = near(&target, &mut draw);
    assert!(id_matches((*address.ip()).into(), &wire::Id::new(id)));
    assert_eq!(Key::from(id).shared_prefix(&Key::from(target)) / 8, 17);
}

#[test]
fn sybils_hide_what_is_announced_under_their_topic() {
    let seek = |adversary: &str| {
        metrics(&format!(
            "name = \"a\"\nnodes = 500\nduration = \"5m\"\n\
             [[workload]]\nkind = \"announce\"\nrate = 1\nfrom = \"60s\"\nkeys = 1\ncount = 3\n\
             [[workload]]\nkind = \"seek\"\nrate = 2\nfrom = \"2m\"\nkeys = 1\n{adversary}"
        ))["seek.success"]
    };
    assert!(seek("") > 0.99);
    let hidden = seek("[[adversary]]\nkind = \"sybils\"\ncount = 30\n");
    assert!(hidden < 0.5, "{hidden}");
}

#[test]
fn floods_and_forgeries_are_sent() {
    let flooded = finds("[[adversary]]\nkind = \"flooders\"\ncount = 2\nrate = 200\n");
    assert!(flooded["messages"] > 20_000.0, "{flooded:#?}");
    let spoofed = finds("[[adversary]]\nkind = \"spoofers\"\ncount = 1\nrate = 200\n");
    assert!(spoofed["load.max_over_mean"] > 20.0, "{spoofed:#?}");
    let polluted = metrics(
        "name = \"a\"\nnodes = 300\nduration = \"3m\"\n\
         [[workload]]\nkind = \"announce\"\nrate = 1\nfrom = \"60s\"\nkeys = 1\ncount = 1\n\
         [[adversary]]\nkind = \"polluters\"\ncount = 20\n",
    );
    assert!(polluted["nodes.values"] > 0.3, "{polluted:#?}");
}
