//! `polykad demo-host`: some of the demo's nodes in a process of their own, which can be killed.
//!
//! Takes orders on standard input and answers on standard output. When the input ends, whoever
//! started it is gone: it takes its nodes' folders away and ends.
#![expect(clippy::wildcard_enum_match_arm, reason = "few kinds of wishes and errors matter")]

use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::time::Duration;

use client::Client;
use client::poly::value::{Kind, Record};
use client::poly::{
    Change, Failure as Refused, GetError, GetOptions, Poly, PutError, PutOptions, Stored,
};
use polykad::PolyNode;
use polykad::clock::unix_seconds;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::words::{
    Answer, Done, Order, Start, Value, Values, Wish, Word, entry_text, record_text,
};
use crate::args::DemoHostOptions;
use crate::failure::Failure;
use crate::gateway::Serving;
use crate::node;

/// Orders and answers that wait.
const QUEUE: usize = 256;
/// How long nodes have to write their last words when the demo has vanished.
const FAREWELL: Duration = Duration::from_secs(3);
/// Times that a version of a record is put, at most, and the first pause between two; each is
/// longer by as much. All of them fit into the demo's patience.
const ATTEMPTS: u32 = 7;
const PAUSE: Duration = Duration::from_millis(300);
/// How long the demo's values live: longer than anybody watches.
const LIFETIME_S: u64 = 24 * 3600;

/// Nodes of this process.
struct Host {
    values: Values,
    nodes: BTreeMap<usize, PolyNode>,
    folders: Vec<PathBuf>,
    dashboards: Vec<Serving>,
    answers: mpsc::Sender<Answer>,
}

/// Serves until the demo ends.
pub(crate) async fn run(options: DemoHostOptions) -> Result<(), Failure> {
    let (orders, mut next) = mpsc::channel(QUEUE);
    std::thread::spawn(move || hear(&orders));
    let (answers, told) = mpsc::channel(QUEUE);
    std::thread::spawn(move || tell(told));
    let mut host = Host {
        values: Values { seed: options.seed },
        nodes: BTreeMap::new(),
        folders: Vec::new(),
        dashboards: Vec::new(),
        answers,
    };
    while let Some(order) = next.recv().await {
        host.obey(order).await;
    }
    host.vanish().await;
    Ok(())
}

/// Reads orders until the demo is gone.
fn hear(orders: &mpsc::Sender<Order>) {
    for line in std::io::stdin().lock().lines() {
        let Ok(line) = line else { return };
        let Ok(order) = serde_json::from_str(&line) else { return };
        if orders.blocking_send(order).is_err() {
            return;
        }
    }
}

fn tell(mut answers: mpsc::Receiver<Answer>) {
    while let Some(answer) = answers.blocking_recv() {
        let Ok(mut line) = serde_json::to_vec(&answer) else { return };
        line.push(b'\n');
        let mut out = std::io::stdout().lock();
        if out.write_all(&line).and_then(|()| out.flush()).is_err() {
            // Nobody listens: the end of standard input follows.
            return;
        }
    }
}

impl Host {
    async fn obey(&mut self, Order { number, node, wish }: Order) {
        let answers = self.answers.clone();
        let word = match wish {
            Wish::Start(start) => self.start(node, start).await,
            Wish::Serve(listen) => self.serve(node, listen).await,
            wish => {
                let (node, values) = (self.nodes.get(&node).cloned(), self.values);
                tokio::spawn(async move {
                    let word = match node {
                        None => Word::Failed("no such node".to_owned()),
                        Some(node) => act(&node, values, wish, number, &answers).await,
                    };
                    // Without a demo nobody minds.
                    let _ = answers.send(Answer { number, word }).await;
                });
                return;
            }
        };
        let _ = answers.send(Answer { number, word }).await;
    }

    async fn start(&mut self, number: usize, start: Start) -> Word {
        self.folders.push(start.folder.clone());
        let Start { listen, first, folder, secret_key } = start;
        match node::start_local_poly(listen, first, &folder, secret_key).await {
            Ok(node) => {
                let listen = node.listen().first().copied().unwrap_or(listen);
                let id = *node.id().as_bytes();
                self.nodes.insert(number, node);
                Word::Started { id, listen }
            }
            Err(failure) => Word::Failed(failure.message),
        }
    }

    async fn serve(&mut self, number: usize, listen: Option<core::net::SocketAddr>) -> Word {
        let Some(node) = self.nodes.get(&number) else {
            return Word::Failed("no such node".to_owned());
        };
        match Serving::start_demo(listen, std::sync::Arc::new(node.clone())).await {
            Ok(serving) => {
                let url = serving.url();
                self.dashboards.push(serving);
                Word::Serving { url }
            }
            Err(failure) => Word::Failed(failure.message),
        }
    }

    /// The demo is gone without a word: leave nothing behind.
    async fn vanish(self) {
        let nodes = self.nodes.into_values();
        let stop = async {
            for node in nodes {
                node.shutdown().await;
            }
        };
        // One that does not stop in time is stopped by the end of the process.
        let _ = timeout(FAREWELL, stop).await;
        for folder in self.folders {
            // Those above belong to other hosts as well: the last one to go takes them away.
            let _ = std::fs::remove_dir_all(&folder);
            let _ = folder.parent().map(std::fs::remove_dir);
        }
    }
}

async fn act(
    node: &PolyNode,
    values: Values,
    wish: Wish,
    number: u64,
    answers: &mpsc::Sender<Answer>,
) -> Word {
    match wish {
        Wish::Look => look(node).await,
        Wish::Put(value) => Word::Done(put(node, values, value, None).await),
        Wish::PutLate(value) => Word::Done(put(node, values, value, Some(1)).await),
        Wish::Read(value) => Word::Done(read(node, values, value).await),
        Wish::Watch(value) => watch(node, values, value, number, answers).await,
        Wish::Start(_) | Wish::Serve(_) => Word::Failed("not for a node".to_owned()),
    }
}

async fn look(node: &PolyNode) -> Word {
    match node.status().await.ok().and_then(|status| status.poly) {
        Some(poly) => Word::Seen { contacts: poly.table, values: poly.values },
        None => Word::Failed("the node has stopped".to_owned()),
    }
}

/// Stores a value. `late` is what a writer of a record takes for its newest version.
async fn put(node: &PolyNode, values: Values, value: Value, late: Option<u64>) -> Done {
    let expires = unix_seconds() + LIFETIME_S;
    let options = PutOptions::default();
    let result = match value {
        Value::Blob { number, bytes } => node.put(values.blob(number, bytes), options).await,
        Value::Record { number, seq } => {
            let seq = late.map_or(seq, |late| late + 1);
            let record = values.record(number, seq, expires);
            match late {
                Some(late) => node.put_record(record, Some(late), options).await,
                None => swap(node, &record).await,
            }
        }
        Value::Entry { topic, author } | Value::Topic { topic, authors: author } => {
            node.put_entry(values.entry(topic, author, author as u64 + 1, expires), options).await
        }
    };
    match result {
        Ok(Stored { acknowledgements, report, .. }) => Done {
            right: true,
            holders: acknowledgements.stored.iter().map(|peer| *peer.id.as_bytes()).collect(),
            cost: Some(report.into()),
            ..Done::default()
        },
        Err(error) => {
            let conflict = match &error {
                PutError::Failed(Refused::Conflict(winner)) => Some(winner.seq),
                _ => None,
            };
            Done { conflict, why: Some(error.to_string()), ..Done::default() }
        }
    }
}

/// Puts the next version of a record, as an author does who knows that nobody else writes it:
/// holders whom the version before has not reached yet refuse, and are asked again once reading, or
/// the repair among holders after a restart, has brought them up to date.
async fn swap(node: &PolyNode, record: &Record) -> Result<Stored, PutError> {
    let options = PutOptions::default();
    let mut expected = Some(record.seq - 1);
    for attempt in 1..ATTEMPTS {
        let error = match node.put_record(record.clone(), expected, options).await {
            Ok(stored) => return Ok(stored),
            Err(error) => error,
        };
        match &error {
            // An earlier attempt has reached some: now for the others.
            PutError::Failed(Refused::Conflict(winner)) if **winner == *record => expected = None,
            PutError::Failed(Refused::Conflict(winner)) if winner.seq < record.seq => {}
            PutError::Failed(Refused::ConflictUnseen { .. } | Refused::QuorumMissed(_)) => {}
            _ => return Err(error),
        }
        // What it brings is known; that it mends stale replicas matters.
        let _ = node.record(record.key(), GetOptions::default()).await;
        sleep(PAUSE * attempt).await;
    }
    node.put_record(record.clone(), expected, options).await
}

/// Reads a value and compares it with what it must be.
async fn read(node: &PolyNode, values: Values, value: Value) -> Done {
    let options = GetOptions::default();
    let result = match value {
        Value::Blob { number, bytes } => {
            let got = node.get(values.key(value), options).await;
            got.map(|got| (got.value == values.blob(number, bytes), got.report))
        }
        Value::Record { number, seq } => {
            let got = node.record(values.key(value), options).await;
            let text = record_text(number, seq);
            got.map(|got| {
                let same = got.value.value.as_deref() == Some(text.as_bytes());
                (got.value.seq == seq && same, got.report)
            })
        }
        Value::Entry { topic, author: authors } | Value::Topic { topic, authors } => {
            let got = node.topic(values.key(value), 2 * authors, options).await;
            got.map(|got| (is_whole(topic, authors, &got.value), got.report))
        }
    };
    match result {
        Ok((right, report)) => Done {
            right,
            cost: Some(report.into()),
            why: (!right).then(|| "it is not what was stored last".to_owned()),
            ..Done::default()
        },
        Err(error) => {
            let cost = match &error {
                GetError::NotFound { report } => Some((*report).into()),
                _ => None,
            };
            Done { cost, why: Some(error.to_string()), ..Done::default() }
        }
    }
}

/// Whether all entries of a topic are there.
fn is_whole(topic: usize, authors: usize, entries: &[client::poly::value::Entry]) -> bool {
    let has = |text: String| {
        entries.iter().any(|entry| entry.payload.as_deref() == Some(text.as_bytes()))
    };
    entries.len() == authors && (0..authors).all(|author| has(entry_text(topic, author)))
}

/// Tells every change, until the process ends.
async fn watch(
    node: &PolyNode,
    values: Values,
    value: Value,
    number: u64,
    answers: &mpsc::Sender<Answer>,
) -> Word {
    let kind = match value {
        Value::Record { .. } | Value::Blob { .. } => Kind::Record,
        Value::Entry { .. } | Value::Topic { .. } => Kind::Entry,
    };
    let mut changes = node.watch(values.key(value), kind);
    while let Some(change) = changes.next().await {
        let seq = match change {
            Change::Record(record) => record.seq,
            Change::Entry(entry) => entry.seq,
        };
        if answers.send(Answer { number, word: Word::Changed { seq } }).await.is_err() {
            break;
        }
    }
    Word::Failed("the watch has ended".to_owned())
}
