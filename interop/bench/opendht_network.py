#!/usr/bin/env python3
"""OpenDHT's column of `cargo xtask bench poly`: all nodes in this process, measured from one of them.

Prints one object of figures, with the names that `polykad-bench poly-ours` uses. CPU is that of all
threads of the process, so of the whole network; what Python adds to it is a few microseconds a call.
"""

import argparse
import json
import os
import sys
import threading
import time

import opendht

SHORT, LONG, TOO_LONG = 64, 32 << 10, (64 << 10) + 1
IN_FLIGHT = 64
# A network this young loses what is put into it.
AGE_S = 20
REST_S = 3
GIVE_UP_S = 30


def value(number, size):
    return number.to_bytes(8, "big") * (size // 8) + b"x" * (size % 8)


def start(count):
    nodes = []
    for number in range(count):
        config = opendht.DhtConfig()
        config.setRateLimit(-1, -1)
        node = opendht.DhtRunner()
        node.run(port=4222, ipv4=f"10.77.{number // 200 + 1}.{number % 200 + 1}", config=config)
        if nodes:
            node.bootstrap("10.77.1.1", "4222")
        nodes.append(node)
    time.sleep(AGE_S)
    return nodes


def put(node, number, size, done):
    key = opendht.InfoHash.get(f"value {number}")
    node.put(key, opendht.Value(value(number, size)), lambda ok, _: done(ok))


def get(node, number, size, done):
    key = opendht.InfoHash.get(f"value {number}")
    wanted = value(number, size)
    state = {"found": False}

    def found(one):
        if bytes(one.data) == wanted and not state["found"]:
            state["found"] = True
            done(True)
            return False
        return True

    def end(_ok, _nodes):
        if not state["found"]:
            done(False)

    node.get(key, found, end)


def run_all(act, choose, numbers, size, at_a_time):
    """Times each; returns those that succeeded, in milliseconds, and the whole span in seconds."""
    room = threading.Semaphore(at_a_time)
    left = threading.Semaphore(0)
    times = []

    def one(number):
        begun = time.perf_counter()
        once = threading.Lock()

        def done(ok):
            if not once.acquire(blocking=False):
                return
            if ok:
                times.append((time.perf_counter() - begun) * 1e3)
            room.release()
            left.release()

        act(choose(number), number, size, done)

    begun = time.perf_counter()
    waiting = 0
    for number in numbers:
        if not room.acquire(timeout=GIVE_UP_S):
            break
        one(number)
        waiting += 1
    until = time.perf_counter() + GIVE_UP_S
    for _ in range(waiting):
        if not left.acquire(timeout=max(0, until - time.perf_counter())):
            break
    return sorted(times), time.perf_counter() - begun


def percentile(times, percent):
    return times[max(-(-len(times) * percent // 100), 1) - 1] if times else None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--nodes", type=int, default=100)
    parser.add_argument("--values", type=int, default=300)
    parser.add_argument("--kept", type=int, default=10_000)
    options = parser.parse_args()
    nodes = start(options.nodes)
    asker = nodes[1]
    told = {}
    values = options.values
    own = lambda _: asker

    def cpu(act, numbers):
        before = time.process_time()
        times, _ = run_all(act, own, numbers, SHORT, 1)
        if act is put:
            time.sleep(REST_S)
        return times, (time.process_time() - before) * 1e3 / values

    idle = time.process_time()
    time.sleep(REST_S)
    told["idle_cpu_ms_per_s"] = (time.process_time() - idle) * 1e3 / REST_S
    times, told["cpu_per_put_ms"] = cpu(put, range(values))
    told["put_ms"], told["put_p99_ms"] = percentile(times, 50), percentile(times, 99)
    times, told["cpu_per_get_ms"] = cpu(get, range(values))
    told["get_ms"], told["get_p99_ms"] = percentile(times, 50), percentile(times, 99)
    first = values
    for size, count, names in [
        (SHORT, 3 * values, ("puts_per_s", "gets_per_s")),
        (LONG, values, ("long_puts_per_s", "long_gets_per_s")),
    ]:
        for act, name in zip((put, get), names):
            times, span = run_all(act, own, range(first, first + count), size, IN_FLIGHT)
            told[name] = len(times) / span
            told[name + "_failed"] = count - len(times)
            time.sleep(REST_S)
        first += count
    begun = time.perf_counter()
    times, _ = run_all(put, own, [first], TOO_LONG, 1)
    told["too_long_ms"] = (time.perf_counter() - begun) * 1e3
    told["too_long"] = "it was taken" if times else "no end, or a failure without a reason"
    # As many as the goals name for it: its puts take 30 times as long as ours.
    kept = range(first + 1, first + 1 + min(options.kept, 300))
    run_all(put, own, kept, SHORT, IN_FLIGHT)
    time.sleep(REST_S)
    for node in nodes[: options.nodes * 3 // 10]:
        node.shutdown()
    survivors = nodes[options.nodes * 3 // 10 :]
    times, _ = run_all(get, lambda n: survivors[n % len(survivors)], kept, SHORT, 8)
    told["killed_found"], told["killed_of"] = len(times), len(kept)
    told["killed_p50_ms"], told["killed_p99_ms"] = percentile(times, 50), percentile(times, 99)
    print(json.dumps(told))
    sys.stdout.flush()
    # Joining its threads hangs.
    os._exit(0)


main()
