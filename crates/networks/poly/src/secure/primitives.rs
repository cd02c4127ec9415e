//! The primitives of Noise as `snow` wants them: X25519 and ChaCha20-Poly1305 of AWS-LC, BLAKE2s of
//! `blake2`. `snow`'s own choice took 2.2 µs for a 200-byte packet and 41 µs for one agreement
//! where these take 0.3 and 19.

use std::sync::Arc;

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519, agree};
use aws_lc_rs::error::Unspecified;
use blake2::{Blake2s256, Digest};
use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::CryptoResolver;
use snow::types::{Cipher, Dh, Hash, Random};

use super::keys::KEY_BYTES;
use super::once::once;
use super::wire::TAG_BYTES;

/// An X25519 key pair.
pub(super) struct Pair {
    secret: [u8; KEY_BYTES],
    public: [u8; KEY_BYTES],
    key: PrivateKey,
}

impl Pair {
    pub(super) fn new(secret: [u8; KEY_BYTES]) -> Option<Self> {
        let key = PrivateKey::from_private_key(&X25519, &secret).ok()?;
        let public = key.compute_public_key().ok()?.as_ref().try_into().ok()?;
        Some(Self { secret, public, key })
    }

    pub(super) const fn secret(&self) -> &[u8; KEY_BYTES] {
        &self.secret
    }
}

/// Hands `snow` its primitives for one handshake.
pub(super) struct Resolver {
    /// The node's own pair, computed once.
    pub(super) own: Arc<Pair>,
    /// The secret of the handshake's ephemeral pair.
    pub(super) ephemeral: [u8; KEY_BYTES],
}

impl CryptoResolver for Resolver {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(Once(Some(self.ephemeral))))
    }

    fn resolve_dh(&self, _: &DHChoice) -> Option<Box<dyn Dh>> {
        Some(Box::new(Agreement { own: Arc::clone(&self.own), pair: None }))
    }

    fn resolve_hash(&self, _: &HashChoice) -> Option<Box<dyn Hash>> {
        Some(Box::new(Blake2s(Blake2s256::new())))
    }

    fn resolve_cipher(&self, _: &CipherChoice) -> Option<Box<dyn Cipher>> {
        Some(Box::new(ChaChaPoly(None)))
    }
}

/// Randomness for one key.
struct Once(Option<[u8; KEY_BYTES]>);

impl Random for Once {
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), snow::Error> {
        let bytes = self.0.take().ok_or(snow::Error::Rng)?;
        if dest.len() != bytes.len() {
            return Err(snow::Error::Rng);
        }
        dest.copy_from_slice(&bytes);
        Ok(())
    }
}

struct Agreement {
    own: Arc<Pair>,
    pair: Option<Arc<Pair>>,
}

impl Dh for Agreement {
    fn name(&self) -> &'static str {
        "25519"
    }

    fn pub_len(&self) -> usize {
        KEY_BYTES
    }

    fn priv_len(&self) -> usize {
        KEY_BYTES
    }

    fn set(&mut self, privkey: &[u8]) {
        self.pair = if privkey == self.own.secret.as_slice() {
            Some(Arc::clone(&self.own))
        } else {
            privkey.try_into().ok().and_then(Pair::new).map(Arc::new)
        };
    }

    fn generate(&mut self, rng: &mut dyn Random) -> Result<(), snow::Error> {
        let mut secret = [0; KEY_BYTES];
        rng.try_fill_bytes(&mut secret)?;
        self.pair = Some(Arc::new(Pair::new(secret).ok_or(snow::Error::Dh)?));
        Ok(())
    }

    fn pubkey(&self) -> &[u8] {
        self.pair.as_ref().map_or(&[0; KEY_BYTES], |pair| &pair.public)
    }

    fn privkey(&self) -> &[u8] {
        self.pair.as_ref().map_or(&[0; KEY_BYTES], |pair| &pair.secret)
    }

    /// Fails where the result would be zero whatever the secret (RFC 7748 section 6.1).
    fn dh(&self, pubkey: &[u8], out: &mut [u8]) -> Result<(), snow::Error> {
        let pair = self.pair.as_ref().ok_or(snow::Error::Dh)?;
        let theirs = pubkey.get(..KEY_BYTES).ok_or(snow::Error::Dh)?;
        let secret = once([&pair.secret, theirs], || {
            let theirs = UnparsedPublicKey::new(&X25519, theirs);
            agree(&pair.key, theirs, (), |secret| secret.try_into().map_err(|_| ())).ok()
        });
        let secret = secret.ok_or(snow::Error::Dh)?;
        out.get_mut(..KEY_BYTES).ok_or(snow::Error::Dh)?.copy_from_slice(&secret);
        Ok(())
    }
}

struct Blake2s(Blake2s256);

impl Hash for Blake2s {
    fn name(&self) -> &'static str {
        "BLAKE2s"
    }

    fn block_len(&self) -> usize {
        64
    }

    fn hash_len(&self) -> usize {
        32
    }

    fn reset(&mut self) {
        self.0 = Blake2s256::new();
    }

    fn input(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn result(&mut self, out: &mut [u8]) {
        let hash = core::mem::take(&mut self.0).finalize();
        if let Some(out) = out.get_mut(..hash.len()) {
            out.copy_from_slice(&hash);
        }
    }
}

/// A ChaCha20-Poly1305 key, ready for use.
pub(super) struct Aead(LessSafeKey);

impl Aead {
    pub(super) fn new(key: &[u8; KEY_BYTES]) -> Option<Self> {
        UnboundKey::new(&CHACHA20_POLY1305, key).ok().map(LessSafeKey::new).map(Self)
    }

    /// Encrypts in place.
    pub(super) fn seal(
        &self,
        counter: u64,
        covered: &[u8],
        message: &mut [u8],
    ) -> Option<[u8; TAG_BYTES]> {
        let tag = self.0.seal_in_place_separate_tag(nonce(counter), Aad::from(covered), message);
        tag.ok()?.as_ref().try_into().ok()
    }

    /// Decrypts in place what ends in its tag.
    pub(super) fn open<'a>(
        &self,
        counter: u64,
        covered: &[u8],
        sealed: &'a mut [u8],
    ) -> Option<&'a [u8]> {
        let opened = self.0.open_in_place(nonce(counter), Aad::from(covered), sealed);
        opened.ok().map(|message| &*message)
    }
}

impl core::fmt::Debug for Aead {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Aead")
    }
}

/// Noise, section 12: 32 zero bits and the counter in little-endian order.
fn nonce(counter: u64) -> Nonce {
    let mut bytes = [0; 12];
    if let Some(last) = bytes.last_chunk_mut() {
        *last = counter.to_le_bytes();
    }
    Nonce::assume_unique_for_key(bytes)
}

struct ChaChaPoly(Option<Aead>);

impl Cipher for ChaChaPoly {
    fn name(&self) -> &'static str {
        "ChaChaPoly"
    }

    fn set(&mut self, key: &[u8; KEY_BYTES]) {
        self.0 = Aead::new(key);
    }

    /// `snow` always offers room enough; without it, or without a key, nothing is written.
    fn encrypt(&self, nonce: u64, authtext: &[u8], plaintext: &[u8], out: &mut [u8]) -> usize {
        self.encrypt_into(nonce, authtext, plaintext, out).unwrap_or(0)
    }

    fn decrypt(
        &self,
        nonce: u64,
        authtext: &[u8],
        ciphertext: &[u8],
        out: &mut [u8],
    ) -> Result<usize, snow::Error> {
        self.decrypt_into(nonce, authtext, ciphertext, out).map_err(|_| snow::Error::Decrypt)
    }
}

impl ChaChaPoly {
    fn encrypt_into(
        &self,
        nonce: u64,
        authtext: &[u8],
        plaintext: &[u8],
        out: &mut [u8],
    ) -> Option<usize> {
        let (message, rest) = out.split_at_mut_checked(plaintext.len())?;
        let tag = rest.first_chunk_mut()?;
        message.copy_from_slice(plaintext);
        *tag = self.0.as_ref()?.seal(nonce, authtext, message)?;
        Some(plaintext.len() + TAG_BYTES)
    }

    fn decrypt_into(
        &self,
        nonce: u64,
        authtext: &[u8],
        ciphertext: &[u8],
        out: &mut [u8],
    ) -> Result<usize, Unspecified> {
        // AWS-LC checks the tag and decrypts out of place.
        let length = ciphertext.len().checked_sub(TAG_BYTES).ok_or(Unspecified)?;
        let key = self.0.as_ref().ok_or(Unspecified)?;
        let mut copy = ciphertext.to_vec();
        let message = key.open(nonce, authtext, &mut copy).ok_or(Unspecified)?;
        out.get_mut(..length).ok_or(Unspecified)?.copy_from_slice(message);
        Ok(length)
    }
}
