"""Sets of signals, and what is to be done at their arrival."""

from __future__ import annotations

from collections.abc import Callable

from tracer.decode.kinds.common import of_number, show_address
from tracer.decode.kinds.numbers import ADDRESS, POINTER, signal_symbol
from tracer.decode.kinds.structures import Structure, pointed_in, pointed_out, shown_members, structure
from tracer.decode.kinds.symbols import flags
from tracer.decode.signature import Kind, LateReader, Reader, Value
from tracer.decode.tables import signals as table
from tracer.decode.tables.architectures import Architecture
from tracer.decode.values import Task, pointer, unreadable
from tracer.ptrace.tracee import RawArguments

_SIZE = 8


def signal_set(mask: int, bits: int = 64) -> Value:
    """Return a set as a list of names; one of most signals as the names it lacks, below `all_but`."""
    if mask.bit_count() >= bits * 2 // 3:
        return {"all_but": signal_set(~mask & ((1 << bits) - 1), 1 << 20)}
    return [str(signal_symbol(number)) for number in range(1, bits + 1) if mask >> (number - 1) & 1] if mask else []


def show_set(value: Value) -> str:
    """Show a set as strace does: `[INT CHLD]`, `~[KILL]`."""
    if isinstance(value, dict) and "all_but" in value:
        return "~" + show_set(value["all_but"])
    if not isinstance(value, list):
        return show_address(value)
    return f"[{' '.join(str(name).removeprefix('SIG') for name in value)}]"


def read_set(task: Task, address: int, size: int, least: int) -> Value:
    """Return the set of `size` bytes at an address; the address alone when the kernel takes no such size."""
    if not least <= size <= _SIZE:
        return pointer(address)
    data = task.read(address, size) if address else b""
    if len(data) < size:
        return unreadable(address)
    # Whole 32-bit words, as strace counts them.
    return signal_set(int.from_bytes(data, "little"), 32 * -(-size // 4))


def _in(size_at: int) -> Kind:
    def choose(arch: Architecture) -> Reader:
        word = arch.word
        return lambda task, value, raw: read_set(task, value, raw[size_at], word)

    return Kind(choose, show_set)


def _out(size_at: int, least: int | None = None) -> Kind:
    def choose(arch: Architecture) -> LateReader:
        word = arch.word if least is None else least

        def late(task: Task, value: int, raw: RawArguments, _result: int, _before: Value) -> Value:
            return read_set(task, value, raw[size_at], word)

        return late

    return ADDRESS._replace(late=choose, show=show_set, shown_late=True)


#: `sigset_t *` whose size is in a register.
set_in: Callable[[int], Kind] = _in
set_out = _out

_HANDLERS = {0: "SIG_DFL", 1: "SIG_IGN"}
_HANDLER = of_number(lambda value: _HANDLERS.get(value) or hex(value))
SET_MEMBER = of_number(signal_set, show_set)
_ACTION_FLAGS = flags(table.ACTION_FLAGS, "SA_???", mask=(1 << 64) - 1)
_ACTION = structure(
    ("sa_handler", "L", _HANDLER),
    ("sa_flags", "L", _ACTION_FLAGS),
    ("sa_restorer", "L", POINTER),
    ("sa_mask", "Q", SET_MEMBER),
)
_show_action = shown_members(
    {
        "sa_handler": _HANDLER.show,
        "sa_mask": show_set,
        "sa_flags": _ACTION_FLAGS.show,
        "sa_restorer": POINTER.show,
    }
)


def _show_action_with_restorer(value: Value) -> str:
    """Show struct sigaction; the restorer only where the kernel looks at it."""
    if isinstance(value, dict) and "SA_RESTORER" not in value.get("sa_flags", ()):
        value = {name: each for name, each in value.items() if name != "sa_restorer"}
    return _show_action(value)


_SHOWN_ACTION: Structure = _ACTION._replace(show=_show_action_with_restorer)
ACTION_IN = pointed_in(_SHOWN_ACTION)
ACTION_OUT = pointed_out(_SHOWN_ACTION)
_STACK = structure(("ss_sp", "P", POINTER), ("ss_flags", "i", flags(table.STACK_FLAGS, "SS_???")), ("ss_size", "L"))
STACK_IN = pointed_in(_STACK)
STACK_OUT = pointed_out(_STACK)

#: Where rt_sigreturn finds the mask, from the stack pointer on: the kernel's struct rt_sigframe.
_MASK_IN_FRAME = {"x86_64": 296, "aarch64": 168, "riscv64": 168, "i386": 248}


def _frame_reader(arch: Architecture) -> Reader:
    offset = _MASK_IN_FRAME.get(arch.name)

    def read(task: Task, _value: int, _raw: RawArguments) -> Value:
        stack = task.stack_pointer()
        if stack is None or offset is None:
            return None
        return read_set(task, stack + offset, _SIZE, _SIZE)

    return read


#: The mask that returns with the end of a handler.
FRAME_MASK = Kind(_frame_reader, lambda value: f"{{mask={show_set(value)}}}")
_SIGSET_AND_SIZE = structure(("sigmask", "L"), ("sigsetsize", "L"))


def _pselect_reader(arch: Architecture) -> Reader:
    layout = _SIGSET_AND_SIZE.layout(arch)
    word = arch.word

    def read(task: Task, value: int, _raw: RawArguments) -> Value:
        data = task.read(value, layout.size) if value else b""
        if len(data) < layout.size:
            return unreadable(value)
        pair = layout.decode(task, data)
        size = pair["sigsetsize"]
        return {"sigmask": read_set(task, pair["sigmask"], size, word), "sigsetsize": size}

    return read


#: What pselect6's sixth argument points to.
SET_AND_SIZE = Kind(_pselect_reader, shown_members({"sigmask": show_set, "sigsetsize": str}))
