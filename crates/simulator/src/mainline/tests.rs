use super::*;

#[test]
fn targets_are_found_where_our_nodes_write_them() {
    let check = |request: wire::Request<'_>, expected: Option<[u8; 20]>| {
        let mut bytes = Vec::new();
        let (transaction, sender) = (&b"aaaa"[..], wire::Id::new([1; 20]));
        let query = wire::Query {
            transaction,
            sender,
            read_only: false,
            version: None,
            want: wire::Want::default(),
            request,
        };
        query.encode(&mut bytes);
        assert_eq!(asked_target(&bytes), expected.map(Key::from));
    };
    let id = wire::Id::new([7; 20]);
    check(wire::Request::FindNode { target: id }, Some([7; 20]));
    let peers = wire::Request::GetPeers { info_hash: id, noseed: false, scrape: false };
    check(peers, Some([7; 20]));
    check(wire::Request::Ping, None);
    assert_eq!(asked_target(b"d1:ad2:id20:"), None);
}

#[test]
fn values_are_bencoded_strings_and_topics_differ() {
    for bytes in [0, 1, 100, 900] {
        let value = value(3, bytes);
        assert!(wire::bencode::is_one_element(&value));
        assert!(value.ends_with(b":") == (bytes == 0) && value.len() > bytes);
    }
    assert_ne!(value(1, 50), value(2, 50));
    assert_ne!(topic(1), topic(2));
}
