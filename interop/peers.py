"""Real BitTorrent clients as DHT nodes: libtorrent, aria2, transmission.

Every built-in bootstrap list, LSD, PEX, UPnP and NAT-PMP are off: what a client learns, it learns
through the nodes it is given.
"""

import json
import os
import pathlib
import time

import krpc
from harness import Missing, split_address

try:
    import libtorrent as lt
except ImportError:
    lt = None


class Libtorrent:
    """A session with its own address."""

    def __init__(self, *listen, dht=True, limits=True, **settings):
        if lt is None:
            raise Missing("the Python package libtorrent is not installed")
        self.address = split_address(listen[0])
        defaults = {
            "listen_interfaces": ",".join(listen),
            "alert_mask": lt.alert.category_t.dht_notification
            | lt.alert.category_t.dht_operation_notification
            | lt.alert.category_t.status_notification
            | lt.alert.category_t.stats_notification,
            "alert_queue_size": 100_000,
            "enable_dht": dht,
            "enable_lsd": False,
            "enable_upnp": False,
            "enable_natpmp": False,
            "dht_bootstrap_nodes": "",
            "dht_restrict_routing_ips": False,
            "dht_restrict_search_ips": False,
            "dht_ignore_dark_internet": False,
            "dht_prefer_verified_node_ids": False,
            "allow_multiple_connections_per_ip": True,
        }
        if not limits:
            # Larger figures overflow inside the library.
            defaults["dht_upload_rate_limit"] = 500_000_000
            defaults["dht_block_ratelimit"] = 100_000_000
        else:
            # Tests ask from one address more often than the default lets pass.
            defaults["dht_upload_rate_limit"] = 10_000_000
            defaults["dht_block_ratelimit"] = 10_000
        self.session = lt.session({**defaults, **settings})

    def add_nodes(self, *addresses):
        for host, port in map(split_address, addresses):
            self.session.add_dht_node((host, port))

    def wait_for_nodes(self, count, seconds, keep_adding=()):
        """Waits until the routing table has `count` nodes."""
        deadline = time.monotonic() + seconds
        nodes = 0
        while nodes < count and time.monotonic() < deadline:
            self.add_nodes(*keep_adding)
            self.session.post_dht_stats()
            alert = self.alert(lt.dht_stats_alert, 2)
            table = alert.routing_table if alert else []
            nodes = sum(bucket["num_nodes"] for bucket in table)
        return nodes

    def alert(self, kind, seconds, fits=lambda alert: True):
        """The next alert of a kind, or None."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.session.wait_for_alert(int(min(left, 0.2) * 1000) + 1)
            for alert in self.session.pop_alerts():
                if isinstance(alert, kind) and fits(alert):
                    return alert
        return None

    def put_immutable(self, value, seconds=30):
        """Stores; returns the target and how many nodes took it."""
        target = self.session.dht_put_immutable_item(value)
        alert = self.alert(lt.dht_put_alert, seconds, lambda a: a.target == target)
        return bytes.fromhex(str(target)), alert.num_success if alert else 0

    def find_immutable(self, target, seconds=30):
        if len(target) != 20:
            return None
        wanted = lt.sha1_hash(target)
        self.session.dht_get_immutable_item(wanted)
        alert = self.alert(lt.dht_immutable_item_alert, seconds, lambda a: a.target == wanted)
        return alert.item if alert else None

    def put_mutable(self, key, value, salt=b"", seconds=30):
        """Stores under the next seq; returns that seq and how many nodes took it."""
        self.session.dht_put_mutable_item(key.expanded, key.public, value, salt)
        alert = self.alert(lt.dht_put_alert, seconds, lambda a: bytes(a.public_key) == key.public)
        return (alert.seq, alert.num_success) if alert else (None, 0)

    def find_mutable(self, public_key, salt=b"", seconds=30):
        """The newest item once the search is over: value and seq."""
        self.session.dht_get_mutable_item(public_key, salt)
        alert = self.alert(
            lt.dht_mutable_item_alert,
            seconds,
            lambda a: bytes(a.key) == public_key and a.authoritative,
        )
        return (alert.item, alert.seq) if alert else (None, None)

    def announce(self, info_hash, port):
        self.session.dht_announce(lt.sha1_hash(info_hash), port, 0)

    def find_peers(self, info_hash, seconds=30):
        """All peers until the search is over."""
        wanted = lt.sha1_hash(info_hash)
        self.session.dht_get_peers(wanted)
        found = set()
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            alert = self.alert(lt.dht_get_peers_reply_alert, 2, lambda a: a.info_hash == wanted)
            if alert is None and found:
                break
            if alert is not None:
                found.update(tuple(peer) for peer in alert.peers())
        return found

    def sample(self, address, target, seconds=10):
        self.session.dht_sample_infohashes(address, lt.sha1_hash(target))
        return self.alert(lt.dht_sample_infohashes_alert, seconds)

    def seed(self, path):
        """Makes a torrent of a file and seeds it; returns its info-hash."""
        path = pathlib.Path(path)
        files = lt.file_storage()
        lt.add_files(files, str(path))
        torrent = lt.create_torrent(files, flags=lt.create_torrent.v1_only)
        lt.set_piece_hashes(torrent, str(path.parent))
        info = lt.torrent_info(torrent.generate())
        parameters = lt.add_torrent_params()
        parameters.ti = info
        parameters.save_path = str(path.parent)
        parameters.flags |= lt.torrent_flags.seed_mode | lt.torrent_flags.disable_pex
        parameters.flags &= ~lt.torrent_flags.auto_managed
        parameters.flags &= ~lt.torrent_flags.paused
        self.session.add_torrent(parameters)
        return bytes.fromhex(str(info.info_hash()))

    def download(self, magnet, folder):
        parameters = lt.parse_magnet_uri(magnet)
        parameters.save_path = str(folder)
        parameters.flags |= lt.torrent_flags.disable_pex
        parameters.flags &= ~lt.torrent_flags.auto_managed
        parameters.flags &= ~lt.torrent_flags.paused
        return self.session.add_torrent(parameters)

    def torrent_file(self, path, destination):
        """Writes the .torrent of a file."""
        path = pathlib.Path(path)
        files = lt.file_storage()
        lt.add_files(files, str(path))
        torrent = lt.create_torrent(files, flags=lt.create_torrent.v1_only)
        lt.set_piece_hashes(torrent, str(path.parent))
        made = torrent.generate()
        pathlib.Path(destination).write_bytes(lt.bencode(made))
        return bytes.fromhex(str(lt.torrent_info(made).info_hash()))


def magnet(info_hash):
    return f"magnet:?xt=urn:btih:{info_hash.hex()}"


class Aria2:
    """An aria2 with one torrent, which is what keeps its DHT running."""

    def __init__(self, context, name, host, port, what, folder, entry=None, dht=True, more=()):
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        state = context.folder(f"{name}-state")
        arguments = [
            context.program("aria2c"), "--no-conf", f"--interface={host}", "--disable-ipv6=true",
            f"--enable-dht={'true' if dht else 'false'}", f"--dht-listen-port={port}",
            f"--listen-port={port}", f"--dht-file-path={state}/dht.dat",
            "--bt-enable-lpd=false", "--enable-peer-exchange=false", "--seed-ratio=0",
            f"--dir={folder}", "--file-allocation=none", "--console-log-level=notice",
            "--summary-interval=0", "--allow-overwrite=true", *more,
        ]
        if dht and entry:
            arguments.append(f"--dht-entry-point={entry}")
        self.process = context.spawn(name, [*arguments, what])
        self.address = (host, port)


class Transmission:
    """A transmission-daemon whose first contacts are in its `dht.bootstrap`."""

    def __init__(self, context, name, host, port, contacts, dht=True, torrents=()):
        home = context.folder(f"{name}-home")
        settings = {
            "bind-address-ipv4": host,
            "bind-address-ipv6": "::1",
            "peer-port": port,
            "dht-enabled": dht,
            "lpd-enabled": False,
            "pex-enabled": False,
            "utp-enabled": True,
            "port-forwarding-enabled": False,
            "rpc-enabled": True,
            "rpc-bind-address": host,
            "rpc-port": port + 1,
            "rpc-whitelist-enabled": False,
            "download-dir": str(context.folder(f"{name}-files")),
            "incomplete-dir-enabled": False,
            "watch-dir-enabled": False,
        }
        (home / "settings.json").write_text(json.dumps(settings))
        lines = "".join("{} {}\n".format(*split_address(contact)) for contact in contacts)
        (home / "dht.bootstrap").write_text(lines)
        arguments = [context.program("transmission-daemon"), "-f", "-g", home]
        self.process = context.spawn(name, arguments, env={**os.environ, "HOME": str(home)})
        self.address = (host, port)


def wait_for_id(context, client, address, seconds=20):
    """A node's id once it answers."""
    answer = context.wait_until(lambda: client.ping(address, timeout=0.5), seconds)
    return answer[b"r"][b"id"] if answer and b"r" in answer else None


def knows(client, address, node_id):
    """Whether a node names another in its answer for that other's id."""
    answer = client.find_node(address, node_id)
    return any(found == node_id for found, _ in krpc.contacts(answer or {}))
