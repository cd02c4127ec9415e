//! Two nodes that talk in private, and someone between them who does as the input says.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::Duration;

use ed25519_dalek::SigningKey;
use kademlia::protocol::{Input, Transport, Way, step};
use kademlia::{Key, Moment, OperationId, Protocol, Transmit};
use poly::Peer;
use poly::secure::{GateSettings, MAX_DATAGRAM_BYTES, MAX_MESSAGE_BYTES, Secure, SecureConfig};

/// Acts taken from one input.
const MAX_ACTS: usize = 128;
/// Datagrams remembered, to be sent again.
const MAX_CAPTURED: usize = 32;
/// Sessions each node keeps: few, so that some have to go.
const MAX_SESSIONS: usize = 4;

/// Answers every question with as many bytes as it asks for.
#[derive(Default)]
struct Echo {
    out: VecDeque<(Peer, Vec<u8>)>,
}

impl Protocol for Echo {
    type Peer = Peer;
    type Command = (Peer, Vec<u8>);
    type Event = ();

    fn handle_message(&mut self, _: Moment, from: Peer, message: &[u8]) {
        assert!(from.is_proven(), "who speaks has proven its id");
        assert!(message.len() <= MAX_MESSAGE_BYTES);
        if let [b'q', high, low, ..] = message {
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            self.out.push_back((from, vec![b'a'; length.min(MAX_MESSAGE_BYTES)]));
        }
    }

    fn handle_command(&mut self, _: Moment, command: (Peer, Vec<u8>)) -> OperationId {
        self.out.push_back(command);
        OperationId(0)
    }

    fn handle_timeout(&mut self, _: Moment) {}

    fn poll_transmit(&mut self, _: Moment, buffer: &mut Vec<u8>) -> Option<Transmit<Peer>> {
        let (to, message) = self.out.pop_front()?;
        buffer.clear();
        buffer.extend(message);
        Some(Transmit { to, way: Way::Datagram })
    }

    fn poll_event(&mut self) -> Option<()> {
        None
    }

    fn next_timeout(&self) -> Option<Moment> {
        None
    }
}

/// Feeds two nodes with the acts that `bytes` describe. Panics if one breaks a promise.
pub fn secure(bytes: &[u8]) {
    let mut script = Script(bytes);
    let mut stage = Stage::new(script.byte());
    for _ in 0..MAX_ACTS {
        if script.0.is_empty() {
            break;
        }
        stage.act(&mut script);
    }
    // Whatever happened: those who are honest still reach each other.
    stage.in_flight.clear();
    stage.pass(Duration::from_mins(5));
    stage.ask(0, 10, 10);
    stage.settle();
    let [one, two] = &stage.nodes;
    assert!(one.sessions() > 0 && two.sessions() > 0, "they find back to each other");
}

/// The rest of the input. Beyond its end there are zeros.
struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn number(&mut self) -> usize {
        usize::from(u16::from_be_bytes([self.byte(), self.byte()]))
    }

    fn bytes(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

struct Stage {
    now: Moment,
    nodes: [Secure<Echo>; 2],
    /// What the honest two have sent each other and is not delivered yet: by whom.
    in_flight: VecDeque<(usize, Vec<u8>)>,
    captured: VecDeque<Vec<u8>>,
    /// Bytes from and to the addresses of strangers, by node.
    traffic: BTreeMap<(usize, SocketAddr), (usize, usize)>,
}

#[derive(Default)]
struct Collect {
    buffer: Vec<u8>,
    sent: Vec<(SocketAddr, Vec<u8>)>,
}

impl Transport<Secure<Echo>> for Collect {
    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    fn transmit(&mut self, transmit: Transmit<Peer>) {
        assert!(self.buffer.len() <= MAX_DATAGRAM_BYTES);
        self.sent.push((transmit.to.address, self.buffer.clone()));
    }

    fn event(&mut self, (): ()) {}
}

/// Who the two are. A key takes as long to make as some acts together: once for all inputs.
static IDENTITIES: LazyLock<[SigningKey; 2]> =
    LazyLock::new(|| [1, 2].map(|n| SigningKey::from_bytes(&[n; 32])));

fn identity(node: usize) -> &'static SigningKey {
    let [one, two] = &*IDENTITIES;
    if node == 0 { one } else { two }
}

fn address(node: usize) -> SocketAddr {
    SocketAddr::from(([198, 51, 100, 1 + u8::from(node == 1)], 4000))
}

impl Stage {
    fn new(kind: u8) -> Self {
        let config = SecureConfig {
            shared_key: (kind & 1 != 0).then_some([3; 32]),
            started_unix_ms: (kind & 2 == 0).then_some(1_800_000_000_000),
            max_sessions: MAX_SESSIONS,
            renew_after_messages: 64,
            gate: GateSettings { handshakes_per_second: 50, ..GateSettings::default() },
            ..SecureConfig::default()
        };
        let node = |node| {
            let seed = [u8::from(node == 1) + 7; 32];
            Secure::new(Echo::default(), identity(node), config.clone(), seed)
        };
        Self {
            now: Moment::from_micros(1_000_000),
            nodes: [node(0), node(1)],
            in_flight: VecDeque::new(),
            captured: VecDeque::new(),
            traffic: BTreeMap::new(),
        }
    }

    fn act(&mut self, script: &mut Script<'_>) {
        let kind = script.byte();
        let node = usize::from(kind >> 7);
        match kind & 7 {
            0 => {
                let length = usize::from(script.byte());
                let mut bytes = script.bytes(length).to_vec();
                if let Some(first) = bytes.first_mut() {
                    *first = 0x10 | *first & 7;
                }
                self.inject(node, script.byte(), &bytes);
            }
            1 | 2 => {
                let (which, at) = (usize::from(script.byte()) % MAX_CAPTURED, script.number());
                let Some(mut bytes) = self.captured.get(which).cloned() else { return };
                if kind & 8 != 0
                    && let Some(byte) = bytes.get_mut(at)
                {
                    *byte ^= script.byte();
                }
                if kind & 16 != 0 {
                    bytes.truncate(at);
                }
                self.inject(node, kind >> 5, &bytes);
            }
            3 => {
                let (request, answer) = (script.number() % 1200, script.number() % 1200);
                self.ask(node, request, answer);
            }
            4 => self.settle(),
            5 => drop(self.in_flight.pop_front()),
            6 => self.pass(Duration::from_millis(u64::from(script.byte()) * 100)),
            _ => {
                // The last goes first.
                if let Some(last) = self.in_flight.pop_back() {
                    self.in_flight.push_front(last);
                    self.deliver();
                }
            }
        }
    }

    fn ask(&mut self, node: usize, request: usize, answer: usize) {
        let to = 1 - node;
        let peer = Peer::new(Key::new(identity(to).verifying_key().to_bytes()), address(to));
        let answer = u16::try_from(answer).unwrap_or(u16::MAX).to_be_bytes();
        let mut question = [&b"q"[..], &answer].concat();
        question.resize(request.clamp(3, MAX_MESSAGE_BYTES), 0);
        self.step(node, Input::Command((peer, question)));
    }

    /// A datagram from a stranger's address, or from that of the other node.
    fn inject(&mut self, node: usize, host: u8, bytes: &[u8]) {
        let from = match host % 4 {
            0 => address(1 - node),
            host => SocketAddr::from(([203, 0, 113, host], 53)),
        };
        self.traffic.entry((node, from)).or_default().0 += bytes.len();
        self.step(node, Input::Message(Peer::unproven(from), bytes));
    }

    fn deliver(&mut self) {
        if let Some((by, bytes)) = self.in_flight.pop_front() {
            self.step(1 - by, Input::Message(Peer::unproven(address(by)), &bytes));
        }
    }

    /// Delivers until there is nothing left.
    fn settle(&mut self) {
        for _ in 0..4 * MAX_ACTS {
            if self.in_flight.is_empty() {
                return;
            }
            self.deliver();
        }
        let counters: Vec<_> = self.nodes.iter().map(Secure::counters).collect();
        let kinds: Vec<_> =
            self.in_flight.iter().map(|(by, b)| (*by, b.first(), b.len())).collect();
        panic!("two nodes do not come to rest: {counters:?} {kinds:?}");
    }

    fn pass(&mut self, span: Duration) {
        self.now = self.now + span;
        for node in 0..2 {
            self.step(node, Input::Timeout);
            let [one, two] = &self.nodes;
            let next = if node == 0 { one } else { two }.next_timeout();
            assert!(next.is_none_or(|next| next > self.now), "wants to be woken at once");
        }
    }

    fn step(&mut self, node: usize, input: Input<'_, Secure<Echo>>) {
        let mut collect = Collect::default();
        let [one, two] = &mut self.nodes;
        let stepped = if node == 0 { one } else { two };
        step(stepped, self.now, input, &mut collect);
        assert!(stepped.sessions() <= MAX_SESSIONS);
        for (to, bytes) in collect.sent {
            if to == address(1 - node) {
                self.captured.push_front(bytes.clone());
                self.captured.truncate(MAX_CAPTURED);
                self.in_flight.push_back((node, bytes));
                continue;
            }
            let traffic = self.traffic.entry((node, to)).or_default();
            traffic.1 += bytes.len();
            assert!(traffic.1 <= traffic.0, "more to an unproven address than came from it");
        }
    }
}
