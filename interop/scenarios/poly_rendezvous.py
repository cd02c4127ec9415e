"""Nodes of poly that know no other node of it meet over Mainline."""

import os

LIMIT_SECONDS = 90
ADDRESSES = []
BOOTSTRAP = "127.0.0.1:6881"


class Daemon:
    def __init__(self, context, name, number, *more):
        self.context, self.name = context, name
        self.http = f"127.0.0.1:{6900 + number}"
        command = [context.polykad, "serve", "--no-default-bootstrap", "--bootstrap", BOOTSTRAP]
        command += ["--listen", f"127.0.0.1:{6890 + number}", "--http", self.http]
        command += ["--poly-listen", f"127.0.0.1:{7700 + number}", *more]
        context.spawn(name, [*command, "--data", context.folder(f"{name}-data")])

    def run(self, *arguments):
        return self.context.run(*arguments, "--daemon", f"http://{self.http}")

    def id(self):
        return self.run("id", "--json").json.get("id_poly")

    def knows(self):
        return {peer["id"] for peer in self.run("peers", "--json").json.get("poly", [])}


def run(context):
    context.serve("mainline", BOOTSTRAP)
    key_file = context.work / "club.key"
    key_file.write_text(os.urandom(32).hex())
    key_file.chmod(0o600)
    public = [Daemon(context, f"public-{n}", n) for n in (1, 2)]
    private = [Daemon(context, f"private-{n}", n, "--poly-key-file", key_file) for n in (3, 4)]
    shy = Daemon(context, "shy", 5, "--no-rendezvous")
    for name, (one, other) in (("public", public), ("private", private)):
        met = context.wait_until(lambda: other.id() in one.knows(), 60, 0.5)
        context.require(f"two {name} nodes meet over Mainline", met)
        value = os.urandom(700)
        path = context.work / name
        path.write_bytes(value)
        put = one.run("put", path, "--json")
        context.check("a value is put on one", put.json.get("acknowledged") == 2, put)
        got = other.run("get", put.json.get("key", ""))
        context.check("and read on the other", got.code == 0 and got.out == value, got)
    strangers = {place.id() for place in private}
    met = [place for place in public if place.knows() & strangers]
    context.check("private and public ones do not meet", not met)
    context.check("without rendezvous nobody is met", shy.id() and not shy.knows())
