//! Keys: a node's X25519 key out of its Ed25519 key, and all that follows from the network's name
//! and its pre-shared key. `docs/poly-secure.md`, "Keys".

use blake2::Blake2sMac;
use blake2::digest::consts::{U16, U32};
use blake2::digest::{KeyInit, Mac as _};
use ed25519_dalek::{SigningKey, VerifyingKey};
use kademlia::Key;
use siphasher::sip::SipHasher24;

use super::once::once;
use super::wire::{Index, Mac};

/// Bytes of every symmetric key, and of an X25519 key.
pub(super) const KEY_BYTES: usize = 32;

/// Mixed into all keys and into the handshake: version 1 of this layer.
pub(super) const LABEL: &[u8] = b"polykad-secure-1";

/// What a node knows from the start: who it is, and of which network.
pub(super) struct Keys {
    pub(super) id: Key,
    /// The X25519 secret key.
    pub(super) secret: [u8; KEY_BYTES],
    pub(super) name: Box<[u8]>,
    /// Known to the members of the network; of a public one, to everyone.
    pub(super) network: [u8; KEY_BYTES],
    hello: [u8; KEY_BYTES],
    /// Of initiations to this node.
    initiation: [u8; KEY_BYTES],
    /// Of the indexes that this node issues, the same after a restart.
    index: [u8; 16],
}

impl Keys {
    pub(super) fn new(identity: &SigningKey, name: &[u8], shared: Option<&[u8; 32]>) -> Self {
        let id = Key::new(identity.verifying_key().to_bytes());
        let network = derive(shared.unwrap_or(&[0; KEY_BYTES]), b"network", name);
        let own = derive(&network, b"index", identity.as_bytes());
        Self {
            id,
            secret: identity.to_scalar_bytes(),
            name: name.into(),
            network,
            hello: derive(&network, b"hello", &[]),
            initiation: initiation_key(&network, &id),
            index: core::array::from_fn(|at| own.get(at).copied().unwrap_or_default()),
        }
    }

    pub(super) fn hello_mac(&self, covered: &[u8]) -> Mac {
        mac(&self.hello, covered)
    }

    pub(super) fn is_hello_mac(&self, covered: &[u8], mac: &Mac) -> bool {
        verify(&self.hello, covered, mac)
    }

    /// Whether an initiation is meant for this node, in this network.
    pub(super) fn is_initiation_mac(&self, covered: &[u8], mac: &Mac) -> bool {
        verify(&self.initiation, covered, mac)
    }

    /// The MAC of an initiation to another node.
    pub(super) fn initiation_mac(&self, responder: &Key, covered: &[u8]) -> Mac {
        mac(&initiation_key(&self.network, responder), covered)
    }

    /// The index that stands for a number: 24 bits of it and 40 of a MAC, so that a node knows its
    /// own even when it has forgotten what they stood for, and a stranger cannot invent one.
    pub(super) fn index(&self, number: u32) -> Index {
        let number = number & MAX_NUMBER;
        let tag = SipHasher24::new_with_key(&self.index).hash(&number.to_be_bytes());
        u64::from(number) << TAG_BITS | tag >> NUMBER_BITS
    }

    /// The number that an index stands for; `None` if this node never issued it.
    pub(super) fn number(&self, index: Index) -> Option<u32> {
        let number = u32::try_from(index >> TAG_BITS).ok()?;
        (self.index(number) == index).then_some(number)
    }
}

impl core::fmt::Debug for Keys {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Keys").field("id", &self.id).finish_non_exhaustive()
    }
}

const NUMBER_BITS: u32 = 24;
const TAG_BITS: u32 = u64::BITS - NUMBER_BITS;
/// The highest number of a session or handshake.
pub(super) const MAX_NUMBER: u32 = (1 << NUMBER_BITS) - 1;

/// The X25519 public key of the node with this id; `None` if no node can have it.
///
/// Points of small order are refused: whoever claimed one could answer without any secret.
pub(super) fn public_of(id: &Key) -> Option<[u8; KEY_BYTES]> {
    once([id.as_bytes(), &[]], || {
        let key = VerifyingKey::from_bytes(id.as_bytes()).ok()?;
        (!key.is_weak()).then(|| key.to_montgomery().to_bytes())
    })
}

/// `BLAKE2s-256(key, LABEL ‖ purpose ‖ data)`.
pub(super) fn derive(key: &[u8; KEY_BYTES], purpose: &[u8], data: &[u8]) -> [u8; KEY_BYTES] {
    let mut mac = <Blake2sMac<U32> as KeyInit>::new(key.into());
    mac.update(LABEL);
    mac.update(purpose);
    mac.update(data);
    mac.finalize().into_bytes().into()
}

/// `BLAKE2s-128(key, data)`.
pub(super) fn mac(key: &[u8; KEY_BYTES], data: &[u8]) -> Mac {
    keyed(key, data).finalize().into_bytes().into()
}

/// Compares in constant time.
fn verify(key: &[u8; KEY_BYTES], data: &[u8], mac: &Mac) -> bool {
    keyed(key, data).verify_slice(mac).is_ok()
}

fn keyed(key: &[u8; KEY_BYTES], data: &[u8]) -> Blake2sMac<U16> {
    // The type wants 32 bytes of key whatever its output.
    let mut mac = <Blake2sMac<U16> as KeyInit>::new(key.into());
    mac.update(data);
    mac
}

fn initiation_key(network: &[u8; KEY_BYTES], responder: &Key) -> [u8; KEY_BYTES] {
    derive(network, b"initiation", responder.as_bytes())
}
