//! A node over HTTP: a versioned API with its own description, a dashboard page, metrics.
//!
//! [`Gateway::bind`] takes any [`client::Client`], and [`Gateway::serve`] answers until told to
//! stop. Follow one request: `server` takes the connection and bounds what it may do; `guard`
//! decides who is served at all (rebinding, origins, token, rates); `api` has the routes of each
//! network, `pkarr` and `metrics` what others define; `problem` makes errors of RFC 9457. What is
//! seen live comes from `live`, which looks at the node once a second for all watchers together.
//!
//! A further network adds one file to `api`, its router to `api::routes`, and its lines to
//! `metrics`.
//!
//! *Must not contain*: anything of how a network works; it sees the client's traits alone.
#![forbid(unsafe_code)]

mod api;
mod app;
mod guard;
mod live;
mod metrics;
mod page;
mod pkarr;
mod problem;
mod routing;
mod server;
mod settings;
mod stream;

pub use server::{BindError, Controls, Gateway};
pub use settings::{Limits, Settings};

/// The description of the API (`OpenAPI` 3.1), as `/v1/openapi.json` serves it.
pub fn openapi() -> String {
    api::describe()
}
