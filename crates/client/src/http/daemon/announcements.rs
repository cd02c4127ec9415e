//! Announcements that the daemon keeps alive by itself, after the one who asked has gone: what it
//! can do beyond the traits.

use hyper::Method;
use kademlia::Key;

use super::super::json::{self, Announced, AnnouncedAll};
use super::super::transport::{Unreachable, Wish};
use super::{Daemon, JSON, path};
use crate::mainline::Announce;

impl Daemon {
    /// The announcements that it keeps alive.
    ///
    /// # Errors
    /// The daemon is gone, or refuses.
    pub async fn announcements(&self) -> Result<Vec<Announced>, Unreachable> {
        let all: AnnouncedAll = self.transport.ask(Wish::get("/v1/mainline/announcements")).await?;
        Ok(all.announcements)
    }

    /// Has it announce a peer of a torrent and keep that alive; returns what became of the first
    /// round, if it came soon.
    ///
    /// # Errors
    /// The daemon is gone, or refuses.
    pub async fn keep_announcement(&self, torrent: Announce) -> Result<Announced, Unreachable> {
        let Announce { info_hash, port, seed } = torrent;
        let wish = Wish {
            method: Method::PUT,
            path: path("announcements", &info_hash),
            body: serde_json::to_vec(&json::Announce { port, seed }).unwrap_or_default(),
            content: JSON,
            ..Wish::default()
        };
        self.transport.ask(wish).await
    }

    /// Has it keep an announcement alive no longer.
    ///
    /// # Errors
    /// It keeps none of this torrent, is gone, or refuses.
    pub async fn forget_announcement(&self, info_hash: Key) -> Result<(), Unreachable> {
        let path = path("announcements", &info_hash);
        self.transport.send(Wish { method: Method::DELETE, path, ..Wish::default() }).await?;
        Ok(())
    }
}
