"""The tables of a module that the kernel follows before init runs, and what one of their entries looks like.

x86-64; who reads them: `module_finalize` (arch/x86/kernel/module.c), the notifiers of `prepare_coming_module`,
`verify_exported_symbols`, `mod_sysfs_setup`. Other tables are sorted, counted or kept for later, or are read with
`copy_from_kernel_nofault`: entries of theirs that lead nowhere make the kernel complain and nothing else
(__mcount_loc, .orc_unwind, __bug_table, __ex_table, .smp_locks, .ibt_endbr_seal, .call_sites).
"""

from __future__ import annotations

from pyinsmod.lean import Mapping, NamedTuple

# Where a pointer of a good module leads to: into code, or anywhere in the module or to an imported symbol.
CODE, ANY = "code", "any"
PC32, R64, PC64 = 2, 1, 24


class Pointer(NamedTuple):
    """A pointer in an entry: where a good one leads to, the relocation that makes it, whether it is written to."""

    leads_to: str
    relocation: int
    written: bool = False


class Table(NamedTuple):
    """One kind of table: bytes of an entry, its pointers by their offsets, and how the kernel finds the section.

    `any_flags`: by its name alone, the last of that name; else the first that is SHF_ALLOC. `last` is how many
    bytes the last entry may be short of, where the assembler aligns the beginning of entries only.
    """

    entry: int
    pointers: Mapping[int, Pointer]
    any_flags: bool = False
    last: int = 0


PARAMETERS = "__param"
_SITES = Table(4, {0: Pointer(CODE, PC32)}, any_flags=True)
_POINTERS = Table(8, {0: Pointer(ANY, R64)})
_EXPORTS = Table(12, {0: Pointer(ANY, PC32), 4: Pointer(ANY, PC32), 8: Pointer(ANY, PC32)})
_ALTERNATIVE = {0: Pointer(CODE, PC32), 4: Pointer(CODE, PC32)}

TABLES: dict[str, Table] = {
    ".return_sites": _SITES,
    ".retpoline_sites": _SITES,
    ".parainstructions": Table(16, {0: Pointer(CODE, R64)}, any_flags=True, last=6),
    "__jump_table": Table(16, {0: Pointer(CODE, PC32), 4: Pointer(CODE, PC32), 8: Pointer(ANY, PC64, written=True)}),
    ".static_call_sites": Table(8, {0: Pointer(CODE, PC32), 4: Pointer(ANY, PC32, written=True)}),
    "__ksymtab": _EXPORTS,
    "__ksymtab_gpl": _EXPORTS,
    PARAMETERS: Table(40, {0: Pointer(ANY, R64), 16: Pointer(ANY, R64)}),
    "_ftrace_events": Table(8, {0: Pointer(ANY, R64, written=True)}),
    "___srcu_struct_ptrs": Table(8, {0: Pointer(ANY, R64, written=True)}),
    "__trace_printk_fmt": _POINTERS,
}
# Sorted, and changed, when the module's memory is protected already.
WRITTEN = ("__jump_table", ".static_call_sites")
ALTERNATIVES = ".altinstructions"
# struct alt_instr has 16 bits of flags since 6.3; the loaders that have it count sections.
OLD_ALTERNATIVE = Table(12, _ALTERNATIVE, any_flags=True)
NEW_ALTERNATIVE = Table(14, _ALTERNATIVE, any_flags=True)
# (NCAPINTS + NBUGINTS) * 32, and MAX_PATCH_LEN: beyond them is a BUG_ON.
CPU_FEATURES, LONGEST_PATCH = 24 * 32, 254
DIRECT_CALL = 2
