//! What can be typed of Polykad's own network.

use core::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use client::Key;
use client::poly::Quorum;

use super::DaemonOption;
use crate::parse::{self, Endpoint};

/// Which network of the name `poly`, and how to join it.
#[derive(Args, Clone, Debug)]
pub(crate) struct PolyJoinOptions {
    /// Join with a node of the command's own through this one; may be repeated. Without it the
    /// command goes through the running daemon
    #[arg(long, value_name = "IP:PORT", value_delimiter = ',')]
    #[arg(help_heading = "Joining")]
    pub(crate) bootstrap: Vec<Endpoint>,

    /// UDP address to send from; may be repeated. Default: any port of IPv4 and IPv6
    #[arg(long, value_name = "IP:PORT", value_parser = parse::address)]
    #[arg(value_delimiter = ',', help_heading = "Joining", requires = "bootstrap")]
    pub(crate) listen: Vec<SocketAddr>,

    #[command(flatten)]
    pub(crate) daemon: DaemonOption,

    /// When to give up: seconds, or a number with ms, s, m or h
    #[arg(long, value_name = "SPAN")]
    #[arg(default_value = "30s", value_parser = parse::span, help_heading = "Joining")]
    pub(crate) timeout: Duration,

    #[command(flatten)]
    pub(crate) which: WhichNetwork,
}

/// Nodes of different names or keys do not understand each other.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct WhichNetwork {
    /// The network's name. Default: the public one
    #[arg(long, value_name = "NAME", help_heading = "Network poly")]
    pub(crate) poly_name: Option<String>,

    /// File with a private network's key, 64 hexadecimal digits: without it nobody gets a byte
    #[arg(long, value_name = "FILE", help_heading = "Network poly")]
    pub(crate) poly_key_file: Option<PathBuf>,
}

/// What `serve` needs for `--network poly`.
#[derive(Args, Clone, Debug)]
pub(crate) struct PolyServeOptions {
    /// UDP address of the node of poly; repeat it for IPv4 and IPv6. Default: port 7654 of the
    /// addresses that --listen names, or --listen if poly is the only network
    #[arg(long, value_name = "IP:PORT", value_parser = parse::address)]
    #[arg(value_delimiter = ',', help_heading = "Network poly")]
    pub(crate) poly_listen: Vec<SocketAddr>,

    /// A node of poly to join through; may be repeated. If poly is the only network, --bootstrap
    /// counts as well
    #[arg(long, value_name = "IP:PORT", value_delimiter = ',', help_heading = "Network poly")]
    pub(crate) poly_bootstrap: Vec<Endpoint>,

    /// Don't look for nodes of poly on the local network, nor be found there
    #[arg(long, help_heading = "Network poly")]
    pub(crate) no_mdns: bool,

    /// Don't meet nodes of poly over Mainline
    #[arg(long, help_heading = "Network poly")]
    pub(crate) no_rendezvous: bool,

    /// Don't ask the gateway for a port that leads to the node of poly
    #[arg(long, help_heading = "Network poly")]
    pub(crate) no_port_mapping: bool,

    #[command(flatten)]
    pub(crate) which: WhichNetwork,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  polykad put letter.txt
  echo hello | polykad put --lifetime 30d --bootstrap 192.0.2.7:7654

Prints the key to get it by. A value has at most 65,536 bytes.")]
pub(crate) struct PutBlobOptions {
    /// The file; `-`: standard input
    #[arg(value_name = "FILE", default_value = "-")]
    pub(crate) file: PathBuf,

    #[command(flatten)]
    pub(crate) store: StoreOptions,

    #[command(flatten)]
    pub(crate) join: PolyJoinOptions,
}

/// How to store.
#[derive(Args, Clone, Debug)]
pub(crate) struct StoreOptions {
    /// How long the network keeps it, 30d at most: a number with s, m, h or d
    #[arg(long, value_name = "SPAN", default_value = "24h", value_parser = parse::lifetime)]
    pub(crate) lifetime: Duration,

    /// How many nodes must acknowledge it: a number, or `all`. Default: 8, fewer in small networks
    #[arg(long, value_name = "N", value_parser = parse::quorum)]
    pub(crate) quorum: Option<Quorum>,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  polykad get 8f43…e1 > letter.txt")]
pub(crate) struct GetBlobOptions {
    /// The key that `put` printed: 64 hexadecimal digits
    #[arg(value_parser = parse::key)]
    pub(crate) key: Key,

    #[command(flatten)]
    pub(crate) join: PolyJoinOptions,
}

#[derive(Args, Debug)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct RecordOptions {
    #[command(subcommand)]
    pub(crate) command: RecordCommand,
}

#[derive(Subcommand, Debug)]
pub(crate) enum RecordCommand {
    /// Store a value under your key, in place of the one before
    #[command(after_help = "\
Examples:
  polykad mainline keygen me.key
  polykad record set 'at home' --key-file me.key --salt status
  polykad record set 'out' --key-file me.key --salt status --expect 1

Without --seq it is one more than the network has. With --expect nothing is stored
if the network has another; exit code 1 then, and the winner is named.")]
    Set {
        /// The value; `-`: standard input
        value: String,

        #[command(flatten)]
        author: AuthorOptions,

        /// Compare and swap: the seq that must be the newest; 0: there must be none
        #[arg(long, value_name = "SEQ")]
        expect: Option<u64>,

        #[command(flatten)]
        store: StoreOptions,

        #[command(flatten)]
        join: PolyJoinOptions,
    },
    /// Find the newest value of a key; writes it to stdout as it is
    Get {
        /// The author's public key: 64 hexadecimal digits
        #[arg(value_parser = parse::public_key, value_name = "PUBLICKEY")]
        public_key: [u8; 32],

        /// Which of the author's records
        #[arg(long, default_value = "")]
        salt: String,

        #[command(flatten)]
        join: PolyJoinOptions,
    },
    /// Delete a record: a signed tombstone takes its place until it expires
    Delete {
        #[command(flatten)]
        author: AuthorOptions,

        #[command(flatten)]
        store: StoreOptions,

        #[command(flatten)]
        join: PolyJoinOptions,
    },
}

/// Who signs, and what.
#[derive(Args, Clone, Debug)]
pub(crate) struct AuthorOptions {
    /// The author's key file; `polykad mainline keygen` makes one
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: PathBuf,

    /// Which of the author's records: at most 64 bytes
    #[arg(long, default_value = "")]
    pub(crate) salt: String,

    /// The version, higher than any before. Default: one more than the network has
    #[arg(long, value_name = "N")]
    pub(crate) seq: Option<u64>,
}

#[derive(Args, Debug)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct TopicOptions {
    #[command(subcommand)]
    pub(crate) command: TopicCommand,
}

#[derive(Subcommand, Debug)]
pub(crate) enum TopicCommand {
    /// Put an entry of yours under a topic
    #[command(after_help = "\
Example:
  polykad topic announce chess 'I play at 192.0.2.9:4000' --key-file me.key")]
    Announce {
        /// The topic's name
        name: String,

        /// What to say: at most 1,000 bytes
        payload: String,

        /// The author's key file; `polykad mainline keygen` makes one
        #[arg(long, value_name = "FILE")]
        key_file: PathBuf,

        /// Which of your entries under this topic
        #[arg(long, default_value_t = 0)]
        slot: u16,

        #[command(flatten)]
        store: StoreOptions,

        #[command(flatten)]
        join: PolyJoinOptions,
    },
    /// Find the entries of a topic
    Find {
        /// The topic's name
        name: String,

        /// How many are enough
        #[arg(long, default_value_t = 100)]
        limit: usize,

        #[command(flatten)]
        join: PolyJoinOptions,
    },
}

#[derive(Args, Debug)]
#[command(after_help = "\
Example, the second on another machine:
  polykad connect --accept --bootstrap 192.0.2.7:7654 > copy     prints its id
  polykad connect 3b6a…29 --bootstrap 192.0.2.7:7654 < original

The stream is encrypted, and both ids are proven. It ends when both sides have no
more to say.")]
pub(crate) struct ConnectOptions {
    /// The node's id: 64 hexadecimal digits
    #[arg(value_parser = parse::key, required_unless_present = "accept")]
    #[arg(conflicts_with = "accept")]
    pub(crate) id: Option<Key>,

    /// Take a stream from whoever opens the first one
    #[arg(long)]
    pub(crate) accept: bool,

    /// What the stream is for: who opens it and who takes it must name the same
    #[arg(long, value_name = "NAME", default_value = "pipe")]
    pub(crate) service: String,

    #[command(flatten)]
    pub(crate) join: PolyJoinOptions,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  polykad watch --topic chess
  polykad watch --public-key 3b6a…29 --salt status

Prints what is there and then each change, until ctrl-c.")]
pub(crate) struct WatchOptions {
    /// The topic's name
    #[arg(long, conflicts_with = "public_key", required_unless_present = "public_key")]
    pub(crate) topic: Option<String>,

    /// The author of a record: 64 hexadecimal digits
    #[arg(long, value_parser = parse::public_key)]
    pub(crate) public_key: Option<[u8; 32]>,

    /// Which of the author's records
    #[arg(long, default_value = "")]
    pub(crate) salt: String,

    #[command(flatten)]
    pub(crate) join: PolyJoinOptions,
}
