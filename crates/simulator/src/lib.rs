//! A deterministic discrete-event simulation of networks, run by the code that ships.
//!
//! It drives any [`kademlia::Protocol`] unchanged, through the same loop as the socket driver.
//! One seed gives one run: faults, population and workload; each run has a hash over all its
//! messages to prove it.
#![forbid(unsafe_code)]

pub mod engine;
pub mod ids;
pub mod mainline;
pub mod net;
pub mod network;
pub mod queue;
pub mod random;
pub mod trace;
