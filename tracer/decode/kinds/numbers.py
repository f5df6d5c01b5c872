"""Numbers, as the kernel takes them from a register, and addresses."""

from __future__ import annotations

from tracer.decode.kinds.common import everywhere, of_number, show_address
from tracer.decode.signature import Kind, LateReader, Reader, Value
from tracer.decode.tables.architectures import Architecture
from tracer.decode.tables.signals import CLASSIC_SIGNALS
from tracer.decode.values import Task, pointer, signed32, signed64, unreadable
from tracer.ptrace.tracee import RawArguments

_LAST_CLASSIC_SIGNAL = len(CLASSIC_SIGNALS)
_LAST_SIGNAL = 64


def _unsigned32(value: int) -> int:
    return value & 0xFFFFFFFF


def _unsigned(value: int) -> int:
    return value


def hexadecimal(value: int) -> str:
    """Return a number as C's `%#x` writes it: 0 without a prefix."""
    return f"{value:#x}" if value else "0"


def octal(value: int) -> str:
    """Return a number as C's `%#o` with three digits."""
    return f"{value:#05o}".replace("0o", "0") if value > 0o77 else f"{value:03o}"


def _identifier(value: int) -> int:
    """Return a user or group number; −1 stands for none."""
    value &= 0xFFFFFFFF
    return -1 if value == 0xFFFFFFFF else value


def _by_word(of_4: Reader, of_8: Reader) -> Kind:
    def choose(arch: Architecture) -> Reader:
        return of_4 if arch.word == 4 else of_8

    return Kind(choose, str, in_register=True)


INT = of_number(signed32)
UINT = of_number(_unsigned32)
#: A number as wide as a register: size_t, unsigned long.
SIZE = of_number(_unsigned)
#: long, ssize_t, off_t.
LONG = _by_word(lambda _task, value, _raw: signed32(value), lambda _task, value, _raw: signed64(value))
INT64 = of_number(signed64)
#: What strace writes in hex.
HEX32 = of_number(lambda value: hexadecimal(value & 0xFFFFFFFF))
HEX = of_number(hexadecimal)
#: An offset in hex that records have as a number.
HEX_OFFSET = of_number(_unsigned, lambda value: hexadecimal(int(value)))
PAGE_OFFSET = of_number(lambda value: value << 12, lambda value: hexadecimal(int(value)))
MODE = of_number(lambda value: octal(value & 0xFFFF))
USER = of_number(_identifier)
POINTER = of_number(pointer, show_address)


def _address(task: Task, value: int, raw: RawArguments) -> Value:  # noqa: ARG001  (a reader's parameters)
    return pointer(value)


#: Where the kernel puts something, before it has.
ADDRESS = everywhere(_address, show_address)._replace(in_register=True)


def pair(low: int) -> Kind:
    """Return the kind of a 64-bit offset that 32-bit programs pass in registers `low` and `low` + 1."""
    return joined(low + 1, low)


def joined(high: int, low: int) -> Kind:
    """Return the kind of a 64-bit number in two registers, of which the upper half may come first."""

    def halves(_task: Task, _value: int, raw: RawArguments) -> int:
        return signed64((raw[high] & 0xFFFFFFFF) << 32 | raw[low] & 0xFFFFFFFF)

    return everywhere(halves, str)


def in_block(index: int, kind: Kind) -> Kind:
    """Return the kind of an argument that stands in memory, where the first register points (mmap of i386)."""

    def choose(arch: Architecture) -> Reader:
        reader, word = kind.reader(arch), arch.word

        def read(task: Task, _value: int, raw: RawArguments) -> Value:
            data = task.read(raw[0] + index * word, word)
            return reader(task, int.from_bytes(data, "little"), raw) if len(data) == word else unreadable(raw[0])

        return read

    return Kind(choose, kind.show)


def signal_symbol(number: int) -> str | int:
    """Return a signal's name as strace has it; the number itself when it is no signal's."""
    if 1 <= number <= _LAST_CLASSIC_SIGNAL:
        return CLASSIC_SIGNALS[number - 1]
    if _LAST_CLASSIC_SIGNAL < number <= _LAST_SIGNAL:
        first = _LAST_CLASSIC_SIGNAL + 1
        return "SIGRTMIN" if number == first else f"SIGRT_{number - first}"
    return number


#: Ticks of a clock_t in a second, as programs see them (<asm-generic/param.h>, USER_HZ).
_TICKS = 100


def show_ticks(value: Value) -> str:
    """Show a clock_t, in seconds too when it is not 0."""
    return f"{value} /* {value / _TICKS:.2f} s */" if value else "0"


TICKS = of_number(_unsigned, show_ticks)
SIGNAL = of_number(lambda value: signal_symbol(signed32(value)))


def _show_indirect(value: Value) -> str:
    if isinstance(value, list):  # what it was, and what it became
        first, last = value
        return f"[{first}]" if first == last else f"[{first} => {last}]"
    return f"[{value}]" if isinstance(value, int) else show_address(value)


def _number_at(size: int, *, signed: bool) -> Kind:
    """Return a number that the kernel writes to an address: `[5]`."""

    def late(task: Task, value: int, _raw: RawArguments, _result: int, before: Value) -> Value:
        data = task.read(value, size) if value else b""
        return int.from_bytes(data, "little", signed=signed) if len(data) == size else before

    def choose(_arch: Architecture) -> LateReader:
        return late

    return ADDRESS._replace(late=choose, show=_show_indirect, shown_late=True)


INT_OUT = _number_at(4, signed=True)
UINT_OUT = _number_at(4, signed=False)
INT64_OUT = _number_at(8, signed=True)
UINT64_OUT = _number_at(8, signed=False)


def _number_given(size: int) -> Kind:
    """Return a number that the kernel reads from an address: `[5]`."""

    def read(task: Task, value: int, _raw: RawArguments) -> Value:
        data = task.read(value, size) if value else b""
        return int.from_bytes(data, "little", signed=True) if len(data) == size else pointer(value)

    return everywhere(read, _show_indirect)


INT_IN = _number_given(4)
#: loff_t * that is shown as the program gives it.
OFFSET_IN = _number_given(8)


def _number_in_out(size: int, *, signed: bool, arrow: bool = True) -> Kind:
    def read(task: Task, value: int, _raw: RawArguments) -> Value:
        data = task.read(value, size) if value else b""
        return int.from_bytes(data, "little", signed=signed) if len(data) == size else pointer(value)

    def late(task: Task, value: int, raw: RawArguments, _result: int, before: Value) -> Value:
        after = read(task, value, raw)
        return [before, after] if isinstance(after, int) and isinstance(before, int) else after

    def choose(_arch: Architecture) -> LateReader:
        return late

    show = _show_indirect if arrow else _show_indirect_twice
    return everywhere(read, show)._replace(late=choose, shown_late=True)


def _show_indirect_twice(value: Value) -> str:
    if isinstance(value, list):
        return f"[{value[0]}] => [{value[1]}]"
    return _show_indirect(value)


#: socklen_t *: `[110 => 16]`.
LENGTH_IN_OUT = _number_in_out(4, signed=True)
#: loff_t *: `[0] => [100]`.
OFFSET_IN_OUT = _number_in_out(8, signed=True, arrow=False)
