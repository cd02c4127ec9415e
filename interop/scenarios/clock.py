"""A machine whose clock is set two days forward, then two days back, while its node runs.

Seven nodes with the right time hold what it holds: nothing may be lost, the node says what has
happened, and who signs by the wrong time is told so.
"""

import os

from harness import false_clock

LIMIT_SECONDS = 480
ADDRESSES = [f"10.78.{n}.1/16" for n in range(1, 9)]
NODES = [f"10.78.{n}.1:7654" for n in range(1, 9)]
DAEMON = "http://127.0.0.1:6880"
VALUES = 24
# A node looks at the clock at least once a minute.
NOTICED_SECONDS = 100


def run(context):
    told = context.work / "clock"
    told.write_text("+0\n")
    odd = false_clock(told)
    serve(context, "right-1", NODES[0])
    for number, address in enumerate(NODES[1:7], 2):
        serve(context, f"right-{number}", address, "--bootstrap", NODES[0])
    serve(context, "odd", NODES[7], "--bootstrap", NODES[0], "--http", "127.0.0.1:6880", env=odd)
    keys = [put(context, number) for number in range(VALUES)]
    context.require(f"{VALUES} values are stored", all(keys))
    key_file = context.work / "author.key"
    key_file.write_text(os.urandom(32).hex() + "\n")
    key_file.chmod(0o600)
    for offset, way in [("+2d", "forward"), ("+0", "back"), ("-2d", "back"), ("+0", "forward")]:
        times = said(context, way)
        told.write_text(f"{offset}\n")
        noticed = context.wait_until(lambda: said(context, way) > times, NOTICED_SECONDS, 1)
        detail = "" if noticed else context.log("odd")[-300:]
        context.check(f"{offset}: it says that the clock was set {way}", noticed, detail)
        read(context, offset, keys)
        sign(context, offset, key_file, odd)


def said(context, way):
    return context.log("odd").count(f"clock was set {way}")


def serve(context, name, address, *more, **options):
    command = [context.polykad, "serve", "--network", "poly", "--no-default-bootstrap", "--listen"]
    more = ["--data", context.folder(f"{name}-data"), *more]
    more += [] if "--http" in more else ["--no-http"]
    context.spawn(name, [*command, address, "--no-rate-limit", *more], **options)
    ready = context.wait_until(lambda: "ready" in context.log(name), 20)
    context.require(f"{name} starts", ready, "" if ready else context.log(name)[-300:])


def put(context, number):
    """For an hour, a day, or thirty: by a clock that is two days ahead the first two are over."""
    lifetime = ["1h", "1d", "30d"][number % 3]
    file = context.work / f"value-{number}"
    file.write_text(f"value {number}")
    words = ["put", file, "--lifetime", lifetime, "--json", "--bootstrap", NODES[1]]
    done = context.run(*words, timeout=30)
    return done.json.get("key")


def read(context, offset, keys):
    for who, where in [("it", ["--daemon", DAEMON]), ("others", ["--bootstrap", NODES[2]])]:
        got = [context.run("get", key, *where, timeout=30) for key in keys]
        lost = [n for n, done in enumerate(got) if done.text != f"value {n}"]
        failed = [str(got[number]) for number in lost]
        context.check(f"{offset}: all {VALUES} values are found by {who}", not lost, failed)
    fresh = context.run("put", "-", "--json", "--daemon", DAEMON, timeout=30)
    context.check(f"{offset}: it stores values for others", fresh.code == 0, fresh)


def sign(context, offset, key_file, odd):
    """What is signed says in unix seconds when it ends: yesterday, to those with the right time."""
    words = ["record", "set", f"written at {offset}", "--key-file", key_file, "--daemon", DAEMON]
    done = context.run(*words, timeout=60, env=odd)
    if offset.startswith("-"):
        blamed = done.code == 1 and "clock" in done.err and len(done.err.splitlines()) == 1
        context.check(f"{offset}: who signs is told that the clock is wrong", blamed, done)
    else:
        context.check(f"{offset}: a record is stored", done.code == 0, done)
