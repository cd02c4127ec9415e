"""One address at 50,000 queries a second gets its share and no more; the others notice nothing."""

import json
import subprocess

import krpc
from harness import Missing, split_address

LIMIT_SECONDS = 90
ADDRESSES = ["10.77.0.1/16", "10.80.0.1/16"]
SERVER = "10.77.4.1:6881"
FLOOD_RATE = 50_000
SECONDS = 10
OTHERS = 200
# So often do the others ask, all together, each from a subnet of its own: far below any share.
OTHERS_RATE = 400
# What one address may at most be answered in a second, whatever the setting's exact figure.
SHARE_LIMIT = 1_000


def run(context):
    if not context.bench:
        raise Missing("the load generator (cargo build --release -p polykad-bench)")
    context.serve("polykad", SERVER)
    calm = generate(context, "10.80.0.1", OTHERS, OTHERS_RATE, 3)
    context.check("calm: the others are served", calm["answered"] >= 0.99 * calm["sent"], calm)
    flood = start(context, "10.77.66.6", 1, FLOOD_RATE, SECONDS)
    others = generate(context, "10.80.0.1", OTHERS, OTHERS_RATE, SECONDS - 2)
    flooded = json.loads(flood.communicate(timeout=SECONDS + 20)[0])
    rate = flooded["sent"] / flooded["seconds"]
    context.check("the flood is a flood", rate >= 0.9 * FLOOD_RATE, f"{rate:.0f}/s")
    share = flooded["answered"] / flooded["seconds"]
    context.check("it gets its share and no more", 0 < share <= SHARE_LIMIT, f"{share:.0f}/s")
    served = others["answered"] / max(1, others["sent"])
    context.check("the others are served meanwhile", served >= 0.99, f"{served:.2%}")
    # A figure to look at, no check: it is the machine's as much as ours.
    context.note(f"their p99: {others['p99_ms']:.2f} ms, {calm['p99_ms']:.2f} ms without the flood")
    client = krpc.Client("10.77.9.9", answers=False)
    context.check("a newcomer is answered", client.ping(split_address(SERVER)))


def start(context, source, sources, rate, seconds):
    command = [context.bench, "load", "--target", SERVER, "--source", source]
    command += ["--sources", sources, "--spacing", 256, "--rate", rate, "--seconds", seconds, "--json"]
    return context.spawn(f"load-{source}", command, stdout=subprocess.PIPE, text=True)


def generate(context, source, sources, rate, seconds):
    process = start(context, source, sources, rate, seconds)
    return json.loads(process.communicate(timeout=seconds + 20)[0])
