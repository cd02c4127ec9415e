//! Messages of `poly`, and a whole node of it among neighbours played by the input.
//!
//! The node's input is a list of acts: messages of any content, well-formed ones with mutations,
//! answers to what the node asked, wishes of its owner, time that passes.

use std::cell::LazyCell;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::Duration;

use kademlia::protocol::{Input, Transport, step};
use kademlia::{Key, Moment, Protocol, Transmit};
use poly::command::{Command, Event, GetOptions, PutOptions, Quest};
use poly::value::{BlobRef, Kind, SigningKey, Value, blob_key, topic_key};
use poly::wire::{
    Answer, Ask, Carried, Contacts, MAX_BULK_BYTES, Message, Purpose, Range, RefusalReply, Request,
    Sender, Values, write_value,
};
use poly::{Entry, Node, Peer, Record, Refusal, Settings};

/// Acts taken from one input.
const MAX_ACTS: usize = 128;
/// Of the last requests of the node, so many are remembered to be answered.
const MAX_ASKED: usize = 32;
/// Times that the node may want to be woken within one act.
const MAX_WAKES: usize = 4000;
const CLOCK: u64 = 1_800_000_000;

/// What decodes encodes to the same message, and can be walked.
pub fn poly_message(bytes: &[u8]) {
    let Ok(message) = Message::decode(bytes) else { return };
    let mut encoded = Vec::new();
    message.encode(&mut encoded);
    assert_eq!(Message::decode(&encoded), Ok(message));
    if let Message::Answer(answer) = message {
        assert!(answer.contacts.iter().count() <= 48, "contacts are bounded");
        for carried in answer.values.iter() {
            let _ = (carried.value.slot(), carried.value.version(), carried.value.verify(CLOCK));
        }
    }
}

/// Feeds a node with the acts that `bytes` describe. Panics if it breaks a promise.
pub fn poly_node(bytes: &[u8]) {
    let mut script = Script { rest: bytes };
    let settings = Settings::new(Key::new([0xaa; 32]), CLOCK);
    let mut stage = Stage {
        node: Node::new(settings, [script.byte(); 32]),
        now: Moment::from_micros(1),
        others: Others::default(),
    };
    for _ in 0..MAX_ACTS {
        if script.rest.is_empty() {
            break;
        }
        stage.act(&mut script);
        stage.node.check_invariants().unwrap_or_else(|broken| panic!("{broken}"));
    }
    stage.pass(Duration::from_mins(3));
    assert_eq!(
        stage.node.status(stage.now).operations,
        stage.node.watches(),
        "an operation has not ended"
    );
}

/// The rest of the input. Beyond its end there are zeros.
struct Script<'a> {
    rest: &'a [u8],
}

impl Script<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.rest.split_first() else { return 0 };
        self.rest = rest;
        *first
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        let length = (usize::from(self.byte()) % (most + 1)).min(self.rest.len());
        let (bytes, rest) = self.rest.split_at(length);
        self.rest = rest;
        bytes.to_vec()
    }

    fn number(&mut self) -> u64 {
        let (shift, byte) = (self.byte() % 8, self.byte());
        u64::from(byte) << (8 * shift)
    }
}

struct Stage {
    node: Node,
    now: Moment,
    others: Others,
}

/// Whom the node talks to: the last of its requests that they have not answered.
#[derive(Default)]
struct Others {
    asked: VecDeque<(Peer, u32)>,
    buffer: Vec<u8>,
}

impl Transport<Node> for Others {
    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    fn transmit(&mut self, transmit: Transmit<Peer>) {
        assert!(self.buffer.len() <= MAX_BULK_BYTES, "a message is too long");
        let message = Message::decode(&self.buffer);
        let message = message.unwrap_or_else(|error| panic!("the node says nonsense: {error}"));
        if let Message::Request(request) = message {
            if self.asked.len() >= MAX_ASKED {
                self.asked.pop_front();
            }
            self.asked.push_back((transmit.to, request.transaction));
        }
    }

    fn event(&mut self, _event: Event) {}
}

impl Stage {
    fn feed(&mut self, input: Input<'_, Node>) {
        step(&mut self.node, self.now, input, &mut self.others);
    }

    fn pass(&mut self, span: Duration) {
        let until = self.now + span;
        for _ in 0..MAX_WAKES {
            match self.node.next_timeout() {
                Some(due) if due <= until => {
                    self.now = self.now.max(due);
                    self.feed(Input::Timeout);
                }
                _ => break,
            }
        }
        self.now = until;
    }

    fn act(&mut self, script: &mut Script<'_>) {
        match script.byte() % 8 {
            0 => {
                let (from, bytes) = (peer(script), script.bytes(255));
                self.feed(Input::Message(from, &bytes));
            }
            1 | 2 => {
                let from = peer(script);
                let bytes = request(script);
                self.feed(Input::Message(from, &bytes));
            }
            3 | 4 => {
                let index = usize::from(script.byte());
                let asked = &mut self.others.asked;
                if asked.is_empty() {
                    return;
                }
                let index = index % asked.len();
                let Some((to, transaction)) = asked.remove(index) else { return };
                let from = if to.is_proven() { to } else { Peer::new(peer(script).id, to.address) };
                let bytes = answer(script, transaction);
                self.feed(Input::Message(from, &bytes));
            }
            5 => {
                let command = command(script);
                self.feed(Input::Command(command));
            }
            _ => {
                let millis = 1u64 << (script.byte() % 22);
                self.pass(Duration::from_millis(millis));
            }
        }
    }
}

fn peer(script: &mut Script<'_>) -> Peer {
    let n = script.byte();
    let mut id = [n; 32];
    if let Some(last) = id.last_mut() {
        *last = 7;
    }
    let address = SocketAddr::from(([80, n, 1, 1], 6000));
    Peer::new(Key::new(id), address)
}

/// Whoever signs. A key takes as long to make as a signature: once for all inputs.
static SIGNERS: LazyLock<[SigningKey; 4]> =
    LazyLock::new(|| [0, 1, 2, 3].map(|n| SigningKey::from_bytes(&[n; 32])));

fn signer(script: &mut Script<'_>) -> &'static SigningKey {
    let [first, ..] = &*SIGNERS;
    SIGNERS.get(usize::from(script.byte() % 4)).unwrap_or(first)
}

/// Signed when it is needed: what most acts carry is left out of what they say.
type Signed<T> = LazyCell<T, Box<dyn FnOnce() -> T>>;

fn record(script: &mut Script<'_>) -> Signed<Record> {
    let (signer, seq) = (signer(script), script.number());
    let value = script.bytes(64);
    let expires = CLOCK + script.number() % 4_000_000;
    let value = (!script.byte().is_multiple_of(4)).then_some(value);
    let sign = move || Record::sign(signer, b"", seq, expires, value.as_deref());
    LazyCell::new(Box::new(sign))
}

fn entry(script: &mut Script<'_>) -> Signed<Entry> {
    let (signer, seq) = (signer(script), script.number());
    let slot = u16::from(script.byte() % 8);
    let payload = script.bytes(64);
    let payload = (!script.byte().is_multiple_of(4)).then_some(payload);
    let expires = CLOCK + 10_000;
    let sign = move || Entry::sign(signer, topic_key(b"t"), slot, seq, expires, payload.as_deref());
    LazyCell::new(Box::new(sign))
}

fn key(script: &mut Script<'_>) -> Key {
    match script.byte() % 4 {
        0 => topic_key(b"t"),
        1 => {
            let public_key = signer(script).verifying_key().to_bytes();
            poly::value::record_key(&public_key, b"")
        }
        2 => blob_key(&[script.byte(); 9]),
        _ => Key::new([script.byte(); 32]),
    }
}

fn kind(script: &mut Script<'_>) -> Kind {
    Kind::from_code(script.byte() % 3).unwrap_or(Kind::Blob)
}

/// A request, with a mutation now and then.
fn request(script: &mut Script<'_>) -> Vec<u8> {
    let (record, entry, bytes) = (record(script), entry(script), script.bytes(80));
    let blob = BlobRef { bytes: &bytes, lifetime_s: 600 };
    let value = match script.byte() % 3 {
        0 => Value::Blob(blob),
        1 => Value::Record(record.borrow()),
        _ => Value::Entry(entry.borrow()),
    };
    let mut values = Vec::new();
    write_value(&Carried { value, origin: Some(script.number()) }, &mut values);
    write_value(&Value::Blob(blob).into(), &mut values);
    let (target, kind, count) = (key(script), kind(script), script.byte() % 25);
    let number = script.number();
    let small = u32::try_from(number & 0xffff).unwrap_or(0);
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    let ask = match script.byte() % 14 {
        0 => Ask::Ping,
        1 => Ask::Find { target, count },
        2 => Ask::Get { target, kind, count, room: small, offset: 0 },
        3 | 4 => {
            let purpose = match count % 5 {
                0 => Purpose::Cache,
                1 => Purpose::Claim,
                2 => Purpose::Release,
                _ => Purpose::Keep,
            };
            let expected = (count % 3 == 0).then_some(number);
            Ask::Put { value: value.into(), expected, purpose, count }
        }
        5 => Ask::Watch { target, kind, lease_s: small, known: number },
        6 => Ask::Push { value: value.into() },
        7 => Ask::Compare(Range { radius: u64::MAX, depth: count, prefix: number, fingerprint: 1 }),
        8 => {
            Ask::Fetch { marks: bytes.get(..bytes.len() / 8 * 8).unwrap_or_default(), room: small }
        }
        9 => Ask::Probe { padding: &poly::wire::PADDING },
        10 => {
            Ask::Call { contacts: named(script, &mut v4, &mut v6), padding: &poly::wire::PADDING }
        }
        11 => Ask::Hail,
        12 => Ask::Offer { listed: bytes.get(..bytes.len() / 16 * 16).unwrap_or_default() },
        _ => Ask::Give { values: Values::new(&values) },
    };
    let sender = Sender { client: count == 7, v4: true, v6: true };
    let mut message = Vec::new();
    Message::Request(Request { transaction: 7, sender, ask }).encode(&mut message);
    mutate(script, &mut message);
    message
}

/// Contacts that a message names.
fn named<'a>(script: &mut Script<'_>, v4: &'a mut Vec<u8>, v6: &'a mut Vec<u8>) -> Contacts<'a> {
    let count = script.byte() % 5;
    let named = (0..count).map(|_| {
        let peer = peer(script);
        let address = poly::contact::Endpoint::new(peer.address);
        kademlia::Contact { key: peer.id, address }
    });
    let sender = Sender { client: false, v4: true, v6: true };
    Contacts::pack(named.collect::<Vec<_>>(), sender, v4, v6)
}

/// An answer to what the node asked, with a mutation now and then.
fn answer(script: &mut Script<'_>, transaction: u32) -> Vec<u8> {
    let mut message = Vec::new();
    if script.byte().is_multiple_of(5) {
        let refusals = [Refusal::Busy, Refusal::Full, Refusal::Older(9), Refusal::Expired(5)];
        let refusal = refusals.get(usize::from(script.byte() % 4)).copied();
        let refusal = refusal.unwrap_or(Refusal::Unknown);
        Message::Refusal(RefusalReply { transaction, refusal }).encode(&mut message);
        return message;
    }
    let (record, entry, bytes) = (record(script), entry(script), script.bytes(80));
    let blob = BlobRef { bytes: &bytes, lifetime_s: 600 };
    let (mut v4, mut v6, mut values) = (Vec::new(), Vec::new(), Vec::new());
    let contacts = named(script, &mut v4, &mut v6);
    let parts = [script.byte(); 512];
    let listed = [script.byte(); 64];
    let flags = script.byte();
    let has = |bit: u8| flags >> bit & 1 == 1;
    if has(2) {
        write_value(&Value::Entry(entry.borrow()).into(), &mut values);
        write_value(&Value::Record(record.borrow()).into(), &mut values);
    }
    let value = has(1).then(|| {
        let value = if has(0) { Value::Blob(blob) } else { Value::Record(record.borrow()) };
        value.into()
    });
    let answer = Answer {
        transaction,
        contacts,
        value,
        values: Values::new(&values),
        version: has(3).then(|| record.borrow().version()),
        marks: if has(2) { &listed } else { &[] },
        size: has(4).then_some(50_000),
        total: has(2).then_some(9),
        lease_s: has(5).then_some(600),
        difference: match flags >> 6 {
            1 => Some(poly::wire::Difference::Parts(&parts)),
            2 => Some(poly::wire::Difference::Listed(&listed)),
            _ => None,
        },
        stored: has(5).then_some(1),
        calls: has(5).then_some(u32::from(flags)),
        ..Answer::default()
    };
    Message::Answer(answer).encode(&mut message);
    mutate(script, &mut message);
    message
}

fn mutate(script: &mut Script<'_>, message: &mut [u8]) {
    if script.byte().is_multiple_of(4) && !message.is_empty() {
        let at = usize::from(script.byte()) % message.len();
        if let Some(byte) = message.get_mut(at) {
            *byte = script.byte();
        }
    }
}

fn quest(script: &mut Script<'_>) -> Quest {
    let all = [Quest::Nodes, Quest::Blob, Quest::Record, Quest::Topic];
    all.get(usize::from(script.byte() % 4)).copied().unwrap_or(Quest::Nodes)
}

fn command(script: &mut Script<'_>) -> Command {
    let options = GetOptions::default();
    match script.byte() % 12 {
        0 => Command::Bootstrap(vec![peer(script), Peer::unproven(peer(script).address)]),
        1 => Command::Ping(peer(script)),
        2 => Command::FindNode(key(script)),
        3 => Command::PutBlob { value: script.bytes(255).into(), options: PutOptions::default() },
        4 => Command::put_record(record(script).clone(), Some(script.number())),
        5 => Command::put_entry(entry(script).clone()),
        6 => Command::GetBlob { key: key(script), options },
        7 => Command::GetRecord { key: key(script), options },
        8 => Command::ListTopic { topic: key(script), limit: 9, options },
        9 => Command::Watch { key: key(script), kind: kind(script) },
        10 => Command::Trace { target: key(script), quest: quest(script) },
        _ => Command::SetClock(CLOCK + script.number() % 100_000),
    }
}
