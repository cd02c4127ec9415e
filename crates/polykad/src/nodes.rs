//! Several networks in one process, seen as one client.

use client::{Client, FindError, Mainline, Operation, Poly, Status, StatusError};

use crate::node::Node;
use crate::poly::PolyNode;

/// Nodes of different networks side by side: one [`Client`]. Each has its own sockets.
#[derive(Clone, Debug, Default)]
pub struct Nodes {
    /// The node of BitTorrent's Mainline DHT.
    pub mainline: Option<Node>,
    /// The node of Polykad's own network.
    pub poly: Option<PolyNode>,
}

impl Nodes {
    /// Waits until each has joined its network or has failed to.
    ///
    /// # Errors
    /// A node has stopped.
    pub async fn joined(&self) -> Result<(), FindError> {
        if let Some(node) = &self.mainline {
            node.joined().await?;
        }
        if let Some(node) = &self.poly {
            node.joined().await?;
        }
        Ok(())
    }

    /// Stops all of them, and writes to disk what is not there yet.
    pub async fn shutdown(&self) {
        let mainline = async {
            if let Some(node) = &self.mainline {
                node.shutdown().await;
            }
        };
        let poly = async {
            if let Some(node) = &self.poly {
                node.shutdown().await;
            }
        };
        tokio::join!(mainline, poly);
    }
}

impl From<Node> for Nodes {
    fn from(node: Node) -> Self {
        Self { mainline: Some(node), poly: None }
    }
}

impl From<PolyNode> for Nodes {
    fn from(node: PolyNode) -> Self {
        Self { mainline: None, poly: Some(node) }
    }
}

impl Client for Nodes {
    fn status(&self) -> Operation<Result<Status, StatusError>> {
        let mainline = self.mainline.as_ref().map(Client::status);
        let poly = self.poly.as_ref().map(Client::status);
        Box::pin(async move {
            let mut all: Option<Status> = None;
            for status in [mainline, poly].into_iter().flatten() {
                let status = status.await?;
                all = Some(match all {
                    Some(before) => merged(before, status),
                    None => status,
                });
            }
            all.ok_or(StatusError::Stopped)
        })
    }

    fn mainline(&self) -> Option<&dyn Mainline> {
        self.mainline.as_ref().map(|node| node as &dyn Mainline)
    }

    fn poly(&self) -> Option<&dyn Poly> {
        self.poly.as_ref().map(|node| node as &dyn Poly)
    }
}

/// One status of two nodes: what they count is added up.
fn merged(mut first: Status, second: Status) -> Status {
    first.uptime = first.uptime.max(second.uptime);
    first.listen.extend(second.listen);
    let (sum, more) = (&mut first.traffic, second.traffic);
    sum.received += more.received;
    sum.received_bytes += more.received_bytes;
    sum.sent += more.sent;
    sum.sent_bytes += more.sent_bytes;
    let (sum, more) = (&mut first.dropped, second.dropped);
    sum.oversized += more.oversized;
    sum.rate_limited += more.rate_limited;
    sum.malformed += more.malformed;
    sum.send_full += more.send_full;
    sum.send_failed += more.send_failed;
    sum.untold += more.untold;
    sum.unpersisted += more.unpersisted;
    first.disk = match (first.disk, second.disk) {
        (Some(mut disk), Some(more)) => {
            disk.bytes += more.bytes;
            disk.trouble = disk.trouble.or(more.trouble);
            Some(disk)
        }
        (one, other) => one.or(other),
    };
    first.mainline = first.mainline.or(second.mainline);
    first.poly = first.poly.or(second.poly);
    first
}
