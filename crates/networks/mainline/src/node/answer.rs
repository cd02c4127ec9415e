//! The serving half of a node: what it answers.
//!
//! Taking a query in and writing its answer are two steps: in between only a [`Reply`] is kept, so
//! that the answer goes straight into the driver's buffer. Nothing here allocates once that has
//! grown: decoding borrows from the datagram, contacts fill a stack array.

use core::net::{SocketAddr, SocketAddrV4, SocketAddrV6};

use kademlia::table::{ArrayVec, Member};
use kademlia::{Address, Contact, Moment};

use super::side::{Family, Side, Sides};
use super::{Core, Node, VERSION};
use crate::command::{Event, Item, Stored};
use crate::item::{
    ItemError, MAX_SALT_BYTES, MutableItem, Salt, check_value, immutable_target, mutable_target,
    verify_signature,
};
use crate::store::{ItemRefused, StoredItem};
use crate::wire::{
    Bloom, Compact, ErrorReply, Id, MAX_TRANSACTION_BYTES, Malformed, Put, Query, Request,
    Response, Values, Want, code,
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

/// An answer that is to be written.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    /// Who asked.
    pub(super) to: SocketAddr,
    transaction: ArrayVec<u8, MAX_TRANSACTION_BYTES>,
    content: Content,
}

/// What an answer says.
#[derive(Clone, Copy, Debug)]
enum Content {
    /// That it is done.
    Done,
    /// Contacts close to a target, and what else is asked for.
    Nodes { target: Id, want: Want, extra: Extra },
    /// An error.
    Refused(Refusal),
}

/// Compact contacts of one family.
type NodesBytes = ArrayVec<u8, { CONTACTS * SocketAddrV6::CONTACT_BYTES }>;

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
        let content = match query.request {
            Request::Ping => Content::Done,
            Request::FindNode { target } | Request::Unknown { target: Some(target), .. } => {
                Content::Nodes { target, want: query.want, extra: Extra::Nothing }
            }
            Request::GetPeers { info_hash, noseed, scrape } => {
                let extra = Extra::Peers { noseed, scrape };
                Content::Nodes { target: info_hash, want: query.want, extra }
            }
            Request::Get { target, seq } => {
                Content::Nodes { target, want: query.want, extra: Extra::Item { seq } }
            }
            Request::SampleInfohashes { target } => {
                Content::Nodes { target, want: query.want, extra: Extra::Sample }
            }
            Request::AnnouncePeer { info_hash, port, implied_port, seed, token } => {
                let port = if implied_port { from.port() } else { port };
                let peer = SocketAddr::new(from.host(), port);
                Content::of(self.core.store_peer(now, info_hash, peer, seed, token))
            }
            Request::Put(put) => Content::of(self.core.store_item(now, from.into(), &put)),
            Request::Unknown { target: None, .. } => {
                Content::Refused((code::METHOD_UNKNOWN, "unknown method"))
            }
        };
        self.core.reply = Reply::new(from.into(), query.transaction, content);
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
            let content = Content::Refused((error.code, malformed.reason.text()));
            self.core.reply = Reply::new(from.into(), error.transaction, content);
        }
    }

    /// Appends an answer.
    pub(super) fn write_reply(&mut self, now: Moment, reply: &Reply, out: &mut Vec<u8>) {
        match reply.content {
            Content::Done => {
                let response = self.response(reply);
                self.core.counters.answers += 1;
                response.encode(out);
            }
            Content::Refused((code, message)) => {
                self.core.counters.errors += 1;
                self.core.counters.by_fault.count(code);
                let error = ErrorReply {
                    external: Some(reply.to),
                    version: Some(VERSION),
                    ..ErrorReply::new(&reply.transaction, code, message.as_bytes())
                };
                error.encode(out);
            }
            Content::Nodes { target, want, extra } => {
                self.core.counters.answers += 1;
                self.write_nodes(now, reply, &target, want, extra, out);
            }
        }
    }

    /// What all answers have in common.
    fn response<'a>(&self, reply: &'a Reply) -> Response<'a> {
        let v4 = self.sides.v4.as_ref().map(|side| side.id);
        let v6 = self.sides.v6.as_ref().map(|side| side.id);
        let id = if reply.to.is_ipv6() { v6 } else { v4 };
        Response {
            external: Some(reply.to),
            version: Some(VERSION),
            ..Response::new(&reply.transaction, id.unwrap_or_default())
        }
    }

    /// Answers with the contacts closest to `target` and what else is asked for.
    fn write_nodes(
        &mut self,
        now: Moment,
        reply: &Reply,
        target: &Id,
        want: Want,
        extra: Extra,
        out: &mut Vec<u8>,
    ) {
        let mut response = self.response(reply);
        let Self { sides, core } = self;
        let fixed = FRAME_BYTES + reply.transaction.len() + core.extra_bytes(now, target, extra);
        let room = MAX_ANSWER_BYTES.saturating_sub(fixed);
        let v6 = reply.to.is_ipv6();
        let (nodes, nodes6) = closest(sides, want, v6, target, room);
        let room = room.saturating_sub(nodes.len() + nodes6.len());
        response.nodes = (!nodes.is_empty()).then_some(&nodes);
        response.nodes6 = (!nodes6.is_empty()).then_some(&nodes6);
        if matches!(extra, Extra::Nothing) {
            response.encode(out);
            return;
        }
        let token = core.tokens.issue(now, reply.to.ip(), &target.key());
        // Borrowed by the answer while it is written.
        let mut values = core::mem::take(&mut core.scratch);
        values.clear();
        let filters = core.fill(now, target, v6, extra, room, &mut values);
        match extra {
            Extra::Nothing => {}
            Extra::Peers { .. } => {
                response.token = Some(&token.0);
                response.values = (!values.is_empty()).then(|| Values::new(&values));
                response.seeds = filters.as_ref().map(|filters| filters.seeds.as_bytes());
                response.downloaders = filters.as_ref().map(|both| both.downloaders.as_bytes());
            }
            Extra::Item { seq } => {
                response.token = Some(&token.0);
                core.add_item(now, &mut response, target, seq);
            }
            Extra::Sample => {
                response.samples = Some(&values);
                response.interval = Some(SAMPLE_INTERVAL_S);
                response.num = i64::try_from(core.peers.info_hashes()).ok();
            }
        }
        response.encode(out);
        core.scratch = values;
    }
}

impl Reply {
    /// `None`: a transaction id that is too long, which no query has that could be read.
    fn new(to: SocketAddr, transaction: &[u8], content: Content) -> Option<Self> {
        let transaction = ArrayVec::try_from(transaction).ok()?;
        Some(Self { to, transaction, content })
    }
}

impl Content {
    fn of(outcome: Result<(), Refusal>) -> Self {
        outcome.map_or_else(Self::Refused, |()| Self::Done)
    }
}

/// The two filters of a scrape (BEP 33).
struct Filters {
    seeds: Bloom,
    downloaders: Bloom,
}

/// What an answer brings besides contacts.
#[derive(Clone, Copy, Debug)]
enum Extra {
    Nothing,
    Peers { noseed: bool, scrape: bool },
    Item { seq: Option<i64> },
    Sample,
}

/// The contacts that a query wants, of IPv4 and of IPv6: by default those of its own family (BEP
/// 32). At most `room` bytes of them.
fn closest(
    sides: &Sides,
    want: Want,
    is_v6: bool,
    target: &Id,
    room: usize,
) -> (NodesBytes, NodesBytes) {
    let (v4, v6) = if want.stated { (want.nodes, want.nodes6) } else { (!is_v6, is_v6) };
    let (mut nodes, mut nodes6) = (NodesBytes::new(), NodesBytes::new());
    if v4 {
        let room = if v6 { room / 2 } else { room };
        write_closest(sides.v4.as_ref(), target, room, &mut nodes);
    }
    if v6 {
        let room = room.saturating_sub(nodes.len());
        write_closest(sides.v6.as_deref(), target, room, &mut nodes6);
    }
    (nodes, nodes6)
}

fn write_closest<A: Family>(
    side: Option<&Side<A>>,
    target: &Id,
    room: usize,
    out: &mut NodesBytes,
) {
    let Some(side) = side else { return };
    let closest = side.overlay.table().closest_members::<CONTACTS>(&target.key());
    for (_, Member { contact, .. }) in closest.into_iter().take(room / A::CONTACT_BYTES) {
        // There is room for `CONTACTS` of them.
        let _ = out.try_extend_from_slice(&contact.key.id::<{ Id::BYTES }>());
        let _ = out.try_extend_from_slice(contact.address.to_compact().as_ref());
    }
}

impl Core {
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
    fn fill(
        &mut self,
        now: Moment,
        target: &Id,
        v6: bool,
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
                let (most, bytes) = if v6 {
                    (PEERS_V6, SocketAddrV6::ADDRESS_BYTES)
                } else {
                    (PEERS_V4, SocketAddrV4::ADDRESS_BYTES)
                };
                // With a length before it, of two digits and a colon at most.
                let limit = most.min(room / (bytes + 3));
                self.peers.write_peers(now, target, v6, noseed, limit, &mut self.rng, values);
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

    /// Adds the item stored under `target`, if there is one.
    fn add_item<'a>(
        &'a self,
        now: Moment,
        response: &mut Response<'a>,
        target: &Id,
        known_seq: Option<i64>,
    ) {
        match self.items.get(now, target) {
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
        let announced = self.peers.announce(now, &info_hash, peer, seed);
        self.note_stored();
        match announced {
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
        self.note_stored();
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
