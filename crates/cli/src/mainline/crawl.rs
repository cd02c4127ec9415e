//! `crawl`: a walk through the whole network, its nodes and the torrents they know (BEP 51).
//!
//! The key space is swept level by level: one lookup, then one for each half, each quarter and so
//! on. A level that turns up no new node ends the walk: deeper ones would find the same again. Each
//! node is asked for its sample once, so that none is asked before it wants to be (its `interval`).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use client::mainline::{Nodes, Sample};
use client::{FindError, Key, NodeContact, PingError};
use core::net::SocketAddr;
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::{Node, Session};
use crate::args::CrawlOptions;
use crate::failure::Failure;
use crate::node::interrupted;
use crate::output::{count, hex, millis, short_span};

/// Lookups under way at a time: each asks some twenty nodes.
const WALKERS: usize = 4;
/// Nodes asked for their sample at a time.
const SAMPLERS: usize = 16;
/// Levels at most: a network of 2^25 nodes is swept at 8 nodes a lookup.
const MOST_LEVELS: u32 = 22;

/// What one of the crawl's tasks brings home.
enum Finding {
    Walk(Result<Nodes, FindError>),
    Sample(NodeContact, Box<Result<Sample, PingError>>),
}

struct Crawl<'a> {
    session: &'a Session,
    most_nodes: usize,
    /// Every node found, with the number of torrents it stores if it said so.
    nodes: BTreeMap<SocketAddr, (Key, Option<u64>)>,
    torrents: BTreeSet<Key>,
    unasked: VecDeque<NodeContact>,
    tasks: JoinSet<Finding>,
    walking: usize,
    sampling: usize,
    walks: u32,
    failed_walks: u32,
    level: u32,
    next_in_level: u64,
    new_in_level: usize,
    complete: bool,
}

/// Walks until nothing new turns up, time is up or enough nodes are found.
pub(super) async fn run(session: &Session, options: &CrawlOptions) -> Result<(), Failure> {
    let mut crawl = Crawl::new(session, options.max);
    let end = Instant::now() + options.lasting;
    let mut stop = core::pin::pin!(interrupted());
    loop {
        crawl.send_out();
        let finding = tokio::select! {
            finding = timeout_at(end, crawl.tasks.join_next()) => finding,
            () = &mut stop => break,
        };
        match finding {
            Ok(Some(Ok(finding))) => crawl.bring_home(finding)?,
            // A task ends early only if the runtime does.
            Ok(Some(Err(_))) => {}
            Ok(None) | Err(_) => break,
        }
    }
    crawl.finish()
}

impl<'a> Crawl<'a> {
    fn new(session: &'a Session, most_nodes: usize) -> Self {
        Self {
            session,
            most_nodes,
            nodes: BTreeMap::new(),
            torrents: BTreeSet::new(),
            unasked: VecDeque::new(),
            tasks: JoinSet::new(),
            walking: 0,
            sampling: 0,
            walks: 0,
            failed_walks: 0,
            level: 0,
            next_in_level: 0,
            new_in_level: 0,
            complete: false,
        }
    }

    /// Starts as many lookups and samples as may run at a time.
    fn send_out(&mut self) {
        while self.sampling < SAMPLERS
            && let Some(node) = self.unasked.pop_front()
        {
            let sample = self.session.mainline().sample_node(node.address);
            self.tasks.spawn(async move { Finding::Sample(node, Box::new(sample.await)) });
            self.sampling += 1;
        }
        while self.walking < WALKERS
            && let Some(target) = self.next_target()
        {
            let walk = self.session.mainline().find_node(target);
            self.tasks.spawn(async move { Finding::Walk(walk.await) });
            self.walking += 1;
        }
    }

    /// The middle of the next part of the key space; `None`: none for now, or for good.
    fn next_target(&mut self) -> Option<Key> {
        if self.complete || self.nodes.len() >= self.most_nodes {
            return None;
        }
        if self.next_in_level >= 1 << self.level {
            // Whether a deeper level is worth it shows once this one is through.
            if self.walking > 0 {
                return None;
            }
            if self.new_in_level == 0 || self.level >= MOST_LEVELS {
                self.complete = true;
                return None;
            }
            (self.level, self.next_in_level, self.new_in_level) = (self.level + 1, 0, 0);
        }
        let middle = (2 * self.next_in_level + 1) << (63 - self.level);
        self.next_in_level += 1;
        Some(Key::from_id(&middle.to_be_bytes()))
    }

    fn bring_home(&mut self, finding: Finding) -> Result<(), Failure> {
        match finding {
            Finding::Walk(walk) => {
                self.walking -= 1;
                self.walks += 1;
                match walk {
                    Ok(found) => self.meet(&found.nodes),
                    Err(error) if self.nodes.is_empty() && self.walking == 0 => {
                        return Err(error.into());
                    }
                    Err(_) => self.failed_walks += 1,
                }
                Ok(())
            }
            Finding::Sample(node, sample) => {
                self.sampling -= 1;
                self.hear(node, sample.ok())
            }
        }
    }

    /// Notes the nodes that are new.
    fn meet(&mut self, nodes: &[NodeContact]) {
        for node in nodes {
            let known = self.nodes.contains_key(&node.address);
            if !known && self.nodes.len() < self.most_nodes {
                self.nodes.insert(node.address, (node.id, None));
                self.unasked.push_back(*node);
                self.new_in_level += 1;
            }
        }
    }

    /// Prints a node and the torrents it was the first to name.
    fn hear(&mut self, node: NodeContact, sample: Option<Sample>) -> Result<(), Failure> {
        let output = self.session.output;
        let total = sample.as_ref().map(|sample| sample.total);
        let stored = total.map_or("-".to_owned(), |total| total.to_string());
        output.line(format!("node {} {} {stored}", hex(&node.id), node.address))?;
        if let Some((_, known)) = self.nodes.get_mut(&node.address) {
            *known = total;
        }
        for torrent in sample.into_iter().flat_map(|sample| sample.info_hashes) {
            if self.torrents.insert(torrent) {
                output.line(format!("torrent {}", hex(&torrent)))?;
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<(), Failure> {
        #[derive(Serialize)]
        struct Object {
            nodes: Vec<CrawledNode>,
            info_hashes: Vec<String>,
            /// Whether the walk ended because nothing new turned up.
            complete: bool,
            walks: u32,
            failed_walks: u32,
            elapsed_ms: f64,
        }
        #[derive(Serialize)]
        struct CrawledNode {
            #[serde(flatten)]
            node: Node,
            /// How many torrents it stores; null if it does not tell.
            total: Option<u64>,
        }
        let session = self.session;
        if self.nodes.is_empty() {
            return Err(Failure::failed(
                "no node was found in time: try a longer --for, or other --bootstrap addresses",
            ));
        }
        session.output.note(format!(
            "{} and {} in {}{}",
            count(self.nodes.len(), "node"),
            count(self.torrents.len(), "torrent"),
            short_span(session.elapsed()),
            if self.complete { "" } else { "; there may be more" }
        ));
        let nodes = self.nodes.iter().map(|(&address, &(id, total))| CrawledNode {
            node: Node::from(&NodeContact { id, address }),
            total,
        });
        session.output.object(&Object {
            nodes: nodes.collect(),
            info_hashes: self.torrents.iter().map(hex).collect(),
            complete: self.complete,
            walks: self.walks,
            failed_walks: self.failed_walks,
            elapsed_ms: millis(session.elapsed()),
        })
    }
}
