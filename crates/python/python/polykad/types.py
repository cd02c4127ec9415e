"""What nodes answer. Times are milliseconds (``_ms``) or seconds (``_s``); ids, keys and public keys
are hexadecimal digits, addresses ``IP:PORT``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Json = Mapping[str, Any]


def as_text(value: bytes | None) -> str | None:
    """The text that bytes are, if they are UTF-8."""
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return None


def from_byte_string(value: bytes) -> bytes | None:
    """What a bencoded byte string holds; None for any other value."""
    length, colon, rest = value.partition(b":")
    canonical = length.isdigit() and (length == b"0" or not length.startswith(b"0"))
    return rest if colon and canonical and len(rest) == int(length) else None


def byte_string(value: bytes) -> bytes:
    """Bencodes bytes."""
    return b"%d:%b" % (len(value), value)


def maybe_bytes(digits: str | None) -> bytes | None:
    return None if digits is None else bytes.fromhex(digits)


@dataclass(frozen=True)
class Cost:
    """What an operation cost."""

    asked: int = 0
    answered: int = 0
    failed: int = 0
    hops: int = 0
    elapsed_ms: float = 0.0

    @classmethod
    def of(cls, told: Json | None) -> Cost:
        told = told or {}
        return cls(*(told.get(name, 0) for name in cls.__dataclass_fields__))


@dataclass(frozen=True)
class NodeAddress:
    """A node: its id and where it listens."""

    id: str
    address: str

    @classmethod
    def of(cls, told: Json) -> NodeAddress:
        return cls(told["id"], told["address"])


@dataclass(frozen=True)
class Contact(NodeAddress):
    """A contact of the node, and what it knows of it."""

    rtt_ms: float
    known_for_s: int
    silent_for_s: int
    failures: int
    #: Whether its id is proven to belong to its address (BEP 42); in poly ids are always proven.
    verified: bool

    @classmethod
    def of(cls, told: Json) -> Contact:
        return cls(
            told["id"],
            told["address"],
            told["rtt_ms"],
            told["known_for_s"],
            told["silent_for_s"],
            told["failures"],
            told.get("verified", True),
        )


@dataclass(frozen=True)
class Found:
    """Nodes, closest first."""

    nodes: list[NodeAddress]
    cost: Cost

    @classmethod
    def of(cls, told: Json) -> Found:
        return cls([NodeAddress.of(node) for node in told["nodes"]], Cost.of(told))


@dataclass(frozen=True)
class Pong(NodeAddress):
    """Who answered a ping, and how fast."""

    rtt_ms: float
    version: str | None

    @classmethod
    def of(cls, told: Json) -> Pong:
        rtt = told.get("rtt_ms", told.get("elapsed_ms", 0.0))
        return cls(told["id"], told["address"], rtt, told.get("version"))


@dataclass(frozen=True)
class Refusal:
    """One node's word why it did not store something."""

    #: Its address.
    by: str
    #: The protocol's code of Mainline, the reason as a word of poly.
    reason: str
    message: str

    @classmethod
    def of(cls, told: Json) -> Refusal:
        by = told["from"] if isinstance(told["from"], str) else told["from"]["address"]
        return cls(by, str(told.get("reason", told.get("code"))), told["message"])


@dataclass(frozen=True)
class Stored:
    """What became of a put, or of a round of an announcement."""

    key: str
    seq: int | None
    acknowledged: list[NodeAddress]
    refused: list[Refusal]
    #: Nodes that were asked and did not answer.
    silent: int
    cost: Cost

    @classmethod
    def of(cls, told: Json) -> Stored:
        return cls(
            told["key"],
            told.get("seq"),
            [NodeAddress.of(node) for node in told["acknowledged"]],
            [Refusal.of(refusal) for refusal in told["refused"]],
            told["silent"],
            Cost.of(told.get("cost") or told),
        )


@dataclass(frozen=True)
class Item:
    """A value of Mainline."""

    key: str
    #: As it was put: of a byte string what it holds.
    value: bytes
    #: As it is stored.
    bencoded: bytes
    #: The version, of a signed value.
    seq: int | None
    cost: Cost

    @property
    def text(self) -> str | None:
        """The value, if it is UTF-8."""
        return as_text(self.value)

    @classmethod
    def of(cls, told: Json) -> Item:
        bencoded = bytes.fromhex(told["value_hex"])
        held = from_byte_string(bencoded)
        value = bencoded if held is None else held
        return cls(told["key"], value, bencoded, told.get("seq"), Cost.of(told))


@dataclass(frozen=True)
class Scrape:
    """The estimated size of a torrent's swarm."""

    seeds: float
    downloaders: float
    #: Nodes whose counts were merged; 0: nobody knows the torrent.
    nodes: int
    cost: Cost

    @classmethod
    def of(cls, told: Json) -> Scrape:
        return cls(told["seeds"], told["downloaders"], told["nodes"], Cost.of(told))


@dataclass(frozen=True)
class Sample(NodeAddress):
    """What one node stores, or a random part of it (BEP 51)."""

    total: int
    interval_s: int
    info_hashes: list[str]

    @classmethod
    def of(cls, told: Json) -> Sample:
        names = ("id", "address", "total", "interval_s", "info_hashes")
        return cls(*(told[name] for name in names))


@dataclass(frozen=True)
class Value:
    """An immutable value of poly."""

    key: str
    value: bytes
    cost: Cost

    @property
    def text(self) -> str | None:
        """The value, if it is UTF-8."""
        return as_text(self.value)

    @classmethod
    def of(cls, told: Json) -> Value:
        return cls(told["key"], bytes.fromhex(told["value_hex"]), Cost.of(told))


@dataclass(frozen=True)
class Record:
    """A signed version of a mutable value of poly."""

    key: str
    public_key: str
    salt: bytes
    seq: int
    #: When it ends, in unix seconds.
    expires: int
    #: None: its author has deleted it.
    value: bytes | None
    signature: bytes

    @property
    def text(self) -> str | None:
        """The value, if it is UTF-8."""
        return as_text(self.value)

    @classmethod
    def of(cls, told: Json) -> Record:
        return cls(
            told["key"],
            told["public_key"],
            bytes.fromhex(told["salt_hex"]),
            told["seq"],
            told["expires"],
            maybe_bytes(told["value_hex"]),
            bytes.fromhex(told["signature"]),
        )


@dataclass(frozen=True)
class Entry:
    """A signed entry of a topic of poly."""

    topic: str
    public_key: str
    #: Which of the author's entries under this topic.
    slot: int
    seq: int
    #: When it ends, in unix seconds.
    expires: int
    #: None: its author has removed it.
    payload: bytes | None
    signature: bytes

    @property
    def text(self) -> str | None:
        """The payload, if it is UTF-8."""
        return as_text(self.payload)

    @classmethod
    def of(cls, told: Json) -> Entry:
        return cls(
            told["topic"],
            told["public_key"],
            told["slot"],
            told["seq"],
            told["expires"],
            maybe_bytes(told["payload_hex"]),
            bytes.fromhex(told["signature"]),
        )
