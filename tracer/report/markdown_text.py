"""Foreign text inside Markdown: every sign that Markdown would take for its own is escaped."""

from __future__ import annotations

import re

from pyinsmod.text import printable

_SIGNS = re.compile(r"([\\`*\[\]|~$]|(?<![^\W_])_|_(?![^\W_])|^[#+>-])")


def inline(text: str) -> str:
    """Return text for a paragraph or a table's cell: one line, nothing in it is markup."""
    shown = printable(text).replace("&", "&amp;").replace("<", "&lt;").strip()
    return _SIGNS.sub(r"\\\1", shown)


def code(text: str) -> str:
    """Return text as a code span, whatever backticks it has; not for tables, where a pipe would end the cell."""
    shown = printable(text.replace("\n", " ⏎ ").replace("\t", " ")).strip()
    longest = max(map(len, re.findall(r"`+", shown)), default=0)
    fence = "`" * (longest + 1)
    space = " " if shown.startswith("`") or shown.endswith("`") or not shown else ""
    return f"{fence}{space}{shown}{space}{fence}"


def row(*cells: str) -> str:
    """Return a table's row; the cells are Markdown already."""
    return f"| {' | '.join(cells)} |"
