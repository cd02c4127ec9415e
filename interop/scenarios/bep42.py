"""Node ids bound to addresses (BEP 42), on addresses that are neither private nor routed.

198.18.0.0/15 is set aside for tests (RFC 2544), yet is not among the ranges that BEP 42 exempts.
"""

import os

import krpc
import peers
from harness import split_address

LIMIT_SECONDS = 150
ADDRESSES = ["198.18.0.1/16"]
SERVER = "198.18.4.1:6881"
OTHERS = [f"198.18.{n}.1:6881" for n in range(10, 20)]
# CRC-32C of the masked address (BEP 42).
CASTAGNOLI = 0x82F63B78


def run(context):
    vectors(context)
    enforcing = {"dht_enforce_node_id": True, "dht_prefer_verified_node_ids": True}
    sessions = [peers.Libtorrent(address, **enforcing) for address in OTHERS]
    introduce(sessions)
    context.serve("polykad", SERVER, bootstrap=OTHERS[:3])
    client = krpc.Client("198.18.9.9")
    client.node_id = valid_id("198.18.9.9")
    address = split_address(SERVER)

    def becomes_valid():
        answer = client.ping(address, timeout=0.5)
        return answer and is_valid(answer[b"r"][b"id"], "198.18.4.1")

    valid = context.wait_until(becomes_valid, 60, 0.5)
    context.check("our id becomes valid for our address", valid)
    told = client.ping(address)
    expected = bytes([198, 18, 9, 9]) + client.address[1].to_bytes(2, "big")
    context.equal("answers tell the asker its address", (told or {}).get(b"ip"), expected)
    node_id = (told or {}).get(b"r", {}).get(b"id", b"")

    def known():
        introduce(sessions)
        return sum(peers.knows(client, split_address(other), node_id) for other in OTHERS)

    context.wait_until(lambda: known() >= 5, 60, 1)
    count = known()
    context.check("libtorrent that enforces BEP 42 keeps us", count >= 5, f"{count} of 10")
    put = context.mainline("put", "with a valid id", bootstrap=[OTHERS[4]])
    stored = put.json.get("acknowledged", 0)
    context.check("enforcing nodes store what we put", put.code == 0 and stored >= 4, put)
    key = bytes.fromhex(put.json.get("key", ""))
    context.equal("libtorrent reads it", sessions[8].find_immutable(key), b"with a valid id")
    impostor(context, address)


def introduce(sessions):
    """Tells all of all: enforcing nodes refuse each other until they know their own addresses."""
    for number, session in enumerate(sessions):
        session.add_nodes(*(other for at, other in enumerate(OTHERS) if at != number))


def impostor(context, address):
    """A node whose id does not fit its address is answered: BEP 42 is no law for everyone."""
    wrong = krpc.Client("198.18.66.6", node_id=os.urandom(20))
    context.check("a node with a wrong id is answered", wrong.ping(address))
    wrong.close()


def vectors(context):
    """The table of BEP 42 keeps this file's own arithmetic honest."""
    for host, rand, prefix in (
        ("124.31.75.21", 1, "5fbfbf"), ("21.75.31.124", 86, "5a3ce9"), ("65.23.51.170", 22, "a5d432"),
    ):
        made = id_prefix(host, rand)
        expected = bytes.fromhex(prefix)
        same = made[:2] == expected[:2] and made[2] & 0xF8 == expected[2] & 0xF8
        context.check(f"BEP 42's vector for {host}", same, made.hex())


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (CASTAGNOLI if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def id_prefix(host, rand):
    mask = (0x03, 0x0F, 0x3F, 0xFF)
    octets = bytearray(int(part) & m for part, m in zip(host.split("."), mask))
    octets[0] |= (rand & 7) << 5
    return crc32c(bytes(octets)).to_bytes(4, "big")


def valid_id(host):
    rand = os.urandom(1)[0]
    prefix = id_prefix(host, rand)
    third = prefix[2] & 0xF8 | os.urandom(1)[0] & 7
    return prefix[:2] + bytes([third]) + os.urandom(16) + bytes([rand])


def is_valid(node_id, host):
    prefix = id_prefix(host, node_id[19])
    return node_id[:2] == prefix[:2] and node_id[2] & 0xF8 == prefix[2] & 0xF8
