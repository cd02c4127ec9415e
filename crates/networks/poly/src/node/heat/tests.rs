use super::*;
use std::time::Duration;

const START: Moment = Moment::from_micros(3_600_000_000);

fn at(seconds: u64) -> Moment {
    START + Duration::from_secs(seconds)
}

#[test]
fn what_is_asked_for_again_and_again_is_hot_for_a_while() {
    let mut heat = Heat::default();
    let asked: Vec<bool> = (0..8).map(|_| heat.asked(at(1), 7)).collect();
    assert_eq!(asked, [vec![false; 7], vec![true]].concat());
    assert!(!heat.asked(at(2), 8));
    assert!(heat.asked(at(11), 7), "it was hot in the window before");
    assert!(!heat.asked(at(31), 7), "nobody asked for it since");
}

#[test]
fn one_of_many_that_are_asked_for_alike_is_not_hot() {
    let mut heat = Heat::default();
    let hot = (0..20_000u64).filter(|n| heat.asked(at(1), n % 500)).count();
    assert_eq!(hot, 0);
    // One among them that is asked for ten times as often as all others together is.
    let hot = (0..200u64).filter(|n| heat.asked(at(1), if n % 10 == 0 { *n } else { 3 })).count();
    assert!(hot > 100, "{hot} of 200");
}
