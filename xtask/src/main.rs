//! Development tasks: `cargo xtask test | tidy | interop | fuzz | bench | dist | deb |
//! wheel`.
//!
//! Everything here runs other programs, `cargo` above all, from the root of the repository. A
//! command prints what it does as it goes and ends with exit code 0, 1 (something failed) or 2
//! (wrong use).

use std::process::ExitCode;

mod bench;
mod build;
mod clients;
mod deb;
mod dist;
mod fuzz;
mod interop;
mod planted;
mod shell;
mod simulate;
mod suite;
mod tidy;
mod tools;
mod wheel;

const HELP: &str = "\
Usage: cargo xtask COMMAND

  test [--no-skip] [ONLY...]        all that must hold; ONLY: stages by name (see `test --list`)
  tidy                              the rules of the code base that no lint knows
  interop [FILTER...]               our program against real BitTorrent clients
  fuzz [--executions N] [--seconds S] [--row] [TARGET...]
                                    long fuzzing, 10,000,000 executions a target unless told
  bench mainline [--rounds N] [--seconds S] [--json]
                                    CPU and memory against libtorrent and a bare UDP echo
  dist                              all packages, with checksums, in target/dist
  deb                               the Debian package alone
  wheel                             the Python wheel alone

`--no-skip`, or CI=true in the environment, makes each skipped test a failed one.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut words = arguments.iter().map(String::as_str);
    let command = words.next().unwrap_or_default();
    let rest: Vec<&str> = words.collect();
    let outcome = match command {
        "test" => suite::run(&rest),
        "tidy" => tidy::run(),
        "interop" => interop::run(&rest),
        "fuzz" => fuzz::run(&rest),
        "bench" => bench::run(&rest),
        "dist" => dist::run(),
        "deb" => deb::run(),
        "wheel" => wheel::run(),
        "help" | "--help" | "-h" => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        _ => Err(format!("unknown command {command:?}\n\n{HELP}")),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::from(2)
        }
    }
}
