//! `polykad demo`: a network of Polykad's own in several processes, which are killed and started
//! again.
//!
//! | file | what is there |
//! |---|---|
//! | `plan.rs` | what the seed decides |
//! | `acts.rs` | what happens, act by act |
//! | `findings.rs` | what came of it, and the verdict |
//! | `network.rs` | the processes and their nodes, from outside |
//! | `host.rs` | one process from inside: the command `demo-host` |
//! | `words.rs` | what the two say to each other |

use tokio::time::{sleep, timeout};

use super::{PATIENCE, READ_EVERY};
use crate::args::DemoOptions;
use crate::failure::Failure;
use crate::node::interrupted;
use crate::output::Output;
use acts::Play;
use network::Network;
use plan::Plan;

mod acts;
mod findings;
pub(crate) mod host;
mod network;
mod plan;
mod words;

pub(super) async fn run(options: DemoOptions, output: Output) -> Result<(), Failure> {
    let plan = Plan::draw(options.seed, options.nodes, options.values);
    let mut network = Network::new(&plan)?;
    let result = show(&options, &plan, &mut network, output).await;
    let closed = network.close().await;
    result.and(closed)
}

/// The acts, and then the dashboard for as long as anybody wants to look.
async fn show(
    options: &DemoOptions,
    plan: &Plan,
    network: &mut Network,
    output: Output,
) -> Result<(), Failure> {
    let mut play = Play::new(options, plan, network, output);
    let url = tokio::select! {
        url = acts(options, &mut play, output) => url?,
        () = interrupted() => {
            return Err(Failure::failed("interrupted; nothing is left behind"));
        }
    };
    let Some(url) = url else { return Ok(()) };
    output.line(format!("The dashboard stays at {url}/ until ctrl-c."))?;
    tokio::select! {
        result = go_on(&mut play) => result,
        () = interrupted() => Ok(()),
    }
}

/// The acts, in order; where the dashboard is.
async fn acts(
    options: &DemoOptions,
    play: &mut Play<'_>,
    output: Output,
) -> Result<Option<String>, Failure> {
    play.open()?;
    play.start().await?;
    let url = play.show_dashboard(options).await?;
    play.put().await?;
    play.swap().await?;
    play.announce().await?;
    play.watch("watch").await?;
    play.read("read", "other nodes").await?;
    play.kill_some().await?;
    play.read("read again", "the survivors").await?;
    play.watch("watch on").await?;
    play.kill_all().await?;
    play.restart().await?;
    play.read("read again", "nodes that were dead").await?;
    play.watch("watch anew").await?;
    play.end(output)?;
    Ok(url)
}

/// The nodes read on, for as long as anybody looks.
async fn go_on(play: &mut Play<'_>) -> Result<(), Failure> {
    loop {
        // Nothing depends on it but what is seen.
        if let Ok(read) = timeout(PATIENCE, play.read_one()).await {
            read?;
        }
        sleep(READ_EVERY).await;
    }
}
