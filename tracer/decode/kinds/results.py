"""What calls return, as strace writes it after a success."""

from __future__ import annotations

from collections.abc import Mapping

from tracer.decode.kinds.numbers import hexadecimal, octal
from tracer.decode.signature import DECIMAL, Returns, Value

Arguments = Mapping[str, Value]

#: A file descriptor; the record has its path.
DESCRIPTOR = Returns(DECIMAL.show, descriptor=True)


def _hexadecimal(value: int, _arguments: Arguments) -> str:
    return hexadecimal(value & 0xFFFFFFFFFFFFFFFF)


def _octal(value: int, _arguments: Arguments) -> str:
    return octal(value) if value else "000"


ADDRESS = Returns(_hexadecimal)
OCTAL = Returns(_octal)
