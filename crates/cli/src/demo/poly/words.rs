//! What the demo and the processes that host its nodes tell each other: a line of JSON each.
//!
//! Values do not travel: both sides draw them from the demo's seed and their numbers. So whoever
//! reads one compares it with what it must be.

use core::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use client::Key;
use client::Report;
use client::poly::value::{Entry, Record, SigningKey, blob_key, record_key, topic_key};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

use crate::demo::seed::bytes;

/// An id or a key, as it travels.
pub(super) type Id = [u8; 32];

/// What a host is to do; `number` comes back with every answer.
#[derive(Serialize, Deserialize, Debug)]
pub(super) struct Order {
    pub(super) number: u64,
    pub(super) node: usize,
    pub(super) wish: Wish,
}

/// What a node is to do.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub(super) enum Wish {
    Start(Start),
    /// How many contacts and values it has.
    Look,
    /// Store a value; a record takes the place of the version before.
    Put(Value),
    /// Store the second version of a record again: somebody was asleep when it was written.
    PutLate(Value),
    /// Read it, and compare.
    Read(Value),
    /// Tell what changes there.
    Watch(Value),
    /// Show the dashboard.
    Serve(Option<SocketAddr>),
}

/// How a node starts.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub(super) struct Start {
    pub(super) listen: SocketAddr,
    /// A node to join through.
    pub(super) first: Option<SocketAddr>,
    pub(super) folder: PathBuf,
    pub(super) secret_key: Id,
}

/// What a host answers.
#[derive(Serialize, Deserialize, Debug)]
pub(super) struct Answer {
    pub(super) number: u64,
    pub(super) word: Word,
}

/// An answer.
#[derive(Serialize, Deserialize, Debug)]
pub(super) enum Word {
    Started {
        id: Id,
        listen: SocketAddr,
    },
    Seen {
        contacts: usize,
        values: usize,
    },
    Done(Done),
    /// A version of a record, or an entry, that a watcher was told of.
    Changed {
        seq: u64,
    },
    Serving {
        url: String,
    },
    Failed(String),
}

/// What came of a put or a read.
#[derive(Serialize, Deserialize, Clone, Default, Debug)]
pub(super) struct Done {
    /// It was acknowledged, or found as it must be.
    pub(super) right: bool,
    /// The seq that won where this one was refused.
    pub(super) conflict: Option<u64>,
    /// Who acknowledged it.
    pub(super) holders: Vec<Id>,
    pub(super) cost: Option<Cost>,
    /// In words, if it is not right.
    pub(super) why: Option<String>,
}

/// What it cost.
#[derive(Serialize, Deserialize, Clone, Copy, Debug)]
pub(super) struct Cost {
    asked: u32,
    answered: u32,
    failed: u32,
    hops: u32,
    micros: u64,
}

impl From<client::poly::Report> for Cost {
    fn from(report: client::poly::Report) -> Self {
        let client::poly::Report { asked, answered, failed, hops, elapsed } = report;
        let micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        Self { asked, answered, failed, hops, micros }
    }
}

impl From<Cost> for Report {
    fn from(cost: Cost) -> Self {
        let Cost { asked, answered, failed, hops, micros } = cost;
        Self { asked, answered, failed, hops, elapsed: Duration::from_micros(micros) }
    }
}

/// Names a value, from which all of it follows.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Value {
    /// So many bytes.
    Blob { number: usize, bytes: usize },
    /// A version of a record.
    Record { number: usize, seq: u64 },
    /// One author's entry of a topic.
    Entry { topic: usize, author: usize },
    /// All entries of a topic: so many authors'.
    Topic { topic: usize, authors: usize },
}

/// Draws values.
#[derive(Clone, Copy, Debug)]
pub(super) struct Values {
    pub(super) seed: u64,
}

const SALT: &[u8] = b"polykad demo";

impl Values {
    fn rng(self, kind: u64, number: usize) -> ChaCha8Rng {
        let mut seed = [0; 32];
        let words = [self.seed, kind, number as u64].map(u64::to_be_bytes);
        for (to, from) in seed.iter_mut().zip(words.as_flattened()) {
            *to = *from;
        }
        ChaCha8Rng::from_seed(seed)
    }

    pub(super) fn blob(self, number: usize, bytes: usize) -> Vec<u8> {
        let mut blob = vec![0; bytes];
        self.rng(0, number).fill_bytes(&mut blob);
        blob
    }

    pub(super) fn author(self, number: usize) -> SigningKey {
        SigningKey::from_bytes(&bytes(&mut self.rng(1, number)))
    }

    pub(super) fn record(self, number: usize, seq: u64, expires: u64) -> Record {
        let text = record_text(number, seq);
        Record::sign(&self.author(number), SALT, seq, expires, Some(text.as_bytes()))
    }

    pub(super) fn entry(self, topic: usize, author: usize, seq: u64, expires: u64) -> Entry {
        let text = entry_text(topic, author);
        let author = self.author(author);
        Entry::sign(&author, self.topic(topic), 0, seq, expires, Some(text.as_bytes()))
    }

    fn topic(self, topic: usize) -> Key {
        topic_key(format!("demo {} topic {topic}", self.seed).as_bytes())
    }

    /// Where a value is.
    pub(super) fn key(self, value: Value) -> Key {
        match value {
            Value::Blob { number, bytes } => blob_key(&self.blob(number, bytes)),
            Value::Record { number, .. } => {
                record_key(&self.author(number).verifying_key().to_bytes(), SALT)
            }
            Value::Entry { topic, .. } | Value::Topic { topic, .. } => self.topic(topic),
        }
    }
}

/// What a version of a record says.
pub(super) fn record_text(number: usize, seq: u64) -> String {
    format!("record {number}, version {seq}")
}

/// What an entry says.
pub(super) fn entry_text(topic: usize, author: usize) -> String {
    format!("author {author} has something on topic {topic}")
}

/// A node as the picture wants it.
pub(super) fn key_of(id: &Id) -> Key {
    Key::new(*id)
}

#[cfg(test)]
mod tests;
