//! The delegated routing API of IPFS, `/routing/v1`, over Polykad's own network.
//!
//! What it tells is what its users have put there, and nothing needs to be trusted:
//!
//! - Providers of a CID: the topic `ipfs/providers/` + multihash has an entry of each. The peer
//!   itself has put it there: its peer id is the key that signs.
//! - Addresses of a peer: the peer's record with the salt `ipfs/addrs`, signed likewise.
//! - An IPNS name: the topic `ipfs/ipns/` + multihash of the key has IPNS records as entries.
//!   Anybody may put them there: each proves itself.
//!
//! Entries and records of addresses are text: one multiaddr a line. Multihashes are written in
//! hexadecimal. Peers whose ids are not Ed25519 keys are not found. From the specification
//! <https://specs.ipfs.tech/routing/http-routing-v1/>.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cid::multibase::Base;
use cid::{Cid, multihash};
use client::http::json::hex_bytes;
use client::http::problem::Problem;
use client::poly::value::{Entry, MAX_LIFETIME_S, MAX_PAYLOAD_BYTES, record_key, topic_key};
use client::poly::{GetError, GetOptions, PutOptions};
use serde::Serialize;
use utoipa_axum::routes;

use crate::api::{Raw, Refusals, Route};
use crate::app::App;
use crate::problem::{Fault, Segment};

mod ipns;

pub(crate) const ROUTES: &[Route] =
    &[|| routes!(providers), || routes!(peers), || routes!(resolve, publish)];

type Multihash = multihash::Multihash<64>;

/// The multicodec of a key of libp2p.
const LIBP2P_KEY: u64 = 0x72;
/// What an Ed25519 key begins with as libp2p writes it: a protobuf of type and bytes.
const ED25519: [u8; 4] = [0x08, 0x01, 0x12, 0x20];
/// The salt of a peer's record of its addresses.
const ADDRESSES: &[u8] = b"ipfs/addrs";
/// Providers that are told at most, as the specification advises.
const MOST_PROVIDERS: usize = 100;
/// Records that are looked at for one name: whoever puts false ones can't hide the true one among
/// fewer authors.
const MOST_RECORDS: usize = 200;
const RECORD: HeaderValue = HeaderValue::from_static("application/vnd.ipfs.ipns-record");
/// How long answers may be kept: with something in them, and with nothing.
const FOUND: &str = "public, max-age=300, stale-while-revalidate=172800, stale-if-error=172800";
const NOTHING: &str = "public, max-age=15, stale-while-revalidate=172800, stale-if-error=172800";

/// A peer as the API tells it; names are the specification's.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "PascalCase")]
#[schema(as = RoutingPeer)]
struct Peer {
    /// Always `peer`.
    schema: &'static str,
    /// Its peer id.
    #[serde(rename = "ID")]
    id: String,
    /// Its multiaddrs.
    addrs: Vec<String>,
    /// Not known.
    protocols: Vec<String>,
}

#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "PascalCase")]
#[schema(as = RoutingProviders)]
struct Providers {
    /// They.
    providers: Vec<Peer>,
}

#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "PascalCase")]
#[schema(as = RoutingPeers)]
struct Peers {
    /// They: one, or none.
    peers: Vec<Peer>,
}

/// Who provides the content of a CID
///
/// The parameters `filter-addrs` and `filter-protocols` are not applied: clients filter by
/// themselves.
#[utoipa::path(
    get, path = "/routing/v1/providers/{cid}", tag = "routing",
    params(("cid" = String, Path, description = "A CID",
        pattern = "^bafkrei[a-z2-7]{52}$")),
    responses(
        (status = 200, description = "Providers, or none",
            content((Providers = "application/json"), (Peer = "application/x-ndjson"))),
        (status = 422, description = "That is no CID", body = Problem,
            content_type = "application/problem+json"),
        Refusals
    )
)]
async fn providers(
    State(app): State<App>,
    Segment(text): Segment,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let cid = Cid::try_from(text.as_str()).map_err(|_| unacceptable("a CID", &text))?;
    let name = format!("ipfs/providers/{}", hex_bytes(&cid.hash().to_bytes()));
    let options = GetOptions::default();
    let find = app.poly()?.topic(topic_key(name.as_bytes()), MOST_PROVIDERS, options);
    let found = app.within(find).await?.value;
    let providers =
        found.iter().filter_map(|entry| Some(peer(&entry.public_key, entry.payload.as_deref()?)));
    let providers: Vec<Peer> = providers.collect();
    Ok(answer(&headers, providers, |providers| Json(Providers { providers }).into_response()))
}

/// Where a peer is
#[utoipa::path(
    get, path = "/routing/v1/peers/{peer_id}", tag = "routing",
    params(("peer_id" = String, Path, description = "A peer id, in base58 or as a CID",
        pattern = "^12D3KooW[1-9A-HJ-NP-Za-km-z]{44}$")),
    responses(
        (status = 200, description = "The peer, or none",
            content((Peers = "application/json"), (Peer = "application/x-ndjson"))),
        (status = 422, description = "That is no peer id", body = Problem,
            content_type = "application/problem+json"),
        Refusals
    )
)]
async fn peers(
    State(app): State<App>,
    Segment(text): Segment,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let id = peer_id(&text).ok_or_else(|| unacceptable("a peer id", &text))?;
    let mut peers = Vec::new();
    if let Some(public_key) = ed25519(&id) {
        let key = record_key(&public_key, ADDRESSES);
        match app.poly()?.record(key, GetOptions::default()).await {
            Ok(got) => peers.extend(got.value.value.map(|value| peer(&public_key, &value))),
            Err(GetError::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(answer(&headers, peers, |peers| Json(Peers { peers }).into_response()))
}

/// An IPNS record
#[utoipa::path(
    get, path = "/routing/v1/ipns/{name}", tag = "routing",
    params(("name" = String, Path, description = "An IPNS name: a key as a CID or a peer id",
        pattern = "^12D3KooW[1-9A-HJ-NP-Za-km-z]{44}$")),
    responses(
        (status = 200, description = "The newest valid record", body = Raw,
            content_type = "application/vnd.ipfs.ipns-record"),
        (status = 404, description = "There is none", body = Problem,
            content_type = "application/problem+json"),
        (status = 422, description = "That is no name", body = Problem,
            content_type = "application/problem+json"),
        Refusals
    )
)]
async fn resolve(State(app): State<App>, Segment(text): Segment) -> Result<Response, Fault> {
    let name = Name::read(&text)?;
    let Some((record, newest)) = name.newest(&app).await? else {
        let detail = "no valid record of this name is stored, or it has expired";
        return Err(Fault::new(404, "not-found", "no such record", detail));
    };
    let life = newest.expires.saturating_sub(unix_now()).min(newest.ttl_s);
    let caching = [
        (header::CACHE_CONTROL, format!("public, max-age={life}")),
        (header::ETAG, format!("\"{}\"", newest.sequence)),
    ];
    Ok((caching, [(header::CONTENT_TYPE, RECORD)], record).into_response())
}

/// Publish an IPNS record
///
/// It is kept until it expires, 30 days at most.
#[utoipa::path(
    put, path = "/routing/v1/ipns/{name}", tag = "routing",
    params(("name" = String, Path, description = "An IPNS name: a key as a CID or a peer id",
        pattern = "^12D3KooW[1-9A-HJ-NP-Za-km-z]{44}$")),
    request_body(content(
        (Raw = "application/vnd.ipfs.ipns-record"),
        (Raw = "application/octet-stream")
    )),
    responses(
        (status = 200, description = "Stored"),
        (status = 408, description = "The body did not come in time", body = Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "A newer record is stored", body = Problem,
            content_type = "application/problem+json"),
        (status = 422, description = "That is no name", body = Problem,
            content_type = "application/problem+json"),
        Refusals
    )
)]
async fn publish(
    State(app): State<App>,
    Segment(text): Segment,
    body: Body,
) -> Result<StatusCode, Fault> {
    let name = Name::read(&text)?;
    let record = crate::api::read(&app, body).await?;
    if record.len() > MAX_PAYLOAD_BYTES {
        return Err(crate::guard::too_long(MAX_PAYLOAD_BYTES));
    }
    let now = unix_now();
    let Some(facts) = ipns::verify(&record, &name.public_key, now) else {
        let detail = "no IPNS record, not signed by the key of this name, or expired";
        return Err(Fault::bad_request(detail));
    };
    if let Some((_, newest)) = name.newest(&app).await?
        && newest > facts
    {
        let detail = format!("sequence {} is stored already", newest.sequence);
        return Err(Fault::new(409, "conflict", "a newer record is stored", detail));
    }
    let expires = facts.expires.min(now + u64::from(MAX_LIFETIME_S));
    let entry = Entry::sign(&app.publisher, name.topic, 0, unix_micros(), expires, Some(&record));
    app.within(app.poly()?.put_entry(entry, PutOptions::default())).await?;
    Ok(StatusCode::OK)
}

/// An IPNS name, and where its records are.
struct Name {
    public_key: [u8; 32],
    topic: client::Key,
}

impl Name {
    fn read(text: &str) -> Result<Self, Fault> {
        let id = peer_id(text).ok_or_else(|| unacceptable("an IPNS name", text))?;
        let public_key =
            ed25519(&id).ok_or_else(|| unacceptable("a name of an Ed25519 key", text))?;
        let topic = topic_key(format!("ipfs/ipns/{}", hex_bytes(&id.to_bytes())).as_bytes());
        Ok(Self { public_key, topic })
    }

    /// The newest valid record that is stored.
    async fn newest(&self, app: &App) -> Result<Option<(Vec<u8>, ipns::Facts)>, Fault> {
        let find = app.poly()?.topic(self.topic, MOST_RECORDS, GetOptions::default());
        let found = app.within(find).await?.value;
        let now = unix_now();
        let valid = found.into_iter().filter_map(|entry| {
            let record = entry.payload?;
            let facts = ipns::verify(&record, &self.public_key, now)?;
            Some((record.into_vec(), facts))
        });
        Ok(valid.max_by_key(|(_, facts)| *facts))
    }
}

/// Peers, laid out as the request accepts it.
fn answer(
    headers: &HeaderMap,
    peers: Vec<Peer>,
    whole: impl FnOnce(Vec<Peer>) -> Response,
) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let caching = if peers.is_empty() { NOTHING } else { FOUND };
    let caching = [(header::CACHE_CONTROL, caching), (header::VARY, "accept")];
    if accept.is_some_and(|accept| accept.contains("application/x-ndjson")) {
        let lines = peers.iter().filter_map(|peer| serde_json::to_string(peer).ok());
        let lines: String = lines.map(|line| line + "\n").collect();
        return (caching, [(header::CONTENT_TYPE, "application/x-ndjson")], lines).into_response();
    }
    (caching, whole(peers)).into_response()
}

/// A peer, from its key and what it says of its addresses.
fn peer(public_key: &[u8; 32], addresses: &[u8]) -> Peer {
    let text = String::from_utf8_lossy(addresses);
    let addrs = text.lines().map(str::trim).filter(|line| line.starts_with('/'));
    let key = [&ED25519[..], public_key].concat();
    let id = Multihash::wrap(0, &key).map(|hash| Base::Base58Btc.encode(hash.to_bytes()));
    Peer {
        schema: "peer",
        id: id.unwrap_or_default(),
        addrs: addrs.map(str::to_owned).collect(),
        protocols: Vec::new(),
    }
}

/// A peer id: a multihash in base58, or a CID of a key.
fn peer_id(text: &str) -> Option<Multihash> {
    if text.starts_with('1') || text.starts_with("Qm") {
        return Multihash::from_bytes(&Base::Base58Btc.decode(text).ok()?).ok();
    }
    let cid = Cid::try_from(text).ok().filter(|cid| cid.codec() == LIBP2P_KEY)?;
    Some(*cid.hash())
}

/// The Ed25519 key that a peer id is, if it is one.
fn ed25519(id: &Multihash) -> Option<[u8; 32]> {
    let is_identity = id.code() == 0;
    let key = id.digest().strip_prefix(&ED25519).filter(|_| is_identity)?;
    key.try_into().ok()
}

fn unacceptable(what: &str, text: &str) -> Fault {
    let detail = format!("'{text}' is not {what}");
    Fault::new(422, "unreadable-name", "the name can't be read", detail)
}

fn since_1970() -> std::time::Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn unix_now() -> u64 {
    since_1970().as_secs()
}

fn unix_micros() -> u64 {
    u64::try_from(since_1970().as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
