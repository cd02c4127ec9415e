//! Behaviour that peers and owners of a node rely on.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test that panics has failed, as it should"
)]

mod allocations;
mod dual;
mod limits;
mod memory;
mod network;
mod quirks;
mod random;
mod raw;
mod trace;
mod vectors;
mod world;
