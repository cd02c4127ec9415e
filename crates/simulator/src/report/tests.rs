use super::*;

fn report() -> Report {
    let text = "name = \"a <b>\"\nnodes = 10\nduration = \"1s\"\n\
                [[assert]]\nmetric = \"x\"\nat_least = 2.0\n";
    let scenario: Scenario = toml::from_str(text).unwrap();
    let run = |seed: u64, x: f64| RunReport {
        seed,
        trace_hash: "0f".into(),
        metrics: BTreeMap::from([("x".into(), x)]),
        distributions: BTreeMap::from([(
            "find.latency".into(),
            vec![(1000.0, 0.5), (9000.0, 1.0)],
        )]),
        over_time: BTreeMap::new(),
        findings: Vec::new(),
    };
    let point =
        |label: &str, x: f64| PointReport::new(label.into(), 10, vec![run(1, x), run(2, x + 1.0)]);
    Report::new(&scenario, vec![point("n = 1", 1.0), point("n = 2", 2.0), point("n = 3", 3.0)])
}

#[test]
fn assertions_are_judged_for_each_point() {
    let report = report();
    assert_eq!(report.assertions.iter().map(|c| c.holds).collect::<Vec<_>>(), [false, true, true]);
    assert!(!report.holds());
}

#[test]
fn the_page_is_self_contained_and_escaped() {
    let page = report().to_html();
    assert!(page.contains("a &lt;b&gt;") && page.contains("<svg") && page.contains("polyline"));
    assert!(!page.contains("http") && !page.contains("<script"));
}

#[test]
fn kinds_are_compared_side_by_side_in_colours_of_their_own() {
    let mut report = report();
    for (point, kind) in report.points.iter_mut().zip(["chord", "walks", "mainline"]) {
        point.label = format!("network = \"{kind}\"");
        let found = Estimate::new(&[0.5]);
        point.metrics.insert("after_kill.found".into(), found);
    }
    report.points[0].runs[0].distributions.clear();
    let page = report.to_html();
    assert!(page.contains("<figcaption>after_kill.found") && page.contains("<th>network</th>"));
    // The second keeps its colour where the first has nothing to show.
    let legend = "</svg><ul><li><b style=\"background:#d55e00\"></b>walks</li>";
    assert!(page.contains(legend), "{page}");
}

#[test]
fn the_table_shows_means_with_their_certainty() {
    let table = report().to_table();
    assert!(table.contains("1.500 ± 6.353"), "{table}");
    assert!(table.contains("FAILS: x = 1.500, at least 2.000 with n = 1"), "{table}");
}

#[test]
fn numbers_are_readable() {
    for (value, expected) in
        [(0.0, "0"), (1_234_567.0, "1,234,567"), (123.4, "123"), (12.34, "12.3"), (0.5, "0.500")]
    {
        assert_eq!(readable(value), expected);
    }
}
