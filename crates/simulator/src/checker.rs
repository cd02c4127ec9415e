//! Checkers: what must hold of any run, watched from outside of the nodes.
//!
//! Each is a file of its own. A finding says when and where; with the run's seed that reproduces
//! it.

mod answered;
mod bounds;
mod buckets;
mod found;
mod invariants;
mod own_mail;
mod reflection;
mod timers;

use kademlia::Moment;

use crate::engine::Place;
use crate::network::Network;
pub(crate) use found::must_find;

/// Something that must not happen and did.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Finding {
    /// Which checker found it.
    pub checker: &'static str,
    /// When, in microseconds of virtual time.
    pub at_micros: u64,
    /// Where.
    pub place: Place,
    /// What.
    pub what: String,
}

/// Watches for one kind of fault.
pub trait Checker<N: Network> {
    /// Its name.
    fn name(&self) -> &'static str;
    /// What it must be told: of all that happens, most is nothing to most.
    fn hears(&self) -> Hears;
    /// A message leaves.
    fn sent(&mut self, now: Moment, from: Place, to: Option<Place>, message: &[u8]) -> Verdict {
        let _ = (now, from, to, message);
        Ok(())
    }
    /// A message is about to be handled.
    fn arrived(&mut self, now: Moment, from: Place, to: Place, message: &[u8]) -> Verdict {
        let _ = (now, from, to, message);
        Ok(())
    }
    /// A node has had its turn; what it sends comes next.
    fn turned(&mut self, place: Place) {
        let _ = place;
    }
    /// A node has had its turn: a close look, not at each.
    fn stepped(&mut self, network: &N, now: Moment, place: Place, node: &N::Node) -> Verdict {
        let _ = (network, now, place, node);
        Ok(())
    }
    /// What it measured, by name.
    fn measures(&self) -> Vec<(&'static str, f64)> {
        Vec::new()
    }
}

/// What a checker is told, besides close looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Hears {
    /// [`Checker::sent`].
    pub sent: bool,
    /// [`Checker::arrived`].
    pub arrived: bool,
    /// [`Checker::turned`].
    pub turned: bool,
}

/// Whether all is well, or what is not.
pub type Verdict = Result<(), String>;

/// All checkers of a run.
pub struct Checkers<N: Network> {
    each: Vec<(Hears, Box<dyn Checker<N>>)>,
    /// One step in so many is looked at closely.
    every: u64,
    steps: u64,
    findings: Vec<Finding>,
}

/// Findings kept; after that many more say nothing new.
const MAX_FINDINGS: usize = 100;

impl<N: Network + 'static> Checkers<N> {
    /// All checkers. `joined`: nodes joined for real, so tables have a history. `every`: one step
    /// in so many is looked at closely.
    pub fn new(joined: bool, every: u64) -> Self {
        let mut all: Vec<Box<dyn Checker<N>>> = vec![
            Box::new(own_mail::OwnMail),
            Box::new(reflection::Reflection::default()),
            Box::new(timers::Timers::default()),
            Box::new(invariants::Invariants),
            Box::new(bounds::Bounds),
            Box::new(buckets::Buckets),
        ];
        if joined {
            all.push(Box::new(answered::Answered::default()));
        }
        let each = all.into_iter().map(|checker| (checker.hears(), checker)).collect();
        Self { each, every: every.max(1), steps: 0, findings: Vec::new() }
    }

    /// What was found.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// What was measured.
    pub fn measures(&self) -> Vec<(&'static str, f64)> {
        self.each.iter().flat_map(|(_, checker)| checker.measures()).collect()
    }

    /// Notes something found elsewhere.
    pub fn note(&mut self, checker: &'static str, now: Moment, place: Place, what: String) {
        if self.findings.len() < MAX_FINDINGS {
            let at_micros = now.as_micros();
            self.findings.push(Finding { checker, at_micros, place, what });
        }
    }

    pub(crate) fn sent(&mut self, now: Moment, from: Place, to: Option<Place>, message: &[u8]) {
        let question = |checker: &mut dyn Checker<N>| checker.sent(now, from, to, message);
        self.ask(now, from, |hears| hears.sent, question);
    }

    pub(crate) fn arrived(&mut self, now: Moment, from: Place, to: Place, message: &[u8]) {
        let question = |checker: &mut dyn Checker<N>| checker.arrived(now, from, to, message);
        self.ask(now, to, |hears| hears.arrived, question);
    }

    pub(crate) fn stepped(&mut self, network: &N, now: Moment, place: Place, node: &N::Node) {
        self.steps += 1;
        for (_, checker) in self.each.iter_mut().filter(|(hears, _)| hears.turned) {
            checker.turned(place);
        }
        if self.steps.is_multiple_of(self.every) {
            let question =
                |checker: &mut dyn Checker<N>| checker.stepped(network, now, place, node);
            self.ask(now, place, |_| true, question);
        }
    }

    fn ask(
        &mut self,
        now: Moment,
        place: Place,
        whom: impl Fn(&Hears) -> bool,
        mut question: impl FnMut(&mut dyn Checker<N>) -> Verdict,
    ) {
        let mut found = Vec::new();
        for (_, checker) in self.each.iter_mut().filter(|(hears, _)| whom(hears)) {
            if let Err(what) = question(&mut **checker) {
                found.push((checker.name(), what));
            }
        }
        for (name, what) in found {
            self.note(name, now, place, what);
        }
    }
}
