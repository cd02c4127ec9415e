//! Nodes of the same network anywhere, over BitTorrent's Mainline DHT.
//!
//! Each node announces its port under an info-hash made of the network's name, and looks there for
//! others: at its start, again and again while it knows nobody, and seldom later. Anybody can
//! announce anything there, so few addresses are tried at a time, drawn at random.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use client::mainline::Announce;
use client::search::{Announcement, Found};
use client::{FindError, Mainline};
use tokio::sync::watch;
use tokio::time::sleep;

use super::{Called, MAX_TRIED, Pace, join};
use crate::node::Node;
use crate::poly::calls::Caller;

/// Addresses that a search remembers at most.
const MAX_REMEMBERED: usize = 1024;

/// Where a node of poly is.
pub(in crate::poly) struct Whereabouts {
    /// The addresses it listens on.
    pub(in crate::poly) listen: Vec<SocketAddr>,
    /// The port of the gateway that leads to it.
    pub(in crate::poly) mapped: watch::Receiver<Option<u16>>,
}

impl Whereabouts {
    /// The port at which others find it; Mainline's nodes see its host by themselves.
    fn port(&self) -> Option<u16> {
        let v4 = self.listen.iter().find(|address| address.is_ipv4());
        let own = v4.or(self.listen.first()).map(SocketAddr::port);
        self.mapped.borrow().or(own)
    }
}

/// Announces the node, and joins through others, until it stops.
pub(in crate::poly) async fn keep_met(
    called: Called,
    at: Whereabouts,
    caller: Caller,
    mainline: Node,
) {
    let info_hash = called.info_hash();
    let mut announced: Option<(Option<u16>, Announcement)> = None;
    let mut pace = Pace::new();
    loop {
        let port = at.port();
        if announced.as_ref().is_none_or(|(before, _)| *before != port) {
            let torrent = Announce { info_hash, port, seed: false };
            announced = Some((port, mainline.announce(torrent)));
        }
        let mut found = BTreeSet::new();
        let mut search = mainline.find_peers(info_hash);
        while let Some(Ok(Found::Item(peers))) = search.next().await {
            let room = MAX_REMEMBERED.saturating_sub(found.len());
            found.extend(peers.into_iter().filter(|peer| !at.listen.contains(peer)).take(room));
        }
        let alone = match join(&caller, drawn(found), "over Mainline").await {
            Ok(alone) => alone,
            Err(FindError::Stopped) => return,
            Err(_) => true,
        };
        sleep(pace.next(alone)).await;
    }
}

/// Some of these, at random.
fn drawn(found: BTreeSet<SocketAddr>) -> BTreeSet<SocketAddr> {
    let mut left: Vec<_> = found.into_iter().collect();
    let mut drawn = BTreeSet::new();
    while drawn.len() < MAX_TRIED && !left.is_empty() {
        // Without randomness the first are as good as any.
        let number = getrandom::u64().unwrap_or_default();
        let at = usize::try_from(number % left.len() as u64).unwrap_or_default();
        drawn.insert(left.swap_remove(at));
    }
    drawn
}

#[cfg(test)]
mod tests;
