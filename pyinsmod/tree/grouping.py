"""Results by cause: what thousands of modules have in common is said once. Pure."""

from __future__ import annotations

import re
from collections import Counter

from pyinsmod.finding import Finding, Severity
from pyinsmod.lean import Iterable, Literal, NamedTuple, Sequence
from pyinsmod.prediction import Outcome, decisive_finding
from pyinsmod.tree.results import ModuleResult, Symbol, SymbolFault

# Checks whose two values are the same for every module of a group.
_VALUES_IN_COMMON = frozenset({"vermagic", "modversions", "elf", "livepatch", "compression"})
# Checks that speak of a symbol at a time: their groups count symbols.
OF_SYMBOLS = frozenset({"symbols", "symbol-versions"})
# What speaks of one module's name or symbol → what is said of many.
_OF_ONE_MODULE = {
    "sysfs-name": "the kernel has the same built in, or the module has no name",
    "duplicate-exports": "they export symbols that the kernel or a loaded module exports already",
}
# Which of a table's entries it is differs from module to module.
_ONE_OF_MANY = re.compile(r"\bentry \d+ of ")
_FAULT_OF: dict[str, SymbolFault] = {"symbols": "missing", "symbol-versions": "differs"}

Part = Literal["refused", "crashes", "cannot-tell", "also"]


class Cause(NamedTuple):
    """What one group has in common. For symbols `summary` is empty: each module lacks other ones."""

    check: str
    severity: Severity
    errno: str | None
    step: int
    summary: str
    module_has: str | None = None
    kernel_has: str | None = None
    remedy: str | None = None


class Group(NamedTuple):
    """A cause and the files of the modules it concerns; `decisive` where it is what the kernel answers first.

    `symbols` are the symbols concerned with the number of modules that use each, the most used first.
    """

    cause: Cause
    files: tuple[str, ...]
    decisive: bool
    symbols: tuple[tuple[Symbol, int], ...] = ()


class KernelGroups(NamedTuple):
    """All there is to tell of one kernel."""

    kernel: str
    outcomes: dict[Outcome, int]
    groups: tuple[Group, ...]


def cause_of(finding: Finding) -> Cause:
    """Return what a finding has in common with others like it: the words that speak of one module are left out."""
    if finding.check in OF_SYMBOLS and finding.severity == "refuses":
        return Cause(finding.check, finding.severity, finding.errno, finding.step, "")
    if finding.check in _OF_ONE_MODULE and finding.severity == "refuses":
        finding = finding._replace(summary=_OF_ONE_MODULE[finding.check], remedy=None)
    common = finding.check in _VALUES_IN_COMMON
    summary = _ONE_OF_MANY.sub("an entry of ", finding.summary)
    return Cause(
        finding.check,
        finding.severity,
        finding.errno,
        finding.step,
        summary,
        finding.module_has if common else None,
        finding.kernel_has if common else None,
        finding.remedy if common or "FILE" not in (finding.remedy or "") else None,
    )


def decisive_cause(result: ModuleResult) -> Cause | None:
    """Return the cause of what the kernel answers first; None for a module that reaches init or is left open."""
    findings = [*result.findings]
    if result.symbols and not any(each.check in OF_SYMBOLS for each in findings):
        last = result.symbols[-1]
        check = "symbols" if last.fault == "missing" else "symbol-versions"
        errno = "ENOENT" if last.fault == "missing" else "EINVAL"
        at = next((at for at, each in enumerate(findings) if each.check == "dependencies"), len(findings))
        findings.insert(at, Finding(check, 9, "refuses", "", errno=errno))
    decisive = decisive_finding(findings)
    return None if decisive is None else cause_of(decisive)


def grouped(results: Iterable[ModuleResult], kernel: str) -> KernelGroups:
    """Return one kernel's results by cause: decisive ones first, the biggest first."""
    outcomes: dict[Outcome, int] = {}
    members: dict[tuple[Cause, bool], list[ModuleResult]] = {}
    shared: dict[object, list[list[ModuleResult]]] = {}
    kept: list[tuple[Finding, ...]] = []  # so that what `shared` knows by identity is never another one
    for result in results:
        if result.kernel != kernel:
            continue
        outcomes[result.prediction.outcome] = outcomes.get(result.prediction.outcome, 0) + 1
        if not result.findings and not result.symbols:
            continue
        # Findings that many modules have in common are the same object.
        faults = frozenset([symbol.fault for symbol in result.symbols])
        key = id(result.findings), faults, result.symbols[-1].fault if faults else None
        known = shared.get(key)
        if known is None:
            known = shared[key] = _places(result, members)
            kept.append(result.findings)
        for place in known:
            place.append(result)
    groups = [
        Group(cause, tuple([result.file for result in found]), decisive, _symbols(cause, found))
        for (cause, decisive), found in members.items()
    ]
    return KernelGroups(kernel, outcomes, tuple(sorted(groups, key=_rank)))


def _places(result: ModuleResult, members: dict[tuple[Cause, bool], list[ModuleResult]]) -> list[list[ModuleResult]]:
    """Return the lists that a result belongs to."""
    decisive = decisive_cause(result)
    keys = [(cause, False) for cause in dict.fromkeys(_causes(result)) if cause != decisive]
    if decisive is not None:
        keys.insert(0, (decisive, True))
    return [members.setdefault(key, []) for key in keys]


def _causes(result: ModuleResult) -> Iterable[Cause]:
    yield from map(cause_of, result.findings)
    if not any(each.check in OF_SYMBOLS for each in result.findings):
        for check, fault in _FAULT_OF.items():
            if any(symbol.fault == fault for symbol in result.symbols):
                yield Cause(check, "refuses", "ENOENT" if fault == "missing" else "EINVAL", 9, "")


_SEVERITIES = ("crashes", "refuses", "cannot-tell", "warns", "taints")


def _rank(group: Group) -> tuple[int, int, int, str]:
    return (
        not group.decisive,
        _SEVERITIES.index(group.cause.severity) if not group.decisive else 0,
        -len(group.files),
        group.cause.summary,
    )


def _symbols(cause: Cause, results: Sequence[ModuleResult]) -> tuple[tuple[Symbol, int], ...]:
    fault = _FAULT_OF.get(cause.check)
    if fault is None or cause.summary:
        return ()
    # Thousands of modules lack the same few hundred symbols, which are the same objects: those are counted fast.
    counted = Counter(at for result in results for at in {id(symbol) for symbol in result.symbols})
    known = {id(symbol): symbol for result in results for symbol in result.symbols if symbol.fault == fault}
    counts: dict[Symbol, int] = {}
    for at, symbol in known.items():
        counts[symbol] = counts.get(symbol, 0) + counted[at]
    return tuple(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))
