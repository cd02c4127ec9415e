//! Behaviour that peers and owners of a node rely on.

mod network;
mod world;
