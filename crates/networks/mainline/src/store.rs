//! What others store with this node: peers of torrents (BEP 5, BEP 33) and items (BEP 44).
//!
//! The node calls this for each `announce_peer`, `put`, `get_peers`, `get` and `sample_infohashes`,
//! after it has checked token and signature. Everything is bounded and expires. What is stored is
//! charged to the sender's site (a /24 of IPv4, a /48 of IPv6: [`site`](kademlia::limit::site)),
//! and each site has a quota. When a store is full, an entry gives way only to a site that would
//! hold less than the entry's own; see [`kademlia::store`] for why.

mod items;
mod peers;

use std::time::Duration;

pub use items::{ItemRefused, ItemStore, StoredItem};
pub use peers::{MAX_SAMPLE, PORTS_PER_HOST, PeerRefused, PeerStore};

/// The bounds of both stores.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StoreSettings {
    /// How long an announced peer is kept. Clients announce again every 15 to 30 minutes.
    pub peer_lifetime: Duration,
    /// Peers of one torrent at most, of each address family. At most 65,535.
    pub peers_per_torrent: u16,
    /// Peers at most, of all torrents together, announced from one site.
    pub peers_per_site: u32,
    /// Bytes of memory for peers.
    pub peer_bytes: usize,
    /// How long an item is kept since it was last put (BEP 44: two hours; owners put it again every
    /// hour).
    pub item_lifetime: Duration,
    /// Items at most.
    pub items: usize,
    /// Bytes of memory for items.
    pub item_bytes: usize,
    /// Bytes of items at most that were put from one site.
    pub item_bytes_per_site: u32,
}

/// 16 MiB each for peers and items: some 250,000 torrents of one peer, or 13,000 items of the
/// largest size. A node among the millions of Mainline is given a few thousand of either; a site
/// gets 1/64 of the whole, which is more than anybody needs who stores with a node by chance.
impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            peer_lifetime: Duration::from_mins(30),
            peers_per_torrent: 500,
            peers_per_site: 4000,
            peer_bytes: 16 << 20,
            item_lifetime: Duration::from_hours(2),
            items: 100_000,
            item_bytes: 16 << 20,
            item_bytes_per_site: 256 << 10,
        }
    }
}

/// Pages of an arena swept at most by one call: some 10 µs each, 0.15 ms if all on it has expired.
const PAGES_PER_SWEEP: usize = 16;
