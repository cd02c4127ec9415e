//! What became of the owner's operations, and how long they took: for status and metrics.

use std::time::Duration;

use client::status::Outcomes;

/// Operations counted by kind.
#[derive(Debug)]
pub(crate) struct OutcomeCounts(Vec<Outcomes>);

/// What became of one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// It brought what it should.
    Done,
    /// It ended well but brought nothing.
    NotFound,
    /// It failed.
    Failed,
    /// The one who asked did not wait for the end: that says nothing of the network.
    Withdrawn,
}

impl OutcomeCounts {
    /// None yet, of these kinds.
    pub(crate) fn new(kinds: &[&'static str]) -> Self {
        Self(kinds.iter().map(|kind| Outcomes::new(kind)).collect())
    }

    /// All kinds, those that never ran too.
    pub(crate) fn all(&self) -> Vec<Outcomes> {
        self.0.clone()
    }

    /// Counts an operation that has ended.
    pub(crate) fn count(&mut self, kind: &str, verdict: Verdict, elapsed: Duration) {
        let Some(counts) = self.0.iter_mut().find(|counts| counts.kind == kind) else { return };
        match verdict {
            Verdict::Done => counts.done += 1,
            Verdict::NotFound => counts.not_found += 1,
            Verdict::Failed => counts.failed += 1,
            Verdict::Withdrawn => return,
        }
        counts.took(elapsed);
    }
}
