//! What can be typed: commands, options and their help.

use core::net::SocketAddr;
use core::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::RangedU64ValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use client::Key;
use client::http::Address as DaemonAddress;
use polykad::networks::mainline::Salt;

mod demo;
mod poly;
mod reference;

pub(crate) use demo::{DemoHostOptions, DemoOptions};
pub(crate) use poly::{
    AuthorOptions, ConnectOptions, GetBlobOptions, PolyJoinOptions, PolyServeOptions,
    PutBlobOptions, RecordCommand, RecordOptions, StoreOptions, TopicCommand, TopicOptions,
    WatchOptions, WhichNetwork,
};
pub(crate) use reference::{CompletionsOptions, ManOptions};

use crate::parse::{self, Endpoint, Samples, Target};

/// A distributed hash table: any node stores or finds the value for a key, and nobody is in charge.
#[derive(Parser, Debug)]
#[command(name = "polykad", version, max_term_width = 100)]
#[command(subcommand_required = true, arg_required_else_help = true)]
#[command(after_help = "\
Start here:
  polykad demo                  a whole network here: it loses nodes, not values
  polykad serve                 take part in Polykad's own network and in BitTorrent's
  echo hello | polykad put      store a value in Polykad's, through that daemon
  polykad mainline put 'hello'  the same in BitTorrent's Mainline DHT

Exit codes: 0 done, 1 not found or failed, 2 wrong use.")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// Print one JSON object on stdout, for scripts
    #[arg(long, global = true, help_heading = "Output")]
    pub(crate) json: bool,

    /// What to log on stderr: a level (error, warn, info, debug, trace) or TARGET=LEVEL pairs.
    /// Without it `RUST_LOG` counts
    #[arg(long, global = true, value_name = "FILTER", env = "POLYKAD_LOG", hide_env_values = true)]
    #[arg(help_heading = "Output")]
    pub(crate) log: Option<String>,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Run a whole network on this machine: put values, kill nodes, then all, read every value
    Demo(DemoOptions),
    /// Some of the demo's nodes: started by the demo alone
    #[command(hide = true)]
    DemoHost(DemoHostOptions),
    /// Run a node until ctrl-c or SIGTERM
    Serve(ServeOptions),
    /// Store a value of any bytes in Polykad's own network; prints its key
    Put(PutBlobOptions),
    /// Find a value of Polykad's own network; writes it to stdout as it is
    Get(GetBlobOptions),
    /// Mutable values of Polykad's own network, signed by their authors
    Record(RecordOptions),
    /// Topics of Polykad's own network: many authors, one name
    Topic(TopicOptions),
    /// Print changes of a record or topic as they happen
    Watch(WatchOptions),
    /// Pipe standard input and output through a stream to a node of Polykad's own network
    Connect(ConnectOptions),
    /// Use BitTorrent's Mainline DHT, through the running daemon or a node for this one command
    Mainline(MainlineOptions),
    /// How the running daemon is doing
    Status(DaemonOptions),
    /// The contacts of the running daemon, nearest first
    Peers(DaemonOptions),
    /// The ids of the running daemon
    Id(DaemonOptions),
    /// The running daemon at a glance, live in the terminal
    Top(TopOptions),
    /// Configuration files
    Config(ConfigOptions),
    /// Simulate networks of up to millions of the real nodes, as a scenario file says
    Sim(SimOptions),
    /// Print completions for a shell
    Completions(CompletionsOptions),
    /// Write the manual pages, one for each command
    Man(ManOptions),
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  polykad sim scenarios/lookups.toml
  polykad sim scenarios/churn.toml --nodes 1000 --html churn.html
  polykad sim scenarios/lookups.toml --replay 1@5s

The same seed gives the same run, message by message: the trace hash at the end
proves it. Exit code 0 only if all assertions of the scenario hold and no checker
found a fault. `scenarios/README.md` explains scenario files.")]
pub(crate) struct SimOptions {
    /// The scenario, a TOML file
    #[arg(value_name = "SCENARIO")]
    pub(crate) scenario: PathBuf,

    /// The seed, instead of the scenario's; runs this one alone unless --seeds is given too
    #[arg(long, value_name = "SEED")]
    pub(crate) seed: Option<u64>,

    /// How many seeds to run, from the first on
    #[arg(long, value_name = "N")]
    #[arg(value_parser = RangedU64ValueParser::<u32>::new().range(1..=10_000))]
    pub(crate) seeds: Option<u32>,

    /// Nodes at the beginning, instead of the scenario's
    #[arg(long, value_name = "N")]
    pub(crate) nodes: Option<u32>,

    /// Runs at once, at most; results do not depend on it. Default: one for each core
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<NonZeroUsize>,

    /// Write the report as one HTML page with plots
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,

    /// Tell the first operation from that time on step by step: who was asked, what came back, when
    #[arg(long, value_name = "SEED@TIME", value_parser = crate::sim::replay)]
    pub(crate) replay: Option<Replay>,
}

/// What to tell step by step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Replay {
    /// The run's seed.
    pub(crate) seed: u64,
    /// Virtual time since the run's start.
    pub(crate) at: Duration,
}

/// Which daemon to ask.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  polykad status
  polykad peers --daemon http://127.0.0.1:6880 --json

Start a daemon with `polykad serve`.")]
pub(crate) struct DaemonOptions {
    #[command(flatten)]
    pub(crate) daemon: DaemonOption,
}

/// Where the daemon is.
#[derive(Args, Clone, Debug)]
pub(crate) struct DaemonOption {
    /// The daemon's HTTP address. Default: as a daemon with the same `POLYKAD_DATA` says, else
    /// 127.0.0.1:6880
    #[arg(long, global = true, value_name = "URL", env = "POLYKAD_DAEMON", hide_env_values = true)]
    #[arg(help_heading = "Daemon")]
    pub(crate) daemon: Option<DaemonAddress>,

    /// The daemon's token. Default: as a daemon with the same `POLYKAD_DATA` says
    #[arg(long, global = true, value_name = "TOKEN", env = "POLYKAD_HTTP_TOKEN")]
    #[arg(hide_env_values = true, help_heading = "Daemon")]
    pub(crate) token: Option<String>,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  polykad top --every 500ms

Ctrl-c ends it. Piped, it prints one line each time.")]
pub(crate) struct TopOptions {
    #[command(flatten)]
    pub(crate) daemon: DaemonOption,

    /// How often to look
    #[arg(long, value_name = "SPAN", default_value = "1s", value_parser = parse::span)]
    pub(crate) every: Duration,

    /// How often to look before ending. Default: until ctrl-c
    #[arg(long, value_name = "N")]
    pub(crate) times: Option<u64>,
}

#[derive(Args, Debug)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct ConfigOptions {
    #[command(subcommand)]
    pub(crate) command: ConfigCommand,
}

#[derive(Subcommand, Debug)]
pub(crate) enum ConfigCommand {
    /// Write a configuration file that documents itself
    #[command(after_help = "\
Examples:
  polykad config init polykad.toml
  polykad config init -              print it")]
    Init {
        /// The file to make; `-`: standard output
        file: PathBuf,
    },
    /// Check a configuration file; mistakes are told with their line
    #[command(after_help = "Example:\n  polykad config check polykad.toml")]
    Check {
        /// The file
        file: PathBuf,
    },
}

#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(after_help = "\
Examples:
  polykad serve                               dashboard at http://127.0.0.1:6880/
  polykad serve --listen 0.0.0.0:6881 --data /var/lib/polykad
  polykad serve --network poly --listen 0.0.0.0:7654 --data /var/lib/polykad
  polykad serve --listen 127.0.0.1:6881 --no-default-bootstrap

The last one begins a network of your own. Flags go before the environment
(POLYKAD_NETWORKS, POLYKAD_LISTEN, POLYKAD_BOOTSTRAP, POLYKAD_NO_DEFAULT_BOOTSTRAP, POLYKAD_DATA,
POLYKAD_NO_RATE_LIMIT, POLYKAD_READ_ONLY, POLYKAD_HTTP, POLYKAD_NO_HTTP, POLYKAD_CONFIG), and the
environment before the configuration file; `polykad config init` writes one.")]
pub(crate) struct ServeOptions {
    /// A network to take part in; may be repeated. Default: both
    #[arg(long, value_name = "NAME", value_enum, value_delimiter = ',')]
    pub(crate) network: Vec<Network>,

    /// UDP address to listen on; repeat it for IPv4 and IPv6. Default: port 6881 of both
    #[arg(long, value_name = "IP:PORT", value_parser = parse::address)]
    #[arg(value_delimiter = ',')]
    pub(crate) listen: Vec<SocketAddr>,

    /// A node to join through, beside the default ones; may be repeated
    #[arg(long, value_name = "IP:PORT", value_delimiter = ',')]
    pub(crate) bootstrap: Vec<Endpoint>,

    /// Join only through --bootstrap and the contacts of earlier runs; with neither, wait
    #[arg(long)]
    pub(crate) no_default_bootstrap: bool,

    /// Folder for identity, contacts and stored values; made if missing. Default: nothing is kept
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,

    /// TOML file with settings
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Answer every query, however many one address sends. For load tests only
    #[arg(long)]
    pub(crate) no_rate_limit: bool,

    /// Ask, but never answer: for nodes that others can't reach (BEP 43)
    #[arg(long)]
    pub(crate) read_only: bool,

    #[command(flatten)]
    pub(crate) poly: PolyServeOptions,

    #[command(flatten)]
    pub(crate) http: HttpOptions,

    /// Don't report on stderr how the node is doing
    #[arg(long, short)]
    pub(crate) quiet: bool,

    /// How often to report
    #[arg(long, value_name = "SPAN", default_value = "60s", value_parser = parse::span)]
    pub(crate) status_every: Duration,
}

/// The daemon's HTTP side.
#[derive(Args, Clone, Debug)]
pub(crate) struct HttpOptions {
    /// Serve API, dashboard and metrics at this TCP address. Default: 127.0.0.1:6880, if it is free
    #[arg(long, value_name = "IP:PORT", value_parser = parse::address, help_heading = "HTTP")]
    #[arg(num_args = 0..=1, default_missing_value = "127.0.0.1:6880")]
    pub(crate) http: Option<SocketAddr>,

    /// Serve none of these
    #[arg(long, conflicts_with = "http", help_heading = "HTTP")]
    pub(crate) no_http: bool,

    /// Serve everybody beyond loopback without a token
    #[arg(long, help_heading = "HTTP")]
    pub(crate) http_insecure: bool,

    /// File with the token that requests must send; made if missing
    #[arg(long, value_name = "FILE", help_heading = "HTTP")]
    pub(crate) http_token_file: Option<PathBuf>,

    /// A host name that requests may name, beside localhost and addresses; may be repeated
    #[arg(long, value_name = "NAME", value_delimiter = ',', help_heading = "HTTP")]
    pub(crate) http_host: Vec<String>,

    /// An origin of other pages that may use the API, `*` for all; may be repeated
    #[arg(long, value_name = "ORIGIN", value_delimiter = ',', help_heading = "HTTP")]
    pub(crate) http_origin: Vec<String>,

    /// Answer what reads alone: for gateways open to the public
    #[arg(long, help_heading = "HTTP")]
    pub(crate) http_read_only: bool,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Network {
    // No doc comment: it would spread the help of all of `serve` over twice the lines.
    Mainline,
    Poly,
}

#[derive(Args, Debug)]
#[command(subcommand_required = true, arg_required_else_help = true)]
#[command(after_help = "\
Example, against a node of your own:
  polykad mainline put 'hello' --bootstrap 127.0.0.1:6881 --no-default-bootstrap

Commands go through the running daemon (`polykad serve`) if there is one; with
--bootstrap, --no-default-bootstrap or --listen a node joins for the one command.")]
pub(crate) struct MainlineOptions {
    #[command(flatten)]
    pub(crate) join: JoinOptions,

    #[command(subcommand)]
    pub(crate) command: MainlineCommand,
}

/// How a command joins the network.
#[derive(Args, Clone, Debug)]
pub(crate) struct JoinOptions {
    /// A node to join through, beside the default ones; may be repeated
    #[arg(long, global = true, value_name = "IP:PORT")]
    #[arg(value_delimiter = ',', help_heading = "Joining")]
    pub(crate) bootstrap: Vec<Endpoint>,

    /// Join only through --bootstrap
    #[arg(long, global = true, help_heading = "Joining")]
    pub(crate) no_default_bootstrap: bool,

    /// UDP address to send from; may be repeated. Default: any port of IPv4 and IPv6
    #[arg(long, global = true, value_name = "IP:PORT", value_parser = parse::address)]
    #[arg(value_delimiter = ',', help_heading = "Joining")]
    pub(crate) listen: Vec<SocketAddr>,

    #[command(flatten)]
    pub(crate) daemon: DaemonOption,

    /// When to give up: seconds, or a number with ms, s, m or h
    #[arg(long, global = true, value_name = "SPAN")]
    #[arg(default_value = "30s", value_parser = parse::span, help_heading = "Joining")]
    pub(crate) timeout: Duration,
}

#[derive(Subcommand, Debug)]
pub(crate) enum MainlineCommand {
    /// Ask one address whether it is a node, and who
    #[command(after_help = "Example:\n  polykad mainline ping 192.0.2.7:6881")]
    Ping {
        /// The node's UDP address
        #[arg(value_name = "IP:PORT")]
        address: Endpoint,
    },
    /// Find the nodes closest to an id
    #[command(after_help = "\
Example:
  polykad mainline find-node 00112233445566778899aabbccddeeff00112233")]
    FindNode {
        /// 40 hexadecimal digits
        #[arg(value_parser = parse::id)]
        target: Key,
    },
    /// Find peers of a torrent; prints each as soon as it is known
    #[command(after_help = "\
Example:
  polykad mainline get-peers \
    'magnet:?xt=urn:btih:00112233445566778899aabbccddeeff00112233'")]
    GetPeers {
        /// The torrent: 40 hexadecimal digits, or a magnet link
        #[arg(value_name = "INFOHASH|MAGNET")]
        torrent: Target,
    },
    /// Announce this host as a peer of a torrent, again and again until ctrl-c
    Announce(AnnounceOptions),
    /// List the announcements that the daemon keeps alive, or end one
    #[command(after_help = "\
Examples:
  polykad mainline announce 00112233445566778899aabbccddeeff00112233 --keep
  polykad mainline announcements
  polykad mainline announcements --forget 00112233445566778899aabbccddeeff00112233")]
    Announcements {
        /// Keep this torrent's alive no longer: 40 hexadecimal digits, or a magnet link
        #[arg(long, value_name = "INFOHASH|MAGNET")]
        forget: Option<Target>,
    },
    /// Store a value; prints its key
    Put(PutOptions),
    /// Find a value; writes it to stdout as it is
    Get(GetOptions),
    /// Estimate how many seeds and downloaders a torrent has
    #[command(after_help = "\
Example:
  polykad mainline scrape 00112233445566778899aabbccddeeff00112233")]
    Scrape {
        /// The torrent: 40 hexadecimal digits, or a magnet link
        #[arg(value_name = "INFOHASH|MAGNET")]
        torrent: Target,
    },
    /// Ask nodes which torrents they know: one node, or those around an id
    #[command(after_help = "\
Examples:
  polykad mainline sample 192.0.2.7:6881
  polykad mainline sample 00112233445566778899aabbccddeeff00112233")]
    Sample {
        /// An address, or 40 hexadecimal digits
        #[arg(value_name = "IP:PORT|TARGET")]
        whom: Samples,
    },
    /// Walk through the whole network: its nodes, and the torrents they know
    Crawl(CrawlOptions),
    /// Make a key file, to sign mutable values with
    #[command(after_help = "\
Example:
  polykad mainline keygen me.key
  polykad mainline put 'my address is 192.0.2.7' --key-file me.key

The file is made with mode 0600 and never overwritten. It holds the secret
Ed25519 seed as 64 hexadecimal digits; lines that begin with '#' are comments.")]
    Keygen {
        /// The file to make
        file: PathBuf,
    },
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  polykad mainline announce 00112233445566778899aabbccddeeff00112233 --once
  polykad mainline announce 00112233445566778899aabbccddeeff00112233 --keep")]
pub(crate) struct AnnounceOptions {
    /// The torrent: 40 hexadecimal digits, or a magnet link
    #[arg(value_name = "INFOHASH|MAGNET")]
    pub(crate) torrent: Target,

    /// The port where the torrent's client listens. Default: the port this node sends from
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: Option<u16>,

    /// The peer has the whole content
    #[arg(long)]
    pub(crate) seed: bool,

    /// How long to keep the announcement alive
    #[arg(long = "for", value_name = "SPAN", value_parser = parse::span)]
    #[arg(conflicts_with = "once")]
    pub(crate) lasting: Option<Duration>,

    /// Announce once; nodes forget it after about half an hour
    #[arg(long)]
    pub(crate) once: bool,

    /// Have the daemon keep it alive until `announcements --forget`, or its own end
    #[arg(long, conflicts_with_all = ["once", "lasting"])]
    pub(crate) keep: bool,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  polykad mainline put 'hello'
  polykad mainline put --file note.txt
  polykad mainline put 'version 2' --key-file me.key --salt notes

A value has at most 1000 bytes, bencoded (996 for a string). Nodes drop it after
about two hours: put it again to keep it.")]
pub(crate) struct PutOptions {
    /// The value; `-` reads standard input
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    pub(crate) value: Option<String>,

    /// Read the value from a file
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,

    /// The value is bencoded already; otherwise it is stored as a byte string
    #[arg(long)]
    pub(crate) bencoded: bool,

    /// Sign the value with this key, so that it can be replaced later; see `keygen`
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,

    /// Tells several values of one key apart; at most 64 bytes
    #[arg(long, value_name = "TEXT", requires = "key_file", value_parser = parse::salt)]
    pub(crate) salt: Option<Salt>,

    /// The version. Default: one more than the network has
    #[arg(long, value_name = "N", requires = "key_file", allow_negative_numbers = true)]
    pub(crate) seq: Option<i64>,

    /// Store only where the stored version is this one (compare and swap)
    #[arg(long, value_name = "N", requires = "key_file", allow_negative_numbers = true)]
    pub(crate) cas: Option<i64>,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  polykad mainline get 0beec7b5ea3f0fdbc95d0dd47f3c5bc275da8a33
  polykad mainline get --public-key 8543…0cd2 --salt notes
  polykad mainline get 'magnet:?xs=urn:btpk:8543…0cd2&s=6e6f746573'")]
pub(crate) struct GetOptions {
    /// The key: 40 hexadecimal digits, or a magnet link to a mutable value
    #[arg(value_name = "KEY|MAGNET", required_unless_present = "public_key")]
    #[arg(conflicts_with = "public_key")]
    pub(crate) target: Option<Target>,

    /// The author of a mutable value: 64 hexadecimal digits
    #[arg(long, value_name = "HEX", value_parser = parse::public_key)]
    pub(crate) public_key: Option<[u8; 32]>,

    /// Which of the author's values
    #[arg(long, value_name = "TEXT", requires = "public_key", value_parser = parse::salt)]
    pub(crate) salt: Option<Salt>,

    /// Write the value bencoded, as it is stored; otherwise a byte string is unwrapped
    #[arg(long)]
    pub(crate) bencoded: bool,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  polykad mainline crawl --for 5m --max 1000 | grep ^torrent

Prints a line for each node, `node ID IP:PORT STORED`, and for each torrent,
`torrent INFOHASH`, as they are found. Each node is asked for torrents once
(BEP 51). Ends by itself once nothing new turns up.")]
pub(crate) struct CrawlOptions {
    /// How long to walk
    #[arg(long = "for", value_name = "SPAN", default_value = "60s", value_parser = parse::span)]
    pub(crate) lasting: Duration,

    /// How many nodes to find, 1 to 1000000
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=1_000_000))]
    pub(crate) max: usize,
}
