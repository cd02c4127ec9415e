//! The serving half of a node: what it answers.
//!
//! Nothing here allocates once the buffers have grown: decoding borrows from the datagram, contacts
//! fill a stack array, the answer is written into the outbox.

use core::net::SocketAddr;

use kademlia::protocol::Way;
use kademlia::{Address, Contact, Moment, Transmit};

use super::side::{Family, Side, Sides};
use super::{Core, Node, VERSION};
use crate::command::{Event, Item, Stored};
use crate::item::{
    ItemError, MAX_SALT_BYTES, MutableItem, Salt, check_value, immutable_target, mutable_target,
    verify_signature,
};
use crate::store::{ItemRefused, StoredItem};
use crate::wire::compact::write_contact;
use crate::wire::{
    Bloom, ErrorReply, Id, Malformed, Put, Query, Request, Response, Values, Want, code,
};

/// Contacts in an answer, Kademlia's k (BEP 5).
const CONTACTS: usize = 8;
/// The longest answer: 1280 bytes pass every IPv6 link in one piece. Where all that is asked for
/// takes more, contacts and peers are left out.
const MAX_ANSWER_BYTES: usize = 1280;
/// What answers have in common, at most: all but the transaction id, contacts, peers and
/// [`Extra`]s.
const FRAME_BYTES: usize = 130;
/// Peers in an answer: 50 of IPv4 take 400 bytes, 30 of IPv6 630.
const PEERS_V4: usize = 50;
const PEERS_V6: usize = 30;
/// The two filters of a scrape with their keys.
const FILTERS_BYTES: usize = 2 * (Bloom::BYTES + 10);
/// What a signed item has besides its value: `k`, `sig` and `seq` with their keys.
const SIGNATURE_BYTES: usize = 137;
/// A sample with `interval` and `num`.
const SAMPLE_BYTES: usize = SAMPLES * Id::BYTES + 54;
/// Info-hashes in a sample (BEP 51), as many as libtorrent sends.
const SAMPLES: usize = 20;
/// How long a sample stays as it is, in seconds (BEP 51: at most 21600). Ours is drawn anew for
/// each query, but more often is more than a crawler should ask.
const SAMPLE_INTERVAL_S: i64 = 60;

/// What a query costs its sender, in units of a plain one (see `RateLimiter`): checking a signature
/// takes as long as some fifty plain queries.
const PUT_COST: u32 = 8;

/// Buffers for the parts of an answer, reused.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    nodes: Vec<u8>,
    nodes6: Vec<u8>,
    values: Vec<u8>,
}

/// An error that a query is answered with: code and words.
type Refusal = (i64, &'static str);

impl Node {
    /// Answers a query, and takes notice of who asked.
    pub(super) fn answer<A: Family>(&mut self, now: Moment, from: A, query: &Query<'_>) {
        self.core.counters.queries += 1;
        let cost = if matches!(query.request, Request::Put(_)) { PUT_COST } else { 1 };
        if self.core.settings.read_only || !self.core.limiter.allow(now, from.host(), cost) {
            return;
        }
        self.core.counters.by_method.count(&query.request);
        let Some(side) = A::side(&mut self.sides) else { return };
        if !query.read_only {
            let contact = Contact { key: query.sender.key(), address: from };
            side.overlay.queried(now, contact, &mut self.core.rng);
        }
        let id = side.id;
        let reply = match query.request {
            Request::Ping => Ok(()),
            Request::FindNode { target } | Request::Unknown { target: Some(target), .. } => {
                self.reply_nodes::<A>(now, from, id, query, &target, Extra::Nothing);
                return;
            }
            Request::GetPeers { info_hash, noseed, scrape } => {
                let extra = Extra::Peers { noseed, scrape };
                self.reply_nodes::<A>(now, from, id, query, &info_hash, extra);
                return;
            }
            Request::Get { target, seq } => {
                self.reply_nodes::<A>(now, from, id, query, &target, Extra::Item { seq });
                return;
            }
            Request::SampleInfohashes { target } => {
                self.reply_nodes::<A>(now, from, id, query, &target, Extra::Sample);
                return;
            }
            Request::AnnouncePeer { info_hash, port, implied_port, seed, token } => {
                let port = if implied_port { from.port() } else { port };
                let peer = SocketAddr::new(from.host(), port);
                self.core.store_peer(now, info_hash, peer, seed, token)
            }
            Request::Put(put) => self.core.store_item(now, from.into(), &put),
            Request::Unknown { target: None, .. } => Err((code::METHOD_UNKNOWN, "unknown method")),
        };
        match reply {
            Ok(()) => {
                let response = Response::new(query.transaction, id);
                self.core.respond(from.into(), &response);
            }
            Err((code, message)) => {
                let error = ErrorReply::new(query.transaction, code, message.as_bytes());
                self.core.refuse(from.into(), error);
            }
        }
    }

    /// Answers what is a query but a wrong one.
    pub(super) fn answer_malformed<A: Family>(
        &mut self,
        now: Moment,
        from: A,
        malformed: &Malformed<'_>,
    ) {
        self.core.counters.malformed += 1;
        let Some(error) = malformed.answer() else { return };
        if !self.core.settings.read_only && self.core.limiter.allow(now, from.host(), 1) {
            self.core.refuse(from.into(), error);
        }
    }

    /// Answers with the contacts closest to `target` and what else is asked for.
    fn reply_nodes<A: Family>(
        &mut self,
        now: Moment,
        from: A,
        id: Id,
        query: &Query<'_>,
        target: &Id,
        extra: Extra,
    ) {
        let Self { sides, core } = self;
        // The scratch buffers are borrowed by the answer while the core sends it.
        let mut scratch = core::mem::take(&mut core.scratch);
        let fixed = FRAME_BYTES + query.transaction.len() + core.extra_bytes(now, target, extra);
        let room = MAX_ANSWER_BYTES.saturating_sub(fixed);
        let room = scratch.fill_nodes::<A>(sides, query.want, target, room);
        let filters = core.fill::<A>(now, target, extra, room, &mut scratch.values);
        let token = core.tokens.issue(now, from.host(), &target.key());
        let mut response = Response {
            nodes: (!scratch.nodes.is_empty()).then_some(&scratch.nodes),
            nodes6: (!scratch.nodes6.is_empty()).then_some(&scratch.nodes6),
            ..Response::new(query.transaction, id)
        };
        match extra {
            Extra::Nothing => core.respond(from.into(), &response),
            Extra::Peers { .. } => {
                response.token = Some(&token.0);
                response.values =
                    (!scratch.values.is_empty()).then(|| Values::new(&scratch.values));
                response.seeds = filters.as_ref().map(|filters| filters.seeds.as_bytes());
                response.downloaders = filters.as_ref().map(|both| both.downloaders.as_bytes());
                core.respond(from.into(), &response);
            }
            Extra::Item { seq } => {
                response.token = Some(&token.0);
                core.respond_item(now, from.into(), &response, target, seq);
            }
            Extra::Sample => {
                response.samples = Some(&scratch.values);
                response.interval = Some(SAMPLE_INTERVAL_S);
                response.num = i64::try_from(core.peers.info_hashes()).ok();
                core.respond(from.into(), &response);
            }
        }
        core.scratch = scratch;
    }
}

/// The two filters of a scrape (BEP 33).
struct Filters {
    seeds: Bloom,
    downloaders: Bloom,
}

/// What an answer brings besides contacts.
#[derive(Clone, Copy)]
enum Extra {
    Nothing,
    Peers { noseed: bool, scrape: bool },
    Item { seq: Option<i64> },
    Sample,
}

impl Scratch {
    /// Fills in the contacts that the query wants: by default those of its own family (BEP 32). At
    /// most `room` bytes of them; returns what room is left.
    fn fill_nodes<A: Family>(
        &mut self,
        sides: &Sides,
        want: Want,
        target: &Id,
        room: usize,
    ) -> usize {
        self.nodes.clear();
        self.nodes6.clear();
        self.values.clear();
        let (v4, v6) = if want.stated { (want.nodes, want.nodes6) } else { (!A::V6, A::V6) };
        if v4 {
            let room = if v6 { room / 2 } else { room };
            write_closest(sides.v4.as_ref(), target, room, &mut self.nodes);
        }
        let room = room.saturating_sub(self.nodes.len());
        if v6 {
            write_closest(sides.v6.as_deref(), target, room, &mut self.nodes6);
        }
        room.saturating_sub(self.nodes6.len())
    }
}

fn write_closest<A: Family>(side: Option<&Side<A>>, target: &Id, room: usize, out: &mut Vec<u8>) {
    let Some(side) = side else { return };
    let closest = side.overlay.table().closest::<CONTACTS>(&target.key());
    for contact in closest.into_iter().take(room / A::CONTACT_BYTES) {
        write_contact(out, &contact);
    }
}

impl Core {
    fn respond(&mut self, to: SocketAddr, response: &Response<'_>) {
        self.counters.answers += 1;
        let response = Response { external: Some(to), version: Some(VERSION), ..*response };
        self.send(to, |out| response.encode(out));
    }

    fn refuse(&mut self, to: SocketAddr, error: ErrorReply<'_>) {
        self.counters.errors += 1;
        self.counters.by_fault.count(error.code);
        let error = ErrorReply { external: Some(to), version: Some(VERSION), ..error };
        self.send(to, |out| error.encode(out));
    }

    /// How long what an answer brings besides contacts and peers will be.
    fn extra_bytes(&self, now: Moment, target: &Id, extra: Extra) -> usize {
        match extra {
            Extra::Nothing | Extra::Peers { scrape: false, .. } => 0,
            Extra::Peers { scrape: true, .. } => FILTERS_BYTES,
            Extra::Item { .. } => match self.items.get(now, target) {
                Some(StoredItem::Immutable { value }) => value.len() + 3,
                Some(StoredItem::Mutable { value, .. }) => value.len() + 3 + SIGNATURE_BYTES,
                None => 0,
            },
            Extra::Sample => SAMPLE_BYTES,
        }
    }

    /// Collects what an answer brings from the peers stored: bencoded peers (at most `room` bytes
    /// of them) or a sample in `values`, and the filters of a scrape.
    fn fill<A: Family>(
        &mut self,
        now: Moment,
        target: &Id,
        extra: Extra,
        room: usize,
        values: &mut Vec<u8>,
    ) -> Option<Filters> {
        match extra {
            Extra::Nothing | Extra::Item { .. } => None,
            Extra::Sample => {
                self.peers.write_sample(SAMPLES, &mut self.rng, values);
                None
            }
            Extra::Peers { noseed, scrape } => {
                let most = if A::V6 { PEERS_V6 } else { PEERS_V4 };
                // With a length before it, of two digits and a colon at most.
                let limit = most.min(room / (A::ADDRESS_BYTES + 3));
                self.peers.write_peers(now, target, A::V6, noseed, limit, &mut self.rng, values);
                scrape.then(|| self.filters(now, target))
            }
        }
    }

    fn filters(&self, now: Moment, info_hash: &Id) -> Filters {
        let mut filters = Filters { seeds: Bloom::new(), downloaders: Bloom::new() };
        for (peer, is_seed) in self.peers.peers_of(now, info_hash) {
            let Filters { seeds, downloaders } = &mut filters;
            let filter = if is_seed { seeds } else { downloaders };
            filter.insert(peer.ip());
        }
        filters
    }

    fn respond_item(
        &mut self,
        now: Moment,
        to: SocketAddr,
        response: &Response<'_>,
        target: &Id,
        known_seq: Option<i64>,
    ) {
        self.counters.answers += 1;
        let Self { items, outbox, .. } = self;
        let mut response = Response { external: Some(to), version: Some(VERSION), ..*response };
        match items.get(now, target) {
            Some(StoredItem::Immutable { value }) => response.value = Some(value),
            Some(StoredItem::Mutable { public_key, signature, seq, value, .. }) => {
                response.seq = Some(seq);
                // Who has this version already needs no copy of it (BEP 44).
                if known_seq.is_none_or(|known| seq > known) {
                    response.value = Some(value);
                    response.public_key = Some(public_key);
                    response.signature = Some(signature);
                }
            }
            None => {}
        }
        outbox.push(Transmit { to, way: Way::Datagram }, |out| response.encode(out));
    }

    fn store_peer(
        &mut self,
        now: Moment,
        info_hash: Id,
        peer: SocketAddr,
        seed: bool,
        token: &[u8],
    ) -> Result<(), Refusal> {
        if !self.tokens.accepts(now, peer.ip(), &info_hash.key(), token) {
            return Err((code::PROTOCOL, "bad token"));
        }
        if !peer.is_usable() {
            return Err((code::PROTOCOL, "invalid port"));
        }
        match self.peers.announce(now, &info_hash, peer, seed) {
            Ok(expires) => {
                let stored = Stored::Peer { info_hash, peer, seed, expires };
                self.events.push_back(Event::Stored(stored));
                Ok(())
            }
            Err(_) => Err((code::SERVER, "store is full")),
        }
    }

    /// Stores an item, in the order in which BEP 44 wants faults told: sizes, token, signature,
    /// version.
    fn store_item(&mut self, now: Moment, from: SocketAddr, put: &Put<'_>) -> Result<(), Refusal> {
        match check_value(put.value) {
            Ok(()) => {}
            Err(ItemError::ValueTooLong(_)) => {
                return Err((code::VALUE_TOO_BIG, "value exceeds 1000 bytes"));
            }
            // Others would read and write it again, and find another hash.
            Err(_) => return Err((code::PROTOCOL, "value is not canonical bencoding")),
        }
        let salt = put.mutable.map_or(&[][..], |mutable| mutable.salt);
        if salt.len() > MAX_SALT_BYTES {
            return Err((code::SALT_TOO_BIG, "salt exceeds 64 bytes"));
        }
        let Ok(salt) = Salt::new(salt) else {
            return Err((code::SALT_TOO_BIG, "salt exceeds 64 bytes"));
        };
        let target = match put.mutable {
            Some(mutable) => mutable_target(mutable.public_key, &salt),
            None => immutable_target(put.value),
        };
        if !self.tokens.accepts(now, from.ip(), &target.key(), put.token) {
            return Err((code::PROTOCOL, "bad token"));
        }
        let Some(mutable) = put.mutable else {
            let expires = self.items.put_immutable(now, &target, put.value, from.ip());
            return self.stored(expires.map(|at| (Item::Immutable(put.value.into()), at)));
        };
        let (key, seq) = (mutable.public_key, mutable.seq);
        if verify_signature(key, salt.as_bytes(), seq, put.value, mutable.signature).is_err() {
            return Err((code::INVALID_SIGNATURE, "invalid signature"));
        }
        let item = MutableItem {
            public_key: *key,
            salt,
            seq,
            value: put.value.into(),
            signature: *mutable.signature,
        };
        let expires = self.items.put_mutable(now, &item, mutable.cas, from.ip());
        self.stored(expires.map(|at| (Item::Mutable(item), at)))
    }

    fn stored(&mut self, outcome: Result<(Item, Moment), ItemRefused>) -> Result<(), Refusal> {
        match outcome {
            Ok((item, expires)) => {
                self.events.push_back(Event::Stored(Stored::Item { item, expires }));
                Ok(())
            }
            Err(ItemRefused::CasMismatch) => {
                Err((code::CAS_MISMATCH, "cas does not match the stored seq"))
            }
            Err(ItemRefused::SequenceTooLow) => {
                Err((code::SEQUENCE_TOO_LOW, "seq is not above the stored one"))
            }
            Err(_) => Err((code::SERVER, "store is full")),
        }
    }
}
