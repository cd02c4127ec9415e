//! Records that their owners update one version after the other: what may be swapped next, and
//! whether readers get what was acknowledged before they asked.

use std::collections::BTreeMap;

use kademlia::Moment;

use super::measure::closest;
use super::{Finished, Run};
use crate::engine::Place;
use crate::ids::Id;
use crate::network::{Network, Swap, Wish};
use crate::scenario::WorkKind;
use crate::stats::to_f64;

/// All records, by number.
#[derive(Debug, Default)]
pub(super) struct Records {
    each: BTreeMap<u64, Versions>,
    /// Reads of others than owners that ended, and those that got less than had been acknowledged
    /// when they began.
    reads: (u64, u64),
}

/// What is known of one record.
#[derive(Debug, Default)]
struct Versions {
    target: Id,
    /// Versions that were acknowledged, and when.
    acknowledged: Vec<(Moment, u64)>,
    /// The newest that the owner knows of.
    known: u64,
    /// What the owner does: at which node, and the version it swaps to; zero while it looks.
    under_way: Option<(Place, u64)>,
    /// A swap failed. Some may hold what it wrote all the same: the owner has to look.
    doubtful: bool,
    attempts: u64,
}

/// Of the nodes closest to a record so many must hold its newest version in the end.
const HOLDERS: usize = 8;

impl Versions {
    /// The newest version that was acknowledged at `now`.
    fn newest(&self, now: Moment) -> u64 {
        let before = self.acknowledged.iter().filter(|(at, _)| *at <= now);
        before.map(|(_, seq)| *seq).max().unwrap_or(0)
    }
}

impl Records {
    /// Whether a version of this record was acknowledged.
    pub(super) fn has(&self, number: u64) -> bool {
        self.each.get(&number).is_some_and(|record| !record.acknowledged.is_empty())
    }

    /// What the owner of a record does next to replace its newest version; nothing as long as it is
    /// at it, which is so if `runs` says so of its node.
    pub(super) fn next(&mut self, number: u64, runs: impl FnOnce(Place) -> bool) -> Option<Wish> {
        let record = self.each.entry(number).or_default();
        if let Some((place, _)) = record.under_way {
            if runs(place) {
                return None;
            }
            (record.under_way, record.doubtful) = (None, true);
        }
        if record.doubtful {
            return Some(Wish::Read(number));
        }
        record.attempts += 1;
        let (expected, attempt) = (record.known, record.attempts);
        Some(Wish::Swap(Swap { number, expected, seq: expected + 1, attempt }))
    }

    /// What the owner of a record wanted next begins at a node.
    pub(super) fn begins(&mut self, place: Place, wish: &Wish, target: Id) {
        let (number, seq) = if let Wish::Swap(swap) = wish {
            (swap.number, swap.seq)
        } else if let Wish::Read(number) = wish {
            (*number, 0)
        } else {
            return;
        };
        let record = self.each.entry(number).or_default();
        record.target = target;
        record.under_way = Some((place, seq));
    }

    /// A swap or a read has ended.
    pub(super) fn ended(&mut self, finished: &Finished) {
        let Finished { place, operation, ending, at, .. } = finished;
        let Some(record) = self.each.get_mut(&operation.number) else { return };
        let mine = record
            .under_way
            .take_if(|(by, seq)| by == place && (*seq == 0) == (operation.kind == WorkKind::Read));
        if operation.kind == WorkKind::Read {
            let seq = ending.seq.unwrap_or(0);
            let wanted = record.newest(operation.started);
            if mine.is_none() {
                self.reads.0 += 1;
                self.reads.1 += u64::from(seq < wanted);
            } else if seq >= wanted {
                (record.known, record.doubtful) = (seq, false);
            }
            return;
        }
        let Some((_, seq)) = mine else { return };
        if ending.fulfilled {
            record.acknowledged.push((*at, seq));
            record.known = seq;
        } else {
            record.known = record.known.max(ending.seq.unwrap_or(0));
            record.doubtful = true;
        }
    }
}

impl<N: Network + 'static> Run<'_, N> {
    /// What the owner of a record wants next.
    pub(super) fn next_swap(&mut self, number: u64) -> Option<Wish> {
        let operations = self.recorder.operations();
        self.records.next(number, |place| {
            let mut all = operations.iter();
            all.any(|((whose, _), operation)| {
                let is_its = matches!(operation.kind, WorkKind::Swap | WorkKind::Read);
                *whose == place && is_its && operation.number == number
            })
        })
    }

    /// The figures: the share of reads that got at least what had been acknowledged, and of the
    /// closest nodes that there are in the end the share that hold the newest such version.
    pub(super) fn put_records(&self, put: &mut impl FnMut(String, f64)) {
        let Records { each, reads: (reads, stale) } = &self.records;
        if *reads > 0 {
            put("read.current".into(), 1.0 - to_f64(*stale) / to_f64(*reads));
        }
        let (network, now) = (self.engine.births(), self.engine.now());
        let (mut asked, mut current) = (0_u64, 0_u64);
        for record in each.values().filter(|record| !record.acknowledged.is_empty()) {
            for place in closest(&self.engine, &record.target, HOLDERS) {
                let node = self.engine.node(place);
                let seq = node.and_then(|node| network.version(node, now, &record.target));
                asked += 1;
                current += u64::from(seq.is_some_and(|seq| seq >= record.newest(now)));
            }
        }
        if asked > 0 {
            put("records.converged".into(), to_f64(current) / to_f64(asked));
        }
    }
}

#[cfg(test)]
mod tests;
