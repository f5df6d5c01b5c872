"""What `pyinsmod trace` writes: records in one of the formats, a summary table, or both."""

from __future__ import annotations

import os
import sys

from pyinsmod.lean import TYPE_CHECKING, Callable, Sequence
from pyinsmod.text import printable
from tracer.ptrace.tracee import ReturnedCall
from tracer.record_types import Record
from tracer.recording import text_of_call
from tracer.task_text import task_line

if TYPE_CHECKING:
    from typing import IO, Literal

    from tracer.perfetto import PerfettoWriter
    from tracer.records import Writer
    from tracer.summary import Summary

#: Records that are made text of at once: done at each stop it takes twice the time, for the processor's caches.
_AT_ONCE = 1024


class Output:
    """Writes records in one format; after a failure it stays silent, so that the command goes on unharmed."""

    def __init__(self, stream: IO[str], format_name: str, summary: Literal["only", "too"] | None) -> None:
        self.error: OSError | None = None
        self._stream = stream
        self._format = format_name
        # What few ask for is imported for them only: starting is most of a short trace's time.
        self._perfetto = _perfetto_writer(stream) if format_name == "perfetto" and summary != "only" else None
        self._summary = _new_summary() if summary else None
        self._writers: list[Callable[[Sequence[Record]], None]] = [_each(self._summary.add)] if self._summary else []
        if summary != "only":
            self._writers.append(self._record_writer())
        self._in_lines = format_name == "strace" and summary is None
        self._waiting: list[Record | ReturnedCall] = []
        # On standard error a record is to be seen when it comes, between what the command says there itself. And
        # trace events have each task looked up, which must still be there.
        self._most_waiting = 0 if stream is sys.stderr or self._perfetto else _AT_ONCE

    def write(self, record: Record) -> None:
        """Take one record, to be written soon."""
        self._waiting.append(record)
        if len(self._waiting) > self._most_waiting:
            self._write_waiting()

    @property
    def text_sink(self) -> Callable[[ReturnedCall], None] | None:
        """What takes calls that are shown without a record; None where records are wanted."""
        return self._write_call if self._in_lines else None

    def _write_call(self, call: ReturnedCall) -> None:
        self._waiting.append(call)
        if len(self._waiting) > self._most_waiting:
            self._write_waiting()

    def _write_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        if self.error is not None:
            return
        try:
            if self._in_lines:
                lines = [text_of_call(item) if isinstance(item, tuple) else _text(item) for item in waiting]
                self._stream.write("\n".join([line for line in lines if line is not None] + [""]))
                return
            records = [item for item in waiting if not isinstance(item, tuple)]
            for write in self._writers:
                write(records)
        except OSError as error:
            self.error = error

    def close(self) -> None:
        """Write what comes last, and flush; a disk that is full often says so only now."""
        self._write_waiting()
        try:
            if self.error is None:
                self._write_end()
            self._stream.flush()
            if self._stream is not sys.stderr:
                self._stream.close()
        except OSError as error:
            self.error = self.error or error

    def _write_end(self) -> None:
        if self._perfetto:
            self._perfetto.close()
        if self._summary and self._format == "json":
            import json

            self._stream.write(json.dumps(self._summary.as_json()) + "\n")
        elif self._summary:
            self._stream.writelines(f"{line}\n" for line in self._summary.lines())

    def _record_writer(self) -> Callable[[Sequence[Record]], None]:
        if self._perfetto:
            return _each(self._perfetto.write)
        return _json_writer(self._stream) if self._format == "json" else _each(self._write_text)

    def _write_text(self, record: Record) -> None:
        text = _text(record)
        if text is not None:
            self._stream.write(text + "\n")


def _text(record: Record) -> str | None:
    if record["type"] in {"syscall", "signal"}:
        from tracer import strace_text  # with all decoders behind it: a command may make no call of interest

        return strace_text.line(record, os.uname().machine)
    text = task_line(record)
    if text is None and record.get("left_out"):
        return f"      # left out, of files below /proc and /sys: {_counts(record['left_out'])}"
    if text is None and record["type"] not in {"header", "exec", "end"}:
        return f"      # {_comment(record)}"
    return text


def _each(write: Callable[[Record], None]) -> Callable[[Sequence[Record]], None]:
    def write_each(records: Sequence[Record]) -> None:
        for record in records:
            write(record)

    return write_each


def _json_writer(stream: IO[str]) -> Callable[[Sequence[Record]], None]:
    writer: Writer = __import__("tracer.records", fromlist=("Writer",)).Writer(stream)
    return writer.write_all


def _perfetto_writer(stream: IO[str]) -> PerfettoWriter:
    module = __import__("tracer.perfetto", fromlist=("PerfettoWriter",))
    writer: PerfettoWriter = module.PerfettoWriter(stream, _thread_group)
    return writer


def _new_summary() -> Summary:
    summary: Summary = __import__("tracer.summary", fromlist=("Summary",)).Summary()
    return summary


def _counts(numbers: dict[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in numbers.items())


def _comment(record: Record) -> str:
    details = " ".join(f"{key}={value}" for key, value in record.items() if key not in {"type", "t"})
    return printable(f"{record['type']} {details}")


def _thread_group(pid: int) -> int | None:
    try:
        with open(f"/proc/{pid}/status", "rb") as stream:  # noqa: PTH123  (per task: a Path costs more)
            return next(int(line[5:]) for line in stream if line.startswith(b"Tgid:"))
    except (OSError, StopIteration):
        return None


def opened(path: str | None) -> IO[str]:
    """Return the stream a trace goes to: the file, or standard error."""
    if path is None:
        return sys.stderr
    return open(path, "w", encoding="utf-8", errors="backslashreplace")  # noqa: PTH123  (closed by Output)
