"""What a fault is: a row of the tables of faults."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

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
