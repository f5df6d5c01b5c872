"""struct siginfo: why a signal came (<asm-generic/siginfo.h>)."""

from __future__ import annotations

import struct
from collections.abc import Mapping

from tracer.decode.kinds.common import show_address
from tracer.decode.kinds.numbers import ADDRESS, show_ticks, signal_symbol
from tracer.decode.signature import LateReader, Value
from tracer.decode.tables import signals as table
from tracer.decode.tables.architectures import BY_AUDIT, Architecture
from tracer.decode.values import Task, pointer
from tracer.ptrace.tracee import RawArguments

SIZE = 128
_CODES: Mapping[str, Mapping[int, str]] = {
    "SIGTRAP": table.SIGTRAP_CODES,
    "SIGCHLD": table.SIGCHLD_CODES,
    "SIGIO": table.SIGPOLL_CODES,
    "SIGILL": table.SIGILL_CODES,
    "SIGFPE": table.SIGFPE_CODES,
    "SIGSEGV": table.SIGSEGV_CODES,
    "SIGBUS": table.SIGBUS_CODES,
    "SIGSYS": table.SIGSYS_CODES,
}
_FAULTS = frozenset(("SIGILL", "SIGFPE", "SIGSEGV", "SIGBUS", "SIGTRAP"))
_SI_TIMER, _SI_SIGIO = -2, -5
_BOUNDS, _PROTECTION_KEY = "SEGV_BNDERR", "SEGV_PKUERR"


def siginfo(data: bytes, word: int = 8) -> dict[str, Value]:
    """Return struct siginfo as an object; the members that its signal and code have."""
    number, errno, code = struct.unpack_from("<3i", data)
    symbol = str(signal_symbol(number))
    found: dict[str, Value] = {"si_signo": symbol, "si_code": _code(symbol, code)}
    if not number:
        return {}
    if errno:
        found["si_errno"] = errno
    union = data[16:] if word == 8 else data[12:]
    if code <= 0:
        return found | _from_user(code, union, word)
    return found | _from_kernel(symbol, found["si_code"], union, word)


def _code(symbol: str, code: int) -> str:
    return table.SIGINFO_CODES.get(code) or _CODES.get(symbol, {}).get(code) or f"{code & 0xFFFFFFFF:#x}"


def _source(union: bytes) -> dict[str, Value]:
    pid, uid = struct.unpack_from("<iI", union)
    return {"si_pid": pid, "si_uid": uid}


def _value(union: bytes, start: int, word: int) -> dict[str, Value]:
    number = struct.unpack_from("<i", union, start)[0]
    return {"si_int": number, "si_ptr": pointer(int.from_bytes(union[start : start + word], "little"))}


def _from_user(code: int, union: bytes, word: int) -> dict[str, Value]:
    if code == _SI_TIMER:
        timer, overrun = struct.unpack_from("<Ii", union)
        return {"si_timerid": timer, "si_overrun": overrun, **_value(union, 8, word)}
    if code == _SI_SIGIO:
        return _band(union, word)
    found = _source(union)
    if code in {0, -6}:  # SI_USER, SI_TKILL
        return found
    value = _value(union, 8, word)
    return found | value if value["si_ptr"] is not None else found


def _band(union: bytes, word: int) -> dict[str, Value]:
    band = int.from_bytes(union[:word], "little", signed=True)
    return {"si_band": band, "si_fd": struct.unpack_from("<i", union, word)[0]}


def _from_kernel(symbol: str, code: str, union: bytes, word: int) -> dict[str, Value]:
    if symbol == "SIGCHLD":
        status = struct.unpack_from("<i", union, 8)[0]
        times = struct.unpack_from("<2q" if word == 8 else "<2i", union, 16 if word == 8 else 12)
        shown = status if code == "CLD_EXITED" else str(signal_symbol(status))
        return _source(union) | {"si_status": shown, "si_utime": times[0], "si_stime": times[1]}
    if symbol in _FAULTS:
        found: dict[str, Value] = {"si_addr": pointer(int.from_bytes(union[:word], "little"))}
        if code == _BOUNDS:
            bounds = [int.from_bytes(union[start : start + word], "little") for start in (2 * word, 3 * word)]
            found |= {"si_lower": pointer(bounds[0]), "si_upper": pointer(bounds[1])}
        elif code == _PROTECTION_KEY:
            found["si_pkey"] = struct.unpack_from("<I", union, 2 * word)[0]
        return found
    if symbol == "SIGIO" and code.startswith("POLL_"):
        return _band(union, word)
    if symbol == "SIGSYS":
        number, audit = struct.unpack_from("<iI", union, word)
        address = pointer(int.from_bytes(union[:word], "little"))
        return {"si_call_addr": address, "si_syscall": number, "si_arch": audit}
    found = _source(union)
    found = found if found["si_pid"] or found["si_uid"] else {}
    value = _value(union, 8, word)
    return found | value if value["si_ptr"] is not None else found


def show_siginfo(value: Value) -> str:
    """Show struct siginfo as strace does."""
    if not isinstance(value, dict) or "error" in value:
        return show_address(value)
    order = ["si_signo", "si_code", "si_errno", *value]
    names = [name for position, name in enumerate(order) if name in value and name not in order[:position]]
    return "{" + ", ".join(f"{name}={_shown(name, value[name])}" for name in names) + "}"


def _shown(name: str, value: Value) -> str:
    if name in {"si_utime", "si_stime"}:
        return show_ticks(value)
    if name == "si_timerid":
        return f"{value:#x}" if value else "0"
    if name == "si_arch" and value in BY_AUDIT:
        return f"AUDIT_ARCH_{BY_AUDIT[value].name.upper()}"
    if name == "si_code" and str(value).startswith("0x"):
        return str(value)
    return "NULL" if value is None else str(value)


def _reader(arch: Architecture) -> LateReader:
    word = arch.word

    def late(task: Task, value: int, _raw: RawArguments, _result: int, before: Value) -> Value:
        data = task.read(value, SIZE) if value else b""
        return siginfo(data, word) if len(data) == SIZE else before

    return late


#: siginfo_t * that the kernel fills in.
SIGINFO_OUT = ADDRESS._replace(late=_reader, show=show_siginfo, shown_late=True)
