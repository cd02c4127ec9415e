"""The network `poly` against a second implementation, made from its documents alone."""

import os
import pathlib
import time

import poly_peer as poly
import poly_secure as secure
from harness import Failed
from poly_liar import Liar

LIMIT_SECONDS = 60
ADDRESSES = []
HOST = "127.0.0.1"
PUBLIC = [(HOST, port) for port in range(7701, 7706)]
PRIVATE, LIAR = (HOST, 7711), (HOST, 7721)
PRIVATE_NETWORK = secure.Network(b"the club", os.urandom(32))
VECTORS = pathlib.Path(__file__).parents[2] / "crates/networks/poly/vectors"
HOUR = 3600


def run(context):
    vectors(context)
    start(context, "node-1", PUBLIC[0], "--data", context.folder("data"))
    for number, address in enumerate(PUBLIC[1:], 2):
        start(context, f"node-{number}", address, "--bootstrap", at(PUBLIC[0]))
    key_file = context.work / "club.key"
    key_file.write_text(PRIVATE_NETWORK.shared_key.hex() + "\n")
    key_file.chmod(0o600)
    club = ["--poly-name", PRIVATE_NETWORK.name.decode(), "--poly-key-file", key_file]
    start(context, "private", PRIVATE, *club)
    peer = poly.Peer(secure.Network(), HOST)
    nodes = lookups(context, peer)
    blobs(context, peer, nodes)
    records(context, peer, nodes)
    refusals(context, peer, nodes[0])
    long_values(context, peer, nodes)
    freshness(context, nodes[0])
    restart(context, peer)
    lies(context)
    private(context, club)


def at(address):
    return f"{address[0]}:{address[1]}"


def start(context, name, address, *more):
    command = [context.polykad, "serve", "--network", "poly", "--no-default-bootstrap"]
    return context.spawn(name, [*command, "--no-rate-limit", "--listen", at(address), *more])


def meet(context, peer, address):
    """The node at the address, as soon as it answers."""

    def met():
        try:
            return peer.meet(address, 0.4)
        except poly.Silent:
            return None

    contact = context.wait_until(met, 10)
    if not contact:
        raise Failed(f"no node answers at {at(address)}")
    return contact


def ours(context, *arguments, through=PUBLIC[0]):
    return context.run(*arguments, "--bootstrap", at(through), timeout=20)


def vectors(context):
    """What the reference wrote down is what this implementation makes of the same keys."""
    values, messages, keys = (read_vectors(f"{n}.txt") for n in ("values", "messages", "secure"))
    author = secure.Identity(bytes([7]) * 32)
    for name in ("record", "tombstone"):
        value = poly.decode_value(values[f"{name}-encoded"])
        made = poly.record(author, value.data, value.seq, value.expires, value.salt)
        context.equal(f"vector: {name}", made.encode(), values[f"{name}-encoded"])
    same = all(poly.encode(poly.decode(message)) == message for message in messages.values())
    context.check(f"vectors: {len(messages)} messages", same)
    network = secure.Network(keys["network_name"], keys["shared_key"])
    initiation = secure.Initiation(
        secure.Identity(keys["ed25519_secret_1"]),
        network,
        keys["id_2"],
        b"request",
        keys["initiation"][:33],
        keys["ephemeral_secret_1"],
        len(keys["initiation"]),
    )
    context.equal("vector: initiation", initiation.datagram, keys["initiation"])
    session, answer = initiation.read_response(keys["response"])
    context.equal("vector: response", answer, b"answer")
    context.equal("vector: data", session.seal(secure.DATA, b"question"), keys["data_1_to_2"])


def read_vectors(name):
    lines = (VECTORS / name).read_text().splitlines()
    pairs = (line.split(" ", 1) for line in lines if line and not line.startswith("#"))
    return {name: bytes.fromhex(value) for name, value in pairs}


def lookups(context, peer):
    nodes = [meet(context, peer, address) for address in PUBLIC]
    context.check("handshakes prove five ids", len({node.id for node in nodes}) == 5)
    shown = context.wait_until(lambda: nodes[0].id.hex() in context.log("node-1"), 5)
    context.check("the id is the one that the node shows", shown)
    context.check("ping answers with the uptime", all(peer.ping(node) < 5 for node in nodes))
    impostor = poly.Contact(nodes[1].id, nodes[0].address)
    try:
        peer.ask(impostor, {poly.TYPE: poly.PING}, seconds=0.7)
        context.check("another node's id proves nothing", False)
    except poly.Silent:
        context.check("another node's id proves nothing", True)
    everybody = {node.id for node in nodes}

    def all_found():
        return {node.id for node in peer.find(os.urandom(32), nodes[:1])} == everybody

    context.check("find names all nodes", context.wait_until(all_found, 10, 0.3))
    return nodes


def blobs(context, peer, nodes):
    data = os.urandom(900)
    put = peer.put(poly.blob(data, HOUR), nodes[:1])
    context.check("Python puts a blob", put.succeeded(swap=False), f"{put.stored} stored")
    again = peer.put_to(nodes[0], poly.blob(data, HOUR).encode())
    context.equal("put again, nothing is new", again, 0)
    got = ours(context, "get", put.key.hex(), through=PUBLIC[4])
    context.check("polykad gets it", got.code == 0 and got.out == data, got)
    path = context.work / "letter"
    path.write_bytes(b"from polykad")
    key = ours(context, "put", path, "--json").json.get("key", "")
    value = peer.get(bytes.fromhex(key), poly.BLOB, nodes[4:])
    context.equal("Python gets what polykad put", value.data, b"from polykad")
    context.check("with its lifetime", 0 < value.lifetime <= 24 * HOUR, value.lifetime)
    try:
        peer.get(os.urandom(32), poly.BLOB, nodes[:1])
        context.check("what nobody put is not found", False)
    except poly.NotFound:
        context.check("what nobody put is not found", True)


def records(context, peer, nodes):
    seed = os.urandom(32)
    author = secure.Identity(seed)
    path = context.work / "author.key"
    path.write_text(seed.hex() + "\n")
    path.chmod(0o600)
    expires = int(time.time()) + HOUR
    arguments = [author.id.hex(), "--salt", "status"]

    def swap(data, seq, expected):
        value = poly.record(author, data, seq, expires, b"status")
        return peer.put(value, nodes[:1], expected)

    def newest():
        return peer.get(poly.record_key(author.id, b"status"), poly.RECORD, nodes[2:3])

    context.check("Python sets a record, seq 1", swap(b"one", 1, 0).succeeded(swap=True))
    got = ours(context, "record", "get", *arguments)
    context.check("polykad reads it", got.code == 0 and got.out.strip() == b"one", got)
    context.check("compare and swap: 1 to 2", swap(b"two", 2, 1).succeeded(swap=True))
    again = swap(b"two", 2, 1)
    context.check("the same swap again: it is there", set(again.answers.values()) == {0}, again)
    stale = swap(b"late", 3, 1)
    context.check("a stale swap does not succeed", not stale.succeeded(swap=True), stale)
    told = {(refusal.code, refusal.detail) for refusal in stale.refusals}
    context.equal("refused: not the expected seq, which is 2", told, {(9, 2)})
    by_polykad = ["record", "set", "three", "--key-file", path, *arguments[1:], "--expect", "2"]
    done = ours(context, *by_polykad, through=PUBLIC[3])
    context.check("polykad swaps 2 to 3 with the same key", done.code == 0, done)
    value = newest()
    context.equal("Python sees it", (value.data, value.seq), (b"three", 3))
    by_polykad[2] = "late"
    late = ours(context, *by_polykad)
    context.check("polykad's stale swap fails too", late.code == 1, late)
    context.check("Python deletes it: a tombstone", swap(None, 4, 3).succeeded(swap=True))
    value = newest()
    context.equal("and reads the tombstone", (value.data, value.seq), (None, 4))
    gone = ours(context, "record", "get", *arguments)
    context.check("polykad finds it deleted", gone.code == 1 and not gone.out.strip(), gone)


def refusals(context, peer, node):
    """Each with the reason of its code."""
    author, now = secure.Identity(os.urandom(32)), int(time.time())
    good = poly.record(author, b"mine", 5, now + HOUR)
    forged = bytearray(good.encode())
    forged[forged.index(b"mine")] ^= 1
    peer.put_to(node, good.encode())
    older = poly.record(author, b"older", 4, now + HOUR)
    cases = [
        ("a forged signature", 7, bytes(forged)),
        ("an expired record", 5, poly.record(author, b"x", 6, now - 60).encode()),
        ("a record for 60 days", 6, poly.record(author, b"x", 6, now + 60 * 24 * HOUR).encode()),
        ("a blob for 60 days", 6, poly.blob(b"long-lived", 60 * 24 * HOUR).encode()),
        ("an older version", 8, older.encode()),
    ]
    for name, code, value in cases:
        fields = {poly.TYPE: poly.PUT, poly.VALUE: value}
        refused(context, f"refused: {name}", code, lambda fields=fields: peer.ask(node, fields))
    refused(context, "refused: an unknown request", 2, lambda: peer.ask(node, {poly.TYPE: 31}))
    held = peer.get_from(node, good.key, poly.RECORD)
    context.equal("and what was held is untouched", held, good)


def refused(context, name, code, act):
    try:
        answer = act()
        context.check(name, False, f"answered {answer}")
    except poly.Refused as refusal:
        told = f"code {refusal.code}: {refusal.reason}"
        context.check(name, refusal.code == code, told)


def long_values(context, peer, nodes):
    """They travel by QUIC: refused here, clearly."""
    data = os.urandom(5000)
    path = context.work / "long"
    path.write_bytes(data)
    put = ours(context, "put", path)
    context.check("polykad puts 5,000 bytes", put.code == 0, put)
    longish = poly.blob(os.urandom(poly.MAX_ROOM), HOUR)
    peer.put_to(nodes[0], longish.encode())
    acts = {
        "get of 5,000 bytes": lambda: peer.get(poly.blob(data, 0).key, poly.BLOB, nodes),
        "get of more than its room": lambda: peer.get(longish.key, poly.BLOB, nodes[:1]),
        "put of 5,000 bytes": lambda: peer.put(poly.blob(data, HOUR), nodes),
    }
    for name, act in acts.items():
        try:
            context.check(f"Python's {name} says why not", False, act())
        except poly.TooLong as reason:
            context.check(f"Python's {name} says why not", True, str(reason))


def freshness(context, node):
    """Who has a wrong clock is challenged, and gets through by the cookie."""
    wrong = poly.Peer(secure.Network(), HOST, clock=lambda: time.time() - 10 * HOUR)
    context.check("a clock ten hours slow: ping answers", wrong.ping(node) < 5)
    context.equal("after one challenge", wrong.challenges, 1)
    wrong.close()
    peer = poly.Peer(secure.Network(), HOST)
    sent = []
    peer.socket = Recorder(peer.socket, sent)
    peer.ping(node)
    before = peer.received_bytes
    peer.socket.sendto(sent[0], node.address)
    context.equal("an initiation sent again is not answered", drain(peer, 0.4), before)
    held = poly.blob(os.urandom(900), HOUR)
    peer.put_to(node, held.encode())
    peer.close()
    stranger = poly.Peer(secure.Network(), HOST)
    got = stranger.get_from(node, held.key, poly.BLOB)
    context.equal("more than a first request's bytes comes once we are heard", got.data, held.data)
    context.equal("without a challenge", stranger.challenges, 0)
    stranger.close()


class Recorder:
    """A socket that remembers what it sent."""

    def __init__(self, socket, sent):
        self.socket, self.sent = socket, sent

    def sendto(self, datagram, address):
        self.sent.append(datagram)
        self.socket.sendto(datagram, address)

    def __getattr__(self, name):
        return getattr(self.socket, name)


def drain(peer, seconds):
    """All bytes that the peer has received so far, after listening for a while."""
    peer.socket.settimeout(seconds)
    try:
        while True:
            peer.received_bytes += len(peer.socket.recvfrom(2048)[0])
    except TimeoutError:
        return peer.received_bytes


def restart(context, peer):
    """A session that the node has lost is made anew by its challenge."""
    node = meet(context, peer, PUBLIC[0])
    process = context.processes[0]
    process.terminate()
    process.wait()
    start(context, "node-1", PUBLIC[0], "--data", context.folder("data"))
    before = peer.challenges
    context.wait_until(lambda: context.log("node-1").count("ready;") == 2, 10)
    context.check("a node that restarted answers in its lost session", peer.ping(node) < 5)
    context.equal("after a challenge", peer.challenges, before + 1)


def lies(context):
    """A node that answers with values of other keys is believed by neither side."""
    author = secure.Identity(os.urandom(32))
    true = poly.record(author, b"true", 1, int(time.time()) + HOUR)
    forged = poly.record(secure.Identity(os.urandom(32)), b"false", 9, true.expires)
    forged = poly.Value(poly.RECORD, b"false", 0, author.id, b"", 9, true.expires, forged.signature)
    lie = {poly.BLOB: poly.blob(b"not it", HOUR), poly.RECORD: forged}

    def answer(fields):
        if fields[poly.TYPE] == poly.GET:
            return {poly.VALUE: lie[fields.get(poly.KIND, 0)].encode()}
        return {}

    liar = Liar(secure.Network(), LIAR, answer)
    peer = poly.Peer(secure.Network(), HOST)
    node = meet(context, peer, LIAR)
    key = poly.blob(b"it", HOUR).key
    for name, key, kind in [("wrong hash", key, poly.BLOB), ("forged record", true.key, 1)]:
        try:
            context.check(f"{name}: Python refuses it", False, peer.get_from(node, key, kind))
        except poly.Malformed as reason:
            context.check(f"{name}: Python refuses it", True, str(reason))
    asks = [("wrong hash", "get", poly.blob(b"it", 0).key), ("forged record", "record", author.id)]
    for name, command, key in asks:
        words = ["record", "get"] if command == "record" else [command]
        liar.asked.clear()
        got = ours(context, *words, key.hex(), "--timeout", "3s", through=LIAR)
        refused = got.code == 1 and not got.out
        context.check(f"{name}: polykad refuses it", refused and poly.GET in liar.asked, got)
    peer.close()
    liar.close()


def private(context, club):
    """With the shared key as in public; without it not one byte."""
    member = poly.Peer(PRIVATE_NETWORK, HOST)
    node = meet(context, member, PRIVATE)
    put = member.put(poly.blob(b"for members", HOUR), [node])
    context.check("private: Python puts", put.succeeded(swap=False))
    got = ours(context, "get", put.key.hex(), *club, through=PRIVATE)
    context.check("private: polykad gets it", got.out == b"for members", got)
    outsiders = {
        "a wrong shared key": secure.Network(PRIVATE_NETWORK.name, os.urandom(32)),
        "the public key": secure.Network(PRIVATE_NETWORK.name),
        "another name": secure.Network(b"polykad", PRIVATE_NETWORK.shared_key),
    }
    for name, network in outsiders.items():
        outsider = poly.Peer(network, HOST)
        for act in (
            lambda: outsider.meet(PRIVATE, 0.2),
            lambda: outsider.ask(node, {poly.TYPE: poly.PING}, 0.2),
        ):
            try:
                act()
            except poly.Silent:
                pass
        for kind in range(256):
            outsider.socket.sendto(bytes([kind]) + os.urandom(199), PRIVATE)
        context.equal(f"private: to {name} not one byte", drain(outsider, 0.3), 0)
        outsider.close()
    context.check("private: and members are still answered", member.ping(node) < 5)
    member.close()
