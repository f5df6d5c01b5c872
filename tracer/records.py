"""The JSON-lines format of a trace: the only thing that crosses a process or machine border.

One object a line: a header, then records in the order of their completion (or of `t`, where they were
sorted), and an `end`, without which a trace is known to be cut off. `t` is in nanoseconds of
CLOCK_MONOTONIC. The keys of each type are in `REQUIRED`; a record may have more.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any

from tracer.errors import MalformedRecord
from tracer.escapes import without_surrogates
from tracer.record_types import SCHEMA, Record, Sink

__all__ = ["REQUIRED", "SCHEMA", "Reader", "Record", "Records", "Sink", "Writer"]

_INTEGER = (int,)
_INTEGER_OR_NONE = (int, type(None))
_TEXT = (str,)
_TEXT_OR_NONE = (str, type(None))
_TIMED = MappingProxyType({"t": _INTEGER})

#: Type → key → types of its value; `errno` and what else a record has only sometimes is not listed.
REQUIRED: Mapping[str, Mapping[str, tuple[type, ...]]] = MappingProxyType(
    {
        "header": {
            "schema": _INTEGER,
            "command": (list,),
            "arch": _TEXT,
            "clock": _TEXT,
            "release": _TEXT,
            "start": _INTEGER,
        },
        "syscall": {
            "t": _INTEGER,
            "duration": _INTEGER_OR_NONE,
            "pid": _INTEGER,
            "name": _TEXT,
            "args": (dict,),
            "return": _INTEGER_OR_NONE,
        },
        "exec": {"t": _INTEGER, "pid": _INTEGER, "path": _TEXT_OR_NONE, "argv": (list,)},
        "exit": {"t": _INTEGER, "pid": _INTEGER},
        "signal": {"t": _INTEGER, "pid": _INTEGER, "signal": _TEXT},
        "stopped": {"t": _INTEGER, "pid": _INTEGER, "signal": _TEXT},
        "superseded": {"t": _INTEGER, "pid": _INTEGER, "by": _INTEGER},
        "kernel_call": _TIMED,
        "kernel_event": _TIMED,
        "uevent": _TIMED,
        "log": _TIMED,
        "state": _TIMED,
        "end": {"t": _INTEGER, "status": _INTEGER},
    }
)


class Writer:
    """Writes records as lines of ASCII JSON to a text stream; `write` can be the recorder's sink."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._encode = _encoder()

    def write(self, record: Record) -> None:
        r"""Write one record; undecodable bytes in strings (surrogates, as Python has them) become `\xNN`."""
        self.write_all((record,))

    def write_all(self, records: Sequence[Record]) -> None:
        """Write many at once, which is quicker; see `write`."""
        encode = self._encode
        lines = [encode(record) for record in records]
        text = "\n".join([*lines, ""])
        if "\\udc" in text:
            text = "".join(f"{encode(clean(record))}\n" for record in records)
        self._stream.write(text)

    def flush(self) -> None:
        """Hand everything to the operating system."""
        self._stream.flush()


def _encoder() -> Callable[[Record], str]:
    """Return a function that does what json.dumps does, which makes its encoder anew for each object."""
    make_encoder = getattr(json.encoder, "c_make_encoder", None)
    if make_encoder is None:  # an interpreter without the accelerator
        return json.JSONEncoder(allow_nan=False).encode
    quote = json.encoder.encode_basestring_ascii
    make: Callable[[Record, int], tuple[str, ...]] = make_encoder(
        None, None, quote, None, ": ", ", ", False, False, False
    )
    join = "".join
    return lambda record: join(make(record, 0))


class Reader:
    """Iterates over the records of a trace, the header first, and checks each.

    A last line without its newline that is no whole record is passed over: a trace that was cut off. After
    the iteration `complete` says whether the `end` record came.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = lines
        self.complete = False

    def __iter__(self) -> Iterator[Record]:
        """Yield records.

        Raises:
            MalformedRecord: a line is no record, or stands where it may not.
        """
        number = 0
        for number, line in enumerate(self._lines, start=1):
            try:
                record = _parse(number, line)
            except MalformedRecord:
                if number > 1 and not line.endswith("\n"):
                    return
                raise
            _check_place(number, record, ended=self.complete)
            self.complete = record["type"] == "end"
            yield record
        if number == 0:
            raise MalformedRecord(1, "the trace is empty")


@dataclass(frozen=True)
class Records:
    """A whole trace. `records` has everything between header and end."""

    header: Record
    records: tuple[Record, ...]
    end: Record | None

    @property
    def complete(self) -> bool:
        """Whether the trace was written to its end."""
        return self.end is not None

    @property
    def status(self) -> int | None:
        """The command's exit status, 128 + signal when one killed it; None when the trace was cut off."""
        return None if self.end is None else int(self.end["status"])

    @classmethod
    def of(cls, records: Iterable[Record]) -> Records:
        """Make a container from a header, records and an end, as the recorder's sink gets them."""
        header, *rest = records
        end = rest.pop() if rest and rest[-1]["type"] == "end" else None
        return cls(header, tuple(rest), end)

    def of_type(self, *types: str) -> tuple[Record, ...]:
        """Return the records of these types, in order."""
        return tuple(record for record in self.records if record["type"] in types)

    def calls(self, *names: str) -> tuple[Record, ...]:
        """Return the system calls of these names, or all, in order."""
        calls = self.of_type("syscall")
        return tuple(call for call in calls if call["name"] in names) if names else calls

    def sorted(self) -> Records:
        """Return the same with its records in the order of their time."""
        return Records(self.header, tuple(sorted(self.records, key=_time)), self.end)


def read(lines: Iterable[str]) -> Records:
    """Return a whole trace from its lines.

    Raises:
        MalformedRecord: a line is not valid; it names the line.
    """
    return Records.of(list(Reader(lines)))


def read_file(path: str | Path) -> Records:
    """Return the trace in a file; see `read`."""
    with Path(path).open(encoding="ascii", errors="surrogateescape", newline="\n") as stream:
        return read(stream)


def write_file(path: str | Path, records: Records) -> None:
    """Write a trace to a file."""
    with Path(path).open("w", encoding="ascii", newline="\n") as stream:
        writer = Writer(stream)
        for record in (records.header, *records.records, *((records.end,) if records.end else ())):
            writer.write(record)


def validate(record: object, line: int) -> Record:
    """Return `record` when it has what its type requires, else raise `MalformedRecord` for `line`."""
    if not isinstance(record, dict):
        raise MalformedRecord(line, f"a record is an object, not {_kind(record)}")
    kind = record.get("type")
    if not isinstance(kind, str) or kind not in REQUIRED:
        raise MalformedRecord(line, f"type {kind!r} is none of: {', '.join(REQUIRED)}")
    for key, types in REQUIRED[kind].items():
        if key not in record:
            raise MalformedRecord(line, f"{kind} record without '{key}'")
        if not isinstance(record[key], types) or isinstance(record[key], bool):
            wanted = " or ".join(_NAMES[each] for each in types)
            raise MalformedRecord(line, f"'{key}' of a {kind} record is {_kind(record[key])}, not {wanted}")
    return record


_NAMES = {int: "a whole number", str: "a string", list: "a list", dict: "an object", type(None): "null"}


def _parse(number: int, line: str) -> Record:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise MalformedRecord(number, f"not JSON: {error}") from error
    return validate(value, number)


def _check_place(number: int, record: Record, *, ended: bool) -> None:
    if (record["type"] == "header") != (number == 1):
        raise MalformedRecord(number, "the header is the first record, and only that")
    if number == 1 and record["schema"] != SCHEMA:
        raise MalformedRecord(1, f"schema {record['schema']}, not {SCHEMA}: written by another version")
    if ended:
        raise MalformedRecord(number, "a record after the end")


def _kind(value: object) -> str:
    return _NAMES.get(type(value), type(value).__name__)


def _time(record: Record) -> int:
    return int(record["t"])


def clean(value: Any) -> Any:  # noqa: ANN401  (any JSON value)
    r"""Return a record, or a part of one, with undecodable bytes in its strings as `\xNN`."""
    if isinstance(value, str):
        return without_surrogates(value)
    if isinstance(value, dict):
        return {clean(key): clean(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [clean(item) for item in value]
    return value
