//! Errors of the network `poly` as problem documents, and back.

use super::super::json::poly::Record;
use super::Problem;
#[cfg(feature = "http")]
use super::find_error;
#[cfg(feature = "http")]
use crate::error::FindError;
use crate::poly::value::ValueError;
#[cfg(feature = "http")]
use crate::poly::{Acknowledgements, Refusal, value};
use crate::poly::{Failure, GetError, PutError};

impl Problem {
    /// The record is there, but its author has deleted it: `record` is the tombstone.
    pub fn deleted(record: Record, cost: super::Cost) -> Self {
        let detail = format!("not found: deleted by its author, seq {}", record.seq);
        Self {
            record: Some(Box::new(record)),
            cost: Some(cost),
            ..Self::new(410, "deleted", "its author has deleted it", detail)
        }
    }
}

impl From<&Failure> for Problem {
    fn from(failure: &Failure) -> Self {
        let problem = |status, name, title| Self::new(status, name, title, failure.to_string());
        match failure {
            Failure::Value(error) => error.into(),
            // Who asks for more holders than there are asks for what can't be.
            Failure::QuorumMissed(all) => Self {
                holders: Some(Box::new(all.into())),
                ..problem(
                    if all.quorum > all.region.max(all.stored.len()) { 422 } else { 503 },
                    "quorum-missed",
                    "too few nodes stored the value",
                )
            },
            Failure::Conflict(winner) => Self {
                record: Some(Box::new((&**winner).into())),
                seq: Some(winner.seq),
                ..problem(409, "conflict", "the network has another version")
            },
            Failure::ConflictUnseen { seq } => Self {
                seq: Some(*seq),
                ..problem(409, "conflict-unseen", "the network is said to have another version")
            },
            Failure::ClockSkew { ahead_s } => Self {
                seconds: Some(*ahead_s),
                ..problem(503, "clock-skew", "the node's clock is wrong")
            },
            Failure::NobodyThere => problem(503, "no-contacts", "the node knows nobody"),
            Failure::Unanswered => problem(503, "no-answer", "no node answered"),
            Failure::Refused(refusal) => Self {
                reason: Some((*refusal).into()),
                ..problem(404, "refused", "the node refused")
            },
            Failure::TooManyOperations { limit } => Self {
                limit: Some(*limit),
                ..problem(503, "too-many-operations", "the node is busy")
            },
            Failure::Unwatchable => problem(422, "unwatchable", "it never changes"),
            Failure::Cancelled | _ => problem(503, "cancelled", "the operation was cancelled"),
        }
    }
}

impl From<&ValueError> for Problem {
    fn from(error: &ValueError) -> Self {
        let problem = |status, name, title| Self::new(status, name, title, error.to_string());
        let seconds = |span: u64| Some(i64::try_from(span).unwrap_or(i64::MAX));
        match error {
            ValueError::TooLong { limit, actual } => Self {
                limit: Some(*limit),
                bytes: Some(*actual),
                ..problem(413, "value-too-long", "the value is too long")
            },
            ValueError::SaltTooLong { actual } => Self {
                bytes: Some(*actual),
                ..problem(422, "salt-too-long", "the salt is too long")
            },
            ValueError::Expired { by_s } => {
                Self { seconds: seconds(*by_s), ..problem(422, "expired", "the value has expired") }
            }
            ValueError::LivesTooLong { lifetime_s } => Self {
                seconds: seconds(*lifetime_s),
                ..problem(422, "lives-too-long", "the value would live too long")
            },
            ValueError::BadSignature | _ => problem(422, "bad-signature", "the signature is wrong"),
        }
    }
}

impl From<&PutError> for Problem {
    fn from(error: &PutError) -> Self {
        match error {
            PutError::Failed(failure) => failure.into(),
            PutError::Stopped => {
                Self::new(503, "stopped", "the node has stopped", error.to_string())
            }
            PutError::Daemon { .. } => {
                Self::new(502, "daemon", "the daemon behind did not help", error.to_string())
            }
        }
    }
}

impl From<&GetError> for Problem {
    fn from(error: &GetError) -> Self {
        match error {
            GetError::NotFound { report } => Self {
                cost: Some((*report).into()),
                ..Self::new(404, "not-found", "nobody holds the value", error.to_string())
            },
            GetError::Failed(failure) => failure.into(),
            GetError::Stopped => {
                Self::new(503, "stopped", "the node has stopped", error.to_string())
            }
            GetError::Daemon { .. } => {
                Self::new(502, "daemon", "the daemon behind did not help", error.to_string())
            }
        }
    }
}

/// What a problem says of any operation; `None`: nothing of the network.
#[cfg(feature = "http")]
fn failure(problem: &Problem) -> Option<Failure> {
    let holders = || Acknowledgements::try_from(problem.holders.as_deref()?).ok();
    let record = || value::Record::try_from(problem.record.as_deref()?).ok();
    let seconds = || u64::try_from(problem.seconds.unwrap_or_default()).unwrap_or_default();
    let bytes = || problem.bytes.unwrap_or_default();
    Some(match problem.name() {
        "quorum-missed" => Failure::QuorumMissed(holders()?),
        "conflict" => Failure::Conflict(Box::new(record()?)),
        "conflict-unseen" => Failure::ConflictUnseen { seq: problem.seq? },
        "clock-skew" => Failure::ClockSkew { ahead_s: problem.seconds? },
        "no-contacts" => Failure::NobodyThere,
        "no-answer" | "nobody-there" => Failure::Unanswered,
        "refused" => Failure::Refused(Refusal::try_from(problem.reason.as_ref()?).ok()?),
        "unwatchable" => Failure::Unwatchable,
        "cancelled" => Failure::Cancelled,
        "value-too-long" => {
            ValueError::TooLong { limit: problem.limit.unwrap_or_default(), actual: bytes() }.into()
        }
        "body-too-long" => ValueError::TooLong {
            limit: value::MAX_VALUE_BYTES,
            actual: problem.bytes.unwrap_or(value::MAX_VALUE_BYTES + 1),
        }
        .into(),
        "salt-too-long" => ValueError::SaltTooLong { actual: bytes() }.into(),
        "expired" => ValueError::Expired { by_s: seconds() }.into(),
        "lives-too-long" => ValueError::LivesTooLong { lifetime_s: seconds() }.into(),
        "bad-signature" => ValueError::BadSignature.into(),
        _ => {
            let FindError::TooManyOperations { limit } = find_error(problem) else { return None };
            Failure::TooManyOperations { limit }
        }
    })
}

/// What a problem says of a put.
#[cfg(feature = "http")]
pub(in crate::http) fn put_error(problem: &Problem) -> PutError {
    match failure(problem) {
        Some(failure) => PutError::Failed(failure),
        None if problem.name() == "stopped" => PutError::Stopped,
        None => PutError::Daemon { message: problem.detail.clone() },
    }
}

/// What a problem says of a get.
#[cfg(feature = "http")]
pub(in crate::http) fn get_error(problem: &Problem) -> GetError {
    match failure(problem) {
        Some(failure) => GetError::Failed(failure),
        None if problem.name() == "not-found" => {
            GetError::NotFound { report: problem.cost.map(Into::into).unwrap_or_default() }
        }
        None if problem.name() == "stopped" => GetError::Stopped,
        None => GetError::Daemon { message: problem.detail.clone() },
    }
}
