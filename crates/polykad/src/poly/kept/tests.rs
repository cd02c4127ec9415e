use super::*;

#[test]
fn contacts_come_back() {
    let peers: Vec<_> = ["1.2.3.4:5", "[2001:db8::1]:65535"]
        .iter()
        .map(|address| Peer::new(Key::new([7; 32]), address.parse().unwrap()))
        .collect();
    let mut bytes = encode_contacts(&peers);
    assert!(decode_contacts(&bytes).eq(peers.clone()));
    bytes.push(1);
    assert!(decode_contacts(&bytes).eq(peers));
    assert_eq!(decode_contacts(&[1; 49]).count(), 0);
}
