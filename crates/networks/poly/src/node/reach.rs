//! Can others reach this node? They try it, on request.
//!
//! A node that begins, and every now and then one that runs, asks contacts to have it called
//! ([`Ask::Probe`]). Each of them passes that on to contacts of its own ([`Ask::Call`]), and these
//! hail the node ([`Ask::Hail`]). What comes from a host to which the node has sent nothing lately
//! has come through no hole that the node made: hosts of two subnets are enough to call it
//! *reachable*. If no stranger comes, and many of the hails that contacts say they asked for never
//! arrive, it is *unreachable*: it becomes a client, which others neither keep in mind nor give
//! values. A network so small that the node speaks with all of it decides neither; then it goes on
//! as a node.
//!
//! Whoever lies about having called harms little: it takes four contacts of different subnets,
//! all of which lie, in a network in which no stranger ever turns to the node by himself.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use kademlia::{Address, Contact, Key, Moment};
use rand_core::Rng;

use super::{Job, Node};
use crate::command::Refusal;
use crate::contact::{Endpoint, Peer, pack};
use crate::store::Store;
use crate::wire::{Answer, Ask, Contacts, Message, PADDING, Request};

/// Whether others can reach a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Reachability {
    /// Nobody knows (yet).
    #[default]
    Unknown,
    /// Strangers reach it.
    Reachable,
    /// Nobody does to whom it has not spoken first.
    Unreachable,
}

impl Reachability {
    const ALL: [Self; 3] = [Self::Unknown, Self::Reachable, Self::Unreachable];

    /// A word for it that stays as it is.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Reachable => "reachable",
            Self::Unreachable => "unreachable",
        }
    }

    /// What this word stands for.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }
}

/// The state of the test.
#[derive(Debug)]
pub(super) struct Reach {
    pub(super) verdict: Reachability,
    phase: Phase,
    /// When something was last sent to which host since the test began: what comes from them within
    /// [`LISTEN`] proves nothing.
    spoken: BTreeMap<Endpoint, Moment>,
    evidence: Evidence,
    /// From when on it is gathered.
    counts_from: Moment,
    /// The time from one round without a verdict to the next.
    pause: Duration,
    /// As a helper: when to help again.
    helps_at: Moment,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// Never tests.
    Off,
    /// Waits for somebody to know.
    Alone,
    /// Notes whom it speaks to, and asks to be called when it is time.
    Listening(Moment),
    /// Waits for calls.
    Judging(Moment),
    /// The next test begins then.
    Resting(Moment),
}

/// What the rounds of a test have brought.
#[derive(Debug, Default)]
struct Evidence {
    /// The places of contacts that have helped.
    helpers: BTreeSet<Spot>,
    /// Calls that they say they asked for.
    promised: u32,
    /// Hails that have arrived, through a hole or not.
    hails: u32,
    /// The places of those who came through no hole.
    strangers: BTreeSet<Spot>,
}

/// What tells hosts apart that may be one attacker's: the subnet, and within private networks and
/// on one machine, which have but one, host and port.
type Spot = (u64, u16);

/// Contacts asked in a round, and those whom each of them asks.
const HELPERS: usize = 4;
const CALLERS: usize = 2;
/// Strangers who must have come for the node to be reachable.
const STRANGERS: usize = 2;
/// Contacts that must have helped, and promised calls that must be missing, while no stranger came,
/// for it to be unreachable; and the share of all calls that are missing: more than networks lose.
const HELPERS_IN_VAIN: usize = 4;
const CALLS_IN_VAIN: u32 = 10;
const MISSING_SHARE: u32 = 4;
/// How long calls are waited for: two round trips to nodes that are slow and resend.
const JUDGED_AFTER: Duration = Duration::from_secs(10);
/// How long a node listens before a test, so that the holes it made before are closed: NATs keep
/// them for two to five minutes (RFC 4787, REQ-5).
const LISTEN: Duration = Duration::from_mins(5);
/// Between rounds that decided nothing, at first and at most.
const PAUSE_FIRST: Duration = Duration::from_secs(5);
const PAUSE_MOST: Duration = Duration::from_mins(10);
/// How long a verdict counts: one's place in the network changes with cables and leases.
const REACHABLE_FOR: Duration = Duration::from_hours(3);
const UNREACHABLE_FOR: Duration = Duration::from_mins(25);
/// Hosts noted at most; whoever speaks to more is tested another time.
const MAX_SPOKEN: usize = 4096;
/// Helpers help so often at most: there are few who ask.
const HELP_EVERY: Duration = Duration::from_millis(100);

impl Reach {
    /// `tests`: whether to find out.
    pub(super) fn new(tests: bool) -> Self {
        Self {
            verdict: Reachability::Unknown,
            phase: if tests { Phase::Alone } else { Phase::Off },
            spoken: BTreeMap::new(),
            evidence: Evidence::default(),
            counts_from: Moment::START,
            pause: PAUSE_FIRST,
            helps_at: Moment::START,
        }
    }

    pub(super) const fn next_timeout(&self) -> Option<Moment> {
        match self.phase {
            Phase::Off | Phase::Alone => None,
            Phase::Listening(at) | Phase::Judging(at) | Phase::Resting(at) => Some(at),
        }
    }

    const fn is_testing(&self) -> bool {
        matches!(self.phase, Phase::Alone | Phase::Listening(_) | Phase::Judging(_))
    }

    /// Something is sent to this address.
    pub(super) fn spoke(&mut self, now: Moment, to: Endpoint) {
        if self.is_testing() && self.spoken.len() <= MAX_SPOKEN {
            self.spoken.insert(door(to), now);
        }
    }

    /// A request came from this address.
    pub(super) fn heard_from(&mut self, now: Moment, from: Endpoint) {
        if !self.is_testing() {
            return;
        }
        match self.spoken.get_mut(&door(from)) {
            // It is answered, and that keeps the hole open.
            Some(at) if now.since(*at) <= LISTEN => *at = now,
            // Of what comes this early, some may come through holes that nobody has noted.
            _ if now < self.counts_from => self.spoke(now, from),
            _ => {
                self.evidence.strangers.insert(spot(from));
            }
        }
    }

    /// Somebody is known now, who may help.
    pub(super) fn found_somebody(&mut self, now: Moment) {
        if self.phase == Phase::Alone {
            self.phase = Phase::Listening(now);
        }
    }

    /// Begins anew, with nothing noted.
    fn listen(&mut self, until: Moment) {
        self.spoken.clear();
        self.evidence = Evidence::default();
        self.pause = PAUSE_FIRST;
        self.counts_from = until;
        self.phase = Phase::Listening(until);
    }

    /// What the evidence says; `None`: not enough.
    fn judgement(&self) -> Option<Reachability> {
        let Evidence { helpers, promised, hails, strangers } = &self.evidence;
        if strangers.len() >= STRANGERS {
            return Some(Reachability::Reachable);
        }
        // Those to whom the node has spoken get through: of the others all are missing.
        let missing = promised.saturating_sub(*hails);
        let in_vain = missing >= CALLS_IN_VAIN && missing >= promised / MISSING_SHARE;
        let is_shut = strangers.is_empty() && helpers.len() >= HELPERS_IN_VAIN && in_vain;
        is_shut.then_some(Reachability::Unreachable)
    }

    fn rest(&mut self, until: Moment) {
        self.spoken = BTreeMap::new();
        self.evidence = Evidence::default();
        self.phase = Phase::Resting(until);
    }
}

impl<S: Store> Node<S> {
    /// Whether it is one that only asks.
    pub(super) fn is_client(&self) -> bool {
        self.settings.client || self.is_unreachable()
    }

    /// Whether others have found that they cannot reach it.
    pub(super) fn is_unreachable(&self) -> bool {
        self.reach.verdict == Reachability::Unreachable
    }

    /// Does what the test has fallen due for.
    pub(super) fn run_reach(&mut self, now: Moment) {
        match self.reach.phase {
            Phase::Listening(at) if at <= now => self.ask_for_calls(now),
            Phase::Judging(until) if until <= now => self.judge(now),
            Phase::Resting(until) if until <= now => self.reach.listen(now + LISTEN),
            Phase::Off
            | Phase::Alone
            | Phase::Listening(_)
            | Phase::Judging(_)
            | Phase::Resting(_) => {}
        }
    }

    /// Asks some contacts, each of another subnet, to have this node called.
    fn ask_for_calls(&mut self, now: Moment) {
        let target = Key::random(Key::BITS, &mut self.rng);
        let mut spots = self.reach.evidence.helpers.clone();
        let fresh = self.known.fresh(now, &target, 8 * HELPERS);
        let others = fresh.into_iter().filter(|contact| spots.insert(spot(contact.address)));
        let helpers: Vec<_> = others.take(HELPERS).collect();
        for helper in helpers {
            self.ask(now, helper, Ask::Probe { padding: &PADDING }, Job::Probe);
        }
        self.reach.phase = Phase::Judging(now + JUDGED_AFTER);
    }

    /// A contact says how many others it has asked to call this node.
    pub(super) fn help_promised(&mut self, by: &Contact<Endpoint>, calls: u32) {
        if matches!(self.reach.phase, Phase::Judging(_)) && calls > 0 {
            let evidence = &mut self.reach.evidence;
            evidence.helpers.insert(spot(by.address));
            let calls = calls.min(u32::try_from(CALLERS).unwrap_or(u32::MAX));
            evidence.promised = evidence.promised.saturating_add(calls);
        }
    }

    fn judge(&mut self, now: Moment) {
        let reach = &mut self.reach;
        if reach.spoken.len() > MAX_SPOKEN {
            reach.spoken.retain(|_, at| now.since(*at) <= LISTEN);
        }
        if reach.spoken.len() > MAX_SPOKEN {
            return reach.rest(now + PAUSE_MOST);
        }
        let Some(verdict) = reach.judgement() else {
            reach.phase = Phase::Listening(now + reach.pause);
            reach.pause = (reach.pause * 3 / 2).min(PAUSE_MOST);
            let Evidence { promised, hails, .. } = &mut reach.evidence;
            let missing = promised.saturating_sub(*hails);
            if *promised > CALLS_IN_VAIN && missing < *promised / MISSING_SHARE {
                // They came through holes: so far nothing speaks against it.
                (*promised, *hails) = (0, 0);
            }
            return;
        };
        let was_client = reach.verdict == Reachability::Unreachable;
        reach.verdict = verdict;
        if verdict == Reachability::Unreachable {
            reach.rest(now + UNREACHABLE_FOR);
        } else {
            // A little sooner or later, so that not all test at once.
            let share = f64::from(self.rng.next_u32()) / f64::from(u32::MAX);
            reach.rest(now + REACHABLE_FOR.mul_f64(0.75 + 0.5 * share));
        }
        match (was_client, verdict) {
            (true, Reachability::Reachable) => self.find_neighbours(now),
            (false, Reachability::Unreachable) => {
                self.repair.leave();
                self.parting.leave(now);
            }
            _ => {}
        }
    }

    /// Has others call the node that asks, from addresses of other subnets than its own.
    pub(super) fn probe(
        &mut self,
        now: Moment,
        from: Peer,
        request: &Request<'_>,
    ) -> Result<(), Refusal> {
        self.help(now)?;
        let subject = from.contact();
        let target = Key::random(Key::BITS, &mut self.rng);
        let mut spots = BTreeSet::from([spot(subject.address)]);
        let fresh = self.known.fresh(now, &target, 8 * CALLERS);
        let others = fresh
            .into_iter()
            .filter(|contact| contact.key != subject.key && spots.insert(spot(contact.address)));
        let callers: Vec<_> = others.take(CALLERS).collect();
        let (mut packed, mut calls) = (Vec::new(), 0);
        pack(&subject, &mut packed);
        let contacts = if subject.address.is_v4() {
            Contacts { v4: &packed, v6: &[] }
        } else {
            Contacts { v4: &[], v6: &packed }
        };
        for caller in callers {
            let ask = Ask::Call { contacts, padding: &PADDING };
            calls += u32::from(self.ask(now, caller, ask, Job::Nothing).is_some());
        }
        let transaction = request.transaction;
        let answer = Answer { transaction, calls: Some(calls), ..Answer::default() };
        self.send(from, &Message::Answer(answer));
        Ok(())
    }

    /// Hails a node on behalf of another that it has asked.
    pub(super) fn call(
        &mut self,
        now: Moment,
        from: Peer,
        transaction: u32,
        contacts: Contacts<'_>,
    ) -> Result<(), Refusal> {
        self.help(now)?;
        let subject = contacts.iter().next().ok_or(Refusal::Malformed)?;
        // Nobody is sent to where he may not himself be.
        let same_world = subject.address.is_local() == from.address.is_local();
        if subject.key == self.me() || !self.reaches(&subject) || !same_world {
            return Err(Refusal::Malformed);
        }
        self.ask(now, subject, Ask::Hail, Job::Nothing);
        self.send(from, &Message::Answer(Answer { transaction, ..Answer::default() }));
        Ok(())
    }

    /// Somebody hails this node.
    pub(super) fn hailed(&mut self) {
        self.reach.evidence.hails = self.reach.evidence.hails.saturating_add(1);
    }

    fn help(&mut self, now: Moment) -> Result<(), Refusal> {
        if self.reach.helps_at > now {
            return Err(Refusal::Busy);
        }
        self.reach.helps_at = now + HELP_EVERY;
        Ok(())
    }
}

/// What a NAT lets in once something was sent there: the host. On one machine and in private
/// networks, where nodes share hosts and no NAT stands between them, host and port.
fn door(address: Endpoint) -> Endpoint {
    if address.is_local() {
        return address;
    }
    Endpoint::new(SocketAddr::new(address.host(), 0))
}

fn spot(address: Endpoint) -> Spot {
    if address.is_local() {
        let host = match address.host() {
            std::net::IpAddr::V4(ip) => ip.to_bits().into(),
            std::net::IpAddr::V6(ip) => u64::from_be_bytes(low(&ip.octets())),
        };
        return (host, address.port());
    }
    (address.subnet(), 0)
}

/// The lower half of an IPv6 address: the interface within its network.
fn low(octets: &[u8; 16]) -> [u8; 8] {
    octets.last_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
