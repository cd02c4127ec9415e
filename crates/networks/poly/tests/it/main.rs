//! The network in virtual time.

mod network;
mod world;
