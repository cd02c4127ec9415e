"""A small KRPC client: it asks real nodes what they know, and sends what no honest client would.

Independent of Polykad's own code on purpose: two encoders that agree prove more than one.
BEP 5 (messages), BEP 32 (nodes6), BEP 44 (put, get).
"""

import hashlib
import os
import socket
import time


def encode(value):
    """Bencodes; dictionary keys are sorted as BEP 3 demands."""
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, (bytes, bytearray)):
        return b"%d:%s" % (len(value), bytes(value))
    if isinstance(value, list):
        return b"l" + b"".join(encode(item) for item in value) + b"e"
    items = sorted((k.encode() if isinstance(k, str) else k, v) for k, v in value.items())
    return b"d" + b"".join(encode(k) + encode(v) for k, v in items) + b"e"


def decode(data):
    """Decodes one element; trailing bytes are an error."""
    value, end = _decode(data, 0)
    if end != len(data):
        raise ValueError(f"{len(data) - end} trailing bytes")
    return value


def _decode(data, at):
    kind = data[at : at + 1]
    if kind == b"i":
        end = data.index(b"e", at)
        return int(data[at + 1 : end]), end + 1
    if kind == b"l":
        items, at = [], at + 1
        while data[at : at + 1] != b"e":
            item, at = _decode(data, at)
            items.append(item)
        return items, at + 1
    if kind == b"d":
        entries, at = {}, at + 1
        while data[at : at + 1] != b"e":
            key, at = _decode(data, at)
            entries[key], at = _decode(data, at)
        return entries, at + 1
    colon = data.index(b":", at)
    start = colon + 1
    end = start + int(data[at:colon])
    if end > len(data):
        raise ValueError("string runs past the end")
    return data[start:end], end


def contacts(answer):
    """The (id, (host, port)) of an answer's `nodes` and `nodes6`."""
    found = []
    for key, size, family in ((b"nodes", 26, socket.AF_INET), (b"nodes6", 38, socket.AF_INET6)):
        packed = answer.get(b"r", {}).get(key, b"")
        for at in range(0, len(packed) - size + 1, size):
            node = packed[at : at + size]
            host = socket.inet_ntop(family, node[20:-2])
            found.append((node[:20], (host, int.from_bytes(node[-2:], "big"))))
    return found


def peers(answer):
    """The (host, port) of an answer's `values`."""
    found = []
    for packed in answer.get(b"r", {}).get(b"values", []):
        family = socket.AF_INET if len(packed) == 6 else socket.AF_INET6
        found.append((socket.inet_ntop(family, packed[:-2]), int.from_bytes(packed[-2:], "big")))
    return found


def immutable_target(value):
    """The key of a value (BEP 44)."""
    return hashlib.sha1(encode(value)).digest()


def mutable_target(public_key, salt=b""):
    """The key of a signed item (BEP 44)."""
    return hashlib.sha1(public_key + salt).digest()


def signable(value, seq, salt=b""):
    """What BEP 44 signs."""
    prefix = b"4:salt" + encode(salt) if salt else b""
    return prefix + b"3:seq" + encode(seq) + b"1:v" + encode(value)


class Client:
    """One socket with an id that asks, and answers while it waits so that others keep it.

    `answer(message, source)` makes what a query is answered with: a dictionary or raw bytes to
    send, or None for silence. `answers=False` never answers.
    """

    def __init__(self, host, port=0, node_id=None, answers=True, answer=None):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.bind((host, port))
        self.node_id = node_id or os.urandom(20)
        self.answer = answer or self.plain_answer if answers else lambda message, source: None
        self.received_queries = []

    @property
    def address(self):
        return self.socket.getsockname()[:2]

    def close(self):
        self.socket.close()

    def query(self, to, method, arguments=None, timeout=2.0, tid=None, top=None):
        """The answer or error message of a query, or None."""
        tid = os.urandom(4) if tid is None else tid
        body = {"id": self.node_id, **(arguments or {})}
        message = {"t": tid, "y": "q", "q": method, "a": body, **(top or {})}
        return self.exchange(to, encode(message), tid, timeout)

    def exchange(self, to, datagram, tid, timeout=2.0):
        """Sends raw bytes; the first answer from `to` with that transaction id, or None."""
        self.socket.sendto(datagram, to)
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                data, source = self.socket.recvfrom(65536)
            except TimeoutError:
                return None
            except ConnectionError:
                continue
            message = self._receive(data, source)
            if message is not None and source[:2] == tuple(to[:2]) and message.get(b"t") == tid:
                message["bytes"] = len(data)
                return message
        return None

    def plain_answer(self, message, source):
        """What a node that knows nobody says."""
        answer = {"id": self.node_id}
        if message.get(b"q") in (b"find_node", b"get_peers", b"get"):
            answer["nodes"] = b""
        if message.get(b"q") in (b"get_peers", b"get"):
            answer["token"] = b"interop!"
        return {"t": message[b"t"], "y": "r", "r": answer}

    def serve_until(self, stop):
        """Answers others until the event is set; for a thread of its own."""
        while not stop.is_set():
            self.serve(0.1)

    def serve(self, seconds):
        """Answers others for a while."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                data, source = self.socket.recvfrom(65536)
            except (TimeoutError, ConnectionError):
                continue
            self._receive(data, source)

    def _receive(self, data, source):
        """The message if it is an answer or error; queries are answered here."""
        try:
            message = decode(data)
        except (ValueError, IndexError):
            return None
        if not isinstance(message, dict):
            return None
        if message.get(b"y") == b"q":
            self.received_queries.append((source, message))
            reply = self.answer(message, source)
            if reply is not None:
                reply = reply if isinstance(reply, bytes) else encode(reply)
                self.socket.sendto(reply, source)
            return None
        return message

    # The usual queries, answers as decoded messages.

    def ping(self, to, **options):
        return self.query(to, "ping", **options)

    def find_node(self, to, target, want=None, **options):
        more = {"want": want} if want else {}
        return self.query(to, "find_node", {"target": target, **more}, **options)

    def token_for(self, to, info_hash, method="get_peers"):
        """A write token."""
        key = "info_hash" if method == "get_peers" else "target"
        answer = self.query(to, method, {key: info_hash})
        return (answer or {}).get(b"r", {}).get(b"token")

    def announce(self, to, info_hash, port, token=None, **more):
        token = token or self.token_for(to, info_hash) or b""
        arguments = {"info_hash": info_hash, "port": port, "token": token, **more}
        return self.query(to, "announce_peer", arguments)

    def put(self, to, arguments, target, token=None):
        token = token or self.token_for(to, target, "get") or b""
        return self.query(to, "put", {"token": token, "target": target, **arguments})

    def put_immutable(self, to, value):
        return self.put(to, {"v": value}, immutable_target(value))

    def put_mutable(self, to, key, value, seq, salt=b"", **more):
        signature = more.pop("sig", None) or key.sign(signable(value, seq, salt))
        arguments = {"v": value, "k": key.public, "seq": seq, "sig": signature, **more}
        if salt:
            arguments["salt"] = salt
        return self.put(to, arguments, mutable_target(key.public, salt))


def error_code(message):
    """The code of an error message, or None."""
    parts = (message or {}).get(b"e")
    return parts[0] if isinstance(parts, list) and parts else None
