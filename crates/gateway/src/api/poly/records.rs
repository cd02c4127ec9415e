//! Records: mutable values, signed by their authors.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use client::Key;
use client::http::json::poly::{FoundRecord, Stored};
use client::http::problem::Problem;
use client::poly::value::{MAX_SALT_BYTES, Record, ValueError, record_key};
use client::poly::{GetOptions, Got};
use serde::Deserialize;

use super::super::mainline::public_key;
use super::super::{Raw, Refusals, names_tag, read};
use super::{
    Getting, get_options, hex_parameter, key, put_options, signature, swapped, unacceptable,
    wants_json,
};
use crate::app::App;
use crate::problem::{Fault, Params, Segment};

/// Which of the author's records; in bytes.
pub(super) fn salt(text: Option<&str>) -> Result<Vec<u8>, Fault> {
    let salt = hex_parameter("salt", text.unwrap_or_default())?;
    if salt.len() > MAX_SALT_BYTES {
        return Err(unacceptable(ValueError::SaltTooLong { actual: salt.len() }));
    }
    Ok(salt)
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Finding {
    /// Which of the author's records, in hexadecimal; without it the one without salt
    #[param(pattern = "^([0-9a-fA-F]{2}){0,64}$")]
    salt: Option<String>,
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

/// The newest version of a record
///
/// Its bytes, or, where the request accepts JSON, all of it with its signature. Its tag is its
/// `seq`.
#[utoipa::path(
    get, path = "/v1/poly/records/{public_key}", tag = "poly",
    params(("public_key" = String, Path, description = "Its author, 64 hexadecimal digits",
        pattern = "^[0-9a-fA-F]{64}$"), Finding),
    responses(
        (status = 200, description = "The record", headers(("etag" = String)),
            content((Raw = "application/octet-stream"), (FoundRecord = "application/json"))),
        (status = 304, description = "You have it"),
        (status = 404, description = "Nobody holds it", body = Problem,
            content_type = "application/problem+json"),
        (status = 410, description = "Its author has deleted it; `record` is the tombstone",
            body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The salt is too long", body = Problem,
            content_type = "application/problem+json"),
        Refusals
    )
)]
pub(super) async fn record(
    State(app): State<App>,
    Segment(author): Segment,
    Params(finding): Params<Finding>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let Finding { salt: this_salt, deadline_ms, paths, replicas } = finding;
    let key = record_key(&public_key(&author)?, &salt(this_salt.as_deref())?);
    let options = get_options(&app, deadline_ms, paths, replicas)?;
    find(&app, key, options, &headers).await
}

/// The newest version of a record, by its key
///
/// The same as by author and salt, which the key is derived from.
#[utoipa::path(
    get, path = "/v1/poly/records/key/{key}", tag = "poly",
    params(("key" = String, Path, description = "64 hexadecimal digits",
        pattern = "^[0-9a-fA-F]{64}$"), Getting),
    responses(
        (status = 200, description = "The record", headers(("etag" = String)),
            content((Raw = "application/octet-stream"), (FoundRecord = "application/json"))),
        (status = 304, description = "You have it"),
        (status = 404, description = "Nobody holds it", body = Problem,
            content_type = "application/problem+json"),
        (status = 410, description = "Its author has deleted it; `record` is the tombstone",
            body = Problem, content_type = "application/problem+json"),
        Refusals
    )
)]
pub(super) async fn record_by_key(
    State(app): State<App>,
    Segment(text): Segment,
    Params(getting): Params<Getting>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    find(&app, key(&text)?, getting.options(&app)?, &headers).await
}

async fn find(
    app: &App,
    key: Key,
    options: GetOptions,
    headers: &HeaderMap,
) -> Result<Response, Fault> {
    let Got { value: record, report } = app.within(app.poly()?.record(key, options)).await?;
    let Some(bytes) = &record.value else {
        return Err(Problem::deleted((&record).into(), report.into()).into());
    };
    let tag = format!("\"{}\"", record.seq);
    if names_tag(headers, header::IF_NONE_MATCH, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    let caching = [
        (header::ETAG, tag),
        (header::CACHE_CONTROL, "no-cache".to_owned()),
        (header::VARY, "accept".to_owned()),
    ];
    if wants_json(headers) {
        let found = FoundRecord { record: (&record).into(), cost: report.into() };
        return Ok((caching, Json(found)).into_response());
    }
    Ok((caching, bytes.to_vec()).into_response())
}

/// What is signed beside the bytes, and how to store it.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Signing {
    /// Which of the author's records, in hexadecimal; without it the one without salt
    #[param(pattern = "^([0-9a-fA-F]{2}){0,64}$")]
    salt: Option<String>,
    /// The version, higher than any before
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

/// Store a new version of a record
///
/// The body is its bytes, at most 65,536. What is signed is specified in `docs/poly-protocol.md`.
/// `If-Match: "N"` stores it only where the newest version is N (compare and swap),
/// `If-None-Match: *` only where there is none.
#[utoipa::path(
    put, path = "/v1/poly/records/{public_key}", tag = "poly",
    params(("public_key" = String, Path, description = "Its author, 64 hexadecimal digits",
        pattern = "^[0-9a-fA-F]{64}$"), Signing),
    request_body(content = Raw, content_type = "application/octet-stream"),
    responses(
        (status = 200, description = "Stored", body = Stored, headers(("etag" = String))),
        (status = 408, description = "The body did not come in time", body = Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "The network has a newer version: `record`", body = Problem,
            content_type = "application/problem+json"),
        (status = 412, description = "The network has another version than the request demands",
            body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Signature, salt or life is not acceptable, or there are \
            fewer nodes than the quorum", body = Problem,
            content_type = "application/problem+json"),
        Refusals
    )
)]
pub(super) async fn put_record(
    State(app): State<App>,
    Segment(author): Segment,
    Params(signing): Params<Signing>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Fault> {
    let body = read(&app, body).await?;
    store(&app, &author, signing, &headers, Some(&body)).await
}

/// Delete a record
///
/// What is signed is a version without bytes, a tombstone: it keeps older versions out until it
/// expires. Conditions are those of a put.
#[utoipa::path(
    delete, path = "/v1/poly/records/{public_key}", tag = "poly",
    params(("public_key" = String, Path, description = "Its author, 64 hexadecimal digits",
        pattern = "^[0-9a-fA-F]{64}$"), Signing),
    responses(
        (status = 200, description = "Deleted", body = Stored, headers(("etag" = String))),
        (status = 409, description = "The network has a newer version: `record`", body = Problem,
            content_type = "application/problem+json"),
        (status = 412, description = "The network has another version than the request demands",
            body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Signature, salt or life is not acceptable, or there are \
            fewer nodes than the quorum", body = Problem,
            content_type = "application/problem+json"),
        Refusals
    )
)]
pub(super) async fn delete_record(
    State(app): State<App>,
    Segment(author): Segment,
    Params(signing): Params<Signing>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    store(&app, &author, signing, &headers, None).await
}

async fn store(
    app: &App,
    author: &str,
    signing: Signing,
    headers: &HeaderMap,
    value: Option<&[u8]>,
) -> Result<Response, Fault> {
    let Signing { salt: this_salt, seq, expires, signature: signed, quorum, deadline_ms, paths } =
        signing;
    let expected = expected(headers)?;
    let options = put_options(app, deadline_ms, paths, quorum.as_deref())?;
    let record = Record {
        public_key: public_key(author)?,
        salt: salt(this_salt.as_deref())?.into(),
        seq,
        expires,
        value: value.map(Into::into),
        signature: signature(&signed)?,
    };
    let stored = app.within(app.poly()?.put_record(record, expected, options)).await;
    let stored = swapped(stored, expected.is_some())?;
    let tag = [(header::ETAG, format!("\"{seq}\""))];
    Ok((tag, Json(Stored::new(&stored, Some(seq)))).into_response())
}

/// The version that a request demands to be the newest; 0: none.
fn expected(headers: &HeaderMap) -> Result<Option<u64>, Fault> {
    if let Some(tag) = headers.get(header::IF_NONE_MATCH) {
        return match tag.to_str() {
            Ok("*") if !headers.contains_key(header::IF_MATCH) => Ok(Some(0)),
            _ => Err(Fault::bad_request("If-None-Match: * alone, for no version at all")),
        };
    }
    let Some(tag) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let tag = tag.to_str().unwrap_or_default();
    let seq = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).unwrap_or(tag).parse();
    let fault = |_| Fault::bad_request("If-Match: one version, such as \"7\"");
    seq.map(Some).map_err(fault)
}
