"""The tables of a module that the kernel follows before init runs, and what one of their entries looks like.

Who reads them: the architecture's own `module_finalize`, the notifiers of `prepare_coming_module`,
`verify_exported_symbols`, `mod_sysfs_setup`, and of arm64 the function tracer, which looks at the code. Other tables
are sorted, counted or kept for later, or are read with `copy_from_kernel_nofault`: entries of theirs that lead nowhere
make the kernel complain and nothing else (x86-64's __mcount_loc, .orc_unwind, __bug_table, __ex_table, .smp_locks,
.ibt_endbr_seal, .call_sites).
"""

from __future__ import annotations

from pyinsmod.checks.relocation_kind import Pointers, types_of
from pyinsmod.elf_format import EM_AARCH64, EM_X86_64, EXPORT_ADDRESSES, EXPORT_DISTANCE
from pyinsmod.lean import Literal, Mapping, NamedTuple

# Where a pointer of a good module leads to: into code, or anywhere in the module or to an imported symbol.
CODE, ANY = "code", "any"
Found = Literal["allocated", "first", "last"]


class Pointer(NamedTuple):
    """A pointer in an entry: where a good one leads to, the relocation that makes it, whether it is written to."""

    leads_to: str
    relocation: int
    written: bool = False


class Table(NamedTuple):
    """One kind of table: bytes of an entry, its pointers by their offsets, and how the kernel finds the section.

    `found`: the first of its name that is SHF_ALLOC, or by the name alone the first or last of it. `last` is how many
    bytes the last entry may be short of, where the assembler aligns the beginning of entries only; `aligned` what the
    first pointer is a multiple of.
    """

    entry: int
    pointers: Mapping[int, Pointer]
    found: Found = "allocated"
    last: int = 0
    aligned: int = 1


PARAMETERS, ALTERNATIVES, TRACED = "__param", ".altinstructions", "__patchable_function_entries"
# Sorted, and changed, when the module's memory is protected already.
WRITTEN = ("__jump_table", ".static_call_sites")
# x86-64: (NCAPINTS + NBUGINTS) * 32, and MAX_PATCH_LEN: beyond them is a BUG_ON.
CPU_FEATURES, LONGEST_PATCH = 24 * 32, 254
DIRECT_CALL = 2


def common(made: Pointers, export_word: int = EXPORT_DISTANCE) -> dict[str, Table]:
    """Return the tables that modules of every architecture have, with the relocations their pointers are made of."""
    object_ = Table(8, {0: Pointer(ANY, made.wide, written=True)})
    relocation = made.near if export_word == EXPORT_DISTANCE else made.wide
    exports = Table(3 * export_word, {at * export_word: Pointer(ANY, relocation) for at in range(3)})
    jump = {0: Pointer(CODE, made.near), 4: Pointer(CODE, made.near), 8: Pointer(ANY, made.far, written=True)}
    return {
        "__jump_table": Table(16, jump),
        "__ksymtab": exports,
        "__ksymtab_gpl": exports,
        PARAMETERS: Table(40, {0: Pointer(ANY, made.wide), 16: Pointer(ANY, made.wide)}),
        "_ftrace_events": object_,
        "___srcu_struct_ptrs": object_,
        "__trace_printk_fmt": Table(8, {0: Pointer(ANY, made.wide)}),
    }


# --- x86-64 (`module_finalize`, arch/x86/kernel/module.c)

_R64, _PC32, _PC64 = 1, 2, 24
_SITES = Table(4, {0: Pointer(CODE, _PC32)}, found="last")
TABLES: dict[str, Table] = {
    ".return_sites": _SITES,
    ".retpoline_sites": _SITES,
    ".parainstructions": Table(16, {0: Pointer(CODE, _R64)}, found="last", last=6),
    ".static_call_sites": Table(8, {0: Pointer(CODE, _PC32), 4: Pointer(ANY, _PC32, written=True)}),
    **common(Pointers(near=_PC32, wide=_R64, far=_PC64)),
}
# struct alt_instr has 16 bits of flags since 6.3; the loaders that have it count sections.
OLD_ALTERNATIVE = Table(12, {0: Pointer(CODE, _PC32), 4: Pointer(CODE, _PC32)}, found="last")
NEW_ALTERNATIVE = OLD_ALTERNATIVE._replace(entry=14)

# --- arm64 (`module_finalize`, arch/arm64/kernel/module.c; `ftrace_call_adjust`, arch/arm64/kernel/ftrace.c)

_ABS64, _PREL32 = 257, 261
# What replaces code may be a function that does it, which may be the kernel's.
AARCH64: dict[str, Table] = {
    ALTERNATIVES: Table(12, {0: Pointer(CODE, _PREL32), 4: Pointer(ANY, _PREL32)}, found="first"),
    TRACED: Table(8, {0: Pointer(CODE, _ABS64)}, aligned=8),
}


def built_with_flags(size: int, relocations: int) -> bool:
    """Tell whether a table of alternatives of so many bytes and relocations was built with flags in its entries."""
    return size * len(NEW_ALTERNATIVE.pointers) == relocations * NEW_ALTERNATIVE.entry


def tables_of(machine: int, *, flags: bool) -> dict[str, Table]:
    """Return the tables that are followed in a module of a machine; none where nothing is known of that.

    Args:
        machine: its e_machine.
        flags: whether alternatives have flags, see `Tests`.
    """
    if machine == EM_X86_64:
        return {**TABLES, ALTERNATIVES: NEW_ALTERNATIVE if flags else OLD_ALTERNATIVE}
    types = types_of(machine)
    own = AARCH64 if machine == EM_AARCH64 else {}
    return {} if types is None else {**own, **common(types.pointers, EXPORT_ADDRESSES.get(machine, EXPORT_DISTANCE))}
