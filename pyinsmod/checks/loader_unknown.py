"""Values that the loader reads where nobody knows what stands, and how far they spread while it relocates."""

from __future__ import annotations

from pyinsmod.checks.loader_rules import Relocation


class Unknown:
    """Symbols without a known value, and the places they are written to.

    The kernel crashes when it reads such a value, or goes on with it. What it meets afterwards is certain as long as
    nothing was asked of the value: whether it fits, whether its place is empty, which symbol or relocation it became.

    Attributes:
        symbols: their numbers.
        certain: whether what was met so far does not depend on them.
    """

    def __init__(self) -> None:
        self.symbols: set[int] = set()
        self.certain = True
        self._places: list[tuple[int, int]] = []

    def meet(self, relocation: Relocation, *, tables: bool) -> None:
        """Take up a relocation; `tables`: the place may be one of the tables that the loader still reads."""
        begin, end = relocation.place, relocation.place + relocation.kind.width
        if any(begin < behind and first < end for first, behind in self._places):
            self.certain = False
        if relocation.symbol in self.symbols:
            self._places.append((begin, end))
            if tables or relocation.kind.limits is not None:
                self.certain = False
