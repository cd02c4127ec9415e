//! The command line described for others: completions for shells, and manual pages, one for each
//! command. Both are made from `args`, so that they can't say anything else than `--help`.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use serde_json::json;

use crate::args::Arguments;
use crate::failure::Failure;
use crate::output::Output;

/// The part of the manual that programs are in.
const SECTION: &str = "1";

/// What the program's own page says beyond its one line.
const DESCRIPTION: [&str; 3] = [
    "Polykad takes part in distributed hash tables: in its own network, called poly, which is \
     encrypted and keeps values of up to 64 KiB, records and topics for as long as their authors \
     say, and in BitTorrent's Mainline DHT.",
    "Begin with `polykad demo`, a whole network on this machine, or with `polykad serve`, a node \
     with a dashboard at http://127.0.0.1:6880/. Other commands go through the node that \
     serves on this machine; with --bootstrap a node joins for the one command.",
    "Each command has a page of its own, named as below, and the same with --help.",
];

/// Sections of the page of the program itself, beside those made from its help.
const ENVIRONMENT: [(&str, &str); 9] = [
    ("POLYKAD_DATA", "the data folder of `serve`; by it other commands find the daemon"),
    ("POLYKAD_DAEMON", "the daemon's HTTP address, for all commands that talk to one"),
    ("POLYKAD_HTTP_TOKEN", "the daemon's token"),
    ("POLYKAD_CONFIG", "the configuration file of `serve`"),
    ("POLYKAD_NETWORKS", "the networks that `serve` takes part in, separated by commas"),
    (
        "POLYKAD_LISTEN, POLYKAD_HTTP, POLYKAD_NO_HTTP",
        "where `serve` listens, for nodes and for HTTP; whether it serves no HTTP",
    ),
    (
        "POLYKAD_BOOTSTRAP, POLYKAD_NO_DEFAULT_BOOTSTRAP",
        "nodes to join through; whether through them alone",
    ),
    ("POLYKAD_LOG, RUST_LOG", "what to log, as --log says it"),
    ("NO_COLOR", "if not empty, nothing is coloured"),
];

const FILES: [(&str, &str); 2] = [
    (
        "/etc/polykad.toml",
        "settings of the daemon that the Debian package installs; `polykad config init` writes \
         such a file, with every setting explained",
    ),
    ("/var/lib/polykad", "what that daemon keeps: its identity, contacts and stored values"),
];

/// Prints completions for a shell.
pub(crate) fn completions(shell: Shell, output: Output) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "polykad", &mut script);
    output.raw(&script)?;
    output.object(&json!({ "text": String::from_utf8_lossy(&script) }))
}

/// Writes the manual pages.
pub(crate) fn manual(folder: &Path, output: Output) -> Result<(), Failure> {
    let cannot = |error: io::Error| {
        Failure::failed(format!("cannot write to {}: {error}", folder.display()))
    };
    fs::create_dir_all(folder).map_err(cannot)?;
    let pages = pages();
    for (name, page) in &pages {
        fs::write(folder.join(format!("{name}.{SECTION}")), page).map_err(cannot)?;
    }
    output.line(format!("{} pages in {}", pages.len(), folder.display()))?;
    output.object(&json!({ "folder": folder.display().to_string(), "pages": pages.len() }))
}

/// All pages by their names, the program's own first.
fn pages() -> Vec<(String, String)> {
    let mut root = Arguments::command().disable_help_subcommand(true);
    root.build();
    let mut pages = Vec::new();
    collect(&root, None, &mut pages);
    pages
}

fn collect(command: &Command, parent: Option<&str>, pages: &mut Vec<(String, String)>) {
    let name = page_name(command);
    pages.push((name.clone(), page(command, parent)));
    for child in command.get_subcommands().filter(|child| !child.is_hide_set()) {
        collect(child, Some(&name), pages);
    }
}

fn page_name(command: &Command) -> String {
    command.get_display_name().unwrap_or(command.get_name()).to_owned()
}

fn page(command: &Command, parent: Option<&str>) -> String {
    let name = page_name(command);
    let mut head = Roff::new();
    heading(&mut head, "SYNOPSIS");
    synopsis(&mut head, command);
    heading(&mut head, "DESCRIPTION");
    if parent.is_none() {
        for words in DESCRIPTION {
            paragraph(&mut head, words);
        }
    } else {
        let about = command.get_about().map(ToString::to_string);
        paragraph(&mut head, &format!("{}.", about.unwrap_or_default()));
    }
    let mut rest = Roff::new();
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    after_help(&mut rest, &help);
    heading(&mut rest, "EXIT STATUS");
    described(&mut rest, [("0", "done"), ("1", "not found, or failed"), ("2", "wrong use")]);
    if parent.is_none() {
        heading(&mut rest, "ENVIRONMENT");
        described(&mut rest, ENVIRONMENT);
        heading(&mut rest, "FILES");
        described(&mut rest, FILES);
    }
    see_also(&mut rest, command, parent);
    let version = env!("CARGO_PKG_VERSION");
    let title = name.to_uppercase();
    let mut page = format!(".TH {title} {SECTION} \"\" \"polykad {version}\" \"Polykad\"\n");
    let man = Man::new(command.clone());
    page.push_str(&rendered(|to| man.render_name_section(to)));
    page.push_str(&head.to_roff());
    if command.has_subcommands() {
        page.push_str(&rendered(|to| man.render_subcommands_section(to)));
    }
    page.push_str(&rendered(|to| man.render_options_section(to)));
    page.push_str(&rest.to_roff());
    page
}

/// A section that clap has a page for.
fn rendered(write: impl Fn(&mut dyn Write) -> io::Result<()>) -> String {
    let mut text = Vec::new();
    // Writing to memory does not fail.
    let _ = write(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// How the command is typed, as its `--help` says.
fn synopsis(page: &mut Roff, command: &Command) {
    let name = command.get_bin_name().unwrap_or(command.get_name()).to_owned();
    let usage = command.clone().render_usage().to_string();
    for line in usage.trim_start_matches("Usage:").lines().map(str::trim) {
        let rest = line.strip_prefix(&name).unwrap_or(line);
        page.control("PP", []);
        page.text([bold(name.clone()), roman(rest)]);
    }
}

fn paragraph(page: &mut Roff, words: &str) {
    page.control("PP", []);
    page.text([roman(words)]);
}

/// What stands beneath the options in `--help`: examples stay as they are laid out, and words
/// become paragraphs. Exit codes have their own section.
fn after_help(page: &mut Roff, help: &str) {
    let mut has_examples = false;
    for part in help.split("\n\n").filter(|part| !part.is_empty()) {
        let (examples, words): (Vec<&str>, Vec<&str>) =
            part.lines().partition(|line| line.starts_with("  "));
        let words = words.join(" ");
        if words.starts_with("Exit codes:") {
            continue;
        }
        if !examples.is_empty() && !has_examples {
            heading(page, "EXAMPLES");
            has_examples = true;
        }
        let is_bare = ["Example:", "Examples:", "Start here:"].contains(&words.as_str());
        if !words.is_empty() && !is_bare {
            paragraph(page, &words);
        }
        if !examples.is_empty() {
            page.control("PP", []);
            page.control("nf", []);
            page.control("RS", ["4"]);
            for line in examples {
                page.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
            }
            page.control("RE", []);
            page.control("fi", []);
        }
    }
}

fn heading(page: &mut Roff, title: &str) {
    page.control("SH", [title]);
}

fn described<'a>(page: &mut Roff, items: impl IntoIterator<Item = (&'a str, &'a str)>) {
    for (term, meaning) in items {
        page.control("TP", []);
        page.text([bold(term)]);
        page.text([roman(meaning)]);
    }
}

/// The commands above and below.
fn see_also(page: &mut Roff, command: &Command, parent: Option<&str>) {
    let below = command.get_subcommands().filter(|child| !child.is_hide_set()).map(page_name);
    let names: Vec<String> = parent.map(str::to_owned).into_iter().chain(below).collect();
    if names.is_empty() {
        return;
    }
    heading(page, "SEE ALSO");
    let mut words = Vec::new();
    for (place, name) in names.iter().enumerate() {
        words.push(bold(name.clone()));
        let comma = if place + 1 < names.len() { ", " } else { "" };
        words.push(roman(format!("({SECTION}){comma}")));
    }
    page.text(words);
}

#[cfg(test)]
mod tests;
