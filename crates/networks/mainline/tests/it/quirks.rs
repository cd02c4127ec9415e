//! What arrives from strangers, well-formed or not, and the raw answers to it: BEPs 5, 32, 33, 42,
//! 43, 44 and 51, and the ways in which real programs differ from them.

use std::net::{SocketAddr, SocketAddrV4};
use std::time::Duration;

use ed25519_dalek::SigningKey;
use kademlia::Contact;
use mainline::command::{Command, Event, Failure, Item, Outcome, Progress};
use mainline::item::immutable_target;
use mainline::wire::compact::{write_address, write_contact};
use mainline::wire::{
    Bloom, Id, MAX_TRANSACTION_BYTES, Message, Mutable, Put, Query, Request, Response, Values, Want,
};
use mainline::{MutableItem, Salt, Settings};

use crate::raw::{STRANGER, answer, ask, befriend, encoded, error, query, reply, response, token};
use crate::world::{Place, World};

const GHOST: &str = "10.1.2.3:4567";
const GHOST_ID: Id = Id::new([0x77; 20]);
pub(crate) const TORRENT: Id = Id::new([0x70; 20]);

fn unlimited() -> Settings {
    Settings { rate_limit: None, ..Settings::default() }
}

/// A world of one node that knows one contact, which is played by the test.
fn haunted() -> (World, Place) {
    let mut world = World::new(1);
    let node = world.add("10.77.0.1:6881", unlimited());
    assert!(befriend(&mut world, node, GHOST_ID, GHOST));
    (world, node)
}

fn ghost() -> SocketAddr {
    GHOST.parse().unwrap()
}

fn contact(id: Id, at: &str) -> Contact<SocketAddrV4> {
    Contact { key: id.key(), address: at.parse().unwrap() }
}

fn get_peers(info_hash: Id) -> Request<'static> {
    Request::GetPeers { info_hash, noseed: false, scrape: false }
}

fn item(seq: i64, value: &[u8]) -> MutableItem {
    MutableItem::sign(&SigningKey::from_bytes(&[8; 32]), Salt::none(), seq, value).unwrap()
}

fn put<'a>(item: &'a MutableItem, token: &'a [u8], cas: Option<i64>) -> Request<'a> {
    Request::Put(Put {
        token,
        value: &item.value,
        mutable: Some(Mutable {
            public_key: &item.public_key,
            signature: &item.signature,
            seq: item.seq,
            cas,
            salt: item.salt.as_bytes(),
        }),
        target: None,
    })
}

fn show<'a>(response: &mut Response<'a>, item: &'a MutableItem) {
    response.public_key = Some(&item.public_key);
    response.signature = Some(&item.signature);
    response.seq = Some(item.seq);
    response.value = Some(&item.value);
}

#[test]
fn transaction_ids_are_echoed_whatever_their_length() {
    let (mut world, node) = haunted();
    for length in [1, 2, 3, 4, 8, 16, 20, 32] {
        let transaction: Vec<u8> = (1..=length).collect();
        for request in [Request::Ping, Request::Unknown { method: b"vote", target: None }] {
            let bytes = encoded(&Query { transaction: &transaction, ..query(request) });
            let answer = answer(&mut world, GHOST, node, &bytes).unwrap();
            assert_eq!(Message::decode(&answer).unwrap().transaction(), transaction);
        }
    }
    for length in [0, 33] {
        let transaction = vec![b'x'; length];
        let bytes = encoded(&Query { transaction: &transaction, ..query(Request::Ping) });
        assert_eq!(answer(&mut world, GHOST, node, &bytes), None, "{length}");
    }
}

#[test]
fn our_queries_have_ids_of_4_bytes_and_puts_have_a_target() {
    let (mut world, node) = haunted();
    let value = b"5:hello";
    let id = world.command(node, Command::PutImmutable((*value).into()));
    let mut methods = Vec::new();
    world.run_serving(Duration::from_secs(5), |_, _, bytes| {
        let Ok(Message::Query(query)) = Message::decode(bytes) else { return None };
        assert_eq!(query.transaction.len(), 4);
        assert_eq!(query.version, Some(&b"PK\0\x01"[..]));
        methods.push(query.request.method().to_vec());
        if let Request::Put(put) = query.request {
            assert_eq!(put.target, Some(immutable_target(value)));
            assert_eq!(put.token, b"tok");
        }
        Some(reply(query.transaction, GHOST_ID, |response| response.token = Some(b"tok")))
    });
    methods.retain(|method| method != b"find_node");
    assert_eq!(methods, [b"get".as_slice(), b"put"]);
    assert!(matches!(&world.done[&(node, id)].0, Outcome::Stored(a) if a.stored.len() == 1));
}

#[test]
fn what_answers_nothing_we_asked_changes_nothing() {
    let (mut world, node) = haunted();
    let target = Id::new([0x76; 20]);
    let id = world.command(node, Command::FindNode(target));
    // The true transaction id is among the messages on their way.
    let mut asked = None;
    world.run_serving(Duration::from_millis(100), |_, _, bytes| {
        asked = Some(bytes.to_vec());
        None
    });
    let asked = asked.unwrap();
    let transaction = Message::decode(&asked).unwrap().transaction();
    let liar = Id::new([0x75; 20]);
    let mut nodes = Vec::new();
    write_contact(&mut nodes, &contact(liar, "10.6.6.6:6"));
    let wrong = [transaction[0] ^ 1, transaction[1], transaction[2], transaction[3]];
    let external = Some("45.1.1.1:1".parse().unwrap());
    let before = world.node(node).status(world.now);
    let contacts: Vec<_> = world.node(node).contacts().collect();
    let lies = [
        (GHOST, &wrong[..]),
        (GHOST, &transaction[..2]),
        (GHOST, b"tran0"),
        ("10.6.6.6:6", transaction),
        ("10.1.2.3:4568", transaction),
    ];
    for (n, (from, transaction)) in (1..).zip(lies) {
        let bytes = reply(transaction, liar, |response| {
            response.nodes = Some(&nodes);
            response.external = external;
        });
        assert!(world.inject(from, node, &bytes).is_empty());
        let error = format!("d1:eli203e1:xe1:t{}:", transaction.len());
        let error = [error.as_bytes(), transaction, b"1:y1:ee"].concat();
        assert!(world.inject(from, node, &error).is_empty());
        let after = world.node(node).status(world.now);
        assert_eq!(after.counters.unsolicited, before.counters.unsolicited + 2 * n);
        assert_eq!(after.counters.responses, before.counters.responses);
        assert_eq!(world.node(node).contacts().collect::<Vec<_>>(), contacts);
        assert!(!world.done.contains_key(&(node, id)), "the operation goes on");
    }
    // The true answer still counts.
    world.inject(GHOST, node, &reply(transaction, GHOST_ID, |_| {}));
    assert!(matches!(&world.done[&(node, id)].0, Outcome::Nodes(nodes) if nodes.len() == 1));
}

#[test]
fn tokens_serve_one_host_one_key_and_some_minutes() {
    let (mut world, node) = haunted();
    let value = b"i7e";
    let key = immutable_target(value);
    let given = token(&mut world, "10.5.0.1:1", node, key);
    let put = Request::Put(Put { token: &given, value, mutable: None, target: None });
    let announce = |info_hash| Request::AnnouncePeer {
        info_hash,
        port: 1,
        implied_port: false,
        seed: false,
        token: &given,
    };
    let bad = [
        ("another host's", "10.5.0.2:1", put),
        ("another key's", "10.5.0.1:1", announce(TORRENT)),
        ("a shortened", "10.5.0.1:1", {
            Request::Put(Put { token: &given[1..], value, mutable: None, target: None })
        }),
        ("an empty", "10.5.0.1:1", {
            Request::Put(Put { token: b"", value, mutable: None, target: None })
        }),
    ];
    for (what, from, request) in bad {
        let answer = ask(&mut world, from, node, request);
        assert_eq!(error(&answer).code, 203, "{what} token");
    }
    assert_eq!(world.node(node).status(world.now).items, 0);
    response(&ask(&mut world, "10.5.0.1:2", node, put));
    world.run_for(Duration::from_mins(4));
    response(&ask(&mut world, "10.5.0.1:1", node, put));
    world.run_for(Duration::from_mins(7));
    assert_eq!(error(&ask(&mut world, "10.5.0.1:1", node, put)).code, 203);
}

/// bittorrent-dht refuses to store again what it holds (302), where others renew it.
#[test]
fn a_holder_that_refuses_to_renew_holds_it_all_the_same() {
    let (mut world, node) = haunted();
    let ours = item(4, b"i4e");
    let command = Command::PutMutable { item: ours.clone(), cas: None };
    let refused = |transaction: &[u8]| {
        let head = format!("d1:eli302e3:olde1:t{}:", transaction.len());
        [head.as_bytes(), transaction, b"1:y1:ee"].concat()
    };
    let id = world.command(node, command.clone());
    world.run_serving(Duration::from_secs(5), |_, _, bytes| {
        let Ok(Message::Query(query)) = Message::decode(bytes) else { return None };
        if matches!(query.request, Request::Put(_)) {
            return Some(refused(query.transaction));
        }
        Some(reply(query.transaction, GHOST_ID, |response| {
            response.token = Some(b"tok");
            show(response, &ours);
        }))
    });
    match &world.done[&(node, id)].0 {
        Outcome::Stored(acknowledgements) => assert_eq!(acknowledgements.stored.len(), 1),
        other => panic!("{other:?}"),
    }

    // It refuses, and only the walk that follows tells for what: that is a conflict.
    let winner = item(9, b"i9e");
    let id = world.command(node, command);
    let mut shown = false;
    world.run_serving(Duration::from_secs(5), |_, _, bytes| {
        let Ok(Message::Query(query)) = Message::decode(bytes) else { return None };
        if matches!(query.request, Request::Put(_)) {
            shown = true;
            return Some(refused(query.transaction));
        }
        Some(reply(query.transaction, GHOST_ID, |response| {
            response.token = Some(b"tok");
            if shown {
                show(response, &winner);
            }
        }))
    });
    match &world.done[&(node, id)].0 {
        Outcome::Failed(Failure::Conflict { winner: found, .. }) => assert_eq!(**found, winner),
        other => panic!("{other:?}"),
    }
}

#[test]
fn forged_values_are_not_believed() {
    let (mut world, node) = haunted();
    let (old, new) = (item(1, b"i1e"), item(2, b"i2e"));
    let mut forged = new.clone();
    (forged.seq, forged.value) = (3, (*b"i3e").into());
    let answers = [forged, new.clone(), old.clone()];
    let ids: Vec<_> =
        (0..3u8).map(|n| (Id::new([0x80 + n; 20]), format!("10.2.0.{n}:1"))).collect();
    for (id, at) in &ids {
        befriend(&mut world, node, *id, at);
    }
    let wanted = immutable_target(b"i5e");
    let commands = [
        (Command::GetImmutable(wanted), Outcome::Item(None)),
        (
            Command::GetMutable { public_key: new.public_key, salt: Salt::none() },
            Outcome::Item(Some(Item::Mutable(new))),
        ),
    ];
    for (command, expected) in commands {
        let id = world.command(node, command);
        world.run_serving(Duration::from_secs(5), |_, to, bytes| {
            let Ok(Message::Query(query)) = Message::decode(bytes) else { return None };
            let at = ids.iter().position(|(_, at)| at.parse() == Ok(to));
            let sender = at.map_or(GHOST_ID, |at| ids[at].0);
            Some(reply(query.transaction, sender, |response| {
                if let Some(at) = at {
                    show(response, &answers[at]);
                }
            }))
        });
        assert_eq!(world.done[&(node, id)].0, expected);
    }
}

type Answer<'a> = Box<dyn Fn(&[u8]) -> Vec<u8> + 'a>;

/// bittorrent-dht answers with all it knows; others leave `y` out, do not sort, or add bytes.
#[test]
fn odd_answers_are_understood() {
    let mut nodes = Vec::new();
    for n in 0..96u8 {
        write_contact(&mut nodes, &contact(Id::new([n; 20]), &format!("10.3.{n}.1:1")));
    }
    let ghost_id = "2:id20:wwwwwwwwwwwwwwwwwwww";
    let answers: [(&str, Answer<'_>); 4] = [
        ("2.5 kB", Box::new(|t| reply(t, GHOST_ID, |r| r.nodes = Some(&nodes)))),
        (
            "unsorted",
            Box::new(|t| {
                [b"d1:y1:r1:rd", ghost_id.as_bytes(), b"5:nodes0:e1:t4:", t, b"e"].concat()
            }),
        ),
        ("no y", Box::new(|t| [b"d1:rd", ghost_id.as_bytes(), b"e1:t4:", t, b"e"].concat())),
        (
            "trailing bytes",
            Box::new(|t| [b"d1:rd", ghost_id.as_bytes(), b"e1:t4:", t, b"1:y1:re\r\n\0"].concat()),
        ),
    ];
    for (what, answer) in answers {
        let (mut world, node) = haunted();
        let id = world.command(node, Command::FindNode(TORRENT));
        let mut asked = 0;
        world.run_serving(Duration::from_secs(10), |_, to, bytes| {
            let Ok(Message::Query(query)) = Message::decode(bytes) else { return None };
            asked += 1;
            (to == ghost()).then(|| answer(query.transaction))
        });
        let (outcome, report) = &world.done[&(node, id)];
        assert!(matches!(outcome, Outcome::Nodes(n) if n.len() == 1), "{what}: {outcome:?}");
        assert!(report.asked <= 21 && asked <= 100, "{what}: {report:?} {asked}");
    }
}

#[test]
fn queries_with_odd_forms_are_answered() {
    let (mut world, node) = haunted();
    let odd: [&[u8]; 5] = [
        b"d1:y1:q1:t2:aa1:q4:ping1:ad2:id20:aaaaaaaaaaaaaaaaaaaaee",
        b"d1:ad2:id20:aaaaaaaaaaaaaaaaaaaae1:q4:ping1:t2:aae",
        b"d1:ad2:id20:aaaaaaaaaaaaaaaaaaaae1:q4:ping1:t2:aa1:y1:qe\r\n",
        b"d1:ad2:id20:aaaaaaaaaaaaaaaaaaaa4:wanti7ee2:ip3:abc1:q4:ping2:roi1e1:t2:aa1:vi5e1:y1:qe",
        b"d1:ad3:fooli1ed1:a1:bee2:id20:aaaaaaaaaaaaaaaaaaaae1:q4:ping2:roi1e1:t2:aa1:y1:qe",
    ];
    for bytes in odd {
        let answer = answer(&mut world, "10.4.4.4:4", node, bytes).unwrap();
        let response = response(&answer);
        assert_eq!(response.transaction, b"aa");
        assert_eq!(response.external, Some("10.4.4.4:4".parse().unwrap()), "BEP 42");
    }
}

#[test]
fn faults_have_their_codes() {
    let (mut world, node) = haunted();
    let asker = "10.4.4.4:4";
    let id = "2:id20:aaaaaaaaaaaaaaaaaaaa";
    let hash = "9:info_hash20:bbbbbbbbbbbbbbbbbbbb";
    let q = |body: &str, method: &str| {
        format!("d1:ad{body}e1:q{}:{method}1:t2:aa1:y1:qe", method.len())
    };
    let long = format!("1:v1001:{}", "x".repeat(1001));
    let salt = format!("4:salt65:{}", "s".repeat(65));
    let key = format!("1:k32:{}3:seqi1e3:sig64:{}", "k".repeat(32), "s".repeat(64));
    let cases = [
        (q("", "ping"), 203, "no id"),
        (q("2:id19:aaaaaaaaaaaaaaaaaaa", "ping"), 203, "a short id"),
        (q("2:idi5e", "ping"), 203, "an id that is a number"),
        (q(id, "find_node"), 203, "no target"),
        (q(&format!("{id}6:target3:abc"), "find_node"), 203, "a short target"),
        (q(id, "get_peers"), 203, "no info_hash"),
        (q(&format!("{id}{hash}5:token2:xx"), "announce_peer"), 203, "no port"),
        (q(&format!("{id}{hash}4:porti0e5:token2:xx"), "announce_peer"), 203, "port 0"),
        (q(&format!("{id}{hash}4:porti70000e5:token2:xx"), "announce_peer"), 203, "port 70000"),
        (q(&format!("{id}{hash}4:porti-1e5:token2:xx"), "announce_peer"), 203, "port -1"),
        (q(&format!("{id}{hash}4:porti5e"), "announce_peer"), 203, "no token"),
        (q(&format!("{id}{hash}4:porti5e5:token2:xx"), "announce_peer"), 203, "a bad token"),
        (q(&format!("{id}5:token2:xx"), "put"), 203, "nothing to put"),
        (q(&format!("{id}5:token2:xx1:v1:x"), "put"), 203, "a bad token"),
        (q(&format!("{id}1:k3:abc3:seqi1e5:token2:xx1:v1:x"), "put"), 203, "a short key"),
        (q(&format!("{id}5:token2:xx1:vi007e"), "put"), 203, "a value not canonical"),
        (q(&format!("{id}5:token2:xx{long}"), "put"), 205, "a long value"),
        (q(&format!("{id}{key}{salt}5:token2:xx1:v1:x"), "put"), 207, "a long salt"),
        (q(id, "vote"), 204, "an unknown method"),
        (format!("d1:ad{id}e1:t2:aa1:y1:qe"), 203, "no method"),
        (format!("d1:t2:aa1:y1:q1:ad{id}e1:q4:ping"), 203, "truncated"),
        (format!("d1:t2:aa1:y1:q1:a{}", "l".repeat(200)), 203, "nested too deep"),
        ("d1:t2:aa1:y1:q1:ad2:id9999:aaa".to_owned(), 203, "a length beyond the end"),
    ];
    for (bytes, code, what) in &cases {
        let answer = answer(&mut world, asker, node, bytes.as_bytes()).expect(what);
        let error = error(&answer);
        assert_eq!((error.code, error.transaction), (*code, &b"aa"[..]), "{what}");
        assert!(!error.message.is_empty() && answer.len() <= 120, "{what}");
    }
    let silent: [&[u8]; 10] = [
        b"",
        b"d",
        b"de",
        b"hello",
        b"\0\0\0\0",
        b"i5e",
        b"le",
        b"d1:t2:aa1:y1:xe",
        b"d1:rde1:t2:aa1:y1:re",
        b"d1:e1:x1:t2:aa1:y1:ee",
    ];
    for bytes in silent {
        assert_eq!(answer(&mut world, asker, node, bytes), None, "{bytes:?}");
    }
    assert!(world.node(node).contacts().count() == 1, "who errs is no contact");
}

#[test]
fn versions_are_kept_as_bep_44_wants() {
    let (mut world, node) = haunted();
    let (one, two) = (item(1, b"i1e"), item(2, b"i2e"));
    let other = item(2, b"i22e");
    let mut forged = item(3, b"i3e");
    forged.value = (*b"i4e").into();
    let given = token(&mut world, GHOST, node, one.target());
    let steps = [
        (&one, Some(55), Ok(()), "where nothing is stored, cas does not count"),
        (&two, Some(7), Err(301), "cas of another version"),
        (&two, Some(1), Ok(()), "cas of the stored version"),
        (&two, None, Ok(()), "the same again"),
        (&one, None, Err(302), "an older version"),
        (&other, None, Err(302), "the same version with another value"),
        (&forged, None, Err(206), "a forged one"),
    ];
    for (item, cas, expected, what) in steps {
        let answer = ask(&mut world, GHOST, node, put(item, &given, cas));
        match expected {
            Ok(()) => assert_eq!(response(&answer).transaction, b"tran", "{what}"),
            Err(code) => assert_eq!(error(&answer).code, code, "{what}"),
        }
    }
    for (seq, brings) in [(None, true), (Some(1), true), (Some(2), false), (Some(3), false)] {
        let answer = ask(&mut world, GHOST, node, Request::Get { target: one.target(), seq });
        let response = response(&answer);
        assert_eq!(response.seq, Some(2));
        assert_eq!(response.value, brings.then_some(&b"i2e"[..]), "{seq:?}");
        assert_eq!(response.public_key.is_some(), brings);
        assert_eq!(response.signature.is_some(), brings);
        assert!(response.token.is_some() && response.nodes.is_some());
    }
}

#[test]
fn unknown_methods_with_a_target_are_answered_like_find_node() {
    let (mut world, node) = haunted();
    let expected = ask(&mut world, "10.4.4.4:4", node, Request::FindNode { target: TORRENT });
    let unknown = Request::Unknown { method: b"vote", target: Some(TORRENT) };
    assert_eq!(ask(&mut world, "10.4.4.4:4", node, unknown), expected);
    let by_hash = b"d1:ad2:id20:aaaaaaaaaaaaaaaaaaaa9:info_hash20:bbbbbbbbbbbbbbbbbbbbe\
        1:q4:vote2:roi1e1:t2:aa1:y1:qe";
    let answer = answer(&mut world, "10.4.4.4:4", node, by_hash).unwrap();
    assert!(response(&answer).nodes.is_some());
}

#[test]
fn peers_come_with_nodes_or_without() {
    let (mut world, node) = haunted();
    let mut values = Vec::new();
    let peer: SocketAddr = "10.8.8.8:8".parse().unwrap();
    write_address(&mut values, peer);
    let v6: SocketAddr = "[2001:db8::8]:8".parse().unwrap();
    write_address(&mut values, v6);
    values.extend_from_slice(b"6:\x0a\x08\x08\x08\0\x003:abci5e");
    let id = world.command(node, Command::GetPeers(TORRENT));
    world.run_serving(Duration::from_secs(5), |_, _, bytes| {
        let Ok(Message::Query(query)) = Message::decode(bytes) else { return None };
        Some(reply(query.transaction, GHOST_ID, |r| r.values = Some(Values::new(&values))))
    });
    assert_eq!(world.done[&(node, id)].0, Outcome::Peers(vec![peer, v6]));
    assert_eq!(world.events[&(node, id)], [Progress::Peers(vec![peer, v6])]);
}

#[test]
fn want_chooses_the_families() {
    let mut world = World::new(2);
    let node = world.add("10.77.0.1:6881", Settings { v6: true, ..unlimited() });
    befriend(&mut world, node, GHOST_ID, GHOST);
    befriend(&mut world, node, GHOST_ID, "[fd00::1]:1");
    let want = |nodes, nodes6| Want { nodes, nodes6, stated: true };
    let cases = [
        (Want::default(), "10.4.4.4:4", (true, false)),
        (Want::default(), "[fd00::4]:4", (false, true)),
        (want(true, false), "[fd00::4]:4", (true, false)),
        (want(false, true), "10.4.4.4:4", (false, true)),
        (want(true, true), "10.4.4.4:4", (true, true)),
        (want(true, true), "[fd00::4]:4", (true, true)),
        (want(false, false), "10.4.4.4:4", (false, false)),
    ];
    for (want, from, expected) in cases {
        for request in [
            Request::FindNode { target: TORRENT },
            get_peers(TORRENT),
            Request::Get { target: TORRENT, seq: None },
            Request::SampleInfohashes { target: TORRENT },
        ] {
            let bytes = encoded(&Query { want, ..query(request) });
            let answer = answer(&mut world, from, node, &bytes).unwrap();
            let response = response(&answer);
            let brings = (response.nodes.is_some(), response.nodes6.is_some());
            assert_eq!(brings, expected, "{want:?} from {from}");
            assert!(response.contacts_v4().all(|contact| contact.key == GHOST_ID.key()));
        }
    }
    // One family alone is all that a node of one family has.
    let (mut world, node) = haunted();
    let both = Query { want: want(true, true), ..query(Request::FindNode { target: TORRENT }) };
    let answer = answer(&mut world, "10.4.4.4:4", node, &encoded(&both)).unwrap();
    assert!(response(&answer).nodes.is_some() && response(&answer).nodes6.is_none());
}

#[test]
fn ports_are_implied_or_given() {
    let cases = [
        (7000, false, Some(7000)),
        (7000, true, Some(1234)),
        (0, true, Some(1234)),
        (0, false, None),
    ];
    for (port, implied_port, expected) in cases {
        let (mut world, node) = haunted();
        let given = token(&mut world, "10.4.4.4:1234", node, TORRENT);
        let announce = Request::AnnouncePeer {
            info_hash: TORRENT,
            port,
            implied_port,
            seed: false,
            token: &given,
        };
        ask(&mut world, "10.4.4.4:1234", node, announce);
        let answer = ask(&mut world, "10.4.4.5:1", node, get_peers(TORRENT));
        let peers: Vec<_> = response(&answer).peers().map(|peer| peer.to_string()).collect();
        let expected: Vec<_> = expected.iter().map(|port| format!("10.4.4.4:{port}")).collect();
        assert_eq!(peers, expected, "{port} {implied_port}");
    }
    // Without `port`, and with `implied_port` of a datagram from port 0.
    let (mut world, node) = haunted();
    for (from, code) in [("10.4.4.4:1234", None), ("10.4.4.4:0", Some(203))] {
        let given = token(&mut world, "10.4.4.4:1234", node, TORRENT);
        let head = b"d1:ad2:id20:aaaaaaaaaaaaaaaaaaaa12:implied_porti1e9:info_hash20:";
        let token = [b"5:token8:", given.as_slice()].concat();
        let tail = b"e1:q13:announce_peer2:roi1e1:t2:aa1:y1:qe";
        let bytes = [head.as_slice(), TORRENT.as_bytes(), &token, tail].concat();
        let answer = answer(&mut world, from, node, &bytes).unwrap();
        let got = match Message::decode(&answer) {
            Ok(Message::Error(error)) => Some(error.code),
            _ => None,
        };
        assert_eq!(got, code, "{from}");
    }
}

/// Announces as a peer of [`TORRENT`].
fn announce(world: &mut World, node: Place, at: &str, seed: bool) {
    announce_to(world, node, at, TORRENT, seed);
}

fn announce_to(world: &mut World, node: Place, at: &str, info_hash: Id, seed: bool) {
    let given = token(world, at, node, info_hash);
    let request =
        Request::AnnouncePeer { info_hash, port: 0, implied_port: true, seed, token: &given };
    response(&ask(world, at, node, request));
}

#[test]
fn seeds_are_left_out_and_counted_as_asked() {
    let (mut world, node) = haunted();
    for n in 1..=9 {
        announce(&mut world, node, &format!("10.4.{n}.4:1"), n <= 3);
    }
    for (noseed, count) in [(false, 9), (true, 6)] {
        let request = Request::GetPeers { info_hash: TORRENT, noseed, scrape: false };
        let answer = ask(&mut world, "10.5.5.5:5", node, request);
        let response = response(&answer);
        assert_eq!(response.peers().count(), count);
        assert!(response.seeds.is_none() && response.downloaders.is_none());
    }
    let request = Request::GetPeers { info_hash: TORRENT, noseed: false, scrape: true };
    let answer = ask(&mut world, "10.5.5.5:5", node, request);
    let response = response(&answer);
    let estimate = |filter: Option<&[u8; 256]>| Bloom::from(filter.unwrap()).estimate();
    assert!((estimate(response.seeds) - 3.0).abs() < 0.1);
    assert!((estimate(response.downloaders) - 6.0).abs() < 0.1);
}

#[test]
fn samples_have_all_fields_of_bep_51() {
    let (mut world, node) = haunted();
    let request = Request::SampleInfohashes { target: TORRENT };
    let empty = ask(&mut world, "10.5.5.5:5", node, request);
    assert_eq!(response(&empty).samples, Some(&b""[..]));
    assert_eq!(response(&empty).num, Some(0));
    announce(&mut world, node, "10.4.4.4:1", false);
    let answer = ask(&mut world, "10.5.5.5:5", node, request);
    let response = response(&answer);
    assert_eq!(response.sampled().collect::<Vec<_>>(), [TORRENT]);
    assert_eq!(response.num, Some(1));
    assert!((0..=21_600).contains(&response.interval.unwrap()));
    assert!(response.nodes.is_some());
}

#[test]
fn only_who_can_be_asked_becomes_a_contact() {
    let (mut world, node) = haunted();
    let own = world.node(node).status(world.now).v4.unwrap().id;
    let ping =
        |id, read_only| encoded(&Query { read_only, ..Query::new(b"tran", id, Request::Ping) });
    let cases = [
        ("10.4.4.1:1", ping(STRANGER, true), 1, "read-only"),
        ("10.4.4.2:1", ping(own, false), 1, "with our own id"),
        ("10.4.4.3:0", ping(STRANGER, false), 1, "from port 0"),
        ("10.4.4.4:1", ping(STRANGER, false), 2, "as any node"),
    ];
    for (from, bytes, messages, what) in cases {
        assert_eq!(world.inject(from, node, &bytes).len(), messages, "{what}");
    }
    world.run_for(Duration::from_mins(1));
    let known: Vec<_> = world.node(node).contacts().map(|contact| contact.address).collect();
    assert!(known.iter().all(|address| address.ip() == ghost().ip()), "{known:?}");
}

#[test]
fn a_responder_with_another_id_is_taken_at_its_own_word() {
    let (mut world, node) = haunted();
    let (told, true_id) = (Id::new([0x71; 20]), Id::new([0x72; 20]));
    let address: SocketAddr = "10.3.3.3:3".parse().unwrap();
    let mut nodes = Vec::new();
    write_contact(&mut nodes, &contact(told, "10.3.3.3:3"));
    let id = world.command(node, Command::FindNode(TORRENT));
    world.run_serving(Duration::from_secs(5), |_, to, bytes| {
        let Ok(Message::Query(query)) = Message::decode(bytes) else { return None };
        let sender = if to == address { true_id } else { GHOST_ID };
        Some(reply(query.transaction, sender, |response| response.nodes = Some(&nodes)))
    });
    let Outcome::Nodes(found) = &world.done[&(node, id)].0 else { panic!() };
    assert!(found.iter().all(|contact| contact.key != told.key()), "{found:?}");
    let known: Vec<_> = world.node(node).contacts().map(|contact| contact.key).collect();
    assert!(known.contains(&true_id.key()) && !known.contains(&told.key()));
}

#[test]
fn one_liar_does_not_move_us() {
    let (mut world, node) = haunted();
    let id = world.node(node).status(world.now).v4.unwrap().id;
    for _ in 0..10 {
        world.command(node, Command::Ping(ghost()));
        world.run_serving(Duration::from_secs(1), |_, _, bytes| {
            let Ok(Message::Query(query)) = Message::decode(bytes) else { return None };
            let external = Some("45.6.7.8:9".parse().unwrap());
            Some(reply(query.transaction, GHOST_ID, |response| response.external = external))
        });
    }
    assert_eq!(world.node(node).status(world.now).v4.unwrap().id, id);
    assert!(!world.told.iter().any(|(_, event)| matches!(event, Event::IdChanged { .. })));
}

/// A dual-stack node whose tables are full, with a popular torrent and items of the largest size.
pub(crate) fn laden() -> (World, Place, MutableItem, Vec<u8>) {
    let mut world = World::new(3);
    let node = world.add("10.77.0.1:6881", Settings { v6: true, ..unlimited() });
    for n in 0..600u32 {
        let id = Id::from(kademlia::Key::from_id(&n.wrapping_mul(0x9e37_79b9).to_be_bytes()));
        befriend(&mut world, node, id, &format!("10.9.{}.{}:1", n / 250, n % 250 + 1));
        befriend(&mut world, node, id, &format!("[fd00::9:{n:x}]:1"));
    }
    for n in 0..90 {
        announce(&mut world, node, &format!("10.8.{n}.1:1"), n % 2 == 0);
        announce(&mut world, node, &format!("[fd00::8:{n:x}]:1"), n % 2 == 0);
    }
    for n in 0..30u8 {
        announce_to(&mut world, node, "10.8.1.1:1", Id::new([n; 20]), false);
    }
    let value = [b"996:".as_slice(), &[b'x'; 996]].concat();
    let signed = item(i64::MAX, &value);
    let given = token(&mut world, GHOST, node, signed.target());
    response(&ask(&mut world, GHOST, node, put(&signed, &given, None)));
    let given = token(&mut world, GHOST, node, immutable_target(&value));
    let unsigned = Request::Put(Put { token: &given, value: &value, mutable: None, target: None });
    response(&ask(&mut world, GHOST, node, unsigned));
    (world, node, signed, value)
}

#[test]
fn no_answer_exceeds_1280_bytes() {
    let (mut world, node, signed, value) = laden();
    let requests = [
        ("ping", Request::Ping),
        ("find_node", Request::FindNode { target: TORRENT }),
        ("get_peers, peers", get_peers(TORRENT)),
        ("get_peers, none", get_peers(STRANGER)),
        (
            "get_peers, scrape",
            Request::GetPeers { info_hash: TORRENT, noseed: false, scrape: true },
        ),
        ("get, signed item", Request::Get { target: signed.target(), seq: None }),
        ("get, immutable", Request::Get { target: immutable_target(&value), seq: None }),
        ("get, none", Request::Get { target: STRANGER, seq: None }),
        ("sample_infohashes", Request::SampleInfohashes { target: TORRENT }),
        ("unknown, target", Request::Unknown { method: b"x", target: Some(TORRENT) }),
        ("unknown", Request::Unknown { method: b"x", target: None }),
        ("put, refused", put(&signed, b"", None)),
    ];
    println!("| query | family | want | asked, bytes | answered, bytes | ratio |");
    println!("|---|---|---|---|---|---|");
    let both = Want { nodes: true, nodes6: true, stated: true };
    for (name, request) in requests {
        for (family, from) in [("IPv4", "10.4.4.4:4444"), ("IPv6", "[fd00::4]:4444")] {
            for want in [Want::default(), both] {
                let asked = encoded(&Query { want, ..query(request) });
                let answered = answer(&mut world, from, node, &asked).unwrap();
                let want_text = if want.stated { "n4 n6" } else { "" };
                println!(
                    "| {name} | {family} | {want_text} | {} | {} | {:.1} |",
                    asked.len(),
                    answered.len(),
                    ratio(answered.len(), asked.len()),
                );
                let transaction = [b'x'; MAX_TRANSACTION_BYTES];
                let asked = encoded(&Query { transaction: &transaction, want, ..query(request) });
                let longest = answer(&mut world, from, node, &asked).unwrap();
                assert!(longest.len() <= 1280, "{name}: {} bytes", longest.len());
                check_room(name, want, &longest);
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "lengths of datagrams")]
fn ratio(answered: usize, asked: usize) -> f64 {
    answered as f64 / asked as f64
}

/// What is left out to keep an answer short is no more than needed.
fn check_room(name: &str, want: Want, answer: &[u8]) {
    let Ok(Message::Response(response)) = Message::decode(answer) else { return };
    let full = answer.len() > 1280 - 60;
    let (v4, v6) = (response.contacts_v4().count(), response.contacts_v6().count());
    let expected = if name.starts_with("ping") || name.starts_with("unk") && v4 + v6 == 0 {
        0
    } else if want.stated {
        16
    } else {
        8
    };
    assert!(v4 + v6 == expected || full, "{name}: {v4} + {v6} contacts in {} bytes", answer.len());
    if name.starts_with("get_peers") && !name.ends_with("none") {
        assert!(response.peers().count() >= 30 || full, "{name}: {} bytes", answer.len());
    }
}
