//! Load generator, fake swarm and benchmarks: of Mainline nodes, of the disk store, of `poly`.
//!
//! The load generator speaks to any node: what it sends is written here by hand and shares no code
//! with what is measured. `cargo xtask bench` runs all of it.
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "measured figures are far below 2^52 and rounded for people anyway"
)]

use std::process::ExitCode;

mod batch;
mod echo;
mod fill;
mod isolate;
mod load;
mod message;
mod options;
mod poly;
mod process;
mod random;
mod report;
mod runner;
mod store;
mod swarm;

const HELP: &str = "\
Usage: polykad-bench COMMAND

  load --target IP:PORT [--source IP] [--sources N] [--spacing N]
       [--kind find_node|get_peers|ping|echo] [--in-flight N | --rate N] [--seconds S] [--json]
                              asks a node in a closed loop (256 in flight), or N times a second
  echo --listen IP:PORT [--bytes N]
                              answers every datagram with N bytes, by recvmmsg and sendmmsg alone
  swarm --listen IP:PORT --target IP:PORT [--nodes N] [--seconds S]
                              pretends to be N nodes, one a /24 from IP on, known to the target
  store --folder DIR [--values N] [--bytes N] [--only polykad|fjall|redb]
                              inserts, stalls and restarts of our disk store and embedded databases
  store-kill --folder DIR [--kills N] [--seed N]
                              kills a process that stores values, and checks what it has left
  store-restart --folder DIR [--values N] [--bytes N] [--rounds N] [--seed N] [--cold]
                              kills a node that holds N values, and times its first answers
  poly [--polykad BIN] [--python BIN] [--node BIN --modules DIR] [--libp2p BIN] [--only NAME,...]
       [--nodes N] [--values N] [--kept N] [--json]
                              networks of 100 nodes, ours and others', measured in turn
  mainline --polykad BIN [--echo BIN] [--python BIN] [--rounds N] [--seconds S] [--json]
           [--only cpu|memory]
                              measures the echo, libtorrent and polykad in turn";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((command, rest)) = arguments.split_first() else {
        println!("{HELP}");
        return ExitCode::from(2);
    };
    let outcome = options::Options::parse(rest).and_then(|options| match command.as_str() {
        "load" => load::run(&options),
        "echo" => echo::run(&options),
        "swarm" => swarm::run(&options),
        "store" => store::speed(&options),
        "store-kill" => store::kill(&options),
        "store-child" => store::child(&options),
        "store-restart" => store::restart(&options),
        "store-node" => store::node(&options),
        "poly" => poly::run(&options),
        "poly-ours" => poly::ours(&options),
        "mainline" => runner::run(&options),
        _ => Err(format!("unknown command {command:?}\n\n{HELP}")),
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::from(1)
        }
    }
}
