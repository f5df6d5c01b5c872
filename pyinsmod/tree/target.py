"""A kernel made ready to be asked about thousands of modules: its exports packed as modules carry versions of them."""

from __future__ import annotations

import struct
from array import array

from pyinsmod.checks.btf import dialects, looks, tolerates
from pyinsmod.checks.signature import looked_at
from pyinsmod.kernel_facts.facts import KernelExport
from pyinsmod.kernel_facts.facts_cache import FactsCache
from pyinsmod.kernel_facts.other_kernel import OtherKernel
from pyinsmod.lean import Mapping, NamedTuple, cached_property
from pyinsmod.module_image import CRC_SIZE, VERSION_SIZE
from pyinsmod.tree.sweep import EM_X86_64
from pyinsmod.versions import kernel_compares_versions

VMLINUX = "vmlinux"
LAYOUT = b"module_layout"
_LONGEST = VERSION_SIZE - CRC_SIZE
_RECORD = struct.Struct(f"<Q{_LONGEST}s")
pack_version = _RECORD.pack


class PackedExports(NamedTuple):
    """What vmlinux exports.

    Attributes:
        names: the symbols, a NUL behind each.
        crcs: four bytes for each; zeros where there are no versions.
        spaced: symbol → its namespace, for those that are in one.
        known: whether it is known of each symbol who may use it.
        versioned: whether each has a CRC.
    """

    names: bytes
    crcs: bytes
    spaced: dict[bytes, bytes]
    known: bool
    versioned: bool


class Target:
    """One kernel and what is asked of it again and again.

    Attributes:
        facts: the kernel.
        quick: whether the quick way can be gone at all: what a module is judged by is known, and nothing is special.
        compares: whether it compares symbol versions.
    """

    def __init__(self, kernel: OtherKernel, cache: FactsCache | None = None) -> None:
        self.facts = facts = kernel.facts
        self._files = kernel.files
        self._cache = cache or FactsCache()
        self.compares = bool(kernel_compares_versions(facts))
        self.modversions = bool(facts.modversions)
        self.vermagic = (facts.vermagic.value or "").encode("utf-8", "surrogateescape")
        self.struct_size = facts.struct_module_size.value
        self.counts = facts.has("idempotent-load")
        self.flagged = facts.has("export-flags")
        self.extended = facts.has("extended-versions") is not False
        self.looks_at_btf = looks(facts) is not False
        self.distilled = facts.has("btf-distilled-base") is not False
        self.tolerates_btf = bool(tolerates(facts))
        self.dialect = dialects(facts)[0]
        self.looks_at_signatures = looked_at(facts)
        self.taken = self._taken_names()
        self.quick = self._is_quick()

    def _taken_names(self) -> frozenset[bytes]:
        names = {*(self.facts.sysfs_modules.value or ()), *(self.facts.loaded.value or ())}
        return frozenset(name.encode("utf-8", "surrogateescape") for name in names)

    def _is_quick(self) -> bool:
        facts = self.facts
        forbidding = (facts.modules_disabled, facts.blacklist, facts.initcall_blacklist)
        profiles = facts.option("MEM_ALLOC_PROFILING")
        if any(fact.value for fact in forbidding) or profiles or (profiles is None and facts.has("codetags")):
            return False
        if facts.machine.value != EM_X86_64 or not self.packed.names or facts.vermagic.value is None:
            return False
        told = kernel_compares_versions(facts)
        if told is None or facts.modversions is None or facts.option("SMP") is False:
            return False
        packed = self.packed
        return packed.known and (packed.versioned or not self.compares)

    @cached_property
    def packed(self) -> PackedExports:
        """The exports, kept in the cache for a kernel that stands in files."""
        files = self._files
        made_from = () if files is None else (files.image, files.exports)
        cache = FactsCache() if files is None else self._cache
        plain = cache.kept("packed-exports", made_from, lambda: tuple(_packed(self.facts.exports.value or {})))
        return PackedExports._make(plain)

    @cached_property
    def crcs(self) -> Mapping[bytes, int]:
        """Symbol → its CRC, 0 where the kernel has none."""
        return dict(zip(self.packed.names.split(b"\0"), array("I", self.packed.crcs), strict=False))

    @cached_property
    def names(self) -> Mapping[bytes, bytes]:
        """Record of __versions → the symbol it is about; a longer name than a record holds has none."""
        return {pack_version(crc, name): name for name, crc in self.crcs.items() if has_record(name)}

    @cached_property
    def imported_spaces(self) -> frozenset[bytes]:
        """The symbols that only who imports their namespace may use."""
        return frozenset(self.packed.spaced)


def has_record(symbol: bytes) -> bool:
    """Tell whether a record of __versions has room for the name of a symbol."""
    return len(symbol) < _LONGEST


def _packed(exports: Mapping[str, KernelExport]) -> PackedExports:
    """Pack what vmlinux exports; a module's exports are the business of the tree it is in."""
    own = {name: export for name in exports if (export := exports[name]).owner == VMLINUX}
    raw = {name: name.encode("utf-8", "surrogateescape") for name in own}
    return PackedExports(
        b"\0".join(raw.values()),
        b"".join((export.crc or 0).to_bytes(4, "little") for export in own.values()),
        {
            raw[name]: export.namespace.encode("utf-8", "surrogateescape")
            for name, export in own.items()
            if export.namespace
        },
        all(export.gpl is not None and export.namespace is not None for export in own.values()),
        all(export.crc is not None for export in own.values()),
    )
