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
    /// TCP address to serve at; without it nothing is served.
    pub listen: Option<SocketAddr>,
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
        let listen = "POLYKAD_HTTP";
        let file = "POLYKAD_HTTP_TOKEN_FILE";
        let http = Self {
            listen: parse(listen, text(listen), "IP:PORT", |text| text.parse().ok())?,
            insecure: flag("POLYKAD_HTTP_INSECURE")?,
            token_file: parse(file, text(file), "a path", |text| Some(text.into()))?,
            hosts: words("POLYKAD_HTTP_HOSTS")?,
            origins: words("POLYKAD_HTTP_ORIGINS")?,
            read_only: flag("POLYKAD_HTTP_READ_ONLY")?,
        };
        Ok((http != Self::default()).then_some(http))
    }

    /// This layer, and where it says nothing, the one below.
    pub(super) fn over(self, below: Self) -> Self {
        Self {
            listen: self.listen.or(below.listen),
            insecure: self.insecure.or(below.insecure),
            token_file: self.token_file.or(below.token_file),
            hosts: self.hosts.or(below.hosts),
            origins: self.origins.or(below.origins),
            read_only: self.read_only.or(below.read_only),
        }
    }
}

#[cfg(test)]
mod tests;
