use super::*;

fn endpoint(text: &str) -> Endpoint {
    Endpoint::new(text.parse().unwrap())
}

fn tested() -> Reach {
    let mut reach = Reach::new(true);
    reach.found_somebody(Moment::START);
    reach
}

#[test]
fn strangers_of_two_subnets_prove_it() {
    let mut reach = tested();
    for (from, expected) in [
        ("192.0.2.1:7654", None),
        ("192.0.2.9:7654", None),
        ("198.51.100.1:7654", Some(Reachability::Reachable)),
    ] {
        reach.heard_from(Moment::START, endpoint(from));
        assert_eq!(reach.judgement(), expected, "{from}");
    }
}

#[test]
fn what_comes_through_a_hole_proves_nothing() {
    let mut reach = tested();
    reach.spoke(Moment::START, endpoint("192.0.2.1:7654"));
    reach.spoke(Moment::START, endpoint("127.0.0.1:1"));
    // A NAT that lets in whatever a host sends, of whichever port.
    reach.heard_from(Moment::START, endpoint("192.0.2.1:9999"));
    reach.heard_from(Moment::START, endpoint("127.0.0.1:1"));
    assert!(reach.evidence.strangers.is_empty());
    // After a while the hole is closed.
    let later = Moment::START + LISTEN + Duration::from_secs(1);
    reach.heard_from(later, endpoint("192.0.2.1:7654"));
    assert_eq!(reach.evidence.strangers.len(), 1);
    reach.evidence.strangers.clear();
    // Nodes of one machine are told apart by their ports.
    reach.heard_from(Moment::START, endpoint("127.0.0.1:2"));
    reach.heard_from(Moment::START, endpoint("127.0.0.1:3"));
    assert_eq!(reach.judgement(), Some(Reachability::Reachable));
}

#[test]
fn only_many_calls_in_vain_say_that_it_is_not() {
    let with = |helpers: u64, promised, hails| {
        let mut reach = tested();
        reach.evidence.helpers.extend((0..helpers).map(|helper| (helper, 0)));
        (reach.evidence.promised, reach.evidence.hails) = (promised, hails);
        reach.judgement()
    };
    assert_eq!(with(4, 10, 0), Some(Reachability::Unreachable));
    assert_eq!(with(3, 10, 0), None, "three may lie");
    assert_eq!(with(4, 9, 0), None);
    assert_eq!(with(4, 10, 1), None);
    assert_eq!(with(4, 40, 30), Some(Reachability::Unreachable), "30 came through holes");
    assert_eq!(with(4, 100, 90), None, "networks lose some");
    assert_eq!(with(0, 0, 0), None);
}

#[test]
fn who_never_tests_notes_nothing() {
    let mut reach = Reach::new(false);
    reach.found_somebody(Moment::START);
    reach.spoke(Moment::START, endpoint("192.0.2.1:7654"));
    reach.heard_from(Moment::START, endpoint("198.51.100.1:7654"));
    assert!(reach.spoken.is_empty() && reach.evidence.strangers.is_empty());
    assert_eq!(reach.next_timeout(), None);
}
