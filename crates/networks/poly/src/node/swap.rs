//! Swaps: of all who replace the same version of a record at once, one succeeds.
//!
//! Versions of one seq are ordered by their contents, so that replicas agree whatever reaches them
//! first. If who loses a swap had stored his version anywhere, it could win that order later, over
//! one that was acknowledged. So who swaps first *claims* the record: the closest nodes promise to
//! take no other swap of it for a while. Only with the promises of three quarters of them does he
//! store anything, and succeeds once more than half of them have that, and of the region. How large
//! a region is two may take differently; who is closest they find alike, and as long as no more
//! than two of the closest [`MIN_HOLDERS`] are others for one than for the other, one node decides
//! for both: for two that claim at once, and for one that claims what the other has stored.
//!
//! Promises are kept in memory: a node that restarts within one's time is one of those two.
#![expect(clippy::wildcard_enum_match_arm, reason = "few kinds of commands or refusals matter")]

use std::time::Duration;

use kademlia::flat::FlatMap;
use kademlia::{Contact, Key, Moment, OperationId};
use rand_core::Rng;

use super::advance::{PARALLEL, WAY};
use super::operation::{Home, Operation, Put, Work, put_value};
use super::walk::Walk;
use super::{Job, Node};
use crate::command::{Command, Refusal};
use crate::contact::{Endpoint, Peer};
use crate::region::MIN_HOLDERS;
use crate::store::Store;
use crate::value::{Value, Version};
use crate::wire::{Ask, Purpose};

/// How long a promise stands. Who has it stores his version within half of that, or not at all.
const PROMISED_S: u32 = 10;
const PROMISED_FOR: Duration = Duration::from_secs(PROMISED_S as u64);
/// Promises given at once.
const MAX_PROMISED: usize = 1024;
/// How soon who was refused tries again, at most, the first time; then twice as long.
const TRY_AGAIN: Duration = Duration::from_millis(200);
const TRIES_GROW: u32 = 4;

/// What a node has promised to those who are about to swap.
#[derive(Debug, Default)]
pub(super) struct Promises {
    /// By the mark of the slot: the version that may come, and until when no other may.
    given: FlatMap<u64, (Version, Moment)>,
}

/// How far one who swaps has come.
#[derive(Debug, Default)]
pub(super) struct Claim {
    /// Who was asked for a promise, and who gave one.
    asked: Vec<Key>,
    promised: Vec<Key>,
    /// When the first was asked.
    begun: Moment,
    tries: u32,
    /// When to try again.
    pub(super) again_at: Option<Moment>,
    /// Until when something may be stored, once there are enough promises.
    until: Option<Moment>,
}

impl Promises {
    /// Promises that no swap but that to `version` is taken; whether it could.
    fn give(&mut self, now: Moment, mark: u64, version: Version) -> bool {
        if !self.allow(now, mark, version) {
            return false;
        }
        if self.given.len() >= MAX_PROMISED {
            self.given.retain(|_, (_, until)| *until > now);
        }
        let has_room = self.given.len() < MAX_PROMISED || self.given.contains_key(&mark);
        if has_room {
            self.given.insert(mark, (version, now + PROMISED_FOR));
        }
        has_room
    }

    /// Whether a swap to `version` breaks no promise.
    pub(super) fn allow(&self, now: Moment, mark: u64, version: Version) -> bool {
        self.given.get(&mark).is_none_or(|(promised, until)| *promised == version || *until <= now)
    }

    /// `version` is held now: what was promised to it, or to an older one, has come or will not.
    pub(super) fn overtaken(&mut self, mark: u64, version: Version) {
        if self.given.get(&mark).is_some_and(|(promised, _)| *promised <= version) {
            self.given.remove(&mark);
        }
    }

    /// The promise for `version` is not needed any more.
    pub(super) fn end(&mut self, mark: u64, version: Version) {
        if self.given.get(&mark).is_some_and(|(promised, _)| *promised == version) {
            self.given.remove(&mark);
        }
    }
}

impl Claim {
    /// Whether something may be stored now.
    pub(super) fn stands(&self, now: Moment) -> bool {
        self.until.is_some_and(|until| now < until)
    }

    /// Whether enough have promised, now or before.
    pub(super) fn was_made(&self) -> bool {
        self.until.is_some()
    }

    /// A node promises.
    pub(super) fn promised(&mut self, by: &Contact<Endpoint>) {
        self.promised.push(by.key);
    }
}

/// How many of so many that are closest must promise.
pub(super) fn deciding(closest: usize) -> usize {
    closest - closest / 4
}

/// Whether a command is a swap.
pub(super) fn swaps(command: &Command) -> bool {
    expected(command).is_some()
}

/// The seq that a command expects.
pub(super) fn expected(command: &Command) -> Option<u64> {
    match command {
        Command::PutRecord { expected, .. } => *expected,
        _ => None,
    }
}

impl<S: Store> Node<S> {
    /// Promises to take no other swap than this for so many seconds, if it could be made; ends a
    /// promise, if it is not to be.
    pub(super) fn promise(
        &mut self,
        now: Moment,
        value: &Value<'_>,
        expected: Option<u64>,
        gives: bool,
    ) -> Result<u32, Refusal> {
        let (Value::Record(_), Some(expected)) = (value, expected) else {
            return Err(Refusal::Malformed);
        };
        self.examine(now, value)?;
        let (slot, version) = (value.slot(), value.version());
        let mark = slot.mark();
        if !gives {
            self.promises.end(mark, version);
            return Ok(0);
        }
        let unix = self.unix(now);
        let held = self.shelf.head(unix, &slot).map(|head| head.version);
        let seq = held.map_or(0, |held| held.seq);
        if held == Some(version) {
            return Ok(PROMISED_S);
        }
        if seq > expected {
            return Err(Refusal::Swapped(seq));
        }
        if held.is_some_and(|held| held > version) {
            return Err(Refusal::Older(seq));
        }
        if self.promises.give(now, mark, version) { Ok(PROMISED_S) } else { Err(Refusal::Busy) }
    }

    /// Finds the closest nodes and gets their promises. Whether the swap is over, for it has lost.
    pub(super) fn step_claim(
        &mut self,
        now: Moment,
        id: OperationId,
        operation: &mut Operation,
    ) -> bool {
        let Work::Put(Put { claim, .. }) = &mut operation.work else { return true };
        if claim.again_at.is_some_and(|at| at > now) {
            return false;
        }
        if claim.again_at.take().is_some() {
            // Others may be the closest by now.
            let old = &operation.walk;
            operation.report.asked += old.asked;
            operation.report.answered += old.answered;
            operation.report.failed += old.failed;
            operation.walk = Walk::new(old.target(), self.census.radius(), 1);
            self.seed(operation);
        }
        let is_near = operation.walk.region() >= MIN_HOLDERS;
        let parallel = if is_near { MIN_HOLDERS } else { PARALLEL };
        while let Some(next) = operation.walk.next_on_paths(MIN_HOLDERS, parallel) {
            let ask = Ask::Find { target: operation.walk.target(), count: WAY };
            self.ask_next(now, id, operation, next, (ask, false));
        }
        if !operation.walk.converged(MIN_HOLDERS) {
            return false;
        }
        let closest = self.closest_of_all(operation);
        self.claim_from(now, id, operation, &closest);
        let Work::Put(put) = &mut operation.work else { return true };
        if put.is_defeated(&operation.command) {
            self.release(now, operation, &closest);
            return self.resolve_conflict(now, id, operation);
        }
        let is_final = |(_, refusal): &(Peer, Refusal)| !matches!(refusal, Refusal::Busy);
        let promised = |(by, _): &&(Key, _)| put.claim.promised.contains(by);
        if closest.iter().filter(promised).count() >= deciding(closest.len()) {
            put.claim.until = Some(put.claim.begun + PROMISED_FOR / 2);
            put.acknowledgements.refused.retain(is_final);
            return self.step_put(now, id, operation);
        }
        if operation.asides > 0 {
            return false;
        }
        self.release(now, operation, &closest);
        let Work::Put(put) = &mut operation.work else { return true };
        let refused = &mut put.acknowledgements.refused;
        if refused.iter().filter(|refusal| is_final(refusal)).count() > closest.len() / 4 {
            self.end_put(now, id, operation);
            return true;
        }
        refused.retain(is_final);
        let tries = put.claim.tries;
        let share = f64::from(self.rng.next_u32()) / f64::from(u32::MAX);
        let pause = (TRY_AGAIN * (1 << tries.min(TRIES_GROW))).mul_f64(0.25 + 0.75 * share);
        let again_at = Some(now + pause);
        put.claim = Claim { tries: tries + 1, again_at, ..Claim::default() };
        false
    }

    /// Asks those of the closest for a promise that were not asked yet.
    fn claim_from(
        &mut self,
        now: Moment,
        id: OperationId,
        operation: &mut Operation,
        closest: &[(Key, Option<Contact<Endpoint>>)],
    ) {
        // The command is lent to the requests while the operation counts them.
        let command = core::mem::replace(&mut operation.command, Command::SetClock(0));
        let (value, expected) = (put_value(&command), expected(&command));
        for (key, contact) in closest {
            let (Some(value), Work::Put(put)) = (value, &mut operation.work) else { break };
            if put.claim.asked.contains(key) {
                continue;
            }
            if put.claim.asked.is_empty() {
                put.claim.begun = now;
            }
            put.claim.asked.push(*key);
            if let Some(contact) = contact {
                let purpose = Purpose::Claim;
                let ask = Ask::Put { value: value.into(), expected, purpose, count: 0 };
                self.ask_aside(now, id, operation, *contact, ask);
                continue;
            }
            match self.promise(now, &value, expected, true) {
                Ok(_) => put.claim.promised.push(*key),
                Err(refusal) => put.acknowledgements.refused.push((self.myself(), refusal)),
            }
        }
        operation.command = command;
    }

    /// Some of the closest may have promised to others, who give that back when they find that
    /// they have lost: those are asked again after a while.
    pub(super) fn ask_busy_again(
        &mut self,
        now: Moment,
        id: OperationId,
        operation: &mut Operation,
    ) {
        let Operation { command, work: Work::Put(put), .. } = operation else { return };
        let refused = &mut put.acknowledgements.refused;
        let is_busy = |(_, refusal): &(Peer, Refusal)| matches!(refusal, Refusal::Busy);
        if put.told || !put.claim.stands(now) || !refused.iter().any(is_busy) {
            put.claim.again_at = None;
            return;
        }
        if *put.claim.again_at.get_or_insert(now + TRY_AGAIN) > now {
            return;
        }
        put.claim.again_at = None;
        let busy: Vec<(Peer, Refusal)> = refused.extract_if(.., |by| is_busy(by)).collect();
        // The command is lent to the requests while the operation counts them.
        let command = core::mem::replace(command, Command::SetClock(0));
        let me = self.me();
        for (by, _) in &busy {
            let (Some(value), Work::Put(put)) = (put_value(&command), &mut operation.work) else {
                break;
            };
            if by.id == me {
                put.home = Home::Waits;
                continue;
            }
            let (purpose, expected) = (Purpose::Keep, expected(&command));
            let ask = Ask::Put { value: value.into(), expected, purpose, count: 0 };
            self.ask_aside(now, id, operation, by.contact(), ask);
        }
        operation.command = command;
    }

    /// Gives back what was promised.
    fn release(
        &mut self,
        now: Moment,
        operation: &Operation,
        closest: &[(Key, Option<Contact<Endpoint>>)],
    ) {
        let Work::Put(Put { claim, .. }) = &operation.work else { return };
        let Some(value) = put_value(&operation.command) else { return };
        let expected = expected(&operation.command);
        for (_, contact) in closest.iter().filter(|(key, _)| claim.asked.contains(key)) {
            if let Some(contact) = contact {
                let purpose = Purpose::Release;
                let ask = Ask::Put { value: value.into(), expected, purpose, count: 0 };
                self.ask(now, *contact, ask, Job::Nothing);
            } else {
                self.promises.end(value.slot().mark(), value.version());
            }
        }
    }

    /// The closest nodes that answered, ourselves among them if we are one, closest first.
    pub(super) fn closest_of_all(
        &self,
        operation: &Operation,
    ) -> Vec<(Key, Option<Contact<Endpoint>>)> {
        let walk = &operation.walk;
        let found = walk.found().take(MIN_HOLDERS);
        let mut closest: Vec<_> = found.map(|contact| (contact.key, Some(contact))).collect();
        if matches!(&operation.work, Work::Put(put) if put.home != Home::Elsewhere) {
            closest.push((self.me(), None));
        }
        closest.sort_unstable_by_key(|(id, _)| walk.target().distance(id));
        closest.truncate(MIN_HOLDERS);
        closest
    }

    /// Whether no other swap can be claimed that does not know of this one: more than half of the
    /// closest have it.
    pub(super) fn is_decided(&self, operation: &Operation) -> bool {
        let Work::Put(Put { acknowledgements, .. }) = &operation.work else { return false };
        let closest = self.closest_of_all(operation);
        let has_it = |(id, _): &&(Key, _)| acknowledgements.stored.iter().any(|by| by.id == *id);
        let is_found = operation.walk.converged(MIN_HOLDERS);
        is_found && 2 * closest.iter().filter(has_it).count() > closest.len()
    }

    /// Whether a value may be stored for what was promised to others.
    pub(super) fn keeps_promises(&self, now: Moment, value: &Value<'_>) -> Result<(), Refusal> {
        let (mark, version) = (value.slot().mark(), value.version());
        if self.promises.allow(now, mark, version) { Ok(()) } else { Err(Refusal::Busy) }
    }
}

#[cfg(test)]
mod tests;
