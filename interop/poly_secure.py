"""The secure layer of `poly`, made from `docs/poly-secure.md` alone: what `poly_peer.py` needs."""

from __future__ import annotations

import hashlib
import hmac
import os
import struct
import time
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

# The kinds of datagrams.
HELLO, IDENTITY, CHALLENGE, INITIATION, RESPONSE, DATA, CONTROL = range(0x10, 0x17)
LABEL = b"polykad-secure-1"
NOISE = b"Noise_IKpsk0_25519_ChaChaPoly_BLAKE2s"
NO_COOKIE = bytes(16)
MAX_FIRST_REQUEST = 1021
# An initiation's bytes beside request and padding, and its size if it shows no cookie.
BARE_INITIATION, PADDED_INITIATION = 179, 640
RENEW_SECONDS, SILENCE_SECONDS = 3600, 10


class FalseSignature(Exception):
    """Not signed by whom it names."""


@dataclass(frozen=True)
class Network:
    """What its members share; the default is the public one."""

    name: bytes = b"polykad"
    shared_key: bytes = bytes(32)

    @property
    def key(self) -> bytes:
        return derive(self.shared_key, b"network", self.name)

    def initiation_key(self, responder: bytes) -> bytes:
        return derive(self.key, b"initiation", responder)


class Identity:
    """A node's or author's key pair, made from a 32-byte seed."""

    def __init__(self, seed: bytes):
        self.signing = Ed25519PrivateKey.from_private_bytes(seed)
        self.id = self.signing.public_key().public_bytes_raw()
        self.secret = hashlib.sha512(seed).digest()[:32]

    def sign(self, message: bytes) -> bytes:
        return self.signing.sign(message)


class Initiation:
    """The first message of a handshake, and what is needed to read the second."""

    def __init__(
        self,
        us: Identity,
        network: Network,
        them: bytes,
        request: bytes,
        header: bytes,
        ephemeral: bytes | None = None,
        at_least: int = BARE_INITIATION,
    ):
        # The ephemeral key is given by test vectors alone, and so is a size.
        self.us = us
        self.ephemeral = ephemeral or os.urandom(32)
        self.index = header[1:9]
        static = montgomery(them)
        state = self.noise = Noise()
        state.mix_hash(LABEL + them + header + network.name)
        state.mix_hash(static)
        state.mix_key_and_hash(network.key)
        public = x25519_public(self.ephemeral)
        state.mix_hash(public)
        state.mix_key(public)
        state.mix_key(x25519(self.ephemeral, static))
        sealed = state.encrypt(x25519_public(us.secret))
        state.mix_key(x25519(us.secret, static))
        if request and header[17:33] == NO_COOKIE:
            at_least = PADDED_INITIATION
        padding = bytes(max(0, at_least - BARE_INITIATION - len(request)))
        payload = us.id + struct.pack(">H", len(request)) + request + padding
        datagram = header + public + sealed + state.encrypt(payload)
        self.datagram = datagram + mac(network.initiation_key(them), datagram)

    def read_response(self, datagram: bytes) -> tuple[Session, bytes] | None:
        """The session and the answer; none if the response is not what it claims to be.

        The flag "I hold back more" is not needed: without an answer this side speaks anyway.
        """
        if len(datagram) < 66:
            return None
        state = self.noise.copy()
        theirs = datagram[9:41]
        state.mix_hash(theirs)
        state.mix_key(theirs)
        try:
            state.mix_key(x25519(self.ephemeral, theirs))
            state.mix_key(x25519(self.us.secret, theirs))
            payload = state.decrypt(datagram[41:])
        except (InvalidTag, ValueError):
            return None
        return Session(self.index, payload[:8], *state.split()), payload[9:]


class Session:
    """Two keys and two counters."""

    def __init__(self, our_index: bytes, their_index: bytes, send: bytes, receive: bytes):
        self.our_index, self.their_index = our_index, their_index
        self.sending, self.receiving = ChaCha20Poly1305(send), ChaCha20Poly1305(receive)
        self.counter = 0
        self.taken: set[int] = set()
        self.begun = time.monotonic()
        self.unanswered_since: float | None = None
        self.challenged = float("-inf")

    def seal(self, kind: int, message: bytes) -> bytes:
        header = bytes([kind]) + self.their_index + struct.pack(">I", self.counter)
        sealed = self.sending.encrypt(nonce(self.counter), message, header)
        self.counter += 1
        if kind == DATA and self.unanswered_since is None:
            self.unanswered_since = time.monotonic()
        return header + sealed

    def open(self, datagram: bytes) -> tuple[int, bytes] | None:
        """Kind and message; none if it is forged, of another session or taken before."""
        whole = len(datagram) >= 29 and datagram[0] in (DATA, CONTROL)
        if not whole or datagram[1:9] != self.our_index:
            return None
        counter = int.from_bytes(datagram[9:13], "big")
        highest = max(self.taken, default=0)
        if counter in self.taken or counter + 256 <= highest:
            return None
        try:
            message = self.receiving.decrypt(nonce(counter), datagram[13:], datagram[:13])
        except InvalidTag:
            return None
        self.taken = {c for c in self.taken if c + 256 > max(highest, counter)} | {counter}
        self.unanswered_since = None
        return datagram[0], message

    def is_stale(self) -> bool:
        """Whether the next message goes by a new handshake."""
        now = time.monotonic()
        silent = self.unanswered_since is not None and now - self.unanswered_since > SILENCE_SECONDS
        return silent or now - self.begun > RENEW_SECONDS or self.counter >= 1 << 24

    def heeds_challenge(self) -> bool:
        """Once a second."""
        now = time.monotonic()
        heeds = now - self.challenged >= 1
        if heeds:
            self.challenged = now
        return heeds


class Noise:
    """The symmetric state of the Noise Protocol Framework, section 5.2."""

    def __init__(self) -> None:
        self.hash = hashlib.blake2s(NOISE).digest()
        self.chaining, self.key, self.counter = self.hash, b"", 0

    def copy(self) -> Noise:
        other = Noise()
        other.__dict__.update(self.__dict__)
        return other

    def mix_hash(self, data: bytes) -> None:
        self.hash = hashlib.blake2s(self.hash + data).digest()

    def mix_key(self, material: bytes) -> None:
        self.chaining, self.key = hkdf(self.chaining, material, 2)
        self.counter = 0

    def mix_key_and_hash(self, material: bytes) -> None:
        self.chaining, hashed, self.key = hkdf(self.chaining, material, 3)
        self.mix_hash(hashed)
        self.counter = 0

    def encrypt(self, plain: bytes) -> bytes:
        sealed = ChaCha20Poly1305(self.key).encrypt(nonce(self.counter), plain, self.hash)
        self.counter += 1
        self.mix_hash(sealed)
        return sealed

    def decrypt(self, sealed: bytes) -> bytes:
        plain = ChaCha20Poly1305(self.key).decrypt(nonce(self.counter), sealed, self.hash)
        self.counter += 1
        self.mix_hash(sealed)
        return plain

    def split(self) -> tuple[bytes, bytes]:
        first, second = hkdf(self.chaining, b"", 2)
        return first, second


def nonce(counter: int) -> bytes:
    return bytes(4) + struct.pack("<Q", counter)


def hkdf(key: bytes, material: bytes, count: int) -> list[bytes]:
    def keyed(with_key: bytes, data: bytes) -> bytes:
        return hmac.new(with_key, data, hashlib.blake2s).digest()

    extracted, outputs = keyed(key, material), [b""]
    for number in range(1, count + 1):
        outputs.append(keyed(extracted, outputs[-1] + bytes([number])))
    return outputs[1:]


def derive(key: bytes, purpose: bytes, data: bytes) -> bytes:
    return hashlib.blake2s(LABEL + purpose + data, key=key).digest()


def mac(key: bytes, data: bytes) -> bytes:
    return hashlib.blake2s(data, key=key, digest_size=16).digest()


def x25519(secret: bytes, public: bytes) -> bytes:
    """`ValueError` for a public key of small order."""
    ours = X25519PrivateKey.from_private_bytes(secret)
    return ours.exchange(X25519PublicKey.from_public_bytes(public))


def x25519_public(secret: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def montgomery(public_key: bytes) -> bytes:
    """An Ed25519 public key as one of X25519; `ValueError` if it is not canonical."""
    prime = 2**255 - 19
    y = int.from_bytes(public_key, "little") & (1 << 255) - 1
    if y >= prime:
        raise ValueError("not canonical")
    return ((1 + y) * pow(1 - y, -1, prime) % prime).to_bytes(32, "little")


def verify_strictly(public_key: bytes, signature: bytes, message: bytes) -> None:
    """`FalseSignature` also for a key or commitment of small order."""
    try:
        for point in (public_key, signature[:32]):
            x25519(bytes(32), montgomery(point))
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (ValueError, InvalidSignature):
        raise FalseSignature("a false signature") from None
