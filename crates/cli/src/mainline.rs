//! The commands of `polykad mainline`: each goes through the running daemon, or joins BitTorrent's
//! DHT for one task and leaves.
//!
//! What can be wrong with the arguments is found before joining. Field names of the JSON objects
//! are stable; `docs/mainline.md` lists them.

use std::time::Duration;

use client::http::Daemon;
use client::{Key, Mainline, NodeContact, Report};
use serde::Serialize;
use tokio::time::{Instant, timeout_at};

use crate::args::{JoinOptions, MainlineCommand, MainlineOptions};
use crate::daemon;
use crate::failure::Failure;
use crate::node::{self, Joined, Through};
use crate::output::{Output, hex, millis, short_span};
use crate::parse::{Samples, Target};

mod announce;
mod crawl;
mod find;
mod item;
mod kept;
mod sample;

/// What a command works through: the running daemon, or a node that has joined for it alone.
pub(crate) struct Session {
    through: Behind,
    output: Output,
    started: Instant,
    timeout: Duration,
}

/// See [`Session`].
enum Behind {
    Node(Joined),
    Daemon(Daemon),
}

pub(crate) async fn run(options: MainlineOptions, output: Output) -> Result<(), Failure> {
    let join = &options.join;
    match options.command {
        MainlineCommand::Keygen { file } => item::keygen(&file, output),
        MainlineCommand::Ping { address } => {
            let address = node::resolve(&address).await?;
            let session = Session::open_toward(join, address, output).await?;
            find::ping(&session, address).await
        }
        MainlineCommand::FindNode { target } => {
            find::find_node(&Session::open(join, output).await?, target).await
        }
        MainlineCommand::GetPeers { torrent } => {
            find::get_peers(&Session::open(join, output).await?, &torrent).await
        }
        MainlineCommand::Scrape { torrent } => {
            find::scrape(&Session::open(join, output).await?, &torrent).await
        }
        MainlineCommand::Announce(options) => {
            announce::run(&Session::open(join, output).await?, &options).await
        }
        MainlineCommand::Announcements { forget } => {
            kept::run(&Session::open(join, output).await?, forget.as_ref()).await
        }
        MainlineCommand::Put(options) => {
            let wish = item::Wish::read(&options).await?;
            item::put(&Session::open(join, output).await?, wish).await
        }
        MainlineCommand::Get(options) => {
            item::get(&Session::open(join, output).await?, &options).await
        }
        MainlineCommand::Sample { whom: Samples::OfNode(address) } => {
            let session = Session::open_toward(join, address, output).await?;
            sample::of_node(&session, address).await
        }
        MainlineCommand::Sample { whom: Samples::Around(target) } => {
            sample::around(&Session::open(join, output).await?, target).await
        }
        MainlineCommand::Crawl(options) => {
            crawl::run(&Session::open(join, output).await?, &options).await
        }
    }
}

impl Session {
    /// Joins the network.
    async fn open(options: &JoinOptions, output: Output) -> Result<Self, Failure> {
        Self::start(options, Through::Bootstrap, output).await
    }

    /// Starts a node that talks to one address alone.
    async fn open_toward(
        options: &JoinOptions,
        address: core::net::SocketAddr,
        output: Output,
    ) -> Result<Self, Failure> {
        Self::start(options, Through::Nobody(address), output).await
    }

    async fn start(
        options: &JoinOptions,
        through: Through,
        output: Output,
    ) -> Result<Self, Failure> {
        let started = Instant::now();
        let timeout = options.timeout;
        let open = async {
            if !node::wants_its_own(options)
                && let Some(daemon) = daemon::find(&options.daemon).await?
            {
                output.note(format!("through the daemon at {}", daemon.address()));
                return Ok(Behind::Daemon(daemon));
            }
            Ok::<_, Failure>(Behind::Node(node::join(options, through).await?))
        };
        let through = timeout_at(started + timeout, open).await.map_err(|_| late(timeout))??;
        Ok(Self { through, output, started, timeout })
    }

    fn mainline(&self) -> &dyn Mainline {
        match &self.through {
            Behind::Node(joined) => joined.mainline(),
            Behind::Daemon(daemon) => daemon,
        }
    }

    /// The running daemon, for what it alone can do.
    fn daemon(&self) -> Result<&Daemon, Failure> {
        match &self.through {
            Behind::Daemon(daemon) => Ok(daemon),
            Behind::Node(_) => Err(Failure::wrong_use(
                "only a daemon keeps announcements: start one with `polykad serve`, and leave out \
                 --bootstrap, --no-default-bootstrap and --listen",
            )),
        }
    }

    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    fn deadline(&self) -> Instant {
        self.started + self.timeout
    }

    /// The operation's result, or a failure once the command's time is up.
    async fn within<T, E>(
        &self,
        operation: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Failure>
    where
        Failure: From<E>,
    {
        let result = timeout_at(self.deadline(), operation).await;
        Ok(result.map_err(|_| late(self.timeout))??)
    }

    /// The info-hash that `target` is or, for a `btpk` magnet, points to (BEP 46).
    async fn info_hash(&self, target: &Target) -> Result<Key, Failure> {
        let (public_key, salt) = match target {
            Target::Id(info_hash) => return Ok(*info_hash),
            Target::Item { public_key, salt } => (*public_key, salt.as_bytes().to_vec()),
        };
        let got = self.within(self.mainline().get_mutable(public_key, salt)).await?;
        let info_hash = item::info_hash(&got.value.value).ok_or_else(|| {
            Failure::failed(
                "the magnet's value names no torrent: read it with `polykad mainline get MAGNET`",
            )
        })?;
        self.output.note(format!("seq {} names torrent {}", got.value.seq, hex(&info_hash)));
        Ok(info_hash)
    }
}

fn late(timeout: Duration) -> Failure {
    Failure::failed(format!(
        "no result within {}: try a longer --timeout, or other --bootstrap addresses",
        short_span(timeout)
    ))
}

/// What an operation cost, in every object that reports one.
#[derive(Serialize)]
struct Cost {
    asked: u32,
    answered: u32,
    failed: u32,
    hops: u32,
    elapsed_ms: f64,
}

impl From<Report> for Cost {
    fn from(report: Report) -> Self {
        let Report { asked, answered, failed, hops, elapsed } = report;
        Self { asked, answered, failed, hops, elapsed_ms: millis(elapsed) }
    }
}

/// A node, in every object that names some.
#[derive(Serialize)]
struct Node {
    id: String,
    address: String,
}

impl From<&NodeContact> for Node {
    fn from(contact: &NodeContact) -> Self {
        Self { id: hex(&contact.id), address: contact.address.to_string() }
    }
}

/// `asked 21 nodes in 3 hops, 14 ms`, for people.
fn effort(report: &Report) -> String {
    format!(
        "{} of {} requests answered, {} hops, {}",
        report.answered,
        report.asked,
        report.hops,
        short_span(report.elapsed)
    )
}
