//! Whole nodes on loopback: they find each other, keep what they must, and fail as promised.
#![cfg(test)]

mod failures;
mod network;
mod persistence;
mod poly;
mod streams;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use client::{Client, Status};
use polykad::{Builder, Node};

/// A free port on loopback.
fn v4() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

fn v6() -> SocketAddr {
    (Ipv6Addr::LOCALHOST, 0).into()
}

/// A node that knows nobody but those it is told.
fn builder(bootstrap: &[SocketAddr]) -> Builder {
    let start = Node::builder().no_default_bootstrap().rate_limit(None);
    bootstrap.iter().fold(start, |builder, address| builder.bootstrap(*address))
}

async fn node(bootstrap: &[SocketAddr]) -> Node {
    let node = builder(bootstrap).listen(v4()).spawn().await.unwrap();
    node.joined().await.unwrap();
    node
}

/// Waits until the status is as wanted.
async fn until(node: &Node, wanted: impl Fn(&Status) -> bool) -> Status {
    let start = Instant::now();
    loop {
        let status = node.status().await.unwrap();
        if wanted(&status) {
            return status;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "never as wanted: {status:#?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// How many good contacts each side has.
fn good(status: &Status) -> Vec<usize> {
    let mainline = status.mainline.as_ref().unwrap();
    mainline.v4.iter().chain(&mainline.v6).map(|side| side.good).collect()
}
