//! The handshake: `Noise_IKpsk0_25519_ChaChaPoly_BLAKE2s` by `snow`, with this layer's payloads.
//! `docs/poly-secure.md`, "Handshake".

use std::sync::Arc;

use ed25519_dalek::SigningKey;
use kademlia::Key;
use snow::params::NoiseParams;
use snow::{Builder, HandshakeState};

use super::keys::{KEY_BYTES, Keys, LABEL, public_of};
use super::primitives::{Aead, Pair, Resolver};
use super::wire::{
    self, Cookie, FirstPayload, INITIATION_HEADER_BYTES, Index, Initiation, MAX_DATAGRAM_BYTES,
    SecondPayload,
};

const PATTERN: &str = "Noise_IKpsk0_25519_ChaChaPoly_BLAKE2s";

/// Makes handshakes in the name of one node.
pub(super) struct Noise {
    pub(super) keys: Keys,
    own: Arc<Pair>,
    params: NoiseParams,
}

/// The two keys of a session.
#[derive(Debug)]
pub(super) struct Transport {
    pub(super) seal: Aead,
    pub(super) open: Aead,
}

/// What an initiation says, once it proved genuine.
pub(super) struct Opened {
    pub(super) id: Key,
    pub(super) request: Vec<u8>,
    pub(super) handshake: HandshakeState,
}

/// What a response says, once it proved genuine.
pub(super) struct Completed {
    pub(super) sender: Index,
    pub(super) holds_more: bool,
    pub(super) answer: Vec<u8>,
    pub(super) transport: Transport,
}

/// What an initiator decides about its message.
pub(super) struct First<'a> {
    pub(super) to: &'a Key,
    pub(super) sender: Index,
    pub(super) stamp_ms: u64,
    pub(super) cookie: Cookie,
    pub(super) request: &'a [u8],
    /// Bytes that the datagram shall have at least.
    pub(super) padded_to: usize,
}

impl Noise {
    /// `None` only if the primitives are broken.
    pub(super) fn new(
        identity: &SigningKey,
        name: &[u8],
        shared: Option<&[u8; 32]>,
    ) -> Option<Self> {
        let keys = Keys::new(identity, name, shared);
        let own = Arc::new(Pair::new(keys.secret)?);
        Some(Self { keys, own, params: PATTERN.parse().ok()? })
    }

    /// Writes an initiation; `None` if no node can have that id or the request is too long.
    pub(super) fn initiate(
        &self,
        ephemeral: [u8; KEY_BYTES],
        first: &First<'_>,
        out: &mut Vec<u8>,
    ) -> Option<HandshakeState> {
        let header = wire::initiation_header(first.sender, first.stamp_ms, first.cookie);
        let theirs = public_of(first.to)?;
        let prologue = self.prologue(first.to, &header);
        let mut handshake = self
            .builder(ephemeral)
            .prologue(&prologue)
            .and_then(|builder| builder.local_private_key(self.own.secret()))
            .and_then(|builder| builder.remote_public_key(&theirs))
            .and_then(|builder| builder.psk(0, &self.keys.network))
            .and_then(Builder::build_initiator)
            .ok()?;
        let payload = wire::first_payload(self.keys.id.as_bytes(), first.request, first.padded_to);
        let mut noise = [0; MAX_DATAGRAM_BYTES];
        let length = handshake.write_message(&payload, &mut noise).ok()?;
        out.extend_from_slice(&header);
        out.extend_from_slice(noise.get(..length)?);
        wire::append_mac(out, |covered| self.keys.initiation_mac(first.to, covered));
        (out.len() <= MAX_DATAGRAM_BYTES).then_some(handshake)
    }

    /// Opens an initiation whose MAC was right. `None` if it is forged, or claims an id that its
    /// key does not belong to.
    pub(super) fn open(
        &self,
        ephemeral: [u8; KEY_BYTES],
        initiation: &Initiation<'_>,
    ) -> Option<Opened> {
        let prologue = self.prologue(&self.keys.id, initiation.header);
        let mut handshake = self
            .builder(ephemeral)
            .prologue(&prologue)
            .and_then(|builder| builder.local_private_key(self.own.secret()))
            .and_then(|builder| builder.psk(0, &self.keys.network))
            .and_then(Builder::build_responder)
            .ok()?;
        let mut payload = [0; MAX_DATAGRAM_BYTES];
        let length = handshake.read_message(initiation.noise, &mut payload).ok()?;
        let payload = FirstPayload::parse(payload.get(..length)?)?;
        let id = Key::new(*payload.id);
        let is_theirs = public_of(&id)?.as_slice() == handshake.get_remote_static()?;
        (is_theirs && id != self.keys.id).then(|| Opened {
            id,
            request: payload.request.to_vec(),
            handshake,
        })
    }

    fn builder(&self, ephemeral: [u8; KEY_BYTES]) -> Builder<'_> {
        let resolver = Resolver { own: Arc::clone(&self.own), ephemeral };
        Builder::with_resolver(self.params.clone(), Box::new(resolver))
    }

    /// Label, responder, header, name: a handshake holds for one node of one network, and not a
    /// byte of its header can be changed.
    fn prologue(&self, responder: &Key, header: &[u8; INITIATION_HEADER_BYTES]) -> Vec<u8> {
        [LABEL, responder.as_bytes(), header, &self.keys.name].concat()
    }
}

impl core::fmt::Debug for Noise {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.keys.fmt(f)
    }
}

/// Writes the response to an opened initiation.
pub(super) fn respond(
    mut handshake: HandshakeState,
    to: Index,
    payload: &[u8],
    out: &mut Vec<u8>,
) -> Option<Transport> {
    let mut noise = [0; MAX_DATAGRAM_BYTES];
    let length = handshake.write_message(payload, &mut noise).ok()?;
    out.extend_from_slice(&wire::response_header(to));
    out.extend_from_slice(noise.get(..length)?);
    let (theirs, ours) = handshake.dangerously_get_raw_split();
    Some(Transport { seal: Aead::new(&ours)?, open: Aead::new(&theirs)? })
}

/// Reads the response to an initiation. What is forged leaves the handshake as it was.
pub(super) fn complete(handshake: &mut HandshakeState, noise: &[u8]) -> Option<Completed> {
    let mut payload = [0; MAX_DATAGRAM_BYTES];
    let length = handshake.read_message(noise, &mut payload).ok()?;
    let payload = SecondPayload::parse(payload.get(..length)?)?;
    let (ours, theirs) = handshake.dangerously_get_raw_split();
    Some(Completed {
        sender: payload.sender,
        holds_more: payload.holds_more,
        answer: payload.answer.to_vec(),
        transport: Transport { seal: Aead::new(&ours)?, open: Aead::new(&theirs)? },
    })
}
