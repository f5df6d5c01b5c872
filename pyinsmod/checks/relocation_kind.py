"""What one type of relocation does to the place it changes; the types of an architecture stand in a table each."""

from __future__ import annotations

from pyinsmod.lean import NamedTuple


class RelocationKind(NamedTuple):
    """One type: `width` bytes are written, `relative` to the place itself; `limits` of the value, inclusive."""

    name: str
    width: int
    relative: bool = False
    limits: tuple[int, int] | None = None
