"""What wait4 and waitid tell of a child."""

from __future__ import annotations

import os

from tracer.decode.kinds.common import show_address
from tracer.decode.kinds.numbers import ADDRESS, hexadecimal, signal_symbol
from tracer.decode.kinds.structures import pointed_out, structure
from tracer.decode.kinds.times import TIMEVAL
from tracer.decode.signature import LateReader, Value
from tracer.decode.tables.architectures import Architecture
from tracer.decode.tables.process_numbers import PTRACE_EVENTS
from tracer.decode.values import Task
from tracer.ptrace.tracee import RawArguments


def wait_status(number: int) -> dict[str, Value]:
    """Return a wait status (wait(2)) as an object; `value` has bits that mean nothing else."""
    if os.WIFSTOPPED(number):
        code = os.WSTOPSIG(number)
        found: dict[str, Value] = {"stopped": signal_symbol(code & 0x7F)}
        if code & 0x80:
            found["syscall_stop"] = True
        return found | _rest(number & ~(code << 8 | 0x7F))
    if os.WIFSIGNALED(number):
        killed = {"signal": signal_symbol(os.WTERMSIG(number)), "core_dumped": os.WCOREDUMP(number)}
        return killed | _rest(number & ~0xFF)
    if os.WIFEXITED(number):
        return {"exited": os.WEXITSTATUS(number)} | _rest(number & ~0xFF00)
    if os.WIFCONTINUED(number):
        return {"continued": True} | _rest(number & ~0xFFFF)
    return {"value": number}


def _rest(number: int) -> dict[str, Value]:
    found: dict[str, Value] = {}
    if number >> 16:
        found["event"] = PTRACE_EVENTS.get(number >> 16, hexadecimal(number >> 16))
    if number & 0xFFFF:
        found["rest"] = hexadecimal(number & 0xFFFF)
    return found


def _show_status(value: Value) -> str:
    if not isinstance(value, dict) or "error" in value:
        return show_address(value)
    if "value" in value:
        return f"[{hexadecimal(value['value'])}]"
    if "stopped" in value:
        text = f"WIFSTOPPED(s) && WSTOPSIG(s) == {value['stopped']}{' | 0x80' if 'syscall_stop' in value else ''}"
    elif "signal" in value:
        dumped = " && WCOREDUMP(s)" if value["core_dumped"] else ""
        text = f"WIFSIGNALED(s) && WTERMSIG(s) == {value['signal']}{dumped}"
    elif "exited" in value:
        text = f"WIFEXITED(s) && WEXITSTATUS(s) == {value['exited']}"
    else:
        text = "WIFCONTINUED(s)"
    event = f"|{value['event']}<<16" if "event" in value else ""
    rest = f"|{value['rest']}" if "rest" in value else ""
    return f"[{{{text}}}{event}{rest}]"


def _status_reader(_arch: Architecture) -> LateReader:
    def late(task: Task, value: int, _raw: RawArguments, result: int, before: Value) -> Value:
        data = task.read(value, 4) if value and result else b""
        return wait_status(int.from_bytes(data, "little")) if len(data) == 4 else before

    return late


#: int *wstatus.
STATUS = ADDRESS._replace(late=_status_reader, show=_show_status, shown_late=True)
_COUNTS = (
    *("ru_maxrss", "ru_ixrss", "ru_idrss", "ru_isrss", "ru_minflt", "ru_majflt", "ru_nswap"),
    *("ru_inblock", "ru_oublock", "ru_msgsnd", "ru_msgrcv", "ru_nsignals", "ru_nvcsw", "ru_nivcsw"),
)
_USAGE = structure(
    ("ru_utime", TIMEVAL),
    ("ru_stime", TIMEVAL),
    *((name, "l") for name in _COUNTS),
    shown="ru_utime ru_stime",
    more=True,
)
USAGE = pointed_out(_USAGE)
#: wait4's: nothing is filled in when nothing was waited for.
USAGE_OF_CHILD = pointed_out(_USAGE, when=lambda result: result > 0)
