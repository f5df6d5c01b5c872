"""The table of faults by name, such as `not-elf`, `vermagic-without:SMP` or `section-outside:.text`.

Faults combine: a module with one shows that the kernel checks for it, a module with two shows which
check comes first.
"""

from __future__ import annotations

from collections.abc import Sequence

from tracer.experiments import image_faults
from tracer.experiments.errors import UnknownFault
from tracer.experiments.fault import Fault
from tracer.experiments.fault_table import FAULTS
from tracer.experiments.image_faults import Places
from tracer.experiments.relocatable import Relocatable

__all__ = ["FAULTS", "Fault", "lookup", "spoil_image", "spoil_module"]


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
