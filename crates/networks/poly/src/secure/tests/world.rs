//! The network, and the protocol that nodes run inside.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use kademlia::protocol::{Input, Transport, step};
use rand_chacha::ChaCha8Rng;

use super::super::*;

/// Asks and answers. A question is `q`, its number, the length of its answer and padding; the
/// answer `a`, the number and padding.
#[derive(Debug, Default)]
pub(crate) struct Echo {
    next: u32,
    out: VecDeque<(Transmit<Peer>, Vec<u8>)>,
    events: VecDeque<(Peer, u32)>,
    /// Questions heard: who asked which, how often.
    pub(crate) heard: BTreeMap<(Key, u32), u32>,
    /// Messages of any kind heard.
    pub(crate) messages: u64,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask {
    /// Bytes of the question, at least.
    pub(crate) request: usize,
    /// Bytes of the answer, at least.
    pub(crate) answer: usize,
    pub(crate) is_bulk: bool,
}

impl Default for Ask {
    fn default() -> Self {
        Self { request: 50, answer: 300, is_bulk: false }
    }
}

impl Protocol for Echo {
    type Peer = Peer;
    type Command = (Peer, Ask);
    type Event = (Peer, u32);

    fn handle_message(&mut self, _: Moment, from: Peer, message: &[u8]) {
        assert!(from.is_proven(), "the layer proves ids");
        self.messages += 1;
        let Some((kind, rest)) = message.split_first() else { return };
        let Some((number, rest)) = rest.split_first_chunk() else { return };
        let number = u32::from_be_bytes(*number);
        match (kind, rest) {
            (b'q', [high, low, ..]) => {
                *self.heard.entry((from.id, number)).or_default() += 1;
                let mut answer = [&b"a"[..], &number.to_be_bytes()].concat();
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                answer.resize(length.max(answer.len()), 0);
                let is_long = answer.len() > MAX_MESSAGE_BYTES;
                let way = if is_long { Way::Bulk } else { Way::Datagram };
                self.out.push_back((Transmit { to: from, way }, answer));
            }
            (b'a', _) => self.events.push_back((from, number)),
            _ => {}
        }
    }

    fn handle_command(&mut self, _: Moment, (to, ask): (Peer, Ask)) -> OperationId {
        let number = self.next;
        self.next += 1;
        let length = u16::try_from(ask.answer).unwrap().to_be_bytes();
        let mut question = [&b"q"[..], &number.to_be_bytes(), &length].concat();
        question.resize(ask.request.max(question.len()), 0);
        let way = if ask.is_bulk { Way::Bulk } else { Way::Datagram };
        self.out.push_back((Transmit { to, way }, question));
        OperationId(number.into())
    }

    fn handle_timeout(&mut self, _: Moment) {}

    fn poll_transmit(&mut self, _: Moment, buffer: &mut Vec<u8>) -> Option<Transmit<Peer>> {
        let (transmit, message) = self.out.pop_front()?;
        buffer.clear();
        buffer.extend(message);
        Some(transmit)
    }

    fn poll_event(&mut self) -> Option<(Peer, u32)> {
        self.events.pop_front()
    }

    fn next_timeout(&self) -> Option<Moment> {
        None
    }
}

/// A datagram that was sent.
#[derive(Clone, Debug)]
pub(crate) struct Captured {
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) bytes: Vec<u8>,
}

pub(crate) struct World {
    pub(crate) now: Moment,
    pub(crate) loss: f64,
    pub(crate) doubled: f64,
    /// Delay beyond 50 ms, at most.
    pub(crate) jitter: Duration,
    nodes: BTreeMap<u8, Secure<Echo>>,
    /// Nodes whose datagrams come from, and are received at, another address than their own.
    pub(crate) moved: BTreeMap<u8, SocketAddr>,
    queue: BTreeMap<(Moment, u64), Captured>,
    sequence: u64,
    pub(crate) rng: ChaCha8Rng,
    answers: BTreeMap<(u8, u32), (Moment, Peer)>,
    pub(crate) captured: Vec<Captured>,
    pub(crate) datagrams: u64,
    pub(crate) bulk: Vec<(SocketAddr, Peer, usize)>,
    /// Bytes from and to each address, by node.
    pub(crate) traffic: BTreeMap<(u8, SocketAddr), (usize, usize)>,
}

#[derive(Default)]
struct Collect {
    buffer: Vec<u8>,
    sent: Vec<(Transmit<Peer>, Vec<u8>)>,
    events: Vec<(Peer, u32)>,
}

impl Transport<Secure<Echo>> for Collect {
    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    fn transmit(&mut self, transmit: Transmit<Peer>) {
        self.sent.push((transmit, self.buffer.clone()));
    }

    fn event(&mut self, event: (Peer, u32)) {
        self.events.push(event);
    }
}

pub(crate) fn address(node: u8) -> SocketAddr {
    SocketAddr::from(([198, 51, 100, node], 4000 + u16::from(node)))
}

pub(crate) fn identity(node: u8) -> SigningKey {
    SigningKey::from_bytes(&[node; 32])
}

pub(crate) fn peer(node: u8) -> Peer {
    Peer::new(Key::new(identity(node).verifying_key().to_bytes()), address(node))
}

pub(crate) fn config() -> SecureConfig {
    SecureConfig { started_unix_ms: Some(1_800_000_000_000), ..SecureConfig::default() }
}

pub(crate) fn private() -> SecureConfig {
    SecureConfig { shared_key: Some([9; 32]), ..config() }
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            now: Moment::START,
            loss: 0.0,
            doubled: 0.0,
            jitter: Duration::ZERO,
            nodes: BTreeMap::new(),
            moved: BTreeMap::new(),
            queue: BTreeMap::new(),
            sequence: 0,
            rng: ChaCha8Rng::seed_from_u64(seed),
            answers: BTreeMap::new(),
            captured: Vec::new(),
            datagrams: 0,
            bulk: Vec::new(),
            traffic: BTreeMap::new(),
        }
    }

    /// Starts a node, in place of the one that was; it remembers nothing but its identity.
    pub(crate) fn add(&mut self, node: u8, config: SecureConfig) {
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        let mut inner = Echo::default();
        inner.next = self.nodes.get(&node).map_or(0, |before| before.inner().next);
        self.nodes.insert(node, Secure::new(inner, &identity(node), config, seed));
    }

    pub(crate) fn node(&self, node: u8) -> &Secure<Echo> {
        &self.nodes[&node]
    }

    pub(crate) fn heard(&self, node: u8) -> u64 {
        self.nodes[&node].inner().messages
    }

    pub(crate) fn ask(&mut self, node: u8, to: Peer, ask: Ask) -> u32 {
        let number = self.nodes[&node].inner().next;
        self.step(node, Input::Command((to, ask)));
        number
    }

    /// When a question was answered, and by whom.
    pub(crate) fn answered(&self, node: u8, number: u32) -> Option<(Moment, Peer)> {
        self.answers.get(&(node, number)).copied()
    }

    pub(crate) fn deliver_bulk(&mut self, node: u8, from: Peer, bytes: usize) {
        self.step(node, Input::Message(from, &vec![0; bytes]));
    }

    /// Hands a datagram to the node at its address. Returns what the node sends in that step.
    pub(crate) fn inject(&mut self, to: u8, from: SocketAddr, bytes: &[u8]) -> Vec<Captured> {
        let before = self.captured.len();
        self.traffic.entry((to, from)).or_default().0 += bytes.len();
        self.step(to, Input::Message(Peer::unproven(from), bytes));
        self.captured[before..].to_vec()
    }

    /// Lets time pass.
    pub(crate) fn run_for(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            let message = self.queue.first_key_value().map(|((at, _), _)| *at);
            let wakes = self.nodes.iter().filter_map(|(node, p)| Some((p.next_timeout()?, *node)));
            let wake = wakes.min();
            let next = message.into_iter().chain(wake.map(|(at, _)| at)).min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            if message == Some(next) {
                let (_, datagram) = self.queue.pop_first().unwrap();
                self.deliver(&datagram);
            } else if let Some((_, node)) = wake {
                self.step(node, Input::Timeout);
                let again = self.nodes[&node].next_timeout();
                assert!(again.is_none_or(|again| again > self.now), "wants to be woken at once");
            }
        }
        self.now = end;
    }

    fn deliver(&mut self, datagram: &Captured) {
        let moved = self.moved.iter().find(|(_, address)| **address == datagram.to);
        let node = moved.map(|(node, _)| *node).or_else(|| {
            let mut nodes = self.nodes.keys();
            let is_there =
                |node: &&u8| address(**node) == datagram.to && !self.moved.contains_key(*node);
            nodes.find(is_there).copied()
        });
        if let Some(node) = node {
            self.inject(node, datagram.from, &datagram.bytes);
        }
    }

    fn step(&mut self, node: u8, input: Input<'_, Secure<Echo>>) {
        let mut collect = Collect::default();
        step(self.nodes.get_mut(&node).unwrap(), self.now, input, &mut collect);
        self.nodes[&node].core.table.check();
        for (transmit, bytes) in collect.sent {
            if transmit.way == Way::Bulk {
                self.bulk.push((address(node), transmit.to, bytes.len()));
                continue;
            }
            assert!(bytes.len() <= MAX_DATAGRAM_BYTES);
            self.traffic.entry((node, transmit.to.address)).or_default().1 += bytes.len();
            self.post(node, transmit.to.address, bytes);
        }
        for (from, number) in collect.events {
            self.answers.entry((node, number)).or_insert((self.now, from));
        }
    }

    fn post(&mut self, node: u8, to: SocketAddr, bytes: Vec<u8>) {
        let from = self.moved.get(&node).copied().unwrap_or(address(node));
        let datagram = Captured { from, to, bytes };
        self.captured.push(datagram.clone());
        self.datagrams += 1;
        let copies = if self.chance(self.doubled) { 2 } else { 1 };
        for _ in 0..copies {
            if self.chance(self.loss) {
                continue;
            }
            let jitter = u64::try_from(self.jitter.as_micros()).unwrap();
            let jitter = Duration::from_micros(self.rng.next_u64() % (jitter + 1));
            self.sequence += 1;
            let at = self.now + Duration::from_millis(50) + jitter;
            self.queue.insert((at, self.sequence), datagram.clone());
        }
    }

    fn chance(&mut self, probability: f64) -> bool {
        f64::from(self.rng.next_u32()) / 4_294_967_296.0 < probability
    }

    /// Panics if messages arrived twice for another reason than that a peer said it had lost the
    /// session in which they were sent.
    pub(crate) fn check(&self) {
        let heeded: u64 = self.nodes.values().map(|node| node.counters().heeded).sum();
        let heard = self.nodes.values().flat_map(|node| node.inner().heard.values());
        let again: u64 = heard.map(|times| u64::from(*times) - 1).sum();
        assert!(again <= heeded, "{again} heard again, {heeded} challenges heeded");
    }
}
