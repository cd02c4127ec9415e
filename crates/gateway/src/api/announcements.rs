//! Announcements that the daemon keeps alive by itself, until they are deleted or it stops.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use client::http::json::{Announce, Announced, AnnouncedAll, hex};
use client::http::problem::Problem;
use client::search::Round;
use client::{Announcement, FindError, Key, mainline};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use utoipa_axum::routes;

use super::write::read_json;
use super::{Refusals, Route, key};
use crate::app::App;
use crate::problem::{Fault, Segment};

pub(super) const ROUTES: &[Route] = &[|| routes!(list), || routes!(one, keep, forget)];

/// Announcements kept at once: each costs a lookup every quarter of an hour, that is one a second.
const MOST: usize = 1000;
/// How long the answer waits for the first round.
const FIRST_ROUND_WITHIN: Duration = Duration::from_secs(10);

/// All that are kept, by torrent.
#[derive(Default)]
pub(crate) struct Announcements(Mutex<BTreeMap<Key, Kept>>);

struct Kept {
    announce: Announce,
    /// Unix seconds.
    since: u64,
    progress: watch::Receiver<Progress>,
    task: AbortHandle,
}

/// What has become of it so far.
#[derive(Clone, Default)]
struct Progress {
    rounds: u64,
    last: Option<Round>,
}

/// Ends with what keeps it.
impl Drop for Kept {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Kept {
    fn told(&self, info_hash: &Key) -> Announced {
        let Progress { rounds, last } = self.progress.borrow().clone();
        let (stored, trouble) = match last {
            None => (None, None),
            Some(Ok(report)) => (Some((&report).into()), None),
            Some(Err(error)) => (None, Some((&error).into())),
        };
        let Announce { port, seed } = self.announce;
        let (info_hash, since) = (hex(info_hash), self.since);
        Announced { info_hash, port, seed, since, rounds, stored, trouble }
    }
}

impl Announcements {
    fn with<T>(&self, act: impl FnOnce(&mut BTreeMap<Key, Kept>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn told(&self, info_hash: &Key) -> Option<Announced> {
        self.with(|all| all.get(info_hash).map(|kept| kept.told(info_hash)))
    }

    /// Ends all.
    pub(crate) fn end(&self) {
        self.with(BTreeMap::clear);
    }
}

/// Announces again and again, and notes what becomes of it.
async fn renew(mut announcement: Announcement, progress: watch::Sender<Progress>) {
    while let Some(round) = announcement.round().await {
        progress.send_modify(|progress| {
            progress.rounds += 1;
            progress.last = Some(round);
        });
    }
    let stopped = Some(Err(FindError::Stopped.into()));
    progress.send_modify(|progress| progress.last = stopped);
}

fn nothing_kept(info_hash: &Key) -> Fault {
    let detail = format!("no announcement of {} is kept", hex(info_hash));
    Fault::new(404, "not-kept", "no such announcement", detail)
}

/// The announcements that the node keeps alive
#[utoipa::path(
    get, path = "/v1/mainline/announcements", tag = "mainline",
    responses((status = 200, description = "They", body = AnnouncedAll), Refusals)
)]
async fn list(State(app): State<App>) -> Result<Json<AnnouncedAll>, Fault> {
    app.mainline()?;
    let told = |all: &mut BTreeMap<Key, Kept>| {
        all.iter().map(|(info_hash, kept)| kept.told(info_hash)).collect()
    };
    Ok(Json(AnnouncedAll { announcements: app.announcements.with(told) }))
}

/// An announcement that the node keeps alive
#[utoipa::path(
    get, path = "/v1/mainline/announcements/{info_hash}", tag = "mainline",
    params(("info_hash" = String, Path, description = "40 hexadecimal digits",
        pattern = "^[0-9a-fA-F]{40}$")),
    responses(
        (status = 200, description = "It, with its last round", body = Announced),
        (status = 404, description = "It is not kept", body = Problem,
            content_type = "application/problem+json"),
        Refusals
    )
)]
async fn one(
    State(app): State<App>,
    Segment(info_hash): Segment,
) -> Result<Json<Announced>, Fault> {
    let info_hash = key(&info_hash)?;
    app.announcements.told(&info_hash).map(Json).ok_or_else(|| nothing_kept(&info_hash))
}

/// Announce a peer of a torrent, and keep that alive
///
/// Until it is deleted or the daemon stops. The answer has the outcome of the first round, if it
/// came within ten seconds; further rounds are tried whatever became of it.
#[utoipa::path(
    put, path = "/v1/mainline/announcements/{info_hash}", tag = "mainline",
    params(("info_hash" = String, Path, description = "40 hexadecimal digits",
        pattern = "^[0-9a-fA-F]{40}$")),
    request_body = Announce,
    responses(
        (status = 200, description = "Kept from now on", body = Announced),
        (status = 408, description = "The body did not come in time", body = Problem,
            content_type = "application/problem+json"),
        (status = 415, description = "The body is no JSON", body = Problem,
            content_type = "application/problem+json"),
        Refusals
    )
)]
async fn keep(
    State(app): State<App>,
    Segment(info_hash): Segment,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Announced>, Fault> {
    let info_hash = key(&info_hash)?;
    let announce: Announce = read_json(&app, &headers, body).await?;
    let Announce { port, seed } = announce;
    if port == Some(0) {
        return Err(Fault::bad_request("port 0 is no port: leave it out for the node's own"));
    }
    let mainline = app.mainline()?;
    let mut first = app.announcements.with(|all| {
        if all.len() >= MOST && !all.contains_key(&info_hash) {
            let detail = format!("{MOST} announcements are kept already: delete some");
            return Err(Fault::new(403, "too-many-announcements", "no room for more", detail));
        }
        let announcement = mainline.announce(mainline::Announce { info_hash, port, seed });
        let (told, progress) = watch::channel(Progress::default());
        let task = tokio::spawn(renew(announcement, told)).abort_handle();
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let first = progress.clone();
        all.insert(info_hash, Kept { announce, since, progress, task });
        Ok(first)
    })?;
    // Neither that it takes longer nor that it ends at once is an error of this request.
    let _ = timeout(FIRST_ROUND_WITHIN, first.changed()).await;
    app.announcements.told(&info_hash).map(Json).ok_or_else(|| nothing_kept(&info_hash))
}

/// Keep an announcement alive no longer
///
/// What was announced stays with other nodes until it expires.
#[utoipa::path(
    delete, path = "/v1/mainline/announcements/{info_hash}", tag = "mainline",
    params(("info_hash" = String, Path, description = "40 hexadecimal digits",
        pattern = "^[0-9a-fA-F]{40}$")),
    responses(
        (status = 204, description = "It is kept no longer"),
        (status = 404, description = "It was not kept", body = Problem,
            content_type = "application/problem+json"),
        Refusals
    )
)]
async fn forget(State(app): State<App>, Segment(info_hash): Segment) -> Result<StatusCode, Fault> {
    let info_hash = key(&info_hash)?;
    let kept = app.announcements.with(|all| all.remove(&info_hash));
    kept.map(|_| StatusCode::NO_CONTENT).ok_or_else(|| nothing_kept(&info_hash))
}
