//! Telling changes to those who asked for it, and hearing of changes we asked for.
//!
//! A watcher takes leases at several replicas, says what it knows by the sum of its fingerprints,
//! and renews before they end; so a change is missed only until the next renewal if all replicas
//! with a lease fail to tell it, and none between a get and a watch.

use std::collections::BTreeMap;

use kademlia::{Contact, Key, Moment, OperationId};

use super::operation::{Watching, Work};
use super::{Errand, Job, Node, known};
use crate::command::{Change, Event, Progress, Refusal};
use crate::contact::{Endpoint, Peer};
use crate::store::Store;
use crate::value::{Kind, Slot, Value};
use crate::wire::{Ask, Carried};

/// Those who are to be told changes under each key.
#[derive(Debug, Default)]
pub(super) struct Watchers {
    by_key: BTreeMap<Key, Vec<Watcher>>,
    count: usize,
}

#[derive(Clone, Copy, Debug)]
struct Watcher {
    contact: Contact<Endpoint>,
    kind: Kind,
    until_s: u32,
}

/// Watchers of one key, and of all.
const MAX_PER_KEY: usize = 256;
const MAX_WATCHERS: usize = 16_384;
/// A lease is for so long at most, in seconds.
const MAX_LEASE_S: u32 = 30 * 60;
/// How often a change is told to a watcher that does not answer.
const MAX_TRIES: u8 = 3;
/// Versions that a watch remembers.
const MAX_VERSIONS: usize = 8192;

/// What a push was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pushed {
    Welcome,
    Unwanted,
    Forged,
}

impl Watchers {
    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn expire(&mut self, now_s: u32) {
        self.by_key.retain(|_, watchers| {
            watchers.retain(|watcher| watcher.until_s > now_s);
            !watchers.is_empty()
        });
        self.count = self.by_key.values().map(Vec::len).sum();
    }

    fn remove(&mut self, key: &Key, id: &Key) {
        if let Some(watchers) = self.by_key.get_mut(key) {
            let before = watchers.len();
            watchers.retain(|watcher| watcher.contact.key != *id);
            self.count -= before - watchers.len();
            if watchers.is_empty() {
                self.by_key.remove(key);
            }
        }
    }

    fn add(&mut self, key: Key, watcher: Watcher) -> Result<(), Refusal> {
        self.remove(&key, &watcher.contact.key);
        if self.count >= MAX_WATCHERS {
            return Err(Refusal::TooManyWatchers);
        }
        let watchers = self.by_key.entry(key).or_default();
        if watchers.len() >= MAX_PER_KEY {
            return Err(Refusal::TooManyWatchers);
        }
        watchers.push(watcher);
        self.count += 1;
        Ok(())
    }

    fn of(&self, key: &Key, kind: Kind, now_s: u32) -> Vec<Contact<Endpoint>> {
        let watchers = self.by_key.get(key).into_iter().flatten();
        let live = watchers.filter(|watcher| watcher.kind == kind && watcher.until_s > now_s);
        live.map(|watcher| watcher.contact).collect()
    }
}

impl<S: Store> Node<S> {
    /// Grants a lease, or ends it; for how many seconds.
    pub(super) fn lease(
        &mut self,
        now: Moment,
        from: Peer,
        key: Key,
        kind: Kind,
        lease_s: u32,
    ) -> Result<u32, Refusal> {
        if kind == Kind::Blob {
            return Err(Refusal::Malformed);
        }
        if lease_s == 0 {
            self.watchers.remove(&key, &from.id);
            return Ok(0);
        }
        if self.is_client() || !self.is_ours(&key) {
            return Err(Refusal::NotMine);
        }
        let lease_s = lease_s.min(MAX_LEASE_S);
        let until_s = known::seconds(now).saturating_add(lease_s);
        self.watchers.add(key, Watcher { contact: from.contact(), kind, until_s })?;
        Ok(lease_s)
    }

    /// Something new is in a slot of our shelf: tells all who want to know. Who brought it may
    /// watch it, too, without being a holder.
    pub(super) fn stored(&mut self, now: Moment, slot: &Slot) {
        let unix = self.unix(now);
        let Some(head) = self.shelf.head(unix, slot) else { return };
        let kind = head.kind;
        self.promises.overtaken(slot.mark(), head.version);
        if kind == Kind::Blob {
            return;
        }
        for watcher in self.watchers.of(&slot.key, kind, known::seconds(now)) {
            self.push(now, watcher, *slot, 0);
        }
        let watching: Vec<_> = self
            .operations
            .iter()
            .filter(|(_, operation)| {
                matches!(&operation.work, Work::Watch(watch)
                    if watch.key == slot.key && watch.kind == kind)
            })
            .map(|(id, _)| *id)
            .collect();
        for id in watching {
            let change = self.shelf.get(unix, slot, |carried, _| change(&carried.value));
            if let Some(Some((change, version))) = change {
                self.changed(id, *slot, version, change);
            }
        }
    }

    /// Tells a watcher what is in a slot.
    fn push(&mut self, now: Moment, to: Contact<Endpoint>, slot: Slot, tries: u8) {
        let unix = self.unix(now);
        let mut value = Vec::new();
        self.shelf.get(unix, &slot, |carried, _| {
            crate::wire::write_value(&Carried { origin: None, ..*carried }, &mut value);
        });
        if let Some(value) = crate::wire::Values::new(&value).iter().next() {
            self.ask(now, to, Ask::Push { value }, Job::Push { slot, tries });
        }
    }

    /// A watcher did not answer.
    pub(super) fn push_unanswered(&mut self, now: Moment, errand: &Errand, slot: Slot, tries: u8) {
        if tries + 1 < MAX_TRIES {
            self.push(now, errand.to, slot, tries + 1);
        } else {
            self.watchers.remove(&slot.key, &errand.to.key);
        }
    }

    /// A watcher does not want to know any more.
    pub(super) fn push_refused(&mut self, errand: &Errand, slot: &Slot) {
        self.watchers.remove(&slot.key, &errand.to.key);
    }

    /// A replica tells a change.
    pub(super) fn pushed(&mut self, now: Moment, from: Peer, carried: &Carried<'_>) -> Pushed {
        let slot = carried.value.slot();
        let kind = carried.value.kind();
        let watching: Vec<OperationId> = self
            .operations
            .iter()
            .filter(|(_, operation)| {
                matches!(&operation.work, Work::Watch(watch) if watch.key == slot.key
                    && watch.kind == kind
                    && watch.leases.iter().any(|lease| lease.key == from.id))
            })
            .map(|(id, _)| *id)
            .collect();
        if watching.is_empty() {
            return Pushed::Unwanted;
        }
        let Some(change) = self.verified_change(now, carried) else { return Pushed::Forged };
        for id in watching {
            self.changed(id, slot, change.1, change.0.clone());
        }
        Pushed::Welcome
    }

    fn verified_change(
        &mut self,
        now: Moment,
        carried: &Carried<'_>,
    ) -> Option<(Change, crate::value::Version)> {
        if carried.value.verify(self.unix(now)).is_err() {
            self.counters.forged += 1;
            return None;
        }
        change(&carried.value)
    }

    /// Tells the owner a change, if it is one.
    fn changed(
        &mut self,
        id: OperationId,
        slot: Slot,
        version: crate::value::Version,
        change: Change,
    ) {
        let Some(operation) = self.operations.get_mut(&id) else { return };
        let Work::Watch(watch) = &mut operation.work else { return };
        if watch.note(slot, version) {
            self.events.push_back(Event::Progress(id, Progress::Changed(change)));
        }
    }

    /// What the answer to a request for a lease told that the watch did not know.
    pub(super) fn lease_told(
        &mut self,
        now: Moment,
        watch: &mut Watching,
        id: OperationId,
        values: crate::wire::Values<'_>,
    ) {
        for carried in values.iter() {
            let slot = carried.value.slot();
            let version = carried.value.version();
            let is_it = slot.key == watch.key && carried.value.kind() == watch.kind;
            if !is_it || watch.versions.get(&slot).is_some_and(|known| *known >= version) {
                continue;
            }
            if let Some((change, version)) = self.verified_change(now, &carried)
                && watch.note(slot, version)
            {
                self.events.push_back(Event::Progress(id, Progress::Changed(change)));
            }
        }
    }
}

impl Watching {
    /// Whether a version is news.
    fn note(&mut self, slot: Slot, version: crate::value::Version) -> bool {
        let is_news = self.versions.get(&slot).is_none_or(|known| *known < version);
        if is_news && (self.versions.len() < MAX_VERSIONS || self.versions.contains_key(&slot)) {
            self.versions.insert(slot, version);
        }
        is_news
    }

    /// The sum of the fingerprints of what is known and has not ended.
    pub(super) fn fingerprint(&mut self, unix: u64) -> u64 {
        self.versions.retain(|_, version| version.expires > unix);
        let fingerprints = self.versions.iter().map(|(slot, version)| slot.fingerprint(version));
        fingerprints.fold(0, u64::wrapping_add)
    }
}

fn change(value: &Value<'_>) -> Option<(Change, crate::value::Version)> {
    match value {
        Value::Blob(_) => None,
        Value::Record(record) => {
            Some((Change::Record(Box::new(record.to_owned())), record.version()))
        }
        Value::Entry(entry) => Some((Change::Entry(Box::new(entry.to_owned())), entry.version())),
    }
}
