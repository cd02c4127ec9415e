//! A whole node among hostile and honest neighbours, all played by the input.
//!
//! The input is a list of acts: datagrams of any content, queries and answers that are well-formed
//! but for some mutations, wishes of the owner, time that passes. The players know what the node
//! gave them (tokens, transaction ids), so acts reach its every corner.

use std::collections::VecDeque;
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
use std::sync::LazyLock;
use std::time::Duration;

use ed25519_dalek::SigningKey;
use kademlia::protocol::{Input, Transport, step};
use kademlia::{Contact, Moment, OperationId, Protocol, Transmit};
use mainline::command::{Command, Event};
use mainline::item::immutable_target;
use mainline::node::MAX_OPERATIONS;
use mainline::store::StoreSettings;
use mainline::wire::compact::{write_address, write_contact};
use mainline::wire::{
    ErrorReply, Id, Malformed, Message, Mutable, Put, Query, Request, Response, Values, Want,
};
use mainline::{MutableItem, Node, Salt, Settings};

/// The longest answer.
const MAX_ANSWER_BYTES: usize = 1280;
/// Acts taken from one input: more of them find nothing that fewer do not.
const MAX_ACTS: usize = 256;
/// How long a node lives in one input at most, sleeping apart: living is what takes the time, and
/// what happens in an hour begins within half of one.
const MAX_LIVED: Duration = Duration::from_mins(30);
/// Of the last queries of the node that were not answered yet, so many are remembered.
const MAX_ASKED: usize = 64;
/// Times that a node with many announcements may want to be woken within a minute.
const MAX_WAKES_PER_MINUTE: u64 = 10_000;

/// Times that it may want to be woken at one moment: what ends in a step may make the next one due.
const MAX_AT_ONCE: u32 = 4;

/// Feeds a node with the acts that `bytes` describe. Panics if it breaks a promise.
pub fn node(bytes: &[u8]) {
    let mut script = Script { rest: bytes };
    let mut stage = Stage::new(script.byte());
    for _ in 0..MAX_ACTS {
        if script.rest.is_empty() {
            break;
        }
        stage.act(&mut script);
        stage.check();
    }
    stage.end();
}

/// The rest of the input. Beyond its end there are zeros.
struct Script<'a> {
    rest: &'a [u8],
}

impl<'a> Script<'a> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.rest.split_first() else { return 0 };
        self.rest = rest;
        *first
    }

    fn word(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(count.min(self.rest.len()));
        self.rest = rest;
        taken
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        let at = usize::from(self.byte()) % from.len();
        from.get(at).or(from.first()).cloned().unwrap_or_else(|| unreachable!("nothing to pick"))
    }
}

/// What the acts are made of.
struct Props {
    places: Vec<SocketAddr>,
    signed: Vec<MutableItem>,
    values: Vec<Box<[u8]>>,
    /// Ids of nodes, torrents and items alike.
    ids: Vec<Id>,
}

static PROPS: LazyLock<Props> = LazyLock::new(|| {
    let places = [
        "45.1.1.1:1111",
        "45.1.1.2:1111",
        "45.1.1.2:2222",
        "45.2.1.1:1",
        "10.0.0.1:1",
        "10.0.0.1:2",
        "192.168.1.1:6881",
        "[2001:db8::1]:1",
        "[2001:db8:1::1]:1",
        "[fd00::1]:1",
        "[fe80::1%3]:1",
        // Where nobody can be.
        "45.9.9.9:0",
        "224.0.0.1:5",
        "0.0.0.0:5",
        "[::ffff:45.1.1.1]:5",
    ];
    let key = SigningKey::from_bytes(&[3; 32]);
    let sign = |salt: &[u8], seq, value: &[u8]| {
        let salt = Salt::new(salt).unwrap_or_default();
        MutableItem::sign(&key, salt, seq, value).unwrap_or_else(|_| unreachable!("fine items"))
    };
    let long = [b"996:".as_slice(), &[b'x'; 996]].concat();
    let signed = vec![
        sign(b"", 1, b"i1e"),
        sign(b"", 2, b"i2e"),
        sign(b"", 2, b"i22e"),
        sign(b"", i64::MAX, &long),
        sign(&[b's'; 64], -1, b"le"),
    ];
    let values: Vec<Box<[u8]>> =
        vec![(*b"i7e").into(), long.into(), (*b"d1:a0:e").into(), (*b"5:short!").into()];
    let mut ids: Vec<_> = (0..8u8).map(|n| Id::new([n * 33; Id::BYTES])).collect();
    ids.extend(signed.iter().map(MutableItem::target));
    ids.extend(values.iter().map(|value| immutable_target(value)));
    let places = places.iter().filter_map(|place| place.parse().ok()).collect();
    Props { places, signed, values, ids }
});

/// A query of the node.
struct Asked {
    to: SocketAddr,
    transaction: Vec<u8>,
}

/// What came out of one step.
#[derive(Default)]
struct Caught {
    buffer: Vec<u8>,
    sent: Vec<(SocketAddr, Vec<u8>)>,
    done: usize,
}

impl Transport<Node> for Caught {
    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    fn transmit(&mut self, transmit: Transmit<SocketAddr>) {
        self.sent.push((transmit.to, self.buffer.clone()));
    }

    fn event(&mut self, event: Event) {
        self.done += usize::from(matches!(event, Event::Done(..)));
    }
}

/// The node and what its neighbours know of it.
struct Stage {
    node: Node,
    now: Moment,
    /// How long it has lived so far, asleep not counted.
    lived: Duration,
    asked: VecDeque<Asked>,
    /// The last token that each place was given.
    tokens: Vec<Vec<u8>>,
    /// Operations begun, and those of them that go on until they are cancelled.
    begun: usize,
    announced: Vec<OperationId>,
    done: usize,
    store: StoreSettings,
}

impl Stage {
    fn new(kind: u8) -> Self {
        let store = StoreSettings {
            peers_per_torrent: 8,
            peers_per_site: 16,
            peer_bytes: 8 << 10,
            items: 4,
            item_bytes: 16 << 10,
            ..StoreSettings::default()
        };
        let default = Settings::default();
        let settings = Settings {
            v4: kind & 1 == 0,
            v6: kind & 3 != 0,
            rate_limit: default.rate_limit.filter(|_| kind & 4 != 0),
            read_only: kind & 8 != 0,
            store,
            ..default
        };
        let tokens = vec![Vec::new(); PROPS.places.len()];
        let node = Node::new(settings, [7; 32]);
        let now = Moment::from_micros(1);
        let (asked, announced) = (VecDeque::new(), Vec::new());
        let lived = Duration::ZERO;
        Self { node, now, lived, asked, tokens, begun: 0, announced, done: 0, store }
    }

    fn act(&mut self, script: &mut Script<'_>) {
        match script.byte() % 8 {
            0 => {
                let from = script.pick(&PROPS.places);
                let length = script.byte().into();
                self.deliver(from, script.take(length));
            }
            1 | 2 => self.query(script),
            3 | 4 => self.answer(script),
            5 => {
                let millis = u64::from(script.word());
                self.pass(Duration::from_millis(millis));
            }
            6 => match script.byte() {
                minutes @ 0..16 => self.pass(Duration::from_mins(minutes.into())),
                // A machine slept: nobody woke the node meanwhile.
                minutes => self.now = self.now + Duration::from_mins(minutes.into()),
            },
            _ => {
                if let Some(command) = command(script) {
                    self.command(command);
                }
            }
        }
    }

    /// A neighbour asks something.
    fn query(&mut self, script: &mut Script<'_>) {
        let place = usize::from(script.byte()) % PROPS.places.len();
        let Some(from) = PROPS.places.get(place).copied() else { return };
        let flags = script.byte();
        let token = match flags & 3 {
            0 => script.take(8).to_vec(),
            _ => self.tokens.get(place).cloned().unwrap_or_default(),
        };
        let (nodes, nodes6) = (flags & 4 != 0, flags & 8 != 0);
        let want = Want { nodes, nodes6, stated: nodes || nodes6 };
        let transaction = script.take(usize::from(flags >> 5)).to_vec();
        let sender = script.pick(&PROPS.ids);
        let mut bytes = Vec::new();
        Query {
            want,
            read_only: flags & 16 != 0,
            ..Query::new(&transaction, sender, request(script, &token))
        }
        .encode(&mut bytes);
        mutate(&mut bytes, script);
        self.deliver(from, &bytes);
    }

    /// One of the node's queries is answered, by whom it asked or another.
    fn answer(&mut self, script: &mut Script<'_>) {
        let at = usize::from(script.byte()) % self.asked.len().max(1);
        let flags = script.byte();
        let asked = if flags & 1 == 0 {
            self.asked.remove(at)
        } else {
            let place = script.pick(&PROPS.places);
            let asked = self.asked.get(at);
            asked.map(|asked| Asked { to: place, transaction: asked.transaction.clone() })
        };
        let Some(Asked { to, transaction }) = asked else { return };
        let mut bytes = Vec::new();
        if flags & 6 == 6 {
            let codes = [201, 202, 203, 204, 301, 302, -1, i64::MAX];
            let code = script.pick(&codes);
            ErrorReply::new(&transaction, code, b"no").encode(&mut bytes);
        } else {
            write_response(script, &transaction, &mut bytes);
        }
        mutate(&mut bytes, script);
        self.deliver(to, &bytes);
    }

    fn command(&mut self, command: Command) {
        self.begun += usize::from(!matches!(command, Command::Cancel(_)));
        let is_announcement = matches!(command, Command::Announce { .. });
        let id = self.step(Input::Command(command), None);
        self.announced.extend(id.filter(|_| is_announcement));
    }

    fn deliver(&mut self, from: SocketAddr, bytes: &[u8]) {
        let asker = match Message::decode(bytes) {
            Ok(Message::Query(query)) => Some((from, query.transaction)),
            Err(Malformed { transaction: Some(transaction), is_query: true, .. }) => {
                Some((from, transaction))
            }
            Ok(_) | Err(_) => None,
        };
        self.step(Input::Message(from, bytes), asker);
    }

    /// Time passes; the node is woken when it wants to be.
    fn pass(&mut self, span: Duration) {
        let span = span.min(MAX_LIVED.saturating_sub(self.lived));
        self.lived += span;
        let until = self.now + span;
        let mut at_once = 0;
        for _ in 0..MAX_WAKES_PER_MINUTE * (1 + span.as_secs() / 60) {
            match self.node.next_timeout() {
                Some(due) if due <= until => {
                    at_once = if due > self.now { 0 } else { at_once + 1 };
                    assert!(at_once <= MAX_AT_ONCE, "due again and again at once");
                    self.now = self.now.max(due);
                    self.step(Input::Timeout, None);
                }
                _ => {
                    self.now = until;
                    return;
                }
            }
        }
        unreachable!("woken again and again");
    }

    /// Feeds one input; `asker` is who may be answered, with his transaction id.
    fn step(
        &mut self,
        input: Input<'_, Node>,
        mut asker: Option<(SocketAddr, &[u8])>,
    ) -> Option<OperationId> {
        let mut caught = Caught::default();
        let operation = step(&mut self.node, self.now, input, &mut caught);
        self.done += caught.done;
        for (to, bytes) in caught.sent {
            assert!(bytes.len() <= MAX_ANSWER_BYTES + QUERY_RESERVE, "{} bytes", bytes.len());
            let message = Message::decode(&bytes);
            let Ok(message) = message else { unreachable!("it does not speak the language") };
            if let Message::Query(query) = message {
                assert_eq!(query.transaction.len(), 4);
                if self.asked.len() >= MAX_ASKED {
                    self.asked.pop_front();
                }
                self.asked.push_back(Asked { to, transaction: query.transaction.to_vec() });
                continue;
            }
            assert!(bytes.len() <= MAX_ANSWER_BYTES, "an answer of {} bytes", bytes.len());
            let answered = asker.take();
            assert_eq!(answered, Some((to, message.transaction())), "answers, unasked");
            if let Message::Response(Response { token: Some(token), .. }) = message
                && let Some(place) = PROPS.places.iter().position(|place| *place == to)
                && let Some(known) = self.tokens.get_mut(place)
            {
                *known = token.to_vec();
            }
        }
        operation
    }

    fn check(&self) {
        if let Err(broken) = self.node.check_invariants() {
            unreachable!("{broken}");
        }
        let status = self.node.status(self.now);
        assert!(status.operations <= MAX_OPERATIONS);
        assert!(status.items <= self.store.items);
        assert!(status.peers <= 1024, "{} peers", status.peers);
        for family in [status.v4, status.v6].into_iter().flatten() {
            let census = family.census;
            assert!(census.good + census.questionable + census.bad <= 8 * 160);
        }
        assert!(self.node.pending_requests() <= 64 * 1024);
    }

    /// Everything that was begun ends.
    fn end(mut self) {
        self.lived = Duration::ZERO;
        self.pass(Settings::default().deadline + Duration::from_secs(1));
        assert!(self.node.status(self.now).operations <= self.announced.len(), "past its deadline");
        for id in core::mem::take(&mut self.announced) {
            self.command(Command::Cancel(id));
        }
        assert_eq!(self.node.status(self.now).operations, 0);
        assert_eq!(self.done, self.begun, "each operation ends, and once");
        self.check();
    }
}

/// A put of ours carries a value of 1000 bytes, a signature, a salt and a stranger's token.
const QUERY_RESERVE: usize = 220;

fn request<'a>(script: &mut Script<'_>, token: &'a [u8]) -> Request<'a> {
    let (kind, flags) = (script.byte(), script.byte());
    let id = script.pick(&PROPS.ids);
    match kind % 10 {
        0 => Request::Ping,
        1 => Request::FindNode { target: id },
        2 => Request::GetPeers { info_hash: id, noseed: flags & 1 != 0, scrape: flags & 2 != 0 },
        3 | 4 => Request::AnnouncePeer {
            info_hash: id,
            port: script.word(),
            implied_port: flags & 1 != 0,
            seed: flags & 2 != 0,
            token,
        },
        5 => Request::Get { target: id, seq: (flags & 1 != 0).then_some(2) },
        6 => {
            let index = usize::from(flags) % PROPS.signed.len();
            let Some(item) = PROPS.signed.get(index) else { return Request::Ping };
            let cas = script.byte();
            let mutable = Mutable {
                public_key: &item.public_key,
                signature: &item.signature,
                seq: item.seq,
                cas: (cas & 1 != 0).then(|| i64::from(cas >> 1)),
                salt: item.salt.as_bytes(),
            };
            let target = Some(item.target());
            Request::Put(Put { token, value: &item.value, mutable: Some(mutable), target })
        }
        7 => {
            let index = usize::from(flags) % PROPS.values.len();
            let value = PROPS.values.get(index).map_or(&b"i0e"[..], |value| value);
            Request::Put(Put { token, value, mutable: None, target: None })
        }
        8 => Request::SampleInfohashes { target: id },
        _ => Request::Unknown { method: b"vote", target: (flags & 1 != 0).then_some(id) },
    }
}

/// An answer with some of all the fields there are.
fn write_response(script: &mut Script<'_>, transaction: &[u8], out: &mut Vec<u8>) {
    let flags = script.word();
    let has = |bit: u16| flags & 1 << bit != 0;
    let sender = script.pick(&PROPS.ids);
    let (mut nodes, mut nodes6, mut values) = (Vec::new(), Vec::new(), Vec::new());
    let count = if has(15) { script.byte() } else { 4 };
    for _ in 0..count {
        let (id, place) = (script.pick(&PROPS.ids), script.pick(&PROPS.places));
        let port = place.port().wrapping_add(u16::from(count & 1));
        match place {
            SocketAddr::V4(at) => {
                let address = SocketAddrV4::new(*at.ip(), port);
                write_contact(&mut nodes, &Contact { key: id.key(), address });
            }
            SocketAddr::V6(at) => {
                let address = SocketAddrV6::new(*at.ip(), port, 0, 0);
                write_contact(&mut nodes6, &Contact { key: id.key(), address });
            }
        }
        write_address(&mut values, place);
    }
    let signed = usize::from(script.byte()) % PROPS.signed.len();
    let signed = PROPS.signed.get(signed);
    let value = script.pick(&PROPS.values);
    let token = script.take(if has(9) { 8 } else { 0 });
    let filter = [0x5a; 256];
    let mut response = Response {
        external: has(0).then(|| script.pick(&PROPS.places)),
        token: has(1).then_some(token),
        nodes: has(2).then_some(&nodes),
        nodes6: has(3).then_some(&nodes6),
        values: has(4).then_some(Values::new(&values)),
        value: has(5).then_some(&value),
        samples: has(6).then_some(&values),
        interval: has(7).then(|| i64::from(script.word()) - 1),
        num: has(7).then(|| i64::from(script.word()) - 1),
        seeds: has(8).then_some(&filter),
        downloaders: has(8).then_some(&filter),
        ..Response::new(transaction, sender)
    };
    if let Some(item) = signed.filter(|_| has(10)) {
        response.value = Some(&item.value);
        response.public_key = Some(&item.public_key);
        response.signature = Some(&item.signature);
        response.seq = Some(item.seq);
    }
    response.encode(out);
}

/// Damages a message a little, or not at all.
fn mutate(bytes: &mut Vec<u8>, script: &mut Script<'_>) {
    let plan = script.byte();
    if plan & 0xf0 != 0xf0 {
        return;
    }
    for _ in 0..=plan & 3 {
        let at = usize::from(script.word()) % bytes.len().max(1);
        let (how, byte) = (script.byte(), script.byte());
        match how % 4 {
            0 => {
                if let Some(place) = bytes.get_mut(at) {
                    *place = byte;
                }
            }
            1 => bytes.insert(at, byte),
            2 => bytes.truncate(at),
            _ => {
                let end = bytes.len().min(at + usize::from(byte));
                bytes.drain(at..end);
            }
        }
    }
}

fn command(script: &mut Script<'_>) -> Option<Command> {
    let (kind, flags) = (script.byte(), script.byte());
    let id = script.pick(&PROPS.ids);
    let place = script.pick(&PROPS.places);
    let signed = script.pick(&PROPS.signed);
    Some(match kind % 13 {
        0 => Command::Bootstrap(vec![place, script.pick(&PROPS.places)]),
        1 => Command::Ping(place),
        2 => Command::FindNode(id),
        3 => Command::GetPeers(id),
        4 => Command::Announce {
            info_hash: id,
            port: (flags & 1 != 0).then_some(flags.into()),
            seed: flags & 2 != 0,
        },
        5 => Command::Scrape(id),
        6 => Command::GetImmutable(id),
        7 => Command::GetMutable { public_key: signed.public_key, salt: signed.salt },
        8 => Command::PutImmutable(script.pick(&PROPS.values)),
        9 => Command::PutMutable { item: signed, cas: (flags & 1 != 0).then_some(1) },
        10 => Command::Sample(id),
        11 => Command::SampleNode(place),
        12 => Command::Cancel(OperationId(flags.into())),
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
