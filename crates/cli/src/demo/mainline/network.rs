//! The demo's nodes: real ones, each on a loopback address of its own.

use core::net::SocketAddr;
use std::time::Duration;

use client::{GetError, Key, Mainline, NodeContact, Operation, Report};
use tokio::time::{Instant, sleep};

use super::plan::{Plan, Value};
use super::{Copies, Loss};
use crate::demo::address;
use crate::demo::picture::Actor;
use crate::demo::stage::Stage;
use crate::failure::Failure;
use crate::gateway::Serving;
use crate::node::{self, Joined};
use crate::output::{hex, short_span};

/// How long the nodes have to find each other.
const JOIN_WITHIN: Duration = Duration::from_secs(20);
/// How often they are asked whether they have.
const JOIN_POLL: Duration = Duration::from_millis(50);
/// Contacts that make a node part of the network: as many as store a value (BEP 5's k), in a small
/// network half of all.
const ENOUGH_CONTACTS: usize = 8;

/// The nodes, dead ones as `None`.
#[derive(Default)]
pub(super) struct Network {
    nodes: Vec<Option<DemoNode>>,
}

/// One node.
pub(super) struct DemoNode {
    joined: Joined,
    id: Key,
}

impl DemoNode {
    pub(super) fn id(&self) -> Key {
        self.id
    }

    pub(super) fn mainline(&self) -> &dyn Mainline {
        self.joined.mainline()
    }
}

impl Network {
    /// Starts all nodes; all but the first join through the first.
    pub(super) async fn start(&mut self, plan: &Plan, stage: &mut Stage) -> Result<(), Failure> {
        let started = Instant::now();
        let count = plan.node_seeds.len();
        stage.begin("start", count)?;
        let mut first = None;
        for (number, seed) in plan.node_seeds.iter().enumerate() {
            let joined = node::start_local(address(number), first, *seed).await?;
            let status = joined.status().await?;
            let id = node::sides(&status).first().map(|(_, side)| side.id).unwrap_or_default();
            first = first.or(status.listen.first().copied());
            stage.enter(Actor { id, alive: true });
            self.nodes.push(Some(DemoNode { joined, id }));
            stage.progress(number + 1)?;
            stage.pause(20).await;
        }
        let which = if cfg!(target_os = "linux") { "addresses" } else { "ports" };
        let took = short_span(started.elapsed());
        stage.end(true, &format!("{count} nodes on {count} loopback {which}, {took}"))
    }

    /// Shows the dashboard of a node that will survive.
    pub(super) async fn serve(
        &self,
        plan: &Plan,
        listen: Option<SocketAddr>,
        stage: &mut Stage,
    ) -> Result<Serving, Failure> {
        let survivor = (0..self.nodes.len()).find(|node| !plan.victims.contains(node));
        let node = self.node(survivor.unwrap_or(0))?;
        let serving = Serving::start_demo(listen, node.joined.client()).await?;
        stage.begin("show", 1)?;
        stage.end(true, &format!("the dashboard of one node at {}/", serving.url()))?;
        Ok(serving)
    }

    /// Waits until every node knows enough others.
    pub(super) async fn join(&self, stage: &mut Stage) -> Result<(), Failure> {
        let started = Instant::now();
        let count = self.nodes.len();
        let enough = ENOUGH_CONTACTS.min(count / 2);
        stage.begin("join", count)?;
        loop {
            let mut contacts: Vec<usize> = Vec::with_capacity(count);
            for node in self.nodes.iter().flatten() {
                let status = node.joined.status().await?;
                contacts.push(node::sides(&status).iter().map(|(_, side)| side.good).sum());
            }
            let joined = contacts.iter().filter(|&&good| good >= enough).count();
            stage.progress(joined)?;
            if joined == count {
                let sum: usize = contacts.iter().sum();
                let (mean, took) = (sum / count.max(1), short_span(started.elapsed()));
                let what = format!("every node has found others, {mean} on average, {took}");
                return stage.end(true, &what);
            }
            if started.elapsed() > JOIN_WITHIN {
                return Err(Failure::failed(format!(
                    "only {joined} of {count} nodes joined within {}: the machine may be too busy; \
                     try fewer --nodes",
                    short_span(JOIN_WITHIN)
                )));
            }
            sleep(JOIN_POLL).await;
        }
    }

    /// Drops nodes: they fall silent at once, without a word to anybody.
    pub(super) fn kill(&mut self, plan: &Plan, stage: &mut Stage) -> Result<(), Failure> {
        let started = Instant::now();
        stage.begin("kill", plan.victims.len())?;
        let dying: Vec<DemoNode> = plan
            .victims
            .iter()
            .filter_map(|&victim| self.nodes.get_mut(victim).and_then(Option::take))
            .collect();
        let count = dying.len();
        drop(dying);
        stage.kill(&plan.victims);
        let took = short_span(started.elapsed());
        stage.end(true, &format!("{count} nodes at once, without a goodbye, {took}"))
    }

    /// A living node.
    pub(super) fn node(&self, number: usize) -> Result<&DemoNode, Failure> {
        self.nodes.get(number).and_then(Option::as_ref).ok_or_else(|| {
            Failure::failed("the demo asked a dead node: this is a fault of Polykad, please report")
        })
    }

    /// Reads a value from a node: whether it is the one that was put, and what it cost.
    pub(super) fn read(
        &self,
        reader: usize,
        value: &Value,
    ) -> Result<Operation<(bool, Option<Report>)>, Failure> {
        let mainline = self.node(reader)?.mainline();
        Ok(match value {
            Value::Immutable { key, value } => {
                let (get, value) = (mainline.get_immutable(*key), value.clone());
                Box::pin(
                    async move { judge(&get.await.map(|got| (got.value == value, got.report))) },
                )
            }
            Value::Mutable { item, .. } => {
                let get = mainline.get_mutable(item.public_key, item.salt.clone());
                let item = item.clone();
                Box::pin(
                    async move { judge(&get.await.map(|got| (got.value == item, got.report))) },
                )
            }
        })
    }

    /// What the kill left of the copies.
    pub(super) fn copies(&self, holders: &[Vec<NodeContact>]) -> Copies {
        let left: Vec<usize> = holders.iter().map(|holders| self.copies_left(holders)).collect();
        Copies {
            stored: holders.iter().map(Vec::len).sum(),
            left: left.iter().sum(),
            fewest_left: left.iter().min().copied().unwrap_or(0),
        }
    }

    /// What was left of the values that were not found.
    pub(super) fn explain(
        &self,
        lost: &[usize],
        plan: &Plan,
        holders: &[Vec<NodeContact>],
    ) -> Vec<Loss> {
        lost.iter()
            .filter_map(|&number| {
                let key = hex(&plan.values.get(number)?.key());
                let copies_left = self.copies_left(holders.get(number)?);
                Some(Loss { key, copies_left })
            })
            .collect()
    }

    fn copies_left(&self, holders: &[NodeContact]) -> usize {
        let alive = |id: &Key| self.nodes.iter().flatten().any(|node| node.id == *id);
        holders.iter().filter(|holder| alive(&holder.id)).count()
    }
}

fn judge(got: &Result<(bool, Report), GetError>) -> (bool, Option<Report>) {
    match got {
        Ok((right, report)) => (*right, Some(*report)),
        Err(GetError::NotFound { report }) => (false, Some(*report)),
        Err(_) => (false, None),
    }
}
