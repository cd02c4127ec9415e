//! The load generator: asks one node, in a closed loop or at a fixed rate, and counts answers.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::batch::{Batch, Ends};
use crate::message::{self, Kind};
use crate::options::Options;
use crate::random::Random;

/// Queries remembered for their answers. More than a flood of 50,000 a second leaves behind within
/// [`PATIENCE`].
const REMEMBERED: usize = 1 << 17;
/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(1);
/// Longest sleep, so that a rate is kept evenly.
const NAP: Duration = Duration::from_micros(200);
/// Compact contacts of 8 nodes.
const FULL_NODES: usize = 8 * 26;

/// What is asked of whom, and how often.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    pub(crate) target: SocketAddrV4,
    /// The first of our addresses.
    pub(crate) source: Ipv4Addr,
    /// How many addresses ask in turn.
    pub(crate) sources: u32,
    /// The distance between two of these addresses.
    pub(crate) spacing: u32,
    pub(crate) kind: Kind,
    pub(crate) pace: Pace,
    pub(crate) duration: Duration,
}

/// When the next query goes out.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// As soon as fewer than this many are unanswered.
    InFlight(usize),
    /// So many a second, answered or not.
    Rate(u64),
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) sent: u64,
    /// Well-formed answers to queries of ours, not errors.
    pub(crate) answered: u64,
    /// Of these, with 8 contacts.
    pub(crate) full: u64,
    /// Other datagrams: errors, unknown transactions.
    pub(crate) other: u64,
    /// Bytes of all answers.
    pub(crate) bytes: u64,
    pub(crate) elapsed: Duration,
    /// Microseconds from query to answer, ascending.
    pub(crate) latencies: Vec<u32>,
}

/// `polykad-bench load`.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let pace = match options.maybe("rate")? {
        Some(rate) => Pace::Rate(rate),
        None => Pace::InFlight(options.or("in-flight", 256)?),
    };
    let load = Load {
        target: options.required("target")?,
        source: options.or("source", Ipv4Addr::UNSPECIFIED)?,
        sources: options.or("sources", 1)?,
        spacing: options.or("spacing", 1)?,
        kind: Kind::parse(options.text("kind").unwrap_or("find_node"))?,
        pace,
        duration: Duration::from_secs_f64(options.or("seconds", 5.0)?),
    };
    let counts = load.run()?;
    if options.has("json") {
        println!("{}", counts.json());
    } else {
        println!("{}", counts.text());
    }
    Ok(())
}

impl Load {
    /// Runs the load; an error only if the socket can't be bound.
    pub(crate) fn run(&self) -> Result<Counts, String> {
        let mut generator = Generator::new(self)?;
        let start = Instant::now();
        let end = start + self.duration;
        loop {
            let now = Instant::now();
            if now >= end {
                break;
            }
            let sent = generator.send(now, start);
            let received = generator.receive();
            generator.forget(now);
            if sent == 0 && received == 0 {
                generator.batch.wait(NAP);
            }
        }
        generator.counts.elapsed = start.elapsed();
        generator.counts.latencies.sort_unstable();
        Ok(generator.counts)
    }
}

struct Generator<'a> {
    load: &'a Load,
    batch: Batch,
    random: Random,
    ids: Vec<[u8; 20]>,
    /// When each recent query was sent; `None`: answered or given up. By transaction id.
    sent_at: Vec<Option<Instant>>,
    next: u32,
    /// The oldest query not yet given up.
    oldest: u32,
    in_flight: usize,
    counts: Counts,
}

impl<'a> Generator<'a> {
    fn new(load: &'a Load) -> Result<Self, String> {
        let local = if load.sources > 1 { Ipv4Addr::UNSPECIFIED } else { load.source };
        let address = SocketAddrV4::new(local, 0);
        let batch = Batch::bind(address).map_err(|error| format!("{address}: {error}"))?;
        // Another process' generator must not use the same ids.
        let mut random =
            Random::new(u64::from(std::process::id()) << 32 ^ u64::from(u32::from(load.source)));
        let ids = (0..load.sources.max(1)).map(|_| random.id()).collect();
        Ok(Self {
            load,
            batch,
            random,
            ids,
            sent_at: vec![None; REMEMBERED],
            next: 0,
            oldest: 0,
            in_flight: 0,
            counts: Counts::default(),
        })
    }

    /// Sends what is due, up to one batch; how many.
    fn send(&mut self, now: Instant, start: Instant) -> usize {
        let due = match self.load.pace {
            Pace::InFlight(limit) => limit.saturating_sub(self.in_flight),
            Pace::Rate(rate) => {
                let elapsed = now.duration_since(start).as_micros();
                let total = elapsed * u128::from(rate) / 1_000_000;
                usize::try_from(total.saturating_sub(u128::from(self.counts.sent))).unwrap_or(0)
            }
        };
        for _ in 0..due {
            if !self.batch.has_room() {
                break;
            }
            self.push(now);
        }
        self.batch.send()
    }

    fn push(&mut self, now: Instant) {
        let tid = self.next;
        self.next = self.next.wrapping_add(1);
        let target = self.random.id();
        let turn = tid % self.load.sources.max(1);
        let local = match self.load.sources {
            0 | 1 => Ipv4Addr::UNSPECIFIED,
            _ => {
                let offset = turn.wrapping_mul(self.load.spacing);
                Ipv4Addr::from(u32::from(self.load.source).wrapping_add(offset))
            }
        };
        let kind = self.load.kind;
        let id = usize::try_from(turn).ok().and_then(|turn| self.ids.get(turn));
        let id = id.copied().unwrap_or_default();
        let ends = Ends { peer: self.load.target, local };
        self.batch.push(ends, |data| kind.write(data, &id, &target, tid));
        if let Some(slot) = self.sent_at.get_mut(slot_of(tid)) {
            // A slot still in use is given up early: only a flood gets there.
            self.in_flight -= usize::from(slot.is_some());
            *slot = Some(now);
        }
        self.in_flight += 1;
        self.counts.sent += 1;
    }

    fn receive(&mut self) -> usize {
        let Self { batch, sent_at, in_flight, counts, load, .. } = self;
        let mut now = None;
        batch.receive(|ends, data| {
            let tid = match load.kind {
                Kind::Echo => message::echoed_id(data),
                Kind::Ping | Kind::FindNode | Kind::GetPeers => message::answer_id(data),
            };
            let slot = tid.and_then(|tid| sent_at.get_mut(slot_of(tid)));
            let sent = slot.filter(|_| ends.peer == load.target).and_then(Option::take);
            let Some(sent) = sent else {
                counts.other += 1;
                return;
            };
            *in_flight -= 1;
            counts.answered += 1;
            counts.bytes += data.len() as u64;
            counts.full += u64::from(message::nodes(data).len() == FULL_NODES);
            let now = *now.get_or_insert_with(Instant::now);
            let micros = now.duration_since(sent).as_micros();
            counts.latencies.push(u32::try_from(micros).unwrap_or(u32::MAX));
        })
    }

    /// Gives up on queries that have been out for too long.
    fn forget(&mut self, now: Instant) {
        while self.oldest != self.next {
            let Some(slot) = self.sent_at.get_mut(slot_of(self.oldest)) else { return };
            if slot.is_some_and(|sent| now.duration_since(sent) < PATIENCE) {
                return;
            }
            self.in_flight -= usize::from(slot.take().is_some());
            self.oldest = self.oldest.wrapping_add(1);
        }
    }
}

fn slot_of(tid: u32) -> usize {
    usize::try_from(tid).unwrap_or(0) % REMEMBERED
}

impl Counts {
    pub(crate) fn per_second(&self) -> f64 {
        self.answered as f64 / self.elapsed.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// Milliseconds within which this part of the answers came.
    pub(crate) fn latency_ms(&self, part: f64) -> f64 {
        let last = self.latencies.len().saturating_sub(1);
        let at = (last as f64 * part).round() as usize;
        self.latencies.get(at).map_or(0.0, |micros| f64::from(*micros) / 1000.0)
    }

    pub(crate) fn bytes_per_answer(&self) -> f64 {
        self.bytes as f64 / self.answered.max(1) as f64
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "sent": self.sent,
            "answered": self.answered,
            "with_8_nodes": self.full,
            "other": self.other,
            "bytes_per_answer": self.bytes_per_answer(),
            "seconds": self.elapsed.as_secs_f64(),
            "answers_per_second": self.per_second(),
            "p50_ms": self.latency_ms(0.5),
            "p99_ms": self.latency_ms(0.99),
            "max_ms": self.latency_ms(1.0),
        })
    }

    fn text(&self) -> String {
        format!(
            "{} sent, {} answered ({} with 8 nodes), {} other, {:.0} bytes an answer\n\
             {:.0} answers/s, p50 {:.2} ms, p99 {:.2} ms",
            self.sent,
            self.answered,
            self.full,
            self.other,
            self.bytes_per_answer(),
            self.per_second(),
            self.latency_ms(0.5),
            self.latency_ms(0.99),
        )
    }
}

#[cfg(test)]
mod tests;
