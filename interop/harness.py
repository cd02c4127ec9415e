"""What a scenario is given: checks, processes that end with it, waiting with a deadline.

A scenario runs inside a network, mount and process namespace of its own (run.py makes them), so
nothing it starts outlives it and nothing it sends leaves it.
"""

import glob
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time


class Missing(Exception):
    """A program that the scenario needs is not there: the scenario is skipped, loudly."""


class Failed(Exception):
    """The scenario can't go on."""


class Context:
    def __init__(self, scenario, work, polykad, bench=None):
        self.scenario = scenario
        self.work = pathlib.Path(work)
        self.polykad = polykad
        self.bench = bench
        self.processes = []
        self.failures = 0
        self.started = time.monotonic()

    # Checks: one line each.

    def check(self, name, holds, detail=""):
        """Records one check; returns whether it holds."""
        holds = bool(holds)
        self.failures += not holds
        if holds and not isinstance(detail, (str, int, float)):
            # Whole answers and results explain failures only.
            detail = ""
        self._say("ok  " if holds else "FAIL", name, detail)
        return holds

    def equal(self, name, actual, expected):
        same = actual == expected
        return self.check(name, same, "" if same else f"got {actual!r}, expected {expected!r}")

    def require(self, name, holds, detail=""):
        """A check without which the rest makes no sense."""
        if not self.check(name, holds, detail):
            raise Failed(name)

    def skip(self, name, reason):
        self._say("SKIP", name, reason)

    def note(self, text):
        self._say("note", text, "")

    def _say(self, verdict, name, detail):
        detail = f": {detail}" if detail != "" else ""
        spent = time.monotonic() - self.started
        print(f"{verdict} {self.scenario} [{spent:6.1f} s] {name}{detail}", flush=True)

    # Processes.

    def program(self, name):
        """The path of an installed program."""
        path = shutil.which(name)
        if not path:
            raise Missing(f"{name} is not installed")
        return path

    def folder(self, name):
        path = self.work / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def spawn(self, name, arguments, **options):
        """Starts a program; its output goes to NAME.log of the work folder."""
        with open(self.work / f"{name}.log", "ab") as log:
            process = subprocess.Popen(
                [str(argument) for argument in arguments],
                stdin=subprocess.DEVNULL,
                stdout=options.pop("stdout", log),
                stderr=options.pop("stderr", log),
                **options,
            )
        self.processes.append(process)
        return process

    def log(self, name):
        path = self.work / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def stop_all(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
        for process in self.processes:
            process.wait()

    # Waiting.

    def wait_until(self, condition, seconds, pause=0.1):
        """The first true value of `condition`, or its last one after `seconds`."""
        deadline = time.monotonic() + seconds
        while True:
            value = condition()
            if value or time.monotonic() >= deadline:
                return value
            time.sleep(pause)

    # Our program.

    def serve(self, name, *listen, bootstrap=(), data=None, wait=True, more=(), **options):
        """A `polykad serve` that answers."""
        arguments = [self.polykad, "serve", "--network", "mainline", "--no-default-bootstrap"]
        for address in listen:
            arguments += ["--listen", address]
        for address in bootstrap:
            arguments += ["--bootstrap", address]
        arguments += ["--data", data or self.folder(f"{name}-data"), *more]
        process = self.spawn(name, arguments, **options)
        if wait:
            self.wait_listening(name, process, listen)
        return process

    def wait_listening(self, name, process, listen, seconds=10):
        """Waits until the node answers pings on each address."""
        import krpc

        for address in listen:
            host, port = split_address(address)
            source = "::1" if ":" in host else "0.0.0.0"
            client = krpc.Client(source, answers=False)
            up = self.wait_until(
                lambda: process.poll() is not None
                or client.ping((host, port), timeout=0.3, top={"ro": 1}),
                seconds,
            )
            client.close()
            if process.poll() is not None or not up:
                tail = self.log(name).strip().splitlines()[-3:]
                raise Failed(f"{name} does not answer on {address}: {' / '.join(tail)}")

    def find_peer(self, info_hash, peer, bootstrap, seconds=40):
        """Asks for a torrent's peers until one is among them: libtorrent, which waits up to 15 s
        for a node that has gone, announces late. Returns whether, and the last result."""
        last = []

        def found():
            last[:] = [self.mainline("get-peers", info_hash.hex(), bootstrap=[bootstrap])]
            return last[0].code == 0 and peer in str(last[0].json.get("peers"))

        return self.wait_until(found, seconds, 1), last[0]

    def run(self, *arguments, timeout=60, **options):
        """Runs our program to its end."""
        return Result.of([self.polykad, *arguments], timeout, **options)

    def run_in(self, enter, *arguments, timeout=60, **options):
        """The same within namespaces: behind the words of `enter`."""
        return Result.of([*enter, self.polykad, *arguments], timeout, **options)

    def mainline(self, command, *arguments, bootstrap=(), timeout=60):
        """Runs `polykad mainline COMMAND --json` on its own."""
        join = ["--no-default-bootstrap", "--json"]
        for address in bootstrap:
            join += ["--bootstrap", address]
        return self.run("mainline", command, *map(str, arguments), *join, timeout=timeout)


class Result:
    """How a program ended."""

    def __init__(self, code, out, err, seconds):
        self.code = code
        self.out = out
        self.err = err
        self.seconds = seconds

    @classmethod
    def of(cls, arguments, timeout, **options):
        start = time.monotonic()
        try:
            done = subprocess.run(
                [str(argument) for argument in arguments],
                stdin=options.pop("stdin", subprocess.DEVNULL),
                capture_output=True,
                timeout=timeout,
                check=False,
                **options,
            )
            code, out, err = done.returncode, done.stdout, done.stderr
        except subprocess.TimeoutExpired as late:
            code, out, err = None, late.stdout or b"", late.stderr or b""
        return cls(code, out, err.decode(errors="replace"), time.monotonic() - start)

    @property
    def json(self):
        """The object printed by `--json`; empty if there is none."""
        try:
            value = json.loads(self.out)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}

    @property
    def text(self):
        return self.out.decode(errors="replace")

    def __str__(self):
        out = " ".join(self.text.split())[:300]
        err = " ".join(self.err.split())[:300]
        return f"code {self.code} after {self.seconds:.1f} s, out {out!r}, err {err!r}"


def false_clock(told):
    """An environment in which the wall clock tells another time, and the clocks that only run on
    are left alone. `told`: a time as libfaketime reads it, or the file that says it, which may
    change while the program runs."""
    library = next(iter(glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")), None)
    if not library:
        raise Missing("libfaketime is not installed: apt-get install libfaketime")
    way = "FAKETIME_TIMESTAMP_FILE" if isinstance(told, pathlib.Path) else "FAKETIME"
    own = {"LD_PRELOAD": library, "DONT_FAKE_MONOTONIC": "1", "FAKETIME_NO_CACHE": "1", "TZ": "UTC"}
    return os.environ | own | {way: str(told)}


def split_address(address):
    """Host and port of `IP:PORT` or `[IP]:PORT`."""
    host, port = address.rsplit(":", 1)
    return host.strip("[]"), int(port)


def ip(*arguments, enter=()):
    """Runs `ip`; within namespaces, behind the words of `enter`."""
    subprocess.run([*enter, "ip", *arguments], check=True, stdout=sys.stderr)
