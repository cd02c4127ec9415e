//! Putting: to all nodes of the region at once, as far as they are known; the way is asked only
//! where they are not.
//!
//! The owner is told as soon as enough have acknowledged. The rest goes on behind, and
//! [`Event::PutComplete`] tells its end.
//!
//! A swap stores nothing before it has the promises that make it the only one: see [`super::swap`].
#![expect(clippy::wildcard_enum_match_arm, reason = "few kinds of commands or refusals matter")]

use kademlia::{Contact, Moment, OperationId};

use super::advance::{ALL, PARALLEL, WAY};
use super::operation::{Home, Newest, Operation, Put, Work, put_value, quorum};
use super::swap::{expected, swaps};
use super::walk::Walk;
use super::{Job, Node};
use crate::command::{Acknowledgements, Command, Event, Failure, Outcome, Refusal};
use crate::contact::Endpoint;
use crate::region::MIN_HOLDERS;
use crate::store::Store;
use crate::value::{Value, Version};
use crate::wire::{Answer, Ask, Carried, MAX_CONTACTS, Purpose};

/// Nodes of a region that a value is sent to, at most, lost ones apart: twice what there should be.
const MAX_SERVED: usize = 40;
/// How many of them are asked who else is there; and with those that only the answers named, who
/// may know of more.
const TELLING: usize = 2;
const TELLING_MOST: usize = 6;

impl<S: Store> Node<S> {
    /// Stores it here, if we are of the region.
    pub(super) fn put_at_home(
        &mut self,
        now: Moment,
        id: OperationId,
        operation: &mut Operation,
    ) -> bool {
        let Operation { command, work: Work::Put(put), walk, .. } = operation else { return false };
        let target = walk.target();
        if self.is_client() || !self.is_holder(&target) {
            // Since it began others may have been found who are nearer.
            put.home = Home::Elsewhere;
            return false;
        }
        if swaps(command) && !put.claim.was_made() {
            put.home = Home::Waits;
            return false;
        }
        put.home = Home::Asked;
        let command = &*command;
        let Some(value) = put_value(command) else { return false };
        let expected = expected(command);
        let unix = self.unix(now);
        let slot = value.slot();
        let placed = self.shelf.put(unix, &Carried::from(value), None, expected);
        match placed {
            Ok(_) => put.acknowledgements.stored.push(self.myself()),
            Err(refusal) if !put.is_led() && defeats(&refusal, expected) => {
                let seq = self.shelf.head(unix, &slot).map_or(0, |head| head.version.seq);
                let newest = self.shelf.get(unix, &slot, |carried, _| match &carried.value {
                    Value::Record(record) => Some(Box::new(record.to_owned())),
                    Value::Blob(_) | Value::Entry(_) => None,
                });
                let failure = match newest.flatten() {
                    Some(newest) => Failure::Conflict(newest),
                    None => Failure::ConflictUnseen { seq },
                };
                self.tell(now, id, operation, Outcome::Failed(failure));
                return true;
            }
            Err(refusal) => put.acknowledgements.refused.push((self.myself(), refusal)),
        }
        self.stored(now, &slot);
        false
    }

    /// Whether we are among those who should hold a key.
    pub(super) fn is_holder(&self, key: &kademlia::Key) -> bool {
        let me = self.me();
        if self.census.radius().holds(&me, key) {
            return true;
        }
        let mine = key.distance(&me);
        let near = self.known.closest(key, MIN_HOLDERS);
        near.iter().filter(|contact| key.distance(&contact.key) < mine).count() < MIN_HOLDERS
    }

    /// Asks all of the region to store it, and others the way while the region is not known.
    pub(super) fn step_put(
        &mut self,
        now: Moment,
        id: OperationId,
        operation: &mut Operation,
    ) -> bool {
        let swaps = swaps(&operation.command);
        loop {
            let Work::Put(put) = &operation.work else { return true };
            if swaps && !put.claim.was_made() {
                return self.step_claim(now, id, operation);
            }
            let walk = &operation.walk;
            let may = !swaps || put.claim.stands(now) || self.is_decided(operation);
            let reached = put.served.saturating_sub(walk.lost());
            let has_room = reached < MAX_SERVED && may;
            if has_room && let Some(next) = walk.unserved_in_region() {
                self.serve_put(now, id, operation, next);
                continue;
            }
            // Who is to serve need not be asked the way while another is waited for.
            let finds = has_room || walk.region() < MIN_HOLDERS;
            if finds && let Some(next) = walk.next_on_paths(MIN_HOLDERS, PARALLEL) {
                let ask = Ask::Find { target: walk.target(), count: WAY };
                self.ask_next(now, id, operation, next, (ask, false));
                continue;
            }
            // In a region that holds too few, the closest are holders.
            if has_room
                && walk.region().saturating_sub(walk.doubtful()) < MIN_HOLDERS
                && walk.converged(MIN_HOLDERS)
                && let Some(next) = walk.closest_unserved()
            {
                self.serve_put(now, id, operation, next);
                continue;
            }
            if self.look_beyond(now, id, operation) {
                continue;
            }
            let Work::Put(put) = &operation.work else { return true };
            if put.home == Home::Waits && may {
                if self.put_at_home(now, id, operation) {
                    return true;
                }
                continue;
            }
            break;
        }
        self.catch_up(now, id, operation);
        self.ask_busy_again(now, id, operation);
        self.settle_put(now, id, operation)
    }

    /// An answer names the closest only: where more than these are in the region, those at its edge
    /// are told by one of them. Whether it is asked.
    fn look_beyond(&mut self, now: Moment, id: OperationId, operation: &mut Operation) -> bool {
        let Operation { work: Work::Put(put), walk, .. } = operation else { return false };
        if put.looked_beyond || walk.region() < MAX_CONTACTS || !walk.converged(MIN_HOLDERS) {
            return false;
        }
        let Some(farthest) = walk.farthest_served() else { return false };
        put.looked_beyond = true;
        let ask = Ask::Find { target: farthest.contact.key, count: ALL };
        self.ask_next(now, id, operation, farthest, (ask, true));
        true
    }

    /// A swap that one holder has made is made by those, too, that refused it for an older version
    /// than expected: they were away, or the last put has not reached them yet.
    fn catch_up(&mut self, now: Moment, id: OperationId, operation: &mut Operation) {
        let Operation { command, work: Work::Put(put), .. } = operation else { return };
        let Command::PutRecord { record, expected: Some(expected), .. } = &*command else { return };
        // One that was behind may have moved on by the time it is asked again, as often as it says.
        let is_enough = put.caught_up >= 2 * MAX_SERVED;
        if !put.is_led() || put.acknowledgements.refused.is_empty() || is_enough {
            return;
        }
        let (expected, record) = (*expected, record.clone());
        let value = Value::Record(record.borrow());
        let refused = core::mem::take(&mut put.acknowledgements.refused);
        let (mut behind, mut refused): (Vec<_>, Vec<_>) = refused
            .into_iter()
            .partition(|(_, refusal)| matches!(refusal, Refusal::Swapped(seq) if *seq <= expected));
        let me = self.me();
        if let Some(at) = behind.iter().position(|(by, _)| by.id == me) {
            let (home, refusal) = behind.swap_remove(at);
            let unix = self.unix(now);
            match self.shelf.put(unix, &Carried::from(value), None, refused_for(&refusal)) {
                Ok(_) => {
                    put.acknowledgements.stored.push(home);
                    self.stored(now, &value.slot());
                }
                Err(refusal) => refused.push((home, refusal)),
            }
        }
        put.acknowledgements.refused = refused;
        put.caught_up += behind.len();
        for (by, refusal) in behind {
            let (expected, purpose) = (refused_for(&refusal), Purpose::Keep);
            let ask = Ask::Put { value: value.into(), expected, purpose, count: 0 };
            self.ask_aside(now, id, operation, by.contact(), ask);
        }
    }

    fn serve_put(
        &mut self,
        now: Moment,
        id: OperationId,
        operation: &mut Operation,
        next: super::walk::Next,
    ) {
        let Operation { work: Work::Put(put), .. } = operation else { return };
        put.served += 1;
        let tells = put.telling < if next.is_news { TELLING_MOST } else { TELLING };
        put.telling += usize::from(tells);
        let count = if tells { ALL } else { 0 };
        // The command is lent to the request while the operation counts it.
        let command = core::mem::replace(&mut operation.command, Command::SetClock(0));
        let expected = expected(&command);
        if let Some(value) = put_value(&command) {
            let purpose = Purpose::Keep;
            let ask = Ask::Put { value: value.into(), expected, purpose, count };
            self.ask_next(now, id, operation, next, (ask, true));
        }
        operation.command = command;
    }

    /// Tells the owner once enough is known. Whether all is done.
    fn settle_put(&mut self, now: Moment, id: OperationId, operation: &mut Operation) -> bool {
        let mut is_complete = !Self::is_waiting(operation);
        let walk = &operation.walk;
        let Work::Put(Put { home, claim, .. }) = &operation.work else { return true };
        is_complete &= claim.again_at.is_none();
        let holders = walk.holders() + usize::from(*home != Home::Elsewhere);
        let is_certain = walk.converged(MIN_HOLDERS);
        let mut needed = quorum(&operation.command, holders);
        if walk.answered == 0 && self.census.size().is_some() {
            // Others were there once: alone we are cut off, not the whole network.
            needed = needed.max(2);
        }
        let is_decided = !swaps(&operation.command) || self.is_decided(operation);
        let Work::Put(put) = &mut operation.work else { return true };
        put.acknowledgements.region = holders;
        put.acknowledgements.quorum = needed;
        let stored = put.acknowledgements.stored.len();
        let has_succeeded = stored >= needed && is_decided;
        // Without them it would fail: those who are long overdue are waited for after all.
        is_complete &= put.told || has_succeeded || walk.doubtful() == 0;
        let loses = put.is_defeated(&operation.command);
        if loses && !put.told {
            return self.resolve_conflict(now, id, operation);
        }
        if !put.told && has_succeeded && (is_certain || stored >= MIN_HOLDERS || is_complete) {
            put.told = true;
            let outcome = Outcome::Stored(put.acknowledgements.clone());
            self.tell(now, id, operation, outcome);
        }
        if !is_complete {
            return false;
        }
        let Work::Put(put) = &mut operation.work else { return true };
        if !put.told && put.has_lost(&operation.command) {
            return self.resolve_conflict(now, id, operation);
        }
        self.end_put(now, id, operation);
        true
    }

    /// The put is over, by completeness or by its deadline.
    pub(super) fn end_put(&mut self, now: Moment, id: OperationId, operation: &mut Operation) {
        let unanswered = operation.walk.failed;
        let waiting = u32::try_from(operation.walk.waiting()).unwrap_or(0);
        let is_alone = operation.walk.holders() == 0 && operation.walk.failed == 0;
        let Work::Put(put) = &mut operation.work else { return };
        let mut acknowledgements = core::mem::take(&mut put.acknowledgements);
        acknowledgements.unanswered = unanswered + waiting;
        if put.told {
            self.events.push_back(Event::PutComplete(id, acknowledgements));
            return;
        }
        let failure = if acknowledgements.stored.is_empty() && is_alone {
            Failure::NobodyThere
        } else if let Some(ahead_s) = skew(&acknowledgements, self.unix(now)) {
            Failure::ClockSkew { ahead_s }
        } else {
            Failure::QuorumMissed(acknowledgements)
        };
        self.tell(now, id, operation, Outcome::Failed(failure));
    }

    /// Holders refused it for another version: finds that, to say who won.
    pub(super) fn resolve_conflict(
        &mut self,
        now: Moment,
        id: OperationId,
        operation: &mut Operation,
    ) -> bool {
        let Work::Put(put) = &operation.work else { return true };
        let seq = put.newest_refusing().unwrap_or(0);
        // What it has is at least this, and is asked for.
        let claim = Version { seq, body: u64::MAX, expires: u64::MAX };
        let refused = put.acknowledgements.refused.iter();
        let me = self.me();
        let mut refused =
            refused.filter(|(by, refusal)| by.id != me && refused_for(refusal) == Some(seq));
        let replicas = refused.next().map(|(by, _)| (Some(by.contact()), Some(claim)));
        let replicas = replicas.into_iter().collect();
        if !matches!(operation.command, Command::PutRecord { .. }) {
            let failure = Failure::ConflictUnseen { seq };
            self.tell(now, id, operation, Outcome::Failed(failure));
            return true;
        }
        let walk = Walk::new(operation.walk.target(), self.census.radius(), 1);
        let old = core::mem::replace(&mut operation.walk, walk);
        operation.report.asked += old.asked;
        operation.report.answered += old.answered;
        operation.report.failed += old.failed;
        operation.work =
            Work::Record(Newest { conflict: Some(seq), replicas, ..Newest::default() });
        self.look_at_home(now, id, operation) || {
            self.seed(operation);
            self.step_record(now, id, operation)
        }
    }

    /// Takes in what a holder answered to a put.
    pub(super) fn put_answered(
        operation: &mut Operation,
        by: &Contact<Endpoint>,
        answer: &Answer<'_>,
        hop: u8,
    ) {
        let Work::Put(put) = &mut operation.work else { return };
        if answer.lease_s.is_some() {
            put.claim.promised(by);
        }
        if answer.stored.is_some() {
            put.acknowledgements.stored.push((*by).into());
            operation.report.hops = operation.report.hops.max(hop.into());
        }
    }

    /// Copies a blob to a node on the way to it, which others will ask too.
    pub(super) fn copy_to(&mut self, now: Moment, to: Contact<Endpoint>, value: Value<'_>) {
        let (purpose, expected) = (Purpose::Cache, None);
        let ask = Ask::Put { value: value.into(), expected, purpose, count: 0 };
        self.ask(now, to, ask, Job::Nothing);
    }
}

impl Put {
    fn newest_refusing(&self) -> Option<u64> {
        let refusals = self.acknowledgements.refused.iter();
        refusals.filter_map(|(_, refusal)| refused_for(refusal)).max()
    }

    /// Whether it can't succeed any more for what one holder has. A swap can once one has
    /// acknowledged: more than half decide.
    pub(super) fn is_defeated(&self, command: &Command) -> bool {
        let may_win = swaps(command) && self.is_led();
        !may_win && self.is_refused_for_newer(command)
    }

    /// Whether, now that all have answered, another version is why it failed.
    fn has_lost(&self, command: &Command) -> bool {
        let is_refused = !self.is_led() && self.newest_refusing().is_some();
        is_refused || self.is_refused_for_newer(command)
    }

    /// Whether somebody has acknowledged.
    fn is_led(&self) -> bool {
        !self.acknowledgements.stored.is_empty()
    }

    fn is_refused_for_newer(&self, command: &Command) -> bool {
        let expected = expected(command);
        let mut refused = self.acknowledgements.refused.iter();
        refused.any(|(_, refusal)| defeats(refusal, expected))
    }
}

/// Whether a holder that refuses so has something newer than what was to be replaced. One that has
/// an older version than expected was away, and says nothing.
fn defeats(refusal: &Refusal, expected: Option<u64>) -> bool {
    match refusal {
        Refusal::Older(_) => true,
        Refusal::Swapped(seq) => expected.is_none_or(|expected| *seq > expected),
        _ => false,
    }
}

/// The seq that a holder has instead.
fn refused_for(refusal: &Refusal) -> Option<u64> {
    match refusal {
        Refusal::Older(seq) | Refusal::Swapped(seq) => Some(*seq),
        _ => None,
    }
}

/// By how much holders' clocks are ahead, if most refused for that.
fn skew(acknowledgements: &Acknowledgements, unix: u64) -> Option<i64> {
    let refused = acknowledgements.refused.iter();
    let clocks = refused.filter_map(|(_, refusal)| match refusal {
        Refusal::Expired(clock) | Refusal::LivesTooLong(clock) => Some(*clock),
        _ => None,
    });
    let ahead = |clock: u64| {
        let signed = |unix: u64| i64::try_from(unix).unwrap_or(i64::MAX);
        signed(clock).saturating_sub(signed(unix))
    };
    let mut ahead: Vec<i64> = clocks.map(ahead).collect();
    ahead.sort_unstable();
    let median = *ahead.get(ahead.len() / 2)?;
    let answered = acknowledgements.stored.len() + acknowledgements.refused.len();
    (2 * ahead.len() > answered && median.abs() > 60).then_some(median)
}

#[cfg(test)]
mod tests;
