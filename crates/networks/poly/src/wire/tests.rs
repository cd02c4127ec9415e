#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::many_single_char_names,
    reason = "numbers of tests are small, or cut on purpose"
)]

use super::*;
use crate::contact::Peer;
use crate::value::{BlobRef, Entry, Record, SigningKey};
use core::net::SocketAddr;
use proptest::prelude::*;

/// What messages borrow from.
#[derive(Clone, Debug)]
struct Parts {
    key: [u8; 32],
    numbers: [u64; 5],
    bytes: Vec<u8>,
    record: Record,
    entry: Entry,
    v4: Vec<u8>,
    v6: Vec<u8>,
    words: Vec<u8>,
}

fn parts() -> impl Strategy<Value = Parts> {
    let bytes = prop::collection::vec(any::<u8>(), 0..80);
    let words = prop::collection::vec(any::<[u8; 16]>(), 0..=MAX_LISTED);
    let counts = (0..=3usize, 0..=3usize);
    (any::<[u8; 32]>(), any::<[u64; 5]>(), bytes, any::<bool>(), counts, words).prop_map(
        |(key, numbers, bytes, is_gone, (v4, v6), words)| {
            let signer = SigningKey::from_bytes(&key);
            let value = (!is_gone).then_some(&bytes[..]);
            let salt = &bytes[..bytes.len() / 2];
            let slot = numbers[0] as u16;
            let pack_all = |addresses: &[SocketAddr]| {
                let mut packed = Vec::new();
                for address in addresses {
                    pack(&Peer::new(Key::new(key), *address).contact(), &mut packed);
                }
                packed
            };
            Parts {
                key,
                numbers,
                record: Record::sign(&signer, salt, numbers[1], numbers[2], value),
                entry: Entry::sign(&signer, Key::new(key), slot, numbers[1], numbers[2], value),
                v4: pack_all(&vec!["1.2.3.4:5".parse().unwrap(); v4]),
                v6: pack_all(&vec!["[2001:db8::1]:5".parse().unwrap(); v6]),
                words: words.concat(),
                bytes,
            }
        },
    )
}

fn carried(parts: &Parts, which: u8) -> Carried<'_> {
    let value = match which % 3 {
        0 => Value::Blob(BlobRef { bytes: &parts.bytes, lifetime_s: parts.numbers[3] as u32 }),
        1 => Value::Record(parts.record.borrow()),
        _ => Value::Entry(parts.entry.borrow()),
    };
    Carried { value, origin: Some(parts.numbers[4]).filter(|origin| origin % 2 == 0) }
}

fn ask<'a>(parts: &'a Parts, which: u8, values: &'a [u8]) -> Ask<'a> {
    let target = Key::new(parts.key);
    let [a, b, c, d, e] = parts.numbers;
    let kind = Kind::from_code((a % 3) as u8).unwrap();
    let count = (b % 25) as u8;
    let value = carried(parts, (c % 3) as u8);
    match which % 10 {
        0 => Ask::Ping,
        1 => Ask::Find { target, count },
        2 => Ask::Get { target, kind, count, room: d as u32, offset: e as u32 },
        3 => {
            let purpose = Purpose::from_code(a % 4).unwrap();
            Ask::Put { value, expected: Some(d).filter(|d| d % 2 == 0), purpose, count }
        }
        4 => Ask::Watch { target, kind, lease_s: d as u32, known: e },
        5 => Ask::Push { value },
        6 => Ask::Compare(Range { radius: a, depth: b as u8, prefix: c, fingerprint: d }),
        7 => {
            let marks = &parts.words[..parts.words.len().min(8 * MAX_FETCHED)];
            Ask::Fetch { marks, room: d as u32 }
        }
        8 => Ask::Offer { listed: &parts.words },
        _ => Ask::Give { values: Values::new(values) },
    }
}

fn answer<'a>(parts: &'a Parts, values: &'a [u8]) -> Answer<'a> {
    let [a, b, c, d, e] = parts.numbers;
    let some = |bit: u64| (e >> bit & 1 == 1).then_some(d as u32);
    let version = Version { seq: a, body: b, expires: c };
    Answer {
        transaction: a as u32,
        contacts: Contacts { v4: &parts.v4, v6: &parts.v6 },
        value: some(1).map(|_| carried(parts, (d % 3) as u8)),
        values: Values::new(values),
        version: some(2).map(|_| version),
        size: some(3),
        total: some(4),
        lease_s: some(5),
        difference: some(6).map(|_| Difference::Listed(&parts.words)),
        marks: some(12).map_or(&[], |_| &parts.words[..parts.words.len().min(8 * MAX_FETCHED)]),
        stored: some(7),
        uptime_min: some(8),
        calls: some(9),
        magnitude: some(10).map(|bits| bits as u8),
        keep_s: some(11),
    }
}

proptest! {
    #[test]
    fn messages_come_back(parts in parts(), which in 0..11u8, transaction in any::<u32>()) {
        let mut values = Vec::new();
        for which in 0..3 {
            write_value(&carried(&parts, which), &mut values);
        }
        prop_assert_eq!(Values::new(&values).iter().count(), 3);
        let sender = Sender { client: which % 2 == 0, v4: true, v6: parts.key[0] % 2 == 0 };
        let message = match which {
            9 => Message::Answer(answer(&parts, &values)),
            10 => {
                let refusal = refusal((parts.numbers[0] % 20) as u32, 0);
                Message::Refusal(RefusalReply { transaction, refusal })
            }
            which => {
                Message::Request(Request { transaction, sender, ask: ask(&parts, which, &values) })
            }
        };
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        prop_assert_eq!(Message::decode(&bytes), Ok(message));
        // Cut short, it is none.
        let cut = usize::from(parts.key[1]) % bytes.len();
        prop_assert!(Message::decode(&bytes[..cut]).is_err());
        bytes.push(0);
        prop_assert_eq!(Message::decode(&bytes), Err(Malformed::Syntax));
    }

    #[test]
    fn any_bytes_are_fine(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(message) = Message::decode(&bytes) {
            let mut again = Vec::new();
            message.encode(&mut again);
            prop_assert_eq!(Message::decode(&again), Ok(message));
        }
    }

    #[test]
    fn bent_messages_are_fine(
        parts in parts(),
        which in 0..9u8,
        at in any::<u16>(),
        to in any::<u8>(),
    ) {
        let sender = Sender { client: false, v4: true, v6: true };
        let mut bytes = Vec::new();
        Message::Request(Request { transaction: 1, sender, ask: ask(&parts, which, &[]) })
            .encode(&mut bytes);
        let at = usize::from(at) % bytes.len();
        bytes[at] = to;
        let _ = Message::decode(&bytes);
    }
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.chars().filter(|c| !c.is_whitespace()).collect();
    let byte = |pair: &[char]| u8::from_str_radix(&String::from_iter(pair), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

#[test]
fn what_is_unknown_is_passed_over() {
    // A ping with an unknown field 200, which holds a map of arrays.
    let bytes = hex("a4 00 01 01 01 02 18 2a 18c8 a1 01 82 05 43010203");
    let sender = Sender { client: false, v4: false, v6: false };
    let ping = Message::Request(Request { transaction: 42, sender, ask: Ask::Ping });
    assert_eq!(Message::decode(&bytes), Ok(ping));
    let unknown = hex("a3 00 01 01 14 02 18 2a");
    let expected = Err(Malformed::UnknownRequest { transaction: 42 });
    assert_eq!(Message::decode(&unknown), expected);
}

#[test]
fn what_is_wrong_is_named() {
    let cases = [
        ("", Malformed::Syntax),
        ("bf", Malformed::Syntax),
        ("a1 00 02", Malformed::Version(2)),
        ("a3 00 01 01 01 01 01", Malformed::Twice(1)),
        ("a2 00 01 01 01", Malformed::Missing(2)),
        ("a2 00 01 02 00", Malformed::Missing(1)),
        ("a3 00 01 01 02 02 00", Malformed::Missing(4)),
        ("a4 00 01 01 02 02 00 04 4101", Malformed::Field(4)),
        ("a3 00 01 01 01 02 1b 0000000100000000", Malformed::Field(2)),
        ("a3 00 01 01 01 02 41 00", Malformed::Field(2)),
        ("a4 00 01 01 1820 02 00 0a 4101", Malformed::Field(10)),
    ];
    for (bytes, expected) in cases {
        assert_eq!(Message::decode(&hex(bytes)), Err(expected), "{bytes}");
    }
    assert_eq!(Message::decode(&vec![0; MAX_BULK_BYTES + 1]), Err(Malformed::TooLong));
}

#[test]
fn a_ping_asks_little_and_a_search_much() {
    let sender = Sender { client: false, v4: true, v6: false };
    let find = Ask::Find { target: Key::ZERO, count: 12 };
    for (ask, is_little) in [(Ask::Ping, true), (Ask::Hail, true), (find, false)] {
        let mut message = Vec::new();
        Message::Request(Request { transaction: 1, sender, ask }).encode(&mut message);
        assert_eq!(asks_little(&message), is_little, "{ask:?}");
    }
    assert!(!asks_little(b"no message"));
}
