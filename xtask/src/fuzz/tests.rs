use super::*;

#[test]
fn reads_statistics() {
    let text = "Done\nstat::number_of_executed_units: 4096\nstat::peak_rss_mb:       57\n";
    for (name, expected) in [("number_of_executed_units", 4096), ("peak_rss_mb", 57), ("no", 0)] {
        assert_eq!(statistic(text, name), expected, "{name}");
    }
}

#[test]
fn parses_arguments() {
    let parsed = parse(&["--executions", "1_000", "--record", "wire"]).unwrap();
    assert_eq!(parsed, (Dose::Executions(1000), true, vec!["wire".to_owned()]));
    assert_eq!(parse(&[]).unwrap().0, Dose::Executions(EXECUTIONS));
    for wrong in [&["--executions"][..], &["--seconds", "x"], &["--what"]] {
        assert!(parse(wrong).is_err(), "{wrong:?}");
    }
}
