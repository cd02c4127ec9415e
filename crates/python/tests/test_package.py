"""The package itself: what is generated is up to date, and the README's example runs."""

from __future__ import annotations

import re
import subprocess
import sys
import unittest
from pathlib import Path

from daemons import PROGRAM, eventually, network

import polykad

CRATE = Path(__file__).parents[1]
README = CRATE.parents[1] / "README.md"


class Package(unittest.TestCase):
    def test_sync_is_made_from_aio(self) -> None:
        made = subprocess.run([sys.executable, str(CRATE / "unasync.py"), "--check"])
        self.assertEqual(made.returncode, 0, "run crates/python/unasync.py")

    def test_everything_named_is_there(self) -> None:
        for name in polykad.__all__:
            self.assertTrue(hasattr(polykad, name), name)

    @unittest.skipUnless(PROGRAM, "POLYKAD_PROGRAM names no program")
    def test_the_readmes_example_runs(self) -> None:
        section = README.read_text().split("### From Python\n")[1]
        example = re.search(r"```python\n(.*?)```", section, re.DOTALL)
        assert example is not None
        daemons = network(3, "--network", "poly")
        self.addCleanup(lambda: [daemon.stop() for daemon in daemons])
        node = polykad.Client(daemons[0].url)
        eventually(lambda: len(node.poly.contacts()) == 2)
        text = example[1].replace("http://127.0.0.1:6880", daemons[0].url)
        done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("hello world", done.stdout)


if __name__ == "__main__":
    unittest.main()
