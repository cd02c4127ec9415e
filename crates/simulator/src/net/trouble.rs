//! Trouble that comes and goes: bursts of loss, and partitions that heal.

use std::time::Duration;

use kademlia::Moment;

use super::about;
use crate::engine::Place;
use crate::random::{Draw, mix2, mix3, unit};

/// Loss in bursts: a node's line is bad for a while, and then nearly all is lost.
#[derive(Clone, Copy, Debug)]
pub struct Bursts {
    /// Share of the time in which a line is bad.
    pub share: f64,
    /// How long a burst lasts.
    pub length: Duration,
    /// Share of messages lost in one.
    pub loss: f64,
}

impl Bursts {
    /// Whether a message to `to` is lost. Bursts begin at times of each node's own.
    pub(super) fn strikes(&self, seed: u64, now: Moment, to: Place, draw: &mut Draw) -> bool {
        let length = u64::try_from(self.length.as_micros()).unwrap_or(u64::MAX).max(1);
        let line = mix3(seed, about::BURST, u64::from(to));
        let turn = (now.as_micros() + line % length) / length;
        unit(mix2(line, turn)) < self.share && draw.chance(self.loss)
    }
}

/// A time in which the network is in two parts.
#[derive(Clone, Copy, Debug)]
pub struct Partition {
    /// When it splits.
    pub from: Moment,
    /// When it heals.
    pub until: Moment,
    /// Share of nodes in the smaller part.
    pub share: f64,
}

impl Partition {
    /// Whether it stands between the two now.
    pub(super) fn parts(&self, seed: u64, now: Moment, a: Place, b: Place) -> bool {
        let cut = mix3(seed, about::SIDE, self.from.as_micros());
        let side = |place: Place| unit(mix2(cut, u64::from(place))) < self.share;
        self.from <= now && now < self.until && side(a) != side(b)
    }
}
