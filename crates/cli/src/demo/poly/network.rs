//! The demo's nodes: some in each of several processes, which can be killed and started again.
#![expect(clippy::wildcard_enum_match_arm, reason = "an answer fits what was asked, or does not")]

use core::net::SocketAddr;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use client::Key;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::plan::Plan;
use super::words::{Answer, Order, Start, Wish, Word, key_of};
use crate::demo::address;
use crate::failure::Failure;

/// Answers of one order that wait.
const ANSWERS: usize = 64;
/// A process that takes longer hangs.
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);
/// Orders that wait for a process to read them.
const ORDERS: usize = 64;

/// All processes and nodes. Dropping it kills them and takes their folders away.
pub(super) struct Network {
    seed: u64,
    /// By number; dead ones as `None`. Node `n` lives in process `n` modulo their number.
    processes: Vec<Option<Process>>,
    nodes: Vec<Place>,
    /// The last number given to an order.
    orders: u64,
    // Goes last, after those who write there.
    folder: TempDir,
}

/// Who a node is and where, once it has started.
#[derive(Clone, Copy, Debug)]
struct Place {
    id: Key,
    listen: SocketAddr,
}

/// A process with nodes in it.
struct Process {
    child: Child,
    orders: mpsc::Sender<Order>,
    waiting: Waiting,
}

/// Who waits for the answers to which order. When the process ends, nobody does.
type Waiting = Arc<Mutex<BTreeMap<u64, mpsc::Sender<Word>>>>;

impl Network {
    /// No process yet; their number is at most that of the nodes.
    pub(super) fn new(plan: &Plan) -> Result<Self, Failure> {
        let folder = tempfile::Builder::new().prefix("polykad-demo-").tempdir();
        let folder = folder.map_err(|error| {
            Failure::failed(format!("cannot make a folder for the nodes' data: {error}"))
        })?;
        Ok(Self {
            seed: plan.seed,
            processes: (0..plan.processes).map(|_| None).collect(),
            nodes: Vec::new(),
            orders: 0,
            folder,
        })
    }

    /// Starts all processes that do not run.
    pub(super) fn spawn(&mut self) -> Result<usize, Failure> {
        let mut spawned = 0;
        for process in self.processes.iter_mut().filter(|process| process.is_none()) {
            *process = Some(Process::spawn(self.seed)?);
            spawned += 1;
        }
        Ok(spawned)
    }

    /// Starts a node; one that ran before gets its folder and its port again.
    pub(super) async fn start(
        &mut self,
        node: usize,
        secret_key: [u8; 32],
    ) -> Result<Key, Failure> {
        let before = self.nodes.get(node).copied();
        let listen = before.map_or_else(|| address(node), |place| place.listen);
        let first = self.nodes.first().map(|place| place.listen);
        let start = Start {
            listen,
            first: first.filter(|_| node != 0),
            folder: self.folder_of(node),
            secret_key,
        };
        match self.ask(node, Wish::Start(start)).await? {
            Word::Started { id, listen } => {
                let place = Place { id: key_of(&id), listen };
                if before.is_none() {
                    self.nodes.push(place);
                }
                Ok(place.id)
            }
            word => Err(unexpected(&word)),
        }
    }

    fn folder_of(&self, node: usize) -> PathBuf {
        self.folder.path().join(format!("node-{node:02}"))
    }

    /// The id of a node.
    pub(super) fn id(&self, node: usize) -> Key {
        self.nodes.get(node).map(|place| place.id).unwrap_or_default()
    }

    /// Whether a node's process runs.
    pub(super) fn is_alive(&self, node: usize) -> bool {
        let process = node.checked_rem(self.processes.len());
        process.and_then(|process| self.processes.get(process)).is_some_and(Option::is_some)
    }

    /// The nodes that run, by number.
    pub(super) fn alive(&self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|&node| self.is_alive(node)).collect()
    }

    /// Has a node do something; the answer comes as the last thing it says.
    pub(super) async fn ask(&mut self, node: usize, wish: Wish) -> Result<Word, Failure> {
        let mut answers = self.order(node, wish).await?;
        match timeout(ANSWERED_WITHIN, answers.recv()).await {
            Ok(answer) => answer.ok_or_else(died),
            Err(_) => {
                Err(Failure::failed("a process of the demo does not answer: it may be too busy"))
            }
        }
    }

    /// Has a node do something; what it says comes one by one. The channel ends with its process.
    pub(super) async fn order(
        &mut self,
        node: usize,
        wish: Wish,
    ) -> Result<mpsc::Receiver<Word>, Failure> {
        self.orders += 1;
        let number = self.orders;
        let process = node.checked_rem(self.processes.len());
        let process = process.and_then(|process| self.processes.get(process));
        let process = process.and_then(Option::as_ref).ok_or_else(died)?;
        let (sender, receiver) = mpsc::channel(ANSWERS);
        lock(&process.waiting).insert(number, sender);
        let order = Order { number, node, wish };
        process.orders.send(order).await.map_err(|_| died())?;
        Ok(receiver)
    }

    /// Kills processes with SIGKILL, all at once. Returns how many there were.
    pub(super) async fn kill(&mut self, victims: &[usize]) -> Result<usize, Failure> {
        let mut dying = Vec::new();
        for &victim in victims {
            dying.extend(self.processes.get_mut(victim).and_then(Option::take));
        }
        for process in &mut dying {
            process.child.start_kill().map_err(|error| cannot("kill", &error))?;
        }
        for process in &mut dying {
            process.child.wait().await.map_err(|error| cannot("wait for", &error))?;
        }
        Ok(dying.len())
    }

    /// The processes there are, running or not.
    pub(super) fn processes(&self) -> Vec<usize> {
        (0..self.processes.len()).collect()
    }

    /// Ends all that runs, and takes away what it has written.
    pub(super) async fn close(mut self) -> Result<(), Failure> {
        self.kill(&self.processes()).await?;
        let folder = self.folder.path().display().to_string();
        self.folder.close().map_err(|error| {
            Failure::failed(format!("cannot take away the nodes' data in {folder}: {error}"))
        })
    }
}

impl Process {
    fn spawn(seed: u64) -> Result<Self, Failure> {
        let program = std::env::current_exe().map_err(|error| cannot("find", &error))?;
        let mut command = Command::new(program);
        command
            .args(["demo-host", "--seed", &seed.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        // Ctrl-C is for the demo: it ends them in its own way.
        #[cfg(unix)]
        command.process_group(0);
        let mut child = command.spawn().map_err(|error| cannot("start", &error))?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(died());
        };
        let (orders, next) = mpsc::channel(ORDERS);
        let waiting = Waiting::default();
        tokio::spawn(write(next, stdin));
        tokio::spawn(read(stdout, Arc::clone(&waiting)));
        Ok(Self { child, orders, waiting })
    }
}

async fn write(mut orders: mpsc::Receiver<Order>, mut to: ChildStdin) {
    while let Some(order) = orders.recv().await {
        let Ok(mut line) = serde_json::to_vec(&order) else { return };
        line.push(b'\n');
        if to.write_all(&line).await.is_err() {
            return;
        }
    }
}

async fn read(from: ChildStdout, waiting: Waiting) {
    let mut lines = BufReader::new(from).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let Ok(Answer { number, word }) = serde_json::from_str(&line) else { break };
        let goes_on = matches!(word, Word::Changed { .. });
        let receiver = {
            let mut waiting = lock(&waiting);
            if goes_on { waiting.get(&number).cloned() } else { waiting.remove(&number) }
        };
        if let Some(receiver) = receiver {
            // Who does not wait any more does not mind; who does not keep up misses changes.
            let _ = receiver.try_send(word);
        }
    }
    lock(&waiting).clear();
}

fn lock(waiting: &Waiting) -> std::sync::MutexGuard<'_, BTreeMap<u64, mpsc::Sender<Word>>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

fn cannot(what: &str, error: &std::io::Error) -> Failure {
    Failure::failed(format!("cannot {what} a process of the demo: {error}"))
}

fn died() -> Failure {
    Failure::failed("a process of the demo has ended by itself: please report this")
}

/// An answer that does not fit what was asked.
pub(super) fn unexpected(word: &Word) -> Failure {
    match word {
        Word::Failed(message) => Failure::failed(message.clone()),
        other => Failure::failed(format!("a process of the demo answered {other:?}")),
    }
}
