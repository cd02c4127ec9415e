"""A DHT of 21 and more real nodes of three implementations, plus five of ours.

Each of ours must be in the others' routing tables, and what one side stores the other side reads:
immutable and mutable items, announcements, scrapes and samples; conflicts are errors that name the
winning seq.
"""

import os
import time

import krpc
import peers
from ed25519 import Key
from harness import split_address

LIMIT_SECONDS = 420
ADDRESSES = ["10.77.0.1/16"]
LIBTORRENTS = [f"10.77.1.{n}:6881" for n in range(1, 11)]
ARIA2S = [f"10.77.2.{n}:6881" for n in range(1, 7)]
TRANSMISSIONS = [f"10.77.3.{n}:6881" for n in range(1, 6)]
OURS = [f"10.77.4.{n}:6881" for n in range(1, 6)]
KINDS = {"libtorrent": LIBTORRENTS, "aria2": ARIA2S, "transmission": TRANSMISSIONS}
REAL = LIBTORRENTS + ARIA2S + TRANSMISSIONS
SETTLE_SECONDS = 90


def run(context):
    swarm = start(context)
    membership(context)
    immutable(context, swarm)
    mutable(context, swarm)
    conflicts(context, swarm)
    announcements(context, swarm)
    samples(context, swarm)


def start(context):
    """All nodes; every one is told of two or three others of any kind."""
    sessions = [peers.Libtorrent(address) for address in LIBTORRENTS]
    for number, session in enumerate(sessions):
        session.add_nodes(LIBTORRENTS[number - 1], OURS[number % 5], TRANSMISSIONS[number % 5])
    for number, address in enumerate(OURS):
        context.serve(f"ours-{number}", address, bootstrap=[LIBTORRENTS[number]], wait=False)
    for number, address in enumerate(ARIA2S):
        host, port = split_address(address)
        link = peers.magnet(os.urandom(20))
        folder = context.work / f"aria2-{number}"
        peers.Aria2(context, f"aria2-{number}", host, port, link, folder, OURS[number % 5])
    for number, address in enumerate(TRANSMISSIONS):
        host, port = split_address(address)
        known = LIBTORRENTS[:6] + OURS + ARIA2S
        peers.Transmission(context, f"transmission-{number}", host, port, known)
    return sessions


def membership(context):
    """Waits until the network has formed, then asks everyone for each of ours."""
    client = krpc.Client("10.77.9.1", answers=False)
    read_only = {"top": {"ro": 1}}
    answering = {}

    def all_answer():
        for address in set(REAL + OURS) - set(answering):
            answer = client.ping(split_address(address), timeout=0.2, **read_only)
            if answer and b"r" in answer:
                answering[address] = answer[b"r"][b"id"]
        return len(answering) == len(REAL + OURS)

    context.wait_until(all_answer, SETTLE_SECONDS)
    silent = sorted(set(REAL + OURS) - set(answering))
    context.check(f"{len(REAL)} real nodes and {len(OURS)} of ours answer", not silent, silent or "")
    known_by = {}

    def ask_around():
        for ours in OURS:
            node_id = answering.get(ours)
            if node_id is None:
                continue
            for other in set(REAL) - known_by.setdefault(ours, set()):
                answer = client.find_node(split_address(other), node_id, timeout=0.5, **read_only)
                listed = krpc.contacts(answer or {})
                if (node_id, split_address(ours)) in listed:
                    known_by[ours].add(other)
        each = all(known_enough(known_by.get(ours, set())) for ours in OURS)
        return each and all(count_known(known_by, kind) >= 2 for kind in KINDS.values())

    context.wait_until(ask_around, SETTLE_SECONDS, 1)
    for ours in OURS:
        known = known_by.get(ours, set())
        tally = ", ".join(
            f"{len(known & set(kind))}/{len(kind)} {name}"
            for name, kind in KINDS.items()
        )
        context.check(f"{ours} is in the others' routing tables", known_enough(known), tally)
    for name, kind in KINDS.items():
        count = count_known(known_by, kind)
        context.check(f"{name} knows of ours", count >= 2, f"{count} of {len(OURS)}")
    client.close()


def count_known(known_by, kind):
    """How many of ours the nodes of one implementation know."""
    return sum(1 for known in known_by.values() if known & set(kind))


def known_enough(known):
    """By half of all and by two implementations: with 25 nodes, the far half of them competes for
    eight places in most tables, so that no node is in all."""
    kinds = sum(1 for kind in KINDS.values() if known & set(kind))
    return len(known) >= len(REAL) // 2 and kinds >= 2


def immutable(context, sessions):
    put = context.mainline("put", "from polykad", bootstrap=[LIBTORRENTS[3]])
    key = bytes.fromhex(put.json.get("key", ""))
    context.check("put, immutable", put.code == 0 and put.json.get("acknowledged", 0) >= 4, put)
    context.equal("its key is the SHA-1", key, krpc.immutable_target(b"from polykad"))
    context.equal("libtorrent reads it", sessions[7].find_immutable(key), b"from polykad")
    target, stored = sessions[2].put_immutable(b"from libtorrent")
    context.check("libtorrent puts, immutable", stored >= 1, f"{stored} nodes")
    context.equal("we read it", value_of(context, target.hex()), b"from libtorrent")
    missing = context.mainline("get", os.urandom(20).hex(), bootstrap=[OURS[0]])
    context.check("a key nobody has: code 1", missing.code == 1 and missing.seconds < 30, missing)


def value_of(context, *what):
    """What `polykad mainline get` writes."""
    arguments = ["mainline", "get", *what, "--no-default-bootstrap", "--bootstrap", LIBTORRENTS[5]]
    result = context.run(*arguments)
    return result.out if result.code == 0 else str(result)


def key_file(context, name):
    """A key pair and the file that `--key-file` reads it from."""
    key = Key(os.urandom(32))
    path = context.work / f"{name}.key"
    path.write_text(key.seed.hex() + "\n")
    path.chmod(0o600)
    return key, path


def put_signed(context, value, path, seq, *more, through=OURS[2]):
    arguments = [value, "--key-file", path, "--seq", seq, *more]
    return context.mainline("put", *arguments, bootstrap=[through])


def mutable(context, sessions):
    key, path = key_file(context, "author")
    for salt in (b"", b"a salt"):
        name = "mutable, salted" if salt else "mutable"
        salted = ["--salt", salt.decode()] if salt else []
        put = put_signed(context, "version 1", path, 1, *salted, through=LIBTORRENTS[1])
        context.check(f"put, {name}", put.code == 0 and put.json.get("acknowledged", 0) >= 4, put)
        target = krpc.mutable_target(key.public, salt).hex()
        context.equal(f"{name}: its key", put.json.get("key"), target)
        found = sessions[6].find_mutable(key.public, salt)
        context.equal(f"{name}: libtorrent reads it", found, (b"version 1", 1))
        put = put_signed(context, "version 2", path, 2, *salted)
        context.check(f"{name}: a higher seq replaces it", put.code == 0, put)
        found = sessions[4].find_mutable(key.public, salt)
        context.equal(f"{name}: libtorrent reads the newer", found, (b"version 2", 2))
        other, _ = key_file(context, "other")
        seq, stored = sessions[3].put_mutable(other, b"libtorrent signs", salt)
        context.check(f"libtorrent puts, {name}", stored >= 1, f"seq {seq}, {stored} nodes")
        what = ["--public-key", other.public.hex(), *salted]
        context.equal(f"{name}: we read it", value_of(context, *what), b"libtorrent signs")


def conflicts(context, sessions):
    key, path = key_file(context, "conflict")
    put_signed(context, "seq 5", path, 5)
    low = put_signed(context, "seq 3", path, 3)
    context.check("a lower seq is an error naming seq 5", names_seq(low, 5), low)
    wrong = put_signed(context, "seq 6", path, 6, "--cas", 4)
    context.check("a wrong cas is an error naming seq 5", names_seq(wrong, 5), wrong)
    right = put_signed(context, "seq 6", path, 6, "--cas", 5)
    context.check("the right cas is stored", right.code == 0, right)
    found = sessions[8].find_mutable(key.public)
    context.equal("libtorrent sees the winner", found, (b"seq 6", 6))
    seq, _ = sessions[8].put_mutable(key, b"libtorrent wins")
    late = put_signed(context, "seq 6 again", path, 6)
    context.check(f"against libtorrent's seq {seq}: an error naming it", names_seq(late, seq), late)


def names_seq(result, seq):
    return result.code == 1 and str(seq) in str(result.json.get("error", "")) + result.err


def announcements(context, sessions):
    info_hash = os.urandom(20)
    for_seconds = 40
    arguments = ["announce", info_hash.hex(), "--port", 4711, "--for", for_seconds, "--json"]
    arguments += ["--no-default-bootstrap", "--bootstrap", ARIA2S[0], "--seed"]
    announcer = context.spawn("announcer", [context.polykad, "mainline", *arguments])
    time.sleep(5)
    found = sessions[5].find_peers(info_hash)
    context.check("libtorrent finds the peer we announced", has_port(found, 4711), found)
    got = context.mainline("get-peers", info_hash.hex(), bootstrap=[TRANSMISSIONS[1]])
    context.check("we find it too", got.code == 0 and "4711" in str(got.json.get("peers")), got)
    scrape = context.mainline("scrape", info_hash.hex(), bootstrap=[LIBTORRENTS[0]])
    seeds = scrape.json.get("seeds", -1)
    context.check("scrape estimates one seed", scrape.code == 0 and 0.5 < seeds < 2, scrape)
    announcer.wait(for_seconds + 20)
    context.check("announce ends by itself with code 0", announcer.returncode == 0)

    other = os.urandom(20)
    sessions[0].announce(other, 4712)
    named, got = context.find_peer(other, "10.77.1.1:4712", OURS[4])
    context.check("we find the peer libtorrent announced", named, got)


def has_port(found, port):
    return any(peer[1] == port for peer in found)


def samples(context, sessions):
    near = context.mainline("sample", OURS[0], bootstrap=[OURS[0]])
    context.check("sample of one of ours", near.code == 0, near)
    theirs = context.mainline("sample", LIBTORRENTS[0], bootstrap=[LIBTORRENTS[0]])
    context.check("sample of libtorrent", theirs.code == 0, theirs)
    walk = context.mainline("sample", os.urandom(20).hex(), bootstrap=[LIBTORRENTS[2]])
    context.check("sample along a lookup", walk.code == 0, walk)
    alert = sessions[1].sample(split_address(OURS[1]), os.urandom(20))
    context.check("libtorrent samples one of ours", alert is not None and alert.num_samples >= 0)
