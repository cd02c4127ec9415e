//! `polykad demo`: a whole network on this machine, which loses nodes and keeps what it holds.
//!
//! `poly` runs Polykad's own network in several processes, kills some of them, then all, and starts
//! them again from their disks; `mainline` runs BitTorrent's in one process and drops 30 % of it.
//! Both are shown by `stage` and `picture`; what the seed decides is in their `plan`; every number
//! is measured.

use core::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use client::Key;

use crate::args::{DemoOptions, Network};
use crate::failure::Failure;
use crate::output::{Output, hex};
use stage::Stage;

mod mainline;
mod measure;
mod picture;
mod poly;
mod seed;
mod stage;

pub(crate) use poly::host;

/// Lookups at a time: enough to be quick, few enough that latency is not the queue's.
const AT_A_TIME: usize = 4;
/// A lookup that takes longer has failed, so that the demo ends whatever happens.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often the survivors read while the dashboard stays.
const READ_EVERY: Duration = Duration::from_millis(150);

pub(crate) async fn run(options: DemoOptions, output: Output) -> Result<(), Failure> {
    match options.network {
        Network::Mainline => mainline::run(options, output).await,
        Network::Poly => poly::run(options, output).await,
    }
}

/// Whether there is a dashboard: if the user says where, or if people look on.
fn has_dashboard(options: &DemoOptions, stage: &Stage) -> bool {
    options.http.is_some() || stage.is_live()
}

/// Linux lets every address in 127/8 be bound; elsewhere only 127.0.0.1 is sure to exist. Each node
/// has a /24 of its own, as nodes of different owners would.
fn address(number: usize) -> SocketAddr {
    let ip = if cfg!(target_os = "linux") {
        let number = u32::try_from(number).unwrap_or(0);
        Ipv4Addr::from_bits(Ipv4Addr::new(127, 77, 0, 1).to_bits() + (number << 8))
    } else {
        Ipv4Addr::LOCALHOST
    };
    SocketAddr::new(ip.into(), 0)
}

fn short_id(key: &Key) -> String {
    hex(key).chars().take(8).collect()
}

/// `8.0 a value`.
#[expect(clippy::cast_precision_loss, reason = "small counts")]
fn per(sum: usize, of: usize, noun: &str) -> String {
    format!("{:.1} a {noun}", sum as f64 / of.max(1) as f64)
}

fn stopped(_: tokio::task::JoinError) -> Failure {
    Failure::failed("a task of the demo ended early: this is a fault of Polykad, please report it")
}
