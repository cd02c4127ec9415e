//! The daemon's part in Polykad's own network.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "words grow; one that does not fit what was asked is passed over"
)]

use core::net::SocketAddr;
use std::sync::Arc;

use hyper::Method;
use hyper::header::{HeaderName, IF_MATCH, IF_NONE_MATCH};
use kademlia::Key;

use super::super::json::poly::{
    self as json, Contacts, Entries, FoundRecord, HeldValues, Pong, Stored as StoredObject, Value,
    hex,
};
use super::super::json::{Misread, Word, hex_bytes, unhex};
use super::super::problem::poly::{get_error, put_error};
use super::super::transport::Wish;
use super::{Daemon, problem_of};
use crate::Operation;
use crate::error::StatusError;
use crate::poly::value::{Entry, Kind, Record};
use crate::poly::{
    Change, GetError, GetOptions, Got, KnownPeer, Peer, Poly, PutError, PutOptions, Quest, Quorum,
    Stored, StoredValue, Watch,
};
use crate::search::{Search, Step};
use crate::stream::unfold;

/// The parameters of a put, as they end its path; `first` is the sign before the first.
fn put_query(first: char, options: &PutOptions) -> String {
    let PutOptions { lifetime_s: _, quorum, deadline, paths } = options;
    let quorum = match quorum {
        Quorum::Auto => String::new(),
        Quorum::Count(count) => format!("&quorum={count}"),
        Quorum::All => "&quorum=all".to_owned(),
    };
    format!("{first}deadline_ms={}&paths={paths}{quorum}", deadline.as_millis())
}

fn get_query(options: &GetOptions) -> String {
    let GetOptions { deadline, paths, replicas } = options;
    format!("?deadline_ms={}&paths={paths}&replicas={replicas}", deadline.as_millis())
}

/// What is signed beside the bytes, as parameters.
fn signed_query(seq: u64, expires: u64, signature: &[u8; 64]) -> String {
    format!("&seq={seq}&expires={expires}&signature={}", hex_bytes(signature))
}

/// A wish that stores these bytes, or, without any, deletes.
fn put(path: String, bytes: Option<&[u8]>) -> Wish {
    Wish {
        method: if bytes.is_some() { Method::PUT } else { Method::DELETE },
        path,
        body: bytes.unwrap_or_default().to_vec(),
        content: bytes.map(|_| "application/octet-stream"),
        ..Wish::default()
    }
}

/// What a compare-and-swap demands: a version, or that there is none.
fn condition(expected: u64) -> (HeaderName, String) {
    match expected {
        0 => (IF_NONE_MATCH, "*".to_owned()),
        seq => (IF_MATCH, format!("\"{seq}\"")),
    }
}

impl Poly for Daemon {
    fn put(&self, value: Vec<u8>, options: PutOptions) -> Operation<Result<Stored, PutError>> {
        let lifetime_s = options.lifetime_s;
        let query = put_query('&', &options);
        let wish = Wish {
            method: Method::POST,
            path: format!("/v1/poly/values?lifetime_s={lifetime_s}{query}"),
            body: value,
            content: Some("application/octet-stream"),
            ..Wish::default()
        };
        self.ask(wish, |stored: StoredObject| stored.try_into(), put_error)
    }

    fn get(&self, key: Key, options: GetOptions) -> Operation<Result<Got<Vec<u8>>, GetError>> {
        let wish = Wish::get(format!("/v1/poly/values/{}{}", hex(&key), get_query(&options)));
        let read = |found: Value| {
            let value = unhex(&found.value_hex).ok_or(Misread)?;
            Ok(Got { value, report: found.cost.into() })
        };
        self.ask(wish, read, get_error)
    }

    fn put_record(
        &self,
        record: Record,
        expected: Option<u64>,
        options: PutOptions,
    ) -> Operation<Result<Stored, PutError>> {
        let Record { public_key, salt, seq, expires, value, signature } = &record;
        let path = format!(
            "/v1/poly/records/{}?salt={}{}{}",
            hex_bytes(public_key),
            hex_bytes(salt),
            signed_query(*seq, *expires, signature),
            put_query('&', &options)
        );
        let wish = Wish { condition: expected.map(condition), ..put(path, value.as_deref()) };
        self.ask(wish, |stored: StoredObject| stored.try_into(), put_error)
    }

    fn record(&self, key: Key, options: GetOptions) -> Operation<Result<Got<Record>, GetError>> {
        let wish = Wish::get(format!("/v1/poly/records/key/{}{}", hex(&key), get_query(&options)));
        let transport = Arc::clone(&self.transport);
        Box::pin(async move {
            let problem = match transport.ask::<FoundRecord>(wish).await {
                Ok(found) => match Record::try_from(&found.record) {
                    Ok(value) => return Ok(Got { value, report: found.cost.into() }),
                    Err(Misread) => problem_of(&transport.foreign()),
                },
                Err(unreachable) => problem_of(&unreachable),
            };
            // A tombstone is what was asked for.
            let record = problem.record.as_deref().map(Record::try_from);
            match (problem.name(), record, problem.cost) {
                ("deleted", Some(Ok(value)), Some(cost)) => Ok(Got { value, report: cost.into() }),
                _ => Err(get_error(&problem)),
            }
        })
    }

    fn put_entry(&self, entry: Entry, options: PutOptions) -> Operation<Result<Stored, PutError>> {
        let Entry { topic, public_key, slot, seq, expires, payload, signature } = &entry;
        let path = format!(
            "/v1/poly/topics/{}/{}?slot={slot}{}{}",
            hex(topic),
            hex_bytes(public_key),
            signed_query(*seq, *expires, signature),
            put_query('&', &options)
        );
        let read = |stored: StoredObject| stored.try_into();
        self.ask(put(path, payload.as_deref()), read, put_error)
    }

    fn topic(
        &self,
        topic: Key,
        limit: usize,
        options: GetOptions,
    ) -> Operation<Result<Got<Vec<Entry>>, GetError>> {
        let query = get_query(&options);
        let wish = Wish::get(format!("/v1/poly/topics/{}{query}&limit={limit}", hex(&topic)));
        let read = |found: Entries| {
            let value = found.entries.iter().map(Entry::try_from).collect::<Result<_, _>>()?;
            Ok(Got { value, report: found.cost.into() })
        };
        self.ask(wish, read, get_error)
    }

    fn watch(&self, key: Key, kind: Kind) -> Watch {
        let path = match kind {
            Kind::Entry => format!("/v1/poly/topics/{}/watch", hex(&key)),
            Kind::Blob | Kind::Record => format!("/v1/poly/records/key/{}/watch", hex(&key)),
        };
        let words = self.words(Wish { stream: true, ..Wish::get(path) });
        Watch::new(unfold(words, |mut words| async move {
            loop {
                let change = match words.next().await.ok()?? {
                    Word::Record(record) => Change::Record(Box::new((&record).try_into().ok()?)),
                    Word::Entry(entry) => Change::Entry(Box::new((&entry).try_into().ok()?)),
                    _ => continue,
                };
                return Some((change, words));
            }
        }))
    }

    fn trace(&self, target: Key, quest: Quest) -> Search<Step> {
        let quest = match quest {
            Quest::Nodes => "nodes",
            Quest::Blob => "value",
            Quest::Record => "record",
            Quest::Topic => "topic",
        };
        let wish = Wish::get(format!("/v1/poly/trace/{}?quest={quest}", hex(&target)));
        self.search(wish, |word| match word {
            Word::Step(step) => step.read(json::key).ok(),
            _ => None,
        })
    }

    fn find_node(&self, target: Key) -> Operation<Result<Got<Vec<Peer>>, GetError>> {
        let wish = Wish::get(format!("/v1/poly/nodes/{}", hex(&target)));
        let read = |found: json::Nodes| {
            let value = found.nodes.iter().map(Peer::try_from).collect::<Result<_, _>>()?;
            Ok(Got { value, report: found.cost.into() })
        };
        self.ask(wish, read, get_error)
    }

    fn ping(&self, address: SocketAddr) -> Operation<Result<Got<Peer>, GetError>> {
        let wish = Wish::get(format!("/v1/poly/ping?address={address}"));
        let read =
            |pong: Pong| Ok(Got { value: (&pong.node).try_into()?, report: pong.cost.into() });
        self.ask(wish, read, get_error)
    }

    fn contacts(&self) -> Operation<Result<Vec<KnownPeer>, StatusError>> {
        let read = |all: Contacts| all.contacts.iter().map(KnownPeer::try_from).collect();
        self.ask(Wish::get("/v1/poly/contacts"), read, |_| StatusError::Stopped)
    }

    fn stored(&self, most: usize) -> Operation<Result<Vec<StoredValue>, StatusError>> {
        let read = |all: HeldValues| all.values.iter().map(StoredValue::try_from).collect();
        let wish = Wish::get(format!("/v1/poly/stored?most={most}"));
        self.ask(wish, read, |_| StatusError::Stopped)
    }
}
