//! Topics: what many authors say under one name.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use client::Key;
use client::http::json::poly::{Entries, Stored, hex};
use client::http::problem::Problem;
use client::poly::value::{Entry, topic_key};
use serde::Deserialize;

use super::super::mainline::public_key;
use super::super::{Raw, Refusals, read};
use super::{get_options, key, put_options, signature};
use crate::app::App;
use crate::problem::{Fault, Params, Segment, Segments};

/// How many entries are found unless a request says otherwise, and at most.
const ENTRIES: usize = 100;
const MOST_ENTRIES: usize = 1000;

/// A topic in a path: its key, or `name:` and its name.
pub(super) fn topic_of(text: &str) -> Result<Key, Fault> {
    match text.strip_prefix("name:") {
        Some(name) => Ok(topic_key(name.as_bytes())),
        None => key(text),
    }
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Listing {
    /// How many entries are enough; 100 without this
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// By when to end, with what was found by then
    #[param(minimum = 100, maximum = 600_000)]
    deadline_ms: Option<u64>,
    /// Lookups that share no node, against liars
    #[param(minimum = 1, maximum = 8)]
    paths: Option<u8>,
    /// Replicas that must answer
    #[param(minimum = 1)]
    replicas: Option<u8>,
}

/// The entries of a topic
///
/// Of as many authors as possible; an empty list if nobody has said anything.
#[utoipa::path(
    get, path = "/v1/poly/topics/{topic}", tag = "poly",
    params(("topic" = String, Path,
        description = "The topic's key, 64 hexadecimal digits, or `name:` and its name",
        pattern = "^([0-9a-fA-F]{64}|name:[a-z0-9]{1,40})$"), Listing),
    responses((status = 200, description = "They", body = Entries), Refusals)
)]
pub(super) async fn topic(
    State(app): State<App>,
    Segment(text): Segment,
    Params(listing): Params<Listing>,
) -> Result<Json<Entries>, Fault> {
    let Listing { limit, deadline_ms, paths, replicas } = listing;
    let topic = topic_of(&text)?;
    let limit = limit.unwrap_or(ENTRIES);
    if !(1..=MOST_ENTRIES).contains(&limit) {
        return Err(Fault::bad_request(format!("limit={limit}: 1 to {MOST_ENTRIES}")));
    }
    let options = get_options(&app, deadline_ms, paths, replicas)?;
    let got = app.within(app.poly()?.topic(topic, limit, options)).await?;
    let entries = got.value.iter().map(Into::into).collect();
    Ok(Json(Entries { key: hex(&topic), entries, cost: got.report.into() }))
}

/// What is signed beside the bytes, and how to store it.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Signing {
    /// Which of the author's entries under this topic; 0 without this
    slot: Option<u16>,
    /// The version, higher than any before in this slot
    seq: u64,
    /// When it ends, in unix seconds: in 30 days at most
    expires: u64,
    /// The author's over all of it, 128 hexadecimal digits
    #[param(pattern = "^[0-9a-fA-F]{128}$")]
    signature: String,
    /// How many nodes must acknowledge it: a number, or `all`
    #[param(pattern = "^(all|[1-9][0-9]?)$")]
    quorum: Option<String>,
    /// By when to end
    #[param(minimum = 100, maximum = 600_000)]
    deadline_ms: Option<u64>,
    /// Lookups that share no node, against liars
    #[param(minimum = 1, maximum = 8)]
    paths: Option<u8>,
}

/// Put an entry under a topic
///
/// The body is its bytes, at most 1,000. What is signed is specified in `docs/poly-protocol.md`.
#[utoipa::path(
    put, path = "/v1/poly/topics/{topic}/{public_key}", tag = "poly",
    params(
        ("topic" = String, Path,
            description = "The topic's key, 64 hexadecimal digits, or `name:` and its name",
            pattern = "^([0-9a-fA-F]{64}|name:[a-z0-9]{1,40})$"),
        ("public_key" = String, Path, description = "Its author, 64 hexadecimal digits",
            pattern = "^[0-9a-fA-F]{64}$"),
        Signing
    ),
    request_body(content = Raw, content_type = "application/octet-stream"),
    responses(
        (status = 200, description = "Stored", body = Stored, headers(("etag" = String))),
        (status = 408, description = "The body did not come in time", body = Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "The slot has a newer entry", body = Problem,
            content_type = "application/problem+json"),
        (status = 422, description = "Signature or life is not acceptable, or there are fewer \
            nodes than the quorum", body = Problem, content_type = "application/problem+json"),
        Refusals
    )
)]
pub(super) async fn put_entry(
    State(app): State<App>,
    Segments((topic, author)): Segments<(String, String)>,
    Params(signing): Params<Signing>,
    body: Body,
) -> Result<Response, Fault> {
    let body = read(&app, body).await?;
    store(&app, &topic, &author, signing, Some(&body)).await
}

/// Remove an entry
///
/// What is signed is an entry without bytes: it keeps older ones out of the slot until it expires.
#[utoipa::path(
    delete, path = "/v1/poly/topics/{topic}/{public_key}", tag = "poly",
    params(
        ("topic" = String, Path,
            description = "The topic's key, 64 hexadecimal digits, or `name:` and its name",
            pattern = "^([0-9a-fA-F]{64}|name:[a-z0-9]{1,40})$"),
        ("public_key" = String, Path, description = "Its author, 64 hexadecimal digits",
            pattern = "^[0-9a-fA-F]{64}$"),
        Signing
    ),
    responses(
        (status = 200, description = "Removed", body = Stored, headers(("etag" = String))),
        (status = 409, description = "The slot has a newer entry", body = Problem,
            content_type = "application/problem+json"),
        (status = 422, description = "Signature or life is not acceptable, or there are fewer \
            nodes than the quorum", body = Problem, content_type = "application/problem+json"),
        Refusals
    )
)]
pub(super) async fn delete_entry(
    State(app): State<App>,
    Segments((topic, author)): Segments<(String, String)>,
    Params(signing): Params<Signing>,
) -> Result<Response, Fault> {
    store(&app, &topic, &author, signing, None).await
}

async fn store(
    app: &App,
    topic: &str,
    author: &str,
    signing: Signing,
    payload: Option<&[u8]>,
) -> Result<Response, Fault> {
    let Signing { slot, seq, expires, signature: signed, quorum, deadline_ms, paths } = signing;
    let options = put_options(app, deadline_ms, paths, quorum.as_deref())?;
    let entry = Entry {
        topic: topic_of(topic)?,
        public_key: public_key(author)?,
        slot: slot.unwrap_or_default(),
        seq,
        expires,
        payload: payload.map(Into::into),
        signature: signature(&signed)?,
    };
    let stored = app.within(app.poly()?.put_entry(entry, options)).await?;
    let tag = [(header::ETAG, format!("\"{seq}\""))];
    Ok((tag, Json(Stored::new(&stored, Some(seq)))).into_response())
}
