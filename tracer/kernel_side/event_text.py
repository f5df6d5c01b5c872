"""The text of a trace buffer without a tracer → kernel_event records.

A line is `TASK-PID [CPU] FLAGS TIME: NAME: TEXT` (print_trace_line in kernel/trace/trace.c); a system call's
tracepoints have `NAME(TEXT)` and `NAME -> RESULT` instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

LINE = re.compile(
    r"^\s*(?P<task>.+)-(?P<pid>\d+)\s+(?:\([\s\d-]+\)\s+)?\[\d+\]\s+\S+\s+(?P<seconds>\d+)\.(?P<fraction>\d+): "
    r"(?P<name>\w+)(?:: ?|(?=\(| -> ))(?P<text>.*)$"
)
FIELD = re.compile(r"(\w+)=(\S+)")


def event_records(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Yield a record for each line that is an event's; `comm` is the name its task had."""
    for line in lines:
        match = LINE.match(line)
        if match:
            yield {
                "type": "kernel_event",
                "t": nanoseconds(match),
                "pid": int(match["pid"]),
                "comm": match["task"],
                **event(match["name"], match["text"].strip()),
            }


def event(name: str, text: str) -> dict[str, Any]:
    """Split an event's text: `key=value` words are fields, a leading bare word of a module event its module."""
    fields: dict[str, Any] = {key: int(value) if _is_number(value) else value for key, value in FIELD.findall(text)}
    first = text.split(" ", 1)[0]
    if name.startswith("module_") and first and "=" not in first:
        fields["module"] = first
    return {"name": name, "text": text, "fields": fields}


def nanoseconds(match: re.Match[str]) -> int:
    """Return the time of a line whose groups `seconds` and `fraction` have it."""
    return int(match["seconds"]) * 1_000_000_000 + int(match["fraction"].ljust(9, "0")[:9])


def _is_number(word: str) -> bool:
    return bool(re.fullmatch(r"-?\d+", word))
