//! What can be wrong with a scenario, where, and what to do about it.

use std::path::{Path, PathBuf};

use super::{BirthKind, ChurnModel, Kind, Scenario, WorkKind};

/// Why a scenario cannot be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScenarioError {
    /// The file cannot be read.
    #[error("{}: cannot be read ({source}): check the path", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Something in it is wrong.
    #[error("{}:{line}: {what}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong, and the remedy.
        what: String,
    },
    /// A measured matrix cannot be used.
    #[error("{}: {source}", path.display())]
    Matrix {
        /// The file.
        path: PathBuf,
        /// Why.
        source: crate::net::latency::MatrixError,
    },
    /// A churn trace cannot be used.
    #[error("{}:{line}: {what}", path.display())]
    Trace {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong, and the remedy.
        what: String,
    },
    /// It would take more memory than allowed.
    #[error(
        "{nodes} nodes need about {needed_gib:.1} GiB, and memory_gib allows {allowed_gib:.1}: \
         raise memory_gib, or lower nodes"
    )]
    Memory {
        /// Nodes.
        nodes: u32,
        /// Estimated.
        needed_gib: f64,
        /// Allowed.
        allowed_gib: f64,
    },
}

impl ScenarioError {
    pub(super) fn syntax(path: &Path, text: &str, error: &toml::de::Error) -> Self {
        let start = error.span().map_or(0, |span| span.start);
        let line = 1 + text.bytes().take(start).filter(|byte| *byte == b'\n').count();
        let message = error.message();
        let remedy = if message.contains("unknown field") {
            "; correct the spelling or remove it"
        } else {
            ""
        };
        Self::Invalid { path: path.to_owned(), line, what: format!("{message}{remedy}") }
    }
}

/// An error at the line where a field is set, or its table begins.
pub(super) fn invalid(path: &Path, text: &str, field: &str, what: &str) -> ScenarioError {
    let key = field.rsplit('.').next().unwrap_or(field);
    let sets = |line: &str| {
        let line = line.trim_start();
        line.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('='))
            || line.trim_start_matches('[').starts_with(key) && line.starts_with('[')
    };
    let line = text.lines().position(sets).map_or(1, |line| line + 1);
    ScenarioError::Invalid { path: path.to_owned(), line, what: what.to_owned() }
}

pub(super) fn no_such_path(path: &Path, text: &str, of: &str) -> ScenarioError {
    let what =
        format!("sweep of {of:?} leads nowhere: name a field, as \"nodes\" or \"node.paths\"");
    invalid(path, text, "of", &what)
}

/// Finds values that make no sense.
pub(super) fn validate(
    path: &Path,
    text: &str,
    folder: &Path,
    scenario: &Scenario,
) -> Result<(), ScenarioError> {
    let wrong = |field: &str, what: String| Err(invalid(path, text, field, &what));
    if scenario.nodes < 2 {
        return wrong("nodes", format!("{} nodes are no network: take 2 or more", scenario.nodes));
    }
    if scenario.duration.0.is_zero() {
        return wrong("duration", "a duration of 0 simulates nothing: take 60s or so".into());
    }
    if scenario.seeds == 0 {
        return wrong("seeds", "0 seeds run nothing: take 1 or more".into());
    }
    for (field, value) in shares(scenario) {
        if !(0.0..=1.0).contains(&value) {
            return wrong(field, format!("{field} = {value} is no share: take 0 to 1"));
        }
    }
    if scenario.population.stale >= 1.0 || scenario.population.absent >= 1.0 {
        return wrong("population", "nobody would be there: lower absent and stale".into());
    }
    if let Some(matrix) = &scenario.latency.matrix
        && !folder.join(matrix).is_file()
    {
        let what = format!(
            "{} does not exist: give a path relative to this file, or leave matrix out for the \
             built-in model",
            folder.join(matrix).display()
        );
        return wrong("matrix", what);
    }
    validate_parts(scenario).map_or(Ok(()), |(field, what)| wrong(field, what))
}

fn shares(scenario: &Scenario) -> Vec<(&'static str, f64)> {
    let Scenario { population, trouble, .. } = scenario;
    let mut shares = vec![
        ("absent", population.absent),
        ("stale", population.stale),
        ("loss", trouble.loss),
        ("burst_share", trouble.burst_share),
        ("burst_loss", trouble.burst_loss),
        ("duplication", trouble.duplication),
        ("reordering", trouble.reordering),
        ("slow", trouble.slow),
        ("unlinked", trouble.unlinked),
        ("nat", trouble.nat),
    ];
    shares.extend(scenario.happening.iter().flat_map(|h| [("kill", h.kill), ("split", h.split)]));
    shares.extend(scenario.adversary.iter().map(|adversary| ("share", adversary.share)));
    shares
}

/// Wrong combinations: the field, and what is wrong.
fn validate_parts(scenario: &Scenario) -> Option<(&'static str, String)> {
    for work in &scenario.workload {
        if !(work.rate > 0.0 && work.rate <= 1e7) {
            return Some(("rate", format!("rate = {} does nothing: take 0.001 to 1e7", work.rate)));
        }
        if work.value_bytes > 900 && matches!(work.kind, WorkKind::Put | WorkKind::Get) {
            return Some(("value_bytes", "values may have 900 bytes at most".into()));
        }
        if work.per_owner == 0 {
            return Some(("per_owner", "an owner stores nothing: take 1 or more".into()));
        }
        if work.keys == 0 {
            return Some(("keys", "keys = 0 leaves nothing to ask for: take 1 or more".into()));
        }
    }
    if let Some(churn) = &scenario.churn {
        let (sessions, shapes) =
            (churn.session.zip(churn.absence), churn.session_shape.zip(churn.absence_shape));
        let missing = match churn.model {
            ChurnModel::Exponential => sessions.is_none().then_some("session and absence"),
            ChurnModel::Weibull => (sessions.is_none() || shapes.is_none())
                .then_some("session, absence, session_shape and absence_shape"),
            ChurnModel::Trace => churn.trace.is_none().then_some("trace"),
            ChurnModel::Kad | ChurnModel::Ipfs => None,
        };
        if let Some(missing) = missing {
            return Some(("churn", format!("this churn model needs {missing}: add them")));
        }
    }
    if scenario.happening.iter().any(|h| h.split > 0.0 && h.heals_at.is_none_or(|t| t <= h.at)) {
        return Some(("split", "a split needs heals_at, later than at: add it".into()));
    }
    let is_shipped = matches!(scenario.network, Kind::Mainline | Kind::Poly);
    if !is_shipped && scenario.population.birth == BirthKind::Join {
        return Some(("birth", "baselines are born in steady state: remove birth".into()));
    }
    if scenario.network != Kind::Mainline && !scenario.adversary.is_empty() {
        return Some(("adversary", "adversaries exist against mainline alone: remove them".into()));
    }
    for assertion in &scenario.assert {
        if assertion.at_least.is_none() && assertion.at_most.is_none() {
            return Some(("metric", "an assertion needs at_least or at_most: add one".into()));
        }
    }
    None
}
