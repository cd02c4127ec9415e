"""Nodes in network namespaces of their own, whose one interface is a port of a bridge.

The bridge lies in the scenario's own namespace, which is one more host on that network.
"""

import os
import pathlib

from harness import Failed, ip

HTTP = "http://127.0.0.1:6880"


def make_bridge(address):
    ip("link", "add", "bridge", "type", "bridge")
    ip("addr", "add", address, "dev", "bridge")
    ip("link", "set", "bridge", "up")


class Place:
    """A namespace with a node in it; `address` has a length of prefix."""

    def __init__(self, context, name, address, gateway=None):
        self.context, self.name = context, name
        self.holder = context.spawn(f"{name}-place", ["unshare", "--net", "sleep", "infinity"])
        own = os.readlink("/proc/self/ns/net")
        space = f"/proc/{self.holder.pid}/ns/net"
        if not context.wait_until(lambda: os.readlink(space) != own, 10):
            raise Failed("no network namespace")
        self.enter = ["nsenter", f"--net={space}"]
        number = self.holder.pid
        ip("link", "add", f"port{number}", "type", "veth", "peer", "name", f"lan{number}")
        ip("link", "set", f"lan{number}", "netns", str(number))
        ip("link", "set", f"port{number}", "master", "bridge", "up")
        self.ip("link", "set", "lo", "up")
        # What nobody else has need not be asked for first.
        at_once = ["nodad"] if ":" in address else []
        self.ip("addr", "add", address, "dev", f"lan{number}", *at_once)
        self.ip("link", "set", f"lan{number}", "up")
        if gateway:
            self.ip("route", "add", "default", "via", gateway)

    def ip(self, *arguments):
        ip(*arguments, enter=self.enter)

    def serve(self, *more):
        command = [self.context.polykad, "serve", "--network", "poly", "--http", *more]
        data = ["--data", self.context.folder(f"{self.name}-data")]
        self.process = self.context.spawn(self.name, [*self.enter, *command, *data])

    def run(self, *arguments):
        return self.context.run_in(self.enter, *arguments, "--daemon", HTTP)

    def id(self):
        return self.run("id", "--json").json.get("id_poly")

    def knows(self):
        return {peer["id"] for peer in self.run("peers", "--json").json.get("poly", [])}

    def memory_kb(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if "VmRSS" in line)
