"""Can the kernel take over what the module exports? `check_export_symbol_sections`, then `verify_exported_symbols`.

A table of exports needs its companions: the CRCs where symbol versions are compared, the flags since 7.x.
"""

from __future__ import annotations

from pyinsmod.checks.force_load import to_force
from pyinsmod.checks.modversions import rebuild
from pyinsmod.finding import Finding
from pyinsmod.kernel_facts.facts import KernelFacts
from pyinsmod.lean import Iterator
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage
from pyinsmod.versions import kernel_compares_versions

NAME = "exports"
TABLE, GPL_TABLE, FLAGS = "__ksymtab", "__ksymtab_gpl", "__kflagstab"
VMLINUX = "vmlinux"
CRCS = {TABLE: "__kcrctab", GPL_TABLE: "__kcrctab_gpl"}

# struct kernel_symbol with relative references (x86-64, arm64); `section_objs` counts whole entries only.
ENTRY_SIZE = 12


def check_export_tables(image: ModuleImage, facts: KernelFacts, _request: LoadRequest) -> Iterator[Finding]:
    """Yield ENOEXEC for a missing table of flags; a taint, or ENOEXEC, for a missing table of CRCs."""
    exporting = [table for table in CRCS if _entries(image, table)]
    flagged = facts.has("export-flags")
    if TABLE in exporting and image.find_allocated(FLAGS) is None and flagged is not False:
        yield _no_flags(image, facts, certain=bool(flagged))
    if flagged:
        # One table for all since 7.x; of an older build's second one the kernel only says that it is obsolete.
        exporting = [table for table in exporting if table == TABLE]
    without = [table for table in exporting if image.find_allocated(CRCS[table]) is None]
    if without and kernel_compares_versions(facts):
        yield _no_crcs(image, facts, without[0])


def check_duplicate_exports(image: ModuleImage, facts: KernelFacts, _request: LoadRequest) -> Iterator[Finding]:
    """Yield ENOEXEC for every exported symbol that somebody else exports already, whatever its licence."""
    if not any(_entries(image, table) for table in CRCS):
        return
    exports = facts.exports.value
    if exports is None:
        yield Finding(
            "duplicate-exports",
            11,
            "cannot-tell",
            f"whether somebody exports the same symbols already is unknown: {facts.exports.source}",
            errno="ENOEXEC",
            module_has=f"exports {sum(_entries(image, table) for table in CRCS)} symbols",
        )
        return
    split = image.find_allocated(GPL_TABLE) is not None
    # Table by table, and each is sorted by name: the first one is the one the log names.
    for export in sorted(image.exports, key=lambda export: (split and export.gpl, export.name)):
        other = exports.get(export.name)
        # The module itself, loaded already, is another check's matter, and the kernel does not come this far.
        if other is not None and (other.owner == VMLINUX or other.owner != image.struct_name):
            yield _duplicate(export.name, other.owner, image)


def _entries(image: ModuleImage, table: str) -> int:
    section = image.find_allocated(table)
    return 0 if section is None else section.size // ENTRY_SIZE


def _no_flags(image: ModuleImage, facts: KernelFacts, *, certain: bool) -> Finding:
    return Finding(
        NAME,
        8,
        "refuses" if certain else "cannot-tell",
        f"it exports symbols and has no table of flags for them (section {FLAGS}): it was built by the build system "
        + ("of an older kernel" if certain else "of a kernel before 7.0, and whether this one wants it is unknown"),
        errno="ENOEXEC",
        module_has=f"{_entries(image, TABLE)} exported symbols, no {FLAGS}",
        kernel_has=f"wants a {FLAGS} with a byte for each",
        remedy=rebuild(facts),
        log=f"{image.name}: no flags for exported symbols" if certain else None,
    )


def _no_crcs(image: ModuleImage, facts: KernelFacts, table: str) -> Finding:
    found = Finding(
        NAME,
        8,
        "refuses",
        f"it exports symbols without versions (no section {CRCS[table]})",
        module_has=f"{_entries(image, table)} exported symbols in {table}, no {CRCS[table]}",
        kernel_has="compares symbol versions (CONFIG_MODVERSIONS)",
        remedy=rebuild(facts),
        log=f"{image.name}: no versions for exported symbols: kernel tainted.",
    )
    return to_force(found, facts)


def _duplicate(symbol: str, owner: str, image: ModuleImage) -> Finding:
    if owner == "vmlinux":
        owned_by, who, remedy = "kernel", "the kernel itself", "rename the symbol in its source"
    else:
        owned_by, who, remedy = owner, f"module '{owner}'", f"remove the other module first: pyinsmod unload {owner}"
    return Finding(
        "duplicate-exports",
        11,
        "refuses",
        f"it exports '{symbol}', which {who} exports already",
        errno="ENOEXEC",
        module_has=f"exports '{symbol}'",
        kernel_has=f"'{symbol}' of {who}",
        remedy=remedy,
        log=f"{image.name}: exports duplicate symbol {symbol} (owned by {owned_by})",
    )
