//! `announce --keep` and `announcements`: what the daemon keeps alive after the command has ended.

use client::http::json::Announced;
use client::mainline::Announce;
use serde_json::json;

use super::Session;
use crate::failure::Failure;
use crate::output::{count, hex};
use crate::parse::Target;

/// Has the daemon announce, and go on with it.
pub(super) async fn keep(session: &Session, torrent: Announce) -> Result<(), Failure> {
    let daemon = session.daemon()?;
    let kept = session.within(daemon.keep_announcement(torrent)).await?;
    session.output.line(line(&kept))?;
    session.output.object(&kept)
}

/// Lists what it keeps, or ends one.
pub(super) async fn run(session: &Session, forget: Option<&Target>) -> Result<(), Failure> {
    let daemon = session.daemon()?;
    if let Some(target) = forget {
        let info_hash = session.info_hash(target).await?;
        session.within(daemon.forget_announcement(info_hash)).await?;
        let info_hash = hex(&info_hash);
        session.output.line(format!("{info_hash} is kept alive no longer"))?;
        return session.output.object(&json!({ "info_hash": info_hash }));
    }
    let all = session.within(daemon.announcements()).await?;
    for kept in &all {
        session.output.line(line(kept))?;
    }
    session.output.note(format!("{} kept alive", count(all.len(), "announcement")));
    session.output.object(&json!({ "announcements": all }))
}

/// One of them, for people.
fn line(kept: &Announced) -> String {
    let Announced { info_hash, port, seed, rounds, stored, trouble, .. } = kept;
    let port = port.map_or("its own port".to_owned(), |port| format!("port {port}"));
    let seed = if *seed { ", a seed" } else { "" };
    let round = match (stored, trouble) {
        (Some(stored), _) => {
            let nodes = count(stored.acknowledged.len(), "node");
            format!("round {rounds} was acknowledged by {nodes}")
        }
        (None, Some(trouble)) => format!("round {rounds} failed: {}", trouble.detail),
        (None, None) => "the first round is under way".to_owned(),
    };
    format!("{info_hash} {port}{seed}: {round}")
}
