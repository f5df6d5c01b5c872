"""A call's name → its signature, and that made ready to decode or to show."""

from __future__ import annotations

import functools
from collections.abc import Mapping

from pyinsmod.lean import Any
from tracer.decode.kinds.numbers import HEX
from tracer.decode.signature import Plan, Signature, Text, Variants, call, plan, text_of
from tracer.decode.tables.architectures import BY_NAME, Architecture

#: The tables of `tracer.decode.calls`, in the order they are looked into: one is imported when none before it has a
#: call, which is much of a short trace's time. No call is in two of them.
FAMILIES = (
    *("modules", "files", "processes", "memory", "descriptors", "signals", "times", "polling", "sockets"),
    "mounts",
)
#: Those of what is different on one architecture, or only there.
_ELSEWHERE = ("i386", "aarch64", "arm", "riscv64")

_UNKNOWN = Architecture("", 0, "", {})


def signature_of(name: str, arch: str = "") -> Signature:
    """Return a call's signature; one without a row has its raw registers, as `arg0`, `arg1` and so on."""
    for family in (arch, *FAMILIES) if arch in _ELSEWHERE else FAMILIES:
        known = _calls(family).get(name)
        if known is not None:
            return known
    return call(*((f"arg{index}", HEX) for index in range(6)))


def signatures() -> Mapping[str, Signature]:
    """Return every call that is decoded on most architectures alike."""
    return {name: known for family in FAMILIES for name, known in _calls(family).items()}


def decoded_calls() -> frozenset[str]:
    """Return the names of all calls with a signature, on any architecture."""
    return frozenset(signatures()).union(*map(_calls, _ELSEWHERE))


def _calls(family: str) -> Mapping[str, Signature]:
    table: Mapping[str, Signature] = __import__(f"tracer.decode.calls.{family}", fromlist=("CALLS",)).CALLS
    return table


@functools.cache
def plan_of(name: str, arch: str = "") -> Plan:
    """Return how a call of an architecture is decoded."""
    return plan(signature_of(name, arch), BY_NAME.get(arch, _UNKNOWN))


class TextPlan:
    """How the records of one call are shown: as one signature has it, or as the variant does."""

    def __init__(self, signature: Signature) -> None:
        self._name: str | None = None
        self._cases: dict[Any, Text] = {}
        if isinstance(signature, Variants):
            self._name = signature.name
            self._cases = {signature.symbol(value): text_of(case) for value, case in signature.cases.items()}
            self._default = text_of(signature.default)
        else:
            self._default = text_of(signature)

    def of(self, arguments: Mapping[str, Any]) -> Text:
        """Return how a record with these arguments is shown."""
        if self._name is None:
            return self._default
        deciding = arguments.get(self._name)
        return self._cases.get(deciding, self._default) if isinstance(deciding, (str, int)) else self._default


@functools.cache
def text_plan_of(name: str, arch: str = "") -> TextPlan:
    """Return how the records of a call are shown."""
    return TextPlan(signature_of(name, arch))
