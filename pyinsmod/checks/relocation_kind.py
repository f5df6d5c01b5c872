"""What one type of relocation does to the place it changes; the types of an architecture stand in a table each.

`types_of` finds the table of a machine: relocation_types_NAME.py, NAME being what `uname -m` says there.
"""

from __future__ import annotations

from pyinsmod.elf_format import MACHINE_NAMES
from pyinsmod.lean import Mapping, NamedTuple


class Field(NamedTuple):
    """A piece of an instruction that holds a value: `length` bits of it, from bit `first` of the value on.

    `put` names how they are laid into the instruction; what stands beside them stays.
    """

    put: str
    first: int
    length: int


class RelocationKind(NamedTuple):
    """One type: `width` bytes are written, `relative` to the place itself; `limits` of the value, inclusive.

    `page`: of both addresses only the page counts. `field`: only a piece of the place changes; None: all of it.
    """

    name: str
    width: int
    relative: bool = False
    limits: tuple[int, int] | None = None
    page: bool = False
    field: Field | None = None


class Pointers(NamedTuple):
    """The types that compilers make tables with: 32 bits from the place itself, an address, 64 bits from the place.

    Where one from the place itself takes two relocations, `along` are the types of the second, which takes the place's
    own address away.
    """

    near: int
    wide: int
    far: int
    along: frozenset[int] = frozenset()


class RelocationTypes(NamedTuple):
    """The relocations of one architecture, and what its loader makes of them.

    Attributes:
        kinds: those it applies; every other number is refused.
        names: of others, for what is said of them.
        pointers: what tables are made of.
        near: kinds with limits that hold every symbol of kernel and module, wherever they come to lie.
        branches: kinds that a loader helps with an entry of a table when the way is too long, if it has counted it.
        halves: kinds of the lower bits of a distance, whose symbol is the place that the upper ones are put, and kinds
            of the upper ones.
        empty: whether a place that is not zero is refused.
        unknown: what the log says of a number that is not known.
        followed: whether loader_NAME.py has what a damaged module does to the loader; else nothing is told of one.
    """

    kinds: Mapping[int, RelocationKind]
    names: Mapping[int, str]
    pointers: Pointers
    near: frozenset[int]
    branches: frozenset[int] = frozenset()
    halves: tuple[frozenset[int], frozenset[int]] = (frozenset(), frozenset())
    empty: bool = False
    unknown: str = "Unknown rela relocation: {}"
    followed: bool = True


def types_of(machine: int) -> RelocationTypes | None:
    """Return the table for an `e_machine`; None if there is none."""
    name = f"{__package__}.relocation_types_{MACHINE_NAMES.get(machine)}"
    try:
        table: RelocationTypes = __import__(name, fromlist=("TYPES",)).TYPES
    except ModuleNotFoundError:
        return None
    return table
