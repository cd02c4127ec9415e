//! A node in this process: started, served on loopback to who has its token, stopped.

use core::net::{Ipv4Addr, SocketAddr};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use client::Client;
use client::http::json::hex_bytes;
use gateway::{Gateway, Settings};
use polykad::{Nodes, PolyNode};
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::author::random;

/// One node is one task, and its API another.
const THREADS: usize = 2;

/// Runs all nodes of this process.
static RUNTIME: LazyLock<io::Result<Runtime>> = LazyLock::new(|| {
    Builder::new_multi_thread().worker_threads(THREADS).thread_name("polykad").enable_all().build()
});

fn runtime() -> PyResult<&'static Runtime> {
    let threads = |error: &io::Error| PyOSError::new_err(format!("cannot start threads: {error}"));
    RUNTIME.as_ref().map_err(threads)
}

/// A node in this process.
#[pyclass(frozen, module = "polykad._native")]
pub(crate) struct Node {
    url: String,
    token: String,
    listen: Vec<SocketAddr>,
    running: Mutex<Option<Running>>,
}

/// What ends with a node. Dropped, it ends too, but nobody waits for it.
struct Running {
    nodes: Nodes,
    gateway: JoinHandle<()>,
    /// Its end, whether said or dropped, stops the gateway.
    stop: oneshot::Sender<()>,
}

#[pymethods]
impl Node {
    #[getter]
    fn url(&self) -> &str {
        &self.url
    }

    #[getter]
    fn token(&self) -> &str {
        &self.token
    }

    #[getter]
    fn listen(&self) -> Vec<String> {
        self.listen.iter().map(ToString::to_string).collect()
    }

    /// Stops it; again: does nothing.
    fn stop(&self, py: Python<'_>) -> PyResult<()> {
        let runtime = runtime()?;
        py.detach(|| {
            let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
            let Some(Running { nodes, gateway, stop }) = running else { return };
            runtime.block_on(async {
                // Errors of both mean that the gateway has ended already.
                let _ = stop.send(());
                let _ = gateway.await;
                nodes.shutdown().await;
            });
        });
        Ok(())
    }

    fn __repr__(&self) -> String {
        format!("<Node at {}>", self.url)
    }
}

/// What a node is to be.
struct Wish {
    network: String,
    listen: Vec<SocketAddr>,
    bootstrap: Vec<(String, u16)>,
    default_bootstrap: bool,
    data: Option<PathBuf>,
    name: Option<String>,
    key: Option<[u8; 32]>,
}

/// Starts a node of the network "poly" or "mainline".
#[pyfunction]
#[pyo3(signature = (network, listen, bootstrap, default_bootstrap, data, name, key))]
#[expect(clippy::too_many_arguments, reason = "Python names each of them")]
pub(crate) fn start(
    py: Python<'_>,
    network: String,
    listen: Vec<String>,
    bootstrap: Vec<String>,
    default_bootstrap: bool,
    data: Option<PathBuf>,
    name: Option<String>,
    key: Option<[u8; 32]>,
) -> PyResult<Node> {
    let listen = listen.into_iter().map(|text| address(&text)).collect::<PyResult<_>>()?;
    let bootstrap = bootstrap.into_iter().map(|text| entry(&text)).collect::<PyResult<_>>()?;
    let wish = Wish { network, listen, bootstrap, default_bootstrap, data, name, key };
    let runtime = runtime()?;
    py.detach(|| runtime.block_on(spawn(wish)))
}

fn address(text: &str) -> PyResult<SocketAddr> {
    let problem = |_| PyValueError::new_err(format!("'{text}': write IP:PORT, as 0.0.0.0:7654"));
    text.parse().map_err(problem)
}

/// A node to join through: an address, or a host's name and a port.
fn entry(text: &str) -> PyResult<(String, u16)> {
    let parts = text.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
    let host = |host: &str| host.trim_matches(['[', ']']).to_owned();
    let parts = parts.filter(|(host, _)| !host.is_empty()).map(|(name, port)| (host(name), port));
    parts.ok_or_else(|| PyValueError::new_err(format!("'{text}': write HOST:PORT")))
}

async fn spawn(wish: Wish) -> PyResult<Node> {
    let failed = |error: &dyn core::fmt::Display| PyOSError::new_err(error.to_string());
    let (nodes, listen) = match wish.network.as_str() {
        "poly" => poly(wish).await.map_err(|error| failed(&error))?,
        "mainline" if wish.name.is_some() || wish.key.is_some() => {
            return Err(PyValueError::new_err("name and key say which network of poly it is"));
        }
        "mainline" => mainline(wish).await.map_err(|error| failed(&error))?,
        other => {
            let message = format!("network '{other}': there are 'poly' and 'mainline'");
            return Err(PyValueError::new_err(message));
        }
    };
    let token = hex_bytes(&random::<24>()?);
    let settings = Settings { token: Some(token.clone()), ..Settings::default() };
    let client: Arc<dyn Client> = Arc::new(nodes.clone());
    let gateway = Gateway::bind(client, (Ipv4Addr::LOCALHOST, 0).into(), settings).await;
    let gateway = gateway.map_err(|error| failed(&error))?;
    let url = format!("http://{}", gateway.address());
    let (stop, stopped) = oneshot::channel();
    let gateway = tokio::spawn(gateway.serve(async {
        // An error means that the node was dropped without being stopped: all the same.
        let _ = stopped.await;
    }));
    let running = Mutex::new(Some(Running { nodes, gateway, stop }));
    Ok(Node { url, token, listen, running })
}

type Spawned = Result<(Nodes, Vec<SocketAddr>), polykad::SpawnError>;

async fn mainline(wish: Wish) -> Spawned {
    let mut builder = polykad::Node::builder();
    for address in wish.listen {
        builder = builder.listen(address);
    }
    for (host, port) in wish.bootstrap {
        builder = builder.bootstrap_host(host, port);
    }
    if !wish.default_bootstrap {
        builder = builder.no_default_bootstrap();
    }
    if let Some(folder) = wish.data {
        builder = builder.data_dir(folder);
    }
    let node = builder.spawn().await?;
    let listen = node.listen().to_vec();
    Ok((node.into(), listen))
}

async fn poly(wish: Wish) -> Spawned {
    let mut builder = PolyNode::builder();
    for address in wish.listen {
        builder = builder.listen(address);
    }
    for (host, port) in wish.bootstrap {
        builder = builder.bootstrap_host(host, port);
    }
    if let Some(folder) = wish.data {
        builder = builder.data_dir(folder);
    }
    if let Some(name) = wish.name {
        builder = builder.network(name);
    }
    if let Some(key) = wish.key {
        builder = builder.shared_key(key);
    }
    let node = builder.spawn().await?;
    let listen = node.listen().to_vec();
    Ok((node.into(), listen))
}
