//! A daemon elsewhere as a client: each call of the traits is one request to its API.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "words grow; one that does not fit what was asked is passed over"
)]

use core::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use hyper::Method;
use kademlia::Key;

use super::json::{self, Word, hex, hex_bytes, key};
use super::problem::{Problem, announce_error, find_error, get_error, ping_error, put_error};
use super::transport::{Address, Lines, Transport, Unreachable, Wish};
use crate::error::{AnnounceError, FindError, GetError, PingError, PutError, StatusError};
use crate::mainline::{
    Announce, Got, KnownContact, Mainline, Nodes, Pong, Quest, Sample, Scrape, SignedItem,
    StoredKey,
};
use crate::report::PutReport;
use crate::search::{Announcement, Found, Round, Search, Step};
use crate::status::Status;
use crate::stream::unfold;
use crate::{Client, Operation, Poly};

mod announcements;
mod poly;

/// A daemon's API as a [`Client`]. Cheap to clone. Its operations need a tokio runtime.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use client::{Client, Mainline, http::Daemon};
///
/// let daemon = Daemon::connect("http://127.0.0.1:6880".parse()?, None).await?;
/// let put = daemon.put_immutable(client::mainline::byte_string(b"hello")).await?;
/// println!("{} nodes hold it", put.acknowledged.len());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Daemon {
    transport: Arc<Transport>,
    has_mainline: bool,
    has_poly: bool,
}

impl Daemon {
    /// Finds out whether a daemon is there, takes the token and in which networks it takes part.
    ///
    /// # Errors
    /// There is none, or it refuses.
    pub async fn connect(address: Address, token: Option<String>) -> Result<Self, Unreachable> {
        let transport = Arc::new(Transport { address, token });
        let status: json::Status = transport.ask(Wish::get("/v1/status")).await?;
        let (has_mainline, has_poly) = (status.mainline.is_some(), status.poly.is_some());
        Ok(Self { transport, has_mainline, has_poly })
    }

    /// Where it is.
    pub fn address(&self) -> &Address {
        &self.transport.address
    }

    /// Asks; what comes back is read by `read`, a refusal by `refuse`.
    fn ask<O, T, E>(
        &self,
        wish: Wish,
        read: impl FnOnce(O) -> Result<T, json::Misread> + Send + 'static,
        refuse: impl Fn(&Problem) -> E + Send + Sync + 'static,
    ) -> Operation<Result<T, E>>
    where
        O: serde::de::DeserializeOwned + Send + 'static,
        E: Send + 'static,
        T: Send + 'static,
    {
        let transport = Arc::clone(&self.transport);
        Box::pin(async move {
            let object = match transport.ask(wish).await {
                Ok(object) => object,
                Err(unreachable) => return Err(refuse(&problem_of(&unreachable))),
            };
            read(object).map_err(|_| refuse(&problem_of(&transport.foreign())))
        })
    }

    fn words(&self, wish: Wish) -> Words {
        Words::Unasked(Arc::clone(&self.transport), wish)
    }

    /// A search whose findings are the words that `find` knows.
    fn search<T: Send + 'static>(&self, wish: Wish, find: fn(Word) -> Option<T>) -> Search<T> {
        let words = self.words(Wish { stream: true, ..wish });
        Search::new(unfold(Some(words), move |words| async move {
            let mut words = words?;
            loop {
                let word = match words.next().await {
                    Ok(Some(word)) => word,
                    Ok(None) => return Some((Err(FindError::Stopped), None)),
                    Err(problem) => return Some((Err(find_error(&problem)), None)),
                };
                let found = match word {
                    Word::Done(cost) => return Some((Ok(Found::Done(cost.into())), None)),
                    Word::Failed(problem) => return Some((Err(find_error(&problem)), None)),
                    other => find(other),
                };
                if let Some(item) = found {
                    return Some((Ok(Found::Item(item)), Some(words)));
                }
            }
        }))
    }
}

/// What a transport's trouble means, as if the daemon had said it.
fn problem_of(unreachable: &Unreachable) -> Problem {
    match unreachable {
        Unreachable::Refused { problem, .. } => (**problem).clone(),
        other => Problem::new(502, "daemon", "the daemon did not help", other.to_string()),
    }
}

/// The lines of a stream, asked for when the first is wanted.
enum Words {
    Unasked(Arc<Transport>, Wish),
    Coming(Arc<Transport>, Lines),
    Ended,
}

impl Words {
    async fn next(&mut self) -> Result<Option<Word>, Problem> {
        if let Self::Unasked(transport, wish) = self {
            let (transport, wish) = (Arc::clone(transport), core::mem::take(wish));
            let response = transport.send(wish).await;
            let response = response.map_err(|unreachable| problem_of(&unreachable))?;
            *self = Self::Coming(transport, Lines::new(response));
        }
        let Self::Coming(transport, lines) = self else { return Ok(None) };
        let line = match lines.next().await {
            Some(Ok(line)) => line,
            Some(Err(error)) => return Err(problem_of(&transport.broken(error))),
            None => {
                *self = Self::Ended;
                return Ok(None);
            }
        };
        let word = serde_json::from_slice(&line);
        word.map(Some).map_err(|_| problem_of(&transport.foreign()))
    }
}

impl Client for Daemon {
    fn status(&self) -> Operation<Result<Status, StatusError>> {
        let wish = Wish::get("/v1/status");
        self.ask(wish, |status: json::Status| status.try_into(), |_| StatusError::Stopped)
    }

    fn mainline(&self) -> Option<&dyn Mainline> {
        self.has_mainline.then_some(self as &dyn Mainline)
    }

    fn poly(&self) -> Option<&dyn Poly> {
        self.has_poly.then_some(self as &dyn Poly)
    }
}

/// The path of something of the Mainline DHT, by key.
fn path(what: &str, key: &Key) -> String {
    format!("/v1/mainline/{what}/{}", hex(key))
}

/// The path of a signed item.
fn signed_path(public_key: &[u8; 32], salt: &[u8]) -> String {
    let path = format!("/v1/mainline/signed/{}", hex_bytes(public_key));
    if salt.is_empty() { path } else { format!("{path}?salt={}", hex_bytes(salt)) }
}

const JSON: Option<&str> = Some("application/json");

impl Mainline for Daemon {
    fn ping(&self, address: SocketAddr) -> Operation<Result<Pong, PingError>> {
        let wish = Wish::get(format!("/v1/mainline/ping?address={address}"));
        let refuse = move |problem: &Problem| ping_error(problem, address);
        self.ask(wish, |pong: json::Pong| pong.try_into(), refuse)
    }

    fn find_node(&self, target: Key) -> Operation<Result<Nodes, FindError>> {
        let wish = Wish::get(path("nodes", &target));
        self.ask(wish, |nodes: json::Nodes| nodes.try_into(), find_error)
    }

    fn find_peers(&self, info_hash: Key) -> Search<Vec<SocketAddr>> {
        self.search(Wish::get(path("peers", &info_hash)), |word| match word {
            Word::Peers { peers } => Some(peers),
            _ => None,
        })
    }

    fn announce(&self, torrent: Announce) -> Announcement {
        let Announce { info_hash, port, seed } = torrent;
        let body = serde_json::to_vec(&json::Announce { port, seed }).unwrap_or_default();
        let path = path("peers", &info_hash);
        let wish = Wish {
            method: Method::POST,
            path,
            body,
            content: JSON,
            stream: true,
            ..Wish::default()
        };
        Announcement::new(rounds(self.words(wish)))
    }

    fn scrape(&self, info_hash: Key) -> Operation<Result<Scrape, FindError>> {
        let wish = Wish::get(path("scrape", &info_hash));
        self.ask(wish, |scrape: json::Scrape| Ok(scrape.into()), find_error)
    }

    fn get_immutable(&self, key: Key) -> Operation<Result<Got<Vec<u8>>, GetError>> {
        let read = |item: json::Item| {
            let value = json::unhex(&item.value_hex).ok_or(json::Misread)?;
            Ok(Got { value, report: item.cost.into() })
        };
        self.ask(Wish::get(path("items", &key)), read, get_error)
    }

    fn get_mutable(
        &self,
        public_key: [u8; 32],
        salt: Vec<u8>,
    ) -> Operation<Result<Got<SignedItem>, GetError>> {
        let read = |found: json::FoundSigned| {
            Ok(Got { value: (&found.item).try_into()?, report: found.cost.into() })
        };
        self.ask(Wish::get(signed_path(&public_key, &salt)), read, get_error)
    }

    fn put_immutable(&self, value: Vec<u8>) -> Operation<Result<PutReport, PutError>> {
        let wish = Wish {
            method: Method::POST,
            path: "/v1/mainline/items?bencoded=true".to_owned(),
            body: value,
            content: Some("application/octet-stream"),
            ..Wish::default()
        };
        self.ask(wish, |stored: json::Stored| (&stored).try_into(), put_error)
    }

    fn put_mutable(
        &self,
        item: SignedItem,
        cas: Option<i64>,
    ) -> Operation<Result<PutReport, PutError>> {
        let put = json::PutSigned {
            seq: item.seq,
            value_hex: hex_bytes(&item.value),
            signature: hex_bytes(&item.signature),
        };
        let wish = Wish {
            method: Method::PUT,
            path: signed_path(&item.public_key, &item.salt),
            body: serde_json::to_vec(&put).unwrap_or_default(),
            content: JSON,
            condition: cas.map(|cas| (hyper::header::IF_MATCH, format!("\"{cas}\""))),
            ..Wish::default()
        };
        self.ask(wish, |stored: json::Stored| (&stored).try_into(), put_error)
    }

    fn sample(&self, target: Key) -> Search<Sample> {
        self.search(Wish::get(path("samples", &target)), |word| match word {
            Word::Sample(sample) => sample.try_into().ok(),
            _ => None,
        })
    }

    fn sample_node(&self, address: SocketAddr) -> Operation<Result<Sample, PingError>> {
        let wish = Wish::get(format!("/v1/mainline/sample?address={address}"));
        let refuse = move |problem: &Problem| ping_error(problem, address);
        self.ask(wish, |sample: json::Sample| sample.try_into(), refuse)
    }

    fn trace(&self, target: Key, quest: Quest) -> Search<Step> {
        let quest = match quest {
            Quest::Nodes => "nodes",
            Quest::Peers => "peers",
            Quest::Value => "value",
        };
        let wish = Wish::get(format!("{}?quest={quest}", path("trace", &target)));
        self.search(wish, |word| match word {
            Word::Step(step) => step.read(key).ok(),
            _ => None,
        })
    }

    fn contacts(&self) -> Operation<Result<Vec<KnownContact>, StatusError>> {
        let read = |contacts: json::Contacts| {
            contacts.contacts.iter().map(KnownContact::try_from).collect()
        };
        self.ask(Wish::get("/v1/mainline/contacts"), read, |_| StatusError::Stopped)
    }

    fn stored_keys(&self, most: usize) -> Operation<Result<Vec<StoredKey>, StatusError>> {
        let read = |stored: json::StoredKeys| stored.keys.iter().map(StoredKey::try_from).collect();
        let wish = Wish::get(format!("/v1/mainline/stored?most={most}"));
        self.ask(wish, read, |_| StatusError::Stopped)
    }
}

type Rounds = Pin<Box<dyn futures_core::Stream<Item = Round> + Send>>;

/// The rounds of an announcement, which lives as long as its stream.
fn rounds(words: Words) -> Rounds {
    Box::pin(unfold(Some(words), |words| async move {
        let mut words = words?;
        loop {
            let round = match words.next().await {
                Ok(Some(Word::Round(stored))) => {
                    let report: Result<PutReport, _> = (&stored).try_into();
                    report.map_err(|_| AnnounceError::from(FindError::Stopped))
                }
                Ok(Some(Word::RoundFailed(problem))) => Err(announce_error(&problem)),
                Ok(Some(_)) => continue,
                Ok(None) => return Some((Err(FindError::Stopped.into()), None)),
                Err(problem) => return Some((Err(announce_error(&problem)), None)),
            };
            return Some((round, Some(words)));
        }
    }))
}
