"""Say of every module below a folder whether a kernel would load it, and if not, why not.

python examples/why_not.py build/ [/usr/src/linux-headers-6.12.0-1-amd64]
"""

from __future__ import annotations

import sys
from pathlib import Path

import pyinsmod


def main(folder: str, kernel: str | None = None) -> int:
    """Return 1 if one of them is refused."""
    facts = pyinsmod.kernel(kernel)
    refused = 0
    for path in sorted(Path(folder).rglob("*.ko")):
        told = pyinsmod.check(path, on=facts)
        reasons = [finding.summary for finding in told.findings if finding.severity in ("refuses", "crashes")]
        print(f"{path}: {told.prediction.outcome}{''.join(f' ({reason})' for reason in reasons[:1])}")
        refused += told.prediction.bad
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
