"""A node of `poly` that answers whatever a scenario tells it to: the responder's half of
`docs/poly-secure.md`, without limits and cookies of its own."""

from __future__ import annotations

import hmac
import os
import socket
import threading
from typing import Callable

from cryptography.exceptions import InvalidTag

import poly_peer as poly
import poly_secure as secure


class Liar:
    """Answers each request by the fields that `answer` returns, until it is closed."""

    def __init__(
        self,
        network: secure.Network,
        address: poly.Address,
        answer: Callable[[poly.Fields], poly.Fields],
    ):
        self.network = network
        self.answer = answer
        self.identity = secure.Identity(os.urandom(32))
        self.static = secure.x25519_public(self.identity.secret)
        self.sessions: dict[bytes, secure.Session] = {}
        self.asked: list[int] = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.settimeout(0.1)
        self.closed = threading.Event()
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.closed.set()
        self.thread.join()
        self.socket.close()

    def _serve(self) -> None:
        while not self.closed.is_set():
            try:
                datagram, source = self.socket.recvfrom(2048)
            except TimeoutError:
                continue
            try:
                reply = self._reply(datagram)
            except (InvalidTag, ValueError, poly.Malformed):
                continue
            if reply:
                self.socket.sendto(reply, source)

    def _reply(self, datagram: bytes) -> bytes | None:
        if datagram[0] == secure.HELLO and len(datagram) == 73:
            reply = bytes([secure.IDENTITY]) + datagram[1:9] + self.identity.id + bytes(15) + b"\1"
            return reply + secure.mac(secure.derive(self.network.key, b"hello", b""), reply)
        if datagram[0] == secure.INITIATION and len(datagram) >= secure.BARE_INITIATION:
            return self._respond(datagram)
        session = self.sessions.get(datagram[1:9])
        opened = session.open(datagram) if session else None
        if session and opened and opened[0] == secure.DATA:
            return session.seal(secure.DATA, self._answer(opened[1]))
        if session and opened and opened[1][:1] == b"\1":
            return session.seal(secure.CONTROL, b"\2" + opened[1][1:])
        return None

    def _respond(self, datagram: bytes) -> bytes | None:
        """Reads the first message of the handshake and writes the second."""
        key = self.network.initiation_key(self.identity.id)
        if not hmac.compare_digest(secure.mac(key, datagram[:-16]), datagram[-16:]):
            return None
        state = secure.Noise()
        state.mix_hash(secure.LABEL + self.identity.id + datagram[:33] + self.network.name)
        state.mix_hash(self.static)
        state.mix_key_and_hash(self.network.key)
        theirs = datagram[33:65]
        state.mix_hash(theirs)
        state.mix_key(theirs)
        state.mix_key(secure.x25519(self.identity.secret, theirs))
        their_static = state.decrypt(datagram[65:113])
        state.mix_key(secure.x25519(self.identity.secret, their_static))
        payload = state.decrypt(datagram[113:-16])
        if secure.montgomery(payload[:32]) != their_static:
            return None
        ephemeral, index = os.urandom(32), os.urandom(8)
        public = secure.x25519_public(ephemeral)
        state.mix_hash(public)
        state.mix_key(public)
        state.mix_key(secure.x25519(ephemeral, theirs))
        state.mix_key(secure.x25519(ephemeral, their_static))
        request = payload[34 : 34 + int.from_bytes(payload[32:34], "big")]
        answer = self._answer(request) if request else b""
        sealed = state.encrypt(index + b"\0" + answer)
        receive, send = state.split()
        self.sessions[index] = secure.Session(index, datagram[1:9], send, receive)
        return bytes([secure.RESPONSE]) + datagram[1:9] + public + sealed

    def _answer(self, request: bytes) -> bytes:
        fields = poly.decode(request)
        self.asked.append(int(fields[poly.TYPE]))
        head: poly.Fields = {poly.VERSION: 1, poly.TYPE: poly.ANSWER}
        head[poly.TRANSACTION] = fields[poly.TRANSACTION]
        return poly.encode({**head, **self.answer(fields)})
