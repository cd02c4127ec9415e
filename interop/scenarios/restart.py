"""kill -9 under load: the same id, what was acknowledged a second before, and a warm table."""

import os
import signal
import socket
import threading
import time

import krpc
import peers
from ed25519 import Key
from harness import split_address

LIMIT_SECONDS = 120
ADDRESSES = ["10.77.0.1/16"]
SERVER = "10.77.4.1:6881"
NEIGHBOURS = [f"10.77.1.{n}:6881" for n in range(1, 13)]
WRITERS = 8
LOAD_SECONDS = 8
# What was acknowledged earlier than this before the kill must survive it.
DURABLE_SECONDS = 1.0
# The first lookup after a restart asks at least so many neighbours, in this time.
LOOKED_UP = 3
LOOKUP_SECONDS = 15
ETH_P_IP = 0x0800


def run(context):
    sessions = [peers.Libtorrent(address) for address in NEIGHBOURS]
    for number, session in enumerate(sessions):
        session.add_nodes(NEIGHBOURS[number - 1], SERVER)
    data = context.folder("data")
    server = context.serve("polykad", SERVER, bootstrap=NEIGHBOURS[:3], data=data)
    address = split_address(SERVER)
    asker = krpc.Client("10.77.9.1", answers=False)
    # Each subnet has its share: many askers get answers faster.
    askers = [krpc.Client(f"10.77.{n}.1", answers=False) for n in range(100, 120)]
    known = context.wait_until(lambda: count_nodes(asker, address) >= 8, 60)
    context.require("the table fills", known)
    node_id = asker.ping(address)[b"r"][b"id"]

    stored = load(address, lambda: server.send_signal(signal.SIGKILL))
    server.wait()
    killed = stored["killed"]
    kept = [write for write in stored["writes"] if write[0] < killed - DURABLE_SECONDS]
    context.note(f"{len(stored['writes'])} writes acknowledged, {len(kept)} of them in time")
    context.require("there was load", len(kept) >= 200)

    # Two more rounds: what a restart kept, the next one keeps too.
    for number in (1, 2):
        start = time.monotonic()
        server = context.serve(f"polykad-{number}", SERVER, data=data)
        ready = time.monotonic() - start
        context.check("it answers again", ready < 2, f"after {ready:.2f} s")
        context.equal("same id", asker.ping(address)[b"r"][b"id"], node_id)
        # Those it knew are asked for a sign of life first, and then handed on.
        warm = context.wait_until(lambda: count_nodes(asker, address) >= 8, 5, 0.1)
        context.check("its answers have contacts, without bootstrap", warm)
        lost = [write for write in kept if not is_there(askers, address, write)]
        context.check(f"all {len(kept)} writes are there", not lost, f"{len(lost)} lost")
        server.send_signal(signal.SIGKILL)
        server.wait()
    first_lookup(context, data)


def first_lookup(context, data):
    """The restarted node looks itself up: those it knew are asked, without bootstrap."""
    everything = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_IP))
    everything.bind(("lo", 0))
    everything.settimeout(0.2)
    start = time.monotonic()
    context.serve("polykad-3", SERVER, data=data)
    asked = set()
    while len(asked) < LOOKED_UP and time.monotonic() < start + LOOKUP_SECONDS:
        try:
            frame = everything.recv(65536)
        except TimeoutError:
            continue
        asked.update(looked_up(frame))
    everything.close()
    spent = time.monotonic() - start
    enough = len(asked) >= LOOKED_UP
    context.check("its first lookup reaches others", enough, f"{len(asked)} within {spent:.1f} s")


def looked_up(frame):
    """Whom the server asks in this frame, if it is a lookup's query to a neighbour."""
    packet = frame[14:]
    source, destination = (socket.inet_ntoa(packet[at : at + 4]) for at in (12, 16))
    query = any(word in packet for word in (b"9:find_node", b"9:get_peers"))
    from_server = source == split_address(SERVER)[0] and b"1:y1:q" in packet
    if from_server and query and f"{destination}:6881" in NEIGHBOURS:
        yield destination


def count_nodes(client, address):
    answer = client.find_node(address, os.urandom(20), timeout=0.5)
    return len(krpc.contacts(answer or {}))


def load(address, kill):
    """Writers, each on its own address, until the node is killed in the middle of it."""
    stored = {"writes": []}
    stop = threading.Event()
    threads = [
        threading.Thread(target=write, args=(f"10.77.8.{n + 1}", address, stored["writes"], stop))
        for n in range(WRITERS)
    ]
    for thread in threads:
        thread.start()
    time.sleep(LOAD_SECONDS)
    stored["killed"] = time.monotonic()
    kill()
    stop.set()
    for thread in threads:
        thread.join()
    return stored


def write(host, address, writes, stop):
    """Announces and puts as fast as they are acknowledged; notes when each was."""
    client = krpc.Client(host, answers=False)
    key = Key(os.urandom(32))
    count = 0
    while not stop.is_set():
        count += 1
        kind = ("peer", "immutable", "peer", "immutable", "mutable")[count % 5]
        if kind == "peer":
            target, value = os.urandom(20), 1 + count % 65535
            answer = client.announce(address, target, value)
        elif kind == "immutable":
            value = os.urandom(40)
            target = krpc.immutable_target(value)
            answer = client.put_immutable(address, value)
        else:
            salt, value = str(count).encode(), os.urandom(40)
            target = krpc.mutable_target(key.public, salt)
            answer = client.put_mutable(address, key, value, count, salt)
        if answer and b"r" in answer:
            writes.append((time.monotonic(), kind, host, target, value))
        else:
            # Its share is used up, or the node is gone.
            time.sleep(0.05)
    client.close()


def is_there(askers, address, write):
    _, kind, host, target, value = write
    askers.append(client := askers.pop(0))
    for attempt in range(20):
        if kind == "peer":
            answer = client.query(address, "get_peers", {"info_hash": target}, timeout=0.5)
        else:
            answer = client.query(address, "get", {"target": target}, timeout=0.5)
        if answer is not None:
            break
        # The asker's own share is used up.
        time.sleep(0.1 * attempt)
    if kind == "peer":
        return (host, value) in krpc.peers(answer or {})
    return (answer or {}).get(b"r", {}).get(b"v") == value
