"""Raw calls to records' arguments, and records to strace's text: tables of signatures, made ready when needed.

To decode another call: a row in the table of its family in `calls`, made of the kinds in `kinds`, and the
names of its values in `tables`.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from tracer.decode.calls import (
    aarch64,
    descriptors,
    files,
    i386,
    memory,
    modules,
    polling,
    processes,
    signals,
    sockets,
    times,
)
from tracer.decode.kinds.numbers import HEX
from tracer.decode.signature import Plan, Signature, Text, Variants, call, plan, text_of
from tracer.decode.tables.architectures import BY_NAME, Architecture

#: Every call that is decoded, on most architectures alike.
SIGNATURES: Mapping[str, Signature] = MappingProxyType(
    {
        **files.CALLS,
        **descriptors.CALLS,
        **polling.CALLS,
        **memory.CALLS,
        **processes.CALLS,
        **signals.CALLS,
        **times.CALLS,
        **sockets.CALLS,
        **modules.CALLS,
    }
)
#: What is different on one, or only there.
_ELSEWHERE: Mapping[str, Mapping[str, Signature]] = MappingProxyType({"i386": i386.CALLS, "aarch64": aarch64.CALLS})

_UNKNOWN = Architecture("", 0, "", {})


def signature_of(name: str, arch: str = "") -> Signature:
    """Return a call's signature; one without a row has its raw registers, as `arg0`, `arg1` and so on."""
    known = _ELSEWHERE.get(arch, {}).get(name) or SIGNATURES.get(name)
    if known is not None:
        return known
    return call(*((f"arg{index}", HEX) for index in range(6)))


def decoded_calls() -> frozenset[str]:
    """Return the names of all calls with a signature, on any architecture."""
    return frozenset(SIGNATURES).union(*_ELSEWHERE.values())


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
