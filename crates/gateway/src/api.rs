//! The routes of the API, version 1, and its description.
//!
//! Each network has a file here. What is described is what is routed: both come from the same
//! attributes.

use axum::Router;
use axum::http::{HeaderMap, header};
use client::Key;
use client::http::problem::Problem;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::app::App;
use crate::problem::Fault;

mod mainline;
mod node;
mod write;

pub(crate) use write::{if_match, read};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Polykad",
        description = "A node of distributed hash tables. Streams come as one JSON object a line \
                       (`application/x-ndjson`) or, where the request accepts \
                       `text/event-stream`, as server-sent events with the same objects. Errors \
                       are problem documents (RFC 9457). Where the operator has set a token, send \
                       it as `Authorization: Bearer TOKEN`.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    servers((url = "/", description = "This node")),
    tags(
        (name = "node", description = "How the node is doing"),
        (name = "mainline", description = "BitTorrent's Mainline DHT"),
        (name = "pkarr", description = "The relay API of pkarr, over Mainline")
    )
)]
struct Description;

/// All described routes with their description.
fn described() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Description::openapi())
        .merge(node::routes())
        .merge(mainline::routes())
        .merge(write::routes())
        .merge(crate::pkarr::routes())
}

/// The routes of the API.
pub(crate) fn routes() -> Router<App> {
    let (router, _) = described().split_for_parts();
    router
}

/// The description, as JSON.
pub(crate) fn describe() -> String {
    let (_, mut description) = described().split_for_parts();
    env!("CARGO_PKG_VERSION").clone_into(&mut description.info.version);
    description.to_json().unwrap_or_default()
}

/// What any request may be refused with, for the description.
#[derive(utoipa::IntoResponses)]
#[expect(dead_code, reason = "describes answers; the answers themselves are `Fault`s")]
pub(crate) enum Refusals {
    /// The request makes no sense
    #[response(status = 400, content_type = "application/problem+json")]
    BadRequest(#[to_schema] Problem),
    /// The token is missing or wrong
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthorized(#[to_schema] Problem),
    /// From a page of another origin, or not on a gateway that only reads
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(#[to_schema] Problem),
    /// The body is too long
    #[response(status = 413, content_type = "application/problem+json")]
    TooLong(#[to_schema] Problem),
    /// The request names another host
    #[response(status = 421, content_type = "application/problem+json")]
    WrongHost(#[to_schema] Problem),
    /// Too many requests: `Retry-After` says when to come again
    #[response(status = 429, content_type = "application/problem+json")]
    TooMany(#[to_schema] Problem),
    /// Nobody to ask, or too much to do
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(#[to_schema] Problem),
    /// No result in time
    #[response(status = 504, content_type = "application/problem+json")]
    Late(#[to_schema] Problem),
}

/// Bytes as they are
#[derive(utoipa::ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "describes bodies; the bodies themselves are bytes")]
pub(crate) struct Raw(Vec<u8>);

/// A key in a path: 40 hexadecimal digits.
pub(crate) fn key(text: &str) -> Result<Key, Fault> {
    client::id::parse(text).map_err(|error| Fault::bad_request(format!("'{text}': {error}")))
}

/// Whether a conditional request names this tag, or any.
pub(crate) fn names_tag(headers: &HeaderMap, name: header::HeaderName, tag: &str) -> bool {
    let given = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    given.flat_map(|tags| tags.split(',')).any(|given| {
        let given = given.trim();
        given == "*" || given.strip_prefix("W/").unwrap_or(given) == tag
    })
}
