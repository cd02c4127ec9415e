"""Daemons and nodes on loopback for the tests: POLYKAD_PROGRAM names the program."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Callable
from typing import Any

import polykad

PROGRAM = os.environ.get("POLYKAD_PROGRAM")


class Daemon:
    """A running `polykad serve`; killed at the end."""

    def __init__(self, *words: str) -> None:
        always = ["serve", "--json", "--quiet", "--no-default-bootstrap"]
        inherited = {n: v for n, v in os.environ.items() if not n.startswith("POLYKAD_")}
        assert PROGRAM is not None
        self._child = subprocess.Popen(
            [PROGRAM, *always, *words], stdout=subprocess.PIPE, env=inherited
        )
        assert self._child.stdout is not None
        self.told: dict[str, Any] = json.loads(self._child.stdout.readline())
        listen = self.told.get("listen") or self.told["listen_poly"]
        self.address: str = listen[0]
        self.url: str = self.told.get("http") or ""

    def stop(self) -> None:
        self._child.kill()
        self._child.communicate()


def network(count: int, *words: str) -> list[Daemon]:
    """Daemons that know each other, each in a /24 of its own."""
    daemons: list[Daemon] = []
    while len(daemons) < count:
        join = ["--bootstrap", daemons[0].address] if daemons else []
        listen = f"127.79.{len(daemons)}.1:0"
        daemons.append(Daemon("--listen", listen, "--http", "127.0.0.1:0", *join, *words))
    return daemons


def eventually(holds: Callable[[], bool]) -> None:
    """Tries until it holds: nodes find each other when they do, and may know nobody until then."""
    for _ in range(600):
        with contextlib.suppress(polykad.UnavailableError):
            if holds():
                return
        time.sleep(0.1)
    raise AssertionError("it did not come about within a minute")
