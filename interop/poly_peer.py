"""A second implementation of the network `poly`, made from its documents alone.

`docs/poly-protocol.md` says what nodes say to each other; how that is encrypted and ids are proven
is in `poly_secure.py`, after `docs/poly-secure.md`. Here is what a client needs: ping, find, put,
get, and records with compare and swap and tombstones. Topics, watching, repair and answering
others are left out, and so is QUIC: what does not fit one datagram is refused with `TooLong`.

    peer = Peer(Network(), "127.0.0.1")
    contact = peer.meet(("127.0.0.1", 7654))        # its id is proven from here on
    key = peer.put(blob(b"hello", 3600), [contact])[0]
    peer.get(key, BLOB, [contact]).data
"""

from __future__ import annotations

import hmac
import os
import socket
import struct
import time
from dataclasses import dataclass, field
from typing import Callable, Iterable, TypeVar

from blake3 import blake3

from poly_secure import (
    CHALLENGE,
    CONTROL,
    DATA,
    HELLO,
    IDENTITY,
    INITIATION,
    MAX_FIRST_REQUEST,
    NO_COOKIE,
    RESPONSE,
    FalseSignature,
    Identity,
    Initiation,
    Network,
    Session,
    derive,
    mac,
    verify_strictly,
)

Address = tuple[str, int]
T = TypeVar("T")

# Message types, kinds of values, fields: poly-protocol.md, sections 3 and 4.
PING, FIND, GET, PUT, ANSWER, REFUSAL = 1, 2, 3, 4, 32, 33
BLOB, RECORD = 0, 1
(VERSION, TYPE, TRANSACTION, SENDER, TARGET, COUNT, KIND, ROOM, VALUE) = range(9)
(CONTACTS_V4, CONTACTS_V6, EXPECTED, CODE, DETAIL, SEQ, SIZE) = (10, 11, 12, 16, 17, 18, 21)
STORED, UPTIME = 30, 32
LAST_KNOWN = UPTIME
CLIENT, WANTS_V4, WANTS_V6 = 1, 2, 4
REASONS = {
    1: "makes no sense",
    2: "unknown request",
    3: "asked too often, or another swap is under way",
    4: "too long",
    5: "expired",
    6: "lives too long",
    7: "false signature",
    8: "older than what is held",
    9: "not the expected seq",
    10: "quota used up",
    11: "no room",
    12: "the key belongs to other nodes",
    13: "too many watchers",
    14: "storage failed",
}
MAX_MESSAGE, MAX_ROOM = 1152, 1088
# How many nodes hold a value at least, are in a region on average, and are asked for a record.
HOLDERS, REGION, ASKED_FOR_RECORD, CONTACTS_WANTED = 8, 20, 7, 24


class Silent(Exception):
    """Nothing that counts came back in time."""


class TooLong(Exception):
    """Would have to travel by QUIC, which is not spoken here."""


class Malformed(Exception):
    """Bytes that are not what the documents say."""


class NotFound(Exception):
    """No node that was asked holds a valid value."""


class Refused(Exception):
    """A node's refusal with its reason."""

    def __init__(self, code: int, detail: int):
        self.code = code if code in REASONS else 2
        self.reason = REASONS[self.code]
        self.detail = detail
        super().__init__(f"{self.reason} ({code}, {detail})")


# The peer: who asks whom what.


@dataclass(frozen=True)
class Contact:
    id: bytes
    address: Address


@dataclass
class PutResult:
    """What each holder said to a put: 1 new, 0 had it, or the refusal; silent ones are missing."""

    key: bytes
    answers: dict[bytes, int | Refused] = field(default_factory=dict)
    holders: int = 0

    @property
    def stored(self) -> int:
        return sum(not isinstance(answer, Refused) for answer in self.answers.values())

    @property
    def refusals(self) -> list[Refused]:
        return [answer for answer in self.answers.values() if isinstance(answer, Refused)]

    def succeeded(self, swap: bool) -> bool:
        """Section 5 of the protocol: 8, two thirds of few holders, more than half for a swap."""
        few = self.holders < 12
        quorum = -(-2 * self.holders // 3) if few else HOLDERS
        return self.holders > 0 and self.stored >= (self.holders // 2 + 1 if swap else quorum)


class Peer:
    """A client with a socket and a session to each node it has asked."""

    def __init__(
        self,
        network: Network,
        host: str,
        seed: bytes | None = None,
        clock: Callable[[], float] = time.time,
    ):
        self.network = network
        self.clock = clock
        self.challenges = 0
        self.identity = Identity(seed or os.urandom(32))
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.bind((host, 0))
        self.wants = WANTS_V6 if family == socket.AF_INET6 else WANTS_V4
        self.sessions: dict[Contact, Session] = {}
        self.received_bytes = 0

    def close(self) -> None:
        self.socket.close()

    def meet(self, address: Address, seconds: float = 3) -> Contact:
        """Who is at the address, proven by a handshake."""
        host_key = derive(self.network.key, b"hello", b"")
        nonce = os.urandom(8)
        hello = bytes([HELLO]) + nonce + bytes(48)
        hello += mac(host_key, hello)

        def identity(datagram: bytes) -> tuple[bytes, bytes] | None:
            whole = len(datagram) == 73 and datagram[:9] == bytes([IDENTITY]) + nonce
            if not whole or not hmac.compare_digest(mac(host_key, datagram[:57]), datagram[57:]):
                return None
            return datagram[9:41], datagram[41:57]

        node, cookie = self._exchange(address, lambda: hello, identity, seconds)
        contact = Contact(node, address)
        self._handshake(contact, b"", seconds, cookie)
        return contact

    def ping(self, contact: Contact) -> int:
        """The node's uptime in minutes."""
        return self.ask(contact, {TYPE: PING}).number(UPTIME)

    def find(self, target: bytes, start: Iterable[Contact]) -> list[Contact]:
        """Nodes that answered, the closest to the target first."""
        known = {contact.id: contact for contact in start}
        answered: set[bytes] = set()
        silent: set[bytes] = set()

        def closest() -> list[Contact]:
            alive = [contact for contact in known.values() if contact.id not in silent]
            return sorted(alive, key=lambda contact: distance(contact.id, target))

        while rest := [c for c in closest()[:REGION] if c.id not in answered]:
            try:
                fields: Fields = {TYPE: FIND, TARGET: target, COUNT: CONTACTS_WANTED}
                for contact in self.ask(rest[0], fields).contacts():
                    known.setdefault(contact.id, contact)
                answered.add(rest[0].id)
            except (Silent, Refused, Malformed):
                silent.add(rest[0].id)
        return closest()[:REGION]

    def put(self, value: Value, start: Iterable[Contact], expected: int | None = None) -> PutResult:
        """Puts to the key's region; with `expected` only where that is the current seq.

        A region has 20 nodes on average: the 20 closest are asked, instead of those within a
        radius that a client could not estimate from one lookup.
        """
        holders = self.find(value.key, start)
        result = PutResult(value.key, holders=len(holders))
        for contact in holders:
            try:
                result.answers[contact.id] = self.put_to(contact, value.encode(), expected)
            except Refused as refusal:
                result.answers[contact.id] = refusal
            except (Silent, Malformed):
                pass
        return result

    def put_to(self, contact: Contact, value: bytes, expected: int | None = None) -> int:
        """Puts to one node; how many were new to it."""
        fields: Fields = {TYPE: PUT, VALUE: value}
        if expected is not None:
            fields[EXPECTED] = expected
        return self.ask(contact, fields).number(STORED)

    def get(self, key: bytes, kind: int, start: Iterable[Contact]) -> Value:
        """The blob of this hash, or the greatest version of a record."""
        holders = self.find(key, start)
        seen: list[tuple[Contact, Value | None]] = []
        for contact in holders[: ASKED_FOR_RECORD if kind == RECORD else None]:
            try:
                value = self.get_from(contact, key, kind)
            except (Silent, Refused, Malformed):
                continue
            if value and kind == BLOB:
                return value
            seen.append((contact, value))
        best = max((value for _, value in seen if value), key=lambda v: v.version, default=None)
        if best is None:
            raise NotFound(key.hex())
        for contact, value in seen:
            if value is None or value.version < best.version:
                try:
                    self.put_to(contact, best.encode())
                except (Silent, Refused, Malformed):
                    pass
        return best

    def get_from(self, contact: Contact, key: bytes, kind: int) -> Value | None:
        """What one node holds under the key, checked; `Malformed` if it lies."""
        fields: Fields = {TYPE: GET, TARGET: key, KIND: kind, ROOM: MAX_ROOM}
        answer = self.ask(contact, fields)
        if VALUE in answer.fields:
            value = decode_value(answer.bytes(VALUE))
            if value.kind != kind or value.key != key:
                raise Malformed("a value of another key")
            value.verify()
            return value
        if answer.number(SIZE):
            raise TooLong(f"the value has {answer.number(SIZE)} bytes: it travels by QUIC")
        return None

    def ask(self, contact: Contact, fields: Fields, seconds: float = 5) -> Answer:
        """Sends a request, several times if need be, and returns its answer."""
        transaction = int.from_bytes(os.urandom(4), "big")
        sender = CLIENT | self.wants
        request = encode({VERSION: 1, TRANSACTION: transaction, SENDER: sender, **fields})
        if len(request) > MAX_MESSAGE:
            raise TooLong(f"a message of {len(request)} bytes would travel by QUIC")
        session = self.sessions.get(contact)
        if not session or session.is_stale():
            early = self._handshake(contact, request, seconds)
            if early and (answer := Answer.of(early, transaction)):
                return answer
            is_sent = len(request) <= MAX_FIRST_REQUEST
            return self._ask_in_session(contact, request, transaction, seconds, is_sent)
        return self._ask_in_session(contact, request, transaction, seconds)

    def _ask_in_session(
        self,
        contact: Contact,
        request: bytes,
        transaction: int,
        seconds: float,
        is_sent: bool = False,
    ) -> Answer:
        """Who has sent the request with the handshake shows first that it hears the answer."""

        def read(datagram: bytes) -> Answer | None:
            session = self.sessions[contact]
            if datagram[0] == CHALLENGE and datagram[1:9] == session.their_index:
                if len(datagram) == 25 and session.heeds_challenge():
                    self.challenges += 1
                    early = self._handshake(contact, request, seconds, datagram[9:])
                    return Answer.of(early, transaction) if early else None
                return None
            opened = session.open(datagram)
            if opened is None:
                return None
            kind, message = opened
            if kind == CONTROL and len(message) == 9 and message[0] == 1:
                self.socket.sendto(session.seal(CONTROL, b"\2" + message[1:]), contact.address)
            return Answer.of(message, transaction) if kind == DATA else None

        def send() -> bytes:
            nonlocal is_sent
            kind, message = (CONTROL, b"") if is_sent else (DATA, request)
            is_sent = False
            return self.sessions[contact].seal(kind, message)

        return self._exchange(contact.address, send, read, seconds)

    def _handshake(
        self, contact: Contact, request: bytes, seconds: float, cookie: bytes = NO_COOKIE
    ) -> bytes:
        """A new session with the contact; the answer to the request, empty if it comes later."""
        request = request if len(request) <= MAX_FIRST_REQUEST else b""
        heeded = cookie != NO_COOKIE
        begun: dict[bytes, Initiation] = {}

        def send() -> bytes:
            stamp = struct.pack(">Q", int(self.clock() * 1000))
            header = bytes([INITIATION]) + os.urandom(8) + stamp + cookie
            initiation = Initiation(self.identity, self.network, contact.id, request, header)
            begun[initiation.index] = initiation
            return initiation.datagram

        def read(datagram: bytes) -> tuple[Session, bytes] | None:
            nonlocal cookie, heeded
            initiation = begun.get(datagram[1:9])
            if initiation and datagram[0] == RESPONSE:
                return initiation.read_response(datagram)
            if initiation and datagram[0] == CHALLENGE and len(datagram) == 25 and not heeded:
                cookie, heeded = datagram[9:], True
                self.challenges += 1
                self.socket.sendto(send(), contact.address)
            return None

        self.sessions[contact], answer = self._exchange(contact.address, send, read, seconds)
        return answer

    def _exchange(
        self,
        address: Address,
        send: Callable[[], bytes],
        read: Callable[[bytes], T | None],
        seconds: float,
    ) -> T:
        """Sends, again each time nothing comes for a while, until `read` takes a datagram."""
        deadline = time.monotonic() + seconds
        pause = 0.5
        while (now := time.monotonic()) < deadline:
            self.socket.sendto(send(), address)
            again = min(now + pause, deadline)
            pause *= 2
            while (left := again - time.monotonic()) > 0:
                self.socket.settimeout(left)
                try:
                    datagram, source = self.socket.recvfrom(2048)
                except (TimeoutError, ConnectionRefusedError):
                    continue
                self.received_bytes += len(datagram)
                if source[:2] == address and len(datagram) >= 9:
                    taken = read(datagram)
                    if taken is not None:
                        return taken
        raise Silent(f"{address[0]}:{address[1]}")


# Values: poly-protocol.md, sections 1, 2 and 4.


@dataclass(frozen=True)
class Value:
    """A blob (`data`, `lifetime`) or a record; a record without data is a tombstone."""

    kind: int
    data: bytes | None
    lifetime: int = 0
    public_key: bytes = b""
    salt: bytes = b""
    seq: int = 0
    expires: int = 0
    signature: bytes = b""

    @property
    def key(self) -> bytes:
        if self.kind == BLOB:
            return blake3(self.data or b"").digest()
        return record_key(self.public_key, self.salt)

    @property
    def version(self) -> tuple[int, int, int]:
        if self.kind == BLOB:
            return (0, 0, 0)
        body = (1 << 64) - 1
        if self.data is not None:
            body = int.from_bytes(blake3(self.data).digest()[:8], "big")
        return (self.seq, body, self.expires)

    def signed(self) -> bytes:
        there = b"\0" if self.data is None else b"\1"
        tail = struct.pack(">QQ", self.seq, self.expires) + there
        tail += blake3(self.data or b"").digest()
        return b"polykad poly 1 record\n" + bytes([len(self.salt)]) + self.salt + tail

    def verify(self) -> None:
        """`Malformed` for a false signature."""
        if self.kind == RECORD:
            try:
                verify_strictly(self.public_key, self.signature, self.signed())
            except FalseSignature as error:
                raise Malformed(str(error)) from error

    def encode(self) -> bytes:
        fields: Fields = {0: self.kind}
        if self.data is not None:
            fields[1] = self.data
        if self.kind == BLOB:
            fields[2] = self.lifetime
        else:
            fields |= {3: self.public_key, 5: self.seq, 6: self.expires, 7: self.signature}
            if self.salt:
                fields[4] = self.salt
        return encode(fields)


def blob(data: bytes, lifetime: int) -> Value:
    """A blob that lives for so many seconds."""
    return Value(BLOB, data, lifetime)


def record(
    author: Identity, data: bytes | None, seq: int, expires: int, salt: bytes = b""
) -> Value:
    """A signed record, a tombstone without data; `expires` in Unix seconds."""
    bare = Value(RECORD, data, 0, author.id, salt, seq, expires)
    return Value(RECORD, data, 0, author.id, salt, seq, expires, author.sign(bare.signed()))


def record_key(public_key: bytes, salt: bytes = b"") -> bytes:
    return blake3(public_key + salt, derive_key_context="polykad poly 1 record key").digest()


def decode_value(data: bytes) -> Value:
    fields = Answer(decode(data))
    kind = fields.number(0)
    if kind == BLOB:
        if not {0, 1, 2} <= fields.fields.keys():
            raise Malformed("a blob without its bytes or lifetime")
        return Value(BLOB, fields.bytes(1), fields.number(2))
    if kind != RECORD or not {3, 5, 6, 7} <= fields.fields.keys():
        raise Malformed("no blob and no record")
    there = fields.bytes(1) if 1 in fields.fields else None
    sizes = len(fields.bytes(3)) == 32 and len(fields.bytes(7)) == 64
    if not sizes or len(fields.bytes(4)) > 64:
        raise Malformed("a record's field of a wrong size")
    record_fields = (fields.bytes(3), fields.bytes(4), fields.number(5), fields.number(6))
    return Value(RECORD, there, 0, *record_fields, fields.bytes(7))


def distance(one: bytes, other: bytes) -> int:
    return int.from_bytes(one, "big") ^ int.from_bytes(other, "big")


# Messages: CBOR maps of numbers and byte strings, poly-protocol.md, section 3.

Fields = dict[int, int | bytes]


@dataclass(frozen=True)
class Answer:
    fields: Fields

    @classmethod
    def of(cls, message: bytes, transaction: int) -> Answer | None:
        """The answer to this transaction, if the message is one; raises what was refused."""
        try:
            answer = cls(decode(message))
            ours = answer.fields.get(VERSION, 1) == 1 and answer.number(TRANSACTION) == transaction
            kind = answer.number(TYPE)
        except Malformed:
            return None
        if ours and kind == REFUSAL:
            raise Refused(answer.number(CODE), answer.number(DETAIL))
        return answer if ours and kind == ANSWER else None

    def number(self, key: int) -> int:
        value = self.fields.get(key, 0)
        if not isinstance(value, int):
            raise Malformed(f"field {key} is no number")
        return value

    def bytes(self, key: int) -> bytes:
        value = self.fields.get(key, b"")
        if not isinstance(value, bytes):
            raise Malformed(f"field {key} is no byte string")
        return value

    def contacts(self) -> list[Contact]:
        found = []
        for key, size, family in (
            (CONTACTS_V4, 38, socket.AF_INET),
            (CONTACTS_V6, 50, socket.AF_INET6),
        ):
            packed = self.bytes(key)
            if len(packed) % size or len(packed) > CONTACTS_WANTED * size:
                raise Malformed("contacts of a wrong size")
            for at in range(0, len(packed), size):
                one = packed[at : at + size]
                host = socket.inet_ntop(family, one[32:-2])
                found.append(Contact(one[:32], (host, int.from_bytes(one[-2:], "big"))))
        return found


def encode(fields: Fields) -> bytes:
    out = cbor_head(5, len(fields))
    for key, value in sorted(fields.items()):
        out += cbor_head(0, key)
        out += cbor_head(0, value) if isinstance(value, int) else cbor_head(2, len(value)) + value
    return out


def cbor_head(major: int, number: int) -> bytes:
    if number < 24:
        return bytes([major << 5 | number])
    for info, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if number < 1 << 8 * size:
            return bytes([major << 5 | info]) + number.to_bytes(size, "big")
    raise ValueError(f"{number} does not fit 64 bits")


def decode(data: bytes) -> Fields:
    at = 0

    def take(size: int) -> bytes:
        nonlocal at
        at += size
        if at > len(data):
            raise Malformed("cut off")
        return data[at - size : at]

    def head() -> tuple[int, int]:
        first = take(1)[0]
        major, info = first >> 5, first & 31
        if info > 27:
            raise Malformed("not of definite length")
        return major, info if info < 24 else int.from_bytes(take(1 << info - 24), "big")

    major, count = head()
    if major != 5 or count > 64:
        raise Malformed("no map, or a large one")
    fields: Fields = {}
    for _ in range(count):
        (key_major, key), (major, number) = head(), head()
        twice = key in fields and key <= LAST_KNOWN
        if key_major != 0 or major not in (0, 2) or twice:
            raise Malformed("a field of another type, or twice")
        fields[key] = number if major == 0 else take(number)
    if at != len(data):
        raise Malformed("something follows")
    return fields
