use super::*;

#[test]
fn outbox_hands_over_in_order_and_forgets() {
    let mut outbox = Outbox::default();
    let to = |peer: u8| Transmit { to: peer, way: Way::Datagram };
    outbox.push(to(1), |out| out.extend_from_slice(b"one"));
    outbox.push(to(2), |out| out.extend_from_slice(b""));
    let mut buffer = b"old".to_vec();
    assert_eq!(outbox.pop(&mut buffer), Some(to(1)));
    assert_eq!(buffer, b"one");
    outbox.push(to(3), |out| out.extend_from_slice(b"three"));
    assert_eq!(outbox.pop(&mut buffer), Some(to(2)));
    assert_eq!(buffer, b"");
    assert_eq!(outbox.pop(&mut buffer), Some(to(3)));
    assert_eq!(buffer, b"three");
    assert_eq!(outbox.pop(&mut buffer), None);
    assert!(outbox.is_empty());
}

#[test]
fn moments_saturate() {
    let late = Moment::from_micros(u64::MAX);
    assert_eq!(late + Duration::from_secs(1), late);
    assert_eq!(Moment::START - Duration::from_secs(1), Moment::START);
    assert_eq!(Moment::START.since(late), Duration::ZERO);
}
