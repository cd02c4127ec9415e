//! The library people embed: a node with its sockets, its disk and its configuration.
#![deny(unsafe_code)]

pub mod clock;
pub mod disk;
pub mod driver;
pub mod socket;
