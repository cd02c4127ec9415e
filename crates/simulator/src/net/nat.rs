//! Address translation: nodes that only those reach whom they have asked. Some know it and are
//! clients alone; others take part as if all could reach them.

use std::collections::BTreeMap;
use std::time::Duration;

use kademlia::Moment;

use super::about;
use crate::engine::Place;
use crate::random::{mix3, unit};

/// How many nodes are behind a NAT. (Address-restricted filtering: RFC 4787, section 5.)
#[derive(Clone, Copy, Debug)]
pub struct NatSettings {
    /// Share of nodes that are behind one and know it: they ask, and answer nobody.
    pub clients: f64,
    /// Share of nodes that are behind one and do not know it.
    pub restricted: f64,
    /// How long an answer is let in after the node has sent something (RFC 4787, REQ-5: at least
    /// two minutes).
    pub hole: Duration,
}

/// Which doors are open.
#[derive(Clone, Debug)]
pub(super) struct Nats {
    settings: NatSettings,
    seed: u64,
    holes: BTreeMap<Place, Vec<(Place, Moment)>>,
}

/// Holes a NAT keeps at once.
const MAX_HOLES: usize = 256;

impl Nats {
    pub(super) const fn new(settings: NatSettings, seed: u64) -> Self {
        Self { settings, seed, holes: BTreeMap::new() }
    }

    pub(super) fn is_client(&self, place: Place) -> bool {
        self.rank(place) < self.settings.clients
    }

    pub(super) fn is_behind(&self, place: Place) -> bool {
        self.rank(place) < self.settings.clients + self.settings.restricted
    }

    fn rank(&self, place: Place) -> f64 {
        unit(mix3(self.seed, about::NAT, u64::from(place)))
    }

    /// A node sends to another, which may answer from now on.
    pub(super) fn opened(&mut self, now: Moment, inside: Place, outside: Place) {
        if !self.is_behind(inside) {
            return;
        }
        let until = now + self.settings.hole;
        let holes = self.holes.entry(inside).or_default();
        holes.retain(|(other, open)| *other != outside && *open > now);
        if holes.len() >= MAX_HOLES {
            holes.remove(0);
        }
        holes.push((outside, until));
    }

    pub(super) fn admits(&self, now: Moment, from: Place, to: Place) -> bool {
        let open = |holes: &Vec<(Place, Moment)>| {
            holes.iter().any(|(outside, until)| *outside == from && *until > now)
        };
        !self.is_behind(to) || self.holes.get(&to).is_some_and(open)
    }
}
