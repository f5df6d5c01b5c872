"""Probes on the functions that matter: with which arguments they were called, and what they returned.

Reference: Documentation/trace/kprobetrace.rst. Arguments are written `$argN` and, where the kernel lacks
that, as the registers of its calling convention. A probe that a kernel refuses (no such function, it was inlined, it
returns nothing) is left out.
"""

from __future__ import annotations

import os
import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tracer.escapes import escaped
from tracer.kernel_side.tracefs import Changes, Instance, define_probes

Record = dict[str, Any]

ENTRY, RETURN = "enter__", "leave__"

# struct module: its state, a list head, then its name (include/linux/module.h), so on 64-bit kernels.
_MODULE_NAME = "module=+24({0}):string"


class Probe(NamedTuple):
    """A function, what to fetch at its entry, and the type of what it returns (None: not asked for).

    `resolve_symbol` is called once for each symbol, and every probe takes time: only the symbol's name is fetched. What
    came of the last symbol shows in what `load_module` returns.
    """

    function: str
    arguments: str
    result: str | None


# Signatures are those of 5.10 to 7.2, in which these arguments never moved.
PROBES = (
    Probe("kernel_read_file", "", "s32"),
    Probe("security_kernel_read_file", "id=$arg2:u32", "s32"),
    Probe("load_module", "uargs=+0($arg2):ustring flags=$arg3:u32", "s32"),
    Probe("module_sig_check", "flags=$arg2:u32", "s32"),
    Probe("same_magic", "module_has=+0($arg1):string kernel_has=+0($arg2):string", "s32"),
    Probe("resolve_symbol", "name=+0($arg3):string", None),
    Probe("apply_relocate_add", "section=$arg4:u32 symbols=$arg3:u32", "s32"),
    Probe("module_finalize", _MODULE_NAME.format("$arg3"), "s32"),
    Probe("parse_args", "doing=+0($arg1):string args=+0($arg2):string parameters=$arg4:u32", "x64"),
    Probe("mod_sysfs_setup", _MODULE_NAME.format("$arg1") + " parameters=$arg4:u32", "s32"),
    Probe("do_init_module", _MODULE_NAME.format("$arg1"), "s32"),
    Probe("do_one_initcall", "function=$arg1:symbol", "s32"),
    Probe("free_module", _MODULE_NAME.format("$arg1"), None),
)

# How a function's arguments are passed, for kernels that do not know `$argN` (psABI; linux/ptrace.h).
REGISTERS: Mapping[str, Sequence[str]] = {
    "x86_64": ("%di", "%si", "%dx", "%cx", "%r8", "%r9"),
    "aarch64": ("%x0", "%x1", "%x2", "%x3", "%x4", "%x5"),
    "riscv64": ("%a0", "%a1", "%a2", "%a3", "%a4", "%a5"),
}

_FIELD = re.compile(r'(\w+)=("(?:.*?)"(?= \w+=|$)|\(fault\)|\S+)', re.DOTALL)
_PLACE = re.compile(r"^\([^)]*\)(?: |$)")
_NEAR_NS = 1_000_000


class Hit(NamedTuple):
    """One passing of a probe: `values` are arguments at the entry, `result` alone at the return."""

    function: str
    t: int
    pid: int
    entry: bool
    values: dict[str, Any]


def define(
    instance: Instance, changes: Changes, wanted: Iterable[Probe] = PROBES, *, returns: bool = True
) -> tuple[set[str], set[str]]:
    """Define what this kernel has of `wanted`; return the functions probed at their entry, and at their return.

    Without `returns` none is probed at its return.
    """
    available = list(wanted)
    if "$arg" not in (instance.root / "README").read_text():
        available = [with_registers(probe) for probe in available]
    entries = _taken(available, define_probes(instance, changes, map(entry_definition, available)))
    returning = [probe for probe in available if returns and probe.result and probe.function in entries]
    return entries, _taken(returning, define_probes(instance, changes, map(return_definition, returning)))


def _taken(probes: Iterable[Probe], answers: Iterable[bool]) -> set[str]:
    return {probe.function for probe, taken in zip(probes, answers, strict=True) if taken}


def entry_definition(probe: Probe) -> str:
    """Return the line for kprobe_events that fetches a function's arguments."""
    return f"p:{{group}}/{ENTRY}{probe.function} {probe.function} {probe.arguments}".rstrip()


def return_definition(probe: Probe) -> str:
    """Return the line for kprobe_events that fetches what a function returns."""
    return f"r:{{group}}/{RETURN}{probe.function} {probe.function} result=$retval:{probe.result}"


def with_registers(probe: Probe) -> Probe:
    """Return the probe with registers of this machine in place of `$argN`."""
    registers = REGISTERS.get(os.uname().machine, ())
    arguments = probe.arguments
    for number, register in enumerate(registers, start=1):
        arguments = arguments.replace(f"$arg{number}", register)
    return probe._replace(arguments=arguments)


def hits_of(events: Iterable[Record]) -> tuple[list[Hit], list[Record]]:
    """Tell the probes' events from all others."""
    hits, others = [], []
    for event in events:
        hit = _hit(event)
        if hit is None:
            others.append(event)
        else:
            hits.append(hit)
    return hits, others


def _hit(event: Record) -> Hit | None:
    name = event["name"]
    for prefix in (ENTRY, RETURN):
        if name.startswith(prefix):
            values = values_of(event["text"])
            return Hit(name.removeprefix(prefix), event["t"], event["pid"], prefix == ENTRY, values)
    return None


def values_of(text: str) -> dict[str, Any]:
    """Return what a probe fetched, by name; what could not be read is None."""
    return {name: _value(value) for name, value in _FIELD.findall(_PLACE.sub("", text))}


def _value(text: str) -> int | str | None:
    if text == "(fault)":
        return None
    if text.startswith('"'):
        return escaped(text[1:-1].encode("utf-8", "surrogateescape"))
    try:
        return int(text, 0)
    except ValueError:
        return text


def add_to_calls(calls: Sequence[Record], hits: Iterable[Hit]) -> None:
    """Give the calls of a function graph what the probes fetched: `args` and `return`.

    Both saw the same calls in the same order, unless one of them lost some: then the nearest in time.
    """
    for (function, pid, entry), group in _grouped(hits).items():
        same = [call for call in calls if call["name"] == function and call["pid"] == pid]
        if entry:
            for call, hit in _paired([call["t"] for call in same], same, group):
                if hit.values:
                    call["args"] = {**call.get("args", {}), **hit.values}
        else:
            ended = sorted((call for call in same if call["duration"] is not None), key=_end)
            for call, hit in _paired([_end(call) for call in ended], ended, group):
                call.setdefault("return", hit.values.get("result"))


def calls_from(hits: Iterable[Hit]) -> list[Record]:
    """Return the calls the probes alone show, where there is no function graph; in the order of their beginnings."""
    calls: list[Record] = []
    stacks: dict[int, list[Record]] = defaultdict(list)
    returning = {hit.function for hit in hits if not hit.entry}
    for hit in sorted(hits, key=lambda one: one.t):
        stack = stacks[hit.pid]
        if hit.entry:
            call: Record = {
                "type": "kernel_call", "t": hit.t, "pid": hit.pid, "duration": None, "name": hit.function,
                "depth": len(stack), **({"args": hit.values} if hit.values else {}),
            }  # fmt: skip
            calls.append(call)
            if hit.function in returning:
                stack.append(call)
        elif any(call["name"] == hit.function for call in stack):
            while (ended := stack.pop())["name"] != hit.function:
                continue
            ended["duration"] = hit.t - ended["t"]
            ended["return"] = hit.values.get("result")
    return calls


def _end(call: Record) -> int:
    return int(call["t"]) + int(call["duration"] or 0)


def _grouped(hits: Iterable[Hit]) -> dict[tuple[str, int, bool], list[Hit]]:
    groups: dict[tuple[str, int, bool], list[Hit]] = defaultdict(list)
    for hit in sorted(hits, key=lambda one: one.t):
        groups[hit.function, hit.pid, hit.entry].append(hit)
    return groups


def _paired(times: Sequence[int], calls: Sequence[Record], hits: Sequence[Hit]) -> Iterator[tuple[Record, Hit]]:
    if len(calls) == len(hits):
        yield from zip(calls, hits, strict=True)
        return
    for hit in hits:
        at = bisect_left(times, hit.t)
        near = [index for index in (at - 1, at) if 0 <= index < len(times) and abs(times[index] - hit.t) < _NEAR_NS]
        if near:
            yield calls[min(near, key=lambda index: abs(times[index] - hit.t))], hit
