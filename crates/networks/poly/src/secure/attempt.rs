//! Handshakes that this node began and that are not answered yet.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kademlia::Moment;
use snow::HandshakeState;

use super::wire::Nonce;
use crate::contact::Peer;

/// Handshakes under way at most; beyond, the oldest is given up. At the default limits of the
/// overlay some hundreds run at once.
pub(super) const MAX_ATTEMPTS: usize = 1024;
/// Messages that wait for one handshake.
pub(super) const MAX_QUEUED: usize = 4;
/// A handshake so young is waited for; later messages try anew, in case its datagram was lost.
pub(super) const PATIENCE: Duration = Duration::from_millis(500);
/// After this time without an answer, messages that could not travel in the handshake go by a new
/// one.
pub(super) const RESEND_AFTER: Duration = Duration::from_secs(1);
/// Then a handshake is given up. Answers that come later than this are of no use to anyone.
pub(super) const GIVE_UP_AFTER: Duration = Duration::from_secs(5);
/// Handshakes in a row for the sake of the same waiting messages.
pub(super) const MAX_TRIES: u8 = 3;

/// A handshake that is not answered yet.
pub(super) struct Attempt {
    pub(super) to: Peer,
    pub(super) stage: Stage,
    /// The message that travels in it, or waits for the responder's id.
    pub(super) first: Option<Vec<u8>>,
    /// Messages that wait for it.
    pub(super) queue: Vec<Vec<u8>>,
    pub(super) began: Moment,
    /// When it is to be tried again or given up.
    pub(super) due: Moment,
    /// Whether it carries a cookie: one challenge is heeded, not a chain of them.
    pub(super) is_challenged: bool,
    pub(super) tries: u8,
}

/// How far it has come.
pub(super) enum Stage {
    /// Asked who is there.
    Asked(Nonce),
    /// Sent the initiation.
    Initiated(Box<HandshakeState>),
}

impl core::fmt::Debug for Attempt {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Attempt").field("to", &self.to).finish_non_exhaustive()
    }
}

impl Attempt {
    pub(super) const fn new(now: Moment, to: Peer, stage: Stage) -> Self {
        Self {
            to,
            stage,
            first: None,
            queue: Vec::new(),
            began: now,
            due: now,
            is_challenged: false,
            tries: 0,
        }
    }
}

/// All of them, by number.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    attempts: BTreeMap<u32, Attempt>,
    due: BTreeSet<(Moment, u32)>,
}

impl Attempts {
    pub(super) fn contains(&self, number: u32) -> bool {
        self.attempts.contains_key(&number)
    }

    pub(super) fn attempt(&mut self, number: u32) -> Option<&mut Attempt> {
        self.attempts.get_mut(&number)
    }

    pub(super) fn len(&self) -> usize {
        self.attempts.len()
    }

    /// Adds one. Returns the one that had to make room.
    pub(super) fn insert(&mut self, number: u32, mut attempt: Attempt) -> Option<(u32, Attempt)> {
        let oldest = self.due.first().map(|(_, number)| *number);
        let oldest = oldest.filter(|_| self.attempts.len() >= MAX_ATTEMPTS);
        let evicted = oldest.and_then(|number| Some((number, self.remove(number)?)));
        attempt.due = attempt.began + RESEND_AFTER;
        self.due.insert((attempt.due, number));
        self.attempts.insert(number, attempt);
        evicted
    }

    pub(super) fn remove(&mut self, number: u32) -> Option<Attempt> {
        let attempt = self.attempts.remove(&number)?;
        self.due.remove(&(attempt.due, number));
        Some(attempt)
    }

    /// The number of the next one that is due, and whether it is to be given up.
    pub(super) fn pop_due(&mut self, now: Moment) -> Option<(u32, bool)> {
        let (due, number) = self.due.first().copied().filter(|(due, _)| *due <= now)?;
        let attempt = self.attempts.get_mut(&number)?;
        let end = attempt.began + GIVE_UP_AFTER;
        self.due.remove(&(due, number));
        attempt.due = end;
        self.due.insert((end, number));
        Some((number, end <= now))
    }

    pub(super) fn next_due(&self) -> Option<Moment> {
        self.due.first().map(|(due, _)| *due)
    }
}
