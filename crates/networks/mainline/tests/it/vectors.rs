//! Messages captured from real clients (`interop/capture.py`): each is understood, and what we
//! would write in its place is the same, but for what we do not know.

use std::collections::BTreeMap;
use std::path::Path;

use mainline::item::{check_value, verify_signature};
use mainline::wire::bencode::{Reader, write_string};
use mainline::wire::{Bloom, ErrorReply, Id, Message, Mutable, Put, Query, Request, Response};
use proptest::prelude::*;

/// What we read over, and so do not write: the port that a query came from (libtorrent).
const UNKNOWN: [&[u8]; 1] = [b"p"];

/// Flags, which we write only if they are set.
const FLAGS: [&[u8]; 5] = [b"implied_port", b"noseed", b"ro", b"scrape", b"seed"];

/// Each captured message: client, kind, bytes.
fn vectors() -> Vec<(String, String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    let mut vectors = Vec::new();
    for file in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let client = file.path().file_stem().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(file.path()).unwrap();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (kind, hex) = line.split_once(' ').unwrap();
            let hex: Vec<_> = hex.chars().collect();
            let byte = |pair: &[char]| u8::from_str_radix(&String::from_iter(pair), 16).unwrap();
            let bytes = hex.chunks(2).map(byte).collect();
            vectors.push((client.clone(), kind.to_owned(), bytes));
        }
    }
    vectors
}

#[test]
fn every_client_is_represented() {
    let mut clients: Vec<_> = vectors().into_iter().map(|(client, ..)| client).collect();
    clients.dedup();
    clients.sort();
    let expected = ["aria2", "bittorrent-dht", "libtorrent", "mainline", "transmission"];
    assert_eq!(clients, expected);
}

#[test]
fn each_message_is_understood() {
    for (client, kind, bytes) in vectors() {
        let message = Message::decode(&bytes)
            .unwrap_or_else(|error| panic!("{client} {kind}: {error}: {}", bytes.escape_ascii()));
        let holds = match message {
            Message::Query(query) => query_fits(&kind, &query),
            Message::Response(response) => response_fits(&kind, &response),
            Message::Error(error) => error_fits(&kind, &error),
        };
        assert!(holds, "{client} {kind}: {message:?}");
    }
}

/// The parts of a kind's name: `get_peers-query-noseed-ipv6`.
fn has(kind: &str, mark: &str) -> bool {
    kind.split('-').any(|part| part == mark)
}

fn query_fits(kind: &str, query: &Query<'_>) -> bool {
    let method = String::from_utf8_lossy(query.request.method());
    if !has(kind, "query") || !kind.starts_with(&format!("{method}-")) {
        return false;
    }
    let plausible = match query.request {
        Request::Ping => true,
        Request::FindNode { target }
        | Request::Get { target, .. }
        | Request::SampleInfohashes { target } => target != Id::default(),
        Request::GetPeers { noseed, scrape, .. } => {
            noseed == has(kind, "noseed") && scrape == has(kind, "scrape")
        }
        Request::AnnouncePeer { port, implied_port, seed, token, .. } => {
            implied_port == has(kind, "implied")
                && seed == has(kind, "seed")
                && (implied_port || port != 0)
                && !token.is_empty()
        }
        Request::Put(put) => {
            put.mutable.is_some() == has(kind, "mutable")
                && put.mutable.is_some_and(|item| item.cas.is_some()) == has(kind, "cas")
                && !put.token.is_empty()
                && put_is_valid(&put)
        }
        Request::Unknown { .. } => false,
    };
    plausible && query.sender != Id::default()
}

/// Checks a value's form, and a mutable one's signature over the bytes as they came.
fn put_is_valid(put: &Put<'_>) -> bool {
    let Put { value, mutable, .. } = *put;
    check_value(value).is_ok()
        && mutable.is_none_or(|Mutable { public_key, signature, seq, salt, .. }| {
            verify_signature(public_key, salt, seq, value, signature).is_ok()
        })
}

fn response_fits(kind: &str, response: &Response<'_>) -> bool {
    let filters = [response.seeds, response.downloaders];
    let announced = filters.map(|filter| filter.map_or(0.0, |bytes| Bloom::from(bytes).estimate()));
    has(kind, "response")
        && response.sender != Id::default()
        && response.values.is_some() == has(kind, "values")
        && (response.peers().count() > 0) == has(kind, "values")
        && response.nodes6.is_some() == has(kind, "nodes6")
        && (response.contacts_v6().count() > 0) == has(kind, "nodes6")
        && filters.iter().all(|filter| filter.is_some() == has(kind, "filters"))
        && (announced.iter().sum::<f64>() > 0.5) == has(kind, "filters")
        && response.value.is_some() == has(kind, "value")
        && response.public_key.is_some() == has(kind, "mutable")
        && response.signature.is_some() == has(kind, "mutable")
        && (!has(kind, "mutable") || response.seq.is_some())
        && response.samples.is_some() == kind.starts_with("sample_infohashes")
        && (!kind.starts_with("sample_infohashes") || response.sampled().count() > 0)
        && (!kind.starts_with("find_node") || has(kind, "nodes6") || has_contacts(response))
}

fn has_contacts(response: &Response<'_>) -> bool {
    response.contacts_v4().count() + response.contacts_v6().count() > 0
}

fn error_fits(kind: &str, error: &ErrorReply<'_>) -> bool {
    has(kind, "error") && has(kind, &error.code.to_string()) && !error.message.is_empty()
}

#[test]
fn each_message_is_written_the_same() {
    for (client, kind, bytes) in vectors() {
        let mut written = Vec::new();
        Message::decode(&bytes).unwrap().encode(&mut written);
        let expected = canonical(&bytes);
        assert_eq!(
            written.escape_ascii().to_string(),
            expected.escape_ascii().to_string(),
            "{client} {kind}"
        );
    }
}

/// The message with its keys in order, and without those that we do not know. The body of an error
/// is among the latter: libtorrent sends one.
fn canonical(bytes: &[u8]) -> Vec<u8> {
    let mut top = known(bytes);
    if top.contains_key(&b"e"[..]) {
        top.remove(&b"r"[..]);
    }
    for key in [&b"a"[..], b"r"] {
        if let Some(body) = top.get_mut(key) {
            *body = joined(&known(body));
        }
    }
    joined(&top)
}

/// The known entries of a dictionary.
fn known(bytes: &[u8]) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut entries = entries(bytes);
    entries.retain(|key, value| {
        let unset = FLAGS.contains(&&key[..]) && value == b"i0e";
        !UNKNOWN.contains(&&key[..]) && !unset
    });
    entries
}

/// The keys and raw values of a dictionary.
fn entries(bytes: &[u8]) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut reader = Reader::new(bytes);
    reader.dictionary().unwrap();
    let mut entries = BTreeMap::new();
    while !reader.end() {
        let key = reader.string().unwrap();
        entries.insert(key.to_vec(), reader.element(8).unwrap().to_vec());
    }
    entries
}

fn joined(entries: &BTreeMap<Vec<u8>, Vec<u8>>) -> Vec<u8> {
    let mut bytes = b"d".to_vec();
    for (key, value) in entries {
        write_string(&mut bytes, key);
        bytes.extend_from_slice(value);
    }
    bytes.push(b'e');
    bytes
}

proptest! {
    /// Real messages, damaged: no panic, and what still decodes encodes to the same message.
    #[test]
    fn damaged_messages_are_fine(
        which: prop::sample::Index,
        cut: prop::sample::Index,
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..5),
    ) {
        let vectors = vectors();
        let mut bytes = which.get(&vectors).2.clone();
        for (place, byte) in damage {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        for datagram in [&bytes[..], &bytes[..cut.index(bytes.len())]] {
            if let Ok(message) = Message::decode(datagram) {
                let mut encoded = Vec::new();
                message.encode(&mut encoded);
                prop_assert_eq!(Message::decode(&encoded), Ok(message));
            }
        }
    }
}
