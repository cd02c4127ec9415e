//! Connections: taken, bounded, served, closed.
//!
//! There are at most [`Limits::connections`](crate::Limits): for a new one the connection that has
//! been idle the longest is closed, so that idle ones can't keep others out. A connection that
//! sends no whole head in time, or does not take what it is sent, is closed.

use core::convert::Infallible;
use core::net::SocketAddr;
use core::pin::Pin;
use core::sync::atomic::{AtomicU64, Ordering};
use core::task::{Context, Poll};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use client::Client;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_io_timeout::TimeoutStream;

use crate::app::{App, Counts, Shared};
use crate::guard::{Remote, guard};
use crate::settings::{Limits, Settings};
use crate::{api, live, page};

/// How long connections may go on when the gateway stops.
const STOP_WITHIN: Duration = Duration::from_secs(2);
/// How long to wait after the system has refused a connection: it is short of something.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(50);
/// Bytes of a head; the least that the HTTP library takes. Longer ones are refused with 431.
const HEAD_BYTES: usize = 16 << 10;
/// Headers of a request.
const MOST_HEADERS: usize = 64;

/// Why a gateway can't listen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// Everybody on the network could use the node.
    #[error(
        "{address} is open to others: set a token with --http-token-file, or say --http-insecure"
    )]
    Open {
        /// The address.
        address: SocketAddr,
    },
    /// Another program uses the port.
    #[error("HTTP port {address} is in use already: stop the other program, or take another port")]
    Busy {
        /// The address.
        address: SocketAddr,
    },
    /// Another trouble with the socket.
    #[error("cannot listen on {address} for HTTP: {source}; try another address")]
    Socket {
        /// The address.
        address: SocketAddr,
        /// The system's words.
        source: io::Error,
    },
}

/// A gateway that listens, but does not serve yet.
pub struct Gateway {
    listener: TcpListener,
    address: SocketAddr,
    app: App,
    stopping: watch::Sender<bool>,
}

/// Changes a gateway while it serves. Cheap to clone.
#[derive(Clone)]
pub struct Controls(App);

impl Controls {
    /// From now on these bounds hold. What is under way goes on, connections that are open too.
    pub fn set_limits(&self, limits: Limits) {
        self.0.set_limits(limits);
    }
}

impl core::fmt::Debug for Controls {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("Controls").field(&self.0.limits()).finish()
    }
}

impl core::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Gateway").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Gateway {
    /// Listens on this TCP address; port 0 lets the system choose.
    ///
    /// # Errors
    /// The address can't be used, or not without a token.
    pub async fn bind(
        client: Arc<dyn Client>,
        address: SocketAddr,
        settings: Settings,
    ) -> Result<Self, BindError> {
        if !settings.may_listen(address) {
            return Err(BindError::Open { address });
        }
        let trouble = |source: io::Error| {
            if source.kind() == io::ErrorKind::AddrInUse {
                BindError::Busy { address }
            } else {
                BindError::Socket { address, source }
            }
        };
        let listener = TcpListener::bind(address).await.map_err(trouble)?;
        let address = listener.local_addr().map_err(trouble)?;
        let (stopping, is_stopping) = watch::channel(false);
        let mut publisher = [0; 32];
        let no_random = |error: getrandom::Error| trouble(io::Error::other(error));
        getrandom::fill(&mut publisher).map_err(no_random)?;
        let app = Shared::new(client, settings, publisher, is_stopping);
        Ok(Self { listener, address, app, stopping })
    }

    /// What changes it while it serves.
    pub fn controls(&self) -> Controls {
        Controls(Arc::clone(&self.app))
    }

    /// Where it listens, port filled in.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` is done; then ends what is under way, within two seconds.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        let Self { listener, app, stopping, .. } = self;
        let looking = tokio::spawn(live::look(Arc::clone(&app)));
        let connections = Arc::new(Connections::new(&app));
        let router = router(&app);
        let mut tasks = JoinSet::new();
        let mut stop = core::pin::pin!(stop);
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                Some(_) = tasks.join_next() => continue,
                () = &mut stop => break,
            };
            let Ok((stream, remote)) = accepted else {
                tokio::time::sleep(ACCEPT_AGAIN_AFTER).await;
                continue;
            };
            let Some(place) = connections.enter(remote) else { continue };
            let stopping = app.stopping.clone();
            tasks.spawn(converse(stream, place, router.clone(), Arc::clone(&app), stopping));
        }
        stopping.send_replace(true);
        app.announcements.end();
        // Time is up for who is not done.
        let _ = timeout(STOP_WITHIN, async { while tasks.join_next().await.is_some() {} }).await;
        looking.abort();
    }
}

fn router(app: &App) -> Router {
    api::routes()
        .merge(page::routes())
        .fallback(async || page::not_here())
        .method_not_allowed_fallback(page::wrong_method)
        .layer(axum::middleware::from_fn_with_state(Arc::clone(app), guard))
        .with_state(Arc::clone(app))
}

/// Serves one connection to its end.
async fn converse(
    stream: TcpStream,
    place: Seat,
    router: Router,
    app: App,
    mut stopping: watch::Receiver<bool>,
) {
    let limits = app.limits();
    // Only makes answers later.
    let _ = stream.set_nodelay(true);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limits.write_within));
    let io = TokioIo::new(Box::pin(stream));
    let held = Arc::clone(&place.0);
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Remote(held.remote));
        let busy = Busy::new(&held);
        let response = router.call(request);
        async move {
            let response: Result<Response<Body>, Infallible> = response.await;
            response.map(|response| response.map(|body| Tracked { body, busy }))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_within)
        .max_buf_size(HEAD_BYTES)
        .max_headers(MOST_HEADERS)
        .serve_connection(io, service);
    let mut connection = core::pin::pin!(connection);
    let mut is_stopping = false;
    loop {
        tokio::select! {
            // An error means that the other end broke the rules, or is gone.
            _ = connection.as_mut() => return,
            () = place.0.crowded_out.notified() => return,
            _ = stopping.wait_for(|stopping| *stopping), if !is_stopping => {
                is_stopping = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

/// All connections.
struct Connections {
    app: App,
    start: Instant,
    next: AtomicU64,
    places: Mutex<BTreeMap<u64, Arc<Place>>>,
}

/// A connection's place among them.
struct Place {
    number: u64,
    remote: SocketAddr,
    /// Milliseconds since the start when it became idle; [`BUSY`]: it is not.
    idle_since: AtomicU64,
    crowded_out: Notify,
    connections: std::sync::Weak<Connections>,
}

const BUSY: u64 = u64::MAX;

impl Connections {
    fn new(app: &App) -> Self {
        Self {
            app: Arc::clone(app),
            start: Instant::now(),
            next: AtomicU64::new(0),
            places: Mutex::default(),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(0)
    }

    fn counts(&self) -> &Counts {
        &self.app.counts
    }

    /// A place for a new connection; `None`: there is none.
    fn enter(self: &Arc<Self>, remote: SocketAddr) -> Option<Seat> {
        let limits = self.app.limits();
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let ip = remote.ip();
        let is_crowd = !ip.is_loopback()
            && places.values().filter(|place| place.remote.ip() == ip).count()
                >= limits.connections_per_host;
        if is_crowd || (places.len() >= limits.connections && !self.make_room(&mut places)) {
            self.counts().crowded_out.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let place = Arc::new(Place {
            number,
            remote,
            idle_since: AtomicU64::new(self.now()),
            crowded_out: Notify::new(),
            connections: Arc::downgrade(self),
        });
        places.insert(number, Arc::clone(&place));
        self.counts().connections.fetch_add(1, Ordering::Relaxed);
        self.counts().open.store(places.len() as u64, Ordering::Relaxed);
        Some(Seat(place))
    }

    /// Closes the connection that has been idle the longest. False: none is.
    fn make_room(&self, places: &mut BTreeMap<u64, Arc<Place>>) -> bool {
        let idle =
            places.values().map(|place| (place.idle_since.load(Ordering::Relaxed), place.number));
        let Some((since, number)) = idle.min() else { return false };
        if since == BUSY {
            return false;
        }
        let Some(place) = places.remove(&number) else { return false };
        place.crowded_out.notify_one();
        self.counts().crowded_out.fetch_add(1, Ordering::Relaxed);
        true
    }

    fn leave(&self, number: u64) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.remove(&number);
        self.counts().open.store(places.len() as u64, Ordering::Relaxed);
    }
}

/// A place that is free again once its connection ends.
struct Seat(Arc<Place>);

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(connections) = self.0.connections.upgrade() {
            connections.leave(self.0.number);
        }
    }
}

/// A request under way, to the last byte of its answer.
struct Busy(Arc<Place>);

impl Busy {
    fn new(place: &Arc<Place>) -> Self {
        place.idle_since.store(BUSY, Ordering::Relaxed);
        Self(Arc::clone(place))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let now = self.0.connections.upgrade().map_or(0, |connections| connections.now());
        self.0.idle_since.store(now, Ordering::Relaxed);
    }
}

/// A body whose connection is busy until it is sent.
struct Tracked {
    body: Body,
    #[expect(dead_code, reason = "its drop says that the connection is idle again")]
    busy: Busy,
}

impl hyper::body::Body for Tracked {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
