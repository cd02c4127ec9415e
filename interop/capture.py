#!/usr/bin/env python3
"""Captures one message of each kind from real clients, as vectors for our decoder.

    interop/capture.py [--out crates/networks/mainline/vectors] [--seeds fuzz/corpus/message]
                       [--keep DIR]

Runs libtorrent, aria2, transmission, the npm package bittorrent-dht and the crate mainline
together in a network namespace, lets them talk to each other, asks each of them everything a node
can be asked (and some things wrongly), and listens to the wire. Writes one file a client, a line a
kind of message: its name and its bytes in hexadecimal. Node ids, tokens and signatures differ from
run to run. A client that can't be installed is named and keeps the file it has.
"""

import argparse
import os
import pathlib
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
PACKAGES = ROOT / "target" / "capture"
# Longer messages are left to tests that make their own.
MAX_BYTES = 3000
CLIENTS = {"libtorrent": 1, "aria2": 2, "transmission": 3, "bittorrent-dht": 4, "mainline": 5}
SESSIONS = 12
# Our own questions come from here; they are no vectors.
PROBE = 99
SEED = bytes(range(32))

BITTORRENT_DHT = """
import DHT from 'bittorrent-dht'
import crypto from 'node:crypto'

const [host, port, infoHash, ...bootstrap] = process.argv.slice(2)
const pair = crypto.generateKeyPairSync('ed25519')
const spki = pair.publicKey.export({ format: 'der', type: 'spki' })
const prefix = spki.subarray(0, 12)
const publicKey = spki.subarray(12)
const verify = (signature, message, key) => crypto.verify(null, message,
  { key: Buffer.concat([prefix, key]), format: 'der', type: 'spki' }, signature)
const dht = new DHT({ host, bootstrap, verify })
dht.on('error', console.error)
dht.on('warning', console.error)
dht.listen(Number(port), host, () => dht.on('ready', work))

let seq = 0
function work () {
  dht.announce(infoHash, 4000, console.error)
  dht.lookup(infoHash, console.error)
  dht.put({ v: 'from bittorrent-dht' }, (error, hash) => {
    if (error) return console.error(error)
    dht.get(hash, console.error)
  })
  seq += 1
  const item = { k: publicKey, v: Buffer.from('version ' + seq), seq, salt: Buffer.from('salt') }
  item.sign = message => crypto.sign(null, message, pair.privateKey)
  dht.put(item, console.error)
  setTimeout(work, 5000)
}
"""

MAINLINE = """
use std::net::Ipv4Addr;
use mainline::{Dht, Id, MutableItem, SigningKey};

#[allow(deprecated, reason = "the plain constructor is what most users still call")]
fn main() {
    let mut arguments = std::env::args().skip(1);
    let host: Ipv4Addr = arguments.next().unwrap().parse().unwrap();
    let port: u16 = arguments.next().unwrap().parse().unwrap();
    let torrent: Id = arguments.next().unwrap().parse().unwrap();
    let bootstrap: Vec<String> = arguments.collect();
    let mut builder = Dht::builder();
    builder.server_mode().bind_address(host).port(port).bootstrap(&bootstrap);
    let dht = builder.build().unwrap();
    println!("bootstrapped: {}", dht.bootstrapped());
    for seq in 1.. {
        println!("{:?}", dht.announce_peer(torrent, Some(4001)));
        println!("{:?}", dht.get_peers(torrent).next());
        let put = dht.put_immutable(b"from mainline");
        println!("{put:?}");
        println!("{:?}", put.map(|target| dht.get_immutable(target)));
        let key = SigningKey::from_bytes(&[5; 32]);
        let item = MutableItem::new(key, b"a version", seq, Some(b"salt"));
        println!("{:?}", dht.put_mutable(item, (seq > 1).then_some(seq - 1)));
        std::thread::sleep(std::time::Duration::from_secs(5));
    }
}
"""

MAINLINE_MANIFEST = """
[package]
name = "capture"
edition = "2021"
[dependencies]
mainline = "8"
[workspace]
"""


def main():
    options = parse_arguments()
    if options.inside:
        inside(options)
        return
    install_packages()
    with tempfile.TemporaryDirectory(prefix="polykad-capture-") as work:
        spaces = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        command = ["unshare", *user, *spaces, sys.executable, __file__, "--inside"]
        command += ["--keep", options.keep or work, "--out", options.out]
        subprocess.run(command, check=True)
    write_seeds(pathlib.Path(options.out), pathlib.Path(options.seeds))


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = str(ROOT / "crates" / "networks" / "mainline" / "vectors")
    parser.add_argument("--out", default=default, help="folder for the vectors")
    seeds = str(ROOT / "fuzz" / "corpus" / "message")
    parser.add_argument("--seeds", default=seeds, help="folder for the fuzzer's seeds")
    parser.add_argument("--keep", help="folder to keep the clients' logs in")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def install_packages():
    """Fetches the two clients that no distribution packages; failing is fine."""
    node = PACKAGES / "node"
    node.mkdir(parents=True, exist_ok=True)
    (node / "client.mjs").write_text(BITTORRENT_DHT)
    try_run(["npm", "install", "--no-fund", "--no-audit", "bittorrent-dht@11"], node)
    rust = PACKAGES / "rust"
    (rust / "src").mkdir(parents=True, exist_ok=True)
    (rust / "Cargo.toml").write_text(MAINLINE_MANIFEST)
    (rust / "src" / "main.rs").write_text(MAINLINE)
    target = PACKAGES / "rust-target"
    try_run(["cargo", "build", "--quiet", "--target-dir", str(target)], rust)


def write_seeds(vectors, seeds):
    """One message of each kind, whoever sent it, as seeds of the fuzz target `message`."""
    kinds = {}
    for path in sorted(vectors.glob("*.txt")):
        for line in path.read_text().splitlines():
            kind, _, digits = line.partition(" ")
            if kind != "#":
                kinds.setdefault(kind, (path.stem, bytes.fromhex(digits)))
    for old in seeds.glob("seed-from-*"):
        old.unlink()
    for kind, (client, data) in kinds.items():
        # Two kilobytes of contacts teach the fuzzer nothing that three hundred do not.
        if len(data) < 1000:
            (seeds / f"seed-from-{client}-{kind}").write_bytes(data)


def try_run(command, folder):
    try:
        subprocess.run(command, cwd=folder, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"{' '.join(command)}: {error}", file=sys.stderr)


def inside(options):
    """The capture itself, as the first process of the namespaces."""
    sys.path.insert(0, str(HERE))
    from harness import Context, Missing, ip

    ip("link", "set", "lo", "up")
    ip("addr", "add", "10.77.0.1/16", "dev", "lo")
    for number in [*range(1, SESSIONS + 1), PROBE]:
        ip("-6", "addr", "add", f"fd77::{number:x}/64", "dev", "lo", "nodad")
    context = Context("capture", options.keep, None)
    sniffer = Sniffer()
    sniffer.start()
    sessions = Sessions(context)
    versions = {"libtorrent": sessions.version}
    for name, start in STARTERS.items():
        try:
            versions[name] = start(context, sessions)
        except (Missing, OSError) as error:
            print(f"{name} is missing: {error}")
    deadline = time.monotonic() + 110
    while time.monotonic() < deadline:
        sessions.work()
        probe(sessions)
    context.stop_all()
    out = pathlib.Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    for name, version in versions.items():
        sniffer.write(out, name, version)
    sys.stdout.flush()
    os._exit(0)


def address(client, number=1):
    return f"10.77.{CLIENTS[client]}.{number}"


class Sniffer(threading.Thread):
    """Sorts all UDP messages on the loopback device by sender and kind."""

    def __init__(self):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.ntohs(3))
        self.socket.bind(("lo", 0))
        self.asked = {}
        self.found = {}

    def run(self):
        while True:
            packet, link = self.socket.recvfrom(70000)
            # Loopback shows every packet twice: as it leaves and as it arrives.
            if link[2] != socket.PACKET_OUTGOING:
                self.take(packet)

    def take(self, packet):
        if packet[0] >> 4 == 4:
            header, protocol = (packet[0] & 15) * 4, packet[9]
            source, to = packet[12:16], packet[16:20]
        else:
            header, protocol = 40, packet[6]
            source, to = packet[8:24], packet[24:40]
        if protocol != socket.IPPROTO_UDP:
            return
        ports = struct.unpack("!HH", packet[header : header + 4])
        data = packet[header + 8 :]
        kind = self.kind((source, ports[0]), (to, ports[1]), data)
        owner = self.owner(source)
        if kind is None or owner is None or len(data) > MAX_BYTES:
            return
        kinds = self.found.setdefault(owner, {})
        # The longest shows the most; the last of equals knows the network best.
        if len(data) >= len(kinds.get(kind, b"")):
            kinds[kind] = data

    def owner(self, source):
        if len(source) == 16:
            return "libtorrent" if source[-1] <= SESSIONS else None
        for name, network in CLIENTS.items():
            if source[:3] == bytes([10, 77, network]):
                return name
        return None

    def kind(self, source, to, data):
        import krpc

        try:
            message = krpc.decode(data)
        except (ValueError, IndexError):
            return None
        if not isinstance(message, dict) or b"t" not in message:
            return None
        tid = message[b"t"]
        family = "-ipv6" if len(source[0]) == 16 else ""
        # libtorrent's errors carry an `r` as well.
        implied = next((key for key in (b"q", b"e", b"r") if key in message), None)
        stated = message.get(b"y", implied)
        if stated == b"q":
            method = message[b"q"].decode()
            self.asked[source, to, tid] = method
            return f"{method}-query{variant(message.get(b'a', {}), QUERY_MARKS)}{family}"
        if stated == b"r":
            method = self.asked.get((to, source, tid))
            marks = variant(message[b"r"], RESPONSE_MARKS)
            return method and f"{method}-response{marks}{family}"
        if stated == b"e":
            return f"error-{message[b'e'][0]}{family}"
        return None

    def write(self, folder, name, version):
        kinds = self.found.get(name, {})
        print(f"{name} {version}: {len(kinds)} kinds")
        lines = [f"{kind} {data.hex()}\n" for kind, data in sorted(kinds.items())]
        head = f"# Messages of {name} {version}, captured by interop/capture.py.\n"
        (folder / f"{name}.txt").write_text(head + "".join(lines))


# What makes messages of one method kinds of their own.
QUERY_MARKS = {
    b"k": "mutable", b"cas": "cas", b"seed": "seed", b"noseed": "noseed", b"scrape": "scrape",
    b"implied_port": "implied",
}
RESPONSE_MARKS = {
    b"values": "values", b"nodes6": "nodes6", b"BFsd": "filters", b"k": "mutable", b"v": "value",
}


def variant(body, marks):
    return "".join(f"-{mark}" for key, mark in marks.items() if body.get(key, 0) != 0)


class Sessions:
    """A dozen libtorrent nodes: the network that the others join, and a client itself."""

    def __init__(self, context):
        import ed25519
        import peers

        self.peers = peers
        self.context = context
        self.key = ed25519.Key(SEED)
        self.listen = [f"{address('libtorrent', n)}:6881" for n in range(1, SESSIONS + 1)]
        listen6 = [f"[fd77::{n:x}]:6881" for n in range(1, SESSIONS + 1)]
        self.sessions = [peers.Libtorrent(*both) for both in zip(self.listen, listen6)]
        self.version = peers.lt.version
        self.contacts = self.listen + listen6
        for session in self.sessions:
            session.add_nodes(*self.contacts)
        self.file = context.folder("content") / "content.bin"
        self.file.write_bytes(bytes(range(256)) * 4096)
        self.info_hash = self.sessions[0].seed(self.file)
        self.others = {name: (address(name), 6881) for name in CLIENTS if name != "libtorrent"}
        self.round = 0

    def work(self):
        """Lets libtorrent ask everything it can ask."""
        lt = self.peers.lt
        self.round += 1
        for session in self.sessions:
            session.add_nodes(*self.contacts)
            session.add_nodes(*(f"{host}:{port}" for host, port in self.others.values()))
            session.session.pop_alerts()
        first, second = self.sessions[:2]
        hash_ = lt.sha1_hash(self.info_hash)
        first.session.dht_announce(hash_, 6881, 1)
        second.session.dht_announce(hash_, 0, 4)
        second.session.dht_get_peers(hash_)
        first.session.dht_put_immutable_item(b"from libtorrent")
        first.session.dht_put_mutable_item(
            self.key.expanded, self.key.public, b"version %d" % self.round, b"salt"
        )
        second.session.dht_get_mutable_item(self.key.public, b"salt")
        for place in [*self.others.values(), self.sessions[1].address]:
            first.session.dht_sample_infohashes(place, hash_)


def start_aria2(context, sessions):
    folder = context.folder("aria2-files")
    magnet = sessions.peers.magnet(sessions.info_hash)
    host = address("aria2")
    # Slow, so that it stays in search of peers: its DHT runs only while it downloads.
    slow = ["--max-overall-download-limit=1K", "--bt-max-peers=1"]
    sessions.peers.Aria2(
        context, "aria2", host, 6881, magnet, folder, entry=sessions.listen[0], more=slow
    )
    return first_line(["aria2c", "--version"])


def start_transmission(context, sessions):
    host = address("transmission")
    torrent = context.folder("torrents") / "content.torrent"
    sessions.sessions[0].torrent_file(sessions.file, torrent)
    sessions.peers.Transmission(context, "transmission", host, 6881, sessions.listen)
    rpc = ["transmission-remote", f"{host}:6882"]

    def remote(*arguments):
        done = subprocess.run([*rpc, *arguments], capture_output=True, check=False)
        return done.returncode == 0

    context.wait_until(lambda: remote("-l"), 10)
    remote("-a", str(torrent))
    return first_line(["transmission-daemon", "--version"])


def start_bittorrent_dht(context, sessions):
    import json

    folder = PACKAGES / "node"
    package = folder / "node_modules" / "bittorrent-dht" / "package.json"
    version = json.loads(package.read_text())["version"]
    command = [context.program("node"), folder / "client.mjs", address("bittorrent-dht"), 6881]
    context.spawn("bittorrent-dht", [*command, sessions.info_hash.hex(), *sessions.listen[:3]])
    return version


def start_mainline(context, sessions):
    program = PACKAGES / "rust-target" / "debug" / "capture"
    lock = (PACKAGES / "rust" / "Cargo.lock").read_text()
    version = lock.split('name = "mainline"\nversion = "')[1].split('"')[0]
    command = [program, address("mainline"), 6881, sessions.info_hash.hex()]
    context.spawn("mainline", [*command, *sessions.listen[:3]])
    return version


STARTERS = {
    "aria2": start_aria2,
    "transmission": start_transmission,
    "bittorrent-dht": start_bittorrent_dht,
    "mainline": start_mainline,
}


def first_line(command):
    """The version in the first line that a program prints."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    words = (done.stdout + done.stderr).split()
    return next((word for word in words if word[0].isdigit()), "")


def probe(sessions):
    """Asks each client, and libtorrent over IPv6, all there is to ask."""
    import krpc

    targets = [*sessions.others.values(), sessions.sessions[0].address]
    for place in targets:
        probe_one(krpc.Client(f"10.77.{PROBE}.1", 6881), place, sessions)
    probe_one(krpc.Client(f"fd77::{PROBE:x}"), ("fd77::2", 6881), sessions)


def probe_one(client, place, sessions):
    import krpc

    key, info_hash = sessions.key, sessions.info_hash
    quick = {"timeout": 0.4}
    if client.ping(place, **quick) is None:
        client.close()
        return
    client.find_node(place, info_hash, want=["n4", "n6"], **quick)
    client.announce(place, info_hash, 7000, seed=1)
    client.announce(place, info_hash, 7000, implied_port=1)
    client.announce(place, info_hash, 7000, token=b"wrong")
    client.query(place, "get_peers", {"info_hash": info_hash, "scrape": 1}, **quick)
    client.query(place, "get_peers", {"info_hash": bytes(20)}, **quick)
    client.query(place, "sample_infohashes", {"target": info_hash}, **quick)
    client.query(place, "find_node", {}, **quick)
    client.query(place, "no_such_method", {}, **quick)
    client.query(place, "no_such_method", {"target": info_hash}, **quick)
    client.put_immutable(place, {"ih": info_hash})
    target = krpc.immutable_target({"ih": info_hash})
    client.query(place, "get", {"target": target}, **quick)
    client.put_immutable(place, b"x" * 1001)
    seq = sessions.round + 100
    client.put_mutable(place, key, b"v%d" % seq, seq)
    client.query(place, "get", {"target": krpc.mutable_target(key.public)}, **quick)
    client.put_mutable(place, key, b"older", 1)
    client.put_mutable(place, key, b"other", seq + 1, cas=5)
    client.put_mutable(place, key, b"forged", seq + 2, sig=bytes(64))
    client.put_mutable(place, key, b"long salt", 1, salt=b"s" * 65)
    client.close()


if __name__ == "__main__":
    main()
