//! Requests under way: transaction ids, and how long to wait for each answer.
//!
//! A request passes two deadlines. Once its answer is *slow* (later than this contact's measured
//! times let expect: RFC 6298's smoothed + 4 deviations; for a stranger, the same over all nodes
//! that answered), a lookup asks somebody else, without giving up on it. Once it has *expired*, the
//! contact has failed. An answer that comes still later is taken in all the same, for a while.

use rand_core::Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::contact::{Address, Rtt};
use crate::key::Key;
use crate::protocol::Moment;

/// Names a request on the wire. Unguessable, so that nobody can answer for another.
///
/// Mainline sends it as 4 bytes: some implementations refuse any other length.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TransactionId(pub u32);

/// A request that awaits its answer.
#[derive(Clone, Copy, Debug)]
pub struct Request<A, T> {
    /// Whom we asked.
    pub to: A,
    /// The id we believe it has; `None` for a bare address.
    pub key: Option<Key>,
    /// When we asked.
    pub sent: Moment,
    /// What for.
    pub purpose: T,
}

/// A request that was answered.
#[derive(Clone, Copy, Debug)]
pub struct Answered<A, T> {
    /// The request.
    pub request: Request<A, T>,
    /// How long the answer took.
    pub rtt: Duration,
    /// Whether it had expired: its failure has been told already.
    pub late: bool,
}

/// A deadline that has passed.
#[derive(Clone, Copy, Debug)]
pub enum Overdue<A, T> {
    /// The answer takes longer than expected: ask somebody else as well.
    Slow(Request<A, T>),
    /// There was no answer.
    Expired(Request<A, T>),
}

/// The requests of one node on one address family.
#[derive(Clone, Debug)]
pub struct Requests<A, T> {
    pending: BTreeMap<TransactionId, Pending<A, T>>,
    deadlines: BTreeSet<(Moment, TransactionId)>,
    /// Requests that have not expired.
    in_flight: usize,
    strangers: Strangers,
}

#[derive(Clone, Debug)]
struct Pending<A, T> {
    request: Request<A, T>,
    stage: Stage,
    deadline: Moment,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Waiting { slow_after: Duration },
    Slow,
    Expired,
}

impl<A: Address, T: Copy> Default for Requests<A, T> {
    fn default() -> Self {
        Self {
            pending: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            in_flight: 0,
            strangers: Strangers { rtt: None },
        }
    }
}

impl<A: Address, T: Copy> Requests<A, T> {
    /// Requests that may await an answer at once: far more than a busy node needs, and the bound of
    /// what a flood of commands can make us remember.
    pub const MAX_IN_FLIGHT: usize = 2048;
    /// Answers sooner than this are never called slow: schedulers and wakeups cost milliseconds.
    const SLOW_MIN: Duration = Duration::from_millis(50);
    const SLOW_MAX: Duration = Duration::from_secs(2);
    /// Nobody is given up on sooner, however near: a busy machine pauses this long.
    const EXPIRE_MIN: Duration = Duration::from_millis(500);
    /// Nobody waits longer: interactive lookups have to end.
    const EXPIRE_MAX: Duration = Duration::from_secs(5);
    /// How much later than slow an answer may be before the request expires.
    const EXPIRE_FACTOR: u32 = 4;
    /// How long an expired request is remembered for its late answer.
    const GRACE: Duration = Duration::from_secs(10);

    /// Registers a request about to be sent. `rtt` is what was measured of this contact before.
    /// `None`: too many are under way.
    pub fn begin(
        &mut self,
        request: Request<A, T>,
        rtt: Option<Rtt>,
        rng: &mut impl Rng,
    ) -> Option<TransactionId> {
        if self.in_flight >= Self::MAX_IN_FLIGHT {
            return None;
        }
        let id = loop {
            let id = TransactionId(rng.next_u32());
            if !self.pending.contains_key(&id) {
                break id;
            }
        };
        let expected = rtt.map_or_else(|| self.strangers.expected(), |rtt| rtt.overdue());
        let slow_after = expected.clamp(Self::SLOW_MIN, Self::SLOW_MAX);
        let deadline = request.sent + slow_after;
        self.deadlines.insert((deadline, id));
        self.pending
            .insert(id, Pending { request, stage: Stage::Waiting { slow_after }, deadline });
        self.in_flight += 1;
        Some(id)
    }

    /// Takes in an answer. `None`: it answers nothing we asked `from`; it was forged, doubled, or
    /// came too late.
    pub fn answered(&mut self, now: Moment, id: TransactionId, from: A) -> Option<Answered<A, T>> {
        if self.pending.get(&id)?.request.to != from {
            return None;
        }
        let pending = self.pending.remove(&id)?;
        self.deadlines.remove(&(pending.deadline, id));
        let late = pending.stage == Stage::Expired;
        self.in_flight -= usize::from(!late);
        let rtt = now.since(pending.request.sent);
        self.strangers.observe(rtt);
        Some(Answered { request: pending.request, rtt, late })
    }

    /// The next deadline that has passed. Call until `None`.
    pub fn poll_overdue(&mut self, now: Moment) -> Option<Overdue<A, T>> {
        loop {
            let (deadline, id) = *self.deadlines.first().filter(|(due, _)| *due <= now)?;
            self.deadlines.remove(&(deadline, id));
            let pending = self.pending.get_mut(&id)?;
            match pending.stage {
                Stage::Waiting { slow_after } => {
                    let wait = slow_after * Self::EXPIRE_FACTOR;
                    pending.stage = Stage::Slow;
                    pending.deadline =
                        pending.request.sent + wait.clamp(Self::EXPIRE_MIN, Self::EXPIRE_MAX);
                    self.deadlines.insert((pending.deadline, id));
                    return Some(Overdue::Slow(pending.request));
                }
                Stage::Slow => {
                    pending.stage = Stage::Expired;
                    pending.deadline = deadline + Self::GRACE;
                    self.deadlines.insert((pending.deadline, id));
                    self.in_flight -= 1;
                    return Some(Overdue::Expired(pending.request));
                }
                Stage::Expired => {
                    self.pending.remove(&id);
                }
            }
        }
    }

    /// When [`Requests::poll_overdue`] has something to tell.
    pub fn next_timeout(&self) -> Option<Moment> {
        self.deadlines.first().map(|(due, _)| *due)
    }

    /// Requests that have not been answered and have not expired.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// The requests that have not been answered, expired ones included.
    pub fn pending(&self) -> impl Iterator<Item = &Request<A, T>> {
        self.pending.values().map(|pending| &pending.request)
    }
}

/// How long nodes never asked before take to answer, by what all others took: the same smoothing as
/// for one contact, whose four deviations cover the spread between hosts as well. It adapts within
/// some ten answers, for the first lookup of a node in a data centre should not wait as for the
/// world.
#[derive(Clone, Copy, Debug)]
struct Strangers {
    rtt: Option<Rtt>,
}

impl Strangers {
    /// Before the first answer: the 98th percentile of round-trip times between hosts of
    /// `PlanetLab`, with some reserve.
    const INITIAL: Duration = Duration::from_millis(500);

    fn expected(self) -> Duration {
        self.rtt.map_or(Self::INITIAL, |rtt| rtt.overdue())
    }

    fn observe(&mut self, rtt: Duration) {
        match &mut self.rtt {
            Some(known) => known.observe(rtt),
            None => self.rtt = Some(Rtt::new(rtt)),
        }
    }
}

#[cfg(test)]
mod tests;
