"""Data folders that earlier versions wrote, one of each format there was, and what was in them.

Each was left behind by SIGKILL, at a time that is long gone: the node is told that it is ten
minutes later, so that nothing in it has expired.
"""

import json
import pathlib
import signal
import tarfile
from datetime import datetime, timezone

import krpc
from harness import false_clock, split_address

LIMIT_SECONDS = 120
ADDRESSES = []
MAINLINE, POLY = "127.0.0.1:6881", "127.0.0.1:7654"
FOLDERS = pathlib.Path(__file__).parents[1] / "data"


def run(context):
    for archive in sorted(FOLDERS.glob("format-*.tar.gz")):
        name = archive.name.removesuffix(".tar.gz")
        with tarfile.open(archive) as folder:
            folder.extractall(context.work, filter="data")
        folder = context.work / name.replace("format", "data")
        had = json.loads((folder / "contents.json").read_text())
        later = datetime.fromtimestamp(had["unix"] + 600, timezone.utc)
        clock = false_clock(f"@{later:%Y-%m-%d %H:%M:%S}")
        # What the first run makes of the folder, the second must read as well.
        for turn in ("first", "second"):
            mainline(context, f"{name}, {turn} run", folder / "mainline", had["mainline"], clock)
            poly(context, f"{name}, {turn} run", folder / "poly", had["poly"], clock)


def stop(context, name, process, log):
    process.send_signal(signal.SIGTERM)
    process.wait(20)
    context.equal(f"{name}: it ends in order", process.returncode, 0)
    warned = [line for line in context.log(log).splitlines() if "WARN" in line or "aside" in line]
    context.equal(f"{name}: it has nothing to complain of", warned, [])


def mainline(context, name, data, had, clock):
    log = f"mainline-{name.replace(', ', '-').replace(' ', '-')}"
    process = context.serve(log, MAINLINE, data=data, more=["--no-rate-limit"], env=clock)
    client = krpc.Client("127.0.0.1", answers=False)
    address = split_address(MAINLINE)
    node_id = client.ping(address)[b"r"][b"id"].hex()
    context.equal(f"{name}: mainline, the same id", node_id, had["id"])

    def value(key):
        return client.query(address, "get", {"target": bytes.fromhex(key)})[b"r"].get(b"v", b"")

    lost = [key for key, text in had["items"].items() if value(key) != text.encode()]
    context.check(f"{name}: mainline, all {len(had['items'])} items", not lost, lost)
    signed = had["signed"]
    kept = value(signed["key"])
    context.equal(f"{name}: mainline, the signed item", kept, signed["value"].encode())
    found = client.query(address, "get_peers", {"info_hash": bytes.fromhex(had["torrent"])})
    host, port = split_address(had["peer"])
    context.check(f"{name}: mainline, the peer", (host, port) in krpc.peers(found), found)
    client.close()
    stop(context, f"{name}: mainline", process, log)


def poly(context, name, data, had, clock):
    log = f"poly-{name.replace(', ', '-').replace(' ', '-')}"
    command = [context.polykad, "serve", "--network", "poly", "--no-default-bootstrap"]
    command += ["--no-rate-limit", "--listen", POLY, "--data", data]
    process = context.spawn(log, command, env=clock)
    ready = context.wait_until(lambda: "ready" in context.log(log), 20)
    context.require(f"{name}: poly starts", ready, "" if ready else context.log(log))
    context.check(f"{name}: poly, the same id", f"id {had['id']}" in context.log(log))

    def ours(*arguments):
        return context.run(*arguments, "--bootstrap", POLY, timeout=30, env=clock)

    got = {key: ours("get", key).out for key in had["values"]}
    lost = [key for key, text in had["values"].items() if not got[key].startswith(text.encode())]
    context.check(f"{name}: poly, all {len(got)} values", not lost, lost)
    record = had["record"]
    written = ours("record", "get", record["public_key"], "--salt", record["salt"])
    context.equal(f"{name}: poly, the record", written.text.strip(), record["value"])
    topic = ours("topic", "find", had["topic"]["name"])
    context.check(f"{name}: poly, the topic", had["topic"]["payload"] in topic.text, topic)
    stop(context, f"{name}: poly", process, log)
