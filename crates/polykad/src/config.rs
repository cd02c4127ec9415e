//! Settings from file, environment and flags, the later going before the earlier.
//!
//! Each source gives a [`Layer`], in which everything is optional; [`Layer::over`] puts one over
//! another, and [`Layer::builder`] makes a node of what comes out. The file is TOML with the
//! fields of [`Layer`] as keys; the environment has them in capitals behind `POLYKAD_`, lists
//! separated by commas. What is not known is an error that says where it stands.

use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kademlia::limit::RateLimit;
use serde::Deserialize;

use crate::bootstrap::Entry;
use crate::node::{Builder, Node};

mod http;
mod poly;
mod template;

pub use http::{HttpLayer, HttpLimitsLayer};
pub use poly::{PolyLayer, read_key};
pub use template::TEMPLATE;

/// What one source says; `None`: nothing.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layer {
    /// The networks to take part in; without it both.
    pub networks: Option<Vec<Network>>,
    /// UDP addresses to listen on, one of each family at most.
    pub listen: Option<Vec<SocketAddr>>,
    /// Nodes to join through: `address:port` or `host:port`.
    pub bootstrap: Option<Vec<String>>,
    /// Do not join through the public routers.
    pub no_default_bootstrap: Option<bool>,
    /// Folder for identity, contacts and stored values.
    pub data: Option<PathBuf>,
    /// Answer every query, however many one address sends.
    pub no_rate_limit: Option<bool>,
    /// How much one host or subnet may ask.
    pub rate_limit: Option<RateLimitLayer>,
    /// Ask, but never answer (BEP 43).
    pub read_only: Option<bool>,
    /// How long an operation may take.
    pub deadline_ms: Option<u64>,
    /// Polykad's own network.
    pub poly: Option<PolyLayer>,
    /// The daemon's HTTP API, dashboard and metrics.
    pub http: Option<HttpLayer>,
}

/// A network that a node can take part in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// BitTorrent's Mainline DHT.
    Mainline,
    /// Polykad's own network.
    Poly,
}

impl Network {
    /// All there are.
    pub const ALL: [Self; 2] = [Self::Poly, Self::Mainline];

    /// Its name, as settings have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mainline => "mainline",
            Self::Poly => "poly",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|network| network.name() == name)
    }
}

/// What one source says of the rate limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimitLayer {
    /// Queries a second that one host may go on asking.
    pub per_host_per_second: Option<u32>,
    /// Queries that a host may ask at once after a pause.
    pub host_burst: Option<u32>,
    /// Queries a second that all hosts of a subnet together may go on asking.
    pub per_subnet_per_second: Option<u32>,
    /// Queries that a subnet may ask at once after a pause.
    pub subnet_burst: Option<u32>,
}

/// Why settings can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file can't be read.
    #[error("cannot read {}: {source}; check the path and its permissions", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// The file is not understood.
    #[error("{}:{line}: {problem}; correct or remove that line", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// A variable of the environment is not understood.
    #[error("environment variable {name}: '{value}' is not {wanted}; correct or unset it")]
    Variable {
        /// The variable.
        name: &'static str,
        /// What it holds.
        value: String,
        /// What it should hold.
        wanted: &'static str,
    },
    /// The file with a private network's key holds something else.
    #[error(
        "{} holds no network key: write 64 hexadecimal digits and nothing else", .path.display()
    )]
    Key {
        /// The file.
        path: PathBuf,
    },
    /// A bootstrap entry is neither address nor host.
    #[error("bootstrap '{entry}' is not ADDRESS:PORT or HOST:PORT: give a port too")]
    Bootstrap {
        /// The entry.
        entry: String,
    },
}

impl Layer {
    /// Reads a TOML file.
    ///
    /// # Errors
    /// It can't be read, or holds something unknown.
    pub fn from_file(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        Self::from_toml(&text, path)
    }

    fn from_toml(text: &str, path: &Path) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|error| {
            let until = error.span().and_then(|span| text.get(..span.start));
            let line = 1 + until.unwrap_or_default().matches('\n').count();
            let problem = error.message().to_owned();
            ConfigError::File { path: path.to_owned(), line, problem }
        })
    }

    /// Reads this process's environment.
    ///
    /// # Errors
    /// A variable holds what it should not.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_variables(std::env::var_os::<&str>)
    }

    fn from_variables(
        variable: impl Fn(&'static str) -> Option<OsString>,
    ) -> Result<Self, ConfigError> {
        let text = |name| variable(name).map(|value| value.to_string_lossy().into_owned());
        let flag = |name| parse(name, text(name), "true or false", |text| text.parse().ok());
        let number = |name| parse(name, text(name), "a number", |text| text.parse().ok());
        let count = |name| parse(name, text(name), "a number", |text| text.parse().ok());
        let rate_limit = RateLimitLayer {
            per_host_per_second: count("POLYKAD_RATE_LIMIT_PER_HOST_PER_SECOND")?,
            host_burst: count("POLYKAD_RATE_LIMIT_HOST_BURST")?,
            per_subnet_per_second: count("POLYKAD_RATE_LIMIT_PER_SUBNET_PER_SECOND")?,
            subnet_burst: count("POLYKAD_RATE_LIMIT_SUBNET_BURST")?,
        };
        let listen = "POLYKAD_LISTEN";
        let addresses = |text: &str| text.split(',').map(|one| one.trim().parse().ok()).collect();
        let entries = |text: &str| Some(text.split(',').map(|one| one.trim().into()).collect());
        let bootstrap = "POLYKAD_BOOTSTRAP";
        let networks = "POLYKAD_NETWORKS";
        let named = |text: &str| text.split(',').map(|one| Network::named(one.trim())).collect();
        Ok(Self {
            networks: parse(networks, text(networks), "a list of poly and mainline", named)?,
            listen: parse(listen, text(listen), "a list of IP:PORT", addresses)?,
            bootstrap: parse(bootstrap, text(bootstrap), "a list of HOST:PORT", entries)?,
            no_default_bootstrap: flag("POLYKAD_NO_DEFAULT_BOOTSTRAP")?,
            data: variable("POLYKAD_DATA").filter(|path| !path.is_empty()).map(PathBuf::from),
            no_rate_limit: flag("POLYKAD_NO_RATE_LIMIT")?,
            rate_limit: (rate_limit != RateLimitLayer::default()).then_some(rate_limit),
            read_only: flag("POLYKAD_READ_ONLY")?,
            deadline_ms: number("POLYKAD_DEADLINE_MS")?,
            poly: PolyLayer::from_variables(&text)?,
            http: HttpLayer::from_variables(&text)?,
        })
    }

    /// This layer, and where it says nothing, the one below.
    #[must_use]
    pub fn over(self, below: Self) -> Self {
        let rate_limit = match (self.rate_limit, below.rate_limit) {
            (Some(limit), Some(below)) => Some(limit.over(below)),
            (limit, below) => limit.or(below),
        };
        Self {
            networks: self.networks.or(below.networks),
            listen: self.listen.or(below.listen),
            bootstrap: self.bootstrap.or(below.bootstrap),
            no_default_bootstrap: self.no_default_bootstrap.or(below.no_default_bootstrap),
            data: self.data.or(below.data),
            no_rate_limit: self.no_rate_limit.or(below.no_rate_limit),
            rate_limit,
            read_only: self.read_only.or(below.read_only),
            deadline_ms: self.deadline_ms.or(below.deadline_ms),
            poly: match (self.poly, below.poly) {
                (Some(poly), Some(below)) => Some(poly.over(below)),
                (poly, below) => poly.or(below),
            },
            http: match (self.http, below.http) {
                (Some(http), Some(below)) => Some(http.over(below)),
                (http, below) => http.or(below),
            },
        }
    }

    /// A node with these settings, and the defaults where there are none.
    ///
    /// # Errors
    /// A bootstrap entry has no port.
    pub fn builder(&self) -> Result<Builder, ConfigError> {
        let mut builder = Node::builder();
        for address in self.listen.iter().flatten() {
            builder = builder.listen(*address);
        }
        for entry in self.bootstrap.iter().flatten() {
            builder = match Entry::read(entry)? {
                Entry::Address(address) => builder.bootstrap(address),
                Entry::Host(host, port) => builder.bootstrap_host(host, port),
            };
        }
        if self.no_default_bootstrap == Some(true) {
            builder = builder.no_default_bootstrap();
        }
        if let Some(folder) = &self.data {
            builder = builder.data_dir(folder);
        }
        if let Some(deadline_ms) = self.deadline_ms {
            builder = builder.deadline(Duration::from_millis(deadline_ms));
        }
        Ok(builder.rate_limit(self.rate_limit()).read_only(self.read_only == Some(true)))
    }

    /// What one host or subnet may ask on Mainline; `None`: no limit.
    pub fn rate_limit(&self) -> Option<RateLimit> {
        match self.no_rate_limit {
            Some(true) => None,
            _ => Some(self.rate_limit.unwrap_or_default().limit()),
        }
    }
}

impl Entry {
    /// Reads `ADDRESS:PORT` or `HOST:PORT`.
    fn read(entry: &str) -> Result<Self, ConfigError> {
        let bad = || ConfigError::Bootstrap { entry: entry.to_owned() };
        if let Ok(address) = entry.parse() {
            return Ok(Self::Address(address));
        }
        let (host, port) = entry.rsplit_once(':').ok_or_else(bad)?;
        if host.is_empty() || host.contains([':', '/', ' ']) {
            return Err(bad());
        }
        Ok(Self::Host(host.to_owned(), port.parse().map_err(|_| bad())?))
    }
}

impl RateLimitLayer {
    fn over(self, below: Self) -> Self {
        Self {
            per_host_per_second: self.per_host_per_second.or(below.per_host_per_second),
            host_burst: self.host_burst.or(below.host_burst),
            per_subnet_per_second: self.per_subnet_per_second.or(below.per_subnet_per_second),
            subnet_burst: self.subnet_burst.or(below.subnet_burst),
        }
    }

    fn limit(self) -> RateLimit {
        let default = RateLimit::default();
        let or = Option::<u32>::unwrap_or;
        RateLimit {
            per_host_per_second: or(self.per_host_per_second, default.per_host_per_second),
            host_burst: or(self.host_burst, default.host_burst),
            per_subnet_per_second: or(self.per_subnet_per_second, default.per_subnet_per_second),
            subnet_burst: or(self.subnet_burst, default.subnet_burst),
        }
    }
}

/// What a variable holds; an empty one counts as unset.
fn parse<T>(
    name: &'static str,
    value: Option<String>,
    wanted: &'static str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, ConfigError> {
    match value {
        Some(value) if !value.trim().is_empty() => match read(value.trim()) {
            Some(parsed) => Ok(Some(parsed)),
            None => Err(ConfigError::Variable { name, value, wanted }),
        },
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests;
