//! How a node parts with values that lie outside of its region.
//!
//! They were its own while the network was smaller, or while its holders were out of reach. It goes
//! over them region by region: the holders there are told mark and fingerprint of up to
//! [`MAX_OFFERED`] values at once, and say which of them they lack; these alone are put to them.
//! What three of them have is forgotten. So a million values that newcomers have long had take
//! sixteen bytes each and holder, and at most one lookup a region.

use std::collections::VecDeque;
use std::time::Duration;

use kademlia::lookup::LookupSettings;
use kademlia::{Contact, Moment};

use super::answer::leading;
use super::{Job, Node};
use crate::contact::Endpoint;
use crate::region::{MIN_HOLDERS, TOLERANCE};
use crate::store::{Head, Store};
use crate::value::{Kind, Slot};
use crate::wire::{Ask, MAX_OFFERED, Purpose, Values, write_value};

/// The state of that.
#[derive(Debug, Default)]
pub(super) struct Parting {
    /// When it goes on; `None` between rounds.
    at: Option<Moment>,
    /// What is still to be gone over of what was gathered: the leading bits of each key, and the
    /// mark. Those of a region are beside each other; the last is next.
    rest: Vec<(u64, u64)>,
    /// The mark after which the next are gathered.
    after: Option<u64>,
    /// Whether nothing more is to be gathered in this round.
    has_all: bool,
    /// The leading bits around which holders were looked up last.
    looked_up: Option<u64>,
    batch: Batch,
}

/// Values of one region.
#[derive(Debug, Default)]
struct Batch {
    number: u32,
    /// The values, and how many holders have each.
    values: Vec<(Slot, u32)>,
    /// To whom each is still to be put.
    wanted: VecDeque<(Contact<Endpoint>, Slot)>,
    /// Bytes that may be put before the next turn.
    room: usize,
}

/// How often something is offered or put, and how many bytes are put each time. Who puts more, for
/// values are long, rests so much longer.
const EVERY: Duration = Duration::from_secs(1);
const TURN_BYTES: usize = 16 << 10;
/// Holders that must have what is forgotten, and how many are asked.
const HANDED_TO: u32 = 3;
const OFFERED_TO: usize = 6;
/// Values that are gathered at once, 16 bytes each, and gone over in a turn.
const GATHERED: usize = 1 << 16;
const SEEN_A_TURN: usize = 4 * MAX_OFFERED;
/// By when a lookup of holders has ended, mostly.
const LOOKUP: Duration = Duration::from_secs(5);

impl Parting {
    /// Begins a round, unless one is under way.
    pub(super) fn begin(&mut self, now: Moment) {
        self.at.get_or_insert(now);
    }

    /// The node is no holder any more: it parts with all it has, soon.
    pub(super) fn leave(&mut self, now: Moment) {
        *self = Self {
            at: Some(now + EVERY),
            batch: std::mem::take(&mut self.batch),
            ..Self::default()
        };
    }

    pub(super) const fn next_timeout(&self) -> Option<Moment> {
        self.at
    }
}

impl<S: Store> Node<S> {
    /// Puts what is wanted, or offers more.
    pub(super) fn run_parting(&mut self, now: Moment) {
        if self.parting.at.is_none_or(|at| at > now) {
            return;
        }
        self.parting.at = Some(now + EVERY);
        self.parting.batch.room = TURN_BYTES;
        if !self.parting.batch.wanted.is_empty() {
            self.put_wanted(now);
            return;
        }
        if self.parting.rest.is_empty() {
            if self.parting.has_all {
                self.parting.has_all = false;
                let goes_on = self.is_unreachable() && self.shelf.usage().values > 0;
                self.parting.at = goes_on.then_some(now + EVERY);
                return;
            }
            self.gather();
        }
        self.offer_next(now);
    }

    /// Gathers what lies outside: blobs if they lie far outside; what has versions in any case, for
    /// out there nobody tells us a newer one.
    fn gather(&mut self) {
        let (me, region) = (self.me(), self.census.radius());
        let around = region.times(TOLERANCE);
        let leaves = self.is_unreachable();
        let is_outside = |slot: &Slot, head: &Head| {
            let radius = if head.kind == Kind::Blob { around } else { region };
            !head.cached && (leaves || !radius.holds(&me, &slot.key))
        };
        let found = self.shelf.after(self.parting.after, GATHERED, is_outside);
        let Parting { rest, after, has_all, .. } = &mut self.parting;
        *has_all = found.len() < GATHERED;
        *after = found.last().map(|(mark, _)| *mark).filter(|_| !*has_all);
        *rest = found.iter().map(|(mark, slot)| (leading(&slot.key), *mark)).collect();
        rest.sort_unstable_by(|one, other| other.cmp(one));
    }

    /// Offers the next values of one region to its holders.
    fn offer_next(&mut self, now: Moment) {
        let Some((centre, _)) = self.parting.rest.last().copied() else { return };
        let (region, leaves) = (self.census.radius().bits(), self.is_unreachable());
        let (mut values, mut listed) = (Vec::new(), Vec::new());
        for _ in 0..SEEN_A_TURN {
            let Some((head, mark)) = self.parting.rest.last().copied() else { break };
            if values.len() >= MAX_OFFERED || head ^ centre >= region {
                break;
            }
            self.parting.rest.pop();
            let Some((slot, fingerprint)) = self.shelf.marked(mark) else { continue };
            if leading(&slot.key) == head
                && (leaves || !self.is_among_nearest(&slot.key, MIN_HOLDERS))
            {
                listed.extend([mark, fingerprint].iter().flat_map(|word| word.to_be_bytes()));
                values.push((slot, 0));
            }
        }
        let Some((first, _)) = values.first().copied() else { return };
        let holders = self.known.fresh(now, &first.key, OFFERED_TO);
        let radius = self.census.radius();
        let near = holders.iter().filter(|holder| radius.holds(&holder.key, &first.key)).count();
        let head = leading(&first.key);
        if near < HANDED_TO as usize && self.parting.looked_up != Some(head) {
            let shape = LookupSettings::default();
            self.overlay.start_lookup_with(now, first.key, shape, &mut self.rng);
            let again = values.iter().rev().map(|(slot, _)| (leading(&slot.key), slot.mark()));
            self.parting.rest.extend(again);
            self.parting.looked_up = Some(head);
            self.parting.at = Some(now + LOOKUP);
            return;
        }
        let number = self.parting.batch.number.wrapping_add(1);
        let is_alone = values.len() == 1;
        let wanted = holders.iter().filter(|_| is_alone).map(|holder| (*holder, first)).collect();
        self.parting.batch = Batch { number, values, wanted, room: TURN_BYTES };
        if is_alone {
            self.put_wanted(now);
        } else {
            for holder in holders {
                self.ask(now, holder, Ask::Offer { listed: &listed }, Job::Offer(number));
            }
        }
    }

    /// A holder has said which it lacks: it has the others.
    pub(super) fn offer_heard(
        &mut self,
        now: Moment,
        from: &Contact<Endpoint>,
        number: u32,
        lacking: &[u8],
    ) {
        if self.parting.batch.number != number {
            return;
        }
        let (lacking, _) = lacking.as_chunks::<8>();
        let lacks = |slot: &Slot| lacking.contains(&slot.mark().to_be_bytes());
        let slots = self.parting.batch.values.iter().map(|(slot, _)| *slot);
        let (lacked, had): (Vec<Slot>, Vec<Slot>) = slots.partition(lacks);
        self.parting.batch.wanted.extend(lacked.into_iter().map(|slot| (*from, slot)));
        for slot in had {
            self.handed_over(&slot, true);
        }
        self.put_wanted(now);
    }

    /// Puts what holders lack, as much as one turn allows.
    fn put_wanted(&mut self, now: Moment) {
        let unix = self.unix(now);
        while self.parting.batch.room > 0
            && let Some((holder, slot)) = self.parting.batch.wanted.pop_front()
        {
            let mut value = Vec::new();
            self.shelf.get(unix, &slot, |carried, _| write_value(carried, &mut value));
            let Some(carried) = Values::new(&value).iter().next() else { continue };
            let (purpose, expected) = (Purpose::Keep, None);
            let ask = Ask::Put { value: carried, expected, purpose, count: 0 };
            self.ask(now, holder, ask, Job::HandOver(slot));
            let batch = &mut self.parting.batch;
            let rests = value.len().saturating_sub(batch.room) / TURN_BYTES;
            batch.room = batch.room.saturating_sub(value.len());
            let rests = u32::try_from(rests).unwrap_or(u32::MAX);
            self.parting.at = self.parting.at.map(|at| at + EVERY * rests);
        }
    }

    /// A holder has, or does not have, what was handed over.
    pub(super) fn handed_over(&mut self, slot: &Slot, has_it: bool) {
        let values = &mut self.parting.batch.values;
        let Some((_, count)) = values.iter_mut().find(|(other, _)| has_it && other == slot) else {
            return;
        };
        *count += 1;
        if *count == HANDED_TO {
            self.shelf.remove(slot);
        }
    }
}
