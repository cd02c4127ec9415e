//! What is read from BitTorrent's Mainline DHT.

use core::net::SocketAddr;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use client::http::json::{
    self, Contacts, FoundSigned, Item, Nodes, Pong, Sample, Scrape, StoredKeys, Word, hex,
};
use client::http::problem::Problem;
use client::mainline::{Quest, as_byte_string};
use serde::Deserialize;
use utoipa_axum::routes;

use super::{Raw, Refusals, Route, key, names_tag};
use crate::app::App;
use crate::problem::{Fault, Params, Segment};
use crate::stream;

pub(super) const ROUTES: &[Route] = &[
    || routes!(contacts),
    || routes!(stored),
    || routes!(ping),
    || routes!(nodes),
    || routes!(trace),
    || routes!(scrape),
    || routes!(samples),
    || routes!(sample),
];

/// The most keys that are told of what the node stores.
const MOST_STORED: usize = 1000;

/// The node's contacts
#[utoipa::path(
    get, path = "/v1/mainline/contacts", tag = "mainline",
    responses((status = 200, description = "They", body = Contacts), Refusals)
)]
async fn contacts(State(app): State<App>) -> Result<Json<Contacts>, Fault> {
    let contacts = app.within(app.mainline()?.contacts()).await?;
    Ok(Json(Contacts { contacts: contacts.iter().map(json::Contact::from).collect() }))
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Most {
    /// How many keys to tell, at most
    #[param(minimum = 1, maximum = 1000)]
    most: Option<usize>,
}

impl Most {
    pub(super) fn count(&self) -> Result<usize, Fault> {
        let most = self.most.unwrap_or(MOST_STORED);
        if (1..=MOST_STORED).contains(&most) {
            return Ok(most);
        }
        Err(Fault::bad_request(format!("most={most}: ask for 1 to {MOST_STORED} keys")))
    }
}

/// Keys that the node stores something under for others
#[utoipa::path(
    get, path = "/v1/mainline/stored", tag = "mainline", params(Most),
    responses((status = 200, description = "They", body = StoredKeys), Refusals)
)]
async fn stored(
    State(app): State<App>,
    Params(most): Params<Most>,
) -> Result<Json<StoredKeys>, Fault> {
    let keys = app.within(app.mainline()?.stored_keys(most.count()?)).await?;
    Ok(Json(StoredKeys { keys: keys.iter().map(json::StoredKey::from).collect() }))
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Whom {
    /// The node's UDP address, `IP:PORT`
    #[param(value_type = String, example = "192.0.2.7:6881")]
    address: String,
}

impl Whom {
    pub(super) fn address(&self) -> Result<SocketAddr, Fault> {
        let address: Result<SocketAddr, _> = self.address.parse();
        let usable = address.ok().filter(|address| address.port() != 0);
        usable.ok_or_else(|| {
            let given = &self.address;
            Fault::bad_request(format!("address '{given}': write IP:PORT, such as 192.0.2.7:6881"))
        })
    }
}

/// Ask one address whether it is a node, and who
#[utoipa::path(
    get, path = "/v1/mainline/ping", tag = "mainline", params(Whom),
    responses(
        (status = 200, description = "It answered", body = Pong),
        (status = 404, description = "Nobody answered there, or not in the protocol",
            body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The node has no socket of that address family",
            body = Problem, content_type = "application/problem+json"),
        Refusals
    )
)]
async fn ping(State(app): State<App>, Params(whom): Params<Whom>) -> Result<Json<Pong>, Fault> {
    let pong = app.within(app.mainline()?.ping(whom.address()?)).await?;
    Ok(Json((&pong).into()))
}

/// The nodes closest to an id, closest first
#[utoipa::path(
    get, path = "/v1/mainline/nodes/{target}", tag = "mainline",
    params(("target" = String, Path, description = "40 hexadecimal digits",
        pattern = "^[0-9a-fA-F]{40}$")),
    responses((status = 200, description = "They", body = Nodes), Refusals)
)]
async fn nodes(State(app): State<App>, Segment(target): Segment) -> Result<Json<Nodes>, Fault> {
    let found = app.within(app.mainline()?.find_node(key(&target)?)).await?;
    Ok(Json((&found).into()))
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Asking {
    /// What to ask for on the way
    #[param(inline)]
    quest: Option<Quested>,
}

#[derive(Deserialize, Clone, Copy, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
enum Quested {
    Nodes,
    Peers,
    Value,
}

/// A lookup, step by step
///
/// A stream of `step` words: who is asked, who answered and whom it named; then `done`.
#[utoipa::path(
    get, path = "/v1/mainline/trace/{target}", tag = "mainline",
    params(("target" = String, Path, description = "40 hexadecimal digits",
        pattern = "^[0-9a-fA-F]{40}$"), Asking),
    responses(
        (status = 200, description = "The steps, one a line",
            content((Word = "application/x-ndjson"), (Word = "text/event-stream"))),
        Refusals
    )
)]
async fn trace(
    State(app): State<App>,
    Segment(target): Segment,
    Params(asking): Params<Asking>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let quest = match asking.quest {
        None | Some(Quested::Nodes) => Quest::Nodes,
        Some(Quested::Peers) => Quest::Peers,
        Some(Quested::Value) => Quest::Value,
    };
    let search = app.mainline()?.trace(key(&target)?, quest);
    stream::search(&app, &headers, search, |step| Word::Step(json::Step::new(step, hex))).await
}

/// Peers of a torrent, as they are found
#[utoipa::path(
    get, path = "/v1/mainline/peers/{info_hash}", tag = "mainline",
    params(("info_hash" = String, Path, description = "40 hexadecimal digits",
        pattern = "^[0-9a-fA-F]{40}$")),
    responses(
        (status = 200, description = "`peers` words, then `done`",
            content((Word = "application/x-ndjson"), (Word = "text/event-stream"))),
        Refusals
    )
)]
pub(super) async fn peers(
    State(app): State<App>,
    Segment(info_hash): Segment,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let search = app.mainline()?.find_peers(key(&info_hash)?);
    stream::search(&app, &headers, search, |peers| Word::Peers { peers: peers.clone() }).await
}

/// How many seeds and downloaders a torrent has (BEP 33)
#[utoipa::path(
    get, path = "/v1/mainline/scrape/{info_hash}", tag = "mainline",
    params(("info_hash" = String, Path, description = "40 hexadecimal digits",
        pattern = "^[0-9a-fA-F]{40}$")),
    responses((status = 200, description = "The estimate", body = Scrape), Refusals)
)]
async fn scrape(
    State(app): State<App>,
    Segment(info_hash): Segment,
) -> Result<Json<Scrape>, Fault> {
    let scrape = app.within(app.mainline()?.scrape(key(&info_hash)?)).await?;
    Ok(Json((&scrape).into()))
}

/// What the nodes around an id store, as each tells (BEP 51)
#[utoipa::path(
    get, path = "/v1/mainline/samples/{target}", tag = "mainline",
    params(("target" = String, Path, description = "40 hexadecimal digits",
        pattern = "^[0-9a-fA-F]{40}$")),
    responses(
        (status = 200, description = "`sample` words, then `done`",
            content((Word = "application/x-ndjson"), (Word = "text/event-stream"))),
        Refusals
    )
)]
async fn samples(
    State(app): State<App>,
    Segment(target): Segment,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let search = app.mainline()?.sample(key(&target)?);
    stream::search(&app, &headers, search, |sample| Word::Sample(sample.into())).await
}

/// What one node stores (BEP 51)
#[utoipa::path(
    get, path = "/v1/mainline/sample", tag = "mainline", params(Whom),
    responses(
        (status = 200, description = "It answered", body = Sample),
        (status = 404, description = "Nobody answered there, or not in the protocol",
            body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The node has no socket of that address family",
            body = Problem, content_type = "application/problem+json"),
        Refusals
    )
)]
async fn sample(State(app): State<App>, Params(whom): Params<Whom>) -> Result<Json<Sample>, Fault> {
    let sample = app.within(app.mainline()?.sample_node(whom.address()?)).await?;
    Ok(Json((&sample).into()))
}

/// An immutable value
///
/// As JSON, or, where the request accepts `application/octet-stream` and not JSON, the bytes alone
/// (a byte string unwrapped). Its tag is its key: it never changes.
#[utoipa::path(
    get, path = "/v1/mainline/items/{key}", tag = "mainline",
    params(("key" = String, Path, description = "SHA-1 of the bencoded value, in hexadecimal",
        pattern = "^[0-9a-fA-F]{40}$")),
    responses(
        (status = 200, description = "The value", headers(("etag" = String)),
            content((Item = "application/json"), (Raw = "application/octet-stream"))),
        (status = 304, description = "You have it"),
        (status = 404, description = "Nobody holds it", body = Problem,
            content_type = "application/problem+json"),
        Refusals
    )
)]
pub(super) async fn item(
    State(app): State<App>,
    Segment(text): Segment,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let key = key(&text)?;
    let tag = format!("\"{}\"", hex(&key));
    if names_tag(&headers, header::IF_NONE_MATCH, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    let got = app.within(app.mainline()?.get_immutable(key)).await?;
    let caching = [
        (header::ETAG, tag),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable".to_owned()),
        (header::VARY, "accept".to_owned()),
    ];
    Ok(if wants_bytes(&headers) {
        (caching, bytes(&got.value)).into_response()
    } else {
        (caching, Json(Item::new(&key, &got.value, got.report))).into_response()
    })
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Salted {
    /// Which of the author's values, in hexadecimal; without it the one without salt
    #[param(pattern = "^([0-9a-fA-F]{2}){0,64}$")]
    salt: Option<String>,
}

impl Salted {
    pub(super) fn bytes(&self) -> Result<Vec<u8>, Fault> {
        let salt = self.salt.as_deref().unwrap_or_default();
        json::unhex(salt)
            .ok_or_else(|| Fault::bad_request("salt: write pairs of hexadecimal digits"))
    }
}

/// A public key in a path: 64 hexadecimal digits.
pub(super) fn public_key(text: &str) -> Result<[u8; 32], Fault> {
    let bytes = json::unhex(text).and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| Fault::bad_request(format!("'{text}': 64 hexadecimal digits, please")))
}

/// The newest version of a signed value
///
/// Its tag is its `seq`.
#[utoipa::path(
    get, path = "/v1/mainline/signed/{public_key}", tag = "mainline",
    params(("public_key" = String, Path, description = "Its author, 64 hexadecimal digits",
        pattern = "^[0-9a-fA-F]{64}$"), Salted),
    responses(
        (status = 200, description = "The value", headers(("etag" = String)),
            content((FoundSigned = "application/json"), (Raw = "application/octet-stream"))),
        (status = 304, description = "You have it"),
        (status = 404, description = "Nobody holds it", body = Problem,
            content_type = "application/problem+json"),
        (status = 422, description = "The salt is too long", body = Problem,
            content_type = "application/problem+json"),
        Refusals
    )
)]
pub(super) async fn signed(
    State(app): State<App>,
    Segment(author): Segment,
    Params(salted): Params<Salted>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let get = app.mainline()?.get_mutable(public_key(&author)?, salted.bytes()?);
    let got = app.within(get).await?;
    let tag = format!("\"{}\"", got.value.seq);
    if names_tag(&headers, header::IF_NONE_MATCH, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    let caching = [
        (header::ETAG, tag),
        (header::CACHE_CONTROL, "no-cache".to_owned()),
        (header::VARY, "accept".to_owned()),
    ];
    if wants_bytes(&headers) {
        return Ok((caching, bytes(&got.value.value)).into_response());
    }
    let key = crate::pkarr::target(&got.value);
    Ok((caching, Json(FoundSigned::new(&key, &got.value, got.report))).into_response())
}

/// Whether a request wants a value alone, not what is known of it.
fn wants_bytes(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| {
        accept.contains("application/octet-stream") && !accept.contains("json")
    })
}

/// What a value holds: a byte string unwrapped, anything else bencoded.
fn bytes(value: &[u8]) -> Vec<u8> {
    as_byte_string(value).unwrap_or(value).to_vec()
}
