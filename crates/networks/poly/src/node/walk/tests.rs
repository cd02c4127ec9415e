use super::*;
use core::net::SocketAddr;
use std::time::Duration;

const SAME: Pace = Pace(0);

fn contact(id: u8) -> Contact<Endpoint> {
    let mut key = [0; 32];
    key[0] = id;
    let address: SocketAddr = ([10, 0, 0, id], 6000).into();
    Contact { key: Key::new(key), address: Endpoint::new(address) }
}

/// A walk towards zero whose region is all ids below 16.
fn walk(seeds: &[u8], paths: u8) -> Walk {
    let mut walk = Walk::new(Key::ZERO, Radius::new(16 << 56), paths);
    walk.seed(seeds.iter().map(|id| contact(*id)), |contact| {
        Pace(u16::from(contact.key.as_bytes()[0] % 5))
    });
    walk
}

fn id(next: Option<Next>) -> Option<u8> {
    next.map(|next| next.contact.key.as_bytes()[0])
}

#[test]
fn the_region_is_asked_fast_or_near() {
    let walk = walk(&[40, 7, 5, 9, 100], 1);
    assert_eq!(id(walk.unserved_in_region()), Some(5));
    assert_eq!(id(walk.fastest_in_region()), Some(5));
    assert_eq!(walk.region(), 3);
    assert_eq!(walk.holders(), 5, "five are all there are");
}

#[test]
fn overdue_answers_free_their_place_and_still_count() {
    let mut walk = walk(&[40, 50, 60, 70], 1);
    let at = |ms: u64| Moment::from_micros(ms * 1000);
    for _ in 0..2 {
        let next = walk.next_on_paths(8, 2).unwrap();
        walk.ask(next, false, at(100));
    }
    assert!(walk.next_on_paths(8, 2).is_none());
    assert_eq!(walk.next_overdue(), Some(at(100)));
    assert!(walk.overdue(at(100)));
    assert_eq!(id(walk.next_on_paths(8, 2)), Some(60));
    assert_eq!(walk.answered(&contact(40), [contact(3)], |_| SAME), Some(1));
    assert_eq!(walk.answered(&contact(40), [], |_| SAME), None, "an answer counts once");
    assert_eq!(id(walk.unserved_in_region()), Some(3));
    assert_eq!(walk.waiting(), 1);
    assert!(walk.overdue(at(100) + Duration::from_millis(250)));
    assert_eq!(walk.waiting(), 0);
    walk.unanswered(&contact(50));
    assert_eq!((walk.asked, walk.answered, walk.failed), (2, 1, 1));
}

#[test]
fn paths_share_nobody() {
    let mut walk = walk(&[40, 50, 60, 70], 2);
    let mut asked = Vec::new();
    while let Some(next) = walk.next_on_paths(1, 1) {
        walk.ask(next, false, Moment::from_micros(u64::MAX));
        asked.push(id(Some(next)).unwrap());
    }
    assert_eq!(asked, [40, 50]);
    assert!(!walk.converged(1));
    walk.answered(&contact(40), [], |_| SAME);
    walk.answered(&contact(50), [], |_| SAME);
    assert!(walk.converged(1));
}

#[test]
fn who_is_overtaken_holds_nobody_up() {
    let mut walk = walk(&[200, 210], 1);
    while let Some(next) = walk.next_on_paths(2, 2) {
        walk.ask(next, false, Moment::from_micros(u64::MAX));
    }
    assert_eq!(walk.open(), 2);
    walk.answered(&contact(200), [contact(40), contact(50), contact(60)], |_| SAME);
    let mut asked = Vec::new();
    while let Some(next) = walk.next_on_paths(2, 2) {
        walk.ask(next, false, Moment::from_micros(u64::MAX));
        asked.push(id(Some(next)).unwrap());
    }
    assert_eq!(asked, [40, 50], "the slow one is among the closest no more");
}

#[test]
fn the_way_leads_through_fast_ones() {
    let mut walk = Walk::new(Key::ZERO, Radius::new(16 << 56), 1);
    let paced = |contact: &Contact<Endpoint>| {
        Pace::new(if contact.key.as_bytes()[0] == 80 { 20 } else { 200 }, 0)
    };
    walk.seed([40, 50, 80].map(contact), paced);
    assert_eq!(id(walk.next_on_paths(8, 3)), Some(80), "a bit more of the way in a tenth");
    walk.seed([9].map(contact), paced);
    assert_eq!(id(walk.next_on_paths(2, 3)), Some(9), "in the region nearness decides");
}

#[test]
fn a_pace_tells_about_how_long_an_answer_takes() {
    for millis in [0, 10, 50, 134, 300, 480] {
        let told = Pace::new(millis, 255).millis();
        assert!(told <= millis && millis <= told + told / 4 + 4, "{told} for {millis}");
    }
}

#[test]
fn a_subnet_gets_few_places() {
    let mut walk = Walk::new(Key::ZERO, Radius::ALL, 1);
    let global = |id: u8| {
        let address: SocketAddr = ([80, 1, 1, id], 6000).into();
        Contact { address: Endpoint::new(address), ..contact(id) }
    };
    walk.seed((1..100).map(global), |_| SAME);
    assert_eq!(walk.region(), PER_SUBNET);
}
