"""Trace events as viewers take them, held against the rules of the Trace Event Format."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trace_events import problems_of
from tracer.perfetto import KERNEL_TRACK, NO_TASK, PerfettoWriter
from tracer.records import Record

HEADER: Record = {
    "schema": 1, "type": "header", "command": ["insmod", "m.ko"], "arch": "x86_64", "clock": "CLOCK_MONOTONIC",
    "release": "6.1", "start": 1000, "pid": 7,
}  # fmt: skip


def call(t: int, duration: int | None, name: str = "read", pid: int = 7, **more: Any) -> Record:  # noqa: ANN401
    return {
        "type": "syscall", "t": t, "duration": duration, "pid": pid, "name": name, "args": {}, "return": 0,
        "errno": None, **more,
    }  # fmt: skip


def kernel(t: int, duration: int | None, depth: int, name: str = "load_module", **more: Any) -> Record:  # noqa: ANN401
    return {"type": "kernel_call", "t": t, "duration": duration, "pid": 7, "name": name, "depth": depth, **more}


def written(*records: Record, close: bool = True) -> str:
    stream = io.StringIO()
    writer = PerfettoWriter(stream)
    for record in records:
        writer.write(record)
    if close:
        writer.close()
    return stream.getvalue()


def events(*records: Record) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(written(*records))
    assert problems_of(found) == []
    return found


def complete(*records: Record) -> list[tuple[str, float, float]]:
    return [(event["name"], event["ts"], event["dur"]) for event in events(*records) if event["ph"] == "X"]


def test_nothing_is_an_empty_array() -> None:
    assert json.loads(written()) == []


def test_a_trace_cut_off_lacks_no_more_than_the_bracket() -> None:
    text = written(HEADER, call(2000, 10), close=False)
    assert json.loads(text + "]")[-1]["name"] == "read"


def test_hostile_text_is_json_all_the_same() -> None:
    log = {"type": "log", "t": 1, "sequence": 1, "level": 4, "text": '"]}\x1b[2J\udcff\n</script>'}
    assert events(log)[-1]["name"] == '"]}\x1b[2J\\xff\n</script>'


def test_a_call_has_its_time_in_microseconds_and_its_arguments() -> None:
    (event,) = (one for one in events(call(1_234_567, 2_500, errno="ENOENT", args={"fd": 3})) if one["ph"] == "X")
    assert (event["ts"], event["dur"], event["pid"], event["tid"]) == (1234.567, 2.5, 7, 7)
    assert (event["name"], event["args"]["args"]) == ("read = ENOENT", {"fd": 3})


@pytest.mark.parametrize(
    ("record", "title"),
    [
        (call(1, 2, "finit_module", args={"fd": {"value": 3, "path": "/x/m.ko"}}), "finit_module m.ko"),
        (call(1, 2, "finit_module", args={"fd": {"value": 9, "path": None}}, errno="EBADF"), "finit_module = EBADF"),
        (call(1, 2, "finit_module"), "finit_module"),
        (call(1, 2, "init_module", args={"module_image": None}), "init_module"),
        (call(1, 2, "delete_module", args={"name": "m"}, errno="EBUSY"), "delete_module m = EBUSY"),
    ],
)
def test_a_module_call_says_which_module(record: Record, title: str) -> None:
    assert [name for name, *_ in complete(record)] == [title]


def test_a_call_that_never_returned_has_no_length() -> None:
    assert complete(call(1000, None, "exit_group")) == [("exit_group", 1.0, 0.0)]


def test_neighbours_that_seem_to_overlap_by_rounding_are_put_in_a_row() -> None:
    parent, first, second = kernel(14_000, 9_000, 0, "a"), kernel(14_000, 1_500, 1, "b"), kernel(15_000, 6_000, 1, "c")
    assert complete(parent, first, second) == [("a", 14.0, 9.0), ("b", 14.0, 1.5), ("c", 15.5, 5.5)]


def test_a_callee_does_not_outlast_its_caller() -> None:
    assert complete(kernel(10_000, 2_000, 0, "a"), kernel(11_000, 1_900, 1, "b"))[1] == ("b", 11.0, 1.0)


def test_below_a_function_that_never_ended_calls_keep_their_length() -> None:
    assert complete(kernel(10_000, None, 0, "a"), kernel(11_000, 1_900, 1, "b"))[1] == ("b", 11.0, 1.9)


def test_the_kernels_functions_have_a_track_of_their_own() -> None:
    (event,) = (one for one in events(kernel(1000, 5, 0, args={"name": "printk"})) if one["ph"] == "X")
    assert (event["pid"], event["tid"]) == (7, KERNEL_TRACK + 7)
    assert event["args"]["args"] == {"name": "printk"}


def test_threads_belong_to_the_process_that_cloned_them() -> None:
    clone = {**call(1000, 10, "clone3"), "return": 8, "args": {"flags": ["CLONE_VM", "CLONE_THREAD"]}}
    assert events(clone, call(2000, 10, pid=8))[-1]["pid"] == 7
    assert events({**call(1000, 10, "clone"), "return": 8}, call(2000, 10, pid=8))[-1]["pid"] == 8


def test_a_living_task_is_asked_for_its_process() -> None:
    stream = io.StringIO()
    writer = PerfettoWriter(stream, {8: 7}.get)
    writer.write(call(1000, 10, pid=8))
    assert '"pid":7,"tid":8' in stream.getvalue()


def test_a_task_has_its_two_tracks_one_below_the_other() -> None:
    found = events(HEADER, kernel(9, 1, 0), call(10, 1, pid=9), kernel(11, 1, 0) | {"pid": 9})
    order = {event["tid"]: event["args"]["sort_index"] for event in found if event["name"] == "thread_sort_index"}
    tasks = [track for track in sorted(order, key=lambda track: order[track]) if not NO_TASK <= track < KERNEL_TRACK]
    assert tasks == [7, KERNEL_TRACK + 7, 9, KERNEL_TRACK + 9]


def test_the_kernels_track_has_the_name_of_the_program_that_runs() -> None:
    program = {"type": "exec", "t": 5, "pid": 7, "path": "/usr/bin/kmod", "argv": ["/sbin/insmod", "m.ko"]}
    names = [
        one["args"]["name"] for one in events(kernel(1, 1, 0), program, kernel(9, 1, 0)) if one["name"] == "thread_name"
    ]
    assert names == ["task 7", "task 7 in the kernel", "insmod", "insmod in the kernel"]


def test_tracks_have_names() -> None:
    program = {"type": "exec", "t": 5, "pid": 7, "path": "/usr/bin/kmod", "argv": ["/sbin/insmod", "m.ko"]}
    named = [
        event["args"]["name"] for event in events(HEADER, program, kernel(9, 1, 0)) if event["name"] == "thread_name"
    ]
    assert named == ["kernel log", "uevents", "states", "insmod", "insmod in the kernel"]


@pytest.mark.parametrize(
    ("record", "name"),
    [
        ({"type": "signal", "t": 1, "pid": 7, "signal": "SIGTERM"}, "SIGTERM"),
        ({"type": "exit", "t": 1, "pid": 7, "status": 3}, "exit 3"),
        ({"type": "stopped", "t": 1, "pid": 7, "signal": "SIGSTOP"}, "stopped by SIGSTOP"),
        ({"type": "superseded", "t": 1, "pid": 7, "by": 8}, "superseded by 8"),
        ({"type": "uevent", "t": 1, "action": "add", "devpath": "/module/m"}, "add /module/m"),
        ({"type": "kernel_event", "t": 1, "pid": 7, "name": "module_load", "text": "m", "fields": {}}, "module_load"),
        ({"type": "state", "t": 1, "what": "module_file", "moment": "before"}, "module_file (before)"),
    ],
)
def test_what_has_no_length_is_an_instant(record: Record, name: str) -> None:
    event = events(record)[-1]
    assert (event["ph"], event["s"], event["name"]) == ("i", "t", name)


def test_a_modules_state_is_counted_too() -> None:
    loaded = {"state": "Live", "refcount": 2}
    state = {"type": "state", "t": 1, "what": "module", "moment": "after", "module": "m", "proc_modules": loaded}
    instant, counter = events(state)
    assert (instant["name"], counter["ph"], counter["args"]) == ("m: Live (after)", "C", {"refcount": 2})
    assert instant["pid"] == counter["pid"] == NO_TASK


CALLS = st.builds(
    kernel, st.integers(0, 50).map(lambda t: t * 1000), st.none() | st.integers(0, 40_000), st.integers(0, 4)
)


@given(st.lists(CALLS | st.builds(call, st.integers(0, 50_000), st.integers(0, 40_000))))
def test_whatever_comes_in_order_of_time_nests(records: list[Record]) -> None:
    events(*sorted(records, key=lambda record: int(record["t"])))
