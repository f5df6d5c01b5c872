"""An explanation as lines of text: the cause's two values side by side with the difference marked, and what to do.

What load, check and try have in common when they speak to people. Everything that came from a module or a log is
escaped here; the colour codes are the only control characters that go out.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TextIO

from pyinsmod.differences import Line, side_by_side
from pyinsmod.explanation import Explanation
from pyinsmod.text import printable, shortened

# SGR 1;31, bold red, around what differs, and SGR 1, bold, around what is to be read first.
RED, BOLD, PLAIN = "\x1b[1;31m", "\x1b[1m", "\x1b[0m"


def colours(stream: TextIO) -> bool:
    """Tell whether colour may be used: on a terminal that knows it, unless NO_COLOR is set (no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def bold(text: str, *, colour: bool) -> str:
    """Return escaped text in bold where colour may be used."""
    return f"{BOLD}{text}{PLAIN}" if colour else text


def reason_lines(why: Explanation, *, colour: bool = False) -> Iterator[str]:
    """Yield what comes below the cause: both values, the difference marked, what it means, and the remedy."""
    yield from value_lines(why, colour=colour)
    if why.note:
        yield f"  note: {printable(why.note)}"
    if why.remedy:
        yield f"  do: {printable(shortened(why.remedy))}"


def value_lines(why: Explanation, *, colour: bool = False) -> Iterator[str]:
    """Yield `module: …` and `kernel: …`, each with carets below what the other has not."""
    if why.module_has is not None and why.kernel_has is not None:
        module, kernel = side_by_side(why.module_has, why.kernel_has, first_word=why.release_counts, alike=why.alike)
        yield from _value("module", module, colour=colour)
        yield from _value("kernel", kernel, colour=colour)
    elif why.module_has is not None:
        yield f"  module: {printable(shortened(why.module_has))}"
    elif why.kernel_has is not None:
        yield f"  kernel: {printable(shortened(why.kernel_has))}"


def _value(label: str, line: Line, *, colour: bool) -> Iterator[str]:
    yield f"  {label}: {_painted(line) if colour else line.text}".rstrip()
    if line.marks:
        carets = f"{RED}{line.carets}{PLAIN}" if colour else line.carets
        yield f"{' ' * len(f'  {label}: ')}{carets}"


def _painted(line: Line) -> str:
    pieces, at = [], 0
    for start, end in line.marks:
        pieces += [line.text[at:start], RED, line.text[start:end], PLAIN]
        at = end
    return "".join((*pieces, line.text[at:]))
