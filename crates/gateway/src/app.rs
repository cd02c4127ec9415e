//! What all requests share.

use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use client::poly::value::SigningKey;
use client::{Client, Mainline, Poly};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::api::Announcements;
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
    pub(crate) announcements: Announcements,
    /// May change while it runs.
    limits: RwLock<Limits>,
    /// Signs what the gateway puts for others that proves itself. Nobody need trust it: it is new
    /// with every start.
    pub(crate) publisher: SigningKey,
    operations: Arc<AtomicUsize>,
    streams: Arc<AtomicUsize>,
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
        publisher: [u8; 32],
        stopping: watch::Receiver<bool>,
    ) -> App {
        let limits = settings.limits;
        Arc::new(Self {
            client,
            settings,
            rates: Rates::new(limits.requests_per_second, limits.burst),
            live: Live::default(),
            counts: Counts::default(),
            announcements: Announcements::default(),
            limits: RwLock::new(limits),
            publisher: SigningKey::from_bytes(&publisher),
            operations: Arc::default(),
            streams: Arc::default(),
            stopping,
        })
    }

    /// The node's part in the Mainline DHT.
    pub(crate) fn mainline(&self) -> Result<&dyn Mainline, Fault> {
        self.client.mainline().ok_or_else(|| no_such_network("mainline"))
    }

    /// The node's part in Polykad's own network.
    pub(crate) fn poly(&self) -> Result<&dyn Poly, Fault> {
        self.client.poly().ok_or_else(|| no_such_network("poly"))
    }

    /// The bounds that hold now.
    pub(crate) fn limits(&self) -> Limits {
        *self.limits.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on these bounds hold. What is under way goes on.
    pub(crate) fn set_limits(&self, limits: Limits) {
        *self.limits.write().unwrap_or_else(PoisonError::into_inner) = limits;
        self.rates.set(limits.requests_per_second, limits.burst);
    }

    /// Room for one more operation.
    pub(crate) fn operation(&self) -> Result<Permit, Fault> {
        Permit::take(&self.operations, self.limits().operations).ok_or_else(|| self.busy())
    }

    /// Room for one more stream.
    pub(crate) fn stream(&self) -> Result<Permit, Fault> {
        Permit::take(&self.streams, self.limits().streams).ok_or_else(|| self.busy())
    }

    /// Streams that hang on.
    pub(crate) fn streams_open(&self) -> usize {
        self.streams.load(Ordering::Relaxed)
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
        let result = timeout(self.limits().deadline, operation).await.map_err(|_| Fault::late())?;
        drop(permit);
        Ok(result?)
    }
}

fn no_such_network(name: &str) -> Fault {
    let detail =
        format!("this node takes no part in the network {name}: start it with --network {name}");
    Fault::new(404, "no-such-network", "the node takes no part in it", detail)
}

/// One of the places that a limit allows, given back when dropped.
#[derive(Debug)]
pub(crate) struct Permit(Arc<AtomicUsize>);

impl Permit {
    fn take(used: &Arc<AtomicUsize>, most: usize) -> Option<Self> {
        let more = |now: usize| (now < most).then(|| now + 1);
        used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Self(Arc::clone(used)))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
