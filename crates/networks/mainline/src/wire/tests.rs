use proptest::prelude::*;

use super::*;

const ASKER: Id = Id::new(*b"abcdefghij0123456789");
const ANSWERER: Id = Id::new(*b"mnopqrstuvwxyz123456");

#[track_caller]
fn both_ways(bytes: &[u8], message: &Message<'_>) {
    assert_eq!(Message::decode(bytes), Ok(*message));
    let mut out = Vec::new();
    message.encode(&mut out);
    assert_eq!(out.escape_ascii().to_string(), bytes.escape_ascii().to_string());
}

fn query(request: Request<'_>) -> Message<'_> {
    Message::Query(Query::new(b"aa", ASKER, request))
}

/// The example packets of BEP 5.
#[test]
fn bep5_examples() {
    both_ways(b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe", &query(Request::Ping));
    both_ways(
        b"d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz123456e\
          1:q9:find_node1:t2:aa1:y1:qe",
        &query(Request::FindNode { target: ANSWERER }),
    );
    both_ways(
        b"d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz123456e\
          1:q9:get_peers1:t2:aa1:y1:qe",
        &query(Request::GetPeers { info_hash: ANSWERER, noseed: false, scrape: false }),
    );
    both_ways(
        b"d1:ad2:id20:abcdefghij012345678912:implied_porti1e9:info_hash20:mnopqrstuvwxyz123456\
          4:porti6881e5:token8:aoeusnthe1:q13:announce_peer1:t2:aa1:y1:qe",
        &query(Request::AnnouncePeer {
            info_hash: ANSWERER,
            port: 6881,
            implied_port: true,
            seed: false,
            token: b"aoeusnth",
        }),
    );
    both_ways(
        b"d1:rd2:id20:mnopqrstuvwxyz123456e1:t2:aa1:y1:re",
        &Message::Response(Response::new(b"aa", ANSWERER)),
    );
    both_ways(
        b"d1:rd2:id20:abcdefghij01234567895:token8:aoeusnth6:valuesl6:axje.u6:idhtnmee\
          1:t2:aa1:y1:re",
        &Message::Response(Response {
            token: Some(b"aoeusnth"),
            values: Some(Values::new(b"6:axje.u6:idhtnm")),
            ..Response::new(b"aa", ASKER)
        }),
    );
    both_ways(
        b"d1:eli201e23:A Generic Error Ocurrede1:t2:aa1:y1:ee",
        &Message::Error(ErrorReply::new(b"aa", code::GENERIC, b"A Generic Error Ocurred")),
    );
}

fn decode(datagram: &[u8]) -> Message<'_> {
    Message::decode(datagram)
        .unwrap_or_else(|malformed| panic!("{malformed}: {}", datagram.escape_ascii()))
}

/// What real clients send and the specification does not foresee.
#[test]
fn tolerated() {
    let ping = query(Request::Ping);
    for datagram in [
        // No `y`.
        &b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aae"[..],
        // Unsorted keys.
        b"d1:t2:aa1:y1:q1:q4:ping1:ad2:id20:abcdefghij0123456789ee",
        // Bytes after the message.
        b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe\r\n\0",
        // Unknown keys of every type, at both levels.
        b"d1:ad2:bsi1e2:id20:abcdefghij01234567891:xd1:ylli1eeeee1:q4:ping1:t2:aa1:y1:q1:zl1:aee",
        // Decorations of the wrong type or size.
        b"d1:ad2:id20:abcdefghij01234567894:wanti1ee2:ip3:abc1:q4:ping2:ro1:11:t2:aa1:vi1e1:y1:qe",
        // Both `a` and `r`.
        b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:rd2:id20:mnopqrstuvwxyz123456e1:t2:aa1:y1:qe",
        // Doubled keys: the last counts.
        b"d1:ad2:id20:mnopqrstuvwxyz1234562:id20:abcdefghij0123456789e1:q3:abc1:q4:ping1:t2:aa1:y1:qe",
    ] {
        assert_eq!(decode(datagram), ping, "{}", datagram.escape_ascii());
    }
}

#[test]
fn transaction_ids_of_other_lengths() {
    for length in [1, 2, 3, 4, 5, 8, 20, MAX_TRANSACTION_BYTES] {
        let transaction = vec![0xe2; length];
        let query = Query::new(&transaction, ASKER, Request::Ping);
        let mut out = Vec::new();
        query.encode(&mut out);
        assert_eq!(decode(&out), Message::Query(query));
    }
}

/// A torrent's peers and other contacts come together or one without the other; the whole entries
/// of a list with a torn one are used.
#[test]
fn node_lists_are_taken_as_far_as_whole() {
    let datagram = b"d1:rd2:id20:abcdefghij01234567895:nodes30:mnopqrstuvwxyz123456\x01\x02\x03\x04\x1a\xe1torne\
        1:t2:aa1:y1:re";
    let Message::Response(response) = decode(datagram) else {
        panic!("not a response");
    };
    let contacts: Vec<_> = response.contacts_v4().collect();
    assert_eq!(contacts.len(), 1);
    assert_eq!(contacts[0].key, ANSWERER.key());
    assert_eq!(contacts[0].address.to_string(), "1.2.3.4:6881");
    assert_eq!(response.contacts_v6().count(), 0);
    assert_eq!(response.peers().count(), 0);
}

/// `v` is the version at the top and the value in the body.
#[test]
fn version_and_value_are_two() {
    let datagram = b"d1:rd2:id20:abcdefghij01234567891:vd2:ihi7eee1:t2:aa1:v4:LT\x02\x011:y1:re";
    let Message::Response(response) = decode(datagram) else {
        panic!("not a response");
    };
    assert_eq!(response.version, Some(&b"LT\x02\x01"[..]));
    assert_eq!(response.value, Some(&b"d2:ihi7ee"[..]));
}

/// The value is kept as sent: whether it is canonical is for BEP 44's rules to say.
#[test]
fn values_stay_raw() {
    let datagram =
        b"d1:ad2:id20:abcdefghij01234567895:token1:x1:vd1:bi01e1:a0:ee1:q3:put1:t2:aa1:y1:qe";
    let Message::Query(query) = decode(datagram) else {
        panic!("not a query");
    };
    let Request::Put(put) = query.request else {
        panic!("not a put");
    };
    assert_eq!(put.value, b"d1:bi01e1:a0:e");
    assert!(!bencode::is_one_element(put.value));
}

#[test]
fn methods_of_the_future() {
    let check = |arguments: &str, expected: Option<Id>| {
        let datagram =
            format!("d1:ad2:id20:abcdefghij0123456789{arguments}e1:q4:vote1:t2:aa1:y1:qe");
        let request = Request::Unknown { method: b"vote", target: expected };
        assert_eq!(decode(datagram.as_bytes()), query(request), "{arguments}");
    };
    check("", None);
    check("6:target20:mnopqrstuvwxyz123456", Some(ANSWERER));
    check("9:info_hash20:mnopqrstuvwxyz123456", Some(ANSWERER));
}

#[test]
fn want_lists() {
    let check = |list: &str, nodes: bool, nodes6: bool, stated: bool| {
        let datagram =
            format!("d1:ad2:id20:abcdefghij01234567894:want{list}e1:q4:ping1:t2:aa1:y1:qe");
        let want = Want { nodes, nodes6, stated };
        let Message::Query(query) = decode(datagram.as_bytes()) else {
            panic!("not a query");
        };
        assert_eq!(query.want, want, "{list}");
    };
    check("l2:n4e", true, false, true);
    check("l2:n6e", false, true, true);
    check("l2:n62:n4e", true, true, true);
    check("l2:n42:n82:n62:n4e", true, true, true);
    check("li4e2:n6d1:aleee", false, true, true);
    check("le", false, false, true);
    check("2:n4", false, false, false);
    check("i1e", false, false, false);
}

/// The `a` part of a query and the answer it must get; `None`: no error.
#[test]
fn arguments() {
    let check = |method: &str, arguments: &str, expected: Option<Reason>| {
        let length = method.len();
        let datagram = format!(
            "d1:ad2:id20:abcdefghij0123456789{arguments}e1:q{length}:{method}1:t2:aa1:y1:qe"
        );
        let malformed = Message::decode(datagram.as_bytes()).err();
        assert_eq!(malformed.map(|malformed| malformed.reason), expected, "{datagram}");
        if let Some(malformed) = malformed {
            let answer = malformed.answer().unwrap();
            assert_eq!((answer.transaction, answer.code), (&b"aa"[..], code::PROTOCOL));
        }
    };
    let hash = "9:info_hash20:mnopqrstuvwxyz123456";
    let token = "5:token1:x";
    let key = format!("1:k32:{}", "k".repeat(32));
    let signature = format!("3:sig64:{}", "s".repeat(64));
    let value = "1:vi1e";

    check("find_node", "", Some(Reason::Target));
    check("find_node", "6:target19:mnopqrstuvwxyz12345", Some(Reason::Target));
    check("find_node", "6:targeti20e", Some(Reason::Target));
    check("get_peers", "6:target20:mnopqrstuvwxyz123456", Some(Reason::InfoHash));
    check("get_peers", "9:info_hash21:mnopqrstuvwxyz1234567", Some(Reason::InfoHash));
    check("get", "", Some(Reason::Target));
    check("get", "3:seqi1e6:target20:mnopqrstuvwxyz123456", None);
    check("get", "3:seq1:16:target20:mnopqrstuvwxyz123456", Some(Reason::Sequence));
    check("sample_infohashes", "", Some(Reason::Target));

    check("announce_peer", &format!("{hash}4:porti1e{token}"), None);
    check("announce_peer", &format!("{hash}4:porti65535e{token}"), None);
    check("announce_peer", &format!("12:implied_porti1e{hash}{token}"), None);
    check("announce_peer", &format!("12:implied_porti1e{hash}4:porti0e{token}"), None);
    check("announce_peer", &format!("12:implied_porti1e{hash}4:porti-1e{token}"), None);
    for port in ["", "4:porti0e", "4:porti65536e", "4:porti-1e", "4:port4:6881"] {
        let arguments = format!("{hash}{port}{token}");
        check("announce_peer", &arguments, Some(Reason::Port));
    }
    let arguments = format!("{hash}4:porti99999999999999999999e{token}");
    check("announce_peer", &arguments, Some(Reason::Port));
    check("announce_peer", &format!("{hash}4:porti1e"), Some(Reason::Token));
    check("announce_peer", &format!("{hash}4:porti1e5:tokeni1e"), Some(Reason::Token));

    check("put", &format!("{token}{value}"), None);
    check("put", value, Some(Reason::Token));
    check("put", token, Some(Reason::Value));
    check("put", &format!("{key}3:seqi1e{signature}{token}{value}"), None);
    check("put", &format!("3:seqi1e{signature}{token}{value}"), Some(Reason::PublicKey));
    check("put", &format!("{key}3:seqi1e{token}{value}"), Some(Reason::Signature));
    check("put", &format!("{key}{signature}{token}{value}"), Some(Reason::Sequence));
    check("put", &format!("1:k3:abc{token}{value}"), Some(Reason::PublicKey));
    check("put", &format!("{key}3:seqi1e3:sig2:xx{token}{value}"), Some(Reason::Signature));
    check(
        "put",
        &format!("{key}3:seqi9223372036854775808e{signature}{token}{value}"),
        Some(Reason::Sequence),
    );
    check(
        "put",
        &format!("3:casi-9223372036854775809e{key}3:seqi1e{signature}{token}{value}"),
        Some(Reason::Sequence),
    );
    check("put", &format!("{key}4:saltle3:seqi1e{signature}{token}{value}"), Some(Reason::Salt));
}

/// Datagrams that are no message, whether an error is due, and why.
#[test]
fn malformed() {
    use bencode::Fault;
    let check = |datagram: &[u8], answered: bool, reason: Reason| {
        let malformed = Message::decode(datagram).unwrap_err();
        let shown = datagram.escape_ascii().to_string();
        assert_eq!(malformed.reason, reason, "{shown}");
        assert_eq!(malformed.answer().is_some(), answered, "{shown}");
    };
    check(b"", false, Reason::Bencode(Fault::Truncated));
    check(b"hello", false, Reason::Bencode(Fault::Unexpected));
    check(b"le", false, Reason::Bencode(Fault::Unexpected));
    check(b"de", false, Reason::Transaction);
    check(b"d1:t2:aae", false, Reason::Kind);
    check(b"d1:t2:aa1:y1:qe", true, Reason::Kind);
    check(b"d1:t2:aa1:y1:re", false, Reason::Kind);
    check(b"d1:t2:aa1:y1:ee", false, Reason::ErrorCode);
    check(b"d1:t2:aa1:y1:xe", false, Reason::Kind);
    check(b"d1:t0:1:y1:qe", false, Reason::Transaction);
    check(b"d1:ti5e1:y1:qe", false, Reason::Transaction);
    check(b"d1:q4:ping1:t2:aa1:y1:qe", true, Reason::Kind);
    check(b"d1:ai1e1:q4:ping1:t2:aa1:y1:qe", true, Reason::Kind);
    check(b"d1:ade1:q4:ping1:t2:aa1:y1:qe", true, Reason::Sender);
    check(b"d1:ad2:id4:foure1:q4:ping1:t2:aa1:y1:qe", true, Reason::Sender);
    check(b"d1:ad2:id20:abcdefghij0123456789e1:t2:aa1:y1:qe", true, Reason::Method);
    check(b"d1:ad2:id20:abcdefghij0123456789e1:qi1e1:t2:aa1:y1:qe", true, Reason::Method);
    // The answer's transaction id was read before the input ended.
    check(b"d1:q4:ping1:t2:aa1:y1:q", true, Reason::Bencode(Fault::Truncated));
    check(
        b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t4:aa",
        false,
        Reason::Bencode(Fault::Truncated),
    );
    check(b"d1:rde1:t2:aa1:y1:re", false, Reason::Sender);
    check(b"d1:rle1:t2:aa1:y1:re", false, Reason::Kind);
    check(b"d1:rd2:id20:abcdefghij01234567895:nodesi1ee1:t2:aa1:y1:re", false, Reason::Field);
    check(b"d1:rd2:id20:abcdefghij01234567896:values6:abcdefe1:t2:aa1:y1:re", false, Reason::Field);
    check(b"d1:rd2:id20:abcdefghij01234567894:BFsd3:abce1:t2:aa1:y1:re", false, Reason::Field);
    check(b"d1:ele1:t2:aa1:y1:ee", false, Reason::ErrorCode);
    check(b"d1:e3:abc1:t2:aa1:y1:ee", false, Reason::ErrorCode);
    let bomb = [&b"d1:t2:aa1:y1:q1:a"[..], &b"l".repeat(1400)].concat();
    check(&bomb, true, Reason::Bencode(Fault::TooDeep));
    let bomb = [&b"d1:t2:aa1:y1:q1:ad1:v"[..], &b"d1:a".repeat(350)].concat();
    check(&bomb, true, Reason::Bencode(Fault::TooDeep));
    let long = [&b"d1:q4:ping1:t65:"[..], &[b'a'; 65], b"1:y1:qe"].concat();
    check(&long, false, Reason::Transaction);
    check(b"d1:t2:aa1:y1:q1:a99999999999:", true, Reason::Bencode(Fault::Truncated));
}

/// Errors without words, or with more than the two entries.
#[test]
fn error_lists() {
    let check = |list: &str, code: i64, message: &[u8]| {
        let datagram = format!("d1:e{list}1:t2:aa1:y1:ee");
        let expected = Message::Error(ErrorReply::new(b"aa", code, message));
        assert_eq!(decode(datagram.as_bytes()), expected, "{list}");
    };
    check("li204ee", 204, b"");
    check("li204e3:abce", 204, b"abc");
    check("li302e3:abci5e2:xxlee", 302, b"abc");
    check("li-1e0:e", -1, b"");
}

mod any {
    //! Arbitrary messages, within what the wire can carry.
    use super::super::*;
    use core::net::SocketAddr;
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;

    /// What messages borrow from.
    #[derive(Clone, Debug)]
    pub(super) struct Parts {
        pub(super) short: [Vec<u8>; 4],
        pub(super) long: [Option<Vec<u8>>; 4],
        pub(super) peers: Vec<SocketAddr>,
        pub(super) filters: [Option<Box<[u8; 256]>>; 2],
        pub(super) ids: [[u8; 20]; 2],
        pub(super) key: [u8; 32],
        pub(super) numbers: [Option<i64>; 4],
        pub(super) flags: [bool; 8],
        pub(super) choice: u8,
        pub(super) port: u16,
        pub(super) external: Option<SocketAddr>,
    }

    fn address() -> impl Strategy<Value = SocketAddr> {
        prop_oneof![
            any::<([u8; 4], u16)>().prop_map(SocketAddr::from),
            any::<([u8; 16], u16)>().prop_map(SocketAddr::from),
        ]
    }

    pub(super) fn parts() -> impl Strategy<Value = Parts> {
        let short = || vec(any::<u8>(), 1..=MAX_TRANSACTION_BYTES);
        let long = || option::of(vec(any::<u8>(), 0..400));
        let filter = || option::of(any::<u8>().prop_map(|byte| Box::new([byte; 256])));
        let first = (
            [short(), short(), short(), short()],
            [long(), long(), long(), long()],
            vec(address(), 0..20),
            [filter(), filter()],
        );
        let second = (
            any::<[[u8; 20]; 2]>(),
            any::<[u8; 32]>(),
            any::<[Option<i64>; 4]>(),
            any::<[bool; 8]>(),
            any::<u8>(),
            1..=u16::MAX,
            option::of(address()),
        );
        (first, second).prop_map(|((short, long, peers, filters), rest)| {
            let (ids, key, numbers, flags, choice, port, external) = rest;
            Parts { short, long, peers, filters, ids, key, numbers, flags, choice, port, external }
        })
    }
}

/// Builds a message of `parts`; `lists` and `signature` are what it borrows beyond them.
fn message<'a>(
    parts: &'a any::Parts,
    lists: &'a (Vec<u8>, Vec<u8>),
    signature: &'a [u8; 64],
) -> Message<'a> {
    let [transaction, version, token, method] = &parts.short;
    let [nodes, nodes6, samples, salt] = parts.long.each_ref().map(Option::as_deref);
    let [sender, target] = parts.ids.map(Id::new);
    let [seq, cas, interval, num] = parts.numbers;
    let flag = |index: usize| parts.flags[index];
    let (entries, value) = lists;
    let version = flag(0).then_some(&version[..]);
    let request = match parts.choice % 10 {
        0 => Request::Ping,
        1 => Request::FindNode { target },
        2 => Request::GetPeers { info_hash: target, noseed: flag(1), scrape: flag(2) },
        3 => Request::AnnouncePeer {
            info_hash: target,
            port: parts.port,
            implied_port: flag(1),
            seed: flag(2),
            token,
        },
        4 => Request::Get { target, seq },
        5 => Request::Put(Put {
            token,
            value,
            mutable: flag(1).then(|| Mutable {
                public_key: &parts.key,
                signature,
                seq: seq.unwrap_or(1),
                cas,
                salt: salt.unwrap_or_default(),
            }),
            target: flag(2).then_some(target),
        }),
        6 => Request::SampleInfohashes { target },
        7 => Request::Unknown { method, target: flag(1).then_some(target) },
        8 => {
            return Message::Error(ErrorReply {
                external: parts.external,
                version,
                ..ErrorReply::new(transaction, seq.unwrap_or(201), salt.unwrap_or_default())
            });
        }
        _ => {
            return Message::Response(Response {
                external: parts.external,
                version,
                token: flag(1).then_some(token),
                nodes,
                nodes6,
                values: flag(2).then_some(Values::new(entries)),
                seeds: parts.filters[0].as_deref(),
                downloaders: parts.filters[1].as_deref(),
                value: flag(3).then_some(value),
                public_key: flag(4).then_some(&parts.key),
                signature: flag(5).then_some(signature),
                seq,
                samples,
                interval,
                num,
                ..Response::new(transaction, sender)
            });
        }
    };
    Message::Query(Query {
        read_only: flag(3),
        want: Want { nodes: flag(4) && flag(6), nodes6: flag(5) && flag(6), stated: flag(6) },
        version: flag(7).then_some(version).flatten(),
        ..Query::new(transaction, sender, request)
    })
}

fn lists(parts: &any::Parts) -> (Vec<u8>, Vec<u8>) {
    let (mut entries, mut value) = (Vec::new(), Vec::new());
    for peer in &parts.peers {
        compact::write_address(&mut entries, *peer);
    }
    bencode::write_string(&mut value, parts.long[0].as_deref().unwrap_or_default());
    (entries, value)
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_the_same(parts in any::parts()) {
        let lists = lists(&parts);
        let message = message(&parts, &lists, &[7; 64]);
        let mut out = Vec::new();
        message.encode(&mut out);
        prop_assert_eq!(Message::decode(&out), Ok(message));
        prop_assert!(bencode::is_one_element(&out), "not canonical");
        for length in 0..out.len() {
            prop_assert!(Message::decode(&out[..length]).is_err());
        }
    }

    /// Whatever became of a message on its way, decoding gives a message that encodes to itself.
    #[test]
    fn mutations_are_fine(
        parts in any::parts(),
        mutations in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let lists = lists(&parts);
        let mut datagram = Vec::new();
        message(&parts, &lists, &[7; 64]).encode(&mut datagram);
        for (place, byte) in mutations {
            let place = place.index(datagram.len());
            datagram[place] = byte;
        }
        if let Ok(message) = Message::decode(&datagram) {
            let mut out = Vec::new();
            message.encode(&mut out);
            prop_assert_eq!(Message::decode(&out), Ok(message));
        }
    }

    #[test]
    fn any_bytes_are_fine(datagram: Vec<u8>) {
        let _ = Message::decode(&datagram);
    }
}
