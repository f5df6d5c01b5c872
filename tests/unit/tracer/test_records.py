"""The JSON-lines format: broken lines first, then whole traces."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracer import records
from tracer.errors import MalformedRecord
from tracer.records import Reader, Record, Records, Writer

HEADER: Record = {
    "schema": 1,
    "type": "header",
    "command": ["true"],
    "arch": "x86_64",
    "clock": "CLOCK_MONOTONIC",
    "release": "6.1.0",
    "start": 1,
}
CALL: Record = {
    "type": "syscall",
    "t": 20,
    "duration": 3,
    "pid": 7,
    "name": "close",
    "args": {"fd": {"value": 3, "path": "/etc/passwd"}},
    "return": 0,
    "errno": None,
}
END: Record = {"type": "end", "t": 30, "status": 0}


def lines(*parts: Record) -> list[str]:
    return [json.dumps(part) + "\n" for part in parts]


@pytest.mark.parametrize("text", ["", "{", "nonsense", '{"type": "header"', "[" * 100_000, "\x00"])
def test_a_first_line_that_is_not_json_is_an_error_at_line_1(text: str) -> None:
    with pytest.raises(MalformedRecord, match=r"^line 1: "):
        records.read([text + "\n"])


def test_an_empty_file_is_an_error() -> None:
    with pytest.raises(MalformedRecord, match="line 1: the trace is empty"):
        records.read([])


@pytest.mark.parametrize("value", [None, 1, "x", [], True])
def test_a_record_that_is_no_object_is_an_error(value: object) -> None:
    with pytest.raises(MalformedRecord, match="line 2: a record is an object"):
        records.read([*lines(HEADER), json.dumps(value) + "\n", *lines(END)])


@pytest.mark.parametrize("kind", ["sysfall", None, 3, ["syscall"]])
def test_an_unknown_type_is_an_error(kind: object) -> None:
    with pytest.raises(MalformedRecord, match=r"line 2: type .* is none of: header, syscall"):
        records.read(lines(HEADER, {"type": kind, "t": 1}, END))


@pytest.mark.parametrize("key", ["t", "duration", "pid", "name", "args", "return"])
def test_a_missing_key_is_named(key: str) -> None:
    broken = {name: value for name, value in CALL.items() if name != key}
    with pytest.raises(MalformedRecord, match=f"line 3: syscall record without '{key}'"):
        records.read(lines(HEADER, CALL, broken, END))


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("t", "soon", "'t' of a syscall record is a string, not a whole number"),
        ("t", True, "'t' of a syscall record is bool, not a whole number"),
        ("t", 1.5, "'t' of a syscall record is float, not a whole number"),
        ("args", [], "'args' of a syscall record is a list, not an object"),
        ("return", "0", "'return' of a syscall record is a string, not a whole number or null"),
        ("name", None, "'name' of a syscall record is null, not a string"),
    ],
)
def test_a_value_of_the_wrong_kind_is_named(key: str, value: object, wanted: str) -> None:
    with pytest.raises(MalformedRecord, match=wanted):
        records.read(lines(HEADER, CALL | {key: value}, END))


@pytest.mark.parametrize(
    ("parts", "problem"),
    [
        ([CALL, END], "line 1: the header is the first record"),
        ([HEADER, HEADER, END], "line 2: the header is the first record"),
        ([HEADER, END, CALL], "line 3: a record after the end"),
        ([HEADER, END, END], "line 3: a record after the end"),
        ([HEADER | {"schema": 2}, END], "line 1: schema 2, not 1"),
    ],
)
def test_records_out_of_place_are_errors(parts: list[Record], problem: str) -> None:
    with pytest.raises(MalformedRecord, match=problem):
        records.read(lines(*parts))


def test_a_trace_cut_off_at_any_byte_keeps_its_whole_records() -> None:
    text = "".join(lines(HEADER, CALL, CALL, END))
    first = len(lines(HEADER)[0])
    for size in range(first, len(text) - 1):
        reader = Reader(io.StringIO(text[:size]))
        read = list(reader)
        assert not reader.complete
        assert len(read) in {text[:size].count("\n"), text[:size].count("\n") + 1}
    assert records.read(io.StringIO(text)).complete


def test_a_broken_line_that_ends_in_a_newline_is_no_cut_off_trace() -> None:
    with pytest.raises(MalformedRecord, match="line 2: not JSON"):
        records.read([*lines(HEADER), '{"type": "sys\n'])


def test_the_container_finds_records_by_type_and_call() -> None:
    event = {"type": "kernel_event", "t": 10, "event": "module_load"}
    trace = records.read(lines(HEADER, CALL, event, CALL | {"name": "read"}, END))
    assert trace.of_type("kernel_event") == (event,)
    assert [call["name"] for call in trace.calls()] == ["close", "read"]
    assert [call["name"] for call in trace.calls("read", "write")] == ["read"]
    assert trace.status == 0
    assert trace.header["command"] == ["true"]


def test_sorted_orders_by_time_and_keeps_header_and_end() -> None:
    late, early = CALL | {"t": 25}, CALL | {"t": 21}
    trace = records.read(lines(HEADER, late, early, END)).sorted()
    assert [record["t"] for record in trace.records] == [21, 25]
    assert trace.end == END


def test_undecodable_arguments_are_escaped_in_ascii() -> None:
    stream = io.StringIO()
    Writer(stream).write(HEADER | {"command": ["cat", "f\udcff\udc80", "ä"], "x": {"\udc81": ("\udcfe",)}})
    assert stream.getvalue().isascii()
    read = json.loads(stream.getvalue())
    assert read["command"] == ["cat", "f\\xff\\x80", "ä"]
    assert read["x"] == {"\\x81": ["\\xfe"]}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "type": st.just("syscall"),
                "t": st.integers(0),
                "duration": st.none() | st.integers(0),
                "pid": st.integers(1),
                "name": st.text(),
                "args": st.dictionaries(st.text(), json_values, max_size=4),
                "return": st.none() | st.integers(),
            }
        ),
        max_size=5,
    )
)
def test_what_is_written_is_read_back(calls: list[Record]) -> None:
    stream = io.StringIO(newline="\n")
    writer = Writer(stream)
    for record in (HEADER, *calls, END):
        writer.write(record)
    text = stream.getvalue()
    assert text.isascii()
    assert records.read(io.StringIO(text, newline="\n")) == Records(HEADER, tuple(calls), END)


def test_many_at_once_are_written_as_one_by_one() -> None:
    odd = CALL | {"name": "f\udcff"}
    one_by_one, at_once = io.StringIO(newline="\n"), io.StringIO(newline="\n")
    for record in (HEADER, CALL, odd, END):
        Writer(one_by_one).write(record)
    Writer(at_once).write_all((HEADER, CALL, odd, END))
    Writer(at_once).write_all(())
    assert at_once.getvalue() == one_by_one.getvalue()
    assert at_once.getvalue().count("\n") == 4


def test_files_round_trip(tmp_path: Path) -> None:
    trace = Records(HEADER, (CALL,), END)
    records.write_file(tmp_path / "trace", trace)
    assert records.read_file(tmp_path / "trace") == trace


@pytest.mark.parametrize("reading", [records.read, lambda lines: list(Reader(lines))])
def test_an_error_names_the_line(reading: Callable[[list[str]], object]) -> None:
    with pytest.raises(MalformedRecord) as raised:
        reading([*lines(HEADER, CALL, CALL), "no\n"])
    assert raised.value.line == 4
