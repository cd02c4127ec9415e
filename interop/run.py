#!/usr/bin/env python3
"""Runs the interoperability scenarios, each in namespaces of its own.

    interop/run.py --polykad target/release/polykad [--bench BIN] [--keep DIR] [--list] [FILTER...]

Prints one line a check, then `N passed, N failed, N skipped`. Exit code 1 if a check failed.
Needs Linux, `unshare` and `ip`; works as root, or without where user namespaces are allowed.
"""

import argparse
import importlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import traceback

HERE = pathlib.Path(__file__).resolve().parent

# In order of running; each module has LIMIT_SECONDS, ADDRESSES and run(context).
SCENARIOS = [
    "wrong_use",
    "quirks",
    "ipv6",
    "bep42",
    "restart",
    "upgrade",
    "clock",
    "flood",
    "seed_to_leech",
    "swarm",
    "poly_python",
    "poly_lan",
    "poly_rendezvous",
    "poly_mapping",
    "poly_connect",
]


def main():
    options = parse_arguments()
    if options.inside:
        sys.exit(inside(options))
    names = [n for n in SCENARIOS if not options.filter or any(f in n for f in options.filter)]
    if options.list:
        print("\n".join(names))
        return
    counts = {"ok": 0, "FAIL": 0, "SKIP": 0}
    for name in names:
        for verdict, count in outside(name, options).items():
            counts[verdict] += count
    if not names:
        print(f"no scenario matches {' '.join(options.filter)}; see --list")
        counts["FAIL"] += 1
    print(f"{counts['ok']} passed, {counts['FAIL']} failed, {counts['SKIP']} skipped")
    sys.exit(1 if counts["FAIL"] else 0)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--polykad", default="target/release/polykad", help="our program")
    parser.add_argument("--bench", help="our load generator, for the scenarios under load")
    parser.add_argument("--keep", help="folder to keep the logs in (default: a temporary one)")
    parser.add_argument("--list", action="store_true", help="names the scenarios")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    parser.add_argument("--work", help=argparse.SUPPRESS)
    parser.add_argument("filter", nargs="*", help="run those whose name contains one of these")
    return parser.parse_args()


def outside(name, options):
    """Runs one scenario in fresh namespaces, passes its lines on, counts their verdicts."""
    limit = importlib.import_module(f"scenarios.{name}").LIMIT_SECONDS
    work = pathlib.Path(options.keep or tempfile.mkdtemp(prefix="polykad-interop-")) / name
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    spaces = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    command = ["unshare", *user, *spaces, sys.executable, __file__, "--inside", name]
    command += ["--work", str(work), "--polykad", str(pathlib.Path(options.polykad).resolve())]
    if options.bench:
        command += ["--bench", str(pathlib.Path(options.bench).resolve())]
    counts = {"ok": 0, "FAIL": 0, "SKIP": 0}
    timed_out = threading.Event()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        # The namespaces' first process dies with `unshare`, and all others die with it.
        watchdog = threading.Timer(limit, lambda: (timed_out.set(), process.kill()))
        watchdog.start()
        try:
            for line in process.stdout:
                verdict = line.split(" ", 1)[0]
                if verdict in counts:
                    counts[verdict] += 1
                print(line, end="", flush=True)
            process.wait()
        except KeyboardInterrupt:
            process.send_signal(signal.SIGKILL)
            raise
        finally:
            watchdog.cancel()
    if timed_out.is_set():
        print(f"FAIL {name} did not end within {limit} s")
        counts["FAIL"] += 1
    elif process.returncode and not counts["FAIL"]:
        print(f"FAIL {name} ended with code {process.returncode}")
        counts["FAIL"] += 1
    if not options.keep and not counts["FAIL"]:
        shutil.rmtree(work.parent, ignore_errors=True)
    elif counts["FAIL"]:
        print(f"note {name}: logs are in {work}")
    return counts


def inside(options):
    """The scenario itself, as the first process of the namespaces."""
    from harness import Context, Failed, Missing, ip

    module = importlib.import_module(f"scenarios.{options.inside}")
    ip("link", "set", "lo", "up")
    for address in module.ADDRESSES:
        family = ["-6"] if ":" in address else []
        ip(*family, "addr", "add", address, "dev", "lo")
    context = Context(options.inside, options.work, options.polykad, options.bench)
    try:
        module.run(context)
    except Missing as missing:
        context.skip("the rest of the scenario", missing)
    except Failed as failure:
        if not context.failures:
            context.check("the scenario can run", False, failure)
    except Exception as error:  # every other trouble is a failed check, told in one line
        traceback.print_exc()
        context.check("the scenario runs to its end", False, f"{type(error).__name__}: {error}")
    finally:
        context.stop_all()
    # Not every library ends its threads in time.
    sys.stdout.flush()
    os._exit(1 if context.failures else 0)


if __name__ == "__main__":
    sys.path.insert(0, str(HERE))
    main()
