"""Fresh nodes on one local network find each other, told nothing; a hostile neighbour floods it.

Each node has a network namespace of its own, whose one interface is a port of a bridge that the
scenario has made. The neighbour is the scenario itself, on the bridge.
"""

import os
import socket
import struct
import time

from places import Place, make_bridge

LIMIT_SECONDS = 150
ADDRESSES = []
# As docs/poly-protocol.md has it for the public network.
SERVICE = "_polykad-2da3667._udp.local"
GROUP = ("224.0.0.251", 5353)
FAKES = 1000
# What a thousand announcements may cost, and a flood until the node turns away from it: what
# arrives within three seconds.
FAKES_KB, FLOOD_KB = 16384, 98304


def run(context):
    make_bridge("10.77.0.254/24")
    public = [Place(context, f"public-{n}", f"10.77.0.{n}/24") for n in (1, 2)]
    private = [Place(context, f"private-{n}", f"fd77::{n}/64") for n in (3, 4)]
    key_file = context.work / "club.key"
    key_file.write_text(os.urandom(32).hex())
    key_file.chmod(0o600)
    for place in public:
        place.serve()
    for place in private:
        place.serve("--poly-key-file", key_file)
    for name, (one, other), family in (("public", public, "IPv4"), ("private", private, "IPv6")):
        found = context.wait_until(lambda: other.id() in one.knows(), 40, 0.5)
        context.require(f"two {name} nodes find each other, over {family}", found)
        value = os.urandom(700)
        path = context.work / name
        path.write_bytes(value)
        put = one.run("put", path, "--json")
        context.check("a value is put on one", put.json.get("acknowledged") == 2, put)
        got = other.run("get", put.json.get("key", ""))
        context.check("and read on the other", got.code == 0 and got.out == value, got)
    strangers = {place.id() for place in private}
    met = [place for place in public if place.knows() & strangers]
    context.check("the private ones are not among the public ones' contacts", not met)
    quiet(context)
    hostile(context, public[0])


def quiet(context):
    """Who does not want to be found is not: the same without mDNS."""
    places = [Place(context, f"quiet-{n}", f"10.77.0.{n}/24") for n in (5, 6)]
    for place in places:
        place.serve("--poly-name", "quiet", "--no-mdns")
    context.require("two nodes without mDNS serve", context.wait_until(places[1].id, 20))
    time.sleep(8)
    context.check("they stay alone", not places[0].knows() and not places[1].knows())


def hostile(context, victim):
    neighbour = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    neighbour.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    neighbour.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("10.77.0.254"))
    neighbour.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
    neighbour.bind(("", 5353))

    def grown(send):
        before = victim.memory_kb()
        send()
        time.sleep(4)
        return victim.memory_kb() - before

    def fakes(kind):
        for number in range(FAKES):
            neighbour.sendto(announcement(f"{kind}-{number}"), GROUP)

    def flood(kind):
        # Records that nobody asked for, of names that never come again, to live for 100 years.
        for number in range(2000):
            answers = [address(f"{kind}{number}-{part}.local") for part in range(50)]
            neighbour.sendto(message(answers), GROUP)
            if number % 100 == 0:
                time.sleep(0.02)

    first, second = grown(lambda: fakes("fake")), grown(lambda: fakes("false"))
    context.check(f"{FAKES} fake announcements", first < FAKES_KB, f"{first} kB more")
    context.check("as many again", second < FAKES_KB / 4, f"{second} kB more")
    context.check("the node serves as before", victim.id())
    first = grown(lambda: flood("a"))
    told = context.wait_until(lambda: "flooded" in context.log(victim.name), 10)
    context.check("from a flood of 100,000 records it turns away, and says so", told)
    context.check("before it has them all", first < FLOOD_KB, f"{first} kB more")
    again = grown(lambda: flood("b"))
    context.check("as many again change nothing", again < 1024, f"{again} kB more")
    context.check("and it serves as before", victim.id())


def name(text):
    labels = text.split(".")
    return b"".join(bytes([len(label)]) + label.encode() for label in labels) + b"\0"


def record(owner, kind, data, ttl):
    return name(owner) + struct.pack("!HHIH", kind, 1, ttl, len(data)) + data


def address(host):
    return record(host, 1, socket.inet_aton("10.77.0.200"), 100 * 365 * 86400)


def message(answers):
    return struct.pack("!6H", 0, 0x8400, 0, len(answers), 0, 0) + b"".join(answers)


def announcement(instance):
    """A service of the network's type that leads nowhere."""
    full, host = f"{instance}.{SERVICE}", f"{instance}.local"
    target = struct.pack("!HHH", 0, 0, 9) + name(host)
    return message([
        record(SERVICE, 12, name(full), 4500),
        record(full, 33, target, 4500),
        record(full, 16, b"\0", 4500),
        address(host),
    ])
