//! What the owner of a node and its driver share of streams: those to be opened, those whose
//! buffers have changed, and the services that take such as others open.

use core::fmt;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use client::poly::{ConnectError, MAX_SERVICE_BYTES};
use poly::contact::Peer;
use tokio::sync::{mpsc, oneshot};

use super::pipe::{Carried, End, Pipe};

/// Streams that wait to be taken by a service at most.
const MAX_WAITING: usize = 64;
/// Streams that wait to be opened at most.
const MAX_OPENING: usize = 256;

/// The streams of a node; cheap to clone.
#[derive(Clone)]
pub(crate) struct Streams {
    shared: Arc<Shared>,
}

struct Shared {
    table: Mutex<Table>,
    /// Whether the driver has been told that there is something to do.
    nudged: AtomicBool,
    /// Tells it.
    nudge: Box<dyn Fn() + Send + Sync>,
}

#[derive(Default)]
struct Table {
    opening: VecDeque<Opening>,
    touched: BTreeSet<Carried>,
    services: BTreeMap<Vec<u8>, mpsc::Sender<(Peer, End)>>,
}

/// A stream to be opened.
pub(super) struct Opening {
    pub(super) to: Peer,
    pub(super) service: Vec<u8>,
    pub(super) pipe: Arc<Pipe>,
}

/// What becomes of a stream that another node opens.
pub(super) enum Taken {
    By(Arc<Pipe>),
    /// There is no such service.
    Unknown,
    /// It does not keep up.
    Busy,
}

impl Streams {
    /// `nudge` must make the driver carry on.
    pub(crate) fn new(nudge: impl Fn() + Send + Sync + 'static) -> Self {
        let (table, nudged) = (Mutex::default(), AtomicBool::new(false));
        Self { shared: Arc::new(Shared { table, nudged, nudge: Box::new(nudge) }) }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.shared.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn nudge(&self) {
        if !self.shared.nudged.swap(true, Ordering::AcqRel) {
            (self.shared.nudge)();
        }
    }

    /// Opens a stream to a service of a node that has just been spoken with. The answer comes once
    /// that node has taken it.
    pub(crate) fn open(
        &self,
        to: Peer,
        service: &str,
    ) -> Result<(End, oneshot::Receiver<Result<(), ConnectError>>), ConnectError> {
        let (answer, answered) = oneshot::channel();
        let pipe = Pipe::new(Some(answer));
        let end = End::new(Arc::clone(&pipe), self.clone());
        let mut table = self.table();
        if table.opening.len() >= MAX_OPENING {
            return Err(ConnectError::Busy);
        }
        table.opening.push_back(Opening { to, service: service.as_bytes().to_vec(), pipe });
        drop(table);
        self.nudge();
        Ok((end, answered))
    }

    /// Takes streams to `service` from now on, until the receiver is dropped; `None`: somebody does
    /// already, or the name is not allowed.
    pub(crate) fn serve(&self, service: &str) -> Option<mpsc::Receiver<(Peer, End)>> {
        let name = service.as_bytes().to_vec();
        if name.is_empty() || name.len() > MAX_SERVICE_BYTES {
            return None;
        }
        let mut table = self.table();
        if table.services.get(&name).is_some_and(|taker| !taker.is_closed()) {
            return None;
        }
        let (taker, streams) = mpsc::channel(MAX_WAITING);
        table.services.insert(name, taker);
        Some(streams)
    }

    /// The owner of a stream has read or written.
    pub(super) fn touch(&self, carried: Carried) {
        self.table().touched.insert(carried);
        self.nudge();
    }

    /// What there is to do for the driver.
    pub(super) fn take(&self) -> (VecDeque<Opening>, BTreeSet<Carried>) {
        if !self.shared.nudged.load(Ordering::Acquire) {
            return Default::default();
        }
        // Whatever comes after this nudges again.
        self.shared.nudged.store(false, Ordering::Release);
        let mut table = self.table();
        (core::mem::take(&mut table.opening), core::mem::take(&mut table.touched))
    }

    /// Another node opens a stream.
    pub(super) fn offered(&self, from: Peer, service: &[u8], by: Carried) -> Taken {
        let mut table = self.table();
        let Some(taker) = table.services.get(service) else { return Taken::Unknown };
        if taker.is_closed() {
            table.services.remove(service);
            return Taken::Unknown;
        }
        let pipe = Pipe::new(None);
        pipe.carry(by);
        let taker = taker.clone();
        // Whoever gets the end may use it at once.
        drop(table);
        match taker.try_send((from, End::new(Arc::clone(&pipe), self.clone()))) {
            Ok(()) => Taken::By(pipe),
            Err(mpsc::error::TrySendError::Full(_)) => Taken::Busy,
            Err(mpsc::error::TrySendError::Closed(_)) => Taken::Unknown,
        }
    }
}

impl fmt::Debug for Streams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Streams")
    }
}
