//! The program as users and scripts meet it: exit codes, messages, objects, real nodes on loopback.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that can't go on fails")]

mod demo;
mod failures;
mod http;
mod mainline;
mod poly;
mod program;
mod reference;
mod serve;
mod wrong_use;
