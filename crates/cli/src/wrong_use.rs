//! Reads the command line; what can't be read is told in one line, as any other failure.

use std::env;
use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

use crate::args::Arguments;
use crate::failure::Failure;
use crate::output::Output;

/// The arguments; or the exit code, after help was shown or wrong use was told.
pub(crate) fn parse() -> Result<Arguments, ExitCode> {
    let words: Vec<OsString> = env::args_os().collect();
    Arguments::try_parse_from(&words).map_err(|error| {
        let kind = error.kind();
        let shows_help = matches!(kind, ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
        if shows_help || kind == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
            // A closed pipe (`--help | head`) is no failure.
            let _ = error.print();
            return if shows_help { ExitCode::SUCCESS } else { ExitCode::from(2) };
        }
        let json = words.iter().any(|word| word == "--json");
        let failure = Failure::wrong_use(condense(&error.to_string(), &command_path(&words)));
        Output::new(json).failure(&failure)
    })
}

/// Clap's paragraphs in one line: the complaint and its tips, then where to read more.
fn condense(text: &str, command: &str) -> String {
    let text = text.strip_prefix("error: ").unwrap_or(text);
    let paragraphs: Vec<String> = text
        .split("\n\n")
        .map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|paragraph| !paragraph.is_empty())
        .filter(|paragraph| {
            !paragraph.starts_with("Usage:") && !paragraph.starts_with("For more information")
        })
        .collect();
    format!("{}; see `{command} --help`", paragraphs.join("; "))
}

/// The command that the words name, as far as they name one: `polykad mainline get`.
fn command_path(words: &[OsString]) -> String {
    let root = Arguments::command();
    let mut path = root.get_name().to_owned();
    let mut command = &root;
    for word in words.iter().skip(1) {
        let found = word.to_str().and_then(|word| command.find_subcommand(word));
        if let Some(found) = found {
            path = format!("{path} {}", found.get_name());
            command = found;
        }
    }
    path
}

#[cfg(test)]
mod tests;
