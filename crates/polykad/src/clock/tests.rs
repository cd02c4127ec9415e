use super::*;

#[test]
fn moments_and_seconds_convert_both_ways() {
    let calendar =
        Calendar { now: Moment::from_micros(100_000_000), unix: Duration::from_secs(1_000_000) };
    for (micros, unix) in [
        (100_000_000, 1_000_000),
        (100_000_001, 1_000_001),
        (90_000_000, 999_990),
        (0, 999_900),
        (7_300_000_000, 1_007_200),
    ] {
        assert_eq!(calendar.to_unix(Moment::from_micros(micros)), unix);
    }
    for (unix, micros) in
        [(1_000_000, 100_000_000), (999_990, 90_000_000), (0, 0), (1_007_200, 7_300_000_000)]
    {
        assert_eq!(calendar.moment(unix), Moment::from_micros(micros));
    }
    assert_eq!(calendar.moment(u64::MAX).as_micros(), u64::MAX);
}

#[test]
fn distant_moments_have_an_instant() {
    let clock = Clock::start();
    let end = clock.instant(Moment::from_micros(u64::MAX));
    assert!(end > Instant::now() + Duration::from_hours(24));
    assert!(clock.instant(Moment::START) <= Instant::now());
}
