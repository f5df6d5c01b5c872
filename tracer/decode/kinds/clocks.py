"""Clocks, time zones, and what is left of a sleep that a signal ended."""

from __future__ import annotations

from collections.abc import Mapping

from tracer.decode.kinds.common import show_address
from tracer.decode.kinds.numbers import ADDRESS, INT64_OUT, POINTER, SIGNAL, TICKS
from tracer.decode.kinds.structures import Structure, pointed_in, pointed_out, structure
from tracer.decode.kinds.symbols import enum
from tracer.decode.kinds.times import in_words
from tracer.decode.signature import Kind, LateReader, Returns, Value
from tracer.decode.tables.architectures import Architecture
from tracer.decode.tables.process_numbers import CLOCKS
from tracer.decode.values import Task, signed32
from tracer.ptrace.tracee import RawArguments

_RESTART_BLOCK, _RESTART_NO_HAND, _RESTART_SYS, _RESTART_NO_INTR = 516, 514, 512, 513
_RESTARTS = frozenset((_RESTART_SYS, _RESTART_NO_INTR, _RESTART_NO_HAND, _RESTART_BLOCK))


CLOCK = enum(CLOCKS, "CLOCK_???")


def remaining(one: Structure, *, unless_absolute: int | None = None) -> Kind:
    """Return the kind of the time that was left; filled in only when a signal came.

    `unless_absolute`: the register whose TIMER_ABSTIME says that nothing is left to tell.
    """

    def choose(arch: Architecture) -> LateReader:
        layout = one.layout(arch)

        def late(task: Task, value: int, raw: RawArguments, result: int, before: Value) -> Value:
            if -result not in _RESTARTS or (unless_absolute is not None and raw[unless_absolute]):
                return before
            data = task.read(value, layout.size) if value else b""
            return layout.decode(task, data) if len(data) == layout.size else before

        return late

    return ADDRESS._replace(late=choose, show=one.show, also_failed=True, shown_late=True)


_TIMEZONE = structure(("tz_minuteswest", "i"), ("tz_dsttime", "i"))
TIMEZONE_IN = pointed_in(_TIMEZONE)
TIMEZONE_OUT = pointed_out(_TIMEZONE)


def _show_time(value: Value) -> str:
    return f"[{value}{in_words(value, 0, 9)}]" if isinstance(value, int) else show_address(value)


def _time_result(value: int, _arguments: Mapping[str, Value]) -> str:
    """Show seconds since 1970 with the local date."""
    date = in_words(value, 0, 9).removeprefix(" /* ").removesuffix(" */")
    return f"{value} ({date})" if date else str(value)


TIME_OUT = INT64_OUT._replace(show=_show_time)
TIME = Returns(_time_result)
TMS = pointed_out(structure(*((f"tms_{name}", "l", TICKS) for name in ("utime", "stime", "cutime", "cstime"))))
_NOTIFY = {0: "SIGEV_SIGNAL", 1: "SIGEV_NONE", 2: "SIGEV_THREAD", 4: "SIGEV_THREAD_ID"}
_EVENT_HEAD = (
    ("sigev_value", "L", POINTER),
    ("sigev_signo", "i", SIGNAL),
    ("sigev_notify", "i", enum(_NOTIFY, "SIGEV_???")),
)
_EVENT = structure(*_EVENT_HEAD, ("sigev_notify_thread_id", "i"), ("rest", 44))


def _show_event(value: Value) -> str:
    if not isinstance(value, dict) or "sigev_notify" not in value:
        return show_address(value)
    parts = [f"{name}={value[name]}" for name in ("sigev_signo", "sigev_notify")]
    given = value.get("sigev_value")
    if given is not None:
        number = int(given, 16)
        parts.insert(0, f"sigev_value={{sival_int={signed32(number)}, sival_ptr={given}}}")
    if value["sigev_notify"] == "SIGEV_THREAD_ID":
        parts.append(f"sigev_notify_thread_id={value['sigev_notify_thread_id']}")
    return "{" + ", ".join(parts) + "}"


EVENT = pointed_in(_EVENT._replace(show=_show_event))
