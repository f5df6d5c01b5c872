"""The report for a terminal: a table, or a list where a table would be too narrow to read."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pyinsmod.text import printable
from tracer.compare import ClaimVerdict, Run, Verdict
from tracer.report.grouping import name_of, told
from tracer.report.model import GLYPHS, Report, Section, counts, sections, summary

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

#: Below this many columns three wrapped texts side by side are harder to read than a list.
TABLE_WIDTH = 88
#: The whole of it is in the other reports.
REALITY_LIMIT = 320
GROUP_LIMIT = 160
GROUPS = 8

STYLES: dict[Verdict, str] = {
    "confirmed": "green",
    "contradicted": "bold red",
    "depends": "yellow",
    "not-observed": "cyan",
    "not-applicable": "dim",
    "harness-broke": "bold magenta",
}


def render_table(report: Report, width: int, colour: bool) -> str:
    """Return every claim with its verdict, then the counts on a line of their own.

    Args:
        report: what to show.
        width: of the terminal, in columns.
        colour: whether escape sequences for colour may be in the text; without, there are none at all.
    """
    from rich.console import Console

    stream = io.StringIO()
    # The environment is not asked again: width and colour were settled by the caller.
    console = Console(
        file=stream,
        width=max(width, 20),
        force_terminal=colour,
        color_system="standard" if colour else None,
        no_color=not colour,
        legacy_windows=False,
        highlight=False,
        markup=False,
        emoji=False,
        _environ={},
    )
    if width >= TABLE_WIDTH:
        console.print(_table(report))
    else:
        _print_list(console, report)
    console.print(_summary(report))
    return stream.getvalue()


def _table(report: Report) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, expand=True, pad_edge=False, show_edge=False)
    table.add_column("step", justify="right", no_wrap=True)
    table.add_column("claim", ratio=4, overflow="fold")
    table.add_column("verdict", no_wrap=True)
    table.add_column("reality", ratio=6, overflow="fold")
    for section in sections(report):
        for number, verdict in enumerate(section.verdicts):
            table.add_row(
                _plain(section.label if number == 0 else ""),
                _plain(verdict.claim.says),
                _verdict(verdict.verdict),
                Text(_reality(verdict, report.runs), overflow="fold"),
                end_section=number == len(section.verdicts) - 1,
            )
    return table


def _print_list(console: Console, report: Report) -> None:
    from rich.padding import Padding
    from rich.text import Text

    for section in sections(report):
        for verdict in section.verdicts:
            head = Text.assemble((_label(section), "bold"), "  ", _verdict(verdict.verdict))
            console.print(head)
            console.print(Padding(_plain(verdict.claim.says), (0, 0, 0, 2)))
            console.print(Padding(Text(f"→ {_reality(verdict, report.runs)}", "dim", overflow="fold"), (0, 0, 1, 2)))


def _summary(report: Report) -> Text:
    from rich.text import Text

    line = Text(summary(report).partition(":")[0])
    for number, (verdict, count) in enumerate(counts(report.verdicts).items()):
        line.append(", " if number else ": ")
        line.append(f"{GLYPHS[verdict]} {count} {verdict}", STYLES[verdict])
    return line


def _label(section: Section) -> str:
    return f"step {section.label}" if section.key.startswith("step-") else printable(section.label)


def _verdict(verdict: Verdict) -> Text:
    from rich.text import Text

    return Text(f"{GLYPHS[verdict]} {verdict}", STYLES[verdict])


def _reality(verdict: ClaimVerdict, runs: Sequence[Run]) -> str:
    """Return what really happened: a sentence, or where the runs differ a line for each group of them."""
    parts = told(verdict, runs)
    if len(parts) == 1:
        return _cut(printable(parts[0].reality), REALITY_LIMIT)
    lines = [
        f"{GLYPHS[part.verdict]} {printable(name_of(part, verdict))}: {_cut(printable(part.reality), GROUP_LIMIT)}"
        for part in parts[:GROUPS]
    ]
    more = len(parts) - GROUPS
    return "\n".join([*lines, *([f"… and {more} more"] if more > 0 else [])])


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _plain(text: str) -> Text:
    from rich.text import Text

    return Text(printable(text), overflow="fold")
