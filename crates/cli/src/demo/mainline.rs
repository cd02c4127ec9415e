//! `polykad demo --network mainline`: a whole Mainline network in one process, which loses 30 % of
//! its nodes at once.
//!
//! Every node is what `polykad serve` runs, with a UDP socket of its own on loopback. What the seed
//! decides is in `plan`; what is shown, in `stage` and `picture`; every number is measured.

use client::{Key, NodeContact, PutReport, Report};
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::measure::{Summary, Tally, table};
use super::picture::Spotlight;
use super::stage::Stage;
use super::{AT_A_TIME, PATIENCE, READ_EVERY, has_dashboard, per, short_id, stopped};
use crate::args::DemoOptions;
use crate::failure::Failure;
use crate::gateway::Serving;
use crate::node::interrupted;
use crate::output::{Output, count, millis, short_span};
use crate::terminal::Paint;
use network::Network;
use plan::{Plan, Value};

mod network;
mod plan;

/// What the demo found out; the object of `--json`.
#[derive(Serialize)]
struct Findings {
    nodes: usize,
    killed: usize,
    seed: u64,
    values: usize,
    put: Summary,
    before: Summary,
    after: Summary,
    copies: Copies,
    /// Keys that were not found after the kill.
    lost: Vec<Loss>,
    elapsed_ms: f64,
}

/// Nodes that acknowledged values, and what the kill left of them.
#[derive(Serialize)]
struct Copies {
    stored: usize,
    left: usize,
    /// Of the value that fared worst.
    fewest_left: usize,
}

#[derive(Serialize)]
struct Loss {
    key: String,
    copies_left: usize,
}

pub(super) async fn run(options: DemoOptions, output: Output) -> Result<(), Failure> {
    let show = tokio::select! {
        result = play(&options, output) => result?,
        () = interrupted() => {
            return Err(Failure::failed("interrupted; nothing is left behind"));
        }
    };
    let Some(Show { network, plan, serving }) = show else { return Ok(()) };
    output.line(format!("The dashboard stays at {}/ until ctrl-c.", serving.url()))?;
    tokio::select! {
        () = go_on(&network, &plan) => {}
        () = interrupted() => {}
    }
    serving.stop().await;
    Ok(())
}

/// What goes on after the curtain, for those who look at the dashboard.
struct Show {
    network: Network,
    plan: Plan,
    serving: Serving,
}

/// The survivors read the values, one after the other, for as long as anybody looks.
async fn go_on(network: &Network, plan: &Plan) {
    let [_, readers] = &plan.readers;
    let reads = plan.values.iter().zip(readers).cycle();
    for (value, reader) in reads {
        if let Ok(read) = network.read(*reader, value) {
            // Nothing depends on it but what is seen.
            let _ = timeout(PATIENCE, read).await;
        }
        tokio::time::sleep(READ_EVERY).await;
    }
}

/// The acts, in order.
async fn play(options: &DemoOptions, output: Output) -> Result<Option<Show>, Failure> {
    let started = Instant::now();
    let plan = Plan::draw(options.seed, options.nodes, options.values)?;
    let title = format!(
        "A Mainline DHT of {} nodes on this machine, each with a UDP socket of its own",
        options.nodes
    );
    let mut stage = Stage::new(output, options.nodes, options.fast, title);
    stage.open()?;
    let mut network = Network::default();
    network.start(&plan, &mut stage).await?;
    network.join(&mut stage).await?;
    let serving = if has_dashboard(options, &stage) {
        Some(network.serve(&plan, options.http, &mut stage).await?)
    } else {
        None
    };
    stage.pause(800).await;
    let (put, holders) = put_all(&network, &plan, &mut stage).await?;
    stage.pause(800).await;
    let mut reading = Reading { plan: &plan, holders: &holders, round: 0, lost: Vec::new() };
    let before = reading.read_all(&network, &mut stage).await?;
    stage.pause(1_200).await;
    network.kill(&plan, &mut stage)?;
    stage.pause(1_800).await;
    let mut reading = Reading { round: 1, lost: Vec::new(), ..reading };
    let after = reading.read_all(&network, &mut stage).await?;
    let lost = reading.lost;
    let findings = Findings {
        nodes: options.nodes,
        killed: plan.victims.len(),
        seed: options.seed,
        values: options.values,
        put: put.summary(),
        before: before.summary(),
        after: after.summary(),
        copies: network.copies(&holders),
        lost: network.explain(&lost, &plan, &holders),
        elapsed_ms: millis(started.elapsed()),
    };
    report(&findings, output, stage)?;
    Ok(serving.map(|serving| Show { network, plan, serving }))
}

/// Puts every value from one node; returns who stores each.
async fn put_all(
    network: &Network,
    plan: &Plan,
    stage: &mut Stage,
) -> Result<(Tally, Vec<Vec<NodeContact>>), Failure> {
    let writer = network.node(plan.writer)?;
    let values = plan.values.len();
    stage.begin("put", values)?;
    let (mut tally, mut holders) = (Tally::default(), vec![Vec::new(); values]);
    let mut tasks = JoinSet::new();
    let mut waiting = plan.values.iter().enumerate();
    loop {
        while tasks.len() < AT_A_TIME
            && let Some((number, value)) = waiting.next()
        {
            let put = match value {
                Value::Immutable { value, .. } => writer.mainline().put_immutable(value.clone()),
                Value::Mutable { item, .. } => writer.mainline().put_mutable(item.clone(), None),
            };
            tasks.spawn(async move { (number, timeout(PATIENCE, put).await) });
            stage.pace(values).await;
        }
        let Some(done) = tasks.join_next().await else { break };
        let (number, put) = done.map_err(stopped)?;
        let report: Option<PutReport> = put.ok().and_then(Result::ok);
        tally.note(report.is_some(), report.as_ref().and_then(|report| report.report));
        if let (Some(report), Some(slot)) = (report, holders.get_mut(number)) {
            *slot = report.acknowledged;
            let holders = slot.iter().map(|holder| holder.id).collect();
            stage.show(|| put_seen(writer.id(), report.key, holders));
        }
        stage.progress(tally.tried())?;
    }
    let copies: usize = holders.iter().map(Vec::len).sum();
    let stored = tally.done();
    stage.end(
        stored == values,
        &format!(
            "{stored} of {values} values stored by one node, {copies} copies ({})",
            per(copies, values, "value")
        ),
    )?;
    Ok((tally, holders))
}

fn put_seen(writer: Key, key: Key, holders: Vec<Key>) -> (Spotlight, [String; 2]) {
    let nearest = holders.iter().map(|holder| holder.shared_prefix(&key)).min().unwrap_or(0);
    let caption = [
        format!(
            "       put {}: stored by the {} closest to it,",
            short_id(&key),
            count(holders.len(), "node")
        ),
        format!(
            "       those whose ids share its first {} or more",
            count(nearest as usize, "bit")
        ),
    ];
    (Spotlight { key, holders, asker: writer }, caption)
}

/// A round of reading every value.
struct Reading<'a> {
    plan: &'a Plan,
    holders: &'a [Vec<NodeContact>],
    round: usize,
    /// Numbers of the values that were not found.
    lost: Vec<usize>,
}

impl Reading<'_> {
    async fn read_all(&mut self, network: &Network, stage: &mut Stage) -> Result<Tally, Failure> {
        let values = self.plan.values.len();
        stage.begin(if self.round == 0 { "read" } else { "read again" }, values)?;
        let mut tally = Tally::default();
        let mut tasks = JoinSet::new();
        let readers = self.plan.readers.get(self.round).map_or(&[][..], Vec::as_slice);
        let mut waiting = self.plan.values.iter().zip(readers).enumerate();
        loop {
            while tasks.len() < AT_A_TIME
                && let Some((number, (value, &reader))) = waiting.next()
            {
                let read = network.read(reader, value)?;
                tasks.spawn(async move { (number, reader, timeout(PATIENCE, read).await) });
                stage.pace(values).await;
            }
            let Some(done) = tasks.join_next().await else { break };
            let (number, reader, read) = done.map_err(stopped)?;
            let (right, report) = read.unwrap_or((false, None));
            tally.note(right, report);
            if !right {
                self.lost.push(number);
            }
            if let Some(report) = report {
                let reader = network.node(reader)?.id();
                stage.show(|| self.read_seen(number, reader, &report));
            }
            stage.progress(tally.tried())?;
        }
        let found = tally.done();
        let who = if self.round == 0 { "other nodes" } else { "the survivors" };
        stage.end(found == values, &format!("{found} of {values} values found by {who}"))?;
        Ok(tally)
    }

    fn read_seen(&self, number: usize, asker: Key, report: &Report) -> (Spotlight, [String; 2]) {
        let key = self.plan.values.get(number).map(Value::key).unwrap_or_default();
        let holders = self.holders.get(number).map_or(&[][..], Vec::as_slice);
        let holders: Vec<Key> = holders.iter().map(|holder| holder.id).collect();
        let best = holders.iter().map(|holder| holder.shared_prefix(&key)).max().unwrap_or(0);
        let caption = [
            format!(
                "       get {}: the asker shares {} with it, the closest node {best};",
                short_id(&key),
                count(asker.shared_prefix(&key) as usize, "bit")
            ),
            format!(
                "       there in {}, {} sent, {} unanswered, {}",
                count(report.hops as usize, "hop"),
                count(report.asked as usize, "request"),
                report.failed,
                short_span(report.elapsed)
            ),
        ];
        (Spotlight { key, holders, asker }, caption)
    }
}

/// The table of what happened, and the verdict.
fn report(findings: &Findings, output: Output, stage: Stage) -> Result<(), Failure> {
    let terminal = stage.terminal();
    drop(stage);
    output.line("")?;
    let rows =
        [("put", &findings.put), ("read", &findings.before), ("read after kill", &findings.after)];
    table(&rows, terminal, output)?;
    let Findings { nodes, killed, values, copies, lost, .. } = findings;
    let Copies { stored, left, fewest_left } = copies;
    for line in [
        format!("{killed} of {nodes} nodes died at once, also the one that had put the values. Of"),
        format!("{stored} copies {left} were left, and at least {fewest_left} of each value."),
    ] {
        output.line(line)?;
    }
    if lost.is_empty() && findings.put.found == *values && findings.before.found == *values {
        let verdict = format!("Every one of the {values} values was found after the kill.");
        output.line(terminal.paint(Paint::Green, &verdict))?;
        output.line("Next: `polykad serve` joins the real network; see `polykad --help`.")?;
        return output.object(findings);
    }
    Err(verdict_on(findings))
}

fn verdict_on(findings: &Findings) -> Failure {
    let Findings { lost, values, before, put, seed, .. } = findings;
    let doomed = lost.iter().filter(|loss| loss.copies_left == 0).count();
    let why = match lost.len() {
        0 => "before any node died: the machine may be too busy; try fewer --nodes".to_owned(),
        _ if doomed == lost.len() => format!(
            "because all their holders died, which chance does once in a while; this is what \
             replication of 8 can't prevent; try another --seed than {seed}"
        ),
        _ => "although copies were left: the machine may be too busy; try fewer --nodes".to_owned(),
    };
    let missing = lost.len().max(values - before.found).max(values - put.found);
    let failure = Failure::failed(format!("{missing} of {values} values were not found, {why}"));
    match serde_json::to_value(findings) {
        Ok(serde_json::Value::Object(details)) => Failure { details, ..failure },
        _ => failure,
    }
}
