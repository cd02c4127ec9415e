"""A node for programs that await. ``polykad.sync`` is made from this file by ``unasync.py``."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, Sequence
from os import PathLike
from types import TracebackType
from typing import Any, Union

from . import _native
from ._native import Author
from ._transport import AsyncTransport, call_async
from .errors import NotFoundError
from .types import (
    Contact,
    Entry,
    Found,
    Item,
    Json,
    Pong,
    Record,
    Sample,
    Scrape,
    Stored,
    Value,
    byte_string,
)

#: Bytes, or text as UTF-8.
Bytes = Union[bytes, str]
#: A key, an id or a public key: hexadecimal digits, or their bytes.
Digits = Union[bytes, str]

#: Seconds that a value of poly lives unless told otherwise.
A_DAY = 86_400

_BYTES = {"Content-Type": "application/octet-stream"}
_JSON = {"Content-Type": "application/json"}


def _bytes(value: Bytes) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)


def _digits(value: Digits) -> str:
    return value if isinstance(value, str) else bytes(value).hex()


def _salted(salt: Bytes) -> dict[str, object]:
    return {"salt": _bytes(salt).hex() or None}


class AsyncMainline:
    """BitTorrent's Mainline DHT, as a node offers it."""

    def __init__(self, http: AsyncTransport) -> None:
        self._http = http

    async def _get(self, path: str, **query: object) -> Any:
        return json.loads(await self._http.request("GET", f"/v1/mainline/{path}", query=query))

    async def contacts(self) -> list[Contact]:
        """The node's contacts."""
        return [Contact.of(told) for told in (await self._get("contacts"))["contacts"]]

    async def ping(self, address: str) -> Pong:
        """Asks the address ``IP:PORT`` whether a node is there, and who."""
        return Pong.of(await self._get("ping", address=address))

    async def nodes(self, target: Digits) -> Found:
        """The nodes closest to an id."""
        return Found.of(await self._get(f"nodes/{_digits(target)}"))

    async def trace(self, target: Digits, quest: str = "nodes") -> AsyncGenerator[Json, None]:
        """A lookup step by step, as the API tells it; ``quest``: nodes, peers or value."""
        path = f"/v1/mainline/trace/{_digits(target)}"
        async for _, told in self._http.words("GET", path, query={"quest": quest}):
            yield told

    async def peers(self, info_hash: Digits) -> AsyncGenerator[str, None]:
        """Peers of a torrent as they are found, each ``IP:PORT`` once."""
        path = f"/v1/mainline/peers/{_digits(info_hash)}"
        async for _, told in self._http.words("GET", path):
            for peer in told["peers"]:
                yield peer

    async def announce(
        self, info_hash: Digits, *, port: int | None = None, seed: bool = False
    ) -> Stored:
        """Announces a peer of a torrent once; nodes forget it after about half an hour."""
        path = f"/v1/mainline/peers/{_digits(info_hash)}"
        body = json.dumps({"port": port, "seed": seed}).encode()
        once = {"once": True}
        told = await self._http.request("POST", path, query=once, headers=_JSON, body=body)
        return Stored.of(json.loads(told))

    async def announcing(
        self, info_hash: Digits, *, port: int | None = None, seed: bool = False
    ) -> AsyncGenerator[Stored, None]:
        """Announces it for as long as the loop over this goes on: what became of each round."""
        path = f"/v1/mainline/peers/{_digits(info_hash)}"
        body = json.dumps({"port": port, "seed": seed}).encode()
        async for word, told in self._http.words("POST", path, headers=_JSON, body=body):
            # A round that failed is tried again by the node.
            if word == "round":
                yield Stored.of(told)

    async def scrape(self, info_hash: Digits) -> Scrape:
        """How many seeds and downloaders a torrent has, estimated (BEP 33)."""
        return Scrape.of(await self._get(f"scrape/{_digits(info_hash)}"))

    async def samples(self, target: Digits) -> AsyncGenerator[Sample, None]:
        """What the nodes around an id store, one sample a node (BEP 51)."""
        async for _, told in self._http.words("GET", f"/v1/mainline/samples/{_digits(target)}"):
            yield Sample.of(told)

    async def put(self, value: Bytes, *, bencoded: bool = False) -> Stored:
        """Stores at most 996 bytes under their hash; ``bencoded``: the value is so already."""
        path, query = "/v1/mainline/items", {"bencoded": bencoded}
        body = _bytes(value)
        told = await self._http.request("POST", path, query=query, headers=_BYTES, body=body)
        return Stored.of(json.loads(told))

    async def get(self, key: Digits) -> Item:
        """The value under a key."""
        return Item.of(await self._get(f"items/{_digits(key)}"))

    async def get_signed(self, public_key: Digits, *, salt: Bytes = b"") -> Item:
        """The newest version of an author's signed value (BEP 44)."""
        return Item.of(await self._get(f"signed/{_digits(public_key)}", **_salted(salt)))

    async def set(
        self,
        author: Author,
        value: Bytes,
        *,
        salt: Bytes = b"",
        seq: int | None = None,
        expected: int | None = None,
    ) -> Stored:
        """Signs bytes and stores them as the author's value.

        Without ``seq`` it is one version after the network's, and stored only if nobody was
        faster. With ``expected`` it is stored only where that version is.
        """
        if seq is None:
            try:
                expected = (await self.get_signed(author.public_key, salt=salt)).seq
            except NotFoundError:
                expected = None
            seq = (expected or 0) + 1
        stored = byte_string(_bytes(value))
        signature = author.sign_item(stored, _bytes(salt), seq)
        body = {"seq": seq, "value_hex": stored.hex(), "signature": signature.hex()}
        told = await self._http.request(
            "PUT",
            f"/v1/mainline/signed/{author.public_key.hex()}",
            query=_salted(salt),
            headers={**_JSON, **({} if expected is None else {"If-Match": f'"{expected}"'})},
            body=json.dumps(body).encode(),
        )
        return Stored.of(json.loads(told))


class AsyncPoly:
    """Polykad's own network, as a node offers it.

    What comes back is checked against its key or signature, whatever the node says.
    """

    def __init__(self, http: AsyncTransport) -> None:
        self._http = http

    async def _get(self, path: str, **query: object) -> Any:
        return json.loads(await self._http.request("GET", f"/v1/poly/{path}", query=query))

    async def contacts(self) -> list[Contact]:
        """The contacts of the node's routing table."""
        return [Contact.of(told) for told in (await self._get("contacts"))["contacts"]]

    async def ping(self, address: str) -> Pong:
        """Asks the address ``IP:PORT`` who is there."""
        return Pong.of(await self._get("ping", address=address))

    async def nodes(self, target: Digits) -> Found:
        """The nodes closest to a key."""
        return Found.of(await self._get(f"nodes/{_digits(target)}"))

    async def trace(self, target: Digits, quest: str = "nodes") -> AsyncGenerator[Json, None]:
        """A lookup step by step, as the API tells it; ``quest``: nodes, value, record or topic."""
        path = f"/v1/poly/trace/{_digits(target)}"
        async for _, told in self._http.words("GET", path, query={"quest": quest}):
            yield told

    async def put(
        self, value: Bytes, *, lifetime_s: int = A_DAY, quorum: int | str | None = None
    ) -> Stored:
        """Stores up to 65,536 bytes under their hash; ``quorum``: a number, or "all"."""
        told = await self._http.request(
            "POST",
            "/v1/poly/values",
            query={"lifetime_s": lifetime_s, "quorum": quorum},
            headers=_BYTES,
            body=_bytes(value),
        )
        return Stored.of(json.loads(told))

    async def get(self, key: Digits) -> Value:
        """The bytes under a key."""
        found = Value.of(await self._get(f"values/{_digits(key)}"))
        _native.check_value(_digits(key), found.value)
        return found

    async def record(self, public_key: Digits, *, salt: Bytes = b"") -> Record:
        """The newest version of an author's record; ``NotFoundError`` if it was deleted."""
        key = _native.record_key(_digits(public_key), _bytes(salt))
        return _checked_record(key, await self._get(f"records/key/{key}"))

    async def set(
        self,
        author: Author,
        value: Bytes | None,
        *,
        salt: Bytes = b"",
        seq: int | None = None,
        expected: int | None = None,
        lifetime_s: int = A_DAY,
        quorum: int | str | None = None,
    ) -> Stored:
        """Signs bytes and stores them as the author's record.

        Without ``seq`` it is one version after the network's, and stored only if nobody was
        faster. With ``expected`` only in place of that version; 0: of none.
        """
        if seq is None:
            expected = await self._newest(author, salt)
            seq = expected + 1
        body, ends = None if value is None else _bytes(value), int(time.time()) + lifetime_s
        signature = author.sign_record(body, _bytes(salt), seq, ends)
        query = {**_salted(salt), "seq": seq, "expires": ends, "signature": signature.hex()}
        return await self._store(
            f"/v1/poly/records/{author.public_key.hex()}",
            body,
            {**query, "quorum": quorum},
            _condition(expected),
        )

    async def delete(self, author: Author, *, salt: Bytes = b"") -> Stored:
        """Deletes a record: a tombstone takes its place until it expires."""
        return await self.set(author, None, salt=salt)

    async def topic(self, name: Bytes, *, limit: int | None = None) -> list[Entry]:
        """The entries of a topic, of as many authors as possible."""
        topic = _native.topic_key(_bytes(name))
        found = await self._get(f"topics/{topic}", limit=limit)
        return [_checked_entry(topic, told) for told in found["entries"]]

    async def announce(
        self,
        author: Author,
        name: Bytes,
        payload: Bytes | None,
        *,
        slot: int = 0,
        seq: int | None = None,
        lifetime_s: int = A_DAY,
        quorum: int | str | None = None,
    ) -> Stored:
        """Signs at most 1,000 bytes and stores them under a topic.

        A later announcement in the same slot takes their place; without ``seq`` that is told by
        the clock.
        """
        topic, ends = _native.topic_key(_bytes(name)), int(time.time()) + lifetime_s
        seq = time.time_ns() // 1_000_000 if seq is None else seq
        body = None if payload is None else _bytes(payload)
        signature = author.sign_entry(topic, body, slot, seq, ends)
        query = {"slot": slot, "seq": seq, "expires": ends, "signature": signature.hex()}
        path = f"/v1/poly/topics/{topic}/{author.public_key.hex()}"
        return await self._store(path, body, {**query, "quorum": quorum}, {})

    async def withdraw(self, author: Author, name: Bytes, *, slot: int = 0) -> Stored:
        """Takes an entry away."""
        return await self.announce(author, name, None, slot=slot)

    async def watch_record(
        self, public_key: Digits, *, salt: Bytes = b""
    ) -> AsyncGenerator[Record, None]:
        """The record that is there, and then each newer version, until the loop ends."""
        key = _native.record_key(_digits(public_key), _bytes(salt))
        async for word, told in self._http.words("GET", f"/v1/poly/records/key/{key}/watch"):
            if word == "record":
                yield _checked_record(key, told)

    async def watch_topic(self, name: Bytes) -> AsyncGenerator[Entry, None]:
        """The entries of a topic that are there, and then each that is new or removed."""
        topic = _native.topic_key(_bytes(name))
        async for word, told in self._http.words("GET", f"/v1/poly/topics/{topic}/watch"):
            if word == "entry":
                yield _checked_entry(topic, told)

    async def _newest(self, author: Author, salt: Bytes) -> int:
        """The newest version of a record, a deleted one's too; 0: there is none."""
        try:
            return (await self.record(author.public_key, salt=salt)).seq
        except NotFoundError as error:
            return int((error.problem.get("record") or {}).get("seq", 0))

    async def _store(
        self,
        path: str,
        body: bytes | None,
        query: dict[str, object],
        headers: dict[str, str],
    ) -> Stored:
        """Stores what is signed: bytes, or, without any, that they are gone."""
        if body is None:
            told = await self._http.request("DELETE", path, query=query, headers=headers)
        else:
            headers = {**headers, **_BYTES}
            told = await self._http.request("PUT", path, query=query, headers=headers, body=body)
        return Stored.of(json.loads(told))


def _condition(expected: int | None) -> dict[str, str]:
    if expected is None:
        return {}
    return {"If-None-Match": "*"} if expected == 0 else {"If-Match": f'"{expected}"'}


def _checked_record(key: str, told: Json) -> Record:
    record = Record.of(told)
    author = bytes.fromhex(record.public_key)
    version = (record.salt, record.seq, record.expires, record.value, record.signature)
    _native.check_record(key, author, *version)
    return record


def _checked_entry(topic: str, told: Json) -> Entry:
    entry = Entry.of(told)
    author = bytes.fromhex(entry.public_key)
    version = (entry.slot, entry.seq, entry.expires, entry.payload, entry.signature)
    _native.check_entry(topic, author, *version)
    return entry


class AsyncClient:
    """A node over its HTTP API: a daemon started with ``polykad serve``.

    ``timeout`` is in seconds, for each request; streams have none.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:6880",
        *,
        token: str | None = None,
        timeout: float | None = 60.0,
    ) -> None:
        self._http = AsyncTransport(url, token, timeout)
        #: BitTorrent's Mainline DHT.
        self.mainline = AsyncMainline(self._http)
        #: Polykad's own network.
        self.poly = AsyncPoly(self._http)

    @property
    def url(self) -> str:
        """Where the node serves."""
        return self._http.url

    async def status(self) -> dict[str, Any]:
        """How the node is doing, as the API tells it."""
        told: dict[str, Any] = json.loads(await self._http.request("GET", "/v1/status"))
        return told

    async def live(self) -> AsyncGenerator[tuple[str, Json], None]:
        """The node live: ``history`` once, then ``status`` each second and ``contacts``."""
        async for word in self._http.words("GET", "/v1/live"):
            yield word


class AsyncNode(AsyncClient):
    """A node in this process, used as any other::

        async with await AsyncNode.start("poly", bootstrap=["192.0.2.7:7654"]) as node:
            ...

    It serves its dashboard at ``url``, to who sends ``token``.
    """

    def __init__(self, native: _native.Node, timeout: float | None) -> None:
        super().__init__(native.url, token=native.token, timeout=timeout)
        self._native = native

    @classmethod
    async def start(
        cls,
        network: str = "poly",
        *,
        listen: Sequence[str] = (),
        bootstrap: Sequence[str] = (),
        default_bootstrap: bool = True,
        data: str | PathLike[str] | None = None,
        name: str | None = None,
        key: bytes | None = None,
        timeout: float | None = 60.0,
    ) -> AsyncNode:
        """Starts a node of a network: "poly" or "mainline".

        Without ``listen`` it listens on the network's port of all addresses. ``bootstrap`` are
        nodes to join through; Mainline has default ones beside. In the folder ``data`` it keeps
        who it is and what it stores. ``name`` and ``key`` (32 bytes) say which network of poly:
        without the key of a private one nobody gets a byte.
        """
        folder = None if data is None else str(data)
        words = (network, list(listen), list(bootstrap), default_bootstrap, folder, name, key)
        return cls(await call_async(_native.start, *words), timeout)

    @property
    def listen(self) -> list[str]:
        """The UDP addresses it listens on, ports filled in."""
        return self._native.listen

    @property
    def token(self) -> str:
        """What requests to ``url`` must send."""
        return self._native.token

    async def stop(self) -> None:
        """Stops the node; what it keeps is on disk then."""
        await call_async(self._native.stop)

    async def __aenter__(self) -> AsyncNode:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()
