"""Makes ``polykad/sync.py`` from ``polykad/aio.py``; with ``--check`` tells whether it is up to date.

What awaits and what waits differ in words alone, so they are written once.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

PACKAGE = Path(__file__).parent / "python" / "polykad"

WORDS = [
    (r"\basync (def|for|with) ", r"\1 "),
    (r"\bawait ", ""),
    (r"\bAsyncGenerator\b", "Generator"),
    (r"Generator\[((?:[^\[\]]|\[[^\[\]]*\])*), None\]", r"Generator[\1, None, None]"),
    (r"\bAsync(Mainline|Poly|Client|Node|Transport)\b", r"\1"),
    (r"\bcall_async\b", "call_sync"),
    (r"\b__a(enter|exit)__\b", r"__\1__"),
    (r"programs that await\. .*?\"\"\"", 'programs that wait. Made from ``aio.py`` by ``unasync.py``."""'),
]


def made() -> str:
    text = (PACKAGE / "aio.py").read_text()
    for pattern, replacement in WORDS:
        text = re.sub(pattern, replacement, text)
    return text


def main() -> int:
    target = PACKAGE / "sync.py"
    if "--check" in sys.argv:
        return 0 if target.read_text() == made() else 1
    target.write_text(made())
    return 0


if __name__ == "__main__":
    sys.exit(main())
