use super::*;

fn report(millis: u64) -> Report {
    Report { asked: 10, answered: 9, failed: 1, hops: 2, elapsed: Duration::from_millis(millis) }
}

#[test]
fn sums_up() {
    let mut tally = Tally::default();
    for millis in (1..=100).rev() {
        tally.note(true, Some(report(millis)));
    }
    let summary = tally.summary();
    assert_eq!((summary.found, summary.tried), (100, 100));
    assert_eq!(summary.latency_ms, Percentiles { p50: 50.0, p90: 90.0, p99: 99.0 });
    assert!((summary.hops - 2.0).abs() < 1e-9 && (summary.messages - 10.0).abs() < 1e-9);
}

#[test]
fn what_was_not_found_has_no_latency() {
    let mut tally = Tally::default();
    tally.note(false, Some(report(900)));
    tally.note(false, None);
    tally.note(true, Some(report(3)));
    let summary = tally.summary();
    assert_eq!((summary.found, summary.tried), (1, 3));
    assert_eq!(summary.latency_ms, Percentiles { p50: 3.0, p90: 3.0, p99: 3.0 });
    assert_eq!(Tally::default().summary().latency_ms, Percentiles::default());
}
