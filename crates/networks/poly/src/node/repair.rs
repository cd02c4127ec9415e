//! How holders keep what they hold, without anybody asking for it.
//!
//! Once a period a node compares what it holds with one other holder, at random: both sum up the
//! fingerprints of what they should both have. Equal sums end it after two short messages; else
//! they split the range until the difference is small enough to list, and exchange exactly that. A
//! newcomer compares with several holders at once after it has joined: that hands over to it what
//! is its, and nothing else moves; so does everybody when a network that was split is one again.
//! What to do with values outside of the own region is in `parting.rs`.
//!
//! Comparing with random partners makes everybody's changes reach all of a region of 20 in some
//! four periods whatever happens between two of them (Demers 1987), and puts reach all anyway.

use std::collections::VecDeque;
use std::time::Duration;

use kademlia::lookup::LookupSettings;
use kademlia::{Contact, Key, Moment};
use rand_core::Rng;

use super::answer::{MAX_BULK, pairs};
use super::{Job, Node};
use crate::contact::Endpoint;
use crate::region::Radius;
use crate::store::{Both, MAX_DEPTH, Store, part_of};
use crate::wire::{
    Answer, Ask, Difference, MAX_CONTACTS, MAX_FETCHED, MAX_LISTED, PARTS, Range, Values,
    write_value,
};

/// The state of repair.
#[derive(Debug, Default)]
pub(super) struct Repair {
    /// When the next comparison begins; `None` before the node has joined.
    at: Option<Moment>,
    /// Rounds in which a newcomer only looks around, to learn how large the network is.
    scouting: u32,
    /// Rounds that pass without a lookup of a random key, and how often that was looked up.
    rests: u32,
    looks: u32,
    /// When it looks around next at the latest.
    looks_at: Option<Moment>,
    /// Comparisons that follow each other soon, because the node is new or was behind.
    eager: u32,
    session: Option<Session>,
    /// Holders that had been out of reach, to compare with next.
    found: VecDeque<Contact<Endpoint>>,
    /// When one of them was found first, of those found together.
    reunited: Option<Moment>,
}

/// One comparison.
#[derive(Debug)]
struct Session {
    partner: Contact<Endpoint>,
    radius: Radius,
    until: Moment,
    /// The one of which the answer is awaited.
    asked: Option<Step>,
    /// What is to be done.
    steps: VecDeque<Step>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Step {
    Compare { depth: u8, prefix: u64 },
    Fetch(Vec<u64>),
    Give(Vec<u64>),
}

/// Comparisons of a newcomer, and the time between them.
const EAGER: u32 = 6;
const EAGER_EVERY: Duration = Duration::from_secs(3);
/// Comparisons of one that was given something it lacked: not all of its neighbours share every
/// value with it.
const EAGER_WHEN_BEHIND: u32 = 8;
/// Comparisons after the network was split: every holder is to have been part of several.
const EAGER_TOGETHER: u32 = 10;
/// Rounds of a newcomer before its first comparison, and the lookups in each.
const SCOUTING: u32 = 3;
const SCOUTED: u32 = 2;
/// Rounds in each of which a random key is looked up; then ever fewer, as the estimate of the
/// network's size settles, but one in so many.
const LOOKS: u32 = 6;
const LOOKS_REST: u32 = 6;
/// The same in a round in which the size is doubted.
const LOOKS_IN_DOUBT: u32 = 3;
/// Lost contacts that are asked in each period whether they are back.
const LOST_ASKED: usize = 3;
/// Holders remembered that were out of reach.
const MAX_FOUND: usize = 8;
/// A comparison that takes longer is given up.
const SESSION_MAX: Duration = Duration::from_mins(5);
/// Steps that wait at most: a partner cannot make us remember more.
const MAX_STEPS: usize = 4 * PARTS;
/// Bytes of values that are given at once.
const GIVEN_BYTES: usize = 48 << 10;

impl Repair {
    /// The node is part of the network now.
    pub(super) fn begin(&mut self, now: Moment) {
        if self.at.is_none() {
            self.at = Some(now + EAGER_EVERY / 2);
            self.eager = EAGER;
            self.scouting = SCOUTING;
        }
    }

    /// Something was lacking here: others may lack it too, and be asked soon.
    fn was_behind(&mut self, now: Moment) {
        if let Some(at) = &mut self.at
            && self.eager == 0
        {
            self.eager = EAGER_WHEN_BEHIND;
            *at = (*at).min(now + EAGER_EVERY);
        }
    }

    /// The node has been part of it for long.
    pub(super) fn settle(&mut self, at: Moment) {
        self.at = Some(at);
        self.eager = 0;
    }

    /// The node is no holder any more.
    pub(super) fn leave(&mut self) {
        self.session = None;
    }

    pub(super) fn next_timeout(&self) -> Option<Moment> {
        self.session.as_ref().map(|session| session.until).or(self.at)
    }
}

impl<S: Store> Node<S> {
    /// Begins a comparison when it is due.
    pub(super) fn run_repair(&mut self, now: Moment) {
        if let Some(session) = &self.repair.session {
            if session.until > now {
                return;
            }
            self.repair.session = None;
        }
        if self.repair.at.is_none_or(|at| at > now) {
            return;
        }
        self.repair.at = Some(now + self.pause());
        self.look_around(now);
        if self.is_client() || self.repair.scouting > 0 {
            self.repair.scouting = self.repair.scouting.saturating_sub(1);
            return;
        }
        if let Some(partner) = self.partner() {
            let radius = self.census.radius();
            let steps = VecDeque::from([Step::Compare { depth: 0, prefix: 0 }]);
            let until = now + SESSION_MAX;
            let session = Session { partner, radius, until, asked: None, steps };
            self.repair.session = Some(session);
            self.counters.compared += 1;
            self.next_repair_step(now);
        }
        if self.repair.eager == 0 {
            self.parting.begin(now);
        }
    }

    /// Asks some who fell silent whether they are back, and looks up random keys: their
    /// neighbourhoods say how large the network is.
    fn look_around(&mut self, now: Moment) {
        self.observe_home();
        let (me, scouts) = (self.me(), self.repair.scouting > 0);
        // Many comparisons in a row, as in a network that dies, must not keep us from that.
        if self.repair.eager == 0 || scouts || self.repair.looks_at.is_some_and(|at| at <= now) {
            self.repair.looks_at = Some(now + self.settings.repair_every);
            for _ in 0..self.looks() {
                let target = Key::random(Key::BITS, &mut self.rng);
                self.overlay.start_lookup_with(
                    now,
                    target,
                    LookupSettings::default(),
                    &mut self.rng,
                );
            }
            for _ in 0..LOST_ASKED {
                if let Some(lost) = self.known.next_lost(&me) {
                    self.ask(now, lost, Ask::Ping, Job::Lost);
                }
            }
        }
    }

    /// How many random keys to look up in this round.
    fn looks(&mut self) -> u32 {
        let repair = &mut self.repair;
        if repair.scouting > 0 {
            return SCOUTED;
        }
        if self.census.doubts() {
            return LOOKS_IN_DOUBT;
        }
        if repair.rests > 0 {
            repair.rests -= 1;
            return 0;
        }
        repair.rests = repair.looks.saturating_sub(LOOKS).min(LOOKS_REST - 1);
        repair.looks += 1;
        1
    }

    /// A contact answers that may have been lost. If it was up all the time, the network was split
    /// or we were cut off; if it has begun anew, it compares what it holds of itself.
    pub(super) fn lost_answers(
        &mut self,
        now: Moment,
        contact: &Contact<Endpoint>,
        uptime_min: Option<u32>,
    ) {
        if !self.known.has_lost(&contact.key) {
            return;
        }
        let Some(minutes) = uptime_min else {
            self.ask(now, *contact, Ask::Ping, Job::Lost);
            return;
        };
        if self.known.found(now, &contact.key, Duration::from_mins(minutes.into())) {
            self.reunite(now, contact);
        }
    }

    /// The network was split, and one of the other part is here: the node begins as a newcomer
    /// does. All others it lost in its region are asked at once, its neighbourhood is looked up by
    /// way of those it finds, and what it holds is compared with them first.
    fn reunite(&mut self, now: Moment, contact: &Contact<Endpoint>) {
        let (me, radius) = (self.me(), self.census.radius());
        if self.repair.reunited.is_none_or(|at| now.since(at) >= SESSION_MAX) {
            self.repair.reunited = Some(now);
            for lost in self.known.lost_within(&me, radius) {
                self.ask(now, lost, Ask::Ping, Job::Lost);
            }
            self.find_neighbours(now);
            self.census.begin_anew();
            self.repair.at = None;
            self.repair.begin(now);
            self.repair.eager = EAGER_TOGETHER;
        }
        if self.repair.found.len() < MAX_FOUND && radius.holds(&contact.key, &me) {
            self.repair.found.push_back(*contact);
        }
    }

    /// The period with a jitter of a quarter, shorter for newcomers.
    fn pause(&mut self) -> Duration {
        let share = f64::from(self.rng.next_u32()) / f64::from(u32::MAX);
        let period = if self.repair.scouting > 0 {
            EAGER_EVERY / 2
        } else if self.repair.eager > 0 {
            self.repair.eager -= 1;
            EAGER_EVERY
        } else {
            self.settings.repair_every
        };
        period.mul_f64(0.75 + 0.5 * share)
    }

    /// Another holder of some of what we hold: of a key drawn from our region a holder drawn from
    /// its. Drawn from around ourselves, few would share what lies at the edge of our region.
    fn partner(&mut self) -> Option<Contact<Endpoint>> {
        if let Some(found) = self.repair.found.pop_front() {
            return Some(found);
        }
        let me = self.me();
        let radius = self.census.radius();
        let key = radius.random_within(&me, &mut self.rng);
        // Also who has been silent for a while: if he is gone, another is found soon.
        let near = self.known.closest(&key, 2 * MAX_CONTACTS);
        let mut near: Vec<_> =
            near.into_iter().filter(|contact| radius.holds(&contact.key, &key)).collect();
        if near.is_empty() {
            near = self.known.closest(&me, 4);
        }
        let count = u64::try_from(near.len()).ok().filter(|count| *count > 0)?;
        let drawn = self.rng.next_u64() % count;
        near.get(usize::try_from(drawn).ok()?).copied()
    }

    fn next_repair_step(&mut self, now: Moment) {
        let unix = self.unix(now);
        loop {
            let Some(session) = &mut self.repair.session else { return };
            let Some(step) = session.steps.pop_front() else {
                self.repair.session = None;
                return;
            };
            let (to, radius) = (session.partner, session.radius);
            session.asked = Some(step.clone());
            let sent = match &step {
                Step::Compare { depth, prefix } => {
                    let both = Both { us: self.settings.id, them: to.key, radius };
                    let held = self.shelf.range(unix, &both, *depth, *prefix);
                    let sum = held.iter().fold(0u64, |sum, (_, print)| sum.wrapping_add(*print));
                    let (depth, prefix, radius) = (*depth, *prefix, radius.bits());
                    let range = Range { radius, depth, prefix, fingerprint: sum };
                    self.ask(now, to, Ask::Compare(range), Job::Repair)
                }
                Step::Fetch(marks) => {
                    let marks: Vec<u8> = marks.iter().flat_map(|mark| mark.to_be_bytes()).collect();
                    self.ask(now, to, Ask::Fetch { marks: &marks, room: MAX_BULK }, Job::Repair)
                }
                Step::Give(marks) => {
                    let (values, rest) = self.carried(unix, marks);
                    if let (Some(session), false) = (&mut self.repair.session, rest.is_empty()) {
                        session.steps.push_front(Step::Give(rest));
                    }
                    if values.is_empty() {
                        continue;
                    }
                    self.ask(now, to, Ask::Give { values: Values::new(&values) }, Job::Repair)
                }
            };
            if sent.is_none() {
                self.repair.session = None;
            }
            return;
        }
    }

    /// The values with these marks, as many as one message carries, and the marks of the rest.
    fn carried(&mut self, unix: u64, marks: &[u64]) -> (Vec<u8>, Vec<u64>) {
        let mut values = Vec::new();
        for (index, mark) in marks.iter().enumerate() {
            let before = values.len();
            self.shelf.get_marked(unix, *mark, |carried, _| write_value(carried, &mut values));
            if before > 0 && values.len() > GIVEN_BYTES {
                values.truncate(before);
                return (values, marks.get(index..).unwrap_or_default().to_vec());
            }
            self.counters.given += u64::from(values.len() > before);
        }
        (values, Vec::new())
    }

    /// The partner has answered.
    pub(super) fn repair_heard(
        &mut self,
        now: Moment,
        from: &Contact<Endpoint>,
        answer: &Answer<'_>,
    ) {
        let Some(session) = &mut self.repair.session else { return };
        if session.partner != *from {
            return;
        }
        match session.asked.take() {
            Some(Step::Compare { depth, prefix }) => match answer.difference {
                None => {}
                Some(Difference::Parts(parts)) => self.split(now, depth, prefix, parts),
                Some(Difference::Listed(listed)) => self.reconcile(now, depth, prefix, listed),
            },
            Some(Step::Fetch(marks)) => self.fetched(now, &marks, answer),
            Some(Step::Give(_)) | None => {}
        }
        self.next_repair_step(now);
    }

    pub(super) fn repair_failed(&mut self, now: Moment) {
        if self.repair.session.take().is_none() {
            return;
        }
        // With another one, soon.
        let soon = now + EAGER_EVERY;
        self.repair.at = self.repair.at.map(|at| at.min(soon));
        // If many are gone at once, those who remain are to widen their regions before it is late.
        for neighbour in
            self.known.silent_around(&self.me(), 2 * MAX_CONTACTS, now, self.settings.repair_every)
        {
            self.ask(now, neighbour, Ask::Ping, Job::Nothing);
        }
    }

    /// Goes on with the parts of a range that differ.
    fn split(&mut self, now: Moment, depth: u8, prefix: u64, theirs: &[u8]) {
        let unix = self.unix(now);
        let Some(session) = &mut self.repair.session else { return };
        let both = Both { us: self.settings.id, them: session.partner.key, radius: session.radius };
        let mut ours = vec![0u64; PARTS];
        for (mark, print) in self.shelf.range(unix, &both, depth, prefix) {
            if let Some(sum) = ours.get_mut(part_of(mark, depth)) {
                *sum = sum.wrapping_add(print);
            }
        }
        let (theirs, _) = theirs.as_chunks::<8>();
        for (part, (ours, theirs)) in (0u64..).zip(ours.iter().zip(theirs)) {
            let is_small = depth + 1 < MAX_DEPTH && session.steps.len() < MAX_STEPS;
            if *ours != u64::from_be_bytes(*theirs) && is_small {
                let prefix = prefix << 6 | part;
                session.steps.push_back(Step::Compare { depth: depth + 1, prefix });
            }
        }
    }

    /// Finds what each lacks in a range that was listed.
    fn reconcile(&mut self, now: Moment, depth: u8, prefix: u64, listed: &[u8]) {
        let unix = self.unix(now);
        let Some(session) = &mut self.repair.session else { return };
        let both = Both { us: self.settings.id, them: session.partner.key, radius: session.radius };
        let ours = self.shelf.range(unix, &both, depth, prefix);
        let theirs: Vec<(u64, u64)> = pairs(listed).collect();
        let print_of = |all: &[(u64, u64)], mark: u64| {
            all.iter().find(|(other, _)| *other == mark).map(|(_, print)| *print)
        };
        let differs = |(mark, print): &&(u64, u64)| print_of(&ours, *mark) != Some(*print);
        let mut lacking: Vec<u64> = theirs.iter().filter(differs).map(|(mark, _)| *mark).collect();
        lacking.truncate(MAX_FETCHED);
        // If both have a version, theirs is fetched first: if ours is newer, it is given then.
        let lacks = |(mark, _): &&(u64, u64)| print_of(&theirs, *mark).is_none();
        let mut surplus: Vec<u64> = ours.iter().filter(lacks).map(|(mark, _)| *mark).collect();
        if depth >= MAX_DEPTH || theirs.len() >= MAX_LISTED {
            // The list may have been cut short.
            surplus.truncate(MAX_FETCHED);
        }
        if !lacking.is_empty() {
            session.steps.push_back(Step::Fetch(lacking));
        }
        if !surplus.is_empty() {
            session.steps.push_back(Step::Give(surplus));
        }
    }

    /// Takes in what was fetched; asks for what did not fit.
    fn fetched(&mut self, now: Moment, marks: &[u64], answer: &Answer<'_>) {
        let count = answer.values.iter().count();
        let before: Vec<_> = marks.iter().map(|mark| self.shelf.marked(*mark)).collect();
        self.take_in(now, &answer.values);
        self.counters.fetched += u64::try_from(count).unwrap_or(0);
        let got: Vec<u64> =
            answer.values.iter().map(|carried| carried.value.slot().mark()).collect();
        // What we had in a newer version they lack.
        let newer = marks.iter().zip(before).filter(|(mark, before)| {
            got.contains(mark) && before.is_some() && self.shelf.marked(**mark) == *before
        });
        let newer: Vec<u64> = newer.map(|(mark, _)| *mark).collect();
        let missing = marks.iter().copied().filter(|mark| !got.contains(mark));
        let missing: Vec<u64> = if count == 0 { Vec::new() } else { missing.collect() };
        let Some(session) = &mut self.repair.session else { return };
        if !newer.is_empty() {
            session.steps.push_front(Step::Give(newer));
        }
        if !missing.is_empty() {
            session.steps.push_front(Step::Fetch(missing));
        }
    }

    /// Keeps what another holder hands over; how much of it is new.
    pub(super) fn take_in(&mut self, now: Moment, values: &Values<'_>) -> u32 {
        let mut stored = 0;
        for carried in values.iter() {
            let kept = self.keep_from(now, &carried.value, carried.origin, None);
            stored += u32::from(kept == Ok(crate::store::Placed::Stored));
        }
        if stored > 0 {
            self.repair.was_behind(now);
        }
        stored
    }
}
