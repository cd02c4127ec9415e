"""`polykad connect`: a stream between two nodes that know only each other's network."""

import os
import subprocess

LIMIT_SECONDS = 90
ADDRESSES = []
NODES = [f"127.0.0.1:{port}" for port in range(7731, 7736)]
BYTES = 3_000_000


def run(context):
    for number, address in enumerate(NODES):
        command = [context.polykad, "serve", "--network", "poly", "--no-default-bootstrap"]
        join = ["--bootstrap", NODES[0]] if number else []
        context.spawn(f"node-{number}", [*command, "--listen", address, *join])
    sent, back = os.urandom(BYTES), os.urandom(1000)
    question, answer, copy = (context.work / name for name in ("question", "answer", "copy"))
    question.write_bytes(sent)
    answer.write_bytes(back)
    accept = [context.polykad, "connect", "--accept", "--service", "copy", "--bootstrap", NODES[4]]
    with open(answer, "rb") as from_there, open(copy, "wb") as to_there:
        log = open(context.work / "taker.log", "ab")
        taker = subprocess.Popen(accept, stdin=from_there, stdout=to_there, stderr=log)
    context.processes.append(taker)
    told = context.wait_until(lambda: "id " in context.log("taker"), 30)
    context.require("who accepts tells its id", told, context.log("taker"))
    node = context.log("taker").split("id ")[1].split()[0]

    def connect(node, service, data):
        with open(data, "rb") as source:
            arguments = [node, "--service", service, "--bootstrap", NODES[1]]
            return context.run("connect", *arguments, stdin=source)

    refused = connect(node, "another", answer)
    context.check("another service is refused", refused.code == 1, refused)
    context.check("and it is said why", "no service" in refused.err, refused)
    unknown = connect("5" * 64, "copy", answer)
    context.check("an unknown id is told", unknown.code == 1 and "knows" in unknown.err, unknown)
    done = connect(node, "copy", question)
    context.check("what the other side says comes out", done.out == back, done)
    context.equal("with exit code 0", done.code, 0)
    context.equal("the other side ends as well", taker.wait(20), 0)
    context.check(f"and has all {BYTES} bytes", copy.read_bytes() == sent)
    context.check("it knows who it was", "from " in context.log("taker"))
    alone = context.run("connect", node)
    context.check("without --bootstrap: wrong use", alone.code == 2, alone)
