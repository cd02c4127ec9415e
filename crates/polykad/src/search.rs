//! Searches under way: from the host that learns what an operation finds to the stream of it that
//! whoever searches reads.
//!
//! The same for all networks. A search that is not read fast enough misses what its queue has no
//! room for, which is counted.

use client::search::{Found, Search};
use client::stream::unfold;
use client::{FindError, Report};
use tokio::sync::{mpsc, oneshot};

use crate::caller::{Asks, Caller, Ticket};

/// Findings that wait for the one who searches at most. A lookup asks some hundred nodes.
pub(crate) const FINDINGS: usize = 256;

/// Tells a search what is found.
#[derive(Debug)]
pub(crate) struct Teller<T> {
    findings: mpsc::Sender<T>,
    end: oneshot::Sender<Ended<T>>,
    missed: bool,
}

/// The end of a search.
#[derive(Debug)]
pub(crate) struct Ended<T> {
    /// All that was found once more, if something was missed.
    pub(crate) again: Option<T>,
    pub(crate) result: Result<Report, FindError>,
}

impl<T> Teller<T> {
    pub(crate) fn new() -> (Self, mpsc::Receiver<T>, oneshot::Receiver<Ended<T>>) {
        let (findings, receiver) = mpsc::channel(FINDINGS);
        let (end, ended) = oneshot::channel();
        let teller = Self { findings, end, missed: false };
        (teller, receiver, ended)
    }

    /// Returns how many findings went untold.
    pub(crate) fn tell(&mut self, finding: T) -> u64 {
        let full =
            matches!(self.findings.try_send(finding), Err(mpsc::error::TrySendError::Full(_)));
        self.missed |= full;
        u64::from(full)
    }

    /// Ends the search; `again` is all that it found, for one that has missed something.
    pub(crate) fn end(self, again: impl FnOnce() -> Option<T>, result: Result<Report, FindError>) {
        let again = if self.missed { again() } else { None };
        // An error means that nobody waits any more.
        let _ = self.end.send(Ended { again, result });
    }
}

impl<R: Asks> Caller<R> {
    /// A search by this command, which begins when it is first read.
    pub(crate) fn search<T: Send + 'static>(
        &self,
        command: R::Command,
        waiter: fn(Teller<T>) -> R::Waiter,
    ) -> Search<T> {
        let caller = self.clone();
        let idle: Searching<R, T> = Searching::Idle { caller, command, waiter };
        Search::new(unfold(idle, Searching::step))
    }
}

/// How far a search has come.
enum Searching<R: Asks, T> {
    Idle { caller: Caller<R>, command: R::Command, waiter: fn(Teller<T>) -> R::Waiter },
    Running { ticket: Ticket<R>, findings: mpsc::Receiver<T>, ended: oneshot::Receiver<Ended<T>> },
    Ending(Word<T>),
    Ended,
}

type Word<T> = Result<Found<T>, FindError>;

impl<R: Asks, T> Searching<R, T> {
    /// The next word of the search, and how it goes on.
    async fn step(mut self) -> Option<(Word<T>, Self)> {
        loop {
            self = match self {
                Self::Idle { caller, command, waiter } => {
                    let (teller, findings, ended) = Teller::new();
                    if let Err(error) = caller.joined().await {
                        return Some((Err(error.into()), Self::Ended));
                    }
                    match caller.run(command, waiter(teller)).await {
                        Ok(ticket) => Self::Running { ticket, findings, ended },
                        Err(error) => return Some((Err(error.into()), Self::Ended)),
                    }
                }
                Self::Running { mut ticket, mut findings, ended } => {
                    if let Some(finding) = findings.recv().await {
                        let running = Self::Running { ticket, findings, ended };
                        return Some((Ok(Found::Item(finding)), running));
                    }
                    let ended = ended.await;
                    ticket.end();
                    let stopped = Ended { again: None, result: Err(FindError::Stopped) };
                    let Ended { again, result } = ended.unwrap_or(stopped);
                    let end = Self::Ending(result.map(Found::Done));
                    match again {
                        Some(again) => return Some((Ok(Found::Item(again)), end)),
                        None => end,
                    }
                }
                Self::Ending(word) => return Some((word, Self::Ended)),
                Self::Ended => return None,
            };
        }
    }
}
