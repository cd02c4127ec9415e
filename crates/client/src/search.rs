//! Operations that tell as they go: searches and announcements.

use core::fmt;
use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::net::SocketAddr;
use std::time::Duration;

use futures_core::Stream;

use crate::error::{AnnounceError, FindError};
use crate::report::{NodeContact, PutReport, Report};

/// One word of a search.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found<T> {
    /// Something it found, told at once.
    Item(T),
    /// It has ended; nothing follows.
    Done(Report),
}

/// A search under way: a stream of what it finds. Dropping it ends the search.
pub struct Search<T>(Pin<Box<dyn Stream<Item = Result<Found<T>, FindError>> + Send>>);

impl<T> Search<T> {
    /// A search that tells what `stream` does. Whatever keeps it running must end with the stream.
    pub fn new(stream: impl Stream<Item = Result<Found<T>, FindError>> + Send + 'static) -> Self {
        Self(Box::pin(stream))
    }

    /// The next thing found, or the end; `None` after the end.
    pub async fn next(&mut self) -> Option<Result<Found<T>, FindError>> {
        poll_fn(|context| self.0.as_mut().poll_next(context)).await
    }

    /// Waits for the end and returns all that was found.
    ///
    /// # Errors
    /// The search's own; what was found before it is lost.
    pub async fn all(mut self) -> Result<(Vec<T>, Report), FindError> {
        let mut items = Vec::new();
        while let Some(word) = self.next().await {
            match word? {
                Found::Item(item) => items.push(item),
                Found::Done(report) => return Ok((items, report)),
            }
        }
        Err(FindError::Stopped)
    }
}

impl<T> Stream for Search<T> {
    type Item = Result<Found<T>, FindError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(context)
    }
}

impl<T> fmt::Debug for Search<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Search")
    }
}

/// One step of a traced walk. Who was asked and is told of no more did not answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// A request was sent.
    Asked {
        /// To whom.
        to: SocketAddr,
        /// Since the walk began.
        at: Duration,
    },
    /// It was answered.
    Answered {
        /// Who answered.
        by: NodeContact,
        /// Since the walk began.
        at: Duration,
        /// How long the answer took.
        rtt: Duration,
        /// The nodes it named.
        named: Vec<NodeContact>,
        /// Whether it has what is asked for.
        holds: bool,
    },
    /// It was answered with an error.
    Refused {
        /// By whom.
        by: SocketAddr,
        /// Since the walk began.
        at: Duration,
    },
}

/// An announcement: renewed until this is dropped or stopped.
pub struct Announcement(Pin<Box<dyn Stream<Item = Round> + Send>>);

/// What became of one round of an announcement. After an error the announcement goes on trying.
pub type Round = Result<PutReport, AnnounceError>;

impl Announcement {
    /// An announcement whose rounds `rounds` tells. Whatever keeps it alive must end with the
    /// stream.
    pub fn new(rounds: impl Stream<Item = Round> + Send + 'static) -> Self {
        Self(Box::pin(rounds))
    }

    /// Waits for the latest round that was not told yet; the first call, for the first round.
    /// Rounds that nobody waits for are passed over. `None`: the node has stopped.
    pub async fn round(&mut self) -> Option<Round> {
        poll_fn(|context| self.0.as_mut().poll_next(context)).await
    }

    /// Ends it. What was announced stays with the nodes until it expires.
    pub fn stop(self) {}
}

impl Stream for Announcement {
    type Item = Round;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(context)
    }
}

impl fmt::Debug for Announcement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Announcement")
    }
}
