//! libp2p-kad's column of `cargo xtask bench poly`: all nodes in this process, measured from two of
//! them: one puts, another gets, because who puts keeps all that it puts. Prints one object of
//! figures, with the names that `polykad-bench poly-ours` uses. CPU is that of the process, so of
//! the whole network.
//!
//! All is as libp2p has it by default (20 replicas, three requests at a time, packets of at most
//! 16 KiB), but for what serves it well here: connections stay open, and a node holds more than
//! 1,024 records. The transport is QUIC: with TCP, Noise and Yamux it put two thirds as many a
//! second, and got fewer. Against that, TCP took 15 % less CPU a put, and after 30 % had died its
//! slowest gets took 1 s instead of 10. A put is done when the majority of 20, so 11, have stored
//! it; a get ends with the first record.

#![expect(clippy::cast_precision_loss, reason = "counts and times far below 2^53")]

use std::error::Error;
use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Map, Value, json};

mod node;

use node::Node;

const SHORT: usize = 64;
const LONG: usize = 32 << 10;
const TOO_LONG: usize = (64 << 10) + 1;
const IN_FLIGHT: usize = 64;
/// At a time where failure, not load, is looked at.
const FEW: usize = 8;
/// How long the network rests before each part.
const REST: Duration = Duration::from_secs(3);
/// How old it is before anything is measured: nodes hear of those that joined after them.
const AGE: Duration = Duration::from_secs(20);
/// Values that are put before 30 % die: as many as the goals name for it.
const MOST_KEPT: u64 = 300;

type Failed = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failed> {
    let (nodes, values) = (option("nodes", 100)?, option("values", 300)?);
    let kept = option("kept", 10_000)?.min(MOST_KEPT);
    let mut network = Network::start(usize::try_from(nodes)?).await?;
    let mut told = Map::new();
    told.extend(network.one_at_a_time(values).await?);
    for (count, size, names) in [
        (values, SHORT, ["puts_per_s", "gets_per_s"]),
        (IN_FLIGHT as u64, LONG, ["long_puts_per_s", "long_gets_per_s"]),
    ] {
        told.extend(network.in_flight(count, size, names).await?);
    }
    told.extend(network.too_long().await?);
    told.extend(network.mass_failure(kept).await?);
    println!("{}", Value::Object(told));
    Ok(())
}

/// The number after `--name`; what else the benchmark passes is for others.
fn option(name: &str, default: u64) -> Result<u64, Failed> {
    let mut words = std::env::args().skip_while(|word| word.strip_prefix("--") != Some(name));
    Ok(words.nth(1).map_or(Ok(default), |word| word.parse())?)
}

struct Network {
    nodes: Vec<Node>,
    /// So that no two values are the same.
    put: u64,
}

type Part = Vec<(String, Value)>;

impl Network {
    async fn start(count: usize) -> Result<Self, Failed> {
        let mut nodes: Vec<Node> = Vec::new();
        for _ in 0..count {
            let node = Node::start().await?;
            if let Some(entry) = nodes.first() {
                node.join(entry.name.clone()).await?;
            }
            nodes.push(node);
        }
        tokio::time::sleep(AGE).await;
        Ok(Self { nodes, put: 0 })
    }

    /// Who puts.
    fn putter(&self) -> Result<&Node, Failed> {
        Ok(self.nodes.get(1).ok_or("too few nodes")?)
    }

    /// Who gets. Not who puts: that one keeps all that it puts.
    fn getter(&self) -> Result<&Node, Failed> {
        Ok(self.nodes.get(2).ok_or("too few nodes")?)
    }

    /// Numbers of values that are not put yet.
    fn fresh(&mut self, count: u64) -> Vec<u64> {
        let first = self.put;
        self.put += count;
        (first..self.put).collect()
    }

    /// CPU of the whole network and latency, one at a time.
    async fn one_at_a_time(&mut self, values: u64) -> Result<Part, Failed> {
        let idle = cpu();
        tokio::time::sleep(REST).await;
        let numbers = self.fresh(values);
        let (putter, getter, before) = (self.putter()?, self.getter()?, cpu());
        let mut puts = all(&numbers, 1, |number| put(putter, number, SHORT)).await;
        // What goes on behind a put belongs to it.
        tokio::time::sleep(REST).await;
        let between = cpu();
        let mut gets = all(&puts.done, 1, |number| get(getter, number, SHORT)).await;
        let after = cpu();
        Ok(part([
            ("idle_cpu_ms_per_s", json!((before - idle) / REST.as_secs_f64())),
            ("cpu_per_put_ms", json!((between - before) / values as f64)),
            ("cpu_per_get_ms", json!((after - between) / values as f64)),
            ("put_ms", percentile(&mut puts.times, 50)),
            ("put_p99_ms", percentile(&mut puts.times, 99)),
            ("get_ms", percentile(&mut gets.times, 50)),
            ("get_p99_ms", percentile(&mut gets.times, 99)),
        ]))
    }

    /// How many a second, 64 at a time.
    async fn in_flight(
        &mut self,
        values: u64,
        size: usize,
        names: [&str; 2],
    ) -> Result<Part, Failed> {
        let numbers = self.fresh(values);
        let (putter, getter, before) = (self.putter()?, self.getter()?, cpu());
        let puts = all(&numbers, IN_FLIGHT, |number| put(putter, number, size)).await;
        tokio::time::sleep(REST).await;
        let between = cpu();
        let gets = all(&puts.done, IN_FLIGHT, |number| get(getter, number, size)).await;
        let failed = 2 * values - puts.done.len() as u64 - gets.done.len() as u64;
        let [put, get] = names;
        let mut part = part([
            (put, json!(puts.per_second())),
            (&format!("{put}_cpu_ms"), json!((between - before) / values as f64)),
            (get, json!(gets.per_second())),
            (&format!("{get}_cpu_ms"), json!((cpu() - between) / values as f64)),
            (&format!("{get}_failed"), json!(failed)),
        ]);
        if let Some(reason) = puts.failed.or(gets.failed) {
            part.push((format!("{get}_failure"), json!(reason)));
        }
        Ok(part)
    }

    async fn too_long(&mut self) -> Result<Part, Failed> {
        let numbers = self.fresh(1);
        let putter = self.putter()?;
        let begun = Instant::now();
        let put = all(&numbers, 1, |number| put(putter, number, TOO_LONG)).await;
        let told = put.failed.unwrap_or_else(|| "it was taken".to_owned());
        Ok(part([("too_long", json!(told)), ("too_long_ms", json!(millis(begun.elapsed())))]))
    }

    /// 30 % fall silent at once; everything is looked for from the rest.
    async fn mass_failure(&mut self, values: u64) -> Result<Part, Failed> {
        let numbers = self.fresh(values);
        let putter = self.putter()?;
        let kept = all(&numbers, FEW, |number| put(putter, number, SHORT)).await.done;
        tokio::time::sleep(REST).await;
        drop(self.nodes.drain(..self.nodes.len() * 3 / 10));
        let asked: Vec<(&Node, u64)> =
            self.nodes.iter().cycle().zip(kept.iter().copied()).collect();
        let mut gets = all(&asked, FEW, |(node, number)| get(node, number, SHORT)).await;
        Ok(part([
            ("killed_found", json!(gets.done.len())),
            ("killed_of", json!(kept.len())),
            ("killed_p50_ms", percentile(&mut gets.times, 50)),
            ("killed_p99_ms", percentile(&mut gets.times, 99)),
        ]))
    }
}

async fn put(node: &Node, number: u64, size: usize) -> Result<(), String> {
    node.put(number.to_be_bytes().to_vec(), value(number, size)).await
}

async fn get(node: &Node, number: u64, size: usize) -> Result<(), String> {
    let got = node.get(number.to_be_bytes().to_vec()).await?;
    if got == value(number, size) { Ok(()) } else { Err("another value".to_owned()) }
}

fn value(number: u64, size: usize) -> Vec<u8> {
    number.to_be_bytes().into_iter().cycle().take(size).collect()
}

/// What came of many operations.
struct Results<T> {
    /// What succeeded.
    done: Vec<T>,
    /// How long each of these took.
    times: Vec<Duration>,
    /// Why another did not.
    failed: Option<String>,
    elapsed: Duration,
}

impl<T> Results<T> {
    fn per_second(&self) -> f64 {
        let done = self.done.len() as f64;
        if self.done.is_empty() { 0.0 } else { done / self.elapsed.as_secs_f64() }
    }
}

/// Does something with each, so many at a time.
async fn all<T: Copy, F>(items: &[T], at_a_time: usize, act: impl Fn(T) -> F) -> Results<T>
where
    F: Future<Output = Result<(), String>>,
{
    let begun = Instant::now();
    let mut outcomes = stream::iter(items)
        .map(|&item| {
            let act = act(item);
            async move {
                let begun = Instant::now();
                (item, act.await, begun.elapsed())
            }
        })
        .buffer_unordered(at_a_time);
    let (mut done, mut times, mut failed) = (Vec::new(), Vec::new(), None);
    while let Some((item, outcome, elapsed)) = outcomes.next().await {
        match outcome {
            Ok(()) => {
                done.push(item);
                times.push(elapsed);
            }
            Err(reason) => failed = Some(reason),
        }
    }
    Results { done, times, failed, elapsed: begun.elapsed() }
}

fn part<const N: usize>(figures: [(&str, Value); N]) -> Part {
    figures.map(|(name, figure)| (name.to_owned(), figure)).into()
}

/// CPU time of this process so far, user and system, in milliseconds.
fn cpu() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}

fn millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1e3
}

/// By nearest rank, in milliseconds.
fn percentile(spans: &mut [Duration], percent: usize) -> Value {
    spans.sort_unstable();
    let rank = (spans.len() * percent).div_ceil(100).max(1);
    json!(spans.get(rank - 1).copied().map(millis))
}
