//! Getting: from the fastest holder known, then from more; verified whoever it comes from.
//!
//! A blob proves itself: the first one ends the search. Of a record several replicas are asked, and
//! those that turn out stale are mended. Topics are told in turns, so that all entries come in the
//! end, and of all sources some at once.

use kademlia::{Contact, Moment, OperationId};

use super::advance::{ALL, PARALLEL, WAY};
use super::answer::{CACHED_S, MAX_BULK, ROOM};
use super::operation::{Blob, List, Newest, Operation, Work, put_value};
use super::walk::Next;
use super::{Job, Node};
use crate::command::{Command, Event, Failure, Outcome, Progress};
use crate::contact::Endpoint;
use crate::region::MIN_HOLDERS;
use crate::store::Store;
use crate::value::{Entry, Kind, Record, Slot, Value, Version};
use crate::wire::{Answer, Ask, Carried, Purpose};

/// Holders asked at once for a blob after so many others did not have it.
const MAX_AT_ONCE: usize = 4;
/// Holders never heard of before that are asked at once for a blob: one of two is nearer than one
/// alone. Three find it no sooner among a million nodes (p50 86 ms, of two 85).
const STRANGERS_AT_ONCE: usize = 2;
/// Requests of a search for a blob under way on one path: one more than of others, for the fastest
/// answer of each step decides. Among a million nodes the median falls by a tenth, for five
/// messages more.
const AHEAD: usize = PARALLEL + 1;
/// Replicas of a topic that are asked.
const LISTS: usize = 5;
/// Times that a version claimed but not shown is asked for.
const MAX_FETCHES: usize = 4;

impl<S: Store> Node<S> {
    /// Takes what an operation wants from our own shelf, or puts it there; whether that ends it.
    pub(super) fn look_at_home(
        &mut self,
        now: Moment,
        id: OperationId,
        operation: &mut Operation,
    ) -> bool {
        let unix = self.unix(now);
        let slot = Slot::of(operation.walk.target());
        match &mut operation.work {
            Work::Put(_) => return self.put_at_home(now, id, operation),
            Work::Blob(_) => {
                let blob = self.shelf.get(unix, &slot, |carried, _| match &carried.value {
                    Value::Blob(blob) => Some(blob.bytes.into()),
                    Value::Record(_) | Value::Entry(_) => None,
                });
                if let Some(Some(blob)) = blob {
                    self.tell(now, id, operation, Outcome::Blob(Some(blob)));
                    return true;
                }
            }
            Work::Record(newest) => {
                let record = self.shelf.get(unix, &slot, |carried, _| match &carried.value {
                    Value::Record(record) => Some((Box::new(record.to_owned()), record.version())),
                    Value::Blob(_) | Value::Entry(_) => None,
                });
                if let Some((record, version)) = record.flatten() {
                    newest.best = Some(record);
                    newest.replicas.push((None, Some(version)));
                }
            }
            Work::List(list) => {
                let marks = self.shelf.entries(unix, &slot.key, false);
                for mark in marks {
                    let entry =
                        self.shelf.get_marked(unix, mark, |carried, _| owned_entry(carried));
                    if let Some(Some(entry)) = entry {
                        list.entries.insert(entry.borrow().slot(), entry);
                    }
                }
                let entries: Vec<_> = list.entries.values().cloned().collect();
                if !entries.is_empty() {
                    self.events.push_back(Event::Progress(id, Progress::Entries(entries)));
                }
            }
            Work::Watch(watch) => {
                // What we hold ourselves is where the watch begins.
                let (key, kind) = (watch.key, watch.kind);
                let marks = match kind {
                    Kind::Entry => self.shelf.entries(unix, &key, true),
                    Kind::Blob | Kind::Record => vec![slot.mark()],
                };
                let mut values = Vec::new();
                for mark in marks {
                    self.shelf.get_marked(unix, mark, |carried, _| {
                        crate::wire::write_value(carried, &mut values);
                    });
                }
                self.lease_told(now, watch, id, crate::wire::Values::new(&values));
            }
            Work::Ping | Work::Join | Work::Find => {}
        }
        false
    }

    /// Asks the fastest holder, more of them if it fails, and the way while none is known.
    pub(super) fn step_blob(
        &mut self,
        now: Moment,
        id: OperationId,
        operation: &mut Operation,
    ) -> bool {
        loop {
            let Work::Blob(blob) = &operation.work else { return true };
            let walk = &operation.walk;
            let fastest = walk.fastest_in_region();
            // Each one that lacks it or is slow makes it likelier that the next is, too. Of
            // strangers, whose speed nobody knows, some are asked at once: one will be near.
            let slow = walk.waiting() - walk.open();
            let is_stranger = fastest.is_some_and(|next| self.is_stranger(&next.contact));
            let at_once = if is_stranger { STRANGERS_AT_ONCE } else { 1 };
            let at_once = (at_once + blob.lacking.len() + slow).min(MAX_AT_ONCE);
            let may = walk.serving() < at_once;
            let knows_region = walk.region() > 0;
            let way = || walk.next_on_paths(MIN_HOLDERS, AHEAD).filter(|_| may || !knows_region);
            let Some(next) = fastest.filter(|_| may).or_else(way) else { break };
            // Several may answer at once: only one may send what takes more than a datagram.
            let is_only = next.in_region && walk.serving() == 0 && at_once == 1;
            let room = if is_only { MAX_BULK } else { ROOM };
            self.ask_for(now, id, operation, next, (Kind::Blob, room));
        }
        if Self::is_waiting(operation) {
            return false;
        }
        let outcome = if operation.walk.asked > 0 && operation.walk.answered == 0 {
            Outcome::Failed(Failure::Unanswered)
        } else {
            Outcome::Blob(None)
        };
        self.tell(now, id, operation, outcome);
        true
    }

    /// Whether a contact has never answered us.
    fn is_stranger(&self, contact: &Contact<Endpoint>) -> bool {
        self.known.get(&contact.key).is_none_or(|seen| seen.rtt.is_none())
    }

    fn ask_for(
        &mut self,
        now: Moment,
        id: OperationId,
        operation: &mut Operation,
        next: Next,
        (kind, room): (Kind, u32),
    ) {
        let target = operation.walk.target();
        let count = if next.in_region { ALL } else { WAY };
        // One of the region tells who else is there; the others need not.
        let told = operation.walk.answered + operation.walk.asked > 3;
        let count = if next.in_region && told { 0 } else { count };
        let ask = Ask::Get { target, kind, count, room, offset: 0 };
        self.ask_next(now, id, operation, next, (ask, next.in_region));
    }

    /// Takes in an answer to a search for a blob; whether it is over.
    pub(super) fn blob_answered(
        &mut self,
        now: Moment,
        id: OperationId,
        operation: &mut Operation,
        by: &Contact<Endpoint>,
        (answer, hop): (&Answer<'_>, u8),
    ) -> bool {
        let target = operation.walk.target();
        let Work::Blob(Blob { lacking }) = &mut operation.work else { return true };
        if let Some(carried) = &answer.value
            && let Value::Blob(blob) = &carried.value
        {
            if carried.value.slot().key != target {
                self.counters.forged += 1;
                return false;
            }
            operation.report.hops = hop.into();
            let nearest = lacking.iter().min_by_key(|contact| target.distance(&contact.key));
            if let Some(nearest) = nearest.copied() {
                self.copy_to(now, nearest, carried.value);
            }
            if let Some(keep_s) = answer.keep_s {
                // It is asked for much: we need not ask again, nor who asks us.
                let (unix, keep_s) = (self.unix(now), keep_s.min(CACHED_S));
                self.shelf.cache(unix, &Carried { origin: None, ..*carried }, keep_s.into());
            }
            self.tell(now, id, operation, Outcome::Blob(Some(blob.bytes.into())));
            return true;
        }
        if answer.size.is_some() {
            let (kind, count, offset) = (Kind::Blob, 0, 0);
            if operation.asides == 0 {
                let ask = Ask::Get { target, kind, count, room: MAX_BULK, offset };
                self.ask_aside(now, id, operation, *by, ask);
            }
        } else {
            lacking.push(*by);
        }
        false
    }

    /// Asks so many replicas as are to answer, and the way while they are not known. If none of
    /// them has it, then all others that should.
    pub(super) fn step_record(
        &mut self,
        now: Moment,
        id: OperationId,
        operation: &mut Operation,
    ) -> bool {
        let least = usize::from(Self::options(&operation.command));
        let Work::Record(newest) = &operation.work else { return true };
        let wanted = if newest.is_missing() && newest.replicas.len() >= least {
            newest.replicas.len() + PARALLEL
        } else {
            least
        };
        loop {
            let Work::Record(newest) = &operation.work else { return true };
            let walk = &operation.walk;
            let expected = newest.replicas.len() + walk.serving();
            if expected < wanted
                && let Some(next) = walk.fastest_in_region()
            {
                self.ask_for(now, id, operation, next, (Kind::Record, ROOM));
                continue;
            }
            let lacks = newest.replicas.len() < wanted;
            if lacks && let Some(next) = walk.next_on_paths(MIN_HOLDERS, PARALLEL) {
                self.ask_for(now, id, operation, next, (Kind::Record, ROOM));
                continue;
            }
            break;
        }
        let Work::Record(newest) = &operation.work else { return true };
        let is_enough = newest.replicas.len() >= wanted || operation.walk.waiting() == 0;
        if !is_enough || operation.asides > 0 {
            return false;
        }
        if let Some((to, _)) = newest.unseen() {
            // Somebody claims a newer version that did not fit its answer: it must be shown.
            let Work::Record(newest) = &mut operation.work else { return true };
            newest.fetched.push(to.key);
            let (target, kind) = (operation.walk.target(), Kind::Record);
            let ask = Ask::Get { target, kind, count: 0, room: MAX_BULK, offset: 0 };
            self.ask_aside(now, id, operation, to, ask);
            if operation.asides > 0 {
                return false;
            }
        }
        self.end_record(now, id, operation);
        true
    }

    /// Takes in what a replica answered about a record.
    pub(super) fn record_answered(
        &mut self,
        now: Moment,
        operation: &mut Operation,
        by: &Contact<Endpoint>,
        (answer, hop): (&Answer<'_>, u8),
    ) {
        let unix = self.unix(now);
        let target = operation.walk.target();
        let is_holder = operation.walk.is_holder(by);
        let Work::Record(newest) = &mut operation.work else { return };
        let mut version = answer.version;
        if let Some(carried) = &answer.value
            && let Value::Record(record) = &carried.value
        {
            if record.key() != target || carried.value.verify(unix).is_err() {
                self.counters.forged += 1;
                newest.fetched.push(by.key);
                return;
            }
            version = Some(record.version());
            if newest.best.as_ref().is_none_or(|best| best.borrow().version() < record.version()) {
                newest.best = Some(Box::new(record.to_owned()));
                operation.report.hops = hop.into();
            }
        }
        if is_holder || version.is_some() {
            newest.replicas.retain(|(replica, _)| *replica != Some(*by));
            newest.replicas.push((Some(*by), version));
        }
    }

    /// The search for a record is over: mends what is stale, and tells.
    pub(super) fn end_record(&mut self, now: Moment, id: OperationId, operation: &mut Operation) {
        let Work::Record(newest) = &mut operation.work else { return };
        let newest = core::mem::take(newest);
        let Newest { best, replicas, conflict, .. } = newest;
        if let Some(best) = &best {
            self.mend(now, operation, best, &replicas);
        }
        let outcome = match (conflict, best) {
            (None, None) if operation.walk.asked > 0 && operation.walk.answered == 0 => {
                Outcome::Failed(Failure::Unanswered)
            }
            (None, best) => Outcome::Record(best),
            (Some(seq), best) => {
                let ours = put_value(&operation.command).map(|value| value.version());
                let winner = best.filter(|best| Some(best.borrow().version()) != ours);
                Outcome::Failed(match winner {
                    Some(winner) if winner.seq >= seq => Failure::Conflict(winner),
                    _ => Failure::ConflictUnseen { seq },
                })
            }
        };
        self.tell(now, id, operation, outcome);
    }

    /// Gives replicas that are behind, or lack it, the newest version.
    fn mend(
        &mut self,
        now: Moment,
        operation: &Operation,
        best: &Record,
        replicas: &[(Option<Contact<Endpoint>>, Option<Version>)],
    ) {
        let version = best.borrow().version();
        let value = Value::Record(best.borrow());
        if self.is_holder(&operation.walk.target()) && !self.is_client() {
            let unix = self.unix(now);
            let placed = self.shelf.put(unix, &Carried::from(value), None, None);
            if placed == Ok(crate::store::Placed::Stored) {
                self.stored(now, &value.slot());
            }
        }
        for (replica, held) in replicas {
            let Some(replica) = replica else { continue };
            let is_stale = held.is_none_or(|held| held < version);
            if is_stale && operation.walk.is_holder(replica) {
                let (purpose, expected) = (Purpose::Keep, None);
                let ask = Ask::Put { value: value.into(), expected, purpose, count: 0 };
                if self.ask(now, *replica, ask, Job::Nothing).is_some() {
                    self.counters.mended += 1;
                }
            }
        }
    }

    /// Asks some replicas for what is under a topic.
    pub(super) fn step_list(
        &mut self,
        now: Moment,
        id: OperationId,
        operation: &mut Operation,
    ) -> bool {
        loop {
            let Work::List(list) = &operation.work else { return true };
            let walk = &operation.walk;
            let expected = list.told.len() + walk.serving();
            let fastest = if expected < LISTS { walk.fastest_in_region() } else { None };
            let lacks = list.told.len() < LISTS;
            let way = || walk.next_on_paths(MIN_HOLDERS, PARALLEL).filter(|_| lacks);
            let Some(next) = fastest.or_else(way) else { break };
            self.ask_for(now, id, operation, next, (Kind::Entry, MAX_BULK / 2));
        }
        let Work::List(list) = &operation.work else { return true };
        let is_enough = matches!(&operation.command,
            Command::ListTopic { limit, .. } if list.entries.len() >= *limit);
        let has_all = list.complete >= LISTS && operation.asides == 0;
        if is_enough || has_all || !Self::is_waiting(operation) {
            self.end_list(now, id, operation);
            return true;
        }
        false
    }

    /// Takes in what a replica told of a topic, and asks it for more.
    pub(super) fn list_answered(
        &mut self,
        now: Moment,
        id: OperationId,
        operation: &mut Operation,
        by: &Contact<Endpoint>,
        (answer, hop): (&Answer<'_>, u8),
    ) {
        let unix = self.unix(now);
        let target = operation.walk.target();
        let is_holder = operation.walk.is_holder(by);
        let Work::List(list) = &mut operation.work else { return };
        let (mut news, mut count) = (Vec::new(), 0);
        for carried in answer.values.iter() {
            count += 1;
            let Some(entry) = owned_entry(&carried).filter(|entry| entry.topic == target) else {
                continue;
            };
            if list.is_news(&entry) {
                if carried.value.verify(unix).is_err() {
                    self.counters.forged += 1;
                    continue;
                }
                news.push(entry.clone());
                list.entries.insert(entry.borrow().slot(), entry);
            }
        }
        if !news.is_empty() {
            operation.report.hops = operation.report.hops.max(hop.into());
            self.events.push_back(Event::Progress(id, Progress::Entries(news)));
        }
        if !is_holder && count == 0 {
            return;
        }
        let (told, total) = list.told.entry(by.key).or_default();
        *told += count;
        *total = answer.total.unwrap_or(0);
        let offset = *told;
        let has_more = count > 0 && *told < *total;
        let is_enough = matches!(&operation.command,
            Command::ListTopic { limit, .. } if list.entries.len() >= *limit);
        if has_more && !is_enough {
            let (kind, room) = (Kind::Entry, MAX_BULK / 2);
            let ask = Ask::Get { target, kind, count: 0, room, offset };
            self.ask_aside(now, id, operation, *by, ask);
        } else {
            list.complete += 1;
        }
    }

    /// The search for entries is over.
    pub(super) fn end_list(&mut self, now: Moment, id: OperationId, operation: &mut Operation) {
        let is_cut_off = operation.walk.asked > 0 && operation.walk.answered == 0;
        let Work::List(list) = &mut operation.work else { return };
        let entries = core::mem::take(&mut list.entries);
        let mut entries: Vec<Entry> =
            entries.into_values().filter(|entry| entry.payload.is_some()).collect();
        if let Command::ListTopic { limit, .. } = &operation.command {
            entries.truncate(*limit);
        }
        let outcome = if is_cut_off && entries.is_empty() {
            Outcome::Failed(Failure::Unanswered)
        } else {
            Outcome::Entries(entries)
        };
        self.tell(now, id, operation, outcome);
    }
}

impl Newest {
    /// Whether nobody has shown it, or says that he has it.
    fn is_missing(&self) -> bool {
        self.best.is_none() && self.replicas.iter().all(|(_, version)| version.is_none())
    }

    /// A replica that claims a version newer than what was seen, and the version.
    fn unseen(&self) -> Option<(Contact<Endpoint>, Version)> {
        if self.fetched.len() >= MAX_FETCHES {
            return None;
        }
        let best = self.best.as_ref().map(|best| best.borrow().version());
        let claims = self.replicas.iter().filter_map(|(by, version)| Some(((*by)?, (*version)?)));
        let newer = claims.filter(|(by, version)| {
            best.is_none_or(|best| best < *version) && !self.fetched.contains(&by.key)
        });
        newer.max_by_key(|(_, version)| *version)
    }
}

impl List {
    fn is_news(&self, entry: &Entry) -> bool {
        let known = self.entries.get(&entry.borrow().slot());
        known.is_none_or(|known| known.borrow().version() < entry.borrow().version())
    }
}

fn owned_entry(carried: &Carried<'_>) -> Option<Entry> {
    match &carried.value {
        Value::Entry(entry) => Some(entry.to_owned()),
        Value::Blob(_) | Value::Record(_) => None,
    }
}
