//! Prints what encryption between nodes costs: `cargo run --release -p polykad-poly --example
//! secure_speed`.
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a measurement has a clock"
)]

use std::collections::VecDeque;
use std::hint::black_box;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519, agree};
use aws_lc_rs::error::Unspecified;
use ed25519_dalek::SigningKey;
use kademlia::protocol::Way;
use kademlia::{Key, Moment, OperationId, Protocol, Transmit};
use poly::Peer;
use poly::secure::{Secure, SecureConfig};

const PACKETS: u32 = 1_000_000;
const HANDSHAKES: u32 = 5_000;
const PASSES: usize = 3;

/// Sends what its owner commands, and counts what arrives.
#[derive(Default)]
struct Plain {
    out: VecDeque<(Peer, usize)>,
    received: u64,
}

impl Protocol for Plain {
    type Peer = Peer;
    type Command = (Peer, usize);
    type Event = ();

    fn handle_message(&mut self, _: Moment, _: Peer, message: &[u8]) {
        black_box(message);
        self.received += 1;
    }

    fn handle_command(&mut self, _: Moment, command: (Peer, usize)) -> OperationId {
        self.out.push_back(command);
        OperationId(0)
    }

    fn handle_timeout(&mut self, _: Moment) {}

    fn poll_transmit(&mut self, _: Moment, buffer: &mut Vec<u8>) -> Option<Transmit<Peer>> {
        let (to, length) = self.out.pop_front()?;
        buffer.clear();
        buffer.resize(length, 7);
        Some(Transmit { to, way: Way::Datagram })
    }

    fn poll_event(&mut self) -> Option<()> {
        None
    }

    fn next_timeout(&self) -> Option<Moment> {
        None
    }
}

fn node(number: u8, config: &SecureConfig) -> (Secure<Plain>, Peer) {
    let identity = SigningKey::from_bytes(&[number; 32]);
    let id = Key::new(identity.verifying_key().to_bytes());
    let address = SocketAddr::from(([192, 0, 2, number], 4000));
    let node = Secure::new(Plain::default(), &identity, config.clone(), [number; 32]);
    (node, Peer::new(id, address))
}

fn main() {
    // No limit on handshakes, which is what is measured.
    let mut config =
        SecureConfig { started_unix_ms: Some(1_800_000_000_000), ..Default::default() };
    config.gate.incoming = None;
    config.gate.outgoing = None;
    config.gate.handshakes_per_second = u32::MAX;
    for pass in 1..=PASSES {
        println!("pass {pass} of {PASSES}");
        if primitives().is_err() {
            println!("  the primitives do not work");
        }
        for length in [100, 200, 1100] {
            packets(&config, length);
        }
        handshakes(&config);
    }
}

/// What the primitives alone take, to compare with on a machine that does other things too.
fn primitives() -> Result<(), Unspecified> {
    let key = LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &[7; 32])?);
    let mut message = [0; 200];
    let start = Instant::now();
    for _ in 0..PACKETS {
        let nonce = Nonce::assume_unique_for_key([0; 12]);
        let tag = key.seal_in_place_separate_tag(nonce, Aad::from([0; 13]), &mut message)?;
        let _ = black_box(tag);
    }
    println!("  200 bytes, the cipher alone, twice: {:?}", start.elapsed() * 2 / PACKETS);

    let secret = PrivateKey::from_private_key(&X25519, &[7; 32])?;
    let public = secret.compute_public_key()?;
    let start = Instant::now();
    for _ in 0..HANDSHAKES * 4 {
        let public = UnparsedPublicKey::new(&X25519, public.as_ref());
        agree(&secret, public, Unspecified, |shared| {
            black_box(shared);
            Ok(())
        })?;
    }
    println!("  a handshake's four agreements alone: {:?}", start.elapsed() / HANDSHAKES);
    Ok(())
}

/// Messages of a session, one way, sender and receiver together.
fn packets(config: &SecureConfig, length: usize) {
    let ((mut one, at_one), (mut two, at_two)) = (node(1, config), node(2, config));
    let mut buffer = Vec::with_capacity(2048);
    let now = Moment::from_micros(1_000_000);
    open(now, (&mut one, at_one), (&mut two, at_two), &mut buffer);
    let start = Instant::now();
    for _ in 0..PACKETS {
        one.handle_command(now, (at_two, length));
        while one.poll_transmit(now, &mut buffer).is_some() {
            two.handle_message(now, Peer::unproven(at_one.address), &buffer);
        }
    }
    let each = start.elapsed() / PACKETS;
    assert!(two.inner().received > u64::from(PACKETS), "all arrived");
    println!("  {length:>5} bytes, encrypted and decrypted: {each:?}");
}

/// Handshakes of two nodes that forget each other in between.
fn handshakes(config: &SecureConfig) {
    let mut sides = [Duration::ZERO; 2];
    let ((mut one, at_one), (mut two, at_two)) = (node(1, config), node(2, config));
    let mut buffer = Vec::with_capacity(2048);
    for number in 0..HANDSHAKES {
        let now = Moment::from_micros(1_000_000 + u64::from(number) * 3_600_000_000);
        let start = Instant::now();
        one.handle_timeout(now);
        one.handle_command(now, (at_two, 100));
        assert!(one.poll_transmit(now, &mut buffer).is_some());
        sides[0] += start.elapsed();

        let start = Instant::now();
        two.handle_timeout(now);
        two.handle_message(now, Peer::unproven(at_one.address), &buffer);
        assert!(two.poll_transmit(now, &mut buffer).is_some());
        sides[1] += start.elapsed();

        let start = Instant::now();
        one.handle_message(now, Peer::unproven(at_two.address), &buffer);
        assert!(one.poll_transmit(now, &mut buffer).is_none());
        sides[0] += start.elapsed();
    }
    assert_eq!(one.counters().completed, u64::from(HANDSHAKES));
    let [initiator, responder] = sides.map(|side| side / HANDSHAKES);
    println!("  handshake: initiator {initiator:?}, responder {responder:?}");
}

/// Opens a session and proves both addresses.
fn open(
    now: Moment,
    (one, at_one): (&mut Secure<Plain>, Peer),
    (two, at_two): (&mut Secure<Plain>, Peer),
    buffer: &mut Vec<u8>,
) {
    for _ in 0..2 {
        one.handle_command(now, (at_two, 100));
        while one.poll_transmit(now, buffer).is_some() {
            two.handle_message(now, Peer::unproven(at_one.address), buffer);
        }
        while two.poll_transmit(now, buffer).is_some() {
            one.handle_message(now, Peer::unproven(at_two.address), buffer);
        }
    }
}
