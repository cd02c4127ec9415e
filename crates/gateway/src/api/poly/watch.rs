//! Watches: what is there, and whatever changes, until the connection is closed.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use client::Key;
use client::http::json::Word;
use client::poly::value::{Kind, record_key};
use client::poly::{Change, Watch};
use client::stream::unfold;
use serde::Deserialize;

use super::super::Refusals;
use super::super::mainline::public_key;
use super::key;
use super::records::salt;
use super::topics::topic_of;
use crate::app::{App, Permit};
use crate::problem::{Fault, Params, Segment};
use crate::stream::{self, KEEP_ALIVE, Layout};

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Salted {
    /// Which of the author's records, in hexadecimal; without it the one without salt
    #[param(pattern = "^([0-9a-fA-F]{2}){0,64}$")]
    salt: Option<String>,
}

/// Watch a record
///
/// A stream of `record` words: the version that is there, then each that follows, until the
/// connection is closed.
#[utoipa::path(
    get, path = "/v1/poly/records/{public_key}/watch", tag = "poly",
    params(("public_key" = String, Path, description = "Its author, 64 hexadecimal digits",
        pattern = "^[0-9a-fA-F]{64}$"), Salted),
    responses(
        (status = 200, description = "Versions, one a line",
            content((Word = "application/x-ndjson"), (Word = "text/event-stream"))),
        (status = 422, description = "The salt is too long",
            body = client::http::problem::Problem, content_type = "application/problem+json"),
        Refusals
    )
)]
pub(super) async fn watch_record(
    State(app): State<App>,
    Segment(author): Segment,
    Params(salted): Params<Salted>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let key = record_key(&public_key(&author)?, &salt(salted.salt.as_deref())?);
    watch(&app, key, Kind::Record, &headers)
}

/// Watch a record, by its key
#[utoipa::path(
    get, path = "/v1/poly/records/key/{key}/watch", tag = "poly",
    params(("key" = String, Path, description = "64 hexadecimal digits",
        pattern = "^[0-9a-fA-F]{64}$")),
    responses(
        (status = 200, description = "Versions, one a line",
            content((Word = "application/x-ndjson"), (Word = "text/event-stream"))),
        Refusals
    )
)]
pub(super) async fn watch_record_by_key(
    State(app): State<App>,
    Segment(text): Segment,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    watch(&app, key(&text)?, Kind::Record, &headers)
}

/// Watch a topic
///
/// A stream of `entry` words: the entries that are there, then each that is new or removed
/// (`payload_hex` is null), until the connection is closed.
#[utoipa::path(
    get, path = "/v1/poly/topics/{topic}/watch", tag = "poly",
    params(("topic" = String, Path,
        description = "The topic's key, 64 hexadecimal digits, or `name:` and its name",
        pattern = "^([0-9a-fA-F]{64}|name:[a-z0-9]{1,40})$")),
    responses(
        (status = 200, description = "Entries, one a line",
            content((Word = "application/x-ndjson"), (Word = "text/event-stream"))),
        Refusals
    )
)]
pub(super) async fn watch_topic(
    State(app): State<App>,
    Segment(text): Segment,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    watch(&app, topic_of(&text)?, Kind::Entry, &headers)
}

fn watch(app: &App, key: Key, kind: Kind, headers: &HeaderMap) -> Result<Response, Fault> {
    let permit = app.stream()?;
    let watch = app.poly()?.watch(key, kind);
    let layout = Layout::of(headers);
    let watching = Watching { watch, layout, stopping: app.stopping.clone(), _permit: permit };
    Ok(stream::respond(layout, unfold(watching, Watching::step)))
}

/// A watch on its way to the one who asked.
struct Watching {
    watch: Watch,
    layout: Layout,
    stopping: tokio::sync::watch::Receiver<bool>,
    _permit: Permit,
}

impl Watching {
    async fn step(mut self) -> Option<(Bytes, Self)> {
        let change = tokio::select! {
            change = self.watch.next() => Some(change?),
            () = tokio::time::sleep(KEEP_ALIVE) => None,
            _ = self.stopping.wait_for(|stopping| *stopping) => return None,
        };
        let Some(change) = change else { return Some((self.layout.nothing(), self)) };
        let word = match change {
            Change::Record(record) => Word::Record((&*record).into()),
            Change::Entry(entry) => Word::Entry((&*entry).into()),
        };
        Some((stream::line(self.layout, &word), self))
    }
}
