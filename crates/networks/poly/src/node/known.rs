//! All contacts the memory budget allows, beyond what buckets guarantee: in a network up to the
//! budget most lookups take one step.
//!
//! Filled by ordinary traffic. Hearsay is remembered too, but not handed on: only who spoke to us
//! lately is. A contact that was up for long is silent for long before it is doubted (sessions are
//! heavy-tailed: Li 2005).

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use kademlia::{Contact, Distance, Key, Moment, Rtt};

use crate::contact::Endpoint;

/// The contacts of one node, sorted by id.
#[derive(Debug)]
pub(super) struct Known {
    contacts: BTreeMap<Key, Seen>,
    budget: usize,
    /// Contacts that were there for a while and fell silent: they may be back, or behind a broken
    /// line. With how often they were asked since.
    lost: VecDeque<(Contact<Endpoint>, u8)>,
}

/// What is known of a contact.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) endpoint: Endpoint,
    /// When it first spoke to us, in seconds; with `heard_s` zero if it never did.
    first_s: u32,
    heard_s: u32,
    pub(super) rtt: Option<Rtt>,
    failures: u8,
}

/// Silence after which a contact is handed on no more, whatever its age: the table asks its own
/// members for a sign of life sooner.
const DOUBTED_AFTER_S: u32 = 17 * 60;
/// Silence that is never doubted.
const SILENCE_S: u32 = 2 * 60;
/// Lost contacts remembered, from what age on, and how often each is asked.
const MAX_LOST: usize = 64;
const LOST_FROM_S: u32 = 2 * 60;
const MAX_TRIES: u8 = 30;
/// Contacts near a random one of which the most doubtful gives way.
const DRAWN: usize = 8;

impl Known {
    pub(super) fn new(budget: usize) -> Self {
        Self { contacts: BTreeMap::new(), budget, lost: VecDeque::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.contacts.len()
    }

    pub(super) fn get(&self, id: &Key) -> Option<&Seen> {
        self.contacts.get(id)
    }

    /// A contact spoke to us.
    pub(super) fn heard(&mut self, now: Moment, contact: Contact<Endpoint>, rtt: Option<Duration>) {
        let now_s = seconds(now).max(1);
        if let Some(seen) = self.contacts.get_mut(&contact.key) {
            if seen.endpoint != contact.address || seen.heard_s == 0 {
                seen.first_s = now_s;
            }
            seen.endpoint = contact.address;
            seen.heard_s = now_s;
            seen.failures = 0;
            if let Some(rtt) = rtt {
                match &mut seen.rtt {
                    Some(known) => known.observe(rtt),
                    None => seen.rtt = Some(Rtt::new(rtt)),
                }
            }
            return;
        }
        let rtt = rtt.map(Rtt::new);
        let seen =
            Seen { endpoint: contact.address, first_s: now_s, heard_s: now_s, rtt, failures: 0 };
        self.insert(now, contact.key, seen);
    }

    /// Somebody named a contact.
    pub(super) fn named(&mut self, now: Moment, contact: Contact<Endpoint>) {
        if !self.contacts.contains_key(&contact.key) {
            let endpoint = contact.address;
            let seen = Seen { endpoint, first_s: 0, heard_s: 0, rtt: None, failures: 0 };
            self.insert(now, contact.key, seen);
        }
    }

    /// A contact of an earlier life, or of a network born in steady state.
    pub(super) fn settle(
        &mut self,
        contact: Contact<Endpoint>,
        first: Moment,
        last: Moment,
        rtt: Option<Rtt>,
    ) {
        let (first_s, heard_s) = (seconds(first).max(1), seconds(last).max(1));
        let seen = Seen { endpoint: contact.address, first_s, heard_s, rtt, failures: 0 };
        self.insert(last, contact.key, seen);
    }

    /// A contact left a request unanswered: once is chance, twice is an end. One that never spoke
    /// to us has had its chance.
    pub(super) fn failed(&mut self, contact: &Contact<Endpoint>) {
        let Some(seen) = self.contacts.get_mut(&contact.key) else { return };
        if seen.endpoint != contact.address {
            return;
        }
        seen.failures += 1;
        if seen.failures < 2 && seen.heard_s != 0 {
            return;
        }
        let was_there = seen.heard_s.saturating_sub(seen.first_s) >= LOST_FROM_S;
        self.contacts.remove(&contact.key);
        if was_there && self.lost.iter().all(|(lost, _)| lost.key != contact.key) {
            self.lost.truncate(MAX_LOST - 1);
            self.lost.push_front((*contact, 0));
        }
    }

    /// A contact says that it is no node but a client.
    pub(super) fn forget(&mut self, contact: &Contact<Endpoint>) {
        self.contacts.remove(&contact.key);
    }

    /// A contact that was lost, to ask whether it is back: of those asked least the nearest to
    /// `me`, whose values we share. Not for ever.
    pub(super) fn next_lost(&mut self, me: &Key) -> Option<Contact<Endpoint>> {
        let contacts = &self.contacts;
        self.lost.retain(|(lost, _)| !contacts.get(&lost.key).is_some_and(Seen::was_heard));
        let lost = self.lost.iter_mut();
        let (next, tries) = lost.min_by_key(|(lost, tries)| (*tries, me.distance(&lost.key)))?;
        *tries += 1;
        let next = *next;
        self.lost.retain(|(_, tries)| *tries < MAX_TRIES);
        Some(next)
    }

    /// The contacts closest to a target that did not just fail, closest first.
    pub(super) fn closest(&self, target: &Key, count: usize) -> Vec<Contact<Endpoint>> {
        self.closest_of(target, count, |seen| seen.failures == 0)
    }

    /// Those of them that spoke to us lately: worth handing on.
    pub(super) fn fresh(&self, now: Moment, target: &Key, count: usize) -> Vec<Contact<Endpoint>> {
        let now_s = seconds(now);
        self.closest_of(target, count, |seen| seen.is_fresh(now_s))
    }

    /// Those that spoke to us, most of them since a while ago, for the next run.
    pub(super) fn all(&self) -> impl Iterator<Item = (Contact<Endpoint>, &Seen)> {
        self.contacts
            .iter()
            .map(|(key, seen)| (Contact { key: *key, address: seen.endpoint }, seen))
    }

    fn closest_of(
        &self,
        target: &Key,
        count: usize,
        which: impl Fn(&Seen) -> bool,
    ) -> Vec<Contact<Endpoint>> {
        // A subtree around the target that should hold some more than are wanted.
        let expected = self.contacts.len() / (count.max(1) * 2);
        let mut bits = expected.checked_ilog2().unwrap_or(0).min(255);
        loop {
            let (first, last) = subtree(target, bits);
            let range = self.contacts.range(first..=last).filter(|(_, seen)| which(seen));
            let found = range.clone().count();
            if found < count && bits > 0 {
                bits = if found < count / 4 { bits.saturating_sub(2) } else { bits - 1 };
                continue;
            }
            if found > 16 * count && bits < 255 && bits >= expected.checked_ilog2().unwrap_or(0) {
                // Crowded: one half may be enough.
                let (first, last) = subtree(target, bits + 1);
                let half = self.contacts.range(first..=last).filter(|(_, seen)| which(seen));
                if half.count() >= count {
                    bits += 1;
                    continue;
                }
            }
            let mut near: Vec<(Distance, Contact<Endpoint>)> = range
                .map(|(key, seen)| {
                    (target.distance(key), Contact { key: *key, address: seen.endpoint })
                })
                .collect();
            near.sort_unstable_by_key(|(distance, _)| *distance);
            near.truncate(count);
            return near.into_iter().map(|(_, contact)| contact).collect();
        }
    }

    fn insert(&mut self, now: Moment, key: Key, seen: Seen) {
        if self.contacts.len() >= self.budget && !self.give_way(now, &key, &seen) {
            return;
        }
        self.contacts.insert(key, seen);
    }

    /// Makes room for a contact: of some beside it in the order of ids, which is as good as random,
    /// the most doubtful goes, if it is more doubtful than the new one.
    fn give_way(&mut self, now: Moment, key: &Key, new: &Seen) -> bool {
        let after = self.contacts.range(key..).chain(self.contacts.iter());
        let now_s = seconds(now);
        let doubt = |seen: &Seen| (seen.failures, seen.heard_s == 0, seen.silence(now_s));
        let most = after.take(DRAWN).max_by_key(|(_, seen)| doubt(seen));
        let Some((loser, _)) = most.filter(|(_, seen)| doubt(seen) > doubt(new)) else {
            return false;
        };
        let loser = *loser;
        self.contacts.remove(&loser).is_some()
    }
}

impl Seen {
    /// Whether it ever spoke to us.
    pub(super) fn was_heard(&self) -> bool {
        self.heard_s != 0
    }

    /// Whether it spoke to us so lately, by its age, that it should still be there.
    pub(super) fn is_fresh(&self, now_s: u32) -> bool {
        let age = self.heard_s.saturating_sub(self.first_s);
        let patience = (age / 2 + SILENCE_S).min(DOUBTED_AFTER_S);
        self.heard_s != 0 && self.failures == 0 && self.silence(now_s) <= patience
    }

    fn silence(&self, now_s: u32) -> u32 {
        now_s.saturating_sub(self.heard_s)
    }
}

/// The first and the last key that share `bits` leading bits with `key`.
fn subtree(key: &Key, bits: u32) -> (Key, Key) {
    let (mut first, mut last) = (*key.as_bytes(), *key.as_bytes());
    for (index, (low, high)) in (0u32..).zip(first.iter_mut().zip(&mut last)) {
        let within = bits.saturating_sub(8 * index);
        let free: u8 = if within >= 8 { 0 } else { 0xff >> within };
        *low &= !free;
        *high |= free;
    }
    (Key::new(first), Key::new(last))
}

pub(super) fn seconds(now: Moment) -> u32 {
    u32::try_from(now.as_micros() / 1_000_000).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
