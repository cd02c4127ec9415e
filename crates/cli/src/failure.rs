//! Why a command did not do what it was asked, and the exit code that follows.

use std::process::ExitCode;

use client::{AnnounceError, FindError, GetError, PingError, PutError, PutReport, Refusal};
use serde_json::{Map, Value, json};

use crate::output::hex;

/// Why a command did not do what it was asked.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Failure {
    pub(crate) kind: Kind,
    /// One line, which says what to do.
    pub(crate) message: String,
    /// What scripts may want to know beyond the message; empty for most.
    pub(crate) details: Map<String, Value>,
}

/// What kind of failure it is; the exit code follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Not found, or failed: 1.
    Failed,
    /// Wrong use, which trying again won't help: 2.
    WrongUse,
    /// Nobody reads on (`polykad … | head`): the command ends without a word, 0.
    ReaderGone,
}

impl Kind {
    pub(crate) fn exit_code(self) -> ExitCode {
        match self {
            Self::Failed => ExitCode::from(1),
            Self::WrongUse => ExitCode::from(2),
            Self::ReaderGone => ExitCode::SUCCESS,
        }
    }
}

impl Failure {
    /// Not found, or failed.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self { kind: Kind::Failed, message: message.into(), details: Map::new() }
    }

    /// Wrong use.
    pub(crate) fn wrong_use(message: impl Into<String>) -> Self {
        Self { kind: Kind::WrongUse, message: message.into(), details: Map::new() }
    }

    /// The same, with one more detail.
    pub(crate) fn with(mut self, name: &str, value: Value) -> Self {
        self.details.insert(name.to_owned(), value);
        self
    }

    /// Nobody stored `what`.
    fn not_stored(what: &str, report: &PutReport) -> Self {
        let refused = report.refused.len();
        let first = report.refused.first();
        let first = first.map_or(String::new(), |refusal| format!(" (for one, {refusal})"));
        Self::failed(format!(
            "no node stored the {what}: {refused} refused{first}, {} did not answer; try again",
            report.silent
        ))
        .with_report(report)
    }

    fn with_report(self, report: &PutReport) -> Self {
        self.with("key", Value::String(hex(&report.key)))
            .with("acknowledged", json!(report.acknowledged.len()))
            .with("refused", report.refused.iter().map(refusal).collect())
            .with("silent", json!(report.silent))
    }
}

/// A refusal as scripts see it.
pub(crate) fn refusal(refusal: &Refusal) -> Value {
    json!({
        "from": refusal.from.to_string(),
        "code": refusal.code,
        "message": refusal.message,
    })
}

impl From<FindError> for Failure {
    fn from(error: FindError) -> Self {
        Self::failed(match error {
            FindError::NoContacts => {
                "no contacts: give --bootstrap IP:PORT of a node that runs (names may not have an \
                 address)"
                    .to_owned()
            }
            FindError::NoAnswer => "no node answered: check that the --bootstrap addresses are \
                 nodes that run, and that no firewall stops UDP"
                .to_owned(),
            FindError::WrongFamily
            | FindError::TooManyOperations { .. }
            | FindError::Stopped
            | _ => error.to_string(),
        })
    }
}

impl From<GetError> for Failure {
    fn from(error: GetError) -> Self {
        match error {
            GetError::Find(error) => error.into(),
            GetError::SaltTooLong { .. } => Self::wrong_use(error.to_string()),
            GetError::NotFound { report } => Self::failed(format!(
                "not found: of {} nodes that answered none holds the value; check the key, or \
                 put the value again (nodes drop it after about two hours)",
                report.answered
            ))
            .with("asked", json!(report.asked))
            .with("answered", json!(report.answered)),
            other => Self::failed(other.to_string()),
        }
    }
}

impl From<PutError> for Failure {
    fn from(error: PutError) -> Self {
        match error {
            PutError::Find(error) => error.into(),
            PutError::ValueTooLong { .. }
            | PutError::SaltTooLong { .. }
            | PutError::BadSignature => Self::wrong_use(error.to_string()),
            PutError::NotBencoded => Self::wrong_use(
                "the value is not one bencoded element: leave out --bencoded to store it as a \
                 byte string",
            ),
            PutError::Conflict { winner, report } => Self::failed(format!(
                "conflict: seq {0} is stored already; read it with `get`, then put with --seq {1} \
                 --cas {0}",
                winner.seq,
                winner.seq.saturating_add(1)
            ))
            .with_report(&report)
            .with("seq", json!(winner.seq)),
            PutError::NotStored { report } => Self::not_stored("value", &report),
            other => Self::failed(other.to_string()),
        }
    }
}

impl From<AnnounceError> for Failure {
    fn from(error: AnnounceError) -> Self {
        match error {
            AnnounceError::Find(error) => error.into(),
            AnnounceError::NotStored { report } => Self::not_stored("announcement", &report),
            other => Self::failed(other.to_string()),
        }
    }
}

impl From<PingError> for Failure {
    fn from(error: PingError) -> Self {
        match error {
            PingError::Find(error) => error.into(),
            PingError::WrongFamily { address } => Self::wrong_use(format!(
                "{address} is of a family this node has no socket for: add --listen {}",
                if address.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" }
            )),
            PingError::NoAnswer { .. } | PingError::Refused(_) | _ => {
                Self::failed(error.to_string())
            }
        }
    }
}

#[cfg(test)]
mod tests;
