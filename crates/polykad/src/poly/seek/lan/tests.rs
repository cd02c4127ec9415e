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
