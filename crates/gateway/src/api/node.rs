//! How the node is doing: status, live view, health, the API's description.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use client::http::json::Status;
use client::http::problem::Problem;
use utoipa_axum::routes;

use super::{Refusals, Route};
use crate::app::App;
use crate::problem::Fault;

pub(super) const ROUTES: &[Route] = &[
    || routes!(status),
    || routes!(live),
    || routes!(openapi),
    || routes!(metrics),
    || routes!(healthz),
    || routes!(readyz),
];

/// How the node is doing
#[utoipa::path(
    get, path = "/v1/status", tag = "node",
    responses((status = 200, description = "Its status", body = Status), Refusals)
)]
async fn status(State(app): State<App>) -> Result<Json<Status>, Fault> {
    let status = app.within(app.client.status()).await?;
    Ok(Json((&status).into()))
}

/// The node live
///
/// Server-sent events: `history` once (a point a second of the last five minutes), then `status`
/// every second and `contacts` every three.
#[utoipa::path(
    get, path = "/v1/live", tag = "node",
    responses(
        (status = 200, description = "Events", content_type = "text/event-stream", body = String),
        Refusals
    )
)]
async fn live(State(app): State<App>) -> Result<Response, Fault> {
    crate::live::watch(&app)
}

/// This description
#[utoipa::path(
    get, path = "/v1/openapi.json", tag = "node",
    responses((status = 200, description = "OpenAPI 3.1", body = serde_json::Value), Refusals)
)]
async fn openapi() -> Result<Response, Fault> {
    // On a thread of its own: what it takes in pieces is given back whole when the thread ends.
    let (told, description) = tokio::sync::oneshot::channel();
    let thread = std::thread::Builder::new().spawn(move || told.send(super::describe()));
    thread.map_err(|_| Fault::late())?;
    let description = description.await.map_err(|_| Fault::late())?;
    Ok(([(header::CONTENT_TYPE, "application/json")], description).into_response())
}

/// Metrics for Prometheus
#[utoipa::path(
    get, path = "/metrics", tag = "node",
    responses(
        (status = 200, description = "Text exposition format", content_type = "text/plain",
            body = String),
        Refusals
    )
)]
async fn metrics(State(app): State<App>) -> Result<Response, Fault> {
    let status = app.within(app.client.status()).await?;
    let text = crate::metrics::write(&status, &app);
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}

/// Whether the process lives
#[utoipa::path(
    get, path = "/healthz", tag = "node",
    responses((status = 200, description = "It does", content_type = "text/plain", body = String),
        Refusals)
)]
async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether the node can be used: it has contacts
#[utoipa::path(
    get, path = "/readyz", tag = "node",
    responses((status = 200, description = "It can", content_type = "text/plain", body = String),
        Refusals)
)]
async fn readyz(State(app): State<App>) -> Result<&'static str, Fault> {
    let status = app.within(app.client.status()).await?;
    let sides = status.mainline.iter().flat_map(|mainline| [&mainline.v4, &mainline.v6]);
    let contacts: usize = sides.flatten().map(|side| side.good).sum();
    let contacts = contacts + status.poly.as_ref().map_or(0, |poly| poly.table);
    if contacts > 0 {
        return Ok("ready\n");
    }
    let detail = "the node knows nobody yet: give it a --bootstrap address, or wait for others";
    Err(Problem::new(503, "not-ready", "the node has no contacts", detail).into())
}
