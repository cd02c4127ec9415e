use super::*;
use crate::contact::Peer;
use kademlia::Key;

#[test]
fn clocks_are_blamed_when_most_refuse_for_them() {
    let peer = Peer::new(Key::ZERO, ([10, 0, 0, 1], 1).into());
    let with = |stored: usize, clocks: &[u64]| Acknowledgements {
        stored: vec![peer; stored],
        refused: clocks.iter().map(|clock| (peer, Refusal::Expired(*clock))).collect(),
        ..Acknowledgements::default()
    };
    assert_eq!(skew(&with(0, &[13_600, 13_601, 13_602]), 10_000), Some(3601));
    assert_eq!(skew(&with(3, &[13_600, 13_601, 13_602]), 10_000), None);
    assert_eq!(skew(&with(0, &[10_010, 10_001]), 10_000), None, "it is the value that is old");
    assert_eq!(skew(&with(0, &[]), 10_000), None);
}
