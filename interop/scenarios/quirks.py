"""What others do wrongly or differently, and what each query must be answered with.

Raw messages against `polykad serve`, and `polykad mainline` against nodes that misbehave. The
numbers are those of the list of traps in docs/mainline.md.
"""

import hashlib
import os
import threading

import krpc
from ed25519 import Key
from harness import split_address

LIMIT_SECONDS = 180
ADDRESSES = ["10.77.0.1/16"]
SERVER = "10.77.4.1:6881"
ADDRESS = split_address(SERVER)
# What fits a datagram on any path: 1,500 bytes less the headers of IPv6 and UDP.
MAX_ANSWER_BYTES = 1452


def run(context):
    context.serve("polykad", SERVER, more=["--no-rate-limit"])
    client = krpc.Client("10.77.9.1")
    transactions(context, client)
    malformed(context, client)
    answers(context, client)
    errors(context, client)
    items(context, client)
    announcements(context, client)
    read_only(context, client)
    outgoing(context)
    alive = client.ping(ADDRESS)
    context.check("after all this it answers", alive and b"r" in alive)
    client.close()


def transactions(context, client):
    """Trap 1: any length of transaction id is echoed; answers nobody asked for get no answer."""
    for length in (1, 2, 4, 8, 16):
        tid = os.urandom(length)
        answer = client.ping(ADDRESS, tid=tid)
        context.check(f"a transaction id of {length} bytes is echoed", answer and b"r" in answer)
    for kind in ({"y": "r", "r": {"id": os.urandom(20)}}, {"y": "e", "e": [201, "no"]}):
        tid = os.urandom(4)
        reply = client.exchange(ADDRESS, krpc.encode({"t": tid, **kind}), tid, timeout=0.5)
        context.check(f"an unasked {kind['y']} message is met with silence", reply is None, reply)


def malformed(context, client):
    """Trap 5 and worse: what it can't read it ignores or calls a protocol error."""
    node_id = client.node_id
    unsorted = b"d1:y1:q1:t4:abcd1:q4:ping1:ad2:id20:" + node_id + b"ee"
    answer = client.exchange(ADDRESS, unsorted, b"abcd")
    context.check("unsorted keys are read", answer and b"r" in answer, answer)
    good = b"d1:ad2:id20:" + node_id + b"e1:q4:ping1:t4:abcd1:y1:qe"
    spoilt = {
        "trailing bytes": good + b"junk",
        "no message type": b"d1:ad2:id20:" + node_id + b"e1:q4:ping1:t4:abcde",
        "an id of 19 bytes": b"d1:ad2:id19:" + node_id[:19] + b"e1:q4:ping1:t4:abcd1:y1:qe",
        "no id": b"d1:ade1:q4:ping1:t4:abcd1:y1:qe",
        "no arguments": b"d1:q4:ping1:t4:abcd1:y1:qe",
        "a list": b"li1ei2ee",
        "a cut message": good[:-7],
        "a length beyond the end": b"d1:ad2:id99999999999:" + node_id,
        "a negative length": b"d1:ad2:id-1:" + node_id + b"e1:q4:ping1:t4:abcd1:y1:qe",
        "30,000 lists in each other": b"l" * 30_000 + b"e" * 30_000,
        "60,000 bytes": b"d1:ad2:id20:" + node_id + b"e1:x60000:" + bytes(60_000) + b"e",
        "nothing": b"",
        "zeros": bytes(100),
        "noise": os.urandom(400),
        "a huge integer": b"d1:ai" + b"9" * 400 + b"e1:q4:ping1:t4:abcd1:y1:qe",
    }
    for name, datagram in spoilt.items():
        reply = client.exchange(ADDRESS, datagram, b"abcd", timeout=0.2)
        code = krpc.error_code(reply)
        tolerated = name in ("trailing bytes", "no message type") and reply and b"r" in reply
        fine = reply is None or code in (201, 203) or tolerated
        context.check(f"{name}: silence or error 203", fine, reply if not fine else "")
    alive = client.ping(ADDRESS)
    context.check("malformed messages leave it unharmed", alive and b"r" in alive)


def answers(context, client):
    """What an answer has in it."""
    answer = client.ping(ADDRESS)
    context.check("answers name our version", len(answer.get(b"v", b"")) == 4, answer.get(b"v"))
    context.check("answers tell the asker's address", len(answer.get(b"ip", b"")) == 6)
    tid = os.urandom(4)
    unknown = client.query(ADDRESS, "no_such_method", {}, tid=tid)
    context.equal("an unknown method: error 204", krpc.error_code(unknown), 204)
    # Later methods with a target may be answered as find_node (BEP 5's forward compatibility).
    sample = client.query(ADDRESS, "sample_infohashes", {"target": os.urandom(20)})
    fields = set((sample or {}).get(b"r", {}))
    wanted = {b"interval", b"num", b"samples", b"nodes"}
    context.check("sample_infohashes has BEP 51's fields", wanted <= fields, fields)


def errors(context, client):
    """BEP 5: 203 for bad arguments and tokens."""
    info_hash = os.urandom(20)
    token = client.token_for(ADDRESS, info_hash)
    context.check("get_peers brings a token", token)
    cases = {
        "announce with a made-up token": ("announce_peer", {"token": b"nonsense"}),
        "announce without a token": ("announce_peer", {"token": None}),
        "announce of port 0": ("announce_peer", {"port": 0}),
        "announce of port 65536": ("announce_peer", {"port": 65536}),
        "announce without an info-hash": ("announce_peer", {"info_hash": None}),
        "announce of a short info-hash": ("announce_peer", {"info_hash": b"short"}),
    }
    for name, (method, change) in cases.items():
        usual = {"info_hash": info_hash, "port": 1234, "token": token, **change}
        arguments = {key: value for key, value in usual.items() if value is not None}
        reply = client.query(ADDRESS, method, arguments)
        context.equal(f"{name}: error 203", krpc.error_code(reply), 203)
    for method, key in (("find_node", "target"), ("get_peers", "info_hash"), ("get", "target")):
        reply = client.query(ADDRESS, method, {key: b"short"}, timeout=0.5)
        context.equal(f"{method} of a short target: error 203", krpc.error_code(reply), 203)
    thief = krpc.Client("10.77.9.2")
    stolen = thief.announce(ADDRESS, info_hash, 1234, token=token)
    context.equal("another's token: error 203", krpc.error_code(stolen), 203)
    thief.close()


def items(context, client):
    """BEP 44's answers and error codes."""
    reply = client.put_immutable(ADDRESS, b"v" * 996)
    context.check("a value of 1,000 bytes bencoded is stored", reply and b"r" in reply, reply)
    reply = client.put_immutable(ADDRESS, b"v" * 997)
    context.equal("a value of 1,001 bytes: error 205", krpc.error_code(reply), 205)
    for value in (12, [b"a", 1], {b"k": b"v"}):
        target = krpc.immutable_target(value)
        client.put_immutable(ADDRESS, value)
        got = client.query(ADDRESS, "get", {"target": target})
        same = (got or {}).get(b"r", {}).get(b"v")
        context.equal(f"any bencoded value is kept as it is: {value!r}", same, value)
    key, salt = Key(os.urandom(32)), b"salt"
    target = krpc.mutable_target(key.public, salt)

    def put(name, expected, value, seq, salt=salt, **more):
        reply = client.put_mutable(ADDRESS, key, value, seq, salt, **more)
        context.equal(name, krpc.error_code(reply) if reply else "silence", expected)

    put("a signed item is stored", None, b"one", 5)
    put("the same again is stored", None, b"one", 5)
    put("a lower seq: error 302", 302, b"old", 4)
    put("the same seq with another value: error 302", 302, b"other", 5)
    put("a wrong cas: error 301", 301, b"two", 6, cas=4)
    put("the right cas is stored", None, b"two", 6, cas=5)
    put("a wrong signature: error 206", 206, b"three", 7, sig=os.urandom(64))
    put("a salt of 65 bytes: error 207", 207, b"three", 7, salt=b"s" * 65)
    put("a salt of 64 bytes is stored", None, b"three", 7, salt=b"s" * 64)
    put("a value of 1,001 bytes: error 205", 205, b"v" * 997, 8)
    got = client.query(ADDRESS, "get", {"target": target})[b"r"]
    context.equal("get has the newest", (got.get(b"v"), got.get(b"seq")), (b"two", 6))
    context.equal("with its key", got.get(b"k"), key.public)
    newer = client.query(ADDRESS, "get", {"target": target, "seq": 6})[b"r"]
    bare = b"v" not in newer and newer.get(b"seq") == 6
    context.check("get of a seq above 6 has the seq alone", bare, newer)
    # Trap 2: put without the redundant target is fine too.
    value = b"no target"
    token = client.token_for(ADDRESS, krpc.immutable_target(value), "get")
    reply = client.query(ADDRESS, "put", {"token": token, "v": value})
    context.check("put without target is stored", reply and b"r" in reply, reply)


def announcements(context, client):
    """implied_port, both families of limits, scrape filters."""
    info_hash = os.urandom(20)
    client.announce(ADDRESS, info_hash, 1, implied_port=1)
    answer = client.query(ADDRESS, "get_peers", {"info_hash": info_hash})
    context.equal("implied_port is the sender's", krpc.peers(answer), [client.address])
    keys = set(answer[b"r"])
    context.check("values and nodes and token together", {b"values", b"token"} <= keys, keys)
    others = [krpc.Client(f"10.77.20.{n}") for n in range(1, 201)]
    for number, other in enumerate(others):
        other.announce(ADDRESS, info_hash, 2000, **({"seed": 1} if number < 50 else {}))
    answer = client.query(ADDRESS, "get_peers", {"info_hash": info_hash})
    count, size = len(krpc.peers(answer)), answer["bytes"]
    context.check("many peers, in one datagram", count >= 20 and size <= MAX_ANSWER_BYTES,
                  f"{count} peers, {size} bytes")
    scrape = client.query(ADDRESS, "get_peers", {"info_hash": info_hash, "scrape": 1})[b"r"]
    seeds, downloaders = scrape.get(b"BFsd", b""), scrape.get(b"BFpe", b"")
    context.equal("scrape has filters of 256 bytes", (len(seeds), len(downloaders)), (256, 256))
    in_filters = all(
        has_bits(seeds if number < 50 else downloaders, other.address[0])
        for number, other in enumerate(others)
    )
    context.check("each peer is in its filter (BEP 33)", in_filters)
    for other in others:
        other.close()


def has_bits(bloom, host):
    """Whether BEP 33's two bits for an address are set."""
    digest = hashlib.sha1(bytes(int(part) for part in host.split("."))).digest()
    bits = [(digest[0] | digest[1] << 8) % 2048, (digest[2] | digest[3] << 8) % 2048]
    return len(bloom) == 256 and all(bloom[bit // 8] >> bit % 8 & 1 for bit in bits)


def read_only(context, client):
    """BEP 43: one who says that it does not answer is served and not kept."""
    quiet = krpc.Client("10.77.30.1", answers=False)
    for _ in range(3):
        answer = quiet.find_node(ADDRESS, os.urandom(20), top={"ro": 1})
    context.check("a read-only asker is answered", answer and b"r" in answer)
    listed = krpc.contacts(client.find_node(ADDRESS, quiet.node_id) or {})
    context.check("and not kept", quiet.node_id not in [node_id for node_id, _ in listed])
    quiet.close()


class Fake:
    """A node under our control that answers in a thread of its own."""

    def __init__(self, host, change=lambda message, reply: reply):
        self.change = change
        self.client = krpc.Client(host, 6881, answer=self.reply)
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.client.serve_until, args=(self.stop,))
        self.thread.start()
        self.address = f"{host}:6881"

    def reply(self, message, source):
        return self.change(message, self.client.plain_answer(message, source))

    def queries(self, method):
        return [m for _, m in self.client.received_queries if m.get(b"q") == method]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()
        self.client.close()


def outgoing(context):
    """What we send, and what we make of others' answers."""
    with Fake("10.77.40.1") as fake:
        put = context.mainline("put", "to a fake", bootstrap=[fake.address])
        context.check("a put through one node", put.code == 0, put)
        queries = [message for _, message in fake.client.received_queries]
        lengths = {len(message[b"t"]) for message in queries}
        context.equal("trap 1: our transaction ids have 4 bytes", lengths, {4})
        puts = fake.queries(b"put")
        target = krpc.immutable_target(b"to a fake")
        named = puts and all(message[b"a"].get(b"target") == target for message in puts)
        context.check("trap 2: our put names its target", named)
        tokens = {message[b"a"].get(b"token") for message in puts}
        context.equal("with the node's token", tokens, {b"interop!"})
    with Fake("10.77.40.2", without_token) as fake:
        put = context.mainline("put", "no token", bootstrap=[fake.address])
        context.check("trap 3: no token, nothing stored, an error", put.code == 1, put)
    with Fake("10.77.40.3", big_answer) as fake:
        found = context.mainline("get-peers", os.urandom(20).hex(), bootstrap=[fake.address])
        context.check("trap 5: an answer of 2.6 kB is read", "10.77.50." in found.text, found)
    with Fake("10.77.40.4", unsorted_answer) as fake:
        ping = context.mainline("ping", fake.address)
        context.check("trap 5: an unsorted answer is read", ping.code == 0, ping)
    with Fake("10.77.40.5", without_type) as fake:
        ping = context.mainline("ping", fake.address)
        context.check("trap 5: an answer without its type is read", ping.code == 0, ping)
    repeated(context)
    liars(context)


def repeated(context):
    """Trap 4: one node that refuses the same seq again does not spoil the others' yes."""
    key_file = context.work / "again.key"
    key_file.write_text(os.urandom(32).hex() + "\n")
    arguments = ["again", "--key-file", key_file, "--seq", 1]
    with Fake("10.77.40.6", refuse_put(302)) as strict, Fake("10.77.40.7") as easy:
        put = context.mainline("put", *arguments, bootstrap=[strict.address, easy.address])
        context.check("trap 4: 302 of one, yes of the other", put.code == 0, put)
    with Fake("10.77.40.8", refuse_put(206)) as refusing:
        put = context.mainline("put", *arguments, bootstrap=[refusing.address])
        context.check("trap 6: the refusal's code is told", put.code == 1 and "206" in put.text, put)


def liars(context):
    """Values are checked against their key by everyone who touches them."""
    with Fake("10.77.40.9", forged_value) as fake:
        got = context.mainline("get", os.urandom(20).hex(), bootstrap=[fake.address])
        context.check("a value that does not hash to its key is not found", got.code == 1, got)
    key = Key(os.urandom(32))
    with Fake("10.77.40.10", forged_item(key.public)) as fake:
        got = context.mainline("get", "--public-key", key.public.hex(), bootstrap=[fake.address])
        context.check("an item with a wrong signature is not found", got.code == 1, got)


def without_token(message, reply):
    reply["r"].pop("token", None)
    return reply


def big_answer(message, reply):
    if message.get(b"q") == b"get_peers":
        node = b"".join(
            os.urandom(20) + bytes([10, 77, 50, n]) + (6881).to_bytes(2, "big") for n in range(100)
        )
        reply["r"]["nodes"] = node
        reply["r"]["values"] = [bytes([10, 77, 50, 1, 0, 80])]
    return reply


def unsorted_answer(message, reply):
    body = b"d2:id20:" + reply["r"]["id"] + b"e"
    return b"d1:y1:r1:t" + krpc.encode(message[b"t"]) + b"1:r" + body + b"e"


def without_type(message, reply):
    reply.pop("y")
    return reply


def refuse_put(code):
    def change(message, reply):
        if message.get(b"q") != b"put":
            return reply
        return {"t": message[b"t"], "y": "e", "e": [code, "refused by a test"]}

    return change


def forged_value(message, reply):
    if message.get(b"q") == b"get":
        reply["r"]["v"] = b"forged"
    return reply


def forged_item(public_key):
    def change(message, reply):
        if message.get(b"q") == b"get":
            reply["r"].update({"v": b"forged", "k": public_key, "seq": 9, "sig": os.urandom(64)})
        return reply

    return change
