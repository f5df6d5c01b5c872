"""What the page says of the kernels, or classes of cases, that were not run this time: it stays as it is.

A row of the table of counts tells its kernel and class, a row of a kernel's list its case; what tells of a whole run
names the run's kernels.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

COUNTS, CASES, ABSENT, RUN = (
    "| kernel | release | date |",
    "| case | predicted |",
    "| kernel | class |",
    "In the run of ",
)
NAMES = {
    "fault": "single faults",
    "pair": "pairs of faults",
    "mutation": "random mutations",
    "module": "unmodified modules",
}
_KINDS = {title: kind for kind, title in NAMES.items()}


class Row(NamedTuple):
    """A row of an earlier run: of which kernel and class, and its cells between the bars."""

    kernel: str
    kind: str
    cells: tuple[str, ...]

    def line(self) -> str:
        """Return it as it stood."""
        return f"| {' | '.join(self.cells)} |"


def counts_of(page: str, run: Collection[tuple[str, str]]) -> list[Row]:
    """Return the rows of the table of counts but those of kernels and classes that were run."""
    rows = [Row(cells[0], _KINDS[cells[3]], cells) for cells in _table(page.splitlines(), COUNTS)]
    return [row for row in rows if (row.kernel, row.kind) not in run]


def absent_of(page: str, kernels: Collection[str]) -> list[Row]:
    """Return the rows of the table of faults that modules cannot have but those of kernels that were run."""
    rows = [Row(cells[0], _KINDS[cells[1]], cells) for cells in _table(page.splitlines(), ABSENT)]
    return [row for row in rows if row.kernel not in kernels]


def cases_of(page: str, run: Collection[tuple[str, str]]) -> list[Row]:
    """Return the rows of the lists of cases but those of kernels and classes that were run."""
    found = []
    for part in page.split("\n### ")[1:]:
        kernel = part.partition(" (")[0]
        lines = part.partition("\n#")[0].splitlines()
        found += [Row(kernel, cells[0].partition("/")[0], cells) for cells in _table(lines, CASES)]
    return [row for row in found if (row.kernel, row.kind) not in run]


def runs_of(page: str, heading: str, kernels: Collection[str]) -> list[str]:
    """Return the paragraphs below a heading, tables and all, that tell of runs of any of these kernels."""
    below = page.partition(f"\n{heading}\n")[2].partition("\n#")[0]
    parts = [f"{RUN}{part.strip()}" for part in f"\n{below}".split(f"\n{RUN}")[1:]]
    return [part for part in parts if not set(part.partition("(")[2].partition(")")[0].split(", ")).isdisjoint(kernels)]


def run_of(date: str, kernels: Sequence[str]) -> str:
    """Return the words that a paragraph about a run begins with."""
    return f"{RUN}{date} ({', '.join(kernels)}):"


def _table(lines: Sequence[str], head: str) -> Iterator[tuple[str, ...]]:
    """Yield the cells of the rows of the first table that begins so; a bar in a cell has a backslash before it."""
    begin = next((number for number, line in enumerate(lines) if line.startswith(head)), len(lines))
    for line in lines[begin + 2 :]:
        if not line.startswith("| "):
            return
        yield tuple(line[2:-2].split(" | "))
