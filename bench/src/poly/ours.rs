//! `polykad-bench poly-ours`: our network, all nodes in this process, measured from one of them.

use std::future::Future;
use std::process::Command;
use std::time::{Duration, Instant};

use client::Key;
use client::poly::{GetOptions, Poly, PutOptions};
use polykad::PolyNode;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::options::Options;
use crate::process::cpu_of;
use crate::random::Random;

/// Bytes of a short value and of a long one.
const SHORT: usize = 64;
const LONG: usize = 32 << 10;
/// One more than the network takes.
const TOO_LONG: usize = (64 << 10) + 1;
/// Operations at a time, where it is not one.
const IN_FLIGHT: usize = 64;
/// How long the network rests before each part.
const REST: Duration = Duration::from_secs(3);
/// How old it is before anything is measured: newcomers look around and compare what they hold.
const AGE: Duration = Duration::from_secs(30);
/// Holders compare so often where nodes leave in waves, instead of every ten minutes: so a wave
/// every 30 s stands for one every 30 minutes.
const REPAIR_EVERY: Duration = Duration::from_secs(10);
const WAVE_EVERY: Duration = Duration::from_secs(30);

type Failed = Box<dyn std::error::Error>;

/// Measures all, or the `--parts` wanted (short, long, failure, waves, restart), and prints one
/// object.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let figures = runtime.block_on(measure(options)).map_err(|error| error.to_string())?;
    println!("{figures}");
    Ok(())
}

async fn measure(options: &Options) -> Result<Value, Failed> {
    let (nodes, values) = (options.or("nodes", 100)?, options.or("values", 300)?);
    let kept: usize = options.or("kept", 10_000)?;
    let mut all = serde_json::Map::new();
    let mut network = Network::start(nodes, None).await?;
    eprintln!("  {nodes} nodes have joined");
    let mut note = |part: Value| {
        if let Value::Object(part) = part {
            all.extend(part);
        }
    };
    let wanted = options.text("parts");
    let wants = |part: &str| wanted.is_none_or(|wanted| wanted.split(',').any(|one| one == part));
    if wants("short") {
        note(network.one_at_a_time(values).await?);
        note(network.in_flight(10 * values, SHORT, ["puts_per_s", "gets_per_s"]).await);
    }
    if wants("long") {
        note(network.in_flight(values, LONG, ["long_puts_per_s", "long_gets_per_s"]).await);
    }
    note(network.too_long().await);
    if wants("failure") {
        eprintln!("  30 % die");
        note(network.mass_failure(kept).await);
    }
    drop(network);
    if wants("waves") {
        eprintln!("  nodes leave in waves");
        note(waves(nodes, values).await?);
    }
    if wants("restart")
        && let Some(polykad) = options.text("polykad")
    {
        eprintln!("  all are killed and started again");
        note(restart(polykad, nodes, values)?);
    }
    Ok(Value::Object(all))
}

/// Nodes of this process. The one that asks is the second: the first is everybody's entry.
struct Network {
    nodes: Vec<PolyNode>,
    random: Random,
    /// So that no two values are the same.
    put: u64,
}

impl Network {
    async fn start(count: usize, repair_every: Option<Duration>) -> Result<Self, Failed> {
        let mut nodes: Vec<PolyNode> = Vec::new();
        for _ in 0..count {
            let mut builder = PolyNode::builder().listen("127.0.0.1:0".parse()?).rate_limit(None);
            if let Some(entry) = nodes.first().and_then(|node| node.listen().first()) {
                builder = builder.bootstrap(*entry);
            }
            if let Some(period) = repair_every {
                builder = builder.repair_every(period);
            }
            let node = builder.spawn().await?;
            node.joined().await?;
            nodes.push(node);
        }
        tokio::time::sleep(AGE).await;
        Ok(Self { nodes, random: Random::new(1), put: 0 })
    }

    fn asker(&self) -> Result<PolyNode, Failed> {
        let node = self.nodes.get(1).or_else(|| self.nodes.first());
        Ok(node.ok_or("no node is left")?.clone())
    }

    fn value(&mut self, bytes: usize) -> Vec<u8> {
        self.put += 1;
        let mut random = Random::new(self.put);
        let mut value: Vec<u8> = Vec::with_capacity(bytes + 8);
        while value.len() < bytes {
            value.extend_from_slice(&random.next().to_be_bytes());
        }
        value.truncate(bytes);
        value
    }

    /// CPU of the whole network and latency, one at a time.
    async fn one_at_a_time(&mut self, values: usize) -> Result<Value, Failed> {
        let (node, mut keys) = (self.asker()?, Vec::new());
        let (mut puts, mut gets) = (Vec::new(), Vec::new());
        let before = cpu_of("self");
        for _ in 0..values {
            let value = self.value(SHORT);
            let begun = Instant::now();
            keys.push(node.put(value, PutOptions::default()).await?.key);
            puts.push(begun.elapsed());
        }
        // What goes on behind a put belongs to it.
        tokio::time::sleep(REST).await;
        let between = cpu_of("self");
        for key in keys {
            let begun = Instant::now();
            node.get(key, GetOptions::default()).await?;
            gets.push(begun.elapsed());
        }
        let after = cpu_of("self");
        Ok(json!({
            "cpu_per_put_ms": millis(between.saturating_sub(before)) / values as f64,
            "cpu_per_get_ms": millis(after.saturating_sub(between)) / values as f64,
            "put_ms": percentile(&mut puts, 50),
            "put_p99_ms": percentile(&mut puts, 99),
            "get_ms": percentile(&mut gets, 50),
            "get_p99_ms": percentile(&mut gets, 99),
        }))
    }

    /// How many a second, 64 at a time.
    async fn in_flight(&mut self, values: usize, bytes: usize, names: [&str; 2]) -> Value {
        let before = cpu_of("self");
        let (puts, keys) = self.put_all(values, bytes).await;
        tokio::time::sleep(REST).await;
        let (begun, between) = (Instant::now(), cpu_of("self"));
        let found = self.get_all(&keys, self.nodes.get(1)).await;
        let gets = found.len() as f64 / begun.elapsed().as_secs_f64();
        let mut part = serde_json::Map::new();
        // On a machine that does other things as well, these tell more than the rates.
        let (puts_cpu, gets_cpu) =
            (between.saturating_sub(before), cpu_of("self").saturating_sub(between));
        for (name, cpu) in names.iter().zip([puts_cpu, gets_cpu]) {
            part.insert(format!("{name}_cpu_ms"), json!(millis(cpu) / values as f64));
        }
        part.insert(names[0].to_owned(), json!(puts));
        part.insert(names[1].to_owned(), json!(gets));
        let failed = 2 * values - keys.len() - found.len();
        part.insert(format!("{}_failed", names[1]), json!(failed));
        Value::Object(part)
    }

    /// Puts values, 64 at a time; how many a second, and their keys.
    async fn put_all(&mut self, values: usize, bytes: usize) -> (f64, Vec<Key>) {
        let values: Vec<Vec<u8>> = (0..values).map(|_| self.value(bytes)).collect();
        let node = self.nodes.get(1).cloned();
        let begun = Instant::now();
        let keys = concurrently(values, |value| {
            let put = node.as_ref().map(|node| node.put(value, PutOptions::default()));
            async move { put?.await.ok().map(|stored| stored.key) }
        })
        .await;
        (keys.len() as f64 / begun.elapsed().as_secs_f64(), keys)
    }

    /// Gets values, 64 at a time, from one node or from all in turn; how long each took.
    async fn get_all(&self, keys: &[Key], from: Option<&PolyNode>) -> Vec<Duration> {
        let mut nodes = self.nodes.iter().cycle();
        let gets: Vec<_> = keys
            .iter()
            .filter_map(|key| {
                let node = from.or_else(|| nodes.next())?;
                Some((node.clone(), *key))
            })
            .collect();
        concurrently(gets, |(node, key)| async move {
            let got = node.get(key, GetOptions::default()).await;
            got.ok().map(|got| got.report.elapsed)
        })
        .await
    }

    async fn too_long(&mut self) -> Value {
        let value = vec![1; TOO_LONG];
        let begun = Instant::now();
        let result = match self.asker() {
            Ok(node) => node.put(value, PutOptions::default()).await.map_err(|e| e.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let told = result.err().unwrap_or_else(|| "it was taken".to_owned());
        json!({ "too_long": told, "too_long_ms": millis(begun.elapsed()) })
    }

    /// 30 % fall silent at once; everything is looked for from the rest.
    async fn mass_failure(&mut self, values: usize) -> Value {
        let (_, keys) = self.put_all(values, SHORT).await;
        tokio::time::sleep(REST).await;
        self.kill(self.nodes.len() * 3 / 10);
        let mut found = self.get_all(&keys, None).await;
        json!({
            "killed_found": found.len(),
            "killed_of": keys.len(),
            "killed_p50_ms": percentile(&mut found, 50),
            "killed_p99_ms": percentile(&mut found, 99),
        })
    }

    /// Drops so many nodes, without a word to the others.
    fn kill(&mut self, count: usize) {
        for _ in 0..count.min(self.nodes.len()) {
            let at = usize::try_from(self.random.next()).unwrap_or(0) % self.nodes.len();
            drop(self.nodes.swap_remove(at));
        }
    }
}

/// A tenth dies every [`WAVE_EVERY`] until a tenth is left; nobody puts anything again.
async fn waves(nodes: usize, values: usize) -> Result<Value, Failed> {
    let mut network = Network::start(nodes, Some(REPAIR_EVERY)).await?;
    let (_, keys) = network.put_all(values, SHORT).await;
    // Nodes compare what they hold with more than one other.
    tokio::time::sleep(WAVE_EVERY).await;
    let least = (nodes / 10).max(1);
    while network.nodes.len() > least {
        network.kill((nodes / 10).clamp(1, network.nodes.len() - least));
        tokio::time::sleep(WAVE_EVERY).await;
        eprintln!("  {} nodes are left", network.nodes.len());
    }
    let found = network.get_all(&keys, None).await.len();
    Ok(json!({ "waves_found": found, "waves_of": keys.len(), "waves_left": least }))
}

/// The demo kills all of a network that runs in processes, and starts it again.
fn restart(polykad: &str, nodes: usize, values: usize) -> Result<Value, Failed> {
    let (nodes, values) = (nodes.to_string(), values.to_string());
    let words = ["demo", "--fast", "--json", "--nodes", &nodes, "--values", &values];
    let output = Command::new(polykad).args(words).output()?;
    let told: Value = serde_json::from_slice(&output.stdout)?;
    let read = told.get("reads").and_then(|reads| reads.get(2)).cloned().unwrap_or_default();
    Ok(json!({
        "restart_found": read.get("found"),
        "restart_of": read.get("tried"),
    }))
}

/// Does something with each, 64 at a time; what came of those that succeeded.
async fn concurrently<T, R, F>(all: Vec<T>, act: impl Fn(T) -> F) -> Vec<R>
where
    R: Send + 'static,
    F: Future<Output = Option<R>> + Send + 'static,
{
    let (mut tasks, mut results) = (JoinSet::new(), Vec::with_capacity(all.len()));
    let mut waiting = all.into_iter();
    loop {
        while tasks.len() < IN_FLIGHT
            && let Some(next) = waiting.next()
        {
            tasks.spawn(act(next));
        }
        match tasks.join_next().await {
            None => return results,
            Some(done) => results.extend(done.ok().flatten()),
        }
    }
}

fn millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1e3
}

/// By nearest rank, in milliseconds.
fn percentile(spans: &mut [Duration], percent: usize) -> f64 {
    spans.sort_unstable();
    let rank = (spans.len() * percent).div_ceil(100).max(1);
    spans.get(rank - 1).copied().map_or(f64::NAN, millis)
}
