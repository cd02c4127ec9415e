//! A node in this process: built, spawned on the runtime, used, shut down.

use core::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use client::{Client, FindError, Mainline, Operation, Status, StatusError};
use kademlia::limit::RateLimit;
use mainline::node::{Node as Machine, Settings};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::bootstrap::{self, DEFAULT_HOSTS, Entry};
use crate::bulk::BulkError;
use crate::clock::{Clock, unix_seconds};
use crate::disk::{Disk, DiskError, Opened};
use crate::driver::{Driver, Handle};
use crate::mainline::calls::Caller;
use crate::mainline::{Host, Request, restore};
use crate::socket::Socket;
use crate::store::StoreError;

/// The port listened on unless told otherwise: the first of BitTorrent's customary ones.
pub const DEFAULT_PORT: u16 = 6881;

/// The data file of the Mainline node.
const MAINLINE_FILE: &str = "mainline.redb";

/// When contacts are first written to disk, and, with pauses that grow by a quarter each, how
/// seldom in the end.
const KEEP_CONTACTS_FIRST: Duration = Duration::from_secs(1);
const KEEP_CONTACTS_EVERY: Duration = Duration::from_mins(1);

/// A node running in this process: a [`Client`]. Cheap to clone; when the last clone is dropped,
/// the node stops.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use client::{Client, Mainline};
///
/// let node = polykad::Node::builder().spawn().await?;
/// let put = node.put_immutable(client::mainline::byte_string(b"hello")).await?;
/// println!("{} nodes hold it", put.acknowledged.len());
/// node.shutdown().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Node {
    inner: Arc<Inner>,
}

struct Inner {
    caller: Caller,
    listen: Vec<SocketAddr>,
    /// Whether the driver has ended and the disk is written.
    ended: watch::Receiver<bool>,
    /// Tasks that serve the node but would not end with it.
    helpers: Vec<AbortHandle>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.caller.handle().stop();
        for helper in &self.helpers {
            helper.abort();
        }
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("listen", &self.inner.listen).finish_non_exhaustive()
    }
}

impl Node {
    /// Begins to describe a node.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn caller(&self) -> &Caller {
        &self.inner.caller
    }

    /// The addresses it listens on, ports filled in.
    pub fn listen(&self) -> &[SocketAddr] {
        &self.inner.listen
    }

    /// Waits until the node has joined its network or has failed to; at once if it remembers
    /// contacts of an earlier run, or has no address to join through. Lookups wait for this by
    /// themselves.
    ///
    /// # Errors
    /// The node has stopped.
    pub async fn joined(&self) -> Result<(), FindError> {
        Ok(self.inner.caller.joined().await?)
    }

    /// Joins through further addresses, beside those given before.
    ///
    /// # Errors
    /// None of them answered.
    pub async fn join(
        &self,
        addresses: Vec<SocketAddr>,
    ) -> Result<client::mainline::Nodes, FindError> {
        self.inner.caller.bootstrap(addresses).await
    }

    /// From now on others may ask so much; `None`: no limit.
    pub async fn set_rate_limit(&self, limit: Option<RateLimit>) {
        // An error means that the node has stopped: then nobody may ask anything.
        let _ = self.inner.caller.handle().send(Request::Limit(limit)).await;
    }

    /// Stops the node, ends its announcements, and writes to disk what is not there yet. All clones
    /// are of no use afterwards.
    pub async fn shutdown(&self) {
        self.inner.caller.handle().stop();
        // An error means that the runtime has dropped the driver: it has ended as well.
        let _ = self.inner.ended.clone().wait_for(|ended| *ended).await;
    }
}

impl Client for Node {
    fn status(&self) -> Operation<Result<Status, StatusError>> {
        let caller = self.inner.caller.clone();
        Box::pin(async move { Ok(caller.look_at(Request::Status).await?) })
    }

    fn mainline(&self) -> Option<&dyn Mainline> {
        Some(self)
    }
}

/// Why a node could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpawnError {
    /// Another program uses the port.
    #[error("{address} is in use already: stop the other program, or listen on another port")]
    Busy {
        /// The address.
        address: SocketAddr,
    },
    /// The address belongs to no interface of this machine.
    #[error("{address} is no address of this machine: listen on 0.0.0.0 or [::] for all of them")]
    NotOurs {
        /// The address.
        address: SocketAddr,
    },
    /// The system lets nobody but root have the port.
    #[error("{address} is not allowed: take a port above 1023, or give permission")]
    Denied {
        /// The address.
        address: SocketAddr,
    },
    /// Another trouble with the socket.
    #[error("cannot listen on {address}: {source}; try another address")]
    Socket {
        /// The address.
        address: SocketAddr,
        /// The system's words.
        source: io::Error,
    },
    /// Two addresses of one family.
    #[error("cannot listen on both {first} and {second}: give one address of each family")]
    TwoOfOneFamily {
        /// The one.
        first: SocketAddr,
        /// The other.
        second: SocketAddr,
    },
    /// The data folder can't be used.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The system gave no random bytes.
    #[error("no randomness from the system: {0}")]
    Randomness(getrandom::Error),
    /// Values can't be kept in the data folder.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Long messages can't be carried.
    #[error(transparent)]
    Bulk(#[from] BulkError),
    /// Opening the data file was cut short.
    #[error("the runtime is shutting down: spawn the node earlier")]
    RuntimeEnds,
}

/// Describes a node to be spawned.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    listen: Vec<SocketAddr>,
    bootstrap: Vec<Entry>,
    no_default_bootstrap: bool,
    data_dir: Option<PathBuf>,
    seed: Option<[u8; 32]>,
    settings: Settings,
}

impl Builder {
    /// Listens on this UDP address; port 0 lets the system choose. Once for each address family at
    /// most. Without any: on port [`DEFAULT_PORT`] of all addresses of this machine.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen.push(address);
        self
    }

    /// Joins through this node; may be repeated.
    #[must_use]
    pub fn bootstrap(mut self, address: SocketAddr) -> Self {
        self.bootstrap.push(Entry::Address(address));
        self
    }

    /// Joins through the nodes that this host name stands for; may be repeated.
    #[must_use]
    pub fn bootstrap_host(mut self, host: impl Into<String>, port: u16) -> Self {
        self.bootstrap.push(Entry::Host(host.into(), port));
        self
    }

    /// Does not join through the public routers of the network.
    #[must_use]
    pub fn no_default_bootstrap(mut self) -> Self {
        self.no_default_bootstrap = true;
        self
    }

    /// Keeps identity, contacts and stored values in this folder, which is made if missing. Without
    /// it they are gone when the node stops.
    #[must_use]
    pub fn data_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.data_dir = Some(folder.into());
        self
    }

    /// Limits what one host or subnet may ask; `None`: no limit, for load tests. On by default.
    #[must_use]
    pub fn rate_limit(mut self, limit: Option<RateLimit>) -> Self {
        self.settings.rate_limit = limit;
        self
    }

    /// Asks but never answers (BEP 43): for a node that others can't reach.
    #[must_use]
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.settings.read_only = read_only;
        self
    }

    /// Ends each operation within this time, with what it has by then.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.settings.deadline = deadline;
        self
    }

    /// Draws the node's id and all its randomness from this seed, for repeatable tests. Nobody may
    /// know it of a node that is attacked. An id kept on disk goes before.
    #[must_use]
    pub fn seed(mut self, seed: [u8; 32]) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Sets all of Mainline's settings at once: those that the methods above set, too. Which
    /// families it speaks follows from the addresses listened on.
    #[must_use]
    pub fn mainline(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Starts the node on the current tokio runtime. It runs until shut down or dropped.
    ///
    /// # Errors
    /// An address or the data folder can't be used.
    pub async fn spawn(mut self) -> Result<Node, SpawnError> {
        let sockets = bind_all(&self.listen, DEFAULT_PORT)?;
        let listen: Vec<_> = sockets.iter().map(Socket::local).collect();
        self.settings.v4 = listen.iter().any(SocketAddr::is_ipv4);
        self.settings.v6 = listen.iter().any(SocketAddr::is_ipv6);
        let seed = match self.seed {
            Some(seed) => seed,
            None => random_seed()?,
        };
        let clock = Clock::start();
        let (machine, disk, known) = match self.data_dir.take() {
            None => (Machine::new(self.settings.clone(), seed), None, 0),
            Some(folder) => {
                let settings = self.settings.clone();
                let restored = move || open(&folder, clock, settings, seed);
                let restored = tokio::task::spawn_blocking(restored).await;
                restored.map_err(|_| SpawnError::RuntimeEnds)??
            }
        };
        let keeps = disk.is_some();
        let mut host = Host::new(clock, listen.clone(), disk);
        // Whoever meets the node from now on must meet the same after a crash.
        host.keep(clock.now(), &machine);
        let (driver, handle) = Driver::new(machine, host, clock, sockets);
        let (end, ended) = watch::channel(false);
        tokio::spawn(drive(driver, clock, end));

        let entries = self.entries();
        let (join, joined) = watch::channel(known > 0 || entries.is_empty());
        let caller = Caller::new(handle.clone(), joined);
        let mut helpers = vec![
            tokio::spawn(bootstrap::keep_joined(caller.clone(), entries, join)).abort_handle(),
        ];
        if keeps {
            helpers
                .push(tokio::spawn(keep_contacts(handle, || Request::KeepContacts)).abort_handle());
        }
        let inner = Inner { caller, listen, ended, helpers };
        Ok(Node { inner: Arc::new(inner) })
    }

    fn entries(&self) -> Vec<Entry> {
        let mut entries = self.bootstrap.clone();
        if !self.no_default_bootstrap {
            let default = |(host, port): &(&str, u16)| Entry::Host((*host).to_owned(), *port);
            entries.extend(DEFAULT_HOSTS.iter().map(default));
        }
        entries
    }
}

/// Sockets on these addresses, one of each family at most; without any, on a port of all addresses
/// of this machine.
pub(crate) fn bind_all(listen: &[SocketAddr], port: u16) -> Result<Vec<Socket>, SpawnError> {
    for v6 in [false, true] {
        let mut family = listen.iter().filter(|address| address.is_ipv6() == v6);
        if let (Some(&first), Some(&second)) = (family.next(), family.next()) {
            return Err(SpawnError::TwoOfOneFamily { first, second });
        }
    }
    if !listen.is_empty() {
        return listen.iter().map(|address| bind(*address)).collect();
    }
    let mut sockets = vec![bind((Ipv4Addr::UNSPECIFIED, port).into())?];
    match bind((Ipv6Addr::UNSPECIFIED, port).into()) {
        Ok(socket) => sockets.push(socket),
        // Nobody asked for it by name, and a machine may have no IPv6.
        Err(error) => tracing::info!(%error, "going without IPv6"),
    }
    Ok(sockets)
}

fn bind(address: SocketAddr) -> Result<Socket, SpawnError> {
    Socket::bind(address).map_err(|source| {
        if source.kind() == io::ErrorKind::AddrInUse {
            SpawnError::Busy { address }
        } else if source.kind() == io::ErrorKind::AddrNotAvailable {
            SpawnError::NotOurs { address }
        } else if source.kind() == io::ErrorKind::PermissionDenied {
            SpawnError::Denied { address }
        } else {
            SpawnError::Socket { address, source }
        }
    })
}

pub(crate) fn random_seed() -> Result<[u8; 32], SpawnError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(SpawnError::Randomness)?;
    Ok(seed)
}

type Restored = (Machine, Option<Disk>, usize);

/// Opens the data folder and brings the node to where it was.
fn open(
    folder: &std::path::Path,
    clock: Clock,
    settings: Settings,
    seed: [u8; 32],
) -> Result<Restored, SpawnError> {
    let opened = Opened::open(folder, MAINLINE_FILE, unix_seconds())?;
    let (machine, known) = restore(&opened, clock.calendar(), settings, seed)?;
    Ok((machine, Some(opened.start()?), known))
}

/// Runs the driver to its end, then writes what is worth keeping.
async fn drive(driver: Driver<Machine, Host>, clock: Clock, end: watch::Sender<bool>) {
    let (machine, mut host) = driver.run().await;
    // Dropping the host waits for the disk.
    let kept = tokio::task::spawn_blocking(move || host.keep(clock.now(), &machine)).await;
    if let Err(error) = kept {
        tracing::warn!(%error, "the last contacts were not kept");
    }
    end.send_replace(true);
}

/// Has the contacts written to disk now and then, by `request`.
pub(crate) async fn keep_contacts<R>(handle: Handle<R>, request: impl Fn() -> R) {
    let mut pause = KEEP_CONTACTS_FIRST;
    loop {
        tokio::time::sleep(pause).await;
        if handle.send(request()).await.is_err() {
            return;
        }
        pause = KEEP_CONTACTS_EVERY.min(pause * 5 / 4);
    }
}
