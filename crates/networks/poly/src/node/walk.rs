//! The way of one wish through the network: whom it may ask, whom it asked, what came of it.
//!
//! Pure bookkeeping. What differs from the iterative lookup of `kademlia::lookup`, which the
//! upkeep uses: here a region is known beforehand, so its nodes can be asked at once and in any
//! order, the fast ones first; and a question may differ between nodes of the region, who are asked
//! to do something, and others, who are asked the way.

use kademlia::{Address, Contact, Distance, Key, Moment};

use crate::contact::Endpoint;
use crate::region::{MIN_HOLDERS, Radius};

/// Candidates remembered; the farthest not yet asked are forgotten.
const MAX_CANDIDATES: usize = 192;
/// Candidates of one global host, and of one global subnet.
const PER_HOST: usize = 1;
const PER_SUBNET: usize = 4;
/// Contacts taken from one answer.
const PER_ANSWER: usize = 24;

/// Of so many of the closest the next on the way is chosen.
const CHOICE: usize = 24;
/// What a bit that is left of the way costs: a step takes some 50 ms among near contacts, and
/// brings five bits.
const MS_PER_BIT: f64 = 10.0;

/// One walk.
#[derive(Debug)]
pub(super) struct Walk {
    target: Key,
    radius: Radius,
    paths: u8,
    /// Closest first.
    candidates: Vec<Candidate>,
    pub(super) asked: u32,
    pub(super) answered: u32,
    pub(super) failed: u32,
    /// How many were lost when it was given contacts last.
    lost_at_seed: usize,
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    distance: Distance,
    contact: Contact<Endpoint>,
    state: State,
    /// Whether it was asked to do what the walk is for, not only the way.
    is_served: bool,
    in_region: bool,
    path: u8,
    hop: u8,
    pace: Pace,
    slow_at: Moment,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Fresh,
    Asked,
    /// Overdue: another is asked in its stead.
    Slow,
    /// So much overdue that nobody waits for it.
    Doubtful,
    Answered,
    Failed,
}

/// How fast a contact answers: the greater, the slower, in steps of about a fifth, and of equals
/// one before the other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Pace(u16);

/// Somebody to ask.
#[derive(Clone, Copy, Debug)]
pub(super) struct Next {
    pub(super) contact: Contact<Endpoint>,
    pub(super) in_region: bool,
    /// Whether it is known from somebody asked on this walk, not from before.
    pub(super) is_news: bool,
    at: usize,
}

impl Pace {
    /// Of one whose answers take so long. `tie` decides between equals.
    pub(super) fn new(millis: u32, tie: u8) -> Self {
        let millis = (millis / 2).saturating_add(4);
        let octave = millis.ilog2();
        let quarter = millis.saturating_mul(4) >> octave & 3;
        let step = u16::try_from(octave * 4 + quarter).unwrap_or(31).min(31);
        Self(step << 8 | u16::from(tie))
    }

    /// How long it takes, about, in milliseconds.
    fn millis(self) -> u32 {
        let (octave, quarter) = (u32::from(self.0 >> 10), u32::from(self.0 >> 8 & 3));
        2 * ((4 + quarter) << octave >> 2).saturating_sub(4)
    }
}

impl Walk {
    pub(super) fn new(target: Key, radius: Radius, paths: u8) -> Self {
        Self {
            target,
            radius,
            paths: paths.clamp(1, 16),
            candidates: Vec::new(),
            asked: 0,
            answered: 0,
            failed: 0,
            lost_at_seed: 0,
        }
    }

    pub(super) fn target(&self) -> Key {
        self.target
    }

    /// Adds our own contacts. `pace` says how fast each is.
    pub(super) fn seed(
        &mut self,
        contacts: impl IntoIterator<Item = Contact<Endpoint>>,
        pace: impl Fn(&Contact<Endpoint>) -> Pace,
    ) {
        self.lost_at_seed = self.lost();
        for (contact, path) in contacts.into_iter().zip((0..self.paths).cycle()) {
            self.add(contact, path, 1, pace(&contact));
        }
    }

    /// Those in the region that were not asked to serve yet, closest first.
    pub(super) fn unserved_in_region(&self) -> Option<Next> {
        self.find(|c| {
            c.in_region && !c.is_served && matches!(c.state, State::Fresh | State::Answered)
        })
    }

    /// The one in the region and not asked yet that answers fastest.
    pub(super) fn fastest_in_region(&self) -> Option<Next> {
        let fresh = self.candidates.iter().enumerate();
        let fresh = fresh.filter(|(_, c)| c.in_region && c.state == State::Fresh);
        let fastest = fresh.min_by_key(|(_, candidate)| candidate.pace);
        fastest.map(|(at, candidate)| candidate.next(at))
    }

    /// The closest one not asked yet that could still matter: among the `closest` of a path that
    /// did not fail, while fewer than `parallel` of the path are asked.
    pub(super) fn next_on_paths(&self, closest: usize, parallel: usize) -> Option<Next> {
        (0..self.paths).find_map(|path| self.next_on(path, closest, parallel))
    }

    fn next_on(&self, path: u8, closest: usize, parallel: usize) -> Option<Next> {
        // Who was asked and is no longer among the closest is overtaken: nobody waits for it.
        let (mut asked, mut has_fresh) = (0, false);
        for (_, candidate) in self.deciding(path, closest) {
            asked += usize::from(candidate.state == State::Asked);
            has_fresh |= candidate.state == State::Fresh;
        }
        if asked >= parallel || !has_fresh {
            return None;
        }
        self.soonest(path, closest)
    }

    /// Of those not asked yet the one that should bring the walk on soonest: one that is farther
    /// from the target leaves more of the way, one that answers fast takes less time for its part
    /// (proximity route selection: Gummadi 2003). Near the target there is no choice.
    fn soonest(&self, path: u8, closest: usize) -> Option<Next> {
        let (_, nearest) = self.deciding(path, 1).next()?;
        let choice = if nearest.in_region { closest } else { closest.max(CHOICE) };
        let bits = |candidate: &Candidate| candidate.distance.as_fraction().log2();
        let least = bits(nearest);
        let takes = |c: &Candidate| f64::from(c.pace.millis()) + MS_PER_BIT * (bits(c) - least);
        let fresh = self.deciding(path, choice).filter(|(_, c)| c.state == State::Fresh);
        let soonest = fresh.min_by(|(_, a), (_, b)| takes(a).total_cmp(&takes(b)));
        soonest.map(|(at, candidate)| candidate.next(at))
    }

    /// One of the closest that told the way, but was not asked to serve.
    pub(super) fn closest_unserved(&self) -> Option<Next> {
        let answered = self.candidates.iter().enumerate();
        let mut answered = answered.filter(|(_, c)| c.state == State::Answered).take(MIN_HOLDERS);
        answered.find(|(_, candidate)| !candidate.is_served).map(|(at, c)| c.next(at))
    }

    /// The one in the region that is farthest from the target, if it has done what was asked.
    pub(super) fn farthest_served(&self) -> Option<Next> {
        let mut in_region = self.candidates.iter().enumerate().rev().filter(|(_, c)| c.in_region);
        let (at, farthest) = in_region.find(|(_, c)| c.state == State::Answered)?;
        farthest.is_served.then(|| farthest.next(at))
    }

    fn deciding(&self, path: u8, closest: usize) -> impl Iterator<Item = (usize, &Candidate)> {
        self.candidates
            .iter()
            .enumerate()
            .filter(move |(_, c)| {
                c.path == path && matches!(c.state, State::Fresh | State::Asked | State::Answered)
            })
            .take(closest)
    }

    fn find(&self, which: impl Fn(&Candidate) -> bool) -> Option<Next> {
        let at = self.candidates.iter().position(which)?;
        self.candidates.get(at).map(|candidate| candidate.next(at))
    }

    /// It is asked now, and its answer is slow from `slow_at` on.
    pub(super) fn ask(&mut self, next: Next, serves: bool, slow_at: Moment) {
        if let Some(candidate) = self.candidates.get_mut(next.at) {
            candidate.state = State::Asked;
            candidate.is_served = serves;
            candidate.slow_at = slow_at;
            self.asked += 1;
        }
    }

    /// There was no way to ask it.
    pub(super) fn cannot_ask(&mut self, next: Next) {
        if let Some(candidate) = self.candidates.get_mut(next.at) {
            candidate.state = State::Failed;
        }
    }

    /// Takes in an answer; its hop, if it was waited for.
    pub(super) fn answered(
        &mut self,
        contact: &Contact<Endpoint>,
        contacts: impl IntoIterator<Item = Contact<Endpoint>>,
        pace: impl Fn(&Contact<Endpoint>) -> Pace,
    ) -> Option<u8> {
        let candidate = self.candidate_mut(contact)?;
        if matches!(candidate.state, State::Fresh | State::Answered) {
            return None;
        }
        let was_failed = candidate.state == State::Failed;
        candidate.state = State::Answered;
        let (path, hop) = (candidate.path, candidate.hop);
        self.answered += 1;
        self.failed -= u32::from(was_failed);
        for contact in contacts.into_iter().take(PER_ANSWER) {
            self.add(contact, path, hop.saturating_add(1), pace(&contact));
        }
        Some(hop)
    }

    /// There was no answer.
    pub(super) fn unanswered(&mut self, contact: &Contact<Endpoint>) {
        if let Some(candidate) = self.candidate_mut(contact)
            && matches!(candidate.state, State::Asked | State::Slow | State::Doubtful)
        {
            candidate.state = State::Failed;
            self.failed += 1;
        }
    }

    /// Marks those whose answers are overdue at `now`; `started` tells how long they were waited
    /// for. Whether there were any.
    pub(super) fn overdue(&mut self, now: Moment) -> bool {
        let mut any = false;
        for candidate in &mut self.candidates {
            if candidate.slow_at > now {
                continue;
            }
            match candidate.state {
                State::Asked => {
                    candidate.state = State::Slow;
                    candidate.slow_at = now + SLOW_TO_DOUBTFUL;
                    any = true;
                }
                State::Slow => {
                    candidate.state = State::Doubtful;
                    any = true;
                }
                State::Fresh | State::Doubtful | State::Answered | State::Failed => {}
            }
        }
        any
    }

    /// When [`Walk::overdue`] finds the next.
    pub(super) fn next_overdue(&self) -> Option<Moment> {
        let waiting = |c: &&Candidate| matches!(c.state, State::Asked | State::Slow);
        self.candidates.iter().filter(waiting).map(|c| c.slow_at).min()
    }

    /// How many are asked and not overdue.
    pub(super) fn open(&self) -> usize {
        self.candidates.iter().filter(|c| c.state == State::Asked).count()
    }

    /// How many were asked to serve and are not overdue.
    pub(super) fn serving(&self) -> usize {
        self.candidates.iter().filter(|c| c.is_served && c.state == State::Asked).count()
    }

    /// How many were asked, by answer or by silence, in vain or not.
    pub(super) fn waiting(&self) -> usize {
        self.candidates.iter().filter(|c| matches!(c.state, State::Asked | State::Slow)).count()
    }

    /// How many are so overdue that nobody waits for them, though they may still answer.
    pub(super) fn doubtful(&self) -> usize {
        self.candidates.iter().filter(|c| c.state == State::Doubtful).count()
    }

    /// Whether too many of whom it knew are lost, and more since it was given contacts last.
    pub(super) fn wants_seeds(&self) -> bool {
        let lost = self.lost();
        lost > self.lost_at_seed && self.candidates.len() - lost < MIN_HOLDERS
    }

    /// How many failed, or are long overdue.
    pub(super) fn lost(&self) -> usize {
        let lost = |c: &&Candidate| matches!(c.state, State::Doubtful | State::Failed);
        self.candidates.iter().filter(lost).count()
    }

    /// How many are in the region, failed ones apart.
    pub(super) fn region(&self) -> usize {
        self.candidates.iter().filter(|c| c.in_region && c.state != State::Failed).count()
    }

    /// Holders as they should be: the region, or the closest if it holds too few.
    pub(super) fn holders(&self) -> usize {
        let live = self.candidates.iter().filter(|c| c.state != State::Failed).count();
        self.region().max(live.min(MIN_HOLDERS))
    }

    /// Whether the way is known: on each path the closest have answered, or nobody is left.
    pub(super) fn converged(&self, closest: usize) -> bool {
        (0..self.paths).all(|path| {
            let mut deciding = self.deciding(path, closest);
            deciding.all(|(_, candidate)| candidate.state == State::Answered)
        })
    }

    /// Those that answered, closest first.
    pub(super) fn found(&self) -> impl Iterator<Item = Contact<Endpoint>> {
        let answered = self.candidates.iter().filter(|c| c.state == State::Answered);
        answered.map(|candidate| candidate.contact)
    }

    /// Whether it is in the region, or among the closest that answered.
    pub(super) fn is_holder(&self, contact: &Contact<Endpoint>) -> bool {
        let in_region = self.radius.holds(&contact.key, &self.target);
        in_region || self.found().take(MIN_HOLDERS).any(|other| other == *contact)
    }

    fn candidate_mut(&mut self, contact: &Contact<Endpoint>) -> Option<&mut Candidate> {
        let distance = self.target.distance(&contact.key);
        let at = self.candidates.partition_point(|candidate| candidate.distance < distance);
        self.candidates.get_mut(at).filter(|candidate| candidate.contact.key == contact.key)
    }

    fn add(&mut self, contact: Contact<Endpoint>, path: u8, hop: u8, pace: Pace) {
        let distance = self.target.distance(&contact.key);
        let at = self.candidates.partition_point(|candidate| candidate.distance < distance);
        let is_known = self.candidates.get(at).is_some_and(|c| c.distance == distance);
        if is_known || !contact.address.is_usable() || self.is_crowded(&contact) {
            return;
        }
        if self.candidates.len() >= MAX_CANDIDATES {
            let last = self.candidates.iter().rposition(|c| c.state == State::Fresh);
            match last {
                Some(last) if last >= at => drop(self.candidates.remove(last)),
                _ => return,
            }
        }
        let in_region = self.radius.holds(&contact.key, &self.target);
        let candidate = Candidate {
            distance,
            contact,
            state: State::Fresh,
            is_served: false,
            in_region,
            path,
            hop,
            pace,
            slow_at: Moment::START,
        };
        self.candidates.insert(at, candidate);
    }

    /// Who proves ids proves no more than that he has made them: one host and one subnet get few
    /// places, however many ids they have.
    fn is_crowded(&self, contact: &Contact<Endpoint>) -> bool {
        if contact.address.is_local() {
            return false;
        }
        let (host, subnet) = (contact.address.host(), contact.address.subnet());
        let (mut same_host, mut same_subnet) = (0, 0);
        for candidate in &self.candidates {
            if candidate.contact.address.subnet() == subnet {
                same_subnet += 1;
                same_host += usize::from(candidate.contact.address.host() == host);
            }
        }
        same_host >= PER_HOST || same_subnet >= PER_SUBNET
    }
}

impl Candidate {
    fn next(&self, at: usize) -> Next {
        let Self { contact, in_region, hop, .. } = *self;
        Next { contact, in_region, is_news: hop > 1, at }
    }
}

/// How long an overdue answer is still waited for before the walk may end without it.
const SLOW_TO_DOUBTFUL: std::time::Duration = std::time::Duration::from_millis(250);

#[cfg(test)]
mod tests;
