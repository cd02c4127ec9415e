"""Wrong use ends with one line that says what to do, with the right exit code, and in time."""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

import krpc
from harness import split_address

LIMIT_SECONDS = 240
ADDRESSES = ["10.77.0.1/16"]
SERVER = "10.77.4.1:6881"
NOWHERE = "10.77.99.99:9"
# Every operation's stated deadline is at most this.
DEADLINE_SECONDS = 60


def run(context):
    arguments(context)
    busy_port(context)
    started_together(context)
    data_folder(context)
    full_disk(context)
    damaged_store(context)
    values(context)
    unreachable(context)


def refused(context, name, result, code, *words, within=5.0):
    """One line on stderr, with the words in it; the exit code; the time."""
    lines = [line for line in result.err.splitlines() if line.strip()]
    problems = []
    if result.code != code:
        problems.append(f"exit code {result.code} instead of {code}")
    if len(lines) != 1:
        problems.append(f"{len(lines)} lines instead of one")
    if "panicked" in result.err:
        problems.append("panicked")
    said = (result.err + result.text).lower()
    problems += [f"does not say {word!r}" for word in words if word.lower() not in said]
    if result.seconds > within:
        problems.append(f"took {result.seconds:.1f} s")
    detail = f"{'; '.join(problems)}; {result}" if problems else lines[0]
    context.check(name, not problems, detail)


def serve(context, *more, listen=SERVER, timeout=15):
    command = ["serve", "--network", "mainline", "--no-default-bootstrap", "--listen", listen]
    return context.run(*command, *more, timeout=timeout)


def arguments(context):
    data = ["--data", context.folder("unused")]
    refused(context, "bad listen address", serve(context, *data, listen="10.77.4.1:99999"), 2,
            "10.77.4.1:99999")
    refused(context, "listen address of another host", serve(context, *data, listen="8.8.8.8:6881"),
            2, "8.8.8.8:6881")
    refused(context, "bad bootstrap address", serve(context, *data, "--bootstrap", "nobody:x"), 2,
            "nobody:x")
    ping = context.run("mainline", "ping", "10.77.4.1", "--no-default-bootstrap", timeout=15)
    refused(context, "ping of an address without a port", ping, 2, "10.77.4.1")
    find = context.run("mainline", "find-node", "xyz", "--no-default-bootstrap", timeout=15)
    refused(context, "a target that is no hash", find, 2, "xyz")
    config = context.work / "bad.toml"
    config.write_text("listen = 7 = 8\n")
    refused(context, "damaged configuration", serve(context, *data, "--config", config), 2,
            "bad.toml")
    missing = context.work / "missing.toml"
    refused(context, "missing configuration", serve(context, *data, "--config", missing), 2,
            "missing.toml")
    unknown = context.work / "unknown.toml"
    unknown.write_text("no_such_setting = 1\n")
    refused(context, "unknown setting", serve(context, *data, "--config", unknown), 2,
            "no_such_setting")
    help_text = context.run("--help", timeout=5)
    context.check("help is not an error", help_text.code == 0 and "serve" in help_text.text)
    nonsense = context.run("no-such-command", timeout=5)
    said = nonsense.code == 2 and "no-such-command" in nonsense.err
    context.check("an unknown command: code 2", said, nonsense)


def busy_port(context):
    holder = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    holder.bind(split_address(SERVER))
    result = serve(context, "--data", context.folder("busy"))
    refused(context, "busy port", result, 2, "6881", "in use")
    holder.close()


def started_together(context):
    """One of those that start at the same moment has the dashboard; the others serve without."""
    silent = []
    for turn in range(20):
        nodes = {f"together-{turn}-{number}": f"10.77.10.{number}:6881" for number in range(1, 7)}
        command = [context.polykad, "serve", "--network", "mainline", "--no-default-bootstrap"]
        started = [context.spawn(name, [*command, "--listen", at]) for name, at in nodes.items()]
        context.wait_until(lambda: all("ready;" in context.log(name) for name in nodes), 10)
        silent += [log for log in map(context.log, nodes) if "ready;" not in log]
        for process in started:
            process.kill()
            process.wait()
    context.check("120 daemons, six at the same moment, all serve", not silent, silent)


def data_folder(context):
    """Root ignores modes, so what bars the way is a file and a mount that is read-only."""
    file = context.work / "a-file"
    file.write_text("not a folder\n")
    refused(context, "a file where the data folder should be", serve(context, "--data", file), 2,
            "a-file")
    folder = context.folder("read-only")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro,size=1m", "none", folder], check=True)
    refused(context, "a read-only data folder", serve(context, "--data", folder), 2, "read-only")
    first = context.serve("first", SERVER, data=context.folder("shared"))
    second = serve(context, "--data", context.work / "shared", listen="10.77.4.2:6881")
    refused(context, "a data folder that another process uses", second, 2, "shared")
    first.send_signal(signal.SIGTERM)
    first.wait(10)
    context.check("SIGTERM ends it with code 0", first.returncode == 0, first.returncode)


def full_disk(context):
    folder = context.folder("small-disk")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "none", folder], check=True)
    filler = folder / "filler"
    fill(filler)
    result = serve(context, "--data", folder / "data")
    refused(context, "a full disk at start", result, 2, "space")
    filler.unlink()

    process = context.serve("small", SERVER, data=folder / "data")
    fill(filler)
    client = krpc.Client("10.77.9.1", answers=False)
    address = split_address(SERVER)
    stored = [client.put_immutable(address, os.urandom(500)) for _ in range(40)]
    context.check("it acknowledges or refuses, never hangs", all(stored[:5]))
    time.sleep(3)
    answers = client.ping(address)
    context.check("a disk that fills up does not end it", process.poll() is None and answers)
    told = any(word in context.log("small").lower() for word in ("no space", "disk", "enospc"))
    context.check("it says so in its log", told, "" if told else context.log("small")[-300:])
    process.send_signal(signal.SIGKILL)
    process.wait()
    filler.unlink(missing_ok=True)
    process = context.serve("small-again", SERVER, data=folder / "data")
    context.check("with space again it starts", process.poll() is None)
    process.kill()
    process.wait()
    client.close()


def fill(path):
    try:
        with open(path, "wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass
    except OSError:
        return


def damaged_store(context):
    """Each file of the data folder is damaged in each way; the node starts all the same."""
    data = context.folder("to-damage")
    process = context.serve("undamaged", SERVER, data=data)
    client = krpc.Client("10.77.9.2", answers=False)
    for _ in range(20):
        client.put_immutable(split_address(SERVER), os.urandom(100))
    time.sleep(2)
    process.send_signal(signal.SIGTERM)
    process.wait(10)
    files = [path for path in data.rglob("*") if path.is_file() and path.stat().st_size]
    context.require("it has stored something", files)
    ways = {
        "truncated": lambda raw: raw[: len(raw) // 2],
        "emptied": lambda raw: b"",
        "overwritten": lambda raw: os.urandom(len(raw)),
        "damaged in the middle": damage_middle,
    }
    for path in files:
        for way, change in ways.items():
            damage_one(context, data, path.relative_to(data), way, change)
    client.close()


def damage_middle(raw):
    third = len(raw) // 3
    return raw[:third] + bytes(b ^ 0x5A for b in raw[third : 2 * third]) + raw[2 * third :]


def damage_one(context, data, name, way, change):
    copy = context.work / "damaged"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(data, copy)
    target = copy / name
    target.write_bytes(change(target.read_bytes()))
    label = f"damaged-{name.name}-{way.split()[0]}"
    try:
        process = context.serve(label, SERVER, data=copy)
    except Exception as error:  # told as the failed check it is
        context.check(f"{name} {way}: it starts all the same", False, error)
        return
    log = context.log(label)
    panicked = "panicked" in log
    said = str(copy) in log or pathlib.Path(name).name in log
    set_aside = len(list(copy.rglob("*"))) > len(list(data.rglob("*")))
    # Damage may miss what is in use; of an empty file there is nothing to keep.
    harmless = way == "damaged in the middle" or way == "emptied" and said
    context.check(
        f"{name} {way}: it starts, says so, keeps the file aside",
        not panicked and (said and set_aside or harmless and not set_aside),
        f"said: {said}, set aside: {set_aside}, panicked: {panicked}",
    )
    process.kill()
    process.wait()


def values(context):
    context.serve("keeper", SERVER, data=context.folder("keeper"))
    # A string of 996 bytes is 1,000 bytes bencoded, the limit of BEP 44.
    fits = context.mainline("put", "x" * 996, bootstrap=[SERVER])
    context.check("a value of 1,000 bytes is stored", fits.code == 0, fits)
    for length in (997, 1001):
        result = context.run(
            "mainline", "put", "x" * length, "--no-default-bootstrap", "--bootstrap", SERVER,
            timeout=15,
        )
        refused(context, f"a string of {length} bytes", result, 2, "1000")
    salted = context.run(
        "mainline", "put", "x", "--key-file", key_file(context), "--salt", "s" * 65, "--seq", "1",
        "--no-default-bootstrap", "--bootstrap", SERVER, timeout=15,
    )
    refused(context, "a salt of 65 bytes", salted, 2, "64")
    lost = context.run(
        "mainline", "put", "x", "--key-file", context.work / "no.key", "--seq", "1",
        "--no-default-bootstrap", "--bootstrap", SERVER, timeout=15,
    )
    context.check("a missing key file: made, or an error that names it",
                  lost.code == 0 or lost.code == 2 and "no.key" in lost.err, lost)


def key_file(context):
    path = context.work / "some.key"
    path.write_text(os.urandom(32).hex() + "\n")
    return path


def unreachable(context):
    commands = {
        "ping": [NOWHERE], "find-node": [os.urandom(20).hex()], "get-peers": [os.urandom(20).hex()],
        "announce": [os.urandom(20).hex(), "--port", "1"], "put": ["nobody hears"],
        "get": [os.urandom(20).hex()], "scrape": [os.urandom(20).hex()],
        "sample": [os.urandom(20).hex()],
    }
    for command, more in commands.items():
        result = context.run(
            "mainline", command, *more, "--no-default-bootstrap", "--bootstrap", NOWHERE,
            timeout=DEADLINE_SECONDS,
        )
        refused(context, f"{command}, nobody reachable", result, 1, within=DEADLINE_SECONDS)
    nobody = context.run("mainline", "put", "x", "--no-default-bootstrap", timeout=15)
    refused(context, "no bootstrap at all", nobody, 2, "bootstrap")
