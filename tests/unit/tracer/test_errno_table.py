from __future__ import annotations

from typing import Any

from tracer.claims import ErrorsOf
from tracer.errno_table import as_lines, failures_of, rows, undocumented


def call(name: str, errno: str | None) -> dict[str, Any]:
    return {"type": "syscall", "name": name, "errno": errno}


def init_returned(value: int) -> dict[str, Any]:
    return {"type": "kernel_event", "name": "initcall_finish", "fields": {"ret": value}}


def test_failures_are_those_of_the_call() -> None:
    trace = [call("f", None), call("f", "EIO"), call("g", "EPERM")]
    assert failures_of("f", trace) == [call("f", "EIO")]


def test_what_init_returned_is_no_error_of_the_call() -> None:
    assert failures_of("f", [init_returned(-19), call("f", "ENODEV")]) == []
    assert failures_of("f", [init_returned(0), call("f", "ENODEV")]) == [call("f", "ENODEV")]


def test_undocumented_errors_are_told_with_their_experiments() -> None:
    found = undocumented("f", ["EIO", "EWOULDBLOCK"], {"a": [call("f", "EIO")], "b": [call("f", "EPERM")]})
    assert list(found.undocumented) == [("b", "EPERM")]
    assert found.in_words() == "f() also failed with EPERM (experiments b)"


def test_the_other_name_of_a_documented_error_is_documented() -> None:
    found = undocumented("f", ["EWOULDBLOCK"], {"a": [call("f", "EAGAIN")]})
    assert found.undocumented == {}
    assert found.in_words() == "f() failed with EAGAIN and with nothing else"


def test_the_table_has_what_is_documented_and_what_occurred() -> None:
    runs = [{"a": [call("f", "EAGAIN")], "b": [call("f", "EPERM"), call("g", "EIO")]}, {"c": [call("f", "EAGAIN")]}]
    assert as_lines(rows(ErrorsOf("f", ("EIO", "EWOULDBLOCK")), runs)) == [
        "f() EIO: documented, did not occur",
        "f() EWOULDBLOCK: documented, occurred: a, c",
        "f() EPERM: NOT documented, occurred: b",
    ]
