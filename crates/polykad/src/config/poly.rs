//! Settings of a node of Polykad's own network.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{ConfigError, Entry, Layer, parse};
use crate::poly::{DEFAULT_PORT, PolyBuilder, PolyNode};

/// What one source says of the network `poly`; `None`: nothing.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolyLayer {
    /// UDP addresses to listen on, one of each family at most.
    pub listen: Option<Vec<SocketAddr>>,
    /// Nodes to join through: `address:port` or `host:port`.
    pub bootstrap: Option<Vec<String>>,
    /// The network's name: nodes of differently named ones do not understand each other.
    pub name: Option<String>,
    /// File with a private network's key, 64 hexadecimal digits.
    pub key_file: Option<PathBuf>,
    /// Find others on the local network, and be found there; without it yes.
    pub mdns: Option<bool>,
    /// Meet others over Mainline, if the node takes part in that too; without it yes.
    pub rendezvous: Option<bool>,
    /// Ask the gateway for a port that leads to the node's; without it yes.
    pub port_mapping: Option<bool>,
}

impl PolyLayer {
    /// Reads the environment; `None`: it says nothing of poly.
    pub(super) fn from_variables(
        text: &impl Fn(&'static str) -> Option<String>,
    ) -> Result<Option<Self>, ConfigError> {
        let (listen, bootstrap) = ("POLYKAD_POLY_LISTEN", "POLYKAD_POLY_BOOTSTRAP");
        let (name, key_file) = ("POLYKAD_POLY_NAME", "POLYKAD_POLY_KEY_FILE");
        let flag = |name| parse(name, text(name), "true or false", |text| text.parse().ok());
        let addresses = |text: &str| text.split(',').map(|one| one.trim().parse().ok()).collect();
        let entries = |text: &str| Some(text.split(',').map(|one| one.trim().into()).collect());
        let poly = Self {
            listen: parse(listen, text(listen), "a list of IP:PORT", addresses)?,
            bootstrap: parse(bootstrap, text(bootstrap), "a list of HOST:PORT", entries)?,
            name: parse(name, text(name), "a name", |text| Some(text.to_owned()))?,
            key_file: parse(key_file, text(key_file), "a path", |text| Some(text.into()))?,
            mdns: flag("POLYKAD_POLY_MDNS")?,
            rendezvous: flag("POLYKAD_POLY_RENDEZVOUS")?,
            port_mapping: flag("POLYKAD_POLY_PORT_MAPPING")?,
        };
        Ok((poly != Self::default()).then_some(poly))
    }

    /// This layer, and where it says nothing, the one below.
    pub(super) fn over(self, below: Self) -> Self {
        Self {
            listen: self.listen.or(below.listen),
            bootstrap: self.bootstrap.or(below.bootstrap),
            name: self.name.or(below.name),
            key_file: self.key_file.or(below.key_file),
            mdns: self.mdns.or(below.mdns),
            rendezvous: self.rendezvous.or(below.rendezvous),
            port_mapping: self.port_mapping.or(below.port_mapping),
        }
    }
}

impl Layer {
    /// A node of Polykad's own network with these settings, and the defaults where there are none.
    ///
    /// If it is `alone`, what is said of no network in particular is said of it: where to listen,
    /// whom to join through. Otherwise it listens on the addresses of the Mainline node, at a port
    /// of its own: [`DEFAULT_PORT`], or, where that one has any port, any too. It finds others on
    /// the local network, and has its port mapped by the gateway, unless told not to.
    ///
    /// # Errors
    /// A bootstrap entry has no port, or the key file holds no key.
    pub fn poly_builder(&self, alone: bool) -> Result<PolyBuilder, ConfigError> {
        let poly = self.poly.clone().unwrap_or_default();
        let mut builder = PolyNode::builder().client(self.read_only == Some(true));
        builder = builder.local_discovery(poly.mdns != Some(false));
        builder = builder.port_mapping(poly.port_mapping != Some(false));
        let beside = |address: &SocketAddr| {
            let port = if address.port() == 0 { 0 } else { DEFAULT_PORT };
            SocketAddr::new(address.ip(), port)
        };
        let listen = match (poly.listen, alone) {
            (Some(listen), _) => listen,
            (None, true) => self.listen.clone().unwrap_or_default(),
            (None, false) => self.listen.iter().flatten().map(beside).collect(),
        };
        builder = listen.into_iter().fold(builder, PolyBuilder::listen);
        let general = self.bootstrap.iter().flatten().filter(|_| alone);
        for entry in poly.bootstrap.iter().flatten().chain(general) {
            builder = match Entry::read(entry)? {
                Entry::Address(address) => builder.bootstrap(address),
                Entry::Host(host, port) => builder.bootstrap_host(host, port),
            };
        }
        if let Some(name) = poly.name {
            builder = builder.network(name);
        }
        if let Some(file) = &poly.key_file {
            builder = builder.shared_key(read_key(file)?);
        }
        if let Some(folder) = &self.data {
            builder = builder.data_dir(folder);
        }
        if self.no_rate_limit == Some(true) {
            builder = builder.rate_limit(None);
        }
        Ok(builder)
    }

    /// Whether a node of both networks meets others of poly over Mainline.
    pub fn meets_over_mainline(&self) -> bool {
        self.poly.as_ref().is_none_or(|poly| poly.rendezvous != Some(false))
    }
}

/// Reads the key of a private network: 64 hexadecimal digits.
///
/// # Errors
/// The file can't be read, or holds something else.
pub fn read_key(path: &Path) -> Result<[u8; 32], ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    let digits: Option<Vec<u8>> = text
        .trim()
        .chars()
        .map(|letter| letter.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let digits = digits.and_then(|digits| <[u8; 64]>::try_from(digits).ok());
    let digits = digits.ok_or_else(|| ConfigError::Key { path: path.to_owned() })?;
    let (pairs, _) = digits.as_chunks::<2>();
    let mut key = [0; 32];
    for (byte, [high, low]) in key.iter_mut().zip(pairs) {
        *byte = high << 4 | low;
    }
    Ok(key)
}

#[cfg(test)]
mod tests;
