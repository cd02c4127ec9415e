//! Requests under way: transaction ids, and how long to wait for each answer.
//!
//! A request passes three deadlines. Once its answer is *slow* (later than this contact's measured
//! times let expect: RFC 6298's smoothed + 4 deviations; for a stranger, the same over all nodes
//! that answered), a lookup asks somebody else, without giving up on it. Once it is *doubtful*, at
//! twice that time, no lookup waits for it any more. Once it has *expired*, the contact has failed.
//! An answer that comes still later is taken in all the same, for a while.
//!
//! Where silence is no longer rare, who is slow is most likely gone: see
//! [`Requests::expects_silence`].

use rand_core::Rng;
use std::time::Duration;

use crate::ahead::fetch_all;
use crate::contact::{Address, Rtt};
use crate::flat::FlatMap;
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
    /// The answer takes so much longer that hardly any is to come: end without it.
    Doubtful(Request<A, T>),
    /// There was no answer.
    Expired(Request<A, T>),
}

/// The requests of one node on one address family.
#[derive(Clone, Debug)]
pub struct Requests<A, T> {
    /// In no order.
    pending: Vec<Pending<A, T>>,
    /// Where each of them is.
    places: FlatMap<TransactionId, u32>,
    deadlines: FlatMap<(Moment, TransactionId), ()>,
    /// Requests that have not expired.
    in_flight: usize,
    strangers: Strangers,
}

#[derive(Clone, Debug)]
struct Pending<A, T> {
    id: TransactionId,
    request: Request<A, T>,
    stage: Stage,
    deadline: Moment,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Waiting { slow_after: Duration },
    Slow { slow_after: Duration },
    Doubtful,
    Expired,
}

impl<A: Address, T: Copy> Default for Requests<A, T> {
    fn default() -> Self {
        Self {
            pending: Vec::new(),
            places: FlatMap::default(),
            deadlines: FlatMap::default(),
            in_flight: 0,
            strangers: Strangers::NEW,
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
    /// How much later than slow an answer may be before it is doubtful.
    const DOUBTFUL_FACTOR: u32 = 2;
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
            if !self.places.contains_key(&id) {
                break id;
            }
        };
        let expected = rtt.map_or_else(|| self.strangers.expected(), |rtt| rtt.overdue());
        let slow_after = expected.clamp(Self::SLOW_MIN, Self::SLOW_MAX);
        let deadline = request.sent + slow_after;
        self.deadlines.insert((deadline, id), ());
        self.places.insert(id, u32::try_from(self.pending.len()).unwrap_or(u32::MAX));
        self.pending.push(Pending { id, request, stage: Stage::Waiting { slow_after }, deadline });
        self.in_flight += 1;
        Some(id)
    }

    /// Takes in an answer. `None`: it answers nothing we asked `from`; it was forged, doubled, or
    /// came too late.
    pub fn answered(&mut self, now: Moment, id: TransactionId, from: A) -> Option<Answered<A, T>> {
        let place = *self.places.get(&id)?;
        if self.pending.get(place as usize)?.request.to != from {
            return None;
        }
        let pending = self.take(id)?;
        self.deadlines.remove(&(pending.deadline, id));
        let late = pending.stage == Stage::Expired;
        self.in_flight -= usize::from(!late);
        let rtt = now.since(pending.request.sent);
        self.strangers.observe(rtt);
        self.strangers.silent(false);
        Some(Answered { request: pending.request, rtt, late })
    }

    /// The next deadline that has passed. Call until `None`.
    pub fn poll_overdue(&mut self, now: Moment) -> Option<Overdue<A, T>> {
        loop {
            let (&(deadline, id), ()) =
                self.deadlines.first().filter(|((due, _), ())| *due <= now)?;
            self.deadlines.remove(&(deadline, id));
            let place = *self.places.get(&id)?;
            let pending = self.pending.get_mut(place as usize)?;
            match pending.stage {
                Stage::Waiting { slow_after } => {
                    pending.stage = Stage::Slow { slow_after };
                    pending.deadline = pending.request.sent + slow_after * Self::DOUBTFUL_FACTOR;
                    self.deadlines.insert((pending.deadline, id), ());
                    return Some(Overdue::Slow(pending.request));
                }
                Stage::Slow { slow_after } => {
                    let wait = slow_after * Self::EXPIRE_FACTOR;
                    pending.stage = Stage::Doubtful;
                    pending.deadline =
                        pending.request.sent + wait.clamp(Self::EXPIRE_MIN, Self::EXPIRE_MAX);
                    self.deadlines.insert((pending.deadline, id), ());
                    self.strangers.silent(true);
                    return Some(Overdue::Doubtful(pending.request));
                }
                Stage::Doubtful => {
                    pending.stage = Stage::Expired;
                    pending.deadline = deadline + Self::GRACE;
                    self.deadlines.insert((pending.deadline, id), ());
                    self.in_flight -= 1;
                    return Some(Overdue::Expired(pending.request));
                }
                Stage::Expired => {
                    self.take(id);
                }
            }
        }
    }

    /// Forgets a request. The last one moves to its place.
    fn take(&mut self, id: TransactionId) -> Option<Pending<A, T>> {
        let place = self.places.remove(&id)?;
        if place as usize >= self.pending.len() {
            return None;
        }
        let taken = self.pending.swap_remove(place as usize);
        if let Some(moved) = self.pending.get(place as usize) {
            self.places.insert(moved.id, place);
        }
        Some(taken)
    }

    /// When [`Requests::poll_overdue`] has something to tell.
    pub fn next_timeout(&self) -> Option<Moment> {
        self.deadlines.first().map(|((due, _), ())| *due)
    }

    /// Asks for what an answer will need: see [`ahead`](crate::ahead).
    pub fn prefetch(&self) {
        fetch_all(self.pending.get(..Self::FEW).unwrap_or(&self.pending));
        self.places.prefetch();
        self.deadlines.prefetch();
    }

    /// Requests that are asked for ahead.
    const FEW: usize = 8;

    /// Whether of late so many requests met silence that one that is slow is likely to as well.
    pub fn expects_silence(&self) -> bool {
        self.strangers.silence > Strangers::RARE
    }

    /// Requests that have not been answered and have not expired.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// The requests that have not been answered, expired ones included.
    pub fn pending(&self) -> impl Iterator<Item = &Request<A, T>> {
        self.pending.iter().map(|pending| &pending.request)
    }
}

/// How long nodes never asked before take to answer, by what all others took: the smoothing of
/// [`Rtt`], whose four deviations cover the spread between hosts as well. It begins with what is
/// usual in the world and gives the first few answers more weight: a node in a data centre knows
/// after some ten that its neighbours are near, but one quick answer says little about others.
#[derive(Clone, Copy, Debug)]
struct Strangers {
    smoothed_us: u32,
    deviation_us: u32,
    answers: u32,
    /// The share of requests that became doubtful, those before fading: in 65,536ths.
    silence: u16,
}

impl Strangers {
    /// Before the first answer: the mean round-trip time between hosts of `PlanetLab`, and a
    /// deviation that makes their 98th percentile, 500 ms, slow.
    const NEW: Self = Self { smoothed_us: 167_000, deviation_us: 83_000, answers: 0, silence: 0 };
    /// One in 64: about as many of those that are there are slow.
    const RARE: u16 = u16::MAX / 64;
    /// How fast the share of silence follows: each request counts for 1/32.
    const FADING: u16 = 32;

    fn expected(self) -> Duration {
        Duration::from_micros((self.smoothed_us + 4 * self.deviation_us).into())
    }

    fn silent(&mut self, is_silent: bool) {
        self.silence -= self.silence.div_ceil(Self::FADING);
        self.silence += if is_silent { u16::MAX / Self::FADING } else { 0 };
    }

    fn observe(&mut self, rtt: Duration) {
        let longest = Requests::<core::net::SocketAddrV4, ()>::EXPIRE_MAX;
        let rtt_us = u32::try_from(rtt.min(longest).as_micros()).unwrap_or(u32::MAX);
        let towards = |from: u32, to: u32, parts: u32| from - from / parts + to / parts;
        let weight = self.answers + 2;
        let error = self.smoothed_us.abs_diff(rtt_us);
        self.deviation_us = towards(self.deviation_us, error, weight.min(4));
        self.smoothed_us = towards(self.smoothed_us, rtt_us, weight.min(8));
        self.answers = weight.min(8) - 1;
    }
}

#[cfg(test)]
mod tests;
