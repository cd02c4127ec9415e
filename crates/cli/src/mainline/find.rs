//! `ping`, `find-node`, `get-peers` and `scrape`.

use core::net::SocketAddr;

use client::{Found, Key, Report};
use serde::Serialize;
use serde_json::json;
use tokio::time::timeout_at;

use super::{Cost, Node, Session, effort, late};
use crate::failure::Failure;
use crate::output::{count, hex, hex_bytes, millis, short_span};
use crate::parse::Target;

/// Asks one address who it is.
pub(super) async fn ping(session: &Session, address: SocketAddr) -> Result<(), Failure> {
    #[derive(Serialize)]
    struct Object {
        #[serde(flatten)]
        node: Node,
        rtt_ms: f64,
        version: Option<String>,
        elapsed_ms: f64,
    }
    let pong = session.within(session.mainline().ping(address)).await?;
    let version = pong.version.map(version_text);
    session.output.line(format!(
        "{} answered in {}: node {}, {}",
        pong.contact.address,
        short_span(pong.rtt),
        hex(&pong.contact.id),
        version.as_deref().map_or("version unknown".to_owned(), |text| format!("version {text}"))
    ))?;
    session.output.object(&Object {
        node: Node::from(&pong.contact),
        rtt_ms: millis(pong.rtt),
        version,
        elapsed_ms: millis(session.elapsed()),
    })
}

/// Two letters for the client and its version in hexadecimal, as most clients use the four bytes.
fn version_text(version: [u8; 4]) -> String {
    let [first, second, rest @ ..] = version;
    if first.is_ascii_alphanumeric() && second.is_ascii_alphanumeric() {
        format!("{}{}{}", char::from(first), char::from(second), hex_bytes(&rest))
    } else {
        hex_bytes(&version)
    }
}

/// Finds the nodes closest to `target`.
pub(super) async fn find_node(session: &Session, target: Key) -> Result<(), Failure> {
    #[derive(Serialize)]
    struct Object {
        target: String,
        nodes: Vec<Node>,
        #[serde(flatten)]
        cost: Cost,
    }
    let found = session.within(session.mainline().find_node(target)).await?;
    for node in &found.nodes {
        session.output.line(format!("{} {}", hex(&node.id), node.address))?;
    }
    session.output.note(format!("closest first; {}", effort(&found.report)));
    session.output.object(&Object {
        target: hex(&target),
        nodes: found.nodes.iter().map(Node::from).collect(),
        cost: found.report.into(),
    })
}

/// Finds peers of a torrent, and prints each as it comes.
pub(super) async fn get_peers(session: &Session, torrent: &Target) -> Result<(), Failure> {
    #[derive(Serialize)]
    struct Object {
        info_hash: String,
        peers: Vec<String>,
        /// Whether the search ended by itself, not by --timeout.
        complete: bool,
        #[serde(flatten)]
        cost: Cost,
    }
    let info_hash = session.info_hash(torrent).await?;
    let mut peers = Vec::new();
    let mut search = session.mainline().find_peers(info_hash);
    let mut report = None;
    while report.is_none() {
        match timeout_at(session.deadline(), search.next()).await {
            Ok(Some(Ok(Found::Item(batch)))) => {
                for peer in batch {
                    session.output.line(peer.to_string())?;
                    peers.push(peer.to_string());
                }
            }
            Ok(Some(Ok(Found::Done(done)))) => report = Some(done),
            Ok(Some(Err(error))) if peers.is_empty() => return Err(error.into()),
            Err(_) if peers.is_empty() => return Err(late(session.timeout)),
            Ok(Some(Err(_)) | None) | Err(_) => break,
        }
    }
    let complete = report.is_some();
    let report = report.unwrap_or(Report { elapsed: session.elapsed(), ..Report::default() });
    if peers.is_empty() {
        return Err(Failure::failed(format!(
            "no peers: {} nodes answered and none knows a peer of this torrent; try again once \
             somebody has announced it",
            report.answered
        ))
        .with("info_hash", json!(hex(&info_hash)))
        .with("peers", json!([])));
    }
    session.output.note(format!("{}; {}", count(peers.len(), "peer"), effort(&report)));
    let cost = report.into();
    session.output.object(&Object { info_hash: hex(&info_hash), peers, complete, cost })
}

/// Estimates the size of a torrent's swarm.
pub(super) async fn scrape(session: &Session, torrent: &Target) -> Result<(), Failure> {
    #[derive(Serialize)]
    struct Object {
        info_hash: String,
        seeds: f64,
        downloaders: f64,
        nodes: usize,
        #[serde(flatten)]
        cost: Cost,
    }
    let info_hash = session.info_hash(torrent).await?;
    let scrape = session.within(session.mainline().scrape(info_hash)).await?;
    if scrape.nodes == 0 {
        return Err(Failure::failed(format!(
            "no counts: {} nodes answered and none knows this torrent; try again once somebody has \
             announced it",
            scrape.report.answered
        ))
        .with("info_hash", json!(hex(&info_hash))));
    }
    // An estimate of nothing may be -0, which adding 0 mends.
    let (seeds, downloaders) = (scrape.seeds + 0.0, scrape.downloaders + 0.0);
    session.output.line(format!(
        "about {seeds:.0} seeds and {downloaders:.0} downloaders, by the counts of {}",
        count(scrape.nodes, "node")
    ))?;
    session.output.note(effort(&scrape.report));
    session.output.object(&Object {
        info_hash: hex(&info_hash),
        seeds,
        downloaders,
        nodes: scrape.nodes,
        cost: scrape.report.into(),
    })
}
