//! Searches as answers that come line by line: NDJSON, or server-sent events where the one who asks
//! accepts them.

use core::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use client::http::json::Word;
use client::stream::unfold;
use client::{FindError, Found, Search};
use tokio::time::{Instant, timeout_at};

use crate::app::{App, Permit};
use crate::problem::Fault;

/// How often a stream that has nothing to tell shows that it is alive: who has gone without a word
/// is found out so, and proxies do not take it for dead.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How the lines are laid out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Layout {
    /// One JSON object a line.
    Lines,
    /// Server-sent events.
    Events,
}

impl Layout {
    /// What the request asks for.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let accepts = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
        match accepts {
            Some(accepts) if accepts.contains("text/event-stream") => Self::Events,
            _ => Self::Lines,
        }
    }

    fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Lines => "application/x-ndjson",
            Self::Events => "text/event-stream",
        })
    }

    fn write(self, word: &Word) -> Bytes {
        let Ok(json) = serde_json::to_string(word) else { return Bytes::new() };
        match self {
            Self::Lines => format!("{json}\n").into(),
            Self::Events => event(word.name(), &json),
        }
    }
}

impl Layout {
    /// What readers pass over.
    pub(crate) fn nothing(self) -> Bytes {
        Bytes::from_static(match self {
            Self::Lines => b"\n",
            Self::Events => b":\n\n",
        })
    }
}

/// A server-sent event.
pub(crate) fn event(name: &str, json: &str) -> Bytes {
    format!("event: {name}\ndata: {json}\n\n").into()
}

/// An answer whose body is `chunks`.
pub(crate) fn respond<S>(layout: Layout, chunks: S) -> Response
where
    S: futures_core::Stream<Item = Bytes> + Send + 'static,
{
    let body = Body::from_stream(Infallibly(Box::pin(chunks)));
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, layout.content_type());
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies that collect an answer before they hand it on would spoil it.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

struct Infallibly<S>(core::pin::Pin<Box<S>>);

impl<S: futures_core::Stream<Item = Bytes>> futures_core::Stream for Infallibly<S> {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(
        mut self: core::pin::Pin<&mut Self>,
        context: &mut core::task::Context<'_>,
    ) -> core::task::Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(context).map(|next| next.map(Ok))
    }
}

/// A search on its way to the one who asked.
struct Told<T> {
    search: Search<T>,
    /// The first word, waited for so that a failure gets its status.
    first: Option<Result<Found<T>, FindError>>,
    end: Instant,
    layout: Layout,
    word: fn(&T) -> Word,
    stopping: tokio::sync::watch::Receiver<bool>,
    _permit: Permit,
}

/// Answers with what a search finds, as it finds it.
pub(crate) async fn search<T: Send + 'static>(
    app: &App,
    headers: &HeaderMap,
    mut search: Search<T>,
    word: fn(&T) -> Word,
) -> Result<Response, Fault> {
    let permit = app.stream()?;
    let limit = app.limits().deadline;
    let end = Instant::now() + limit;
    let first = timeout_at(end, search.next()).await.map_err(|_| Fault::late())?;
    let first = match first {
        Some(Err(error)) => return Err(error.into()),
        Some(Ok(word)) => Ok(word),
        None => return Err(FindError::Stopped.into()),
    };
    let layout = Layout::of(headers);
    let stopping = app.stopping.clone();
    let told = Told { search, first: Some(first), end, layout, word, stopping, _permit: permit };
    Ok(respond(layout, unfold(Some(told), |told| async move { told?.step().await })))
}

impl<T> Told<T> {
    async fn step(mut self) -> Option<(Bytes, Option<Self>)> {
        let next = if let Some(first) = self.first.take() {
            Some(first)
        } else {
            tokio::select! {
                next = timeout_at(self.end, self.search.next()) => {
                    if let Ok(next) = next {
                        next
                    } else {
                        let failed = Word::Failed(*Fault::late().problem);
                        return Some((self.layout.write(&failed), None));
                    }
                }
                _ = self.stopping.wait_for(|stopping| *stopping) => None,
            }
        };
        match next {
            Some(Ok(Found::Item(item))) => {
                let line = self.layout.write(&(self.word)(&item));
                Some((line, Some(self)))
            }
            Some(Ok(Found::Done(report))) => {
                Some((self.layout.write(&Word::Done(report.into())), None))
            }
            Some(Err(error)) => {
                let failed = Word::Failed((&error).into());
                Some((self.layout.write(&failed), None))
            }
            None => {
                let failed = Word::Failed((&FindError::Stopped).into());
                Some((self.layout.write(&failed), None))
            }
        }
    }
}

/// One line of a stream of another kind.
pub(crate) fn line(layout: Layout, word: &Word) -> Bytes {
    layout.write(word)
}
