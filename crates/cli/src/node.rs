//! The node behind a command: started, joined, asked, stopped.
//!
//! The one module that knows how `polykad` builds nodes; all others see the client's traits.

use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use client::status::FamilyStatus;
use client::{Client, FindError, Mainline, Status};
use polykad::config::{self, ConfigError, Layer, PolyLayer};
use polykad::{Builder, DEFAULT_HOSTS, Node, Nodes, SpawnError};

use crate::args::{JoinOptions, Network, PolyServeOptions, ServeOptions};
use crate::failure::Failure;
use crate::parse::Endpoint;

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

/// What flags, environment and file say together.
pub(crate) fn settings(options: &ServeOptions) -> Result<Layer, Failure> {
    let PolyServeOptions { poly_listen, poly_bootstrap, which, .. } = &options.poly;
    let PolyServeOptions { no_mdns, no_rendezvous, no_port_mapping, .. } = &options.poly;
    let poly = PolyLayer {
        listen: (!poly_listen.is_empty()).then(|| poly_listen.clone()),
        bootstrap: entries(poly_bootstrap),
        name: which.poly_name.clone(),
        key_file: which.poly_key_file.clone(),
        mdns: no_mdns.then_some(false),
        rendezvous: no_rendezvous.then_some(false),
        port_mapping: no_port_mapping.then_some(false),
    };
    let networks = options.network.iter().map(|network| (*network).into());
    let flags = Layer {
        networks: (!options.network.is_empty()).then(|| networks.collect()),
        listen: (!options.listen.is_empty()).then(|| options.listen.clone()),
        bootstrap: entries(&options.bootstrap),
        no_default_bootstrap: options.no_default_bootstrap.then_some(true),
        data: options.data.clone(),
        no_rate_limit: options.no_rate_limit.then_some(true),
        read_only: options.read_only.then_some(true),
        poly: (poly != PolyLayer::default()).then_some(poly),
        http: crate::gateway::layer(&options.http),
        ..Layer::default()
    };
    let layer = flags.over(Layer::from_env()?);
    Ok(match options.config.clone().or_else(config_in_environment) {
        Some(file) => layer.over(Layer::from_file(&file)?),
        None => layer,
    })
}

/// Starts the nodes that serve, and says how many they join through.
pub(crate) async fn serve(layer: &Layer) -> Result<(Nodes, usize), Failure> {
    let networks = layer.networks.as_deref().unwrap_or(&config::Network::ALL);
    let has = |network| networks.contains(&network);
    let (with_mainline, with_poly) = (has(config::Network::Mainline), has(config::Network::Poly));
    let given = layer.bootstrap.as_ref().map_or(0, Vec::len);
    let poly = layer.poly.as_ref().and_then(|poly| poly.bootstrap.as_ref()).map_or(0, Vec::len);
    let default = match layer.no_default_bootstrap {
        Some(true) => 0,
        _ if with_mainline => DEFAULT_HOSTS.len(),
        _ => 0,
    };
    let mut nodes = Nodes::default();
    if with_mainline {
        nodes.mainline = Some(layer.builder()?.spawn().await?);
    }
    if with_poly {
        let spawned = layer.poly_builder(!with_mainline)?.spawn().await;
        nodes.poly = Some(spawned.map_err(|error| {
            let failure = Failure::from(error);
            let hint = if with_mainline { " (for poly: --poly-listen)" } else { "" };
            Failure { message: format!("{}{hint}", failure.message), ..failure }
        })?);
    }
    if let (Some(mainline), Some(poly)) = (&nodes.mainline, &nodes.poly)
        && layer.meets_over_mainline()
    {
        poly.meet_over(mainline);
    }
    Ok((nodes, given + default + poly))
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

/// Starts a node of the demo on Polykad's own network, with what its folder has.
pub(crate) async fn start_local_poly(
    listen: SocketAddr,
    first: Option<SocketAddr>,
    folder: &Path,
    secret_key: [u8; 32],
) -> Result<polykad::PolyNode, Failure> {
    let builder = polykad::PolyNode::builder();
    let builder = builder.listen(listen).data_dir(folder).secret_key(secret_key);
    // One machine plays all hosts: what one of them may ask says nothing here.
    let builder = builder.network("polykad demo").rate_limit(None);
    let builder = first.into_iter().fold(builder, polykad::PolyBuilder::bootstrap);
    Ok(builder.spawn().await?)
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

impl From<Network> for config::Network {
    fn from(network: Network) -> Self {
        match network {
            Network::Mainline => Self::Mainline,
            Network::Poly => Self::Poly,
        }
    }
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
