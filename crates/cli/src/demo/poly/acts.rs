//! What happens in the demo, act by act.
#![expect(clippy::wildcard_enum_match_arm, reason = "few kinds of values and answers matter")]

use core::net::SocketAddr;
use std::time::Duration;

use client::{Key, Report};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::findings::{Findings, Loss, report};
use super::network::{Network, unexpected};
use super::plan::{AUTHORS, Plan};
use super::words::{Done, Value, Values, Wish, Word, key_of};
use crate::args::DemoOptions;
use crate::demo::measure::Tally;
use crate::demo::picture::{Actor, Spotlight};
use crate::demo::seed::{below, pick};
use crate::demo::stage::Stage;
use crate::demo::{AT_A_TIME, PATIENCE, has_dashboard, per, short_id, stopped};
use crate::failure::Failure;
use crate::output::{Output, count, millis, short_span};

/// How long the nodes have to find each other.
const JOIN_WITHIN: Duration = Duration::from_secs(30);
/// How often they are asked whether they have.
const JOIN_POLL: Duration = Duration::from_millis(100);
/// Contacts that make a node part of the network: in a small one half of all.
const ENOUGH_CONTACTS: usize = 8;
/// How often each record is written: the first version, and so many that take its place.
const VERSIONS: u64 = 5;
/// Changes that a watcher is told in each act.
const CHANGES: usize = 3;

/// The demo under way.
pub(super) struct Play<'a> {
    plan: &'a Plan,
    network: &'a mut Network,
    stage: Stage,
    rng: ChaCha8Rng,
    values: Values,
    findings: Findings,
    /// What was acknowledged, and so must be found.
    kept: Vec<Kept>,
    watched: Option<Watched>,
    /// The node whose dashboard is shown, and where.
    shown: Option<(usize, Option<SocketAddr>)>,
    /// How much has been announced under the topic that is watched.
    news: usize,
    begun: Instant,
}

/// An acknowledged value.
#[derive(Clone, Debug)]
struct Kept {
    value: Value,
    key: Key,
    holders: Vec<Key>,
}

/// What one node watches.
struct Watched {
    node: usize,
    record: mpsc::Receiver<Word>,
    topic: mpsc::Receiver<Word>,
}

/// The record that is watched.
const WATCHED: usize = 0;

impl<'a> Play<'a> {
    pub(super) fn new(
        options: &DemoOptions,
        plan: &'a Plan,
        network: &'a mut Network,
        output: Output,
    ) -> Self {
        let title = format!(
            "A network of {} nodes in {} processes, each node with a UDP socket and a folder",
            options.nodes, plan.processes
        );
        Self {
            plan,
            network,
            stage: Stage::new(output, options.nodes, options.fast, title),
            rng: ChaCha8Rng::seed_from_u64(plan.seed ^ 0x5eed),
            values: Values { seed: plan.seed },
            findings: Findings::new(options, plan),
            kept: Vec::new(),
            watched: None,
            shown: None,
            news: 0,
            begun: Instant::now(),
        }
    }

    pub(super) fn open(&mut self) -> Result<(), Failure> {
        self.stage.open()
    }

    /// Starts all nodes and waits until they know each other.
    pub(super) async fn start(&mut self) -> Result<(), Failure> {
        let started = Instant::now();
        let nodes = self.plan.secret_keys.len();
        self.stage.begin("start", nodes)?;
        let processes = self.network.spawn()?;
        for (number, key) in self.plan.secret_keys.iter().enumerate() {
            let id = self.network.start(number, *key).await?;
            self.stage.enter(Actor { id, alive: true });
            self.stage.progress(number + 1)?;
        }
        let took = short_span(started.elapsed());
        self.stage.end(true, &format!("{nodes} nodes in {processes} processes, {took}"))?;
        self.join().await
    }

    async fn join(&mut self) -> Result<(), Failure> {
        let started = Instant::now();
        let nodes = self.plan.secret_keys.len();
        let enough = ENOUGH_CONTACTS.min(nodes / 2);
        self.stage.begin("join", nodes)?;
        loop {
            let seen = self.look().await?;
            let joined = seen.iter().filter(|(contacts, _)| *contacts >= enough).count();
            self.stage.progress(joined)?;
            if joined == nodes {
                let sum: usize = seen.iter().map(|(contacts, _)| contacts).sum();
                let (mean, took) = (sum / nodes.max(1), short_span(started.elapsed()));
                let what = format!("every node has found others, {mean} on average, {took}");
                self.stage.end(true, &what)?;
                self.stage.pause(800).await;
                return Ok(());
            }
            if started.elapsed() > JOIN_WITHIN {
                return Err(Failure::failed(format!(
                    "only {joined} of {nodes} nodes joined within {}: the machine may be too busy; \
                     try fewer --nodes",
                    short_span(JOIN_WITHIN)
                )));
            }
            sleep(JOIN_POLL).await;
        }
    }

    /// Contacts and values of all nodes that run.
    async fn look(&mut self) -> Result<Vec<(usize, usize)>, Failure> {
        let mut seen = Vec::new();
        for node in self.network.alive() {
            match self.network.ask(node, Wish::Look).await? {
                Word::Seen { contacts, values } => seen.push((contacts, values)),
                word => return Err(unexpected(&word)),
            }
        }
        Ok(seen)
    }

    /// Stores values of all lengths, each from another node.
    pub(super) async fn put(&mut self) -> Result<(), Failure> {
        let values = self.plan.blobs.clone();
        self.stage.begin("put", values.len())?;
        let mut tally = Tally::default();
        let steps = values.len();
        self.store(&mut tally, values, steps).await?;
        let copies: usize = self.kept.iter().map(|kept| kept.holders.len()).sum();
        let (done, of) = (tally.done(), tally.tried());
        self.findings.put = tally.summary();
        self.stage.end(
            done == of,
            &format!(
                "{done} of {of} values of 10 B to 64 KiB stored, {copies} copies so far ({})",
                per(copies, done, "value")
            ),
        )?;
        self.stage.pause(800).await;
        Ok(())
    }

    /// Writes records, version by version, each expecting the one before.
    pub(super) async fn swap(&mut self) -> Result<(), Failure> {
        let records = self.plan.records;
        let steps = records * usize::try_from(VERSIONS).unwrap_or(0);
        self.stage.begin("swap", steps)?;
        let mut tally = Tally::default();
        for seq in 1..=VERSIONS {
            let versions = (0..records).map(|number| Value::Record { number, seq }).collect();
            self.store(&mut tally, versions, steps).await?;
        }
        let (done, of) = (tally.done(), tally.tried());
        self.findings.swap = tally.summary();
        self.stage.end(
            done == of,
            &format!("{done} of {of} versions of {records} records, each in place of the last"),
        )?;
        self.refuse().await
    }

    /// Writers who take the first version for the newest must be refused.
    async fn refuse(&mut self) -> Result<(), Failure> {
        let records = self.plan.records;
        self.stage.begin("swap late", records)?;
        let wishes: Vec<(usize, Wish)> = (0..records)
            .map(|number| (self.anyone(), Wish::PutLate(Value::Record { number, seq: VERSIONS })))
            .collect();
        let answers = self.all(&mut Tally::default(), wishes, records).await?;
        let told = answers.iter().filter(|done| done.conflict == Some(VERSIONS)).count();
        let accepted = answers.iter().filter(|done| done.right).count();
        self.findings.late_refused = told;
        self.findings.late_accepted = accepted;
        self.stage.end(
            told == records,
            &format!("{told} of {records} writers who were behind refused, and told the newest"),
        )?;
        self.stage.pause(800).await;
        Ok(())
    }

    /// Announces entries under topics, each from another node and author.
    pub(super) async fn announce(&mut self) -> Result<(), Failure> {
        let topics = self.plan.topics;
        let entries: Vec<Value> = (0..topics)
            .flat_map(|topic| (0..AUTHORS).map(move |author| Value::Entry { topic, author }))
            .collect();
        let steps = entries.len();
        self.stage.begin("announce", steps)?;
        let mut tally = Tally::default();
        self.store(&mut tally, entries, steps).await?;
        let (done, of) = (tally.done(), tally.tried());
        self.findings.announce = tally.summary();
        let topics = count(topics, "topic");
        self.stage.end(done == of, &format!("{done} of {of} entries under {topics}"))?;
        self.stage.pause(800).await;
        Ok(())
    }

    /// Stores values from nodes drawn at random, and remembers those that were acknowledged.
    async fn store(
        &mut self,
        tally: &mut Tally,
        values: Vec<Value>,
        steps: usize,
    ) -> Result<(), Failure> {
        let wishes: Vec<(usize, Wish)> =
            values.iter().map(|value| (self.anyone(), Wish::Put(*value))).collect();
        let answers = self.all(tally, wishes, steps).await?;
        for (value, done) in values.into_iter().zip(answers) {
            if done.right {
                self.keep(value, &done);
            } else {
                self.findings.unstored.push(self.loss(value, &done));
            }
        }
        Ok(())
    }

    /// From now on this must be found.
    fn keep(&mut self, value: Value, done: &Done) {
        let key = self.values.key(value);
        let holders = done.holders.iter().map(key_of).collect();
        let before = self.kept.iter_mut().find(|kept| kept.key == key);
        match (value, before) {
            (Value::Entry { topic, author }, before) => {
                let value = Value::Topic { topic, authors: author + 1 };
                match before {
                    // Entries come in any order; all of them count.
                    Some(kept) => kept.value = latest(kept.value, value),
                    None => self.kept.push(Kept { value, key, holders }),
                }
            }
            (value, Some(kept)) => *kept = Kept { value, key, holders },
            (value, None) => self.kept.push(Kept { value, key, holders }),
        }
    }

    fn loss(&self, value: Value, done: &Done) -> Loss {
        let key = crate::output::hex_bytes(self.values.key(value).as_bytes());
        let why = done.why.clone().unwrap_or_default();
        Loss { key, what: format!("{value:?}"), why }
    }

    fn anyone(&mut self) -> usize {
        pick(&self.network.alive(), &mut self.rng)
    }

    /// Has nodes do something, some at a time; what came of each, in order.
    async fn all(
        &mut self,
        tally: &mut Tally,
        wishes: Vec<(usize, Wish)>,
        steps: usize,
    ) -> Result<Vec<Done>, Failure> {
        let mut answers = vec![Done::default(); wishes.len()];
        let mut tasks = JoinSet::new();
        let mut waiting = wishes.iter().enumerate();
        loop {
            while tasks.len() < AT_A_TIME
                && let Some((number, (node, wish))) = waiting.next()
            {
                let mut answer = self.network.order(*node, wish.clone()).await?;
                tasks.spawn(async move { (number, timeout(PATIENCE, answer.recv()).await) });
                self.stage.pace(steps).await;
            }
            let Some(done) = tasks.join_next().await else { break };
            let (number, word) = done.map_err(stopped)?;
            let failed = |why: &str| Done { why: Some(why.to_owned()), ..Done::default() };
            let done = match word {
                Ok(Some(Word::Done(done))) => done,
                Ok(Some(word)) => return Err(unexpected(&word)),
                Ok(None) => failed("the node's process has ended"),
                Err(_) => failed("no end in time"),
            };
            tally.note(done.right, done.cost.map(Report::from));
            if let Some((node, wish)) = wishes.get(number) {
                self.show(*node, wish, &done);
            }
            self.stage.progress(tally.tried())?;
            if let Some(answer) = answers.get_mut(number) {
                *answer = done;
            }
        }
        Ok(answers)
    }

    /// Shows what a node did.
    fn show(&mut self, node: usize, wish: &Wish, done: &Done) {
        let (Wish::Put(value) | Wish::PutLate(value) | Wish::Read(value)) = wish else { return };
        let Some(report) = done.cost.map(Report::from) else { return };
        let (values, kept, network) = (self.values, &self.kept, &self.network);
        self.stage.show(|| {
            let key = values.key(*value);
            let known = kept.iter().find(|kept| kept.key == key);
            let known = known.map(|kept| kept.holders.clone()).unwrap_or_default();
            let told: Vec<Key> = done.holders.iter().map(key_of).collect();
            let verb = if matches!(wish, Wish::Read(_)) { "read" } else { "stored" };
            let what = match value {
                Value::Blob { bytes, .. } => count(*bytes, "byte"),
                Value::Record { seq, .. } => format!("version {seq} of a record"),
                Value::Entry { .. } => "an entry of a topic".to_owned(),
                Value::Topic { authors, .. } => format!("a topic's {authors} entries"),
            };
            let holders = if told.is_empty() { known } else { told };
            let caption = [
                format!(
                    "       {verb} {}: {what}, {} so far",
                    short_id(&key),
                    count(holders.len(), "holder")
                ),
                format!(
                    "       {} sent, {} unanswered, {}",
                    count(report.asked as usize, "request"),
                    report.failed,
                    short_span(report.elapsed)
                ),
            ];
            (Spotlight { key, holders, asker: network.id(node) }, caption)
        });
    }

    /// Has all that was acknowledged read by nodes drawn at random.
    pub(super) async fn read(&mut self, act: &'static str, who: &str) -> Result<(), Failure> {
        let kept: Vec<Value> = self.kept.iter().map(|kept| kept.value).collect();
        let of = kept.len();
        self.stage.begin(act, of)?;
        let wishes = kept.iter().map(|value| (self.anyone(), Wish::Read(*value))).collect();
        let mut tally = Tally::default();
        let answers = self.all(&mut tally, wishes, of).await?;
        for (value, done) in kept.into_iter().zip(&answers).filter(|(_, done)| !done.right) {
            let loss = self.loss(value, done);
            self.findings.lost.push(loss);
        }
        let found = tally.done();
        self.findings.reads.push(tally.summary());
        let what = "values, records and topics";
        self.stage.end(found == of, &format!("{found} of {of} {what} found by {who}"))?;
        self.stage.pause(1_200).await;
        Ok(())
    }

    /// One more read, by anyone.
    pub(super) async fn read_one(&mut self) -> Result<(), Failure> {
        let number = below(self.kept.len(), &mut self.rng);
        let node = self.anyone();
        if let Some(value) = self.kept.get(number).map(|kept| kept.value) {
            self.network.ask(node, Wish::Read(value)).await?;
        }
        Ok(())
    }

    /// Changes a record and a topic under the eyes of a node that watches them.
    pub(super) async fn watch(&mut self, act: &'static str) -> Result<(), Failure> {
        self.stage.begin(act, 2 * CHANGES)?;
        if self.watched.as_ref().is_none_or(|watched| !self.network.is_alive(watched.node)) {
            self.watched = Some(self.look_on().await?);
        }
        let watcher = self.watched.as_ref().map_or(0, |watched| watched.node);
        let mut tally = Tally::default();
        for _ in 0..CHANGES {
            let seq = self.version() + 1;
            let change = Value::Record { number: WATCHED, seq };
            self.change(&mut tally, change, seq).await?;
            let topic = self.plan.topics;
            let change = Value::Entry { topic, author: self.news };
            self.news += 1;
            self.change(&mut tally, change, self.news as u64).await?;
        }
        let (told, of) = (tally.done(), tally.tried());
        let summary = tally.summary();
        let median = Duration::from_secs_f64(summary.latency_ms.p50 / 1e3);
        self.findings.told.push(summary);
        let what = format!(
            "{told} of {of} changes told to node {watcher}, {} (median) after the put began",
            short_span(median)
        );
        self.stage.end(told == of, &what)?;
        self.stage.pause(1_200).await;
        Ok(())
    }

    /// The newest acknowledged version of the record that is watched.
    fn version(&self) -> u64 {
        let versions = self.kept.iter().filter_map(|kept| match kept.value {
            Value::Record { number: WATCHED, seq } => Some(seq),
            _ => None,
        });
        versions.max().unwrap_or(0)
    }

    /// Chooses a node that is not to die yet, and has it watch.
    async fn look_on(&mut self) -> Result<Watched, Failure> {
        let victims = &self.plan.victims;
        let mut alive = self.network.alive();
        alive.retain(|node| !victims.contains(&(node % self.plan.processes)));
        let node = pick(&alive, &mut self.rng);
        let record = Value::Record { number: WATCHED, seq: 0 };
        let topic = Value::Topic { topic: self.plan.topics, authors: 0 };
        let mut record = self.network.order(node, Wish::Watch(record)).await?;
        let mut topic = self.network.order(node, Wish::Watch(topic)).await?;
        // A watcher is told first what is there.
        told(&mut record, self.version()).await;
        if self.news > 0 {
            told(&mut topic, self.news as u64).await;
        }
        Ok(Watched { node, record, topic })
    }

    /// Stores a change, and waits until the watcher is told.
    async fn change(&mut self, tally: &mut Tally, value: Value, seq: u64) -> Result<(), Failure> {
        let writer = self.anyone();
        let begun = Instant::now();
        let mut put = self.network.order(writer, Wish::Put(value)).await?;
        let Some(watched) = &mut self.watched else { return Ok(()) };
        let (channel, what) = match value {
            Value::Record { .. } => (&mut watched.record, format!("version {seq} of its record")),
            _ => (&mut watched.topic, format!("entry {seq} of its topic")),
        };
        let is_told = told(channel, seq).await;
        let elapsed = begun.elapsed();
        tally.note(is_told, Some(Report { elapsed, ..Report::default() }));
        match timeout(PATIENCE, put.recv()).await {
            Ok(Some(Word::Done(done))) if done.right => self.keep(value, &done),
            Ok(Some(Word::Done(done))) => {
                let loss = self.loss(value, &done);
                self.findings.unstored.push(loss);
            }
            _ => {
                let loss = self.loss(value, &Done::default());
                self.findings.unstored.push(loss);
            }
        }
        let watcher = self.watched.as_ref().map_or(0, |watched| watched.node);
        let when = if is_told { short_span(elapsed) } else { "never".to_owned() };
        self.stage.say(&format!(
            "               node {writer:>2} writes {what}; node {watcher} is told: {when}"
        ))?;
        self.stage.progress(tally.tried())?;
        self.stage.pause(300).await;
        Ok(())
    }

    /// Kills three of ten processes at once.
    pub(super) async fn kill_some(&mut self) -> Result<(), Failure> {
        let victims = self.plan.victims.clone();
        self.kill(&victims, "at once, without a goodbye").await
    }

    /// Kills all that is left.
    pub(super) async fn kill_all(&mut self) -> Result<(), Failure> {
        let copies = self.look().await?.iter().map(|(_, values)| values).sum();
        self.findings.copies.before = copies;
        let all = self.network.processes();
        self.kill(&all, "too: nothing runs any more").await
    }

    async fn kill(&mut self, processes: &[usize], how: &str) -> Result<(), Failure> {
        let before = self.network.alive();
        self.stage.begin("kill -9", before.len())?;
        let started = Instant::now();
        let killed = self.network.kill(processes).await?;
        let took = short_span(started.elapsed());
        let dead: Vec<usize> =
            before.into_iter().filter(|node| !self.network.is_alive(*node)).collect();
        self.stage.kill(&dead);
        if self.watched.as_ref().is_some_and(|watched| dead.contains(&watched.node)) {
            self.watched = None;
        }
        self.findings.killed.push(dead.len());
        let nodes = count(dead.len(), "node");
        self.stage.end(true, &format!("{nodes} in {killed} processes {how}, {took}"))?;
        self.stage.pause(1_800).await;
        Ok(())
    }

    /// Starts all processes and nodes again, with what is in their folders.
    pub(super) async fn restart(&mut self) -> Result<(), Failure> {
        let started = Instant::now();
        let nodes = self.plan.secret_keys.len();
        self.stage.begin("restart", nodes)?;
        self.network.spawn()?;
        for (number, key) in self.plan.secret_keys.iter().enumerate() {
            let id = self.network.id(number);
            if self.network.start(number, *key).await? != id {
                return Err(Failure::failed(format!(
                    "node {number} has come back as another: its folder has lost its key"
                )));
            }
            self.stage.revive(number);
            self.stage.progress(number + 1)?;
        }
        let took = short_span(started.elapsed());
        let seen = self.look().await?;
        let copies: usize = seen.iter().map(|(_, values)| values).sum();
        self.findings.copies.after = copies;
        let what = format!("{nodes} nodes from their folders, with {copies} copies, {took}");
        self.stage.end(copies > 0, &what)?;
        if let Some((node, address)) = self.shown {
            self.serve(node, address).await?;
        }
        self.join().await
    }

    /// Shows the dashboard of a node that survives the first kill, if it is to be shown; where.
    pub(super) async fn show_dashboard(
        &mut self,
        options: &DemoOptions,
    ) -> Result<Option<String>, Failure> {
        if !has_dashboard(options, &self.stage) {
            return Ok(None);
        }
        let dies = |node: &usize| self.plan.victims.contains(&(node % self.plan.processes));
        let node = self.network.alive().into_iter().find(|node| !dies(node)).unwrap_or(0);
        self.stage.begin("show", 1)?;
        let url = self.serve(node, options.http).await?;
        // Where it was the first time it is again after the restart: whoever looks goes on looking.
        let address = url.strip_prefix("http://").and_then(|address| address.parse().ok());
        self.shown = Some((node, address.or(options.http)));
        self.stage.end(true, &format!("the dashboard of node {node} at {url}/"))?;
        self.stage.pause(800).await;
        Ok(Some(url))
    }

    async fn serve(&mut self, node: usize, listen: Option<SocketAddr>) -> Result<String, Failure> {
        match self.network.ask(node, Wish::Serve(listen)).await? {
            Word::Serving { url } => Ok(url),
            word => Err(unexpected(&word)),
        }
    }

    /// Tells what came of it.
    pub(super) fn end(&mut self, output: Output) -> Result<(), Failure> {
        self.findings.elapsed_ms = millis(self.begun.elapsed());
        self.stage.close();
        report(&self.findings, output, self.stage.terminal())
    }
}

/// Of two states of a topic the one with more in it.
fn latest(one: Value, other: Value) -> Value {
    match (one, other) {
        (Value::Topic { authors, .. }, Value::Topic { authors: more, .. }) if authors > more => one,
        _ => other,
    }
}

/// Waits until a watcher is told of a change; whether it was.
async fn told(changes: &mut mpsc::Receiver<Word>, seq: u64) -> bool {
    let wait = async {
        while let Some(word) = changes.recv().await {
            if matches!(word, Word::Changed { seq: told } if told >= seq) {
                return true;
            }
        }
        false
    };
    timeout(PATIENCE, wait).await.unwrap_or(false)
}
