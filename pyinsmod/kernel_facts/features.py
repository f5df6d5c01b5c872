"""What loaders do differently, and by what a kernel shows that it does so. No version number decides anything.

A feature is there when a symbol of /proc/kallsyms, a section of vmlinux or a sentence that only such a loader
can print is there. Distributions carry changes back (6.12.117 has what 6.12.107 has not), and this table sees
it. Where no evidence is readable, the feature is unknown.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Evidence(NamedTuple):
    """By what a feature shows: any one of these is enough. `symbols` are names of /proc/kallsyms."""

    symbols: tuple[str, ...] = ()
    messages: tuple[bytes, ...] = ()


FEATURES: dict[str, Evidence] = {
    # Same inode at the same time: one load, one answer for all (since 6.5). The loaders that do so also count
    # .modinfo, symbol tables and this_module sections, and test the name before memory is allocated (6.4).
    "idempotent-load": Evidence(("idempotent_init_module",), (b".gnu.linkonce.this_module section must exist",)),
    # One table of exports with a byte of flags each (7.x); GPL-only is a bit there.
    "export-flags": Evidence(("__start___kflagstab",), (b"%s: no flags for exported symbols",)),
    # elf_validity_cache_* as a family: every section's name is tested, not only that of SHF_ALLOC ones.
    "section-names-all-tested": Evidence((), (b"Invalid ELF section name table type",)),
    # elf_validity_cache_strtab looks into the symbol string table.
    "symbol-strings-tested": Evidence((), (b"symbol string table missing leading NUL", b"symbol name out of bounds")),
    # simplify_symbols tests st_shndx against the number of sections.
    "symbol-sections-tested": Evidence((), (b"has an invalid section index",)),
    # Symbol versions in __version_ext_crcs and __version_ext_names (since 6.14).
    "extended-versions": Evidence((), (b"extended version crc+name",)),
    # Namespaces `module:NAMES` (since 6.16).
    "module-namespaces": Evidence((), (b"module tries to import module namespace",)),
    # The kernel unpacks modules itself (since 5.17, CONFIG_MODULE_DECOMPRESS).
    "decompress": Evidence(("module_decompress",), (b"decompression failed with status",)),
}


def features_shown(
    has_symbol: Callable[[str], bool] | None, has_message: Callable[[bytes], bool] | None
) -> dict[str, bool]:
    """Return whether each feature shows, leaving out those that cannot be decided.

    Args:
        has_symbol: tells whether the kernel has a symbol; None when its symbols cannot be read.
        has_message: tells whether a text stands in the kernel's memory or image; None when neither can be read.
    """
    decided: dict[str, bool] = {}
    for name, evidence in FEATURES.items():
        if has_message and evidence.messages:
            decided[name] = any(map(has_message, evidence.messages))
        elif has_symbol and evidence.symbols:
            decided[name] = any(map(has_symbol, evidence.symbols))
    return decided
