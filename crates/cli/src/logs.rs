//! The log on stderr: what the node tells of itself beside the results of commands.

use std::io::{self, IsTerminal};

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::args::Command;
use crate::failure::Failure;

/// Starts logging. `filter` is what the user asked for, by flag or `POLYKAD_LOG`; else `RUST_LOG`
/// counts.
pub(crate) fn start(filter: Option<&str>, command: &Command) -> Result<(), Failure> {
    let standard = std::env::var("RUST_LOG").ok().filter(|filter| !filter.is_empty());
    let filter = filter.or(standard.as_deref()).unwrap_or(match command {
        Command::Serve(_) => "warn",
        // One command, one answer: its failures are told by the command itself.
        Command::Mainline(_)
        | Command::Put(_)
        | Command::Get(_)
        | Command::Record(_)
        | Command::Topic(_)
        | Command::Watch(_)
        | Command::Connect(_)
        | Command::Status(_)
        | Command::Peers(_)
        | Command::Id(_)
        | Command::Top(_)
        | Command::Config(_)
        | Command::Demo(_)
        | Command::DemoHost(_)
        | Command::Sim(_)
        | Command::Completions(_)
        | Command::Man(_) => "off",
    });
    let filter: Targets = filter.parse().map_err(|error| {
        Failure::wrong_use(format!(
            "log filter '{filter}': {error}; write a level such as info or debug, or \
             TARGET=LEVEL pairs"
        ))
    })?;
    let no_colour = std::env::var("NO_COLOR").is_ok_and(|value| !value.is_empty());
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal() && !no_colour);
    tracing_subscriber::registry().with(filter).with(lines).init();
    Ok(())
}
