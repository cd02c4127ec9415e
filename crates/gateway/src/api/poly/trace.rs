//! Lookups, step by step.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use client::http::json::poly::hex;
use client::http::json::{Step, Word};
use client::poly::Quest;
use serde::Deserialize;

use super::super::Refusals;
use super::key;
use crate::app::App;
use crate::problem::{Fault, Params, Segment};
use crate::stream;

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asking {
    /// What to ask for on the way
    #[param(inline)]
    quest: Option<Quested>,
}

#[derive(Deserialize, Clone, Copy, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
enum Quested {
    Nodes,
    Value,
    Record,
    Topic,
}

/// A lookup, step by step
///
/// A stream of `step` words: who is asked, who answered and whom it named; then `done`. What this
/// node holds itself does not shorten the way.
#[utoipa::path(
    get, path = "/v1/poly/trace/{target}", tag = "poly",
    params(("target" = String, Path, description = "64 hexadecimal digits",
        pattern = "^[0-9a-fA-F]{64}$"), Asking),
    responses(
        (status = 200, description = "The steps, one a line",
            content((Word = "application/x-ndjson"), (Word = "text/event-stream"))),
        Refusals
    )
)]
pub(super) async fn trace(
    State(app): State<App>,
    Segment(target): Segment,
    Params(asking): Params<Asking>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let quest = match asking.quest {
        None | Some(Quested::Nodes) => Quest::Nodes,
        Some(Quested::Value) => Quest::Blob,
        Some(Quested::Record) => Quest::Record,
        Some(Quested::Topic) => Quest::Topic,
    };
    let search = app.poly()?.trace(key(&target)?, quest);
    stream::search(&app, &headers, search, |step| Word::Step(Step::new(step, hex))).await
}
