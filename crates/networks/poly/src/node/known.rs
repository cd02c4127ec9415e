//! All contacts the memory budget allows, beyond what buckets guarantee: in a network up to the
//! budget most lookups take one step.
//!
//! Filled by ordinary traffic. Hearsay is remembered too, but not handed on: only who answered us
//! and spoke to us lately is, and who has just asked while we know hardly anybody. A contact that
//! was up for long is silent for long before it is doubted (sessions are heavy-tailed: Li 2005),
//! and one of which neither it nor others have spoken for so long that it is more likely gone than
//! there is forgotten.

mod filed;

use std::collections::VecDeque;
use std::time::Duration;

use kademlia::ahead::fetch;
use kademlia::{Contact, Key, Moment, Rtt};

use crate::contact::Endpoint;
use crate::region::Radius;
use filed::Filed;

/// The contacts of one node.
#[derive(Debug)]
pub(super) struct Known {
    contacts: Filed,
    budget: usize,
    /// When somebody spoke to us last, or named somebody.
    latest_s: u32,
    /// Silence after which a contact is handed on no more, whatever its age.
    doubted_after_s: u32,
    /// Contacts that were there for a while and fell silent: they may be back, or behind a broken
    /// line.
    lost: VecDeque<Lost>,
}

/// One of them.
#[derive(Clone, Copy, Debug)]
struct Lost {
    contact: Contact<Endpoint>,
    /// When it spoke to us last, in seconds.
    heard_s: u32,
    /// How often it was asked since.
    tries: u8,
}

/// What is known of a contact.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) endpoint: Endpoint,
    /// When it first answered us, in seconds, and when it spoke to us last. The second is zero if
    /// it never answered; the first is then when it asked something last, or zero.
    first_s: u32,
    heard_s: u32,
    /// How many minutes before that it began, as it says.
    older_min: u16,
    /// When somebody named it last, or it spoke to us for the first time.
    named_s: u32,
    pub(super) rtt: Option<Rtt>,
    failures: u8,
}

/// Silence that is never doubted.
const SILENCE_S: u32 = 2 * 60;
/// How long who has asked may take to show that he is there.
const ASKED_S: u32 = 5;
/// Contacts looked at, at least, to find one that gives way.
const DRAWN: usize = 8;
/// Silence about anybody after which he is no longer likely to be there, beside half of his age.
const LIKELY_S: u32 = 60 * 60;
/// Silence after which a contact is forgotten, beside its age, and at most: of nodes of eMule's Kad
/// met at random half are gone after four hours.
const FORGOTTEN_AFTER_S: u32 = 4 * 3600;
const FORGOTTEN_AT_MOST_S: u32 = 24 * 3600;
/// Lost contacts remembered, from what age on, and how often each is asked.
const MAX_LOST: usize = 64;
const LOST_FROM_S: u32 = 2 * 60;
const MAX_TRIES: u8 = 30;

/// A contact and the head of its distance from a target.
type Placed<'a> = (u64, &'a (Key, Seen));

impl Known {
    /// `checked_after`: the silence after which the table asks any of its own members for a sign of
    /// life; who is handed on may have been silent for a little longer.
    pub(super) fn new(me: Key, budget: usize, checked_after: Duration) -> Self {
        let checked_after_s = u32::try_from(checked_after.as_secs()).unwrap_or(u32::MAX);
        let doubted_after_s = checked_after_s.saturating_add(SILENCE_S);
        let (contacts, lost) = (Filed::new(me), VecDeque::new());
        Self { contacts, budget, latest_s: 0, doubted_after_s, lost }
    }

    pub(super) fn len(&self) -> usize {
        self.contacts.len()
    }

    pub(super) fn get(&self, id: &Key) -> Option<&Seen> {
        self.contacts.get(id)
    }

    /// A contact answered us. Whether it never did before, as far as is remembered.
    pub(super) fn heard(
        &mut self,
        now: Moment,
        contact: Contact<Endpoint>,
        rtt: Option<Duration>,
    ) -> bool {
        let now_s = seconds(now).max(1);
        self.latest_s = now_s;
        if let Some(seen) = self.contacts.get_mut(&contact.key) {
            let is_new = seen.heard_s == 0;
            if seen.endpoint != contact.address || is_new {
                (seen.first_s, seen.older_min) = (now_s, 0);
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
            return is_new;
        }
        let rtt = rtt.map(Rtt::new);
        let (endpoint, named_s) = (contact.address, now_s);
        let seen = Seen { first_s: now_s, heard_s: now_s, rtt, ..Seen::new(endpoint, named_s) };
        self.insert(now, contact.key, seen);
        true
    }

    /// A contact asked something of us. Its id is proven, but not that it is where it says: the
    /// first datagram of anybody may bear anybody's address. Until it has answered from there it is
    /// hearsay.
    pub(super) fn asked(&mut self, now: Moment, contact: Contact<Endpoint>) {
        let seen = self.contacts.get(&contact.key);
        if seen.is_some_and(|seen| seen.was_heard() && seen.endpoint == contact.address) {
            self.heard(now, contact, None);
            return;
        }
        self.named(now, contact);
        if let Some(seen) = self.contacts.get_mut(&contact.key)
            && !seen.was_heard()
            && seen.endpoint == contact.address
        {
            seen.first_s = seconds(now).max(1);
        }
    }

    /// Somebody named a contact.
    pub(super) fn named(&mut self, now: Moment, contact: Contact<Endpoint>) {
        let (endpoint, named_s) = (contact.address, seconds(now));
        match self.contacts.get_mut(&contact.key) {
            Some(seen) if seen.endpoint == endpoint => seen.named_s = named_s,
            Some(_) => {}
            None => {
                self.insert(now, contact.key, Seen::new(endpoint, named_s));
            }
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
        let seen = Seen { first_s, heard_s, rtt, ..Seen::new(contact.address, heard_s) };
        self.latest_s = self.latest_s.max(heard_s);
        self.insert(last, contact.key, seen);
    }

    /// A contact left a request unanswered: once is chance, twice is an end. One that never spoke
    /// to us has had its chance. Whether it has another.
    pub(super) fn failed(&mut self, contact: &Contact<Endpoint>) -> bool {
        let Some(seen) = self.contacts.get_mut(&contact.key) else { return false };
        if seen.endpoint != contact.address {
            return false;
        }
        seen.failures += 1;
        if seen.failures < 2 && seen.heard_s != 0 {
            return true;
        }
        let (was_there, heard_s) = (seen.was_heard() && seen.age_s() >= LOST_FROM_S, seen.heard_s);
        self.contacts.remove(&contact.key);
        if was_there && !self.has_lost(&contact.key) {
            self.lost.truncate(MAX_LOST - 1);
            self.lost.push_front(Lost { contact: *contact, heard_s, tries: 0 });
        }
        false
    }

    /// A contact that has spoken to us says that it has been up for so long.
    pub(super) fn says_age(&mut self, now: Moment, contact: &Contact<Endpoint>, age: Duration) {
        if let Some(seen) = self.contacts.get_mut(&contact.key) {
            let known_s = seconds(now).saturating_sub(seen.first_s);
            let older_min = age.as_secs().saturating_sub(known_s.into()) / 60;
            seen.older_min = u16::try_from(older_min).unwrap_or(u16::MAX);
        }
    }

    /// A contact says that it is no node but a client.
    pub(super) fn forget(&mut self, contact: &Contact<Endpoint>) {
        self.contacts.remove(&contact.key);
    }

    /// Whether a contact is one of those that were lost.
    pub(super) fn has_lost(&self, id: &Key) -> bool {
        self.lost.iter().any(|lost| lost.contact.key == *id)
    }

    /// A contact that was lost, to ask whether it is back: of those asked least the nearest to
    /// `me`, whose values we share. Not for ever.
    pub(super) fn next_lost(&mut self, me: &Key) -> Option<Contact<Endpoint>> {
        let nearest = |lost: &&mut Lost| (lost.tries, me.distance(&lost.contact.key));
        let next = self.lost.iter_mut().min_by_key(nearest)?;
        next.tries += 1;
        let next = next.contact;
        self.lost.retain(|lost| lost.tries < MAX_TRIES);
        Some(next)
    }

    /// Those lost that are as near to `me` as this.
    pub(super) fn lost_within(&self, me: &Key, radius: Radius) -> Vec<Contact<Endpoint>> {
        let lost = self.lost.iter().map(|lost| lost.contact);
        lost.filter(|contact| radius.holds(&contact.key, me)).collect()
    }

    /// A contact that was lost answers, and says how long it has been up: whether it was there all
    /// the time, out of reach.
    pub(super) fn found(&mut self, now: Moment, id: &Key, uptime: Duration) -> bool {
        let Some(index) = self.lost.iter().position(|lost| lost.contact.key == *id) else {
            return false;
        };
        let since_s = u64::from(seconds(now)).saturating_sub(uptime.as_secs());
        self.lost.remove(index).is_some_and(|lost| u64::from(lost.heard_s) >= since_s)
    }

    /// The contacts closest to a target that did not just fail, closest first: those that are
    /// likely there, unless these are too few.
    pub(super) fn closest(&self, target: &Key, count: usize) -> Vec<Contact<Endpoint>> {
        let now_s = self.latest_s;
        let likely = |seen: &Seen| seen.failures == 0 && seen.is_likely(now_s);
        let found = self.closest_of(target, count, likely);
        if found.len() >= count {
            return found;
        }
        self.closest_of(target, count, |seen| seen.failures == 0)
    }

    /// Those of the closest that did not speak to us for so long.
    pub(super) fn silent_around(
        &self,
        target: &Key,
        count: usize,
        now: Moment,
        silence: Duration,
    ) -> Vec<Contact<Endpoint>> {
        let near = self.closest(target, count).into_iter();
        let is_silent = |contact: &Contact<Endpoint>| {
            let seen = self.contacts.get(&contact.key);
            seen.is_some_and(|seen| u64::from(seen.silence(seconds(now))) >= silence.as_secs())
        };
        near.filter(is_silent).collect()
    }

    /// Those of them that spoke to us lately: worth handing on. While they are fewer, also who has
    /// just asked: all who found a network at once hear of each other, and whoever asks in
    /// another's name makes no more call there than are that few.
    pub(super) fn fresh(&self, now: Moment, target: &Key, count: usize) -> Vec<Contact<Endpoint>> {
        let now_s = seconds(now);
        let is_fresh = |seen: &Seen| seen.is_fresh(now_s, self.doubted_after_s);
        let fresh = self.closest_of(target, count, is_fresh);
        if fresh.len() >= count {
            return fresh;
        }
        self.closest_of(target, count, |seen| is_fresh(seen) || seen.has_just_asked(now_s))
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = (Contact<Endpoint>, &Seen)> {
        let all = self.contacts.iter();
        all.map(|(key, seen)| (Contact { key: *key, address: seen.endpoint }, seen))
    }

    fn closest_of(
        &self,
        target: &Key,
        count: usize,
        which: impl Fn(&Seen) -> bool,
    ) -> Vec<Contact<Endpoint>> {
        let mut found: Vec<Contact<Endpoint>> = Vec::with_capacity(count);
        // Where those of a drawer are: sooner sorted than they themselves.
        let mut near: Vec<Placed<'_>> = Vec::with_capacity(2 * count);
        for drawer in self.contacts.from(target) {
            let wanted = count - found.len();
            if wanted == 0 {
                break;
            }
            let here = drawer.iter().filter(|(_, seen)| which(seen));
            near.clear();
            near.extend(here.map(|one| (target.distance_head(&one.0), one)));
            let nearer = |(head, (key, _)): &Placed<'_>, (other_head, (other, _)): &Placed<'_>| {
                head.cmp(other_head).then_with(|| target.nearer(key, other))
            };
            // Around our own id there are many more than are wanted.
            if near.len() > wanted {
                near.select_nth_unstable_by(wanted, nearer);
                near.truncate(wanted);
            }
            near.sort_unstable_by(nearer);
            let nearest = near.iter().map(|(_, contact)| *contact);
            found.extend(nearest.map(|(key, seen)| Contact { key: *key, address: seen.endpoint }));
        }
        found
    }

    /// Asks for what almost every turn of a node reads: see [`kademlia::ahead`].
    pub(super) fn prefetch(&self) {
        fetch(self);
    }

    /// Asks for where the contacts beside an id are.
    pub(super) fn prefetch_drawer(&self, id: &Key) {
        self.contacts.prefetch_drawer(id);
    }

    /// Asks for the first contacts beside an id: the others follow of themselves.
    pub(super) fn prefetch_contacts(&self, id: &Key) {
        for (key, _) in self.contacts.from(id).flat_map(|drawer| drawer.iter().take(2)).take(2) {
            fetch(key);
        }
    }

    /// Asks for the contacts closest to a target.
    pub(super) fn prefetch_closest(&self, target: &Key) {
        for drawer in self.contacts.from(target).take(3) {
            for (key, seen) in drawer {
                fetch(key);
                fetch(&seen.failures);
            }
        }
    }

    /// Adds a contact, if there is room or one that gives way; those beside it that are gone for
    /// long are forgotten. As ids are random, all have their turn.
    fn insert(&mut self, now: Moment, key: Key, seen: Seen) {
        let now_s = seconds(now);
        self.contacts.retain_beside(&key, |_, seen| !seen.is_gone(now_s));
        let is_full = self.contacts.len() >= self.budget || self.contacts.is_full(&key);
        if !is_full || self.give_way(now, &key, &seen) {
            self.contacts.insert(key, seen);
        }
    }

    /// Makes room for a contact: of some beside it, which are as good as random, the most doubtful
    /// goes, if it is more doubtful than the new one.
    fn give_way(&mut self, now: Moment, key: &Key, new: &Seen) -> bool {
        let drawer = self.contacts.from(key).next().map_or(0, <[_]>::len);
        let beside = self.contacts.from(key).flatten().take(drawer.max(DRAWN));
        let now_s = seconds(now);
        let doubt = |seen: &Seen| (seen.failures, seen.heard_s == 0, seen.silence(now_s));
        let most = beside.max_by_key(|(_, seen)| doubt(seen));
        let Some((loser, _)) = most.filter(|(_, seen)| doubt(seen) > doubt(new)) else {
            return false;
        };
        let loser = *loser;
        self.contacts.remove(&loser)
    }
}

impl Seen {
    /// A contact that somebody named at `named_s`.
    fn new(endpoint: Endpoint, named_s: u32) -> Self {
        let (first_s, heard_s, older_min) = (0, 0, 0);
        Self { endpoint, first_s, heard_s, older_min, named_s, rtt: None, failures: 0 }
    }

    /// Whether it ever answered us.
    pub(super) fn was_heard(&self) -> bool {
        self.heard_s != 0
    }

    /// Whether it spoke to us so lately, by its age, that it should still be there.
    fn is_fresh(&self, now_s: u32, doubted_after_s: u32) -> bool {
        let patience = (self.age_s() / 2 + SILENCE_S).min(doubted_after_s);
        self.heard_s != 0 && self.failures == 0 && self.silence(now_s) <= patience
    }

    /// Whether it never answered, but asked something so lately that its answer may be on its way.
    fn has_just_asked(&self, now_s: u32) -> bool {
        self.heard_s == 0 && self.first_s != 0 && now_s.saturating_sub(self.first_s) <= ASKED_S
    }

    /// For how long it was there when it spoke last, as far as is known or it says, in seconds.
    pub(super) fn age_s(&self) -> u32 {
        self.heard_s.saturating_sub(self.first_s) + 60 * u32::from(self.older_min)
    }

    /// Whether it, or others of it, spoke so lately that it is likely there.
    fn is_likely(&self, now_s: u32) -> bool {
        self.quiet(now_s) <= (self.age_s() / 2).saturating_add(LIKELY_S)
    }

    /// How long neither it nor others of it have spoken.
    fn quiet(&self, now_s: u32) -> u32 {
        now_s.saturating_sub(self.heard_s.max(self.named_s))
    }

    /// Whether it is more likely gone than there.
    fn is_gone(&self, now_s: u32) -> bool {
        self.quiet(now_s) > self.age_s().saturating_add(FORGOTTEN_AFTER_S).min(FORGOTTEN_AT_MOST_S)
    }

    fn silence(&self, now_s: u32) -> u32 {
        now_s.saturating_sub(self.heard_s)
    }
}

pub(super) fn seconds(now: Moment) -> u32 {
    u32::try_from(now.as_micros() / 1_000_000).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
