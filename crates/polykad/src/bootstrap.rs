//! Joining: from addresses and host names to contacts.

use core::future::pending;
use std::net::SocketAddr;
use std::time::Duration;

use client::FindError;
use tokio::sync::watch;

/// The public routers that BitTorrent clients join through.
pub const DEFAULT_HOSTS: &[(&str, u16)] = &[
    ("dht.libtorrent.org", 25401),
    ("router.bittorrent.com", 6881),
    ("dht.transmissionbt.com", 6881),
];

/// How long a name may take to be resolved before the node joins without it.
const RESOLVE_WITHIN: Duration = Duration::from_secs(5);

/// How long to wait after nobody could be reached, at first and at most.
const RETRY_FIRST: Duration = Duration::from_secs(5);
const RETRY_MOST: Duration = Duration::from_mins(5);

/// What a node joins through.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Entry {
    Address(SocketAddr),
    Host(String, u16),
}

/// What can join a network.
pub(crate) trait Joins: Send + Sync {
    /// Joins through these addresses; returns how many nodes it has found.
    fn join(
        &self,
        addresses: Vec<SocketAddr>,
    ) -> impl Future<Output = Result<usize, FindError>> + Send;
}

/// Joins, and tries again until somebody has answered. `joined` becomes true after the first try.
pub(crate) async fn keep_joined(
    caller: impl Joins,
    entries: Vec<Entry>,
    joined: watch::Sender<bool>,
) {
    let mut pause = RETRY_FIRST;
    while !entries.is_empty() {
        let addresses = resolve(&entries).await;
        let outcome = if addresses.is_empty() {
            Err(FindError::NoContacts)
        } else {
            caller.join(addresses).await
        };
        joined.send_replace(true);
        match outcome {
            Ok(nodes) => {
                tracing::info!(nodes, "joined");
                break;
            }
            Err(FindError::Stopped) => return,
            Err(error) => tracing::warn!(%error, again_in = ?pause, "not joined"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(RETRY_MOST);
    }
    // Whoever waits must not take the end of this task for that of the node, which aborts it.
    pending::<()>().await;
}

/// The addresses of all entries; names that can't be resolved in time are left out.
async fn resolve(entries: &[Entry]) -> Vec<SocketAddr> {
    let mut addresses = Vec::new();
    let mut lookups = tokio::task::JoinSet::new();
    for entry in entries {
        match entry.clone() {
            Entry::Address(address) => addresses.push(address),
            Entry::Host(host, port) => {
                lookups.spawn(async move { resolve_host(&host, port).await });
            }
        }
    }
    while let Some(found) = lookups.join_next().await {
        addresses.extend(found.unwrap_or_default());
    }
    addresses
}

async fn resolve_host(host: &str, port: u16) -> Vec<SocketAddr> {
    let lookup = tokio::net::lookup_host((host, port));
    match tokio::time::timeout(RESOLVE_WITHIN, lookup).await {
        Ok(Ok(addresses)) => addresses.collect(),
        Ok(Err(error)) => {
            tracing::warn!(host, %error, "bootstrap host not resolved");
            Vec::new()
        }
        Err(_) => {
            tracing::warn!(host, "bootstrap host not resolved in time");
            Vec::new()
        }
    }
}
