"""Two real clients whose only DHT contact is one `polykad serve` find each other by magnet alone.

libtorrent seeds and aria2 downloads, then the other way round; the controls, in the same namespace
and for as long, have their DHT off and must get nothing.
"""

import hashlib
import os
import time

import peers

LIMIT_SECONDS = 300
ADDRESSES = ["10.77.0.1/16"]
SERVER = "10.77.4.1:6881"
FILE_BYTES = 8 << 20
DOWNLOAD_SECONDS = 100
CONTROL_SECONDS = 30


def run(context):
    if peers.lt is None:
        raise peers.Missing("the Python package libtorrent is not installed")
    context.program("aria2c")
    context.serve("polykad", SERVER)
    libtorrent_to_aria2(context)
    aria2_to_libtorrent(context)


def libtorrent_to_aria2(context):
    source = make_file(context, "from-libtorrent")
    seeder = peers.Libtorrent("10.77.1.1:6881")
    seeder.add_nodes(SERVER)
    info_hash = seeder.seed(source)
    folder = context.folder("aria2-gets")
    start = time.monotonic()
    leech = peers.Aria2(
        context, "aria2-leech", "10.77.2.1", 6881, peers.magnet(info_hash), folder, SERVER
    )
    empty = context.folder("aria2-control")
    control = peers.Aria2(
        context, "aria2-control", "10.77.2.2", 6881, peers.magnet(info_hash), empty, dht=False
    )

    def arrived():
        seeder.add_nodes(SERVER)
        return same_file(source, folder / source.name)

    context.wait_until(arrived, DOWNLOAD_SECONDS, 0.5)
    verdict(context, "libtorrent seeds, aria2 downloads", arrived(), start)
    wait_for_control(start)
    context.check("control: aria2 without DHT gets nothing", not list(empty.rglob("from-*")))
    leech.process.kill()
    control.process.kill()
    seeder.session.pause()


def aria2_to_libtorrent(context):
    source = make_file(context, "from-aria2")
    leech = peers.Libtorrent("10.77.1.2:6881")
    torrent = context.work / "from-aria2.torrent"
    info_hash = leech.torrent_file(source, torrent)
    seeder = peers.Aria2(
        context, "aria2-seed", "10.77.2.3", 6881, torrent, source.parent, SERVER,
        more=["--check-integrity=true"],
    )
    leech.add_nodes(SERVER)
    folder, empty = context.folder("libtorrent-gets"), context.folder("libtorrent-control")
    start = time.monotonic()
    leech.download(peers.magnet(info_hash), folder)
    control = peers.Libtorrent("10.77.1.3:6881", dht=False)
    control.download(peers.magnet(info_hash), empty)

    def arrived():
        leech.add_nodes(SERVER)
        return same_file(source, folder / source.name)

    context.wait_until(arrived, DOWNLOAD_SECONDS, 0.5)
    verdict(context, "aria2 seeds, libtorrent downloads", arrived(), start)
    wait_for_control(start)
    context.check("control: libtorrent without DHT gets nothing", not list(empty.rglob("from-*")))
    seeder.process.kill()


def make_file(context, name):
    path = context.folder(f"{name}-source") / name
    path.write_bytes(os.urandom(FILE_BYTES))
    return path


def same_file(one, other):
    if not other.exists() or other.stat().st_size != one.stat().st_size:
        return False
    return digest(one) == digest(other)


def digest(path):
    return hashlib.sha256(path.read_bytes()).digest()


def verdict(context, name, arrived, start):
    context.check(f"{name}, intact", arrived, f"{time.monotonic() - start:.1f} s")


def wait_for_control(start):
    """The control has at least its own time, whatever the download took."""
    time.sleep(max(0, start + CONTROL_SECONDS - time.monotonic()))
