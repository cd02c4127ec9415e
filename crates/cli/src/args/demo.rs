//! What can be typed after `polykad demo`.

use core::net::SocketAddr;

use clap::Args;
use clap::builder::RangedU64ValueParser;

use super::Network;
use crate::parse;

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  polykad demo --nodes 100
  polykad demo --http           with the dashboard, also where this is no terminal
  polykad demo --network mainline

All of it is real: every node has a UDP socket on a loopback address of its own,
every node of poly a folder, killed is killed by SIGKILL, and every number shown
is measured. The same seed gives the same ids, values and victims. Exit code 0
only if everything acknowledged was found each time.")]
pub(crate) struct DemoOptions {
    /// Which network to run
    #[arg(long, value_name = "NAME", value_enum, default_value_t = Network::Poly)]
    pub(crate) network: Network,

    /// How many nodes, 4 to 400
    #[arg(long, default_value_t = 50, value_name = "N")]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(4..=400))]
    pub(crate) nodes: usize,

    /// How many values, 1 to 5000; on poly a record for every tenth beside them, on Mainline every
    /// second one is signed and mutable
    #[arg(long, default_value_t = 200, value_name = "N")]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=5000))]
    pub(crate) values: usize,

    /// Draws ids, values, readers and victims
    #[arg(long, default_value_t = 1, value_name = "SEED")]
    pub(crate) seed: u64,

    /// Don't pause between the acts for people to follow
    #[arg(long)]
    pub(crate) fast: bool,

    /// Show the dashboard of one of the nodes there, or at 127.0.0.1:6880, and stay until ctrl-c.
    /// On a terminal that is what it does anyway
    #[arg(long, value_name = "IP:PORT", value_parser = parse::address)]
    #[arg(num_args = 0..=1, default_missing_value = "127.0.0.1:6880")]
    pub(crate) http: Option<SocketAddr>,
}

/// What the demo tells a process that hosts nodes.
#[derive(Args, Debug)]
pub(crate) struct DemoHostOptions {
    /// The demo's seed
    #[arg(long)]
    pub(crate) seed: u64,
}
