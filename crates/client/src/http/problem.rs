//! Errors of the HTTP API as problem documents (RFC 9457), from the client's errors and back.

#[cfg(feature = "http")]
use core::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::json::poly::{Holders, Reason, Record};
use super::json::{Cost, Refusal, Signed, Stored};
use crate::error::{AnnounceError, FindError, GetError, PingError, PutError, StatusError};

pub(super) mod poly;

/// Why a request was not served. `application/problem+json`.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug, Default)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Problem {
    /// What kind of problem it is; its name, after the last `/`, stays as it is.
    #[serde(rename = "type")]
    #[cfg_attr(feature = "schema", schema(example = "/problems/not-found"))]
    pub kind: String,
    /// The status of the answer.
    pub status: u16,
    /// The kind in a few words.
    pub title: String,
    /// What happened this time, and what to do.
    pub detail: String,
    /// What it cost to find out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// What the nodes said that should have stored a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored: Option<Stored>,
    /// Of a conflict, the version that the network has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub winner: Option<Signed>,
    /// One node's refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
    /// The limit that was exceeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// By what it was exceeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<usize>,
    /// On poly: who stored a value that too few stored, and who refused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holders: Option<Box<Holders>>,
    /// On poly: of a conflict, the version that the network has; of a deleted record, the
    /// tombstone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<Box<Record>>,
    /// On poly: the version that the network has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// On poly: since when it is expired, how long it would live, by how much clocks are ahead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<i64>,
    /// On poly: one node's reason to refuse.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

/// Where the kinds of problems are named.
const PREFIX: &str = "/problems/";

impl Problem {
    /// A problem of this kind; `name` is lower case and stays as it is.
    pub fn new(status: u16, name: &str, title: &str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("{PREFIX}{name}"),
            status,
            title: title.to_owned(),
            detail: detail.into(),
            ..Self::default()
        }
    }

    /// The name of its kind.
    pub fn name(&self) -> &str {
        self.kind.strip_prefix(PREFIX).unwrap_or(&self.kind)
    }
}

impl From<&FindError> for Problem {
    fn from(error: &FindError) -> Self {
        let problem = |status, name, title| Self::new(status, name, title, error.to_string());
        match error {
            FindError::NoContacts => problem(503, "no-contacts", "the node knows nobody"),
            FindError::NoAnswer => problem(503, "no-answer", "no node answered"),
            FindError::WrongFamily => problem(503, "wrong-family", "no socket of that family"),
            FindError::TooManyOperations { limit } => Self {
                limit: Some(*limit),
                ..problem(503, "too-many-operations", "the node is busy")
            },
            FindError::Stopped => problem(503, "stopped", "the node has stopped"),
            FindError::Daemon { .. } => problem(502, "daemon", "the daemon behind did not help"),
        }
    }
}

impl From<&StatusError> for Problem {
    fn from(_: &StatusError) -> Self {
        (&FindError::Stopped).into()
    }
}

impl From<&GetError> for Problem {
    fn from(error: &GetError) -> Self {
        let problem = |status, name, title| Self::new(status, name, title, error.to_string());
        match error {
            GetError::NotFound { report } => Self {
                cost: Some((*report).into()),
                ..problem(404, "not-found", "nobody holds the value")
            },
            GetError::SaltTooLong { bytes } => Self {
                bytes: Some(*bytes),
                ..problem(422, "salt-too-long", "the salt is too long")
            },
            GetError::Find(error) => error.into(),
        }
    }
}

impl From<&PutError> for Problem {
    fn from(error: &PutError) -> Self {
        let problem = |status, name, title| Self::new(status, name, title, error.to_string());
        match error {
            PutError::ValueTooLong { bytes } => Self {
                bytes: Some(*bytes),
                ..problem(413, "value-too-long", "the value is too long")
            },
            PutError::NotBencoded => problem(422, "not-bencoded", "the value is not bencoded"),
            PutError::SaltTooLong { bytes } => Self {
                bytes: Some(*bytes),
                ..problem(422, "salt-too-long", "the salt is too long")
            },
            PutError::BadSignature => problem(422, "bad-signature", "the signature is wrong"),
            PutError::Conflict { winner, report } => Self {
                winner: Some((&**winner).into()),
                stored: Some((&**report).into()),
                ..problem(409, "conflict", "the network has another version")
            },
            PutError::NotStored { report } => Self {
                stored: Some((&**report).into()),
                ..problem(503, "not-stored", "nobody stored the value")
            },
            PutError::Find(error) => error.into(),
        }
    }
}

impl From<&AnnounceError> for Problem {
    fn from(error: &AnnounceError) -> Self {
        match error {
            AnnounceError::NotStored { report } => Self {
                stored: Some((&**report).into()),
                ..Self::new(503, "not-stored", "nobody stored the announcement", error.to_string())
            },
            AnnounceError::Find(error) => error.into(),
        }
    }
}

impl From<&PingError> for Problem {
    fn from(error: &PingError) -> Self {
        let problem = |status, name, title| Self::new(status, name, title, error.to_string());
        match error {
            PingError::NoAnswer { .. } => problem(404, "nobody-there", "nobody answered there"),
            PingError::WrongFamily { .. } => {
                problem(422, "wrong-family", "no socket of that family")
            }
            PingError::Refused(refusal) => Self {
                refusal: Some(refusal.into()),
                ..problem(404, "refused", "the node refused")
            },
            PingError::Find(error) => error.into(),
        }
    }
}

/// What a problem says of a lookup. Whatever is not known counts as a stopped daemon.
#[cfg(feature = "http")]
pub(super) fn find_error(problem: &Problem) -> FindError {
    match problem.name() {
        "no-contacts" => FindError::NoContacts,
        "no-answer" => FindError::NoAnswer,
        "wrong-family" => FindError::WrongFamily,
        "too-many-operations" | "too-busy" | "too-many-requests" => {
            FindError::TooManyOperations { limit: problem.limit.unwrap_or_default() }
        }
        "stopped" => FindError::Stopped,
        _ => FindError::Daemon { message: problem.detail.clone() },
    }
}

/// What a problem says of a get.
#[cfg(feature = "http")]
pub(super) fn get_error(problem: &Problem) -> GetError {
    match problem.name() {
        "not-found" => {
            GetError::NotFound { report: problem.cost.map(Into::into).unwrap_or_default() }
        }
        "salt-too-long" => GetError::SaltTooLong { bytes: problem.bytes.unwrap_or_default() },
        _ => find_error(problem).into(),
    }
}

/// What a problem says of a put.
#[cfg(feature = "http")]
pub(super) fn put_error(problem: &Problem) -> PutError {
    let stored = || problem.stored.as_ref().and_then(|stored| stored.try_into().ok());
    let winner = || problem.winner.as_ref().and_then(|winner| winner.try_into().ok());
    match problem.name() {
        "value-too-long" => PutError::ValueTooLong { bytes: problem.bytes.unwrap_or_default() },
        "not-bencoded" => PutError::NotBencoded,
        "salt-too-long" => PutError::SaltTooLong { bytes: problem.bytes.unwrap_or_default() },
        "bad-signature" => PutError::BadSignature,
        "conflict" | "precondition-failed" => match (winner(), stored()) {
            (Some(winner), Some(report)) => {
                PutError::Conflict { winner: Box::new(winner), report: Box::new(report) }
            }
            _ => find_error(problem).into(),
        },
        "not-stored" => match stored() {
            Some(report) => PutError::NotStored { report: Box::new(report) },
            None => find_error(problem).into(),
        },
        _ => find_error(problem).into(),
    }
}

/// What a problem says of a round of an announcement.
#[cfg(feature = "http")]
pub(super) fn announce_error(problem: &Problem) -> AnnounceError {
    let stored = problem.stored.as_ref().and_then(|stored| stored.try_into().ok());
    match stored {
        Some(report) => AnnounceError::NotStored { report: Box::new(report) },
        None => find_error(problem).into(),
    }
}

/// What a problem says of one node asked.
#[cfg(feature = "http")]
pub(super) fn ping_error(problem: &Problem, address: SocketAddr) -> PingError {
    match (problem.name(), &problem.refusal) {
        ("nobody-there", _) => PingError::NoAnswer { address },
        ("wrong-family", _) => PingError::WrongFamily { address },
        ("refused", Some(refusal)) => PingError::Refused(refusal.into()),
        _ => find_error(problem).into(),
    }
}

#[cfg(test)]
mod tests;
