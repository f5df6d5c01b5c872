"""The grammar of the tables in `tracer.decode.calls`: a call is its arguments' names and kinds, and its result's.

A `Kind` knows how a value is decoded when the call begins and, for what the kernel fills in, when it ends, and
how the decoded value is shown in strace's text. `Plan` is a signature made ready for one architecture: the
event loop's part, closures without a loop over kinds where there are few arguments. `Text` is the part that
shows a record; it needs the record alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from pyinsmod.lean import Any, NamedTuple
from tracer.decode.tables.architectures import Architecture
from tracer.decode.values import Task
from tracer.ptrace.tracee import RawArguments

#: A decoded value: what JSON has.
Value = Any
#: (task, the argument's register, all registers) → value, when the call begins.
Reader = Callable[[Task, int, RawArguments], Value]
#: (task, register, all registers, result, value at the beginning) → value, when it has ended.
LateReader = Callable[[Task, int, RawArguments, int, Value], Value]
Show = Callable[[Value], str]
#: (result, arguments) → what strace writes after `= ` of a success.
ShowResult = Callable[[int, Mapping[str, Value]], str]

Entry = Callable[[Task, RawArguments], dict[str, Value]]
Exit = Callable[[Task, RawArguments, int, dict[str, Value]], None]


class Kind(NamedTuple):
    """What an argument, or a member of a structure, is."""

    reader: Callable[[Architecture], Reader]
    show: Show
    #: For what the kernel fills in, after a success.
    late: Callable[[Architecture], LateReader] | None = None
    #: Filled in by calls that fail, too.
    also_failed: bool = False
    #: strace writes it, and what follows it, only when the call has ended.
    shown_late: bool = False
    #: The register has nothing, and strace shows nothing (see `at`).
    hidden: bool = False
    #: The register is all there is to read (but for the path of a descriptor).
    in_register: bool = False
    #: It is a string in the task's memory, and nothing else.
    is_string: bool = False


class Argument(NamedTuple):
    """One argument; `at` is its register, when it is not its place in the list."""

    name: str
    kind: Kind
    at: int | None = None
    #: Whether the call has it, as its other registers tell (not 0: it has).
    when: Callable[[RawArguments], int] | None = None


class Returns(NamedTuple):
    """What a result is; `descriptor`: its path goes into the record."""

    show: ShowResult
    descriptor: bool = False


class Call(NamedTuple):
    """One call's signature."""

    arguments: tuple[Argument, ...]
    returns: Returns
    #: strace writes nothing more at the end although the kinds could (RVAL_DECODED).
    whole_at_entry: bool = True


class Variants(NamedTuple):
    """A call whose other arguments depend on one of them, such as fcntl's on `cmd`."""

    #: The name and register of the deciding argument, and which bits of it count.
    name: str
    at: int
    mask: int
    symbol: Callable[[int], Value]
    cases: Mapping[int, Call]
    default: Call


Signature = Call | Variants


def _decimal(value: int, _arguments: Mapping[str, Value]) -> str:
    return str(value)


DECIMAL = Returns(_decimal)


def call(*arguments: tuple[Any, ...], returns: Returns = DECIMAL, whole_at_entry: bool = True) -> Call:
    """Return a signature of arguments as tuples: (name, kind), (name, kind, register), (name, kind, register, when)."""
    return Call(tuple(Argument(*each) for each in arguments), returns, whole_at_entry)


class Plan(NamedTuple):
    """A signature as the recorder uses it, for one architecture."""

    entry: Entry
    exit: Exit | None
    #: What is filled in although the call fails.
    exit_failed: Exit | None
    #: Whether a success returns a descriptor, whose path is to be recorded.
    returns_descriptor: Callable[[RawArguments], bool] | None


def plan(signature: Signature, arch: Architecture) -> Plan:
    """Make a signature ready for an architecture."""
    if isinstance(signature, Variants):
        return _plan_of_variants(signature, arch)
    parts = [
        (argument.name, index if argument.at is None else argument.at, argument.kind, argument.when)
        for index, argument in enumerate(signature.arguments)
    ]
    late = [
        (name, at, kind.late(arch), kind.also_failed, when) for name, at, kind, when in parts if kind.late is not None
    ]
    entry = _entry([(name, at, kind.reader(arch), when) for name, at, kind, when in parts])
    after_failure = [each for each in late if each[3]]
    return Plan(
        entry,
        _exit([(name, at, reader) for name, at, reader, _, _ in late]) if late else None,
        _exit([(name, at, reader) for name, at, reader, _, _ in after_failure]) if after_failure else None,
        _always if signature.returns.descriptor else None,
    )


def _always(_raw: RawArguments) -> bool:
    return True


_EntryPart = tuple[str, int, Reader, Callable[[RawArguments], int] | None]


def _entry(parts: Sequence[_EntryPart]) -> Entry:
    """Return the decoder of a call's input: most calls have few arguments, always there, and are made often."""
    steady: list[tuple[str, int, Reader]] = []
    for name, at, reader, when in parts:
        if when is not None:
            break
        steady.append((name, at, reader))
    first = _steady_entry(steady)
    rest = parts[len(steady) :]
    if not rest:
        return first

    def entry(task: Task, raw: RawArguments) -> dict[str, Value]:
        decoded = first(task, raw)
        for name, at, reader, when in rest:
            if when is None or when(raw):
                decoded[name] = reader(task, raw[at], raw)
        return decoded

    return entry


def _steady_entry(parts: list[tuple[str, int, Reader]]) -> Entry:
    match parts:
        case []:
            return lambda _task, _raw: {}
        case [(name0, at0, read0)]:
            return lambda task, raw: {name0: read0(task, raw[at0], raw)}
        case [(name0, at0, read0), (name1, at1, read1)]:
            return lambda task, raw: {name0: read0(task, raw[at0], raw), name1: read1(task, raw[at1], raw)}
        case [(name0, at0, read0), (name1, at1, read1), (name2, at2, read2)]:
            return lambda task, raw: {
                name0: read0(task, raw[at0], raw),
                name1: read1(task, raw[at1], raw),
                name2: read2(task, raw[at2], raw),
            }
        case _:
            return lambda task, raw: {name: read(task, raw[at], raw) for name, at, read in parts}


def _exit(parts: list[tuple[str, int, LateReader]]) -> Exit:
    if len(parts) == 1:
        ((name0, at0, read0),) = parts

        def exit_of_one(task: Task, raw: RawArguments, result: int, decoded: dict[str, Value]) -> None:
            if name0 in decoded:
                decoded[name0] = read0(task, raw[at0], raw, result, decoded[name0])

        return exit_of_one

    def exit_of_many(task: Task, raw: RawArguments, result: int, decoded: dict[str, Value]) -> None:
        for name, at, read in parts:
            if name in decoded:
                decoded[name] = read(task, raw[at], raw, result, decoded[name])

    return exit_of_many


def _plan_of_variants(signature: Variants, arch: Architecture) -> Plan:
    at, mask = signature.at, signature.mask
    plans = {value: plan(case, arch) for value, case in signature.cases.items()}
    default = plan(signature.default, arch)
    every = [default, *plans.values()]

    def entry(task: Task, raw: RawArguments) -> dict[str, Value]:
        return plans.get(raw[at] & mask, default).entry(task, raw)

    def exit_of_case(task: Task, raw: RawArguments, result: int, decoded: dict[str, Value]) -> None:
        case = plans.get(raw[at] & mask, default)
        if case.exit is not None:
            case.exit(task, raw, result, decoded)

    def exit_failed(task: Task, raw: RawArguments, result: int, decoded: dict[str, Value]) -> None:
        case = plans.get(raw[at] & mask, default)
        if case.exit_failed is not None:
            case.exit_failed(task, raw, result, decoded)

    def returns_descriptor(raw: RawArguments) -> bool:
        return plans.get(raw[at] & mask, default).returns_descriptor is not None

    return Plan(
        entry,
        exit_of_case if any(each.exit is not None for each in every) else None,
        exit_failed if any(each.exit_failed is not None for each in every) else None,
        returns_descriptor if any(each.returns_descriptor is not None for each in every) else None,
    )


class Text(NamedTuple):
    """How a record of one call is shown."""

    arguments: tuple[tuple[str, Show], ...]
    #: How many of the arguments strace writes when the call begins; it writes no closing bracket when there
    #: is more to come.
    early: int
    whole_at_entry: bool
    result: ShowResult


def text_of(signature: Call) -> Text:
    """Make a signature ready to show records."""
    late = [argument.kind.shown_late for argument in signature.arguments]
    return Text(
        tuple((argument.name, argument.kind.show) for argument in signature.arguments if not argument.kind.hidden),
        late.index(True) if True in late else len(late),
        signature.whole_at_entry and True not in late,
        signature.returns.show,
    )
