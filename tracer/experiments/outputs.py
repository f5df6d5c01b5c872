"""What a command wrote to its standard output and error, put together from its `write` calls: `output` records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tracer.records import Record

STREAMS = {1: "stdout", 2: "stderr"}
_CALLS = ("write", "writev")


def with_outputs(records: Sequence[Record]) -> tuple[Record, ...]:
    """Return the records with one `output` record more for each process and stream, before the end.

    Its `text` is what all the writes hold together, as much of each as the trace has; `t` is the first one's.
    """
    written: dict[tuple[int, str], dict[str, Any]] = {}
    for record in records:
        stream = _stream(record)
        if stream:
            key = (record["pid"], stream)
            told = {"type": "output", "t": record["t"], "pid": record["pid"], "stream": stream, "text": ""}
            found = written.setdefault(key, told)
            found["text"] += _text(record)
    if not written:
        return tuple(records)
    *before, end = records
    return (*before, *written.values(), end)


def _stream(record: Record) -> str | None:
    if record.get("type") != "syscall" or record.get("name") not in _CALLS or record.get("errno"):
        return None
    descriptor = record.get("args", {}).get("fd")
    return STREAMS.get(int(descriptor["value"])) if isinstance(descriptor, dict) else None


def _text(record: Record) -> str:
    args = record["args"]
    parts = args.get("iov") if isinstance(args.get("iov"), list) else [args.get("buf")]
    return "".join(str(part.get("data", "")) for part in parts if isinstance(part, dict))
