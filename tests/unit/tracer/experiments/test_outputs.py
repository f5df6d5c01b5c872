from __future__ import annotations

from typing import Any

from tracer.experiments.outputs import with_outputs

HEADER = {"type": "header", "t": 0}
END = {"type": "end", "t": 99}


def write(fd: int, text: str, t: int, pid: int = 7) -> dict[str, Any]:
    args = {"fd": {"value": fd}, "buf": {"data": text}}
    return {"type": "syscall", "name": "write", "t": t, "pid": pid, "args": args, "errno": None}


def outputs(*records: dict[str, Any]) -> list[dict[str, Any]]:
    return [record for record in with_outputs((HEADER, *records, END)) if record["type"] == "output"]


def test_the_writes_of_a_process_to_a_stream_are_one_text() -> None:
    told = outputs(write(2, "error: ", 5), write(2, "no\n", 6), write(1, "x", 7), write(3, "file", 8))
    assert [(one["stream"], one["text"], one["t"]) for one in told] == [
        ("stderr", "error: no\n", 5),
        ("stdout", "x", 7),
    ]


def test_processes_are_kept_apart_and_failed_writes_left_out() -> None:
    failed = {**write(1, "lost", 6), "errno": "EPIPE"}
    assert [one["pid"] for one in outputs(write(1, "a", 5), failed, write(1, "b", 7, pid=8))] == [7, 8]


def test_gathered_writes_count() -> None:
    record = {**write(2, "", 5), "name": "writev", "args": {"fd": {"value": 2}, "iov": [{"data": "a"}, {"data": "b"}]}}
    assert outputs(record)[0]["text"] == "ab"


def test_the_end_stays_last() -> None:
    assert with_outputs((HEADER, write(1, "a", 5), END))[-1] == END
    assert with_outputs((HEADER, END)) == (HEADER, END)
