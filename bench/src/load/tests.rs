use super::*;

#[test]
fn percentiles() {
    let counts = Counts { latencies: (1..=100).map(|ms| ms * 1000).collect(), ..Counts::default() };
    for (part, expected) in [(0.0, 1.0), (0.5, 51.0), (0.99, 99.0), (1.0, 100.0)] {
        assert!((counts.latency_ms(part) - expected).abs() < 1e-9, "{part}");
    }
    assert!(Counts::default().latency_ms(0.5).abs() < f64::EPSILON);
}

#[test]
fn nobody_answers() {
    let load = Load {
        target: SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9),
        source: Ipv4Addr::LOCALHOST,
        sources: 1,
        spacing: 1,
        kind: Kind::Ping,
        pace: Pace::Rate(1000),
        duration: Duration::from_millis(50),
    };
    let counts = load.run().unwrap();
    assert!(counts.sent >= 10 && counts.sent <= 50, "{}", counts.sent);
    assert_eq!(counts.answered, 0);
}
