//! The `polykad` program: the command line over a node.
//!
//! `args` says what can be typed; each command is one module: `serve`, `mainline`, `demo`, `sim`.
//! What a command prints goes through `output`, its failure is a `Failure`, and `main` alone turns
//! that into a line on stderr and an exit code: 0 done, 1 not found or failed, 2 wrong use.
#![forbid(unsafe_code)]

use std::process::ExitCode;

mod args;
mod config;
mod connect;
mod daemon;
mod demo;
mod failure;
mod gateway;
mod key_file;
mod logs;
mod mainline;
mod node;
mod output;
mod parse;
mod poly;
mod reference;
mod serve;
mod sim;
mod terminal;
mod top;
mod wrong_use;

use args::{Arguments, Command};
use failure::Failure;
use output::Output;

fn main() -> ExitCode {
    let arguments = match wrong_use::parse() {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    let output = Output::new(arguments.json);
    match run(arguments, output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => output.failure(&failure),
    }
}

fn run(arguments: Arguments, output: Output) -> Result<(), Failure> {
    logs::start(arguments.log.as_deref(), &arguments.command)?;
    // One node is one task: a thread for it costs the least, per query and in memory. The demo
    // is many.
    let mut runtime = match arguments.command {
        Command::Demo(_) => tokio::runtime::Builder::new_multi_thread(),
        Command::Serve(_)
        | Command::DemoHost(_)
        | Command::Mainline(_)
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
        | Command::Sim(_)
        | Command::Completions(_)
        | Command::Man(_) => tokio::runtime::Builder::new_current_thread(),
    };
    let runtime = runtime
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("cannot start threads: {error}")))?;
    let result = runtime.block_on(async {
        match arguments.command {
            Command::Demo(options) => demo::run(options, output).await,
            Command::DemoHost(options) => demo::host::run(options).await,
            Command::Serve(options) => serve::run(options, output).await,
            Command::Mainline(options) => mainline::run(options, output).await,
            Command::Put(options) => poly::put(options, output).await,
            Command::Get(options) => poly::get(options, output).await,
            Command::Record(options) => poly::record(options.command, output).await,
            Command::Topic(options) => poly::topic(options.command, output).await,
            Command::Watch(options) => poly::watch(options, output).await,
            Command::Connect(options) => connect::run(options).await,
            Command::Status(options) => daemon::status(&options.daemon, output).await,
            Command::Peers(options) => daemon::peers(&options.daemon, output).await,
            Command::Id(options) => daemon::id(&options.daemon, output).await,
            Command::Top(options) => top::run(&options, output).await,
            Command::Config(options) => config::run(&options.command, output),
            Command::Sim(options) => sim::run(&options, output),
            Command::Completions(options) => reference::completions(options.shell, output),
            Command::Man(options) => reference::manual(&options.folder, output),
        }
    });
    // Reading standard input can't be interrupted: don't wait for it.
    runtime.shutdown_background();
    result
}
