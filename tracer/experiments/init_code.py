"""Give a donor module init and exit functions of our own, beside those it has.

The donor's functions stay as they are: ftrace's call sites, `.return_sites`, `.retpoline_sites`,
alternatives and relocations all point into them, and the kernel patches every one while it loads the
module. The new functions are put at the end of the text sections, and `init_module` and
`cleanup_module`, which `struct module` points to, are moved there.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pyinsmod.elf_format import SHN_UNDEF
from tracer.experiments import versions
from tracer.experiments.elf_records import Relocation
from tracer.experiments.errors import UnsuitableDonor
from tracer.experiments.kernel_modules import Import, find_import
from tracer.experiments.machine_code import IMPORT_NAMES, FunctionPlan, MachineCode, machine_code
from tracer.experiments.relocatable import Relocatable

THIS_MODULE = ".gnu.linkonce.this_module"
_KERN_INFO = b"\x016"  # include/linux/kern_levels.h


@dataclass(frozen=True)
class Init:
    """What init does: log a line (None: say nothing), sleep, return a value (negative: an errno)."""

    log: str | None = "mymod: init"
    returns: int = 0
    sleep_ms: int = 0


@dataclass(frozen=True)
class Exit:
    """What exit does: log a line, or nothing at all."""

    log: str | None = "mymod: exit"


def replace_init(module: Relocatable, init: Init, tree: Path) -> None:
    """Let `init_module` be a new function in `.init.text`.

    Raises:
        UnsuitableDonor: the donor has no init function, or the kernel no printk to be found.
    """
    plan = FunctionPlan(_printk_format(init.log), init.sleep_ms, init.returns)
    _replace(module, "init_module", ".init.text", plan, tree)


def replace_exit(module: Relocatable, exit_: Exit, tree: Path) -> None:
    """Let `cleanup_module` be a new function in `.exit.text`.

    Raises:
        UnsuitableDonor: the donor has no exit function, or the kernel no printk to be found.
    """
    _replace(module, "cleanup_module", ".exit.text", FunctionPlan(_printk_format(exit_.log), 0, 0), tree)


def _printk_format(log: str | None) -> bytes | None:
    if log is None:
        return None
    if "\0" in log:
        raise UnsuitableDonor(f"a log line cannot hold a NUL: {log!r}")
    return _KERN_INFO + log.replace("%", "%%").encode() + b"\n"


def _replace(module: Relocatable, name: str, section: str, plan: FunctionPlan, tree: Path) -> None:
    machine = machine_code(module.header.machine)
    section = section if module.find(section) else ".text"
    function = machine.assemble(plan)
    offset = module.append(section, function.content, machine.alignment, machine.filler)
    for call in function.calls:
        index = _import(module, call.role, tree)
        module.add_relocation(section, Relocation(offset + call.offset, index, machine.call, machine.call_addend))
    _move_symbol(module, name, section, offset, function.length, machine)


def _import(module: Relocatable, role: str, tree: Path) -> int:
    names = IMPORT_NAMES[role]
    donors_own = next((name for name in names if name in versions.imports(module)), None)
    found = Import(donors_own, None) if donors_own else find_import(tree, *names)
    return versions.add_import(module, found.symbol, found.crc)


def _move_symbol(module: Relocatable, name: str, section: str, offset: int, size: int, machine: MachineCode) -> None:
    index = module.symbol_index(name)
    old = module.symbols()[index] if index is not None else None
    if index is None or old is None or old.shndx == SHN_UNDEF:
        raise UnsuitableDonor(f"the donor defines no '{name}'")
    pointers = [
        relocation
        for relocation in module.relocations(THIS_MODULE)
        if relocation.type == machine.absolute and _leads_to(module, relocation) == (old.shndx, old.value)
    ]
    if len(pointers) != 1:
        raise UnsuitableDonor(f"struct module points to '{name}' {len(pointers)} times, wanted once")
    # The pointer may go by a local alias or by the section: from here on it goes by the symbol.
    module.set_relocations(
        THIS_MODULE,
        [
            relocation._replace(symbol=index, addend=0) if relocation in pointers else relocation
            for relocation in module.relocations(THIS_MODULE)
        ],
    )
    shndx = module.index(module.section(section))
    module.set_symbol(index, old._replace(shndx=shndx, value=offset, size=size))


def _leads_to(module: Relocatable, relocation: Relocation) -> tuple[int, int]:
    symbol = module.symbols()[relocation.symbol]
    return symbol.shndx, symbol.value + relocation.addend
