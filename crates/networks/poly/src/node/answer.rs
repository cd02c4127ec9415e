//! The answering half of a node: what it tells, keeps and refuses.
#![expect(clippy::wildcard_enum_match_arm, reason = "few kinds of commands or refusals matter")]

use kademlia::{Address, Contact, Key, Moment};

use super::{Node, Pushed};
use crate::command::Refusal;
use crate::contact::{Endpoint, Peer};
use crate::region::{MIN_HOLDERS, TOLERANCE};
use crate::store::{Both, Compared, Placed, Store};
use crate::value::{Kind, Slot, Value, ValueError};
use crate::wire::{
    Answer, Ask, Carried, Contacts, Difference, MAX_BULK_BYTES, MAX_MESSAGE_BYTES, Message,
    Purpose, Range, Request, Sender, Values, write_value,
};

/// Buffers that answering reuses.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub(super) message: Vec<u8>,
    v4: Vec<u8>,
    v6: Vec<u8>,
    values: Vec<u8>,
}

/// Bytes of a datagram that an answer takes beside the values in it, contacts apart.
pub(super) const ANSWER_BYTES: usize = 64;
/// How long a copy beside the holders lives at the edge of the region; half for each doubling of
/// the distance (Maymounkov and Mazières, section 4.1).
pub(super) const CACHED_S: u32 = 600;
/// Values one answer carries at most.
const MAX_TOLD: usize = 512;

impl<S: Store> Node<S> {
    /// Answers a request, or refuses it.
    pub(super) fn answer(&mut self, now: Moment, from: Peer, request: &Request<'_>) {
        self.counters.requested(request.ask.number());
        let host = from.address.ip();
        let transaction = request.transaction;
        if !from.address.is_local() && !self.limiter.allow(now, host, cost(&request.ask)) {
            self.refuse(from, transaction, Refusal::Busy);
            return;
        }
        self.reach.heard_from(now, from.contact().address);
        if self.is_unreachable() && !is_for_clients(&request.ask) {
            // Whoever asks must not keep in mind one whom others can't reach.
            return;
        }
        if request.sender.client {
            self.known.forget(&from.contact());
        } else {
            let contact = from.contact();
            self.known.asked(now, contact);
            self.overlay.queried(now, contact, &mut self.rng);
        }
        if let Err(refusal) = self.serve(now, from, request) {
            self.refuse(from, transaction, refusal);
        } else {
            self.counters.answers += 1;
        }
    }

    fn serve(&mut self, now: Moment, from: Peer, request: &Request<'_>) -> Result<(), Refusal> {
        let Request { transaction, sender, ask } = request;
        let (transaction, sender) = (*transaction, *sender);
        match ask {
            Ask::Ping => {
                let uptime = now.since(self.begun.unwrap_or(now));
                let uptime_min = u32::try_from(uptime.as_secs() / 60).ok();
                let magnitude = self.census.magnitude();
                let answer = Answer { transaction, uptime_min, magnitude, ..Answer::default() };
                self.send(from, &Message::Answer(answer));
            }
            Ask::Find { target, count } => {
                let magnitude = self.census.magnitude();
                let answer = Answer { transaction, magnitude, ..Answer::default() };
                self.answer_with_contacts(now, from, sender, target, *count, &answer);
            }
            Ask::Get { target, kind: Kind::Entry, count, room, offset } => {
                let list = ListAsk { target: *target, count: *count, room: *room, offset: *offset };
                self.tell_entries(now, from, request, &list);
            }
            Ask::Get { target, kind, count, room, .. } => {
                let get = GetAsk { target: *target, kind: *kind, count: *count, room: *room };
                self.tell_value(now, from, request, &get);
            }
            Ask::Put { value, expected, purpose, count } => {
                let key = value.value.slot().key;
                let answer = self.put(now, from, value, *expected, *purpose)?;
                let answer = Answer { transaction, ..answer };
                self.answer_with_contacts(now, from, sender, &key, *count, &answer);
            }
            Ask::Watch { target, kind, lease_s, known } => {
                let lease_s = self.lease(now, from, *target, *kind, *lease_s)?;
                self.answer_watch(now, from, transaction, (*target, *kind), lease_s, *known);
            }
            Ask::Push { value } => {
                match self.pushed(now, from, value) {
                    Pushed::Welcome => {}
                    Pushed::Unwanted => return Err(Refusal::Unknown),
                    Pushed::Forged => return Err(Refusal::BadSignature),
                }
                self.send(from, &Message::Answer(Answer { transaction, ..Answer::default() }));
            }
            Ask::Compare(range) => self.compare(now, from, transaction, *range),
            Ask::Fetch { marks, room } => self.tell_marked(now, from, transaction, marks, *room),
            Ask::Offer { listed } => self.tell_lacking(now, from, transaction, listed),
            Ask::Give { values } => {
                let stored = Some(self.take_in(now, values));
                let answer = Answer { transaction, stored, ..Answer::default() };
                self.send(from, &Message::Answer(answer));
            }
            Ask::Probe { .. } => self.probe(now, from, request)?,
            Ask::Call { contacts, .. } => self.call(now, from, transaction, *contacts)?,
            Ask::Hail => {
                self.hailed();
                self.send(from, &Message::Answer(Answer { transaction, ..Answer::default() }));
            }
        }
        Ok(())
    }

    /// Answers, and names the contacts closest to `target` that spoke to us lately.
    fn answer_with_contacts(
        &mut self,
        now: Moment,
        to: Peer,
        sender: Sender,
        target: &Key,
        count: u8,
        answer: &Answer<'_>,
    ) {
        let near = self.near(now, to, target, count);
        let Node { outbox, scratch, .. } = self;
        let Scratch { message, v4, v6, .. } = scratch;
        let contacts = Contacts::pack(near, sender, v4, v6);
        super::send(outbox, message, to, &Message::Answer(Answer { contacts, ..*answer }));
    }

    fn near(
        &self,
        now: Moment,
        asker: Peer,
        target: &Key,
        count: u8,
    ) -> impl Iterator<Item = Contact<Endpoint>> + use<S> {
        let count = usize::from(count);
        let near = if count == 0 { Vec::new() } else { self.known.fresh(now, target, count + 1) };
        near.into_iter().filter(move |contact| contact.key != asker.id).take(count)
    }

    /// The blob or record asked for if it fits, its version and length if it does not, the way if
    /// it is not here.
    fn tell_value(&mut self, now: Moment, from: Peer, request: &Request<'_>, get: &GetAsk) {
        let unix = self.unix(now);
        let slot = Slot::of(get.target);
        let head = self.shelf.head(unix, &slot).filter(|head| head.kind == get.kind).copied();
        let transaction = request.transaction;
        let Some(head) = head else {
            let answer = Answer { transaction, ..Answer::default() };
            self.answer_with_contacts(now, from, request.sender, &get.target, get.count, &answer);
            return;
        };
        // Who found a blob needs no way to it; of records all replicas matter.
        let count = if get.kind == Kind::Record { get.count } else { 0 };
        let near = self.near(now, from, &get.target, count);
        let Node { outbox, scratch, shelf, heat, .. } = self;
        let Scratch { message, v4, v6, .. } = scratch;
        let contacts = Contacts::pack(near, request.sender, v4, v6);
        let version = Some(head.version).filter(|_| get.kind == Kind::Record);
        let is_hot = get.kind == Kind::Blob && heat.asked(now, slot.mark());
        let keep_s = is_hot.then_some(CACHED_S);
        let answer = Answer { transaction, contacts, version, keep_s, ..Answer::default() };
        if head.length > get.room.min(MAX_BULK) {
            let answer = Answer { size: Some(head.length), ..answer };
            super::send(outbox, message, from, &Message::Answer(answer));
            return;
        }
        shelf.get(unix, &slot, |carried, _| {
            let value = Some(Carried { origin: None, ..*carried });
            // The version can be told from the value.
            let answer = Answer { value, version: None, ..answer };
            super::send(outbox, message, from, &Message::Answer(answer));
        });
    }

    /// As many entries of a topic as fit, in fair order, from the offset on.
    fn tell_entries(&mut self, now: Moment, from: Peer, request: &Request<'_>, list: &ListAsk) {
        let unix = self.unix(now);
        let marks = self.shelf.entries(unix, &list.target, false);
        let near = self.near(now, from, &list.target, list.count);
        let Node { outbox, scratch, shelf, .. } = self;
        let Scratch { message, v4, v6, values, .. } = scratch;
        let contacts = Contacts::pack(near, request.sender, v4, v6);
        values.clear();
        let room = list.room.min(MAX_BULK) as usize;
        for mark in marks.iter().skip(list.offset as usize).take(MAX_TOLD) {
            let before = values.len();
            shelf.get_marked(unix, *mark, |carried, _| {
                write_value(&Carried { origin: None, ..*carried }, values);
            });
            if values.len() > room {
                values.truncate(before);
                break;
            }
        }
        let answer = Answer {
            transaction: request.transaction,
            contacts,
            values: Values::new(values),
            total: u32::try_from(marks.len()).ok(),
            ..Answer::default()
        };
        super::send(outbox, message, from, &Message::Answer(answer));
        values.shrink_to(super::KEPT_BYTES);
    }

    /// Grants a lease, and tells what the watcher does not know if that differs from what we hold.
    fn answer_watch(
        &mut self,
        now: Moment,
        to: Peer,
        transaction: u32,
        (key, kind): (Key, Kind),
        lease_s: u32,
        known: u64,
    ) {
        let unix = self.unix(now);
        let differs = self.shelf.fingerprint(unix, &key, kind) != known;
        let marks = match kind {
            _ if !differs => Vec::new(),
            Kind::Entry => self.shelf.entries(unix, &key, true),
            Kind::Blob | Kind::Record => vec![Slot::of(key).mark()],
        };
        let Node { outbox, scratch, shelf, .. } = self;
        let Scratch { message, values, .. } = scratch;
        values.clear();
        for mark in marks.into_iter().take(MAX_TOLD) {
            let before = values.len();
            shelf.get_marked(unix, mark, |carried, head| {
                if head.kind == kind && carried.value.slot().key == key {
                    write_value(&Carried { origin: None, ..*carried }, values);
                }
            });
            if values.len() > MAX_BULK as usize {
                values.truncate(before);
                break;
            }
        }
        let (lease_s, values) = (Some(lease_s), Values::new(&scratch.values));
        let answer = Answer { transaction, values, lease_s, ..Answer::default() };
        super::send(outbox, message, to, &Message::Answer(answer));
        scratch.values.shrink_to(super::KEPT_BYTES);
    }

    /// Says whether we store the same as another holder, and else how it differs.
    fn compare(&mut self, now: Moment, from: Peer, transaction: u32, range: Range) {
        let unix = self.unix(now);
        let radius = crate::region::Radius::new(range.radius);
        let both = Both { us: self.me(), them: from.id, radius };
        let Range { depth, prefix, fingerprint, .. } = range;
        let compared = self.shelf.compare(unix, &both, depth, prefix, fingerprint);
        let Node { outbox, scratch, .. } = self;
        let Scratch { message, values, .. } = scratch;
        values.clear();
        let difference = match &compared {
            Compared::Equal => None,
            Compared::Parts(parts) => {
                values.extend(parts.iter().flat_map(|part| part.to_be_bytes()));
                Some(Difference::Parts(values))
            }
            Compared::Listed(listed) => {
                let words = listed.iter().flat_map(|(mark, fingerprint)| [mark, fingerprint]);
                values.extend(words.flat_map(|word| word.to_be_bytes()));
                Some(Difference::Listed(values))
            }
        };
        let answer = Answer { transaction, difference, ..Answer::default() };
        super::send(outbox, message, from, &Message::Answer(answer));
    }

    fn tell_marked(&mut self, now: Moment, from: Peer, transaction: u32, marks: &[u8], room: u32) {
        let unix = self.unix(now);
        let Node { outbox, scratch, shelf, .. } = self;
        let Scratch { message, values, .. } = scratch;
        values.clear();
        let room = room.min(MAX_BULK) as usize;
        let (marks, _) = marks.as_chunks::<8>();
        for mark in marks {
            let before = values.len();
            shelf.get_marked(unix, u64::from_be_bytes(*mark), |carried, _| {
                write_value(carried, values);
            });
            if values.len() > room && before > 0 {
                values.truncate(before);
                break;
            }
        }
        let values = Values::new(values);
        let answer = Answer { transaction, values, ..Answer::default() };
        super::send(outbox, message, from, &Message::Answer(answer));
        scratch.values.shrink_to(super::KEPT_BYTES);
    }

    /// Says which of the values offered are not held here for good, or in another version.
    fn tell_lacking(&mut self, now: Moment, from: Peer, transaction: u32, listed: &[u8]) {
        let unix = self.unix(now);
        let keeps = |(mark, fingerprint): &(u64, u64)| {
            let kept = self.shelf.kept_in(unix, *mark, *fingerprint);
            kept.is_some_and(|slot| self.is_ours(&slot.key))
        };
        let lacking = pairs(listed).filter(|offered| !keeps(offered));
        let marks: Vec<u8> = lacking.flat_map(|(mark, _)| mark.to_be_bytes()).collect();
        let answer = Answer { transaction, marks: &marks, ..Answer::default() };
        self.send(from, &Message::Answer(answer));
    }

    fn put(
        &mut self,
        now: Moment,
        from: Peer,
        carried: &Carried<'_>,
        expected: Option<u64>,
        purpose: Purpose,
    ) -> Result<Answer<'static>, Refusal> {
        let placed = match purpose {
            Purpose::Keep => self.keep(now, from, carried, expected)?,
            Purpose::Cache => self.keep_copy(now, carried)?,
            Purpose::Claim | Purpose::Release => {
                let gives = purpose == Purpose::Claim;
                let lease_s = self.promise(now, &carried.value, expected, gives)?;
                return Ok(Answer { lease_s: Some(lease_s), ..Answer::default() });
            }
        };
        let stored = Some(u32::from(placed == Placed::Stored));
        Ok(Answer { stored, ..Answer::default() })
    }

    /// Keeps a value, if it is ours to keep, is what it says, and its source has room.
    fn keep(
        &mut self,
        now: Moment,
        from: Peer,
        carried: &Carried<'_>,
        expected: Option<u64>,
    ) -> Result<Placed, Refusal> {
        let source = (!from.address.is_local()).then(|| from.address.subnet());
        if expected.is_some() {
            self.keeps_promises(now, &carried.value)?;
        }
        self.keep_from(now, &carried.value, source, expected)
    }

    /// Keeps a value on behalf of `source`.
    pub(super) fn keep_from(
        &mut self,
        now: Moment,
        value: &Value<'_>,
        source: Option<u64>,
        expected: Option<u64>,
    ) -> Result<Placed, Refusal> {
        self.examine(now, value)?;
        let (unix, slot) = (self.unix(now), value.slot());
        let carried = Carried { value: *value, origin: source };
        let placed = self.shelf.put(unix, &carried, source, expected)?;
        if placed == Placed::Stored {
            self.stored(now, &slot);
        }
        Ok(placed)
    }

    /// Whether a value is ours to keep and what it says.
    pub(super) fn examine(&mut self, now: Moment, value: &Value<'_>) -> Result<(), Refusal> {
        let unix = self.unix(now);
        let slot = value.slot();
        if self.is_client() || !self.is_ours(&slot.key) {
            return Err(Refusal::NotMine);
        }
        value.check(unix).map_err(|error| refusal(error, unix))?;
        // What is held already need not be proven again.
        let held = self.shelf.head(unix, &slot);
        let is_held = held.is_some_and(|held| held.version == value.version() && !held.cached);
        if !is_held && let Err(error) = value.verify(unix) {
            self.counters.forged += 1;
            return Err(refusal(error, unix));
        }
        Ok(())
    }

    /// Keeps a copy of a blob that is not ours to keep.
    fn keep_copy(&mut self, now: Moment, carried: &Carried<'_>) -> Result<Placed, Refusal> {
        let unix = self.unix(now);
        let Value::Blob(_) = carried.value else { return Err(Refusal::Malformed) };
        carried.value.check(unix).map_err(|error| refusal(error, unix))?;
        let reach = leading(&self.me()) ^ leading(&carried.value.slot().key);
        let doublings = (reach / self.census.radius().bits().max(1)).checked_ilog2().unwrap_or(0);
        let carried = Carried { origin: None, ..*carried };
        if self.shelf.cache(unix, &carried, u64::from(CACHED_S >> doublings.min(16)).max(1)) {
            Ok(Placed::Stored)
        } else {
            Err(Refusal::Full)
        }
    }

    /// Whether a key may be ours to hold: its region could reach us, or hardly anybody is nearer.
    pub(super) fn is_ours(&self, key: &Key) -> bool {
        let me = self.me();
        if self.census.radius().times(TOLERANCE).holds(&me, key) {
            return true;
        }
        self.is_among_nearest(key, 2 * MIN_HOLDERS)
    }

    /// Whether fewer than `count` are nearer to a key, as far as we know.
    pub(super) fn is_among_nearest(&self, key: &Key, count: usize) -> bool {
        let me = self.me();
        let near = self.known.closest(key, count);
        let mine = key.distance(&me);
        near.iter().filter(|c| key.distance(&c.key) < mine).count() < count
    }
}

/// What a request asks for of one topic.
struct ListAsk {
    target: Key,
    count: u8,
    room: u32,
    offset: u32,
}

/// What a request asks for of one value.
struct GetAsk {
    target: Key,
    kind: Kind,
    count: u8,
    room: u32,
}

/// Bytes of values that an answer carries at most.
#[expect(clippy::cast_possible_truncation, reason = "a constant far below 2^32")]
pub(super) const MAX_BULK: u32 = (MAX_BULK_BYTES - 4096) as u32;
/// Bytes of a value that fit a datagram.
#[expect(clippy::cast_possible_truncation, reason = "a constant far below 2^32")]
pub(super) const ROOM: u32 = (MAX_MESSAGE_BYTES - ANSWER_BYTES) as u32;

/// Whether one that only asks is to be asked this.
fn is_for_clients(ask: &Ask<'_>) -> bool {
    matches!(ask, Ask::Push { .. } | Ask::Hail)
}

/// What a request costs its host, by the work it makes.
fn cost(ask: &Ask<'_>) -> u32 {
    match ask {
        Ask::Compare(_) | Ask::Offer { .. } => 10,
        Ask::Fetch { .. } | Ask::Give { .. } => 5,
        Ask::Probe { .. } | Ask::Call { .. } => 20,
        _ => 1,
    }
}

/// The marks and fingerprints that a message lists.
pub(super) fn pairs(listed: &[u8]) -> impl Iterator<Item = (u64, u64)> {
    let (words, _) = listed.as_chunks::<8>();
    let (pairs, _) = words.as_chunks::<2>();
    let word = |bytes: &[u8; 8]| u64::from_be_bytes(*bytes);
    pairs.iter().map(move |[mark, fingerprint]| (word(mark), word(fingerprint)))
}

pub(super) fn refusal(error: ValueError, unix: u64) -> Refusal {
    match error {
        ValueError::TooLong { limit, .. } => Refusal::TooLong(limit as u64),
        ValueError::SaltTooLong { .. } => Refusal::TooLong(crate::value::MAX_SALT_BYTES as u64),
        ValueError::Expired { .. } => Refusal::Expired(unix),
        ValueError::LivesTooLong { .. } => Refusal::LivesTooLong(unix),
        ValueError::BadSignature => Refusal::BadSignature,
    }
}

pub(super) fn leading(key: &Key) -> u64 {
    u64::from_be_bytes(key.id())
}
