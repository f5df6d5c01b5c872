"""The text of tracefs' function graph → kernel_call and kernel_event records.

A line is `TIME |  TASK-PID | DURATION | indented text`, where the text is `name() {` on entry, `name();` for a
call without traced callees, `} /* name */` at its end, or `/* event: text */`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

LINE = re.compile(
    r"^\s*(?P<seconds>\d+)\.(?P<fraction>\d+)\s*\|"
    r"\s*(?P<task>.+?)-(?P<pid>\d+)\s*\|"
    r"\s*(?:(?P<duration>[\d.]+) us)?\s*\|"
    r"(?P<indent>\s*)(?P<text>\S.*?)\s*$"
)
ENTRY = re.compile(r"^(?P<name>[\w.]+)(?: \[(?P<module>[\w-]+)\])?\(\) \{$")
LEAF = re.compile(r"^(?P<name>[\w.]+)(?: \[(?P<module>[\w-]+)\])?\(\);(?: /\* (?:= )?(?P<result>-?\w+) \*/)?$")
END = re.compile(r"^\}(?: /\*.*?(?:\(ret=|= )?(?P<result>-?0x[0-9a-f]+|-?\d+)?\)? ?\*/)?$")
EVENT = re.compile(r"^/\* (?P<name>\w+): ?(?P<text>.*?) ?\*/$")
FIELD = re.compile(r"(\w+)=(\S+)")


@dataclass
class _OpenCall:
    record: dict[str, Any]
    depth: int


def graph_records(text: str) -> list[dict[str, Any]]:
    """Return the records of a trace in the order of their beginnings."""
    records: list[dict[str, Any]] = []
    stacks: dict[int, list[_OpenCall]] = {}
    for line in text.splitlines():
        match = LINE.match(line)
        if match:
            stack = stacks.setdefault(int(match["pid"]), [])
            records.extend(_record(match, stack))
    return records


def _record(line: re.Match[str], stack: list[_OpenCall]) -> Iterator[dict[str, Any]]:
    text, pid = line["text"], int(line["pid"])
    base = {"t": _nanoseconds(line), "pid": pid}
    if entry := ENTRY.match(text):
        call = {"type": "kernel_call", **base, "duration": None, **_named(entry), "depth": len(stack)}
        stack.append(_OpenCall(call, len(stack)))
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
    elif (end := END.match(text)) and stack:
        call = stack.pop().record
        call["duration"] = _duration(line)
        call.update(_returned(end["result"]))
    elif event := EVENT.match(text):
        yield {"type": "kernel_event", **base, **_event(event["name"], event["text"])}


def _named(match: re.Match[str]) -> dict[str, Any]:
    return {"name": match["name"], "module": match["module"]} if match["module"] else {"name": match["name"]}


def _returned(result: str | None) -> dict[str, Any]:
    return {} if result is None else {"return": int(result, 0)}


def _event(name: str, text: str) -> dict[str, Any]:
    """Split an event's text: `key=value` words are fields, a leading bare word of a module event its module."""
    fields: dict[str, Any] = {key: int(value) if _is_number(value) else value for key, value in FIELD.findall(text)}
    first = text.split(" ", 1)[0]
    if name.startswith("module_") and first and "=" not in first:
        fields["module"] = first
    return {"name": name, "text": text, "fields": fields}


def _is_number(word: str) -> bool:
    return bool(re.fullmatch(r"-?\d+", word))


def _nanoseconds(line: re.Match[str]) -> int:
    return int(line["seconds"]) * 1_000_000_000 + int(line["fraction"].ljust(9, "0")[:9])


def _duration(line: re.Match[str]) -> int | None:
    return int(float(line["duration"]) * 1000) if line["duration"] else None
