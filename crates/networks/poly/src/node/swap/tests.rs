use super::*;

const START: Moment = Moment::from_micros(3_600_000_000);

fn version(body: u64) -> Version {
    Version { seq: 2, body, expires: 0 }
}

#[test]
fn a_promise_holds_for_a_while_and_can_be_given_back() {
    let mut promises = Promises::default();
    assert!(promises.give(START, 7, version(1)));
    assert!(promises.give(START, 7, version(1)), "to the same again");
    assert!(!promises.give(START, 7, version(2)));
    assert!(promises.give(START, 8, version(2)), "of another record");
    promises.end(7, version(2));
    assert!(!promises.allow(START, 7, version(2)), "who has it not, can't give it back");
    promises.end(7, version(1));
    assert!(promises.give(START, 7, version(2)));
    assert!(promises.give(START + PROMISED_FOR, 7, version(3)), "it has ended");
}

#[test]
fn what_is_held_ends_what_was_promised_to_it_or_before() {
    let mut promises = Promises::default();
    promises.give(START, 7, version(1));
    promises.overtaken(7, Version { seq: 1, body: 9, expires: 0 });
    assert!(!promises.allow(START, 7, version(2)), "an older one is held");
    promises.overtaken(7, version(1));
    assert!(promises.allow(START, 7, version(2)));
}

#[test]
fn promises_take_bounded_memory() {
    let mut promises = Promises::default();
    let given = (0..5000).filter(|mark| promises.give(START, *mark, version(1))).count();
    assert_eq!(given, MAX_PROMISED);
    assert!(promises.give(START + PROMISED_FOR, 9999, version(1)), "the old ones have ended");
}

#[test]
fn those_who_decide_for_two_have_one_in_common() {
    for closest in 1..=MIN_HOLDERS {
        let stored = closest / 2 + 1;
        // So many that the one finds are unknown to the other.
        let all = closest + closest / 4;
        assert!(2 * deciding(closest) > all, "{closest}: two claims");
        assert!(deciding(closest) + stored > all, "{closest}: what was stored, and a claim");
    }
}
