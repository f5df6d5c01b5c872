"""What `--inject` says: calls, what to do to them, and when, in strace's syntax (strace(1), "Tampering")."""

from __future__ import annotations

import errno as errno_table
import re
import signal
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, TypeVar

from tracer.call_sets import CallSet, call_set
from tracer.decode import names
from tracer.decode.kinds.numbers import signal_symbol
from tracer.errors import InjectionMalformed
from tracer.ptrace.changes import Changes, Effect
from tracer.ptrace.injection import Injection, Invocations

_Value = TypeVar("_Value")

_WHEN = re.compile(r"(?P<first>\d+)(?:\.\.(?P<last>\d+))?(?P<plus>\+(?P<step>\d+)?)?")
_TIME = re.compile(r"(?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+)(?P<unit>s|ms|us|ns|)")
_NANOSECONDS = {"s": 10**9, "ms": 10**6, "us": 10**3, "": 10**3, "ns": 1}
_MOST_ERRNO = 4095
_MOST_COUNT = 65535
_MOST_LAST = 65534
_LONGEST_SECONDS = 24 * 3600


class Fault(NamedTuple):
    """One `--inject`: its text, its calls (None: all), what happens to them and to which of their invocations."""

    text: str
    calls: CallSet
    effect: Effect
    when: Invocations


def fault(text: str) -> Fault:
    """Return what `SET:error=ERRNO|retval=N|signal=SIG|delay_enter=TIME|delay_exit=TIME…[:when=EXPR]` means.

    Raises:
        InjectionMalformed: it is not of this form; the text says what is wrong.
    """
    calls, *options = text.split(":")
    if not calls.strip(" ,"):
        raise InjectionMalformed(text, "no system call is named before the first ':'")
    effect, when = Effect(), Invocations()
    for option in options:
        key, _, value = option.partition("=")
        if key == "when":
            when = _checked(text, option, _when, value)
        elif key not in _EFFECTS:
            raise InjectionMalformed(text, f"'{option}' is none of {_listed(*_EFFECTS, 'when')}")
        else:
            field, parse = _EFFECTS[key]
            if getattr(effect, field) != getattr(Effect(), field):
                raise InjectionMalformed(text, f"'{option}' comes after another one that excludes it")
            effect = Effect(**{**effect._asdict(), field: _checked(text, option, parse, value)})
    if effect == Effect():
        raise InjectionMalformed(text, f"it says nothing to do: one of {_listed(*_EFFECTS)}")
    return Fault(text, call_set(calls), effect, when)


def injected_calls(faults: Iterable[Fault]) -> CallSet:
    """Return the names of all calls that faults are injected into; None for all."""
    together: frozenset[str] = frozenset()
    for each in faults:
        if each.calls is None:
            return None
        together |= each.calls
    return together


def changes(faults: Iterable[Fault], architectures: Iterable[int]) -> Changes:
    """Return what changes which call, by audit architecture and number; the last fault of a call holds."""
    architectures = tuple(architectures)
    table: dict[tuple[int, int], Injection] = {}
    for each in faults:
        for audit in architectures:
            numbers = names.call_names(audit) if each.calls is None else names.call_numbers(each.calls, audit)
            table |= {(audit, number): Injection(each.effect, each.when) for number in numbers}
    return table


def _checked(text: str, option: str, parse: Callable[[str], _Value], value: str) -> _Value:
    try:
        return parse(value)
    except ValueError as error:
        raise InjectionMalformed(text, f"'{option}': {error}") from error


def _listed(*options: str) -> str:
    return ", ".join(f"{option}=" for option in options)


def _errno(value: str) -> int:
    number = {symbol: errno for errno, symbol in errno_table.errorcode.items()}.get(value.upper(), 0)
    if value.isascii() and value.isdigit():
        number = int(value)
    if not 0 < number <= _MOST_ERRNO:
        raise ValueError(f"neither the name of an errno nor a number from 1 to {_MOST_ERRNO}")
    return -number


def _return_value(value: str) -> int:
    try:
        number = int(value, 0)
    except ValueError:
        number = -1
    if not 0 <= number < 1 << 63:
        raise ValueError("not a number from 0 on; errors are injected by error=")
    return number


def _signal(value: str) -> int:
    name = value.upper()
    name = name if name.startswith("SIG") else f"SIG{name}"
    numbers = {signal_symbol(number): number for number in range(1, signal.SIGRTMAX + 1)}
    number = int(value) if value.isascii() and value.isdigit() else numbers.get(name, 0)
    if not 0 < number <= signal.SIGRTMAX:
        raise ValueError(f"neither the name of a signal nor a number from 1 to {int(signal.SIGRTMAX)}")
    return number


def _time(value: str) -> int:
    match = _TIME.fullmatch(value)
    if match is None:
        raise ValueError("not a time: a number of microseconds, or with s, ms, us or ns after it")
    nanoseconds = int(float(match["number"]) * _NANOSECONDS[match["unit"]])
    if not 0 < nanoseconds <= _LONGEST_SECONDS * 10**9:
        raise ValueError("not a time above 0 and up to a day")
    return nanoseconds


def _when(value: str) -> Invocations:
    match = _WHEN.fullmatch(value)
    if match is None:
        raise ValueError("not of the form FIRST[..LAST][+[STEP]]")
    first = int(match["first"])
    last = int(match["last"]) if match["last"] else None
    step = int(match["step"]) if match["step"] else int(bool(last or match["plus"]))
    if not 1 <= first <= _MOST_COUNT or (match["step"] and not 1 <= step <= _MOST_COUNT):
        raise ValueError(f"FIRST and STEP are from 1 to {_MOST_COUNT}")
    if last is not None and not first <= last <= _MOST_LAST:
        raise ValueError(f"LAST is from FIRST to {_MOST_LAST}")
    return Invocations(first, last, step)


#: Option → field of the effect, and what reads its value.
_EFFECTS: Mapping[str, tuple[str, Callable[[str], int]]] = {
    "error": ("result", _errno),
    "retval": ("result", _return_value),
    "signal": ("signal", _signal),
    "delay_enter": ("delay_enter", _time),
    "delay_exit": ("delay_exit", _time),
}
