//! The routes of the API, version 1, and its description.
//!
//! Each network has a file here. What is described is what is routed: both come from the same
//! attributes.

use axum::Router;
use axum::http::{HeaderMap, header};
use client::Key;
use client::http::problem::Problem;
use utoipa::OpenApi;
use utoipa::openapi::{OpenApi as OpenApiDescription, RefOr, Required};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use crate::app::App;
use crate::problem::Fault;

mod announcements;
mod mainline;
mod node;
mod poly;
mod write;

pub(crate) use announcements::Announcements;
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
        (name = "poly", description = "Polykad's own network"),
        (name = "mainline", description = "BitTorrent's Mainline DHT"),
        (name = "routing", description = "The delegated routing API of IPFS, over poly"),
        (name = "pkarr", description = "The relay API of pkarr, over Mainline")
    )
)]
struct Description;

/// One path: what is described of it, and who answers.
pub(crate) type Route = fn() -> UtoipaMethodRouter<App>;

/// All described routes.
fn all() -> impl Iterator<Item = UtoipaMethodRouter<App>> {
    let parts = [
        node::ROUTES,
        poly::ROUTES,
        mainline::ROUTES,
        write::ROUTES,
        announcements::ROUTES,
        crate::routing::ROUTES,
        crate::pkarr::ROUTES,
    ];
    parts.into_iter().flatten().map(|route| route())
}

/// The routes of the API. Each is described only to be routed: all descriptions at once would take
/// some megabytes, which a daemon would keep.
pub(crate) fn routes() -> Router<App> {
    all().fold(Router::new(), |router, (_, described, answers)| {
        match described.paths.keys().next() {
            Some(path) => router.route(path, answers),
            None => router,
        }
    })
}

/// The description, as JSON.
pub(crate) fn describe() -> String {
    let router = OpenApiRouter::<App>::with_openapi(Description::openapi());
    let (_, mut description) = all().fold(router, OpenApiRouter::routes).split_for_parts();
    env!("CARGO_PKG_VERSION").clone_into(&mut description.info.version);
    allow_empty_values(&mut description);
    description.to_json().unwrap_or_default()
}

/// Says that a value may be left out: HTTP can't tell no body from an empty one, and no bytes are a
/// value as good as any.
fn allow_empty_values(description: &mut OpenApiDescription) {
    let paths = description.paths.paths.iter_mut().filter(|(path, _)| path.starts_with("/v1/"));
    for operation in paths.flat_map(|(_, item)| [&mut item.post, &mut item.put]).flatten() {
        if let Some(RefOr::T(body)) = &mut operation.request_body
            && body.content.contains_key("application/octet-stream")
        {
            body.required = Some(Required::False);
        }
    }
}

/// What any request may be refused with, for the description.
#[derive(utoipa::IntoResponses)]
#[expect(dead_code, reason = "describes answers; the answers themselves are `Fault`s")]
pub(crate) enum Refusals {
    /// The request makes no sense
    #[response(status = 400, content_type = "application/problem+json")]
    BadRequest(Problem),
    /// The token is missing or wrong
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthorized(Problem),
    /// From a page of another origin, or not on a gateway that only reads
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(Problem),
    /// The body is too long
    #[response(status = 413, content_type = "application/problem+json")]
    TooLong(Problem),
    /// The request names another host
    #[response(status = 421, content_type = "application/problem+json")]
    WrongHost(Problem),
    /// Too many requests: `Retry-After` says when to come again
    #[response(status = 429, content_type = "application/problem+json")]
    TooMany(Problem),
    /// Nobody to ask, or too much to do
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(Problem),
    /// No result in time
    #[response(status = 504, content_type = "application/problem+json")]
    Late(Problem),
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

#[cfg(test)]
mod tests;
