//! The node behind a command: started, joined, asked, stopped.
//!
//! The one module that knows how `polykad` builds nodes; all others see the client's traits.

use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use client::status::FamilyStatus;
use client::{Client, FindError, Mainline, Status};
use polykad::config::{ConfigError, HttpLayer, Layer};
use polykad::{Builder, DEFAULT_HOSTS, Node, Nodes, PolyBuilder, PolyNode, SpawnError};

use crate::args::{JoinOptions, Network, PolyServeOptions, ServeOptions};
use crate::failure::Failure;
use crate::parse::Endpoint;
use crate::poly::named;

/// Whom a command's node talks to first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Through {
    /// The network, through its bootstrap nodes.
    Bootstrap,
    /// This address alone: the command needs nobody else.
    Nobody(SocketAddr),
}

/// A running node. Dropping it stops it at once.
#[derive(Clone)]
pub(crate) struct Joined {
    node: Node,
}

/// Whether a command is to have a node of its own, whatever daemon runs.
pub(crate) fn wants_its_own(options: &JoinOptions) -> bool {
    let names = ["POLYKAD_BOOTSTRAP", "POLYKAD_NO_DEFAULT_BOOTSTRAP"];
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let by_flag =
        !options.bootstrap.is_empty() || options.no_default_bootstrap || !options.listen.is_empty();
    options.daemon.daemon.is_none() && (by_flag || names.into_iter().any(is_set))
}

/// Starts a node for one command: it asks, but others need not keep it in mind (BEP 43).
pub(crate) async fn join(options: &JoinOptions, through: Through) -> Result<Joined, Failure> {
    let flags = Layer {
        bootstrap: entries(&options.bootstrap),
        no_default_bootstrap: options.no_default_bootstrap.then_some(true),
        ..Layer::default()
    };
    let environment = Layer::from_env()?;
    // What else the environment says is meant for the daemon: its port, its data.
    let mut layer = flags.over(Layer {
        bootstrap: environment.bootstrap,
        no_default_bootstrap: environment.no_default_bootstrap,
        ..Layer::default()
    });
    let wanted = match through {
        Through::Nobody(address) => {
            layer.bootstrap = None;
            layer.no_default_bootstrap = Some(true);
            vec![address.is_ipv6()]
        }
        Through::Bootstrap => families(&layer)?,
    };
    let builder = layer.builder()?.deadline(options.timeout).read_only(true).rate_limit(None);
    if !options.listen.is_empty() {
        let builder = options.listen.iter().fold(builder, |builder, &one| builder.listen(one));
        return Ok(Joined { node: builder.spawn().await? });
    }
    let any = |v6: bool| -> SocketAddr {
        if v6 { (Ipv6Addr::UNSPECIFIED, 0).into() } else { (Ipv4Addr::UNSPECIFIED, 0).into() }
    };
    let all = wanted.iter().fold(builder.clone(), |builder, &v6| builder.listen(any(v6)));
    match all.spawn().await {
        // Nobody asked for IPv6 by name, and a machine may have none.
        Err(_) if wanted.len() > 1 => {
            Ok(Joined { node: builder.listen(any(false)).spawn().await? })
        }
        spawned => Ok(Joined { node: spawned? }),
    }
}

/// Which families the nodes to join through may have, IPv6 or not.
fn families(layer: &Layer) -> Result<Vec<bool>, Failure> {
    let bootstrap = layer.bootstrap.as_deref().unwrap_or_default();
    let addresses: Vec<Option<SocketAddr>> =
        bootstrap.iter().map(|entry| entry.parse().ok()).collect();
    if layer.no_default_bootstrap != Some(true) {
        return Ok(vec![false, true]);
    }
    if bootstrap.is_empty() {
        return Err(Failure::wrong_use(
            "nobody to join through: give --bootstrap IP:PORT, or leave out --no-default-bootstrap",
        ));
    }
    let may_have = |v6: bool| {
        addresses.iter().any(|address| address.is_none_or(|address| address.is_ipv6() == v6))
    };
    Ok([false, true].into_iter().filter(|&v6| may_have(v6)).collect())
}

/// Starts the nodes that serve, and says how many they join through.
pub(crate) async fn serve(
    options: &ServeOptions,
) -> Result<(Nodes, usize, Option<HttpLayer>), Failure> {
    let flags = Layer {
        listen: (!options.listen.is_empty()).then(|| options.listen.clone()),
        bootstrap: entries(&options.bootstrap),
        no_default_bootstrap: options.no_default_bootstrap.then_some(true),
        data: options.data.clone(),
        no_rate_limit: options.no_rate_limit.then_some(true),
        read_only: options.read_only.then_some(true),
        http: crate::gateway::layer(&options.http),
        ..Layer::default()
    };
    let mut layer = flags.over(Layer::from_env()?);
    if let Some(file) = options.config.clone().or_else(config_in_environment) {
        layer = layer.over(Layer::from_file(&file)?);
    }
    let given = layer.bootstrap.as_ref().map_or(0, Vec::len);
    let default = match layer.no_default_bootstrap {
        Some(true) => 0,
        _ => DEFAULT_HOSTS.len(),
    };
    let has_poly = options.network.contains(&Network::Poly);
    if !options.network.contains(&Network::Mainline) {
        let http = layer.http.clone();
        let (node, entries) = serve_poly(options, layer, true).await?;
        return Ok((node.into(), entries, http));
    }
    let (mut entries, http) = (given + default, layer.http.clone());
    let mut nodes = Nodes::from(layer.clone().builder()?.spawn().await?);
    if has_poly {
        let (node, more) = serve_poly(options, layer, false).await?;
        nodes.poly = Some(node);
        entries += more;
    }
    Ok((nodes, entries, http))
}

/// Starts the node of Polykad's own network. If it is `alone`, what is said of no network in
/// particular is said of it.
async fn serve_poly(
    options: &ServeOptions,
    layer: Layer,
    alone: bool,
) -> Result<(PolyNode, usize), Failure> {
    let PolyServeOptions { poly_listen, poly_bootstrap, which } = &options.poly;
    let mut builder = named(PolyNode::builder(), which)?.client(layer.read_only == Some(true));
    let mut listen = poly_listen.clone();
    let mut entries: Vec<Endpoint> = poly_bootstrap.clone();
    if alone {
        if listen.is_empty() {
            listen = layer.listen.unwrap_or_default();
        }
        for entry in layer.bootstrap.unwrap_or_default() {
            entries.push(entry.parse().map_err(|_| ConfigError::Bootstrap { entry })?);
        }
    }
    builder = listen.into_iter().fold(builder, PolyBuilder::listen);
    builder = entries.iter().fold(builder, |builder, entry| match entry {
        Endpoint::Address(address) => builder.bootstrap(*address),
        Endpoint::Name { host, port } => builder.bootstrap_host(host, *port),
    });
    if let Some(folder) = layer.data {
        builder = builder.data_dir(folder);
    }
    if layer.no_rate_limit == Some(true) {
        builder = builder.rate_limit(None);
    }
    Ok((builder.spawn().await?, entries.len()))
}

fn config_in_environment() -> Option<std::path::PathBuf> {
    std::env::var_os("POLYKAD_CONFIG").filter(|value| !value.is_empty()).map(Into::into)
}

/// Starts a node of the demo; `first` is one to join through.
pub(crate) async fn start_local(
    listen: SocketAddr,
    first: Option<SocketAddr>,
    seed: [u8; 32],
) -> Result<Joined, Failure> {
    let builder: Builder = Node::builder().listen(listen).no_default_bootstrap().seed(seed);
    // One machine plays all hosts: what one of them may ask says nothing here.
    let builder = builder.rate_limit(None);
    let builder = first.into_iter().fold(builder, Builder::bootstrap);
    Ok(Joined { node: builder.spawn().await? })
}

/// What flags say; `None`: nothing.
fn entries(endpoints: &[Endpoint]) -> Option<Vec<String>> {
    (!endpoints.is_empty()).then(|| endpoints.iter().map(Endpoint::to_string).collect())
}

impl Joined {
    pub(crate) fn mainline(&self) -> &dyn Mainline {
        &self.node
    }

    pub(crate) async fn status(&self) -> Result<Status, Failure> {
        Ok(self.node.status().await.map_err(|_| FindError::Stopped)?)
    }

    /// The node for a gateway.
    pub(crate) fn client(&self) -> std::sync::Arc<dyn Client> {
        std::sync::Arc::new(self.node.clone())
    }
}

/// The sides of a node, by the name of their family.
pub(crate) fn sides(status: &Status) -> Vec<(&'static str, &FamilyStatus)> {
    let mainline = status.mainline.as_ref();
    let v4 = mainline.and_then(|mainline| mainline.v4.as_ref()).map(|side| ("IPv4", side));
    let v6 = mainline.and_then(|mainline| mainline.v6.as_ref()).map(|side| ("IPv6", side));
    v4.into_iter().chain(v6).collect()
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::wrong_use(error.to_string())
    }
}

impl From<SpawnError> for Failure {
    fn from(error: SpawnError) -> Self {
        Self::wrong_use(error.to_string())
    }
}

/// The address of an endpoint; a name is resolved.
pub(crate) async fn resolve(endpoint: &Endpoint) -> Result<SocketAddr, Failure> {
    let (host, port) = match endpoint {
        Endpoint::Address(address) => return Ok(*address),
        Endpoint::Name { host, port } => (host.as_str(), *port),
    };
    let found = tokio::net::lookup_host((host, port)).await;
    found.ok().and_then(|mut addresses| addresses.next()).ok_or_else(|| {
        Failure::failed(format!("{endpoint} has no address: check the name, or write an address"))
    })
}

/// Waits for ctrl-c or SIGTERM.
pub(crate) async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    // An error means that the system tells of no signals: then it ends us by itself.
    if tokio::signal::ctrl_c().await.is_err() {
        core::future::pending::<()>().await;
    }
}
