//! The library people embed: a node with its sockets, its disk and its configuration.
//!
//! [`Node::builder`] is where to begin: a [`Node`] is a [`client::Client`]. Below it, [`driver`]
//! runs a network's state machine over batched UDP sockets ([`socket`]), and [`disk`] keeps what
//! must survive. [`config`] reads settings from file, environment and flags.
#![deny(unsafe_code)]

mod bootstrap;
pub mod bulk;
mod caller;
pub mod clock;
pub mod config;
pub mod disk;
pub mod driver;
mod mainline;
mod mapping;
pub mod memory;
mod node;
mod nodes;
mod outcomes;
pub mod poly;
mod search;
pub mod socket;
pub mod store;

/// The networks a node can take part in: their ids, items and wire formats.
pub mod networks {
    pub use ::mainline;
    pub use ::poly;
}

pub use bootstrap::DEFAULT_HOSTS;
pub use client;
pub use node::{Builder, DEFAULT_PORT, Node, SpawnError};
pub use nodes::Nodes;
pub use poly::{Incoming, PolyBuilder, PolyNode};
