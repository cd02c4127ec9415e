//! Polykad's own network as a pure state machine: blobs, signed records and topics, kept by the
//! nodes of a key's region, who repair what is missing among themselves.
//!
//! The life of one wish can be read in [`node`] from top to bottom; [`wire`] turns messages into
//! bytes and back; [`value`] says what a value is and proves it; [`store`] keeps what a node holds.
//! `docs/poly-protocol.md` specifies what nodes say to each other.
//!
//! The node takes the id of whoever sends a message for proven. The seam below it makes that so.
#![forbid(unsafe_code)]

pub mod command;
pub mod contact;
pub mod node;
pub mod region;
pub mod secure;
pub mod store;
pub mod value;
pub mod wire;

pub use command::{Command, Event, Failure, Outcome, Progress, Refusal, Report};
pub use contact::Peer;
pub use node::{Node, Settings};
pub use store::{MemoryStore, Store};
pub use value::{Entry, Record};
