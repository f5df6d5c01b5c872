"""Make the README's picture of a report: its summary and its matrix, as headless Chromium shows them.

`make picture`, or `python -m tools.picture REPORT.html PICTURE.png`. The document between the two is left out.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

WIDTH, HEIGHT = 1280, 960
LARGEST = 300 * 1024  # bytes: it is in the repository
SHOWN = """\
<style>main > :not(#matrix) { display: none } body { padding-top: 1.5rem } #matrix h2 { margin-top: 1.5rem }</style>
"""


def main(arguments: Sequence[str]) -> int:
    """Write the picture; 1 when Chromium cannot, or when it is too large."""
    report, target = (Path(argument) for argument in arguments)
    page = report.read_text(encoding="utf-8")
    claims = re.search(r'<p class="lead">(.*?)</p>', page)
    if claims is None:
        print(f"{report} is no report of pyinsmod validate", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        changed = Path(folder, "report.html")
        changed.write_text(page.replace("</head>", f"{SHOWN}</head>", 1), encoding="utf-8")
        done = subprocess.run(_command(changed, target), capture_output=True, text=True, check=False)
    if done.returncode or not target.exists():
        print(done.stderr, file=sys.stderr)
        return 1
    size = target.stat().st_size
    print(f"{target}: {size >> 10} KiB, {claims[1]}")
    return int(size > LARGEST)


def _command(page: Path, target: Path) -> list[str]:
    return [
        *("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
        *(f"--user-data-dir={page.parent}", f"--window-size={WIDTH},{HEIGHT}"),
        *(f"--screenshot={target.absolute()}", page.as_uri()),
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
