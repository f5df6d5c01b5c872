"""The text of tracefs' function graph → kernel_call and kernel_event records.

A line is `TIME |  TASK-PID | DURATION | indented text`, where the text is `name() {` on entry, `name();` for a
call without traced callees, `} /* name */` at its end, or `/* event: text */`. Newer kernels, if asked, put the
arguments between the parentheses and the result into the comment at the end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tracer.kernel_side.event_text import event as event_fields
from tracer.kernel_side.event_text import nanoseconds

LINE = re.compile(
    r"^\s*(?P<seconds>\d+)\.(?P<fraction>\d+)\s*\|"
    r"\s*(?P<task>.+?)-(?P<pid>\d+)\s*\|"
    r"\s*(?:(?P<duration>[\d.]+) us)?\s*\|"
    r"(?P<indent>\s*)(?P<text>\S.*?)\s*$"
)
NAMED = r"(?P<name>[\w.]+)(?: \[(?P<module>[\w-]+)\])?"
RESULT = r"(?:ret=|= )(?P<result>-?(?:0x[0-9a-f]+|\d+))"
ENTRY = re.compile(rf"^{NAMED}\((?P<args>.*)\) \{{$")
LEAF = re.compile(rf"^{NAMED}\((?P<args>.*)\);(?: /\* {RESULT} ?\*/)?$")
END = re.compile(rf"^\}}(?: /\* ?{NAMED}?(?: \()?(?: ?{RESULT})?\)? ?\*/)?$")
ARGUMENT = re.compile(r"(\w+)=(\S+?)(?:, |$)")
EVENT = re.compile(r"^/\* (?P<name>\w+): ?(?P<text>.*?) ?\*/$")
MICROSECOND = 1_000  # what a line's time is cut to


def graph_records(text: str) -> list[dict[str, Any]]:
    """Return the records of a trace in the order of their beginnings."""
    records: list[dict[str, Any]] = []
    stacks: dict[int, list[dict[str, Any]]] = {}
    for line in text.splitlines():
        match = LINE.match(line)
        if match:
            stack = stacks.setdefault(int(match["pid"]), [])
            records.extend(_record(match, stack))
    return records


def _record(line: re.Match[str], stack: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    text, pid = line["text"], int(line["pid"])
    base = {"t": nanoseconds(line), "pid": pid}
    if entry := ENTRY.match(text):
        call = {"type": "kernel_call", **base, "duration": None, **_named(entry), "depth": len(stack)}
        stack.append(call)
        yield call
    elif leaf := LEAF.match(text):
        yield {
            "type": "kernel_call",
            **base,
            "duration": _duration(line),
            **_named(leaf),
            "depth": len(stack),
            **_returned(leaf["result"]),
        }
    elif (end := END.match(text)) and (ended := _ended(end["name"], stack)):
        ended["duration"] = _until(base["t"], ended["t"], _duration(line))
        ended.update(_returned(end["result"]))
    elif event := EVENT.match(text):
        yield {"type": "kernel_event", **base, **event_fields(event["name"], event["text"])}


def _ended(name: str | None, stack: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Take the call that ends from the stack; the end of one that began before the trace is passed over."""
    if name is not None and all(call["name"] != name for call in stack):
        return None
    while stack:
        call = stack.pop()
        if name in {None, call["name"]}:
            return call
    return None


def _named(match: re.Match[str]) -> dict[str, Any]:
    found: dict[str, Any] = {"name": match["name"]}
    if match["module"]:
        found["module"] = match["module"]
    if match["args"]:
        found["args"] = {name: _number(value) for name, value in ARGUMENT.findall(match["args"])}
    return found


def _number(word: str) -> int | str:
    """Return a small number as such; pointers stay text."""
    try:
        value = int(word, 0)
    except ValueError:
        return word
    return value if abs(value) < 1 << 32 else word


def _returned(result: str | None) -> dict[str, Any]:
    return {} if result is None else {"return": int(result, 0)}


def _until(end: int, begin: int, duration: int | None) -> int | None:
    """Return how long a call lasted, so that it does not end after the line that says so.

    The kernel measures from before it writes the line of the beginning, which may be microseconds late; added to that
    line's time, the whole of it would reach past the end of the caller.
    """
    return None if duration is None else min(duration, end - begin + MICROSECOND)


def _duration(line: re.Match[str]) -> int | None:
    return int(float(line["duration"]) * 1000) if line["duration"] else None
