"""The table of `-c`. The layout of its lines was taken from strace 6.1's own."""

from __future__ import annotations

from typing import Any

from tracer.summary import Summary


def summary_of(*records: dict[str, Any]) -> Summary:
    summary = Summary()
    for record in records:
        summary.add({"type": "syscall", "pid": 1, "args": {}, "return": 0, "errno": None, **record})
    return summary


READS = [{"name": "read", "t": 1, "duration": 30_000_000}] * 2
FAILED = {"name": "openat", "t": 1, "duration": 20_000_000, "return": -1, "errno": "ENOENT"}


def test_without_calls_there_is_a_total_of_nothing() -> None:
    assert list(summary_of().lines())[-1] == "  0.00    0.000000           0         0           total"
    assert summary_of().as_json()["total"] == {"calls": 0, "errors": 0, "nanoseconds": 0}


def test_what_is_no_call_or_never_returned_is_not_counted() -> None:
    exited = {"name": "exit_group", "t": 1, "duration": None}
    assert summary_of(exited, {"type": "exec", "argv": []}).counts == {}


def test_calls_are_sorted_by_their_time() -> None:
    assert list(summary_of(FAILED, *READS).lines()) == [
        "% time     seconds  usecs/call     calls    errors syscall",
        "------ ----------- ----------- --------- --------- ----------------",
        " 75.00    0.060000       30000         2           read",
        " 25.00    0.020000       20000         1         1 openat",
        "------ ----------- ----------- --------- --------- ----------------",
        "100.00    0.080000       26666         3         1 total",
    ]


def test_as_json() -> None:
    assert summary_of(FAILED, *READS).as_json() == {
        "schema": 1,
        "type": "summary",
        "syscalls": [
            {"name": "read", "calls": 2, "errors": 0, "nanoseconds": 60_000_000},
            {"name": "openat", "calls": 1, "errors": 1, "nanoseconds": 20_000_000},
        ],
        "total": {"calls": 3, "errors": 1, "nanoseconds": 80_000_000},
    }
