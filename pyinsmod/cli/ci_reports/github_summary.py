"""A GitHub step summary ($GITHUB_STEP_SUMMARY): Markdown, a table of outcomes and a table of causes a kernel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pyinsmod.cli.tree_report import cause_text
from pyinsmod.text import printable, shortened
from pyinsmod.tree.baseline import below
from pyinsmod.tree.grouping import KernelGroups
from pyinsmod.tree.prediction_words import OUTCOMES

_CAUSES = 20
# What Markdown or HTML would make something else of.
_ESCAPES = str.maketrans({mark: f"&#{ord(mark)};" for mark in "&<>|`*_[]\\"})


def as_summary(groups: Sequence[KernelGroups], root: str) -> str:
    """Return the Markdown."""
    return "\n".join(_lines(groups, root)) + "\n"


def _lines(groups: Sequence[KernelGroups], root: str) -> Iterator[str]:
    yield "## pyinsmod check"
    yield ""
    yield "| kernel | " + " | ".join(OUTCOMES.values()) + " |"
    yield "|---" * (len(OUTCOMES) + 1) + "|"
    for each in groups:
        yield f"| {_cell(each.kernel)} | " + " | ".join(str(each.outcomes.get(name, 0)) for name in OUTCOMES) + " |"
    for each in groups:
        decisive = [group for group in each.groups if group.decisive]
        if decisive:
            yield from (
                "",
                f"### {_cell(each.kernel)}",
                "",
                "| modules | answer | why | such as |",
                "|--:|---|---|---|",
            )
        for group in decisive[:_CAUSES]:
            why = cause_text(group.cause, group.symbols)
            example = _cell(below(group.files[0], root))
            yield f"| {len(group.files)} | {group.cause.errno or group.cause.severity} | {_cell(why)} | {example} |"
        if len(decisive) > _CAUSES:
            yield f"| {sum(len(group.files) for group in decisive[_CAUSES:])} | | more reasons | |"


def _cell(text: str) -> str:
    return printable(shortened(text)).translate(_ESCAPES)
