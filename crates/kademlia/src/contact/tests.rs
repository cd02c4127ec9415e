use super::*;

#[test]
fn rtt_follows_what_is_measured() {
    let mut rtt = Rtt::new(Duration::from_millis(100));
    assert_eq!(rtt.overdue(), Duration::from_millis(300));
    for _ in 0..200 {
        rtt.observe(Duration::from_millis(20));
    }
    assert!(rtt.smoothed() < Duration::from_millis(25), "{rtt:?}");
    assert!(rtt.overdue() < Duration::from_millis(30), "{rtt:?}");
}

#[test]
fn rtt_saturates() {
    let mut rtt = Rtt::new(Duration::from_hours(1));
    rtt.observe(Duration::from_hours(1));
    assert!(rtt.smoothed() > Duration::from_secs(6));
}

#[test]
fn subnets_are_24_and_64_bits_and_never_collide() {
    let v4 = |text: &str| text.parse::<SocketAddrV4>().unwrap().subnet();
    let v6 = |text: &str| text.parse::<SocketAddrV6>().unwrap().subnet();
    assert_eq!(v4("198.51.100.1:1"), v4("198.51.100.255:2"));
    assert_ne!(v4("198.51.100.1:1"), v4("198.51.101.1:1"));
    assert_eq!(v6("[2001:db8::1]:1"), v6("[2001:db8::ffff:0:0:1]:1"));
    assert_ne!(v6("[2001:db8::1]:1"), v6("[2001:db8:0:1::1]:1"));
    assert_ne!(v6("[::1]:1"), v4("0.0.0.1:1"));
}

#[test]
fn unusable_addresses() {
    for bad in ["1.2.3.4:0", "0.0.0.0:1", "0.1.2.3:1", "255.255.255.255:1", "224.0.0.1:1"] {
        assert!(!bad.parse::<SocketAddrV4>().unwrap().is_usable(), "{bad}");
    }
    for bad in ["[::]:1", "[ff02::1]:1", "[::ffff:1.2.3.4]:1", "[2001:db8::1]:0"] {
        assert!(!bad.parse::<SocketAddrV6>().unwrap().is_usable(), "{bad}");
    }
    assert!("127.0.0.1:1".parse::<SocketAddrV4>().unwrap().is_usable());
}

#[test]
fn a_contact_with_its_standing_stays_small() {
    assert!(size_of::<(Contact<SocketAddrV4>, Standing)>() <= 60);
}

#[test]
fn who_is_older_than_we_are_may_say_so() {
    let at = |s: u64| Moment::from_micros(s * 1_000_000);
    let mut standing = Standing::new(at(10), Rtt::new(Duration::from_millis(5)), true);
    assert_eq!(standing.age(), Duration::ZERO);
    standing.says_age(at(12), Duration::from_hours(5));
    assert_eq!(standing.first_answer(), at(10), "what it says is not what we know");
    standing.answered(at(3610), None);
    assert_eq!(standing.age(), Duration::from_mins(5 * 60 - 1 + 60));
    standing.says_age(at(3610), Duration::from_mins(10));
    assert_eq!(standing.age(), Duration::from_hours(1), "it was there");
    standing.says_age(at(3610), Duration::MAX);
    assert!(standing.age() > Duration::from_hours(24 * 45));
}
