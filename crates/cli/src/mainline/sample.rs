//! `sample`: which torrents nodes know (BEP 51).

use core::net::SocketAddr;

use client::mainline::Sample;
use client::{Found, Key};
use serde::Serialize;
use serde_json::json;
use tokio::time::timeout_at;

use super::{Cost, Node, Session, effort, late};
use crate::failure::Failure;
use crate::output::{count, hex, millis, short_span};

#[derive(Serialize)]
struct NodeSample {
    #[serde(flatten)]
    node: Node,
    /// How many info-hashes it stores.
    total: u64,
    /// How long it asks to be left alone.
    interval_s: u64,
    info_hashes: Vec<String>,
}

impl From<&Sample> for NodeSample {
    fn from(sample: &Sample) -> Self {
        Self {
            node: Node::from(&sample.from),
            total: sample.total,
            interval_s: sample.interval.as_secs(),
            info_hashes: sample.info_hashes.iter().map(hex).collect(),
        }
    }
}

/// Asks one node.
pub(super) async fn of_node(session: &Session, address: SocketAddr) -> Result<(), Failure> {
    #[derive(Serialize)]
    struct Object {
        samples: [NodeSample; 1],
        elapsed_ms: f64,
    }
    let sample = session.within(session.mainline().sample_node(address)).await?;
    tell(session, &sample)?;
    session.output.object(&Object {
        samples: [NodeSample::from(&sample)],
        elapsed_ms: millis(session.elapsed()),
    })
}

/// Asks the nodes around `target`, and prints what each says as it comes.
pub(super) async fn around(session: &Session, target: Key) -> Result<(), Failure> {
    #[derive(Serialize)]
    struct Object {
        target: String,
        samples: Vec<NodeSample>,
        #[serde(flatten)]
        cost: Cost,
    }
    let mut samples = Vec::new();
    let mut search = session.mainline().sample(target);
    let report = loop {
        let word = timeout_at(session.deadline(), search.next()).await;
        match word.map_err(|_| late(session.timeout))? {
            Some(Ok(Found::Item(sample))) => {
                tell(session, &sample)?;
                samples.push(NodeSample::from(&sample));
            }
            Some(Ok(Found::Done(report))) => break report,
            Some(Err(error)) => return Err(error.into()),
            None => return Err(client::FindError::Stopped.into()),
        }
    };
    if samples.is_empty() {
        return Err(Failure::failed(format!(
            "no samples: {} nodes answered and none tells what it stores (BEP 51); try another \
             target",
            report.answered
        ))
        .with("target", json!(hex(&target))));
    }
    session.output.note(format!("{}; {}", count(samples.len(), "sample"), effort(&report)));
    session.output.object(&Object { target: hex(&target), samples, cost: report.into() })
}

fn tell(session: &Session, sample: &Sample) -> Result<(), Failure> {
    session.output.line(format!(
        "node {} {} knows {}, tells {}, asks for {} of rest",
        hex(&sample.from.id),
        sample.from.address,
        count(usize::try_from(sample.total).unwrap_or(usize::MAX), "torrent"),
        sample.info_hashes.len(),
        short_span(sample.interval)
    ))?;
    sample.info_hashes.iter().try_for_each(|hash| session.output.line(format!("  {}", hex(hash))))
}
