"""What the benchmarks print: Markdown, to be pasted into the README as it stands."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; its first column has names, the others numbers."""
    lines = [("", *columns), ("---", *["---:"] * len(columns)), *rows]
    return "\n".join([f"**{title}**", "", *(f"| {' | '.join(line)} |" for line in lines), ""])


def limit(what: str, ratio: float, wanted: float, note: str = "") -> str:
    """Return a line about a ratio that may be `wanted` at most."""
    verdict = "holds" if ratio <= wanted else "does not hold"
    return f"- {what}: {ratio:.2f} ×{note}. Limit {wanted} ×: **{verdict}**"


def machine(when: str = "Measured on") -> str:
    """Return a line about what is measured on, and how busy that is."""
    system, load = os.uname(), os.getloadavg()
    return (
        f"{when}: {os.cpu_count()} CPUs, {system.machine}, Linux {system.release}, load {load[0]:.1f} {load[1]:.1f}\n"
    )


def milliseconds(seconds: float) -> str:
    """Return a time as the tables have it."""
    return f"{seconds * 1000:.1f} ms"
