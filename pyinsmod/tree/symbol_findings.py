"""Symbols that a module cannot have: as findings, and findings as symbols, so that both ways tell the same."""

from __future__ import annotations

import re

from pyinsmod.finding import Finding
from pyinsmod.kernel_facts.facts import KernelFacts
from pyinsmod.tree.results import Symbol, SymbolFault

_USES = re.compile(r"uses '(.*)'")
_DIFFERS = re.compile(r"(.*) 0x[0-9a-f]+")
_OWNER = re.compile(r"than the one module '(.*)' exports: its version")


class Symbols(dict[bytes, Symbol]):
    """Name → the symbol with a fault: thousands of modules have the same few hundred."""

    def __init__(self, fault: SymbolFault) -> None:
        super().__init__()
        self._fault = fault

    def __missing__(self, name: bytes) -> Symbol:
        found = self[name] = Symbol(self._fault, name.decode("utf-8", "surrogateescape"))
        return found


def missing(symbol: Symbol, _facts: KernelFacts) -> Finding:
    """Return what is said of a symbol that nobody exports."""
    return Finding(
        "symbols", 9, "refuses", f"unknown symbol '{symbol.name}'", errno="ENOENT", module_has=f"uses '{symbol.name}'"
    )


def differs(symbol: Symbol, _facts: KernelFacts) -> Finding:
    """Return what is said of a symbol of another version."""
    return Finding("symbol-versions", 9, "refuses", f"built against another '{symbol.name}'", errno="EINVAL")


def symbol_of(finding: Finding) -> Symbol | None:
    """Return the symbol that a finding of `run_checks` is about, None for any other finding."""
    if finding.severity != "refuses" or finding.module_has is None:
        return None
    if finding.check == "symbols" and finding.errno == "ENOENT":
        found = _USES.fullmatch(finding.module_has)
        return Symbol("missing", found[1]) if found else None
    if finding.check == "symbol-versions":
        found = _DIFFERS.fullmatch(finding.module_has)
        owner = _OWNER.search(finding.summary)
        return Symbol("differs", found[1], owner[1] if owner else "") if found else None
    return None
