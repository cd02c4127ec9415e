use super::*;
use core::net::SocketAddr;
use std::time::Duration;

fn contact(id: u8) -> Contact<Endpoint> {
    let mut key = [0; 32];
    key[0] = id;
    let address: SocketAddr = ([10, 0, 0, id], 6000).into();
    Contact { key: Key::new(key), address: Endpoint::new(address) }
}

/// A walk towards zero whose region is all ids below 16.
fn walk(seeds: &[u8], paths: u8) -> Walk {
    let mut walk = Walk::new(Key::ZERO, Radius::new(16 << 56), paths);
    walk.seed(seeds.iter().map(|id| contact(*id)), |contact| contact.key.as_bytes()[0] % 5);
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
    assert_eq!(walk.answered(&contact(40), [contact(3)], |_| 0), Some(1));
    assert_eq!(walk.answered(&contact(40), [], |_| 0), None, "an answer counts once");
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
    walk.answered(&contact(40), [], |_| 0);
    walk.answered(&contact(50), [], |_| 0);
    assert!(walk.converged(1));
}

#[test]
fn a_subnet_gets_few_places() {
    let mut walk = Walk::new(Key::ZERO, Radius::ALL, 1);
    let global = |id: u8| {
        let address: SocketAddr = ([80, 1, 1, id], 6000).into();
        Contact { address: Endpoint::new(address), ..contact(id) }
    };
    walk.seed((1..100).map(global), |_| 0);
    assert_eq!(walk.region(), PER_SUBNET);
}
