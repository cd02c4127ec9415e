use super::*;

#[test]
fn whoever_listens_on_loopback_alone_says_nothing() {
    let called = Called::new("polykad", None);
    let lan = |listen: &[&str]| {
        let listen: Vec<SocketAddr> = listen.iter().map(|one| one.parse().unwrap()).collect();
        Lan::new(&called, &listen, [3; 32])
    };
    assert!(lan(&["127.0.0.1:1", "[::1]:1"]).is_none());
    let both = lan(&["0.0.0.0:7654", "[::1]:7654"]).unwrap();
    assert_eq!(both.listen, ["0.0.0.0:7654".parse().unwrap()]);
    assert!(both.is_own("0303030303030303-4._polykad-0._udp.local."));
    assert!(!both.is_own("0303030303030304-4._polykad-0._udp.local."));
}

#[test]
fn records_are_counted_when_memory_has_grown_and_now_and_then() {
    let mut growth = Growth::default();
    assert!(growth.is_suspicious(Some(1000)), "the first time");
    assert!(!growth.is_suspicious(Some(1200)));
    assert!(growth.is_suspicious(Some(1300)));
    assert!(!growth.is_suspicious(Some(900)));
    assert!(growth.is_suspicious(Some(1200)), "from the least on");
    let counted = (0..100).filter(|_| growth.is_suspicious(Some(1200))).count();
    assert_eq!(counted, 5);
    assert!(growth.is_suspicious(None) && growth.is_suspicious(None), "unknown");
}
