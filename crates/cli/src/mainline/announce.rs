//! `announce`: this host is a peer of a torrent, for as long as the command runs.

use client::mainline::Announce;
use client::{AnnounceError, Announcement, PutReport};
use serde::Serialize;
use serde_json::Value;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::{Session, late};
use crate::args::AnnounceOptions;
use crate::failure::{Failure, refusal};
use crate::node::interrupted;
use crate::output::{complain, count, hex, millis};

/// Announces, and renews that until told to stop.
pub(super) async fn run(session: &Session, options: &AnnounceOptions) -> Result<(), Failure> {
    let info_hash = session.info_hash(&options.torrent).await?;
    let torrent = Announce { info_hash, port: options.port, seed: options.seed };
    if options.keep {
        return super::kept::keep(session, torrent).await;
    }
    let mut announcement = session.mainline().announce(torrent);
    let first = timeout_at(session.deadline(), announcement.round()).await;
    let mut last = match first.map_err(|_| late(session.timeout))? {
        Some(round) => round?,
        None => return Err(client::FindError::Stopped.into()),
    };
    let mut rounds = 1;
    tell(session, &last)?;
    if !options.once {
        let end = options.lasting.map(|lasting| Instant::now() + lasting);
        if end.is_none() {
            session.output.note("renewed until ctrl-c");
        }
        renew(session, &mut announcement, end, &mut rounds, &mut last).await?;
    }
    announcement.stop();
    finish(session, &torrent, rounds, &last)
}

/// Keeps the announcement alive until `end` or an interrupt.
async fn renew(
    session: &Session,
    announcement: &mut Announcement,
    end: Option<Instant>,
    rounds: &mut u32,
    last: &mut PutReport,
) -> Result<(), Failure> {
    let over = async {
        match end {
            Some(end) => sleep_until(end).await,
            None => core::future::pending().await,
        }
    };
    let (mut over, mut stop) = (core::pin::pin!(over), core::pin::pin!(interrupted()));
    loop {
        let round = tokio::select! {
            () = &mut over => return Ok(()),
            () = &mut stop => return Ok(()),
            round = announcement.round() => round,
        };
        match round {
            Some(Ok(report)) => {
                *rounds += 1;
                tell(session, &report)?;
                *last = report;
            }
            Some(Err(error)) => complain(&failed_round(error)),
            None => return Err(client::FindError::Stopped.into()),
        }
    }
}

fn failed_round(error: AnnounceError) -> String {
    format!("a round failed and will be repeated: {}", Failure::from(error).message)
}

fn tell(session: &Session, report: &PutReport) -> Result<(), Failure> {
    session.output.line(format!(
        "announced to {} ({} refused, {} did not answer)",
        count(report.acknowledged.len(), "node"),
        report.refused.len(),
        report.silent
    ))
}

fn finish(
    session: &Session,
    torrent: &Announce,
    rounds: u32,
    last: &PutReport,
) -> Result<(), Failure> {
    #[derive(Serialize)]
    struct Object {
        info_hash: String,
        port: Option<u16>,
        seed: bool,
        rounds: u32,
        /// Of the last round, as are the next two.
        acknowledged: usize,
        refused: Vec<Value>,
        silent: usize,
        elapsed_ms: f64,
    }
    session.output.object(&Object {
        info_hash: hex(&torrent.info_hash),
        port: torrent.port,
        seed: torrent.seed,
        rounds,
        acknowledged: last.acknowledged.len(),
        refused: last.refused.iter().map(refusal).collect(),
        silent: last.silent,
        elapsed_ms: millis(session.elapsed()),
    })
}
