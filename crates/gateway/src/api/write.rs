//! What is stored in BitTorrent's Mainline DHT: values, and peers of torrents.

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use client::http::json::{Announce, PutSigned, Stored, Word, hex, unhex};
use client::http::problem::Problem;
use client::mainline::{self, SignedItem, byte_string};
use client::stream::unfold;
use client::{Announcement, PutError};
use http_body_util::BodyExt;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;
use utoipa_axum::routes;

use super::mainline::{Salted, public_key};
use super::{Raw, Refusals, Route, key};
use crate::app::{App, Permit};
use crate::guard::too_long;
use crate::problem::{Fault, Params, Segment};
use crate::stream::{self, Layout};

/// Those of paths that are read as well: each path stands once.
pub(super) const ROUTES: &[Route] = &[
    || routes!(super::mainline::peers, announce),
    || routes!(super::mainline::item),
    || routes!(put_item),
    || routes!(super::mainline::signed, put_signed),
];

/// Reads a request's body, within its limits of length and time.
pub(crate) async fn read(app: &App, body: Body) -> Result<Bytes, Fault> {
    let limits = app.limits();
    let whole = http_body_util::Limited::new(body, limits.body_bytes).collect();
    let whole = timeout(limits.body_within, whole).await.map_err(|_| {
        let detail = "the body did not come in time: send it at once";
        Fault::new(408, "body-late", "the body did not come", detail)
    })?;
    match whole {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            Err(too_long(limits.body_bytes))
        }
        Err(_) => Err(Fault::bad_request("the body ended before its length")),
    }
}

/// Reads a JSON body.
pub(super) async fn read_json<T: DeserializeOwned>(
    app: &App,
    headers: &HeaderMap,
    body: Body,
) -> Result<T, Fault> {
    let content = headers.get(header::CONTENT_TYPE).and_then(|content| content.to_str().ok());
    let is_json = content.is_some_and(|content| {
        let kind = content.split(';').next().unwrap_or_default().trim();
        kind.eq_ignore_ascii_case("application/json")
    });
    if !is_json {
        let detail = "send JSON, and say so: Content-Type: application/json";
        return Err(Fault::new(415, "not-json", "the body is no JSON", detail));
    }
    let body = read(app, body).await?;
    let parsed = serde_json::from_slice(&body);
    parsed.map_err(|error| Fault::bad_request(format!("the body: {error}")))
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Laid {
    /// The body is one bencoded element already; otherwise it is stored as a byte string
    bencoded: Option<bool>,
}

/// Store an immutable value
///
/// The body is the value: at most 996 bytes, or 1000 bencoded. Nodes drop it after about two hours.
#[utoipa::path(
    post, path = "/v1/mainline/items", tag = "mainline", params(Laid),
    request_body(content = Raw, content_type = "application/octet-stream"),
    responses(
        (status = 201, description = "Stored; `Location` says where", body = Stored,
            headers(("location" = String), ("etag" = String))),
        (status = 408, description = "The body did not come in time", body = Problem,
            content_type = "application/problem+json"),
        (status = 422, description = "Not bencoded", body = Problem,
            content_type = "application/problem+json"),
        Refusals
    )
)]
async fn put_item(
    State(app): State<App>,
    Params(laid): Params<Laid>,
    body: Body,
) -> Result<Response, Fault> {
    let body = read(&app, body).await?;
    let value = if laid.bencoded == Some(true) { body.to_vec() } else { byte_string(&body) };
    if value.len() > mainline::MAX_VALUE_BYTES {
        return Err(PutError::ValueTooLong { bytes: value.len() }.into());
    }
    let report = app.within(app.mainline()?.put_immutable(value)).await?;
    let key = hex(&report.key);
    let headers = [
        (header::LOCATION, format!("/v1/mainline/items/{key}")),
        (header::ETAG, format!("\"{key}\"")),
    ];
    Ok((StatusCode::CREATED, headers, Json(Stored::from(&report))).into_response())
}

/// Store a new version of a signed value
///
/// `If-Match: "N"` stores it only where the stored version is N (compare and swap).
#[utoipa::path(
    put, path = "/v1/mainline/signed/{public_key}", tag = "mainline",
    params(("public_key" = String, Path, description = "Its author, 64 hexadecimal digits",
        pattern = "^[0-9a-fA-F]{64}$"), Salted),
    request_body = PutSigned,
    responses(
        (status = 200, description = "Stored", body = Stored, headers(("etag" = String))),
        (status = 408, description = "The body did not come in time", body = Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "The network has a newer version", body = Problem,
            content_type = "application/problem+json"),
        (status = 412, description = "The network has another version than If-Match demands",
            body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "The body is no JSON", body = Problem,
            content_type = "application/problem+json"),
        (status = 422, description = "Signature, value or salt is not acceptable", body = Problem,
            content_type = "application/problem+json"),
        Refusals
    )
)]
async fn put_signed(
    State(app): State<App>,
    Segment(author): Segment,
    Params(salted): Params<Salted>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Fault> {
    let cas = if_match(&headers)?;
    let (public_key, salt) = (public_key(&author)?, salted.bytes()?);
    let put: PutSigned = read_json(&app, &headers, body).await?;
    let value = unhex(&put.value_hex);
    let value =
        value.ok_or_else(|| Fault::bad_request("value_hex: pairs of hexadecimal digits"))?;
    let signature = unhex(&put.signature).and_then(|bytes| bytes.try_into().ok());
    let signature =
        signature.ok_or_else(|| Fault::bad_request("signature: 128 hexadecimal digits"))?;
    let item = SignedItem { public_key, salt, seq: put.seq, value, signature };
    let stored = app.within(app.mainline()?.put_mutable(item, cas)).await;
    let report = stored.map_err(|mut fault| {
        if cas.is_some() && fault.problem.name() == "conflict" {
            fault.problem.status = 412;
        }
        fault
    })?;
    let tag = [(header::ETAG, format!("\"{}\"", put.seq))];
    Ok((tag, Json(Stored::from(&report))).into_response())
}

/// The version that a request demands to be the stored one.
pub(crate) fn if_match(headers: &HeaderMap) -> Result<Option<i64>, Fault> {
    let Some(tag) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let tag = tag.to_str().unwrap_or_default();
    let seq = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).unwrap_or(tag).parse();
    let fault = |_| Fault::bad_request("If-Match: one version, such as \"7\"");
    seq.map(Some).map_err(fault)
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Lasting {
    /// Announce once; without it the announcement is renewed for as long as the connection lasts
    once: Option<bool>,
}

/// Announce a peer of a torrent
///
/// With `once=true` a report; otherwise a stream of `round` words: the announcement is renewed
/// until the connection is closed.
#[utoipa::path(
    post, path = "/v1/mainline/peers/{info_hash}", tag = "mainline",
    params(("info_hash" = String, Path, description = "40 hexadecimal digits",
        pattern = "^[0-9a-fA-F]{40}$"), Lasting),
    request_body = Announce,
    responses(
        (status = 200, description = "Announced",
            content((Stored = "application/json"), (Word = "application/x-ndjson"),
                (Word = "text/event-stream"))),
        (status = 408, description = "The body did not come in time", body = Problem,
            content_type = "application/problem+json"),
        (status = 415, description = "The body is no JSON", body = Problem,
            content_type = "application/problem+json"),
        Refusals
    )
)]
async fn announce(
    State(app): State<App>,
    Segment(info_hash): Segment,
    Params(lasting): Params<Lasting>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Fault> {
    let info_hash = key(&info_hash)?;
    let Announce { port, seed } = read_json(&app, &headers, body).await?;
    if port == Some(0) {
        return Err(Fault::bad_request("port 0 is no port: leave it out for the node's own"));
    }
    let torrent = mainline::Announce { info_hash, port, seed };
    if lasting.once == Some(true) {
        let mut announcement = app.mainline()?.announce(torrent);
        let round = app.within(async {
            let round = announcement.round().await;
            round.unwrap_or(Err(client::FindError::Stopped.into()))
        });
        let report = round.await?;
        return Ok(Json(Stored::from(&report)).into_response());
    }
    let permit = app.stream()?;
    let announcement = app.mainline()?.announce(torrent);
    let layout = Layout::of(&headers);
    let kept = Kept { announcement, layout, stopping: app.stopping.clone(), _permit: permit };
    Ok(stream::respond(layout, unfold(kept, Kept::step)))
}

/// An announcement that lives as long as the connection.
struct Kept {
    announcement: Announcement,
    layout: Layout,
    stopping: tokio::sync::watch::Receiver<bool>,
    _permit: Permit,
}

impl Kept {
    async fn step(mut self) -> Option<(Bytes, Self)> {
        let round = tokio::select! {
            round = self.announcement.round() => round?,
            _ = self.stopping.wait_for(|stopping| *stopping) => return None,
        };
        let word = match round {
            Ok(report) => Word::Round((&report).into()),
            Err(error) => Word::RoundFailed((&error).into()),
        };
        Some((stream::line(self.layout, &word), self))
    }
}
