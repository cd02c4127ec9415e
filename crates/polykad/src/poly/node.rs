//! A node of the network `poly`: built, spawned on the runtime, used, shut down.

use core::num::NonZeroU16;
use core::{fmt, mem};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use client::poly::Poly;
use client::{Client, FindError, Key, Mainline, Operation, Status, StatusError};
use kademlia::Moment;
use kademlia::limit::RateLimit;
use poly::contact::Peer;
use poly::node::{Node as Inner, Settings};
use poly::secure::{GateSettings, Secure, SecureConfig};
use poly::value::SigningKey;
use poly::wire::MAX_BULK_BYTES;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle};

use super::calls::Caller;
use super::seek::lan::Lan;
use super::seek::{Called, rendezvous};
use super::values::Values;
use super::{Host, Machine, Request, kept};
use crate::bootstrap::{self, Entry, Joins};
use crate::bulk::{Bulk, Streams};
use crate::clock::{Clock, unix_seconds};
use crate::disk::{Disk, Opened};
use crate::driver::Driver;
use crate::mapping::{self, Gateways};
use crate::node::{Node as MainlineNode, SpawnError, bind_all, keep_contacts, random_seed};
use crate::socket::{MAX_DATAGRAM_BYTES, Socket};

/// The UDP port listened on unless told otherwise.
pub const DEFAULT_PORT: u16 = 7654;

/// The name of the public network.
pub const PUBLIC_NETWORK: &str = "polykad";

/// How long what others were told may take to be taken back when a node stops.
const LEAVE_WITHIN: Duration = Duration::from_secs(2);

/// The data file with what the node knows of itself, and the folder of the values.
const FILE: &str = "poly.redb";
const VALUES: &str = "poly-values";

/// A node of the network `poly` in this process: a [`Client`]. Cheap to clone; when the last clone
/// is dropped, the node stops.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use client::poly::{GetOptions, Poly, PutOptions};
///
/// let node = polykad::PolyNode::builder().spawn().await?;
/// let put = node.put(b"hello".to_vec(), PutOptions::default()).await?;
/// println!("{} nodes hold it", put.acknowledgements.stored.len());
/// let got = node.get(put.key, GetOptions::default()).await?;
/// assert_eq!(got.value, b"hello");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct PolyNode {
    inner: Arc<Running>,
}

struct Running {
    caller: Caller,
    id: Key,
    listen: Vec<SocketAddr>,
    streams: Streams,
    called: Called,
    /// The port of the gateway that leads to ours.
    mapped: watch::Receiver<Option<u16>>,
    /// Whether the driver has ended and the disk is written.
    ended: watch::Receiver<bool>,
    /// Tasks that serve the node but would not end with it.
    helpers: Mutex<Vec<AbortHandle>>,
    /// Whether to take back what the tasks of `outside` told others.
    closing: watch::Sender<bool>,
    outside: Mutex<Vec<JoinHandle<()>>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.caller.handle().stop();
        self.closing.send_replace(true);
        for helper in mem::take(self.helpers.get_mut().unwrap_or_else(PoisonError::into_inner)) {
            helper.abort();
        }
    }
}

impl fmt::Debug for PolyNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PolyNode")
            .field("id", &self.inner.id)
            .field("listen", &self.inner.listen)
            .finish_non_exhaustive()
    }
}

impl PolyNode {
    /// Begins to describe a node.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn caller(&self) -> &Caller {
        &self.inner.caller
    }

    pub(super) fn streams(&self) -> &Streams {
        &self.inner.streams
    }

    /// Its id: an Ed25519 public key, proven to everyone it talks with.
    pub fn id(&self) -> Key {
        self.inner.id
    }

    /// The addresses it listens on, ports filled in.
    pub fn listen(&self) -> &[SocketAddr] {
        &self.inner.listen
    }

    /// Waits until the node has joined its network or has failed to; at once if it remembers
    /// contacts of an earlier run, or has no address to join through. Operations wait for this by
    /// themselves.
    ///
    /// # Errors
    /// The node has stopped.
    pub async fn joined(&self) -> Result<(), FindError> {
        Ok(self.inner.caller.joined().await?)
    }

    /// Joins through further addresses, beside those given before; returns how many nodes are near.
    ///
    /// # Errors
    /// None of them answered.
    pub async fn join(&self, addresses: Vec<SocketAddr>) -> Result<usize, FindError> {
        self.inner.caller.join(addresses).await
    }

    /// Meets others of the same network over BitTorrent's Mainline DHT until it stops: announces
    /// itself there under an info-hash made of the network's name, or of its key if it is private,
    /// and joins through those who did the same. To be called once.
    pub fn meet_over(&self, mainline: &MainlineNode) {
        let Running { caller, listen, called, mapped, helpers, .. } = &*self.inner;
        let at = rendezvous::Whereabouts { listen: listen.clone(), mapped: mapped.clone() };
        let meeting = rendezvous::keep_met(called.clone(), at, caller.clone(), mainline.clone());
        let task = caller.runtime().spawn(meeting).abort_handle();
        helpers.lock().unwrap_or_else(PoisonError::into_inner).push(task);
    }

    /// Stops the node and writes to disk what is not there yet. All clones are of no use
    /// afterwards.
    pub async fn shutdown(&self) {
        self.inner.closing.send_replace(true);
        let outside =
            mem::take(&mut *self.inner.outside.lock().unwrap_or_else(PoisonError::into_inner));
        for task in outside {
            // What is not taken back in time expires by itself.
            let _ = tokio::time::timeout(LEAVE_WITHIN, task).await;
        }
        self.inner.caller.handle().stop();
        // An error means that the runtime has dropped the driver: it has ended as well.
        let _ = self.inner.ended.clone().wait_for(|ended| *ended).await;
    }
}

impl Client for PolyNode {
    fn status(&self) -> Operation<Result<Status, StatusError>> {
        let caller = self.inner.caller.clone();
        Box::pin(async move { Ok(caller.look_at(Request::Status).await?) })
    }

    fn mainline(&self) -> Option<&dyn Mainline> {
        None
    }

    fn poly(&self) -> Option<&dyn Poly> {
        Some(self)
    }
}

/// How much others may ask.
#[derive(Clone, Copy, Debug, Default)]
enum Limits {
    #[default]
    Default,
    These(RateLimit),
    None,
}

/// Describes a node of `poly` to be spawned.
#[derive(Clone, Default)]
pub struct Builder {
    listen: Vec<SocketAddr>,
    bootstrap: Vec<Entry>,
    data_dir: Option<PathBuf>,
    seed: Option<[u8; 32]>,
    secret_key: Option<[u8; 32]>,
    network: Option<String>,
    shared_key: Option<[u8; 32]>,
    rate_limit: Limits,
    client: bool,
    repair_every: Option<Duration>,
    local_discovery: bool,
    port_mapping: bool,
}

impl fmt::Debug for Builder {
    /// Without the keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("listen", &self.listen)
            .field("bootstrap", &self.bootstrap)
            .field("data_dir", &self.data_dir)
            .field("network", &self.network)
            .finish_non_exhaustive()
    }
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

    /// Keeps identity, contacts and values in this folder, which is made if missing. Without it
    /// they are gone when the node stops.
    #[must_use]
    pub fn data_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.data_dir = Some(folder.into());
        self
    }

    /// Takes part in the network of this name; nodes of differently named ones do not understand
    /// each other. Without it: [`PUBLIC_NETWORK`].
    #[must_use]
    pub fn network(mut self, name: impl Into<String>) -> Self {
        self.network = Some(name.into());
        self
    }

    /// Takes part in a private network: whoever does not have this key gets no byte.
    #[must_use]
    pub fn shared_key(mut self, key: [u8; 32]) -> Self {
        self.shared_key = Some(key);
        self
    }

    /// Has this Ed25519 secret key, whose public key is its id. A key kept on disk goes before.
    #[must_use]
    pub fn secret_key(mut self, key: [u8; 32]) -> Self {
        self.secret_key = Some(key);
        self
    }

    /// Limits what one host or subnet may ask; `None`: no limit, for load tests. On by default.
    #[must_use]
    pub fn rate_limit(mut self, limit: Option<RateLimit>) -> Self {
        self.rate_limit = limit.map_or(Limits::None, Limits::These);
        self
    }

    /// Asks but holds nothing, and stays out of others' tables: for a node that others can't reach.
    #[must_use]
    pub fn client(mut self, client: bool) -> Self {
        self.client = client;
        self
    }

    /// Finds others of its network on the local one and is found by them, by multicast DNS, unless
    /// it listens on loopback alone. Off by default: a library asks for no attention by itself.
    #[must_use]
    pub fn local_discovery(mut self, wanted: bool) -> Self {
        self.local_discovery = wanted;
        self
    }

    /// Asks the gateway for a port that leads to the node's, by PCP, NAT-PMP or UPnP, unless it
    /// listens on loopback alone; gives it back when it stops. Off by default.
    #[must_use]
    pub fn port_mapping(mut self, wanted: bool) -> Self {
        self.port_mapping = wanted;
        self
    }

    /// Compares what it holds with another holder so often, instead of every ten minutes: shorter
    /// for measurements that cannot wait.
    #[must_use]
    pub fn repair_every(mut self, period: Duration) -> Self {
        self.repair_every = Some(period);
        self
    }

    /// Draws the node's key and all its randomness from this seed, for repeatable tests. Nobody may
    /// know it of a node that is attacked. Must be new for every run.
    #[must_use]
    pub fn seed(mut self, seed: [u8; 32]) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Starts the node on the current tokio runtime. It runs until shut down or dropped.
    ///
    /// # Errors
    /// An address or the data folder can't be used.
    pub async fn spawn(mut self) -> Result<PolyNode, SpawnError> {
        let sockets = bind_all(&self.listen, DEFAULT_PORT)?;
        let listen: Vec<_> = sockets.iter().map(Socket::local).collect();
        let whole = sockets.iter().all(Socket::never_fragment);
        let longest = u16::try_from(MAX_DATAGRAM_BYTES).ok().filter(|_| whole);
        let seed = match self.seed {
            Some(seed) => seed,
            None => random_seed()?,
        };
        let clock = Clock::start();
        let identity = self.secret_key.unwrap_or_else(|| derived(&seed, "identity"));
        let kept = match self.data_dir.take() {
            None => {
                let values = Values::in_memory();
                Kept { identity, contacts: Vec::new(), disk: None, values }
            }
            Some(folder) => {
                let opened = tokio::task::spawn_blocking(move || open(&folder, identity)).await;
                opened.map_err(|_| SpawnError::RuntimeEnds)??
            }
        };
        let known = kept.contacts.len();
        let Kept { identity, contacts, disk, values } = kept;
        let machine = self.machine((&identity, &contacts, values), &listen, clock, &seed);
        let id = machine.id();
        let (map, mapped) = watch::channel(None);
        let host = Host::new(clock, listen.clone(), mapped.clone(), disk);
        let (driver, handle) = Driver::new(machine, host, clock, sockets);
        let nudge = handle.clone();
        let streams = Streams::new(move || {
            // An error means that the driver has ended, and with it all streams.
            let _ = nudge.send_urgent(Request::Carry);
        });
        let bulk = Bulk::new(&identity, MAX_BULK_BYTES, longest, derived(&seed, "bulk"))?;
        let bulk = bulk.with_streams(streams.clone());
        let (end, ended) = watch::channel(false);
        tokio::spawn(drive(driver.with_carrier(bulk), end));

        let network = self.network.as_deref().unwrap_or(PUBLIC_NETWORK).to_owned();
        let (join, joined) = watch::channel(known > 0 || self.bootstrap.is_empty());
        let caller = Caller::new(handle.clone(), joined);
        let joining = bootstrap::keep_joined(caller.clone(), self.bootstrap, join);
        // Without a disk, too: it also tells the node of a clock that was set.
        let keeping = keep_contacts(handle, || Request::KeepContacts);
        let helpers =
            vec![tokio::spawn(joining).abort_handle(), tokio::spawn(keeping).abort_handle()];
        let called = Called::new(&network, self.shared_key);
        let (closing, closes) = watch::channel(false);
        let lan = self.local_discovery.then(|| Lan::new(&called, &listen, derived(&seed, "lan")));
        let outside = turn_outside(
            &caller,
            &listen,
            lan.flatten(),
            self.port_mapping.then_some(map),
            &closes,
        );
        let (helpers, outside) = (Mutex::new(helpers), Mutex::new(outside));
        Ok(PolyNode {
            inner: Arc::new(Running {
                caller,
                id,
                listen,
                streams,
                called,
                mapped,
                ended,
                helpers,
                closing,
                outside,
            }),
        })
    }

    fn machine(
        &self,
        (identity, contacts, values): (&[u8; 32], &[Peer], Values),
        listen: &[SocketAddr],
        clock: Clock,
        seed: &[u8; 32],
    ) -> Machine {
        let identity = SigningKey::from_bytes(identity);
        let id = Key::new(identity.verifying_key().to_bytes());
        let unix_start = clock.calendar().to_unix(Moment::START);
        let mut settings = Settings::new(id, unix_start);
        settings.v4 = listen.iter().any(SocketAddr::is_ipv4);
        settings.v6 = listen.iter().any(SocketAddr::is_ipv6);
        settings.client = self.client;
        // Nothing stands between nodes of one machine.
        settings.test_reach = !listen.iter().all(|address| address.ip().is_loopback());
        settings.repair_every = self.repair_every.unwrap_or(settings.repair_every);
        let network = self.network.as_deref().unwrap_or(PUBLIC_NETWORK);
        let mut secure = SecureConfig {
            network: network.as_bytes().to_vec(),
            shared_key: self.shared_key,
            started_unix_ms: Some(unix_start * 1000),
            ..SecureConfig::default()
        };
        match self.rate_limit {
            Limits::Default => {}
            Limits::These(limit) => settings.rate_limit = Some(limit),
            Limits::None => {
                settings.rate_limit = None;
                secure.gate = UNLIMITED;
            }
        }
        let mut node = Inner::with_store(settings, derived(seed, "node"), values);
        node.restore_contacts(contacts.iter().copied());
        Secure::new(node, &identity, secure, derived(seed, "secure"))
    }
}

/// Begins what others are told of the node beside its network's messages.
fn turn_outside(
    caller: &Caller,
    listen: &[SocketAddr],
    lan: Option<Lan>,
    map: Option<watch::Sender<Option<u16>>>,
    closes: &watch::Receiver<bool>,
) -> Vec<JoinHandle<()>> {
    let mut outside = Vec::new();
    if let Some(lan) = lan {
        outside.push(tokio::spawn(lan.keep_found(caller.clone(), closes.clone())));
    }
    let port = listen.iter().find(|address| mapping::may_be_mapped(address));
    if let (Some(port), Some(map)) = (port.and_then(|at| NonZeroU16::new(at.port())), map) {
        let keeping = mapping::keep_mapped(port, Gateways::around, map, closes.clone());
        outside.push(tokio::spawn(keeping));
    }
    outside
}

/// For load tests.
const UNLIMITED: GateSettings =
    GateSettings { incoming: None, outgoing: None, handshakes_per_second: u32::MAX };

/// What an earlier run left, or what this one begins with.
struct Kept {
    identity: [u8; 32],
    contacts: Vec<Peer>,
    disk: Option<Disk>,
    values: Values,
}

/// Opens the data folder. `identity` is kept if there is none yet.
fn open(folder: &Path, identity: [u8; 32]) -> Result<Kept, SpawnError> {
    let mut opened = Opened::open(folder, FILE, unix_seconds())?;
    let before = opened.state(kept::SECRET_KEY)?;
    let before = before.and_then(|key| <[u8; 32]>::try_from(key).ok());
    let contacts = opened.state(kept::CONTACTS)?.unwrap_or_default();
    let contacts = kept::decode_contacts(&contacts).take(kept::MAX_CONTACTS).collect();
    // Whoever hears of the node must find the same one again, whenever it is killed.
    if before.is_none() {
        opened.set(kept::SECRET_KEY, &identity)?;
    }
    let disk = opened.start()?;
    let values = Values::on_disk(&folder.join(VALUES))?;
    Ok(Kept { identity: before.unwrap_or(identity), contacts, disk: Some(disk), values })
}

/// A seed for one purpose, of which others tell nothing.
fn derived(seed: &[u8; 32], purpose: &str) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("polykad poly 1 node seeds");
    hasher.update(seed);
    hasher.update(purpose.as_bytes());
    *hasher.finalize().as_bytes()
}

/// Runs the driver to its end, then writes what is worth keeping.
async fn drive(driver: Driver<Machine, Host>, end: watch::Sender<bool>) {
    // A node is large, and so is what runs it.
    let (machine, mut host) = Box::pin(driver.run()).await;
    // Dropping the host waits for the disk.
    let kept = tokio::task::spawn_blocking(move || host.keep(&machine)).await;
    if let Err(error) = kept {
        tracing::warn!(%error, "the last contacts were not kept");
    }
    end.send_replace(true);
}
