//! How a gateway behaves, and its bounds.

use core::fmt;
use core::net::SocketAddr;
use std::time::Duration;

/// How a gateway behaves.
#[derive(Clone, Default)]
pub struct Settings {
    /// Who sends this as a bearer token is served; `None`: everybody who gets through.
    pub token: Option<String>,
    /// Serve everybody beyond loopback without a token.
    pub insecure: bool,
    /// Host names that requests may name beside `localhost` and addresses.
    pub hosts: Vec<String>,
    /// Origins of other pages that may use the API, such as `https://app.example`; `*`: all.
    pub origins: Vec<String>,
    /// Answer what reads alone: for gateways open to the public.
    pub read_only: bool,
    /// What one and all may use.
    pub limits: Limits,
}

/// The token stays out of logs.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("token", &self.token.as_ref().map(|_| "…"))
            .field("insecure", &self.insecure)
            .field("hosts", &self.hosts)
            .field("origins", &self.origins)
            .field("read_only", &self.read_only)
            .field("limits", &self.limits)
            .finish()
    }
}

impl Settings {
    /// Whether this address may be served so: loopback always, others with a token or the explicit
    /// word.
    pub(crate) fn may_listen(&self, address: SocketAddr) -> bool {
        address.ip().is_loopback() || self.token.is_some() || self.insecure
    }
}

/// The bounds of a gateway. Each bounds memory or work that a stranger could cause.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Connections open at once, 8 KiB to 30 KiB each; for a new one the longest idle is closed.
    pub connections: usize,
    /// Connections of one host beyond loopback.
    pub connections_per_host: usize,
    /// Lookups, puts and the like under way at once; the node itself takes 1024.
    pub operations: usize,
    /// Streams that hang on at once: live status, searches, announcements.
    pub streams: usize,
    /// Requests a second that one host beyond loopback may go on making.
    pub requests_per_second: u32,
    /// Requests it may make at once after a pause.
    pub burst: u32,
    /// The longest body of a request.
    pub body_bytes: usize,
    /// How long a connection may take for a request's head, or be idle.
    pub head_within: Duration,
    /// How long a request's body may take.
    pub body_within: Duration,
    /// How long one who reads slowly is waited for.
    pub write_within: Duration,
    /// How long an operation may take.
    pub deadline: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            connections_per_host: 64,
            operations: 256,
            streams: 256,
            requests_per_second: 50,
            burst: 200,
            body_bytes: 64 << 10,
            head_within: Duration::from_secs(10),
            body_within: Duration::from_secs(10),
            write_within: Duration::from_secs(30),
            deadline: Duration::from_secs(40),
        }
    }
}
