//! What all requests share.

use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::time::Duration;

use client::{Client, Mainline};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;

use crate::guard::rate::Rates;
use crate::live::Live;
use crate::problem::Fault;
use crate::settings::{Limits, Settings};

/// What all requests share; cheap to clone.
pub(crate) type App = Arc<Shared>;

/// See [`App`].
pub(crate) struct Shared {
    pub(crate) client: Arc<dyn Client>,
    pub(crate) settings: Settings,
    pub(crate) rates: Rates,
    pub(crate) live: Live,
    pub(crate) counts: Counts,
    operations: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    /// Turns true when the gateway stops: streams end then.
    pub(crate) stopping: watch::Receiver<bool>,
}

/// What the gateway counts of itself.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Answers by their status, of classes 1xx to 5xx.
    pub(crate) answers: [AtomicU64; 5],
    /// Connections taken.
    pub(crate) connections: AtomicU64,
    /// Connections open.
    pub(crate) open: AtomicU64,
    /// Connections closed to make room, or turned away for want of it.
    pub(crate) crowded_out: AtomicU64,
    /// Requests refused by the guard.
    pub(crate) refused: [AtomicU64; Refused::ALL.len()],
}

/// Why the guard refuses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refused {
    Host,
    Origin,
    Rate,
    Token,
    Length,
    ReadOnly,
    Busy,
}

impl Refused {
    /// All of them with their names in metrics.
    pub(crate) const ALL: [(Self, &str); 7] = [
        (Self::Host, "host"),
        (Self::Origin, "origin"),
        (Self::Rate, "rate"),
        (Self::Token, "token"),
        (Self::Length, "length"),
        (Self::ReadOnly, "read_only"),
        (Self::Busy, "busy"),
    ];
}

impl Counts {
    pub(crate) fn refuse(&self, why: Refused) {
        let place = Refused::ALL.iter().position(|(known, _)| *known == why);
        if let Some(count) = place.and_then(|place| self.refused.get(place)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn answer(&self, status: u16) {
        let class = usize::from(status / 100).saturating_sub(1);
        if let Some(count) = self.answers.get(class) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Shared {
    pub(crate) fn new(
        client: Arc<dyn Client>,
        settings: Settings,
        stopping: watch::Receiver<bool>,
    ) -> App {
        let Limits { operations, streams, requests_per_second, burst, .. } = settings.limits;
        Arc::new(Self {
            client,
            settings,
            rates: Rates::new(requests_per_second, burst),
            live: Live::default(),
            counts: Counts::default(),
            operations: Arc::new(Semaphore::new(operations)),
            streams: Arc::new(Semaphore::new(streams)),
            stopping,
        })
    }

    /// The node's part in the Mainline DHT.
    pub(crate) fn mainline(&self) -> Result<&dyn Mainline, Fault> {
        self.client.mainline().ok_or_else(|| {
            Fault::new(
                404,
                "no-such-network",
                "the node takes no part in it",
                "this node takes no part in the Mainline DHT: start it with --network mainline",
            )
        })
    }

    /// Room for one more operation.
    pub(crate) fn operation(&self) -> Result<OwnedSemaphorePermit, Fault> {
        Arc::clone(&self.operations).try_acquire_owned().map_err(|_| self.busy())
    }

    /// Room for one more stream.
    pub(crate) fn stream(&self) -> Result<OwnedSemaphorePermit, Fault> {
        Arc::clone(&self.streams).try_acquire_owned().map_err(|_| self.busy())
    }

    /// Streams that hang on.
    pub(crate) fn streams_open(&self) -> usize {
        self.settings.limits.streams.saturating_sub(self.streams.available_permits())
    }

    fn busy(&self) -> Fault {
        self.counts.refuse(Refused::Busy);
        Fault::new(
            503,
            "too-busy",
            "the gateway is busy",
            "as many operations run as may at once: try again in a second",
        )
        .retry_after(1)
    }

    /// The result of an operation, or that it took too long.
    pub(crate) async fn within<T, E>(
        &self,
        operation: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Fault>
    where
        Fault: From<E>,
    {
        let permit = self.operation()?;
        let deadline: Duration = self.settings.limits.deadline;
        let result = timeout(deadline, operation).await.map_err(|_| Fault::late())?;
        drop(permit);
        Ok(result?)
    }
}
