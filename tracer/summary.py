"""Calls counted by name, as `strace -c` does: how many, how many failed, how long they took together.

Times are from the call's entry to its exit as the tracer saw them (strace's `-w`), in seconds of wall time. A
call that never returned is not counted, as with strace.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tracer.records import SCHEMA, Record

_RULE = "------ ----------- ----------- --------- --------- ----------------"
_NANOSECONDS = 1_000_000_000


@dataclass
class Count:
    """One call's numbers; `nanoseconds` is the sum over all its calls."""

    calls: int = 0
    errors: int = 0
    nanoseconds: int = 0


class Summary:
    """Counts the syscall records it is given; `add` can be the recorder's sink."""

    def __init__(self) -> None:
        self.counts: dict[str, Count] = {}

    def add(self, record: Record) -> None:
        """Count one record; all but those of system calls are passed over."""
        if record["type"] != "syscall" or record["duration"] is None:
            return
        count = self.counts.setdefault(record["name"], Count())
        count.calls += 1
        count.errors += record.get("errno") is not None
        count.nanoseconds += record["duration"]

    def total(self) -> Count:
        """Return the sum over all calls."""
        counts = self.counts.values()
        return Count(
            sum(one.calls for one in counts), sum(one.errors for one in counts), sum(one.nanoseconds for one in counts)
        )

    def lines(self) -> Iterator[str]:
        """Yield the table in strace's columns, the most expensive call first."""
        total = self.total()
        yield "% time     seconds  usecs/call     calls    errors syscall"
        yield _RULE
        for name, count in self._sorted():
            yield _line(count, total, name)
        yield _RULE
        yield _line(total, total, "total")

    def as_json(self) -> dict[str, Any]:
        """Return the table as one object, times in nanoseconds."""
        total = self.total()
        return {
            "schema": SCHEMA,
            "type": "summary",
            "syscalls": [{"name": name, **vars(count)} for name, count in self._sorted()],
            "total": vars(total),
        }

    def _sorted(self) -> list[tuple[str, Count]]:
        return sorted(self.counts.items(), key=lambda item: (-item[1].nanoseconds, item[0]))


def _line(count: Count, total: Count, name: str) -> str:
    share = 100 * count.nanoseconds / total.nanoseconds if total.nanoseconds else 0.0
    average = count.nanoseconds // 1000 // count.calls if count.calls else 0
    seconds = count.nanoseconds / _NANOSECONDS
    return f"{share:6.2f} {seconds:11.6f} {average:11d} {count.calls:9d} {count.errors or '':>9} {name}"
