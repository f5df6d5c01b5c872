"""The table of faults by name, such as `not-elf`, `vermagic-without:SMP` or `section-outside:.text`.

Faults combine: a module with one shows that the kernel checks for it, a module with two shows which
check comes first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tracer.experiments import image_faults, module_faults
from tracer.experiments.errors import UnknownFault
from tracer.experiments.image_faults import Places
from tracer.experiments.relocatable import Relocatable

_ModuleFault = Callable[[Relocatable, str], None]
_ImageFault = Callable[[bytearray, Places, str], None]


@dataclass(frozen=True)
class Fault:
    """One kind of fault.

    Attributes:
        description: what is wrong with the module, for people.
        argument: what stands behind the colon of the name, in capitals; in brackets if it may be left out.
        in_module: puts it into the module in pieces; None for faults of the finished bytes.
        in_image: puts it into the finished bytes; None for faults of the module in pieces.
    """

    description: str
    argument: str = ""
    in_module: _ModuleFault | None = None
    in_image: _ImageFault | None = None


FAULTS: dict[str, Fault] = {
    "name": Fault("goes by the name NAME", "NAME", module_faults.set_name),
    "license": Fault("claims the licence TEXT", "TEXT", module_faults.license_),
    "vermagic-release": Fault("was built for another kernel release", "[RELEASE]", module_faults.vermagic_release),
    "vermagic-without": Fault("lacks WORD in its version magic", "WORD", module_faults.vermagic_without),
    "vermagic-with": Fault("has WORD too much in its version magic", "WORD", module_faults.vermagic_with),
    "no-vermagic": Fault("has no version magic", "", module_faults.no_vermagic),
    "crc": Fault("was built against another version of SYMBOL", "SYMBOL", module_faults.crc),
    "undefined-symbol": Fault("imports a symbol that no kernel exports", "[SYMBOL]", module_faults.undefined_symbol),
    "weak-undefined-symbol": Fault(
        "imports weakly a symbol that no kernel exports", "[SYMBOL]", module_faults.weak_undefined_symbol
    ),
    "relocation-type": Fault("has a relocation of type NUMBER", "NUMBER", module_faults.relocation_type),
    "relocation-nonzero": Fault("has a relocation whose place is not empty", "", module_faults.relocation_nonzero),
    "not-elf": Fault("does not begin with the ELF magic", in_image=image_faults.not_elf),
    "wrong-type": Fault("is an executable program by its ELF type", in_image=image_faults.wrong_type),
    "wrong-machine": Fault("is for another architecture", in_image=image_faults.wrong_machine),
    "section-table-outside": Fault(
        "has its section header table beyond its end", in_image=image_faults.section_table_outside
    ),
    "section-outside": Fault(
        "has the contents of SECTION beyond its end", "SECTION", in_image=image_faults.section_outside
    ),
    "section-name-outside": Fault(
        "has the name of SECTION beyond the name table", "SECTION", in_image=image_faults.section_name_outside
    ),
    "no-symtab": Fault("has no symbol table", in_image=image_faults.no_symtab),
    "no-modinfo": Fault("has no .modinfo section", in_image=image_faults.no_modinfo),
    "no-this-module": Fault("has no struct module", in_image=image_faults.no_this_module),
    "truncated": Fault("is cut off (after BYTES)", "[BYTES]", in_image=image_faults.truncated),
}


def lookup(name: str) -> tuple[Fault, str]:
    """Return a fault and its argument from `KIND` or `KIND:ARGUMENT`.

    Raises:
        UnknownFault: no such kind, an argument it does not take, or none where it needs one.
    """
    kind, _, argument = name.partition(":")
    fault = FAULTS.get(kind)
    if fault is None:
        raise UnknownFault(f"no fault '{kind}'; there are {', '.join(sorted(FAULTS))}")
    if argument and not fault.argument:
        raise UnknownFault(f"fault '{kind}' takes no argument, found '{argument}'")
    if not argument and fault.argument and not fault.argument.startswith("["):
        raise UnknownFault(f"fault '{kind}' wants {kind}:{fault.argument}")
    return fault, argument


def spoil_module(module: Relocatable, names: Sequence[str]) -> None:
    """Put those faults into a module in pieces that belong there, in the order given.

    Raises:
        UnknownFault: a name is not in the table.
        FaultNotApplicable: this module has nothing that could be spoiled so.
    """
    for fault, argument in map(lookup, names):
        if fault.in_module:
            fault.in_module(module, argument)


def spoil_image(image: bytes, names: Sequence[str]) -> bytes:
    """Put those faults into finished bytes that belong there, cutting last.

    Raises:
        UnknownFault: a name is not in the table.
        FaultNotApplicable: this module has nothing that could be spoiled so.
    """
    spoiled = bytearray(image)
    places = Places.of(image)
    found = [(fault.in_image, argument) for fault, argument in map(lookup, names) if fault.in_image]
    for spoil, argument in sorted(found, key=lambda pair: pair[0] is image_faults.truncated):
        spoil(spoiled, places, argument)
    return bytes(spoiled)
