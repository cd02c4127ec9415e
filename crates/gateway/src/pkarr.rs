//! The relay API of pkarr, over Mainline: `GET` and `PUT /{key}`.
//!
//! A pkarr name is an Ed25519 key in z-base-32; what it stands for is a DNS packet, stored as the
//! author's mutable item without salt, whose `seq` is the time in microseconds. The payload is
//! signature (64 bytes), time (8, big-endian), packet (at most 1000). From the project's
//! `design/relays.md`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use client::Key;
use client::http::problem::Problem;
use client::mainline::{SignedItem, as_byte_string, byte_string};
use sha1::{Digest, Sha1};
use utoipa_axum::routes;

use crate::api::{Raw, Refusals, Route};
use crate::app::App;
use crate::problem::{Fault, Segment};

pub(crate) mod date;
mod dns;

/// The alphabet of z-base-32 (Zimmermann, "Human-oriented base-32 encoding").
const ALPHABET: &[u8; 32] = b"ybndrfg8ejkmcpqxot1uwisza345h769";
/// A public key in it.
const KEY_DIGITS: usize = 52;
const SIGNATURE_BYTES: usize = 64;
const TIME_BYTES: usize = 8;
/// The longest payload.
const MAX_PAYLOAD_BYTES: usize = SIGNATURE_BYTES + TIME_BYTES + 1000;
/// How long an answer may be kept, whatever the packet says, in seconds.
const MIN_TTL_S: u32 = 300;
const MAX_TTL_S: u32 = 86_400;
const PAYLOAD: HeaderValue = HeaderValue::from_static("application/pkarr.org/relays#payload");

pub(crate) const ROUTES: &[Route] = &[|| routes!(resolve, publish)];

/// The key of a signed item (BEP 44): SHA-1 of public key and salt.
pub(crate) fn target(item: &SignedItem) -> Key {
    let hash = Sha1::new().chain_update(item.public_key).chain_update(&item.salt).finalize();
    let hash: [u8; 20] = hash.into();
    Key::from_id(&hash)
}

/// Resolve a pkarr name
#[utoipa::path(
    get, path = "/{key}", tag = "pkarr",
    params(("key" = String, Path, description = "An Ed25519 key in z-base-32",
        pattern = "^[ybndrfg8ejkmcpqxot1uwisza345h769]{52}$")),
    responses(
        (status = 200, description = "Signature, time, DNS packet", body = Raw,
            content_type = "application/pkarr.org/relays#payload"),
        (status = 304, description = "Not newer than `If-Modified-Since`"),
        (status = 404, description = "Nobody holds it", body = Problem,
            content_type = "application/problem+json"),
        Refusals
    )
)]
async fn resolve(
    State(app): State<App>,
    Segment(name): Segment,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let public_key = parse(&name)?;
    let got = app.within(app.mainline()?.get_mutable(public_key, Vec::new())).await?;
    let item = got.value;
    let not_found = || {
        let detail = "what is stored under this key is no pkarr packet";
        Fault::new(404, "not-found", "no pkarr packet", detail)
    };
    let packet = as_byte_string(&item.value).ok_or_else(not_found)?;
    let micros = u64::try_from(item.seq).map_err(|_| not_found())?;
    let ttl = dns::least_ttl(packet).unwrap_or(MIN_TTL_S).clamp(MIN_TTL_S, MAX_TTL_S);
    let modified = UNIX_EPOCH.checked_add(Duration::from_micros(micros)).ok_or_else(not_found)?;
    let mut caching = HeaderMap::new();
    let cache = HeaderValue::try_from(format!("public, max-age={ttl}"));
    caching.extend(cache.ok().map(|cache| (header::CACHE_CONTROL, cache)));
    let dated = HeaderValue::try_from(date::write(modified));
    caching.extend(dated.ok().map(|dated| (header::LAST_MODIFIED, dated)));
    let seen = HeaderValue::try_from(date::write(SystemTime::now()));
    let memento = header::HeaderName::from_static("memento-datetime");
    caching.extend(seen.ok().map(|seen| (memento, seen)));
    let known = headers.get(header::IF_MODIFIED_SINCE).and_then(|known| known.to_str().ok());
    let known = known.and_then(date::read);
    // Dates have whole seconds.
    if known.is_some_and(|known| known >= micros / 1_000_000) {
        return Ok((StatusCode::NOT_MODIFIED, caching).into_response());
    }
    let mut payload = item.signature.to_vec();
    payload.extend(micros.to_be_bytes());
    payload.extend_from_slice(packet);
    caching.insert(header::CONTENT_TYPE, PAYLOAD);
    Ok((caching, payload).into_response())
}

/// Publish a pkarr name
#[utoipa::path(
    put, path = "/{key}", tag = "pkarr",
    params(("key" = String, Path, description = "An Ed25519 key in z-base-32",
        pattern = "^[ybndrfg8ejkmcpqxot1uwisza345h769]{52}$")),
    request_body(content = Raw, content_type = "application/octet-stream"),
    responses(
        (status = 204, description = "Stored", headers(("pkarr-dht-stored-nodes" = u32))),
        (status = 404, description = "A file that is not here", body = Problem,
            content_type = "application/problem+json"),
        (status = 408, description = "The body did not come in time", body = Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "A newer packet is known", body = Problem,
            content_type = "application/problem+json"),
        (status = 412, description = "Another packet is stored than If-Match demands",
            body = Problem, content_type = "application/problem+json"),
        Refusals
    )
)]
async fn publish(
    State(app): State<App>,
    Segment(name): Segment,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Fault> {
    let public_key = parse(&name)?;
    let cas = crate::api::if_match(&headers)?;
    let payload = crate::api::read(&app, body).await?;
    if payload.len() > MAX_PAYLOAD_BYTES {
        return Err(crate::guard::too_long(MAX_PAYLOAD_BYTES));
    }
    let item = item(public_key, &payload)?;
    let stored = app.within(app.mainline()?.put_mutable(item, cas)).await;
    let report = stored.map_err(|mut fault| {
        let name = fault.problem.name();
        if name == "bad-signature" || name == "value-too-long" {
            fault.problem.status = 400;
        } else if name == "conflict" && cas.is_some() {
            fault.problem.status = 412;
        }
        fault
    })?;
    let count = report.acknowledged.len().to_string();
    Ok((StatusCode::NO_CONTENT, [("pkarr-dht-stored-nodes", count)]).into_response())
}

/// The item that a payload stands for.
fn item(public_key: [u8; 32], payload: &[u8]) -> Result<SignedItem, Fault> {
    let parts = payload.split_first_chunk::<SIGNATURE_BYTES>();
    let parts = parts.and_then(|(signature, rest)| {
        let (time, packet) = rest.split_first_chunk::<TIME_BYTES>()?;
        Some((*signature, i64::try_from(u64::from_be_bytes(*time)).ok()?, packet))
    });
    let Some((signature, seq, packet)) = parts else {
        let detail = "a payload is a signature of 64 bytes, a time of 8, and a DNS packet";
        return Err(Fault::bad_request(detail));
    };
    if dns::least_ttl(packet).is_none() {
        return Err(Fault::bad_request("the payload holds no DNS packet"));
    }
    Ok(SignedItem { public_key, salt: Vec::new(), seq, value: byte_string(packet), signature })
}

/// The key that a name stands for. A path with a dot is a file that is not here.
fn parse(name: &str) -> Result<[u8; 32], Fault> {
    if name.contains('.') {
        return Err(crate::page::not_here());
    }
    let wrong = || {
        let detail = "neither a page of this node, nor a pkarr key: 52 letters of z-base-32";
        Fault::bad_request(detail)
    };
    if name.len() != KEY_DIGITS {
        return Err(wrong());
    }
    let mut key = [0u8; 32];
    let (mut bits, mut count, mut filled) = (0u32, 0, 0);
    for digit in name.bytes() {
        let value = ALPHABET.iter().position(|&letter| letter == digit).ok_or_else(wrong)?;
        bits = bits << 5 | u32::try_from(value).map_err(|_| wrong())?;
        count += 5;
        if count >= 8 {
            count -= 8;
            if let Some(byte) = key.get_mut(filled) {
                *byte = (bits >> count & 0xff) as u8;
                filled += 1;
            }
        }
    }
    // 52 digits hold 260 bits: the last four are none of the key.
    if bits.trailing_zeros() >= 4 { Ok(key) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests;
