//! A daemon's HTTP API: its objects, and a client that speaks it.
//!
//! Features: `json` brings the objects ([`json`]) and what errors look like ([`problem`]), which
//! the gateway uses too; `schema` describes them for the API's own document; `http` brings
//! [`Daemon`], a [`Client`](crate::Client) behind a daemon's API.

#[cfg(feature = "http")]
mod daemon;
pub mod json;
pub mod problem;
#[cfg(feature = "http")]
mod transport;

#[cfg(feature = "http")]
pub use daemon::Daemon;
#[cfg(feature = "http")]
pub use transport::{Address, ParseAddressError, Unreachable};

/// Where a daemon's API listens unless told otherwise.
pub const DEFAULT_ADDRESS: core::net::SocketAddrV4 =
    core::net::SocketAddrV4::new(core::net::Ipv4Addr::LOCALHOST, 6880);
