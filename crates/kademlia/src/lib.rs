//! The parts that all Kademlia networks share, as pure state machines.
//!
//! A network (a crate below `crates/networks`) composes these parts and owns its wire format and
//! its rules. Nothing here knows a wire format, a clock, a socket, a thread or a source of
//! randomness: time and a seed are handed in, so one seed gives one run, in production and in
//! simulation alike.
//!
//! Read [`protocol`] first: it is the seam between a network and what drives it.
#![forbid(unsafe_code)]

pub mod ahead;
pub mod contact;
pub mod flat;
pub mod key;
pub mod limit;
pub mod lookup;
pub mod overlay;
pub mod protocol;
pub mod requests;
pub mod size;
pub mod store;
pub mod table;
pub mod token;

pub use contact::{Address, Contact, Rtt, Standing};
pub use key::{Distance, Key};
pub use protocol::{Moment, OperationId, Protocol, Transmit, Transport};
