use proptest::prelude::*;

use super::*;

#[test]
fn sizes_are_as_documented() {
    assert_eq!(OVERHEAD_BYTES, 29);
    assert_eq!(INITIATION_BYTES, 179);
    assert_eq!(RESPONSE_BYTES, 66);
    assert_eq!(HELLO_BYTES, 73);
    assert_eq!(CHALLENGE_BYTES, 25);
    assert_eq!(Control::MAX_BYTES, 38);
}

#[test]
fn hello_and_identity_are_equally_long() {
    let (mut hello, mut identity) = (Vec::new(), Vec::new());
    write_hello(&mut hello, [1; 8], |_| [2; 16]);
    write_identity(&mut identity, [1; 8], (&[3; 32], [4; 16]), |_| [2; 16]);
    assert_eq!((hello.len(), identity.len()), (HELLO_BYTES, HELLO_BYTES));
    let Some(Datagram::Identity { nonce, id, cookie, covered, mac }) = Datagram::parse(&identity)
    else {
        panic!("{identity:?}")
    };
    assert_eq!((nonce, id, cookie, mac), ([1; 8], [3; 32], [4; 16], [2; 16]));
    assert_eq!(covered, &identity[..HELLO_BYTES - 16]);
    let Some(Datagram::Hello { nonce, .. }) = Datagram::parse(&hello) else { panic!("{hello:?}") };
    assert_eq!(nonce, [1; 8]);
}

#[test]
fn bit_of_quic_is_clear() {
    for kind in [HELLO, IDENTITY, CHALLENGE, INITIATION, RESPONSE, DATA, CONTROL] {
        assert_eq!(kind & 0x40, 0);
    }
}

#[test]
fn payloads_come_back() {
    let first = first_payload(&[7; 32], b"request", 500);
    assert_eq!(first.len() + INITIATION_BYTES - 34, 500);
    let parsed = FirstPayload::parse(&first).unwrap();
    assert_eq!((parsed.id, parsed.request), (&[7; 32], &b"request"[..]));
    assert!(FirstPayload::parse(&first[..40]).is_none(), "the length claims more than there is");
    let second = second_payload(5, true, b"answer");
    let parsed = SecondPayload::parse(&second).unwrap();
    assert_eq!((parsed.sender, parsed.holds_more, parsed.answer), (5, true, &b"answer"[..]));
    for control in [Control::Here, Control::Prove([1; 8]), Control::Proof([2; 8])] {
        let mut bytes = Vec::new();
        control.write(&mut bytes);
        assert_eq!(Control::parse(&bytes), Some(control));
    }
    assert_eq!(Control::parse(&[9; 9]), None);
}

#[test]
fn headers_come_back() {
    let mut bytes = Kind::Control.header(0x0102_0304_0506_0708, 9).to_vec();
    bytes.extend([0; 16]);
    let Some(Datagram::Sealed(sealed)) = Datagram::parse(&bytes) else { panic!("{bytes:?}") };
    assert_eq!((sealed.kind, sealed.to, sealed.counter), (Kind::Control, 0x0102_0304_0506_0708, 9));
    let mut bytes = initiation_header(1, 2, [3; 16]).to_vec();
    bytes.resize(INITIATION_BYTES, 4);
    let Some(Datagram::Initiation(read)) = Datagram::parse(&bytes) else { panic!("{bytes:?}") };
    assert_eq!((read.sender, read.stamp_ms, read.cookie), (1, 2, [3; 16]));
    assert_eq!((read.ephemeral, read.mac), (&[4; 32], [4; 16]));
}

proptest! {
    #[test]
    fn any_bytes_are_fine(
        mut bytes in prop::collection::vec(any::<u8>(), 0..1300),
        kind in 0u8..8,
    ) {
        let _ = Datagram::parse(&bytes);
        if let Some(first) = bytes.first_mut() {
            *first = 0x10 | kind;
        }
        let _ = Datagram::parse(&bytes);
        let _ = (FirstPayload::parse(&bytes), SecondPayload::parse(&bytes), Control::parse(&bytes));
    }
}
