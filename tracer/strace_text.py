"""Records as text in strace's conventions, one line a record, the task's pid in front."""

from __future__ import annotations

import os
from collections.abc import Callable
from errno import errorcode
from typing import Any

from tracer.escapes import unescaped
from tracer.records import Record

#: strace's default for strings that are not paths (-s).
STRING_LIMIT = 32

_PATHS = frozenset(("pathname", "filename", "name"))
_HEX_RETURNS = frozenset(("mmap", "brk", "mremap", "shmat"))
_ERRNOS = {symbol: number for number, symbol in errorcode.items()}
_ESCAPES = {
    0x22: '\\"',
    0x5C: "\\\\",
    0x09: "\\t",
    0x0A: "\\n",
    0x0B: "\\v",
    0x0C: "\\f",
    0x0D: "\\r",
}
_RESTART_TEXTS = {
    "ERESTARTSYS": "To be restarted if SA_RESTART is set",
    "ERESTARTNOINTR": "To be restarted",
    "ERESTARTNOHAND": "To be restarted if no handler",
    "ERESTART_RESTARTBLOCK": "Interrupted by signal",
}


def line(record: Record) -> str | None:
    """Return one record as a line without its newline; None for those that strace has nothing like."""
    writer = _LINES.get(record["type"])
    return None if writer is None else f"{record['pid']:<5} {writer(record)}"


def quoted(data: bytes, limit: int | None = None) -> str:
    """Return bytes as strace shows a string: C escapes, octal for the rest, `...` where it was cut."""
    shown = data if limit is None else data[:limit]
    parts = []
    for position, byte in enumerate(shown):
        if byte in _ESCAPES:
            parts.append(_ESCAPES[byte])
        elif 0x20 <= byte < 0x7F:
            parts.append(chr(byte))
        else:
            following = shown[position + 1 : position + 2]
            # Three digits only before another digit, which would else be taken for part of the number.
            parts.append(f"\\{byte:03o}" if following.isdigit() else f"\\{byte:o}")
    return f'"{"".join(parts)}"' + ("..." if len(shown) < len(data) else "")


def _syscall(record: Record) -> str:
    arguments = ", ".join(_argument(record["name"], key, value) for key, value in record["args"].items())
    return f"{record['name']}({arguments}) = {_result(record)}"


def _result(record: Record) -> str:
    value, errno = record["return"], record.get("errno")
    if value is None:
        return f"? {errno} ({_RESTART_TEXTS.get(errno, '?')})" if errno else "?"
    if errno:
        number = _ERRNOS.get(errno)
        return f"-1 {errno} ({'?' if number is None else os.strerror(number)})"
    if record["name"] in _HEX_RETURNS:
        return hex(value & 0xFFFFFFFFFFFFFFFF)
    return str(value)


def _argument(call: str, key: str, value: Any) -> str:  # noqa: ANN401  (any JSON value)
    if value is None:
        return "NULL"
    if key == "argv" and isinstance(value, list):
        return f"[{', '.join(_text(each) for each in value)}]"
    if key == "iov" and isinstance(value, list):
        return f"[{', '.join(_vector_element(each) for each in value)}]"
    if isinstance(value, list):
        return "|".join(value) or "0"
    if isinstance(value, dict):
        return _object(key, value)
    if key in _PATHS:
        return _text(value)
    if key == "param_values":
        return quoted(unescaped(value), STRING_LIMIT)
    if key == "offset" and call == "mmap":
        return hex(value) if value else "0"
    return str(value)


def _object(key: str, value: dict[str, Any]) -> str:
    if "value" in value:
        return str(value["value"])
    if key == "envp" and "count" in value:
        return f"{value['address']} /* {value['count']} var{'' if value['count'] == 1 else 's'} */"
    if "data" in value:
        return _buffer(value)
    return "NULL" if value.get("address") is None else str(value["address"])


def _buffer(value: dict[str, Any]) -> str:
    data = unescaped(value["data"])
    text = quoted(data, STRING_LIMIT)
    return text + "..." if value.get("truncated") and not text.endswith("...") else text


def _vector_element(value: dict[str, Any] | None) -> str:
    if value is None or "data" not in value:
        return "{iov_base=NULL, iov_len=0}" if value is None else "{iov_base=" + str(value["address"]) + "}"
    return f"{{iov_base={_buffer(value)}, iov_len={value['length']}}}"


def _text(value: str | dict[str, Any] | None) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, dict):
        return _object("", value)
    return quoted(unescaped(value))


def _exit(record: Record) -> str:
    if "signal" in record:
        return f"+++ killed by {record['signal']} +++"
    return f"+++ exited with {record.get('status')} +++"


def _signal(record: Record) -> str:
    return f"--- {record['signal']} ---"


_LINES: dict[str, Callable[[Record], str]] = {"syscall": _syscall, "exit": _exit, "signal": _signal}
