//! The dashboard: one page, its styles and scripts, built into the program.
//!
//! The files are in `page/`; nothing is generated, and nothing is loaded from elsewhere.

use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::app::App;
use crate::problem::Fault;

/// A file of the page: path, content type, content.
type File = (&'static str, &'static str, &'static str);

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

const FILES: [File; 10] = [
    ("/", HTML, include_str!("../page/index.html")),
    ("/page/style.css", STYLE, include_str!("../page/style.css")),
    ("/page/icon.svg", "image/svg+xml", include_str!("../page/icon.svg")),
    ("/page/main.js", SCRIPT, include_str!("../page/main.js")),
    ("/page/api.js", SCRIPT, include_str!("../page/api.js")),
    ("/page/space.js", SCRIPT, include_str!("../page/space.js")),
    ("/page/networks.js", SCRIPT, include_str!("../page/networks.js")),
    ("/page/hand.js", SCRIPT, include_str!("../page/hand.js")),
    ("/page/charts.js", SCRIPT, include_str!("../page/charts.js")),
    ("/page/lookup.js", SCRIPT, include_str!("../page/lookup.js")),
];

/// Whether this path is a file of the page.
pub(crate) fn has(path: &str) -> bool {
    FILES.iter().any(|(known, ..)| *known == path)
}

pub(crate) fn routes() -> Router<App> {
    FILES.iter().fold(Router::new(), |router, file| {
        router.route(file.0, get(move |headers: HeaderMap| async move { serve(file, &headers) }))
    })
}

fn serve((_, content_type, content): &'static File, headers: &HeaderMap) -> Response {
    // A version has one content; a newer program has another version.
    let tag = concat!("\"", env!("CARGO_PKG_VERSION"), "-", env!("CARGO_PKG_NAME"), "\"");
    let tag = format!("{}{:x}\"", tag.trim_end_matches('"'), content.len());
    let caching = [(header::CACHE_CONTROL, "no-cache".to_owned()), (header::ETAG, tag.clone())];
    if crate::api::names_tag(headers, header::IF_NONE_MATCH, &tag) {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    (caching, [(header::CONTENT_TYPE, *content_type)], *content).into_response()
}

/// There is nothing at this path.
pub(crate) fn not_here() -> Fault {
    let detail = "nothing is here: /v1/openapi.json lists what there is";
    Fault::new(404, "not-here", "nothing is here", detail)
}

/// The method is not one of those that this path knows.
pub(crate) async fn wrong_method() -> Fault {
    let detail = "not with this method: the Allow header lists those that work";
    Fault::new(405, "wrong-method", "not with this method", detail)
}
