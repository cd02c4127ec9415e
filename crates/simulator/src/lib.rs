//! A deterministic discrete-event simulation of networks, run by the code that ships.
//!
//! It drives any [`kademlia::Protocol`] unchanged, through the same loop as the socket driver.
//! One seed gives one run: faults, population and workload; each run has a hash over all its
//! messages to prove it. [`run()`] takes a [`ScenarioFile`] to a [`Report`].
//!
//! From the bottom: [`queue`] orders what happens, [`engine`] makes it happen, [`net`] is the
//! network between nodes, [`ids`] who lives where, [`network`] the seam to what is simulated, with
//! one implementation a file; [`mod@run`] plans wishes and trouble and measures, [`checker`]
//! watches.
#![forbid(unsafe_code)]

mod adversary;
pub mod baseline;
pub mod checker;
pub mod churn;
pub mod engine;
pub mod ids;
pub mod mainline;
mod memory;
pub mod net;
pub mod network;
mod parallel;
pub mod poly;
pub mod queue;
pub mod random;
pub mod recorder;
pub mod report;
pub mod run;
pub mod scenario;
mod simulate;
pub mod stats;
pub mod trace;

pub use report::{Progress, Report};
pub use scenario::{Overrides, ScenarioError, ScenarioFile};
pub use simulate::{explain, run};
