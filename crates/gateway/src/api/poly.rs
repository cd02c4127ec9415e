//! Polykad's own network: values, and what is known of the network. Records and topics have files
//! of their own.

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use client::Key;
use client::http::json::poly::{
    Contacts, HeldValues, Nodes, Pong, Stored, Value, hex, key as parse_key,
};
use client::http::json::unhex;
use client::http::problem::Problem;
use client::poly::value::{MAX_LIFETIME_S, ValueError};
use client::poly::{Failure, GetOptions, PutOptions, Quorum};
use serde::Deserialize;
use utoipa_axum::routes;

use super::mainline::{Most, Whom};
use super::{Raw, Refusals, Route, names_tag, read};
use crate::app::{App, Shared};
use crate::problem::{Fault, Params, Segment};

mod records;
mod topics;
mod trace;
mod watch;

pub(super) const ROUTES: &[Route] = &[
    || routes!(put_value),
    || routes!(value),
    || routes!(records::record, records::put_record, records::delete_record),
    || routes!(records::record_by_key),
    || routes!(watch::watch_record),
    || routes!(watch::watch_record_by_key),
    || routes!(topics::topic),
    || routes!(topics::put_entry, topics::delete_entry),
    || routes!(watch::watch_topic),
    || routes!(nodes),
    || routes!(trace::trace),
    || routes!(ping),
    || routes!(contacts),
    || routes!(stored),
];

/// The shortest deadline that a request may set: less is no time for a round trip.
const LEAST_DEADLINE_MS: u64 = 100;
/// The longest; the gateway's own goes before.
const MOST_DEADLINE_MS: u64 = 600_000;
/// Lookups that share no node, at most.
const MOST_PATHS: u8 = 8;

/// A key in a path: 64 hexadecimal digits.
pub(super) fn key(text: &str) -> Result<Key, Fault> {
    let fault = |_| Fault::bad_request(format!("'{text}': a key has 64 hexadecimal digits"));
    parse_key(text).map_err(fault)
}

/// By when an operation must end.
fn deadline(app: &Shared, deadline_ms: Option<u64>) -> Result<Duration, Fault> {
    // Leaves time to tell.
    let most = app.limits().deadline.saturating_sub(Duration::from_secs(1));
    match deadline_ms {
        None => Ok(PutOptions::default().deadline.min(most)),
        Some(ms @ LEAST_DEADLINE_MS..=MOST_DEADLINE_MS) => Ok(Duration::from_millis(ms).min(most)),
        Some(ms) => Err(Fault::bad_request(format!(
            "deadline_ms={ms}: {LEAST_DEADLINE_MS} to {MOST_DEADLINE_MS}"
        ))),
    }
}

fn paths(paths: Option<u8>) -> Result<u8, Fault> {
    match paths {
        None => Ok(1),
        Some(paths @ 1..=MOST_PATHS) => Ok(paths),
        Some(paths) => Err(Fault::bad_request(format!("paths={paths}: 1 to {MOST_PATHS}"))),
    }
}

/// How many holders must acknowledge.
fn quorum(quorum: Option<&str>) -> Result<Quorum, Fault> {
    match quorum {
        None => Ok(Quorum::Auto),
        Some("all") => Ok(Quorum::All),
        Some(count) => match count.parse() {
            Ok(count @ 1..) => Ok(Quorum::Count(count)),
            _ => Err(Fault::bad_request(format!("quorum={count}: a number from 1 on, or all"))),
        },
    }
}

/// How to get.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Getting {
    /// By when to end, with what was found by then
    #[param(minimum = 100, maximum = 600_000)]
    deadline_ms: Option<u64>,
    /// Lookups that share no node, against liars
    #[param(minimum = 1, maximum = 8)]
    paths: Option<u8>,
    /// Of records: replicas that must answer
    #[param(minimum = 1)]
    replicas: Option<u8>,
}

impl Getting {
    pub(super) fn options(&self, app: &Shared) -> Result<GetOptions, Fault> {
        get_options(app, self.deadline_ms, self.paths, self.replicas)
    }
}

pub(super) fn get_options(
    app: &Shared,
    deadline_ms: Option<u64>,
    these_paths: Option<u8>,
    replicas: Option<u8>,
) -> Result<GetOptions, Fault> {
    if replicas == Some(0) {
        return Err(Fault::bad_request("replicas=0: 1 or more"));
    }
    Ok(GetOptions {
        deadline: deadline(app, deadline_ms)?,
        paths: paths(these_paths)?,
        replicas: replicas.unwrap_or(GetOptions::default().replicas),
    })
}

pub(super) fn put_options(
    app: &Shared,
    deadline_ms: Option<u64>,
    these_paths: Option<u8>,
    this_quorum: Option<&str>,
) -> Result<PutOptions, Fault> {
    Ok(PutOptions {
        deadline: deadline(app, deadline_ms)?,
        paths: paths(these_paths)?,
        quorum: quorum(this_quorum)?,
        ..PutOptions::default()
    })
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Storing {
    /// How long the network keeps it, in seconds: 30 days at most, a day without this
    #[param(minimum = 1, maximum = 2_592_000)]
    lifetime_s: Option<u32>,
    /// How many nodes must acknowledge it: a number, or `all`; else 8, fewer in small networks
    #[param(pattern = "^(all|[1-9][0-9]?)$")]
    quorum: Option<String>,
    /// By when to end
    #[param(minimum = 100, maximum = 600_000)]
    deadline_ms: Option<u64>,
    /// Lookups that share no node, against liars
    #[param(minimum = 1, maximum = 8)]
    paths: Option<u8>,
}

/// Store an immutable value
///
/// The body is the value: any bytes, at most 65,536. The answer says who keeps it.
#[utoipa::path(
    post, path = "/v1/poly/values", tag = "poly", params(Storing),
    request_body(content = Raw, content_type = "application/octet-stream"),
    responses(
        (status = 201, description = "Stored; `Location` says where", body = Stored,
            headers(("location" = String), ("etag" = String))),
        (status = 408, description = "The body did not come in time", body = Problem,
            content_type = "application/problem+json"),
        (status = 422, description = "It would live too long, or there are fewer nodes than the \
            quorum", body = Problem, content_type = "application/problem+json"),
        Refusals
    )
)]
async fn put_value(
    State(app): State<App>,
    Params(storing): Params<Storing>,
    body: Body,
) -> Result<Response, Fault> {
    let Storing { lifetime_s, quorum, deadline_ms, paths } = storing;
    let mut options = put_options(&app, deadline_ms, paths, quorum.as_deref())?;
    options.lifetime_s = lifetime_s.unwrap_or(options.lifetime_s);
    // Holders allow for clocks that disagree; the one who asks has no clock here.
    if options.lifetime_s > MAX_LIFETIME_S {
        let lifetime_s = options.lifetime_s.into();
        return Err(unacceptable(ValueError::LivesTooLong { lifetime_s }));
    }
    let body = read(&app, body).await?;
    let stored = app.within(app.poly()?.put(body.to_vec(), options)).await?;
    let key = hex(&stored.key);
    let headers = [
        (header::LOCATION, format!("/v1/poly/values/{key}")),
        (header::ETAG, format!("\"{key}\"")),
    ];
    Ok((StatusCode::CREATED, headers, Json(Stored::new(&stored, None))).into_response())
}

/// An immutable value
///
/// Its bytes, or, where the request accepts JSON, what is known of it. Its tag is its key: it never
/// changes.
#[utoipa::path(
    get, path = "/v1/poly/values/{key}", tag = "poly",
    params(("key" = String, Path, description = "BLAKE3 of the value, 64 hexadecimal digits",
        pattern = "^[0-9a-fA-F]{64}$"), Getting),
    responses(
        (status = 200, description = "The value", headers(("etag" = String)),
            content((Raw = "application/octet-stream"), (Value = "application/json"))),
        (status = 304, description = "You have it"),
        (status = 404, description = "Nobody holds it", body = Problem,
            content_type = "application/problem+json"),
        Refusals
    )
)]
async fn value(
    State(app): State<App>,
    Segment(text): Segment,
    Params(getting): Params<Getting>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let key = key(&text)?;
    let options = getting.options(&app)?;
    let tag = format!("\"{}\"", hex(&key));
    if names_tag(&headers, header::IF_NONE_MATCH, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    let got = app.within(app.poly()?.get(key, options)).await?;
    let caching = [
        (header::ETAG, tag),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable".to_owned()),
        (header::VARY, "accept".to_owned()),
    ];
    Ok(if wants_json(&headers) {
        (caching, Json(Value::new(&key, &got.value, got.report))).into_response()
    } else {
        (caching, got.value).into_response()
    })
}

/// Whether a request wants what is known of a value, not its bytes alone.
fn wants_json(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.contains("json"))
}

/// Bytes of a parameter, in hexadecimal.
fn hex_parameter(name: &str, text: &str) -> Result<Vec<u8>, Fault> {
    unhex(text)
        .ok_or_else(|| Fault::bad_request(format!("{name}: write pairs of hexadecimal digits")))
}

/// A signature in a parameter: 128 hexadecimal digits.
fn signature(text: &str) -> Result<[u8; 64], Fault> {
    let bytes = unhex(text).and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| Fault::bad_request("signature: 128 hexadecimal digits"))
}

/// The nodes closest to a key, closest first
#[utoipa::path(
    get, path = "/v1/poly/nodes/{target}", tag = "poly",
    params(("target" = String, Path, description = "64 hexadecimal digits",
        pattern = "^[0-9a-fA-F]{64}$")),
    responses((status = 200, description = "They", body = Nodes), Refusals)
)]
async fn nodes(State(app): State<App>, Segment(target): Segment) -> Result<Json<Nodes>, Fault> {
    let got = app.within(app.poly()?.find_node(key(&target)?)).await?;
    let nodes = got.value.iter().map(client::http::json::poly::Node::from).collect();
    Ok(Json(Nodes { nodes, cost: got.report.into() }))
}

/// Ask one address who is there
#[utoipa::path(
    get, path = "/v1/poly/ping", tag = "poly", params(Whom),
    responses(
        (status = 200, description = "It answered", body = Pong),
        (status = 404, description = "Nobody answered there", body = Problem,
            content_type = "application/problem+json"),
        Refusals
    )
)]
async fn ping(State(app): State<App>, Params(whom): Params<Whom>) -> Result<Json<Pong>, Fault> {
    let address = whom.address()?;
    let got = app.within(app.poly()?.ping(address)).await.map_err(|mut fault| {
        // Of one node that is no fault of this one's.
        if fault.problem.name() == "no-answer" {
            let detail = format!("nobody answered at {address}, or not in this network");
            let problem = Problem::new(404, "nobody-there", "nobody answered there", detail);
            fault = problem.into();
        }
        fault
    })?;
    Ok(Json(Pong { node: (&got.value).into(), cost: got.report.into() }))
}

/// The contacts of the node's routing table
#[utoipa::path(
    get, path = "/v1/poly/contacts", tag = "poly",
    responses((status = 200, description = "They", body = Contacts), Refusals)
)]
async fn contacts(State(app): State<App>) -> Result<Json<Contacts>, Fault> {
    let contacts = app.within(app.poly()?.contacts()).await?;
    Ok(Json(Contacts { contacts: contacts.iter().map(Into::into).collect() }))
}

/// What the node holds for others
#[utoipa::path(
    get, path = "/v1/poly/stored", tag = "poly", params(Most),
    responses((status = 200, description = "Keys and kinds", body = HeldValues), Refusals)
)]
async fn stored(
    State(app): State<App>,
    Params(most): Params<Most>,
) -> Result<Json<HeldValues>, Fault> {
    let values = app.within(app.poly()?.stored(most.count()?)).await?;
    Ok(Json(HeldValues { values: values.iter().map(Into::into).collect() }))
}

/// A failure of a compare-and-swap has a status of its own.
fn swapped<T>(result: Result<T, Fault>, is_conditional: bool) -> Result<T, Fault> {
    result.map_err(|mut fault| {
        let is_conflict = matches!(fault.problem.name(), "conflict" | "conflict-unseen");
        if is_conditional && is_conflict {
            fault.problem.status = 412;
        }
        fault
    })
}

/// A value that is not acceptable.
fn unacceptable(error: ValueError) -> Fault {
    client::poly::PutError::Failed(Failure::Value(error)).into()
}
