"""prctl(2) and arch_prctl(2): what the other arguments are depends on the first."""

from __future__ import annotations

from collections.abc import Mapping

from tracer.decode.kinds.common import of_number
from tracer.decode.kinds.numbers import (
    ADDRESS,
    HEX,
    LONG,
    POINTER,
    SIGNAL,
    SIZE,
    UINT_OUT,
    hexadecimal,
)
from tracer.decode.kinds.symbols import enum, flags
from tracer.decode.kinds.texts import STRING, UNFILLED
from tracer.decode.signature import DECIMAL, Call, Kind, LateReader, Returns, Value, Variants, call
from tracer.decode.tables import process_flags
from tracer.decode.tables import process_numbers as table
from tracer.decode.tables.architectures import Architecture
from tracer.decode.values import Task, text
from tracer.ptrace.tracee import RawArguments

_OPTION = ("option", enum(table.PRCTL_OPTIONS, "PR_???"))
_NUMBERS = {symbol: number for number, symbol in table.PRCTL_OPTIONS.items()}
_WIDE = (1 << 64) - 1
_NAME_SIZE = 16  # TASK_COMM_LEN
_CAPABILITY = enum(table.CAPABILITIES, "CAP_???", mask=_WIDE)
_REST = (("arg3", HEX), ("arg4", HEX), ("arg5", HEX))


def _name_reader(_arch: Architecture) -> LateReader:
    def late(task: Task, value: int, _raw: RawArguments, _result: int, before: Value) -> Value:
        found = text(task, value, _NAME_SIZE)
        return found if isinstance(found, str) else before

    return late


_NAME_OUT = UNFILLED._replace(late=_name_reader, shown_late=True)


def _short_name(task: Task, value: int, _raw: RawArguments) -> Value:
    return text(task, value, _NAME_SIZE)


_NAME_IN = STRING._replace(reader=lambda _arch: _short_name)


def _in_words(table_of: Mapping[int, str]) -> Returns:
    def show(value: int, _arguments: Mapping[str, Value]) -> str:
        symbol = table_of.get(value)
        return f"{value} ({symbol})" if symbol else str(value)

    return Returns(show)


def _one(name: str, kind: Kind, returns: Returns = DECIMAL) -> Call:
    return call(_OPTION, (name, kind), returns=returns)


_bare = call(_OPTION)
_number = _one("arg2", SIZE)
_number_out = _one("arg2", UINT_OUT)
_number_and_rest = call(_OPTION, ("arg2", SIZE), *_REST)
_CASES = {
    **dict.fromkeys(("PR_GET_KEEPCAPS", "PR_GET_SECCOMP", "PR_GET_TIMERSLACK", "PR_GET_TIMING"), _bare),
    **dict.fromkeys(("PR_TASK_PERF_EVENTS_DISABLE", "PR_TASK_PERF_EVENTS_ENABLE"), _bare),
    **dict.fromkeys(("PR_GET_CHILD_SUBREAPER", "PR_GET_ENDIAN", "PR_GET_FPEMU", "PR_GET_FPEXC"), _number_out),
    **dict.fromkeys(
        (
            *("PR_SET_CHILD_SUBREAPER", "PR_SET_ENDIAN", "PR_SET_FPEMU", "PR_SET_FPEXC"),
            *("PR_SET_KEEPCAPS", "PR_SET_TIMING"),
        ),
        _number,
    ),
    **dict.fromkeys(("PR_SET_NO_NEW_PRIVS", "PR_SET_THP_DISABLE", "PR_SET_IO_FLUSHER"), _number_and_rest),
    "PR_GET_DUMPABLE": call(_OPTION, returns=_in_words(table.DUMPABLE)),
    "PR_SET_DUMPABLE": _one("arg2", enum(table.DUMPABLE, "SUID_DUMP_???", mask=_WIDE)),
    "PR_GET_NAME": _one("name", _NAME_OUT),
    "PR_SET_NAME": _one("name", _NAME_IN),
    "PR_SET_PDEATHSIG": _one("sig", SIGNAL),
    "PR_CAPBSET_READ": _one("cap", _CAPABILITY),
    "PR_CAPBSET_DROP": _one("cap", _CAPABILITY),
    "PR_CAP_AMBIENT": call(
        _OPTION,
        ("arg2", enum(table.AMBIENT, "PR_CAP_AMBIENT_???", mask=_WIDE)),
        ("cap", _CAPABILITY, 2, lambda raw: raw[1] in {1, 2, 3}),
        ("arg3", HEX, 2, lambda raw: raw[1] not in {1, 2, 3}),
        ("arg4", HEX, 3),
        ("arg5", HEX, 4),
    ),
    "PR_SET_TIMERSLACK": _one("arg2", LONG),
    "PR_SET_PTRACER": _one("pid", of_number(lambda value: "PR_SET_PTRACER_ANY" if value == _WIDE else value)),
    "PR_SET_VMA": call(
        _OPTION,
        ("arg2", enum(table.SET_VMA, "PR_SET_VMA_???", mask=_WIDE)),
        ("addr", POINTER),
        ("size", SIZE),
        ("name", STRING),
    ),
    "PR_SET_MM": call(_OPTION, ("arg2", enum(table.SET_MM, "PR_SET_MM_???")), *_REST),
    "PR_SET_SECUREBITS": _one("arg2", flags(process_flags.SECUREBITS, "SECBIT_???", mask=_WIDE)),
}
PRCTL = Variants(
    "option",
    0,
    0xFFFFFFFF,
    lambda value: table.PRCTL_OPTIONS.get(value, hexadecimal(value)),
    {_NUMBERS[symbol]: case for symbol, case in _CASES.items()},
    call(_OPTION, ("arg2", HEX), *_REST),
)


def _pointer_out(arch: Architecture) -> LateReader:
    word = arch.word

    def late(task: Task, value: int, _raw: RawArguments, _result: int, before: Value) -> Value:
        data = task.read(value, word) if value else b""
        return f"[{hexadecimal(int.from_bytes(data, 'little'))}]" if len(data) == word else before

    return late


_CODE = ("code", enum(table.ARCH_PRCTL, "ARCH_???"))
_base_out = call(_CODE, ("addr", ADDRESS._replace(late=_pointer_out, shown_late=True)))
ARCH_PRCTL = Variants(
    "code",
    0,
    0xFFFFFFFF,
    lambda value: table.ARCH_PRCTL.get(value, hexadecimal(value)),
    {0x1003: _base_out, 0x1004: _base_out, 0x1011: call(_CODE)},
    call(_CODE, ("addr", HEX)),
)
