//! BitTorrent's Mainline DHT as a pure state machine.
//!
//! BEPs 5, 32, 33, 42, 43, 44, 46 and 51. The life of one query can be read in [`node`] from top to
//! bottom; [`wire`] turns datagrams into messages and back; [`store`] keeps what others announce
//! and put. See `docs/mainline.md` for what is supported and which deviations of others are
//! tolerated.
#![forbid(unsafe_code)]

pub mod command;
mod contact;
pub mod external;
pub mod item;
pub mod magnet;
pub mod node;
pub mod store;
pub mod wire;

pub use command::{Command, Event};
pub use item::{MutableItem, Salt};
pub use node::{Node, Settings};
