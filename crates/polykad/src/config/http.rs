//! Settings of the daemon's HTTP side. The node itself knows nothing of it: who runs a gateway
//! reads them from here.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

use super::{ConfigError, parse};

/// What one source says of HTTP; `None`: nothing.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpLayer {
    /// TCP address to serve at; without it a daemon takes its usual one, if that is free.
    pub listen: Option<SocketAddr>,
    /// Serve nothing.
    pub off: Option<bool>,
    /// Serve everybody beyond loopback without a token.
    pub insecure: Option<bool>,
    /// File with the token; made if missing.
    pub token_file: Option<PathBuf>,
    /// Host names that requests may name, beside `localhost` and addresses.
    pub hosts: Option<Vec<String>>,
    /// Origins of other pages that may use the API; `*`: all.
    pub origins: Option<Vec<String>>,
    /// Answer what reads alone.
    pub read_only: Option<bool>,
    /// Its bounds.
    pub limits: Option<HttpLimitsLayer>,
}

/// What one source says of the bounds of HTTP; `None`: the default.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpLimitsLayer {
    /// Connections open at once.
    pub connections: Option<usize>,
    /// Connections of one host beyond loopback.
    pub connections_per_host: Option<usize>,
    /// Operations under way at once.
    pub operations: Option<usize>,
    /// Streams that hang on at once.
    pub streams: Option<usize>,
    /// Requests a second that one host beyond loopback may go on making.
    pub requests_per_second: Option<u32>,
    /// Requests it may make at once after a pause.
    pub burst: Option<u32>,
}

impl HttpLimitsLayer {
    fn over(self, below: Self) -> Self {
        Self {
            connections: self.connections.or(below.connections),
            connections_per_host: self.connections_per_host.or(below.connections_per_host),
            operations: self.operations.or(below.operations),
            streams: self.streams.or(below.streams),
            requests_per_second: self.requests_per_second.or(below.requests_per_second),
            burst: self.burst.or(below.burst),
        }
    }
}

impl HttpLayer {
    /// Reads the environment; `None`: it says nothing of HTTP.
    pub(super) fn from_variables(
        text: &impl Fn(&'static str) -> Option<String>,
    ) -> Result<Option<Self>, ConfigError> {
        let flag = |name| parse(name, text(name), "true or false", |text| text.parse().ok());
        let words = |name| {
            let split = |text: &str| Some(text.split(',').map(|one| one.trim().into()).collect());
            parse(name, text(name), "a list", split)
        };
        let many = |name| parse(name, text(name), "a number", |text| text.parse().ok());
        let rate = |name| parse(name, text(name), "a number", |text| text.parse().ok());
        let limits = HttpLimitsLayer {
            connections: many("POLYKAD_HTTP_CONNECTIONS")?,
            connections_per_host: many("POLYKAD_HTTP_CONNECTIONS_PER_HOST")?,
            operations: many("POLYKAD_HTTP_OPERATIONS")?,
            streams: many("POLYKAD_HTTP_STREAMS")?,
            requests_per_second: rate("POLYKAD_HTTP_REQUESTS_PER_SECOND")?,
            burst: rate("POLYKAD_HTTP_BURST")?,
        };
        let listen = "POLYKAD_HTTP";
        let file = "POLYKAD_HTTP_TOKEN_FILE";
        let http = Self {
            listen: parse(listen, text(listen), "IP:PORT", |text| text.parse().ok())?,
            off: flag("POLYKAD_NO_HTTP")?,
            insecure: flag("POLYKAD_HTTP_INSECURE")?,
            token_file: parse(file, text(file), "a path", |text| Some(text.into()))?,
            hosts: words("POLYKAD_HTTP_HOSTS")?,
            origins: words("POLYKAD_HTTP_ORIGINS")?,
            read_only: flag("POLYKAD_HTTP_READ_ONLY")?,
            limits: (limits != HttpLimitsLayer::default()).then_some(limits),
        };
        Ok((http != Self::default()).then_some(http))
    }

    /// This layer, and where it says nothing, the one below.
    pub(super) fn over(self, below: Self) -> Self {
        Self {
            listen: self.listen.or(below.listen),
            // Who names an address wants it served, whatever lies below.
            off: self.off.or(if self.listen.is_some() { None } else { below.off }),
            insecure: self.insecure.or(below.insecure),
            token_file: self.token_file.or(below.token_file),
            hosts: self.hosts.or(below.hosts),
            origins: self.origins.or(below.origins),
            read_only: self.read_only.or(below.read_only),
            limits: match (self.limits, below.limits) {
                (Some(limits), Some(below)) => Some(limits.over(below)),
                (limits, below) => limits.or(below),
            },
        }
    }
}

#[cfg(test)]
mod tests;
