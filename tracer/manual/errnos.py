r"""The errors a document lists: the entries `- ENAME …` of its section ERRORS, and of which calls they are.

A paragraph such as “The following errors may additionally occur for finit_module():” says that what follows is
about that call alone; before the first of them, entries are about every call that the section NAME names.
"""

from __future__ import annotations

import errno
import re
from typing import NamedTuple

_SECTION = re.compile(r"^## (.+)$", re.MULTILINE)
_ENTRY = re.compile(r"^- (E[A-Z0-9]+)\b")
_ONLY_FOR = re.compile(r"additional\w* .*?\bfor\s+(\w+)\s?\(\)")


class Entry(NamedTuple):
    """One entry: the calls it is about, the errno's name as written, and the entry's text."""

    calls: tuple[str, ...]
    name: str
    text: str


def entries(text: str) -> list[Entry]:
    """Return the entries of the section ERRORS in order; none when there is no such section."""
    sections = _sections(text)
    calls = tuple(word.strip() for word in sections.get("NAME", "").partition(" - ")[0].split(",") if word.strip())
    found: list[Entry] = []
    about = calls
    for line in sections.get("ERRORS", "").splitlines():
        entry, only = _ENTRY.match(line), _ONLY_FOR.search(line)
        if entry:
            found.append(Entry(about, entry[1], line))
        elif only:
            about = (only[1],)
    return found


def documented_errnos(text: str) -> dict[str, tuple[str, ...]]:
    """Return for each call the names of its documented errors, once each, in order."""
    by_call: dict[str, dict[str, None]] = {}
    for entry in entries(text):
        for call in entry.calls:
            by_call.setdefault(call, {})[entry.name] = None
    return {call: tuple(names) for call, names in by_call.items()}


def entry_of(text: str, call: str, name: str) -> str:
    """Return the entries about a call's error, a line each."""
    return "\n".join(entry.text for entry in entries(text) if call in entry.calls and entry.name == name)


def same_errno(one: str, other: str) -> bool:
    """Tell whether two names are of the same number: EWOULDBLOCK is EAGAIN."""
    return one == other or getattr(errno, one, None) == getattr(errno, other, -1)


def _sections(text: str) -> dict[str, str]:
    parts = _SECTION.split(text)
    return {title.strip(): body for title, body in zip(parts[1::2], parts[2::2], strict=True)}
