//! What applications and services see of a node, wherever it runs.
//!
//! [`Client`] is a node in this process or a daemon elsewhere; share it as `Arc<dyn Client>`. What
//! belongs to one network alone is a face of it: [`Client::mainline`] gives BitTorrent's DHT. All
//! types here are plain data: nothing of a wire format, a routing table or a socket shows through.
//!
//! Every operation ends: with its result, or with an error that says what to do about it.
#![forbid(unsafe_code)]

use core::pin::Pin;

pub mod error;
#[cfg(feature = "json")]
pub mod http;
pub mod id;
pub mod mainline;
pub mod poly;
pub mod report;
pub mod search;
pub mod status;
pub mod stream;

pub use error::{AnnounceError, FindError, GetError, PingError, PutError, StatusError};
pub use kademlia::Key;
pub use mainline::Mainline;
pub use poly::Poly;
pub use report::{NodeContact, PutReport, Refusal, Report};
pub use search::{Announcement, Found, Search, Step};
pub use status::Status;

/// What an operation returns: it owns all it needs, so it may outlive the client it came from.
/// Dropping it cancels the operation.
pub type Operation<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A node, in this process or behind a daemon's API.
///
/// Object-safe: share it as `Arc<dyn Client>`.
pub trait Client: Send + Sync {
    /// How the node is doing.
    fn status(&self) -> Operation<Result<Status, StatusError>>;

    /// The node's part in BitTorrent's Mainline DHT; `None` if it takes no part.
    fn mainline(&self) -> Option<&dyn Mainline>;

    /// The node's part in Polykad's own network; `None` if it takes no part.
    fn poly(&self) -> Option<&dyn Poly> {
        None
    }
}
