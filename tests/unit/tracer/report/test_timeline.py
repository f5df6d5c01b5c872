from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tracer.compare import Observation, Run
from tracer.report.timeline import Row, timeline

MS = 1_000_000
START = 500 * MS
FILE = {"value": 3, "path": "/tmp/mymod.ko"}  # noqa: S108


def syscall(
    ms: float, name: str, returned: int | None = 0, duration: float | None = 0.5, **args: object
) -> dict[str, Any]:
    return {
        "type": "syscall",
        "t": START + int(ms * MS),
        "duration": None if duration is None else int(duration * MS),
        "pid": 7,
        "name": name,
        "args": args,
        "return": returned,
        "errno": None,
    }


def at(ms: float, kind: str, **fields: object) -> dict[str, Any]:
    return {"type": kind, "t": START + int(ms * MS), **fields}


def called(ms: float, name: str, depth: int, duration: float = 0.1) -> dict[str, Any]:
    return at(ms, "kernel_call", pid=7, name=name, depth=depth, duration=int(duration * MS))


def state(ms: float, moment: str, listed: str | None, folder: bool) -> dict[str, Any]:
    proc = {"state": listed} if listed else None
    return at(
        ms,
        "state",
        what="module",
        moment=moment,
        module="mymod",
        proc_modules=proc,
        sys_module={"initstate": "live"} if folder else None,
    )


def trace(*more: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"type": "header", "schema": 1},
        state(-100, "before", None, folder=False),
        syscall(0, "execve", pathname="/sbin/insmod", argv=["insmod", "mymod.ko"]),
        at(0.5, "exec", pid=7, path="/usr/bin/kmod", argv=["insmod", "mymod.ko"], filename="/sbin/insmod"),
        syscall(1, "openat", 3, dirfd="AT_FDCWD", pathname="/lib/libc.so.6", flags=["O_RDONLY"]),
        syscall(2, "mmap", 4096, fd={"value": 3, "path": "/lib/libc.so.6"}),
        syscall(3, "openat", 3, dirfd="AT_FDCWD", pathname="mymod.ko", flags=["O_RDONLY"])
        | {"return_path": FILE["path"]},
        syscall(4, "read", 6, fd=FILE, buf={"length": 6, "data": "abc"}, count=6),
        syscall(10, "finit_module", 0, 20, fd=FILE, param_values="", flags=[]),
        called(11, "__x64_sys_finit_module", 0, 18),
        called(12, "resolve_symbol", 1),
        called(13, "resolve_symbol", 1),
        *more,
        syscall(31, "close", 0, fd=FILE),
        at(33, "exit", pid=7, status=0),
        {"type": "end", "t": START + 99 * MS, "status": 0},
    ]


def rows_of(records: list[dict[str, Any]]) -> tuple[Row, ...]:
    return timeline(Run("6.1", "6.1.0", "kmod", "30", {"load": Observation(records)})).rows


def shape(records: list[dict[str, Any]]) -> list[tuple[float | None, str, int | None]]:
    return [(row.time, row.kind, row.step) for row in rows_of(records)]


def test_rows_are_in_the_order_of_time_with_their_steps() -> None:
    assert shape(trace()) == [
        (-100, "state", None),
        (0, "exec", 1),
        (1, "left-out", None),
        (3, "file", 2),
        (4, "file", 3),
        (10, "enter", 4),
        (11, "function", 4),
        (12, "function", 9),
        (30, "return", 14),
        (31, "file", None),
        (33, "exit", 14),
    ]


def test_the_start_up_of_the_program_is_counted_not_shown() -> None:
    assert rows_of(trace())[2].text == "… 2 calls of the start-up of the program left out"


def test_the_file_that_really_ran_is_told_when_the_name_was_a_link() -> None:
    assert rows_of(trace())[1].detail == "which is /usr/bin/kmod"


def test_an_exec_without_its_system_call_is_the_start() -> None:
    records = trace()
    del records[2]
    assert [(row.time, row.kind) for row in rows_of(records)][1:3] == [(0, "exec"), (0.5, "left-out")]


def test_the_module_call_has_an_entry_and_a_return() -> None:
    rows = rows_of(trace())
    assert rows[5].text == 'finit_module(3, "", 0)'
    assert (rows[8].text, rows[8].duration) == ("finit_module returned 0", 20)


def test_a_refusal_is_told_with_its_errno() -> None:
    records = trace()
    records[8] |= {"return": -1, "errno": "ENOEXEC"}
    assert "finit_module returned -1 ENOEXEC (Exec format error)" in [row.text for row in rows_of(records)]


def test_a_call_that_never_returns_says_so() -> None:
    records = trace()
    records[8] |= {"return": None, "duration": None}
    assert "finit_module never returned" in [row.text for row in rows_of(records)]


def test_repeats_of_a_function_are_folded_until_something_else_happens() -> None:
    assert [row.count for row in rows_of(trace()) if row.text.startswith("resolve_symbol")] == [2]
    between = trace(at(12.5, "log", text="half-way"))
    assert [row.count for row in rows_of(between) if row.text.startswith("resolve_symbol")] == [1, 1]


def test_only_changes_of_the_state_are_shown() -> None:
    records = trace(
        state(14, "during", None, folder=False),
        state(15, "during", "Loading", folder=False),
        state(16, "during", "Loading", folder=False),
        state(17, "exit", "Live", folder=True),
    )
    assert [(row.time, row.step) for row in rows_of(records) if row.kind == "state"] == [
        (-100, None),
        (15, 11),
        (17, 11),
    ]


def test_a_tracepoint_stands_below_the_function_it_was_hit_in() -> None:
    records = trace(at(15, "kernel_event", pid=7, name="initcall_start", text="func=init"))
    (row,) = [row for row in rows_of(records) if row.kind == "tracepoint"]
    assert (row.text, row.depth, row.step) == ("initcall_start: func=init", 1, 12)


def test_other_processes_calls_and_functions_are_not_the_loaders() -> None:
    assert shape(trace(called(15, "vfree", 0) | {"pid": 8}, syscall(16, "read", fd=FILE) | {"pid": 8})) == shape(
        trace()
    )


def test_what_goes_to_stderr_is_shown_whole() -> None:
    message = "insmod: ERROR: could not insert module mymod.ko\\x1b[31m: Invalid module format\n"
    (row,) = [
        row
        for row in rows_of(
            trace(syscall(32, "write", 80, fd={"value": 2}, buf={"length": 80, "data": message}, count=80))
        )
        if row.kind == "stderr"
    ]
    assert row.detail == "insmod: ERROR: could not insert module mymod.ko\\x1b[31m: Invalid module format"


def test_what_is_run_afterwards_is_counted() -> None:
    records = trace()
    records.insert(-1, syscall(50, "execve", pathname="/sbin/rmmod", argv=["rmmod"]) | {"pid": 9})
    records.insert(-1, at(60, "uevent", action="remove", devpath="/module/mymod"))
    assert rows_of(records)[-1].text == "… 3 records of what was run afterwards left out"


def test_hostile_text_is_made_safe(hostile: str) -> None:
    for row in rows_of(trace(at(15, "log", text=hostile), at(16, "uevent", action=hostile, devpath=hostile))):
        assert row.text.isprintable()
        assert row.detail.isprintable()


@pytest.mark.parametrize(
    ("observations", "problem"),
    [
        ({}, "the experiment “load” was not made"),
        ({"load": Observation()}, "the trace shows no process"),
        ({"load": Observation(broke="machine\x1b lost")}, r"machine\x1b lost"),
        ({"load": Observation(inapplicable="no such loader")}, "no such loader"),
    ],
)
def test_without_a_trace_the_reason_is_told(observations: dict[str, Observation], problem: str) -> None:
    found = timeline(Run("6.1", "6.1.0", "kmod", "30", observations))
    assert (found.rows, found.problem) == ((), problem)


def test_a_broken_trace_is_shown_as_far_as_it_goes(run: Callable[..., Run]) -> None:
    found = timeline(run(records=trace()[:9], broke="the machine was lost"))
    assert found.problem == "the machine was lost"
    assert found.rows[-1].kind == "return"
