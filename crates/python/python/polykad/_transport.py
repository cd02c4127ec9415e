"""Requests to a node over HTTP, for programs that wait and for programs that await.

Each request has a connection of its own: on loopback that costs little, and ending it early ends
what the node does for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import ssl
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit

from .errors import broken, error_of, unreachable
from .types import Json

T = TypeVar("T")

#: Bytes that an answer's head may have.
_HEAD_BYTES = 64 << 10

Headers = Mapping[str, str]
Query = Mapping[str, object]
Word = tuple[str, Json]


class _Address:
    """Where a node is, and what each request to it carries."""

    def __init__(self, url: str, token: str | None, timeout: float | None) -> None:
        parts = urlsplit(url if "//" in url else f"//{url}", scheme="http")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is no address of a node: write http://127.0.0.1:6880")
        self.url = url
        self.is_secure = parts.scheme == "https"
        self.host = parts.hostname
        self.port = parts.port or (443 if self.is_secure else 80)
        self.prefix = parts.path.rstrip("/")
        self.named = parts.netloc.rpartition("@")[2]
        self.token = token
        self.timeout = timeout

    def head(self, headers: Headers) -> dict[str, str]:
        accept = "application/json"
        head = {"Host": self.named, "Connection": "close", "Accept": accept, **headers}
        if self.token:
            head["Authorization"] = f"Bearer {self.token}"
        return head

    def target(self, path: str, query: Query) -> str:
        given = {name: _written(value) for name, value in query.items() if value is not None}
        return self.prefix + path + (f"?{urlencode(given)}" if given else "")


def _written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _failure(status: int, headers: Headers, body: bytes) -> Exception:
    try:
        told = json.loads(body)
    except ValueError:
        told = {}
    wait = headers.get("retry-after", "")
    problem = {**(told if isinstance(told, dict) else {}), "status": status}
    return error_of(problem, int(wait) if wait.isdigit() else None)


class _Events:
    """Server-sent events, line by line."""

    def __init__(self) -> None:
        self._event = "message"
        self._data = b""

    def line(self, line: bytes) -> Word | None:
        """The event that this line ends, if it ends one."""
        line = line.rstrip(b"\r\n")
        if not line and self._data:
            word = self._event, json.loads(self._data)
            self._event, self._data = "message", b""
            return word
        name, _, value = line.partition(b":")
        if name == b"event":
            self._event = value.strip().decode()
        elif name == b"data":
            self._data += value.strip()
        return None


class Transport:
    """For programs that wait."""

    def __init__(self, url: str, token: str | None = None, timeout: float | None = None) -> None:
        self._to = _Address(url, token, timeout)

    @property
    def url(self) -> str:
        """Where the node is."""
        return self._to.url

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Query = {},
        headers: Headers = {},
        body: bytes | None = None,
    ) -> bytes:
        """Sends a request; the body of the answer."""
        with self._answer(method, path, query, headers, body, self._to.timeout) as answer:
            try:
                return answer.read()
            except (OSError, http.client.HTTPException) as error:
                raise broken(self.url) from error

    def words(
        self,
        method: str,
        path: str,
        *,
        query: Query = {},
        headers: Headers = {},
        body: bytes | None = None,
    ) -> Generator[Word, None, None]:
        """The words of a stream until ``done``; ``failed`` is raised."""
        headers = {"Accept": "text/event-stream", **headers}
        with self._answer(method, path, query, headers, body, None) as answer:
            events = _Events()
            while True:
                try:
                    line = answer.readline()
                except (OSError, http.client.HTTPException) as error:
                    raise broken(self.url) from error
                if not line:
                    raise broken(self.url)
                word = events.line(line)
                if word is None:
                    continue
                if word[0] == "done":
                    return
                if word[0] == "failed":
                    raise error_of(word[1])
                yield word

    @contextlib.contextmanager
    def _answer(
        self,
        method: str,
        path: str,
        query: Query,
        headers: Headers,
        body: bytes | None,
        timeout: float | None,
    ) -> Generator[http.client.HTTPResponse, None, None]:
        to = self._to
        kind = http.client.HTTPSConnection if to.is_secure else http.client.HTTPConnection
        connection = kind(to.host, to.port, timeout=timeout)
        try:
            try:
                connection.request(method, to.target(path, query), body, to.head(headers))
                answer = connection.getresponse()
            except TimeoutError:
                raise
            except (OSError, http.client.HTTPException) as error:
                raise unreachable(to.url, str(error)) from error
            if answer.status >= 400:
                told = {name.lower(): value for name, value in answer.getheaders()}
                raise _failure(answer.status, told, answer.read())
            yield answer
        finally:
            connection.close()


class AsyncTransport:
    """For programs that await."""

    def __init__(self, url: str, token: str | None = None, timeout: float | None = None) -> None:
        self._to = _Address(url, token, timeout)

    @property
    def url(self) -> str:
        """Where the node is."""
        return self._to.url

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Query = {},
        headers: Headers = {},
        body: bytes | None = None,
    ) -> bytes:
        """Sends a request; the body of the answer."""

        async def whole() -> bytes:
            async with self._answer(method, path, query, headers, body) as answer:
                return b"".join([part async for part in answer.parts()])

        return await asyncio.wait_for(whole(), self._to.timeout)

    async def words(
        self,
        method: str,
        path: str,
        *,
        query: Query = {},
        headers: Headers = {},
        body: bytes | None = None,
    ) -> AsyncGenerator[Word, None]:
        """The words of a stream until ``done``; ``failed`` is raised."""
        headers = {"Accept": "text/event-stream", **headers}
        async with self._answer(method, path, query, headers, body) as answer:
            events, rest = _Events(), b""
            async for part in answer.parts():
                *lines, rest = (rest + part).split(b"\n")
                for line in lines:
                    word = events.line(line)
                    if word is None:
                        continue
                    if word[0] == "done":
                        return
                    if word[0] == "failed":
                        raise error_of(word[1])
                    yield word
            raise broken(self.url)

    @contextlib.asynccontextmanager
    async def _answer(
        self, method: str, path: str, query: Query, headers: Headers, body: bytes | None
    ) -> AsyncGenerator[_Answer, None]:
        to = self._to
        secure = ssl.create_default_context() if to.is_secure else None
        try:
            reader, writer = await asyncio.open_connection(
                to.host, to.port, ssl=secure, limit=_HEAD_BYTES
            )
        except OSError as error:
            raise unreachable(to.url, str(error)) from error
        try:
            head = to.head({**headers, "Content-Length": str(len(body or b""))})
            lines = [f"{method} {to.target(path, query)} HTTP/1.1"]
            lines += [f"{name}: {value}" for name, value in head.items()]
            writer.write("\r\n".join([*lines, "", ""]).encode() + (body or b""))
            answer = await _Answer.read(reader, to.url)
            if answer.status >= 400:
                whole = b"".join([part async for part in answer.parts()])
                raise _failure(answer.status, answer.headers, whole)
            yield answer
        finally:
            writer.close()


class _Answer:
    """An answer whose head has been read."""

    def __init__(
        self, reader: asyncio.StreamReader, url: str, status: int, headers: Headers
    ) -> None:
        self._reader = reader
        self._url = url
        self.status = status
        self.headers = headers

    @classmethod
    async def read(cls, reader: asyncio.StreamReader, url: str) -> _Answer:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.rstrip().split("\r\n")
            pairs = (line.partition(":")[::2] for line in lines)
            headers = {name.strip().lower(): value.strip() for name, value in pairs}
            return cls(reader, url, int(first.split(" ")[1]), headers)
        except (OSError, EOFError, ValueError, IndexError, asyncio.LimitOverrunError) as error:
            raise unreachable(url, "its answer is none of HTTP") from error

    async def parts(self) -> AsyncGenerator[bytes, None]:
        """The body as it comes."""
        try:
            if self.headers.get("transfer-encoding", "").lower() == "chunked":
                while size := int((await self._reader.readline()).split(b";")[0], 16):
                    yield await self._reader.readexactly(size)
                    await self._reader.readline()
            elif "content-length" in self.headers:
                yield await self._reader.readexactly(int(self.headers["content-length"]))
            else:
                while part := await self._reader.read(_HEAD_BYTES):
                    yield part
        except (OSError, EOFError, ValueError) as error:
            raise broken(self._url) from error


def call_sync(run: Callable[..., T], *words: Any) -> T:
    """Runs what blocks."""
    return run(*words)


async def call_async(run: Callable[..., T], *words: Any) -> T:
    """Runs what blocks on a thread of its own."""
    return await asyncio.to_thread(run, *words)
