//! What a command prints: text for people, or one JSON object for scripts.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use client::Key;
use serde::Serialize;
use serde_json::Value;

use crate::failure::{Failure, Kind};

/// Where a command's results go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether results are one JSON object.
    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// Prints a line for people; with `--json` nothing.
    pub(crate) fn line(self, text: impl AsRef<str>) -> Result<(), Failure> {
        if self.json {
            return Ok(());
        }
        write_out(&[text.as_ref().as_bytes(), b"\n"].concat())
    }

    /// Prints bytes as they are; with `--json` nothing. On a terminal the line is ended.
    pub(crate) fn raw(self, bytes: &[u8]) -> Result<(), Failure> {
        if self.json {
            return Ok(());
        }
        write_out(bytes)?;
        let ends_line = bytes.last().is_none_or(|&byte| byte == b'\n');
        if io::stdout().is_terminal() && !ends_line { write_out(b"\n") } else { Ok(()) }
    }

    /// Draws on the terminal: text with control sequences, as it is; with `--json` nothing.
    pub(crate) fn draw(self, frame: &str) -> Result<(), Failure> {
        if self.json { Ok(()) } else { write_out(frame.as_bytes()) }
    }

    /// Prints the object that scripts read; without `--json` nothing.
    pub(crate) fn object(self, object: &impl Serialize) -> Result<(), Failure> {
        if !self.json {
            return Ok(());
        }
        let mut text = serde_json::to_vec(object)
            .map_err(|error| Failure::failed(format!("cannot write JSON: {error}")))?;
        text.push(b'\n');
        write_out(&text)
    }

    /// Tells people at a terminal more than the result; scripts and pipes nothing.
    pub(crate) fn note(self, text: impl AsRef<str>) {
        if !self.json && io::stderr().is_terminal() {
            complain(text.as_ref());
        }
    }

    /// Tells of a failure: one line on stderr, and with `--json` an object on stdout.
    pub(crate) fn failure(self, failure: &Failure) -> ExitCode {
        if failure.kind == Kind::ReaderGone {
            return ExitCode::SUCCESS;
        }
        complain(&format!("error: {}", one_line(&failure.message)));
        let mut object = failure.details.clone();
        object.insert("error".to_owned(), Value::String(failure.message.clone()));
        // If stdout is gone as well, the exit code is all that is left.
        let _ = self.object(&object);
        failure.kind.exit_code()
    }
}

/// Writes a line to stderr. Unlike `eprintln!` it does not panic if nobody listens.
pub(crate) fn complain(line: &str) {
    let _ = io::stderr().lock().write_all(format!("{line}\n").as_bytes());
}

fn write_out(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(|error| {
        let gone = error.kind() == io::ErrorKind::BrokenPipe;
        let kind = if gone { Kind::ReaderGone } else { Kind::Failed };
        Failure { kind, ..Failure::failed(format!("cannot write to standard output: {error}")) }
    })
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A Mainline id or key as people write it.
pub(crate) fn hex(key: &Key) -> String {
    client::id::hex(key).to_string()
}

/// Any bytes in hexadecimal.
pub(crate) fn hex_bytes(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        text.extend(
            [byte >> 4, byte & 15]
                .map(|digit| char::from_digit(digit.into(), 16).unwrap_or_default()),
        );
        text
    })
}

/// Milliseconds, as `elapsed_ms` in every object: to the microsecond.
pub(crate) fn millis(span: Duration) -> f64 {
    (span.as_secs_f64() * 1e6).round() / 1e3
}

/// A span of time in three digits or so: `0.4 ms`, `230 ms`, `1.2 s`, `3 min`, `2.5 h`.
pub(crate) fn short_span(span: Duration) -> String {
    let seconds = span.as_secs_f64();
    match seconds {
        ..0.01 => format!("{:.1} ms", seconds * 1e3),
        0.01..1.0 => format!("{:.0} ms", seconds * 1e3),
        1.0..100.0 => format!("{seconds:.1} s"),
        100.0..6_000.0 => format!("{:.0} min", seconds / 60.0),
        _ => format!("{:.1} h", seconds / 3_600.0),
    }
}

/// `1 node`, `2 nodes`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests;
