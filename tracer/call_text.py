"""The text of simple calls without a record: what a text trace has most of, and wants quickly.

Of a call whose arguments are numbers in registers and strings, only the strings must be read while its task
stands still. The rest is done later, many calls at once, and lines that come again are remembered.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from pyinsmod.lean import Any
from tracer.decode.kinds.results import ADDRESS, OCTAL
from tracer.decode.lookup import signature_of
from tracer.decode.names import errno_symbol
from tracer.decode.quoting import PLAIN, STRING_LIMIT
from tracer.decode.signature import DECIMAL, Call, Kind, Reader, Show, ShowResult
from tracer.decode.tables.architectures import BY_NAME, Architecture
from tracer.decode.values import TaskForText
from tracer.escapes import escaped
from tracer.ptrace.binding import SyscallInfo, read_text
from tracer.ptrace.observer import Begin
from tracer.ptrace.tracee import PlainCall, RawArguments, RawCall, ReturnedCall

#: The column of the `=` (strace's -a).
COLUMN = 40

_MOST_REMEMBERED = 512
#: Results that are shown without a look at the arguments.
_PLAIN_RESULTS = frozenset((DECIMAL.show, ADDRESS.show, OCTAL.show))
_NO_ARGUMENTS: Mapping[str, Any] = {}
_NO_STRINGS: tuple[bytes, ...] = ()

_Part = tuple[str, int, Reader | None, Show, Callable[[RawArguments], int] | None]


class _Texts(dict[int, str]):
    """A register's value → its text, remembered: it depends on nothing else (`Kind.in_register`)."""

    def __init__(self, reader: Reader, show: Show, nobody: TaskForText) -> None:
        super().__init__()
        self._text: Callable[[int], str] = lambda value: show(reader(nobody, value, ()))

    def __missing__(self, value: int) -> str:
        text = self._text(value)
        if len(self) < _MOST_REMEMBERED:
            self[value] = text
        return text


class CallText:
    """How the calls of one number are shown; see `call_text`."""

    def __init__(self, name: str, signature: Call, arch: Architecture) -> None:
        self._name = name
        self._parts: list[_Part] = [
            (
                argument.name,
                index if argument.at is None else argument.at,
                None if argument.kind.is_string else argument.kind.reader(arch),
                argument.kind.show,
                argument.when,
            )
            for index, argument in enumerate(signature.arguments)
        ]
        self._strings = [at for _, at, reader, _, _ in self._parts if reader is None]
        self._registers = max((at for _, at, _, _, _ in self._parts), default=-1) + 1
        self._result: ShowResult = signature.returns.show
        self._arch = arch.name
        # Readers take all from registers, and nothing of a task.
        nobody = TaskForText(0, arch.name, 0)
        self._texts = [
            (at, None if reader is None else _Texts(reader, show, nobody), show, when)
            for _, at, reader, show, when in self._parts
        ]
        #: Lines made lately.
        self.seen: dict[ReturnedCall, str] = {}

    def beginning(self, plan: object, record: Begin) -> Begin:
        """Return the `Begin` of these calls: it makes plain calls of `plan`.

        `record` takes over where a string is long or cannot be read.
        """
        arguments_in, strings = SyscallInfo.arguments_in(self._registers), self._strings
        first = strings[0] if strings else 0

        def begin(pid: int, view: memoryview) -> PlainCall | RawCall | None:
            read = _NO_STRINGS
            arguments = arguments_in(view)
            for at in strings:
                string = read_text(pid, arguments[at])
                if string is None:
                    return record(pid, view)
                read += (string,)
            return plan, pid, arguments, read

        def begin_without_string(pid: int, view: memoryview) -> PlainCall:
            return plan, pid, arguments_in(view), _NO_STRINGS

        def begin_with_one(pid: int, view: memoryview) -> PlainCall | RawCall | None:
            arguments = arguments_in(view)
            string = read_text(pid, arguments[first])
            return record(pid, view) if string is None else (plan, pid, arguments, (string,))

        return (begin_without_string, begin_with_one, begin)[min(len(strings), 2)]

    def arguments(self, pid: int, raw: RawArguments, strings: tuple[bytes, ...]) -> dict[str, Any]:
        """Return the arguments as a record has them."""
        task = TaskForText(pid, self._arch, 0)
        rest = iter(strings)
        return {
            name: escaped(next(rest)) if reader is None else reader(task, raw[at], raw)
            for name, at, reader, _, when in self._parts
            if when is None or when(raw)
        }

    def line(self, call: ReturnedCall) -> str:
        """Return a call that returned, with the task's pid in front, as `tracer.strace_text.line` has its record.

        Whoever asks looks into `seen` first.
        """
        if len(self.seen) >= _MOST_REMEMBERED:
            self.seen.clear()
        found = self.seen[call] = self._shown(call)
        return found

    def _shown(self, call: ReturnedCall) -> str:
        (_, pid, raw, strings), result, failed = call
        rest = iter(strings)
        shown = ", ".join(
            [
                _quoted(next(rest), show) if texts is None else texts[raw[at]]
                for at, texts, show, when in self._texts
                if when is None or when(raw)
            ]
        )
        error = f"-1 {errno_symbol(-result)} ({os.strerror(-result)})" if failed else None
        text = error or self._result(result, _NO_ARGUMENTS)
        return f"{f'{pid:<5} {self._name}({shown}) ':{COLUMN}}= {text}"


def _quoted(data: bytes, show: Show) -> str:
    """Return a string as its kind shows it; quickly, if it is a short one that needs no escapes."""
    if len(data) <= STRING_LIMIT and not data.translate(None, PLAIN):
        return f'"{data.decode("ascii")}"'
    return show(escaped(data))


def call_text(name: str, arch: str) -> CallText | None:
    """Return how a call is shown without a record; None for one that takes more than registers and strings."""
    signature = signature_of(name, arch)
    if arch not in BY_NAME or not isinstance(signature, Call) or not _is_simple(signature):
        return None
    return CallText(name, signature, BY_NAME[arch])


def _is_simple(signature: Call) -> bool:
    return (
        signature.returns.show in _PLAIN_RESULTS
        and all(_is_plain(argument.kind) for argument in signature.arguments)
        and not any(argument.when and argument.kind.is_string for argument in signature.arguments)
    )


def _is_plain(kind: Kind) -> bool:
    return (kind.in_register or kind.is_string) and kind.late is None and not kind.hidden and not kind.shown_late
