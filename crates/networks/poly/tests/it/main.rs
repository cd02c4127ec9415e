//! The network in virtual time.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    clippy::many_single_char_names,
    reason = "a test that panics has failed, as it should; its numbers are small"
)]

mod network;
mod random;
mod reach;
mod trace;
mod vectors;
mod world;
