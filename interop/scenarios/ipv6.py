"""IPv6 alone and dual stack, against libtorrent: both sides read what the other stored."""

import os
import time

import krpc
import peers
from ed25519 import Key
from harness import split_address

LIMIT_SECONDS = 240
ADDRESSES = ["10.77.0.1/16"] + [f"fd77::{n:x}/128" for n in range(1, 16)]
OURS_V6 = "[fd77::1]:6881"
OURS_DUAL = ("10.77.4.2:6881", "[fd77::2]:6881")
THEIRS = [f"[fd77::{n:x}]:6881" for n in range(4, 10)]
THEIRS_DUAL = ("10.77.1.10:6881", "[fd77::a]:6881")


def run(context):
    sessions = [peers.Libtorrent(address) for address in THEIRS]
    sessions.append(peers.Libtorrent(*THEIRS_DUAL))
    for number, session in enumerate(sessions):
        session.add_nodes(THEIRS[number - 1], OURS_V6, *OURS_DUAL[1:])
    sessions[-1].add_nodes(*OURS_DUAL)
    context.serve("v6", OURS_V6, bootstrap=THEIRS[:2])
    context.serve("dual", *OURS_DUAL, bootstrap=[THEIRS[0], *THEIRS_DUAL])
    membership(context)
    values(context, sessions)
    announcements(context, sessions)


def membership(context):
    """Each family has its own table; `want` asks for either (BEP 32)."""
    client = krpc.Client("fd77::f", answers=False)

    def known():
        answer = client.find_node(split_address(THEIRS[3]), os.urandom(20))
        found = [address for _, address in krpc.contacts(answer or {})]
        return split_address(OURS_V6) in found and split_address(OURS_DUAL[1]) in found

    context.check("libtorrent's IPv6 table has both of ours", context.wait_until(known, 60, 1))
    both = client.find_node(split_address(OURS_DUAL[1]), os.urandom(20), want=["n4", "n6"])
    keys = set((both or {}).get(b"r", {}))
    context.check("want n4 n6 brings both families", {b"nodes", b"nodes6"} <= keys, keys)
    plain = client.find_node(split_address(OURS_DUAL[1]), os.urandom(20))
    keys = set((plain or {}).get(b"r", {}))
    context.check("without want the asker's family", b"nodes6" in keys and b"nodes" not in keys)
    client.close()


def values(context, sessions):
    put = context.mainline("put", "over IPv6", bootstrap=[THEIRS[2]])
    context.check("put over IPv6", put.code == 0 and put.json.get("acknowledged", 0) >= 4, put)
    key = bytes.fromhex(put.json.get("key", ""))
    context.equal("libtorrent reads it", sessions[4].find_immutable(key), b"over IPv6")
    target, stored = sessions[1].put_immutable(b"libtorrent over IPv6")
    context.check("libtorrent puts over IPv6", stored >= 1, f"{stored} nodes")
    context.equal("we read it", get(context, target.hex()), b"libtorrent over IPv6")
    key = Key(os.urandom(32))
    path = context.work / "author.key"
    path.write_text(key.seed.hex() + "\n")
    arguments = ["signed over IPv6", "--key-file", path, "--seq", 7]
    put = context.mainline("put", *arguments, bootstrap=[OURS_DUAL[1]])
    context.check("put of a mutable item over IPv6", put.code == 0, put)
    found = sessions[5].find_mutable(key.public)
    context.equal("libtorrent reads it, signed", found, (b"signed over IPv6", 7))
    put = context.mainline("put", "both families", bootstrap=OURS_DUAL)
    context.check("put, dual stack", put.code == 0, put)
    key = bytes.fromhex(put.json.get("key", ""))
    context.equal("libtorrent reads it, dual", sessions[-1].find_immutable(key), b"both families")


def get(context, key):
    arguments = ["mainline", "get", key, "--no-default-bootstrap", "--bootstrap", OURS_V6]
    result = context.run(*arguments)
    return result.out if result.code == 0 else str(result)


def announcements(context, sessions):
    info_hash = os.urandom(20)
    arguments = ["announce", info_hash.hex(), "--port", "4711", "--for", "30", "--json"]
    arguments += ["--no-default-bootstrap", "--bootstrap", THEIRS[0]]
    context.spawn("announcer", [context.polykad, "mainline", *arguments])
    time.sleep(5)
    found = sessions[2].find_peers(info_hash)
    context.check("libtorrent finds the IPv6 peer", any(p[1] == 4711 for p in found), found)
    other = os.urandom(20)
    sessions[3].announce(other, 4712)

    def named():
        peers_found = context.mainline("get-peers", other.hex(), bootstrap=[OURS_V6])
        return peers_found.code == 0 and "4712" in str(peers_found.json.get("peers"))

    # libtorrent takes up to 15 s for the walk of an announcement.
    context.check("we find the peer libtorrent announced", context.wait_until(named, 30, 2))
