"""Can every undefined symbol be resolved? `simplify_symbols` → `resolve_symbol` (kernel/module/main.c)."""

from __future__ import annotations

from collections.abc import Iterator

from pyinsmod.finding import Finding
from pyinsmod.kernel_facts.facts import KernelFacts
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage

NAME, STEP = "symbols", 9

# `ignore_undef_symbol`: the linker may leave this one undefined (x86, and powerpc's .TOC. likewise).
IGNORED = frozenset({"_GLOBAL_OFFSET_TABLE_"})


def check_symbols(image: ModuleImage, facts: KernelFacts, _request: LoadRequest) -> Iterator[Finding]:
    """Yield ENOENT for every symbol nobody exports, in the kernel's order; weak ones may be missing."""
    needed = [symbol for symbol in image.undefined_symbols if not symbol.weak and symbol.name not in IGNORED]
    exports = facts.exports.value
    if exports is None:
        if needed:
            yield _unknown(len(needed), facts)
        return
    for symbol in needed:
        if symbol.name not in exports:
            yield _missing(symbol.name, image, facts)


def _unknown(count: int, facts: KernelFacts) -> Finding:
    return Finding(
        NAME,
        STEP,
        "cannot-tell",
        f"what the kernel exports is unknown: {facts.exports.source}",
        errno="ENOENT",
        module_has=f"{count} symbols to resolve",
    )


def _missing(name: str, image: ModuleImage, facts: KernelFacts) -> Finding:
    provider = (facts.providers.value or {}).get(name)
    if provider is not None:
        reason = f"module '{provider}' exports it and is not loaded"
        remedy = f"load that one first: modprobe {provider}"
    elif facts.providers.value is not None:
        reason = f"neither the kernel, nor a loaded module, nor any module of {facts.release} exports it"
        remedy = f"find out who should export it: grep -w {name} /lib/modules/{facts.release}/build/Module.symvers"
    else:
        reason = "neither the kernel nor a loaded module exports it"
        remedy = f"load the module that exports it first: grep -w {name} /lib/modules/*/modules.symbols"
    return Finding(
        NAME,
        STEP,
        "refuses",
        f"unknown symbol '{name}': {reason}",
        errno="ENOENT",
        module_has=f"uses '{name}'",
        kernel_has=f"{len(facts.exports.value or ())} exported symbols, '{name}' not among them",
        remedy=remedy,
        log=f"{image.name}: Unknown symbol {name} (err -2)",
    )
