"""Which module of a tree has what another one needs, and what follows when that one is refused itself."""

from __future__ import annotations

from pyinsmod.lean import Any, Iterator, Mapping, NamedTuple, Sequence, cached_property
from pyinsmod.tree.exported import TreeExport
from pyinsmod.tree.scan import Row
from pyinsmod.tree.target import has_record, pack_version

# Chains of dependencies are mostly no longer.
_USUAL_DEPTH = 16


class Offer(NamedTuple):
    """A symbol on offer: by which file (-1: by one that is none of the tree's), how, and by what module."""

    owner: int
    export: TreeExport
    name: str = ""


class TreeExports:
    """All that the modules of a tree export.

    Attributes:
        first: symbol → the first file, by name, that exports it, and how.
        repeated: symbol → all files that export it, where there are several.
        named: module → the files that hold one of that name.
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        self.first: dict[bytes, tuple[int, tuple[Any, ...]]] = {}
        self.repeated: dict[bytes, list[int]] = {}
        self.named: dict[bytes, list[int]] = {}
        for number, row in enumerate(rows):
            if row.name is not None:
                self.named.setdefault(row.name, []).append(number)
            for export in row.exports:
                owner, _ = self.first.setdefault(export[0], (number, export))
                if owner != number:
                    self.repeated.setdefault(export[0], [owner]).append(number)
        self._rows = rows

    def offer(self, symbol: bytes) -> Offer | None:
        """Return who exports a symbol, None if nobody does."""
        if symbol not in self.first:
            return None
        owner, export = self.first[symbol]
        return Offer(owner, TreeExport(*export), (self._rows[owner].name or b"").decode("utf-8", "surrogateescape"))

    @cached_property
    def versions(self) -> Mapping[bytes, int]:
        """Record of __versions, as a module has it that uses the symbol → the file; symbols in namespaces have none."""
        return {
            pack_version(crc, symbol): owner
            for symbol, (owner, (_, crc, _, space)) in self.first.items()
            if crc is not None and not space and has_record(symbol)
        }


def refused_along(needs: Mapping[int, frozenset[int]], refused: Sequence[int]) -> dict[int, int]:
    """Return the files that need a refused one, directly or not → the refused one each of them needs itself."""
    users: dict[int, list[int]] = {}
    for number, owners in needs.items():
        for owner in owners:
            users.setdefault(owner, []).append(number)
    found: dict[int, int] = {}
    waiting = list(refused)
    known = set(refused)
    while waiting:
        owner = waiting.pop()
        for number in users.get(owner, ()):
            if number not in known:
                known.add(number)
                found[number] = owner
                waiting.append(number)
    return found


def cycles(needs: Mapping[int, frozenset[int]]) -> list[list[int]]:
    """Return the groups of files that need each other in a circle (Tarjan's components), smallest number first.

    Iterative: a chain of dependencies may be longer than Python's stack.
    """
    needs = _in_circles(needs)
    order: dict[int, int] = {}
    lowest: dict[int, int] = {}
    stack: list[int] = []
    found: list[list[int]] = []
    for start in sorted(needs):
        if start in order:
            continue
        path: list[tuple[int, Iterator[int]]] = [(start, iter(sorted(needs[start])))]
        order[start] = lowest[start] = len(order)
        stack.append(start)
        while path:
            number, rest = path[-1]
            following = next(rest, None)
            if following is None:
                path.pop()
                if path:
                    lowest[path[-1][0]] = min(lowest[path[-1][0]], lowest[number])
                if lowest[number] == order[number]:
                    group = _popped(stack, number)
                    lowest.update(dict.fromkeys(group, 1 << 62))
                    if len(group) > 1:
                        found.append(sorted(group))
            elif following not in order:
                order[following] = lowest[following] = len(order)
                stack.append(following)
                path.append((following, iter(sorted(needs.get(following, ())))))
            else:
                lowest[number] = min(lowest[number], lowest[following])
    return sorted(found)


def _in_circles(needs: Mapping[int, frozenset[int]]) -> Mapping[int, frozenset[int]]:
    """Return what is left when those who need nobody, or whom nobody needs, are taken away some times."""
    left = dict(needs)
    for _ in range(_USUAL_DEPTH):
        needed = frozenset().union(*left.values())
        users = needed.intersection(left)  # of two sets the smaller one is gone through
        kept = {number: rest for number in users if (rest := left[number] & users)}
        if len(kept) == len(left):
            break
        left = kept
    users = frozenset(left)
    return {number: owners & users for number, owners in left.items()}


def _popped(stack: list[int], number: int) -> list[int]:
    at = stack.index(number)
    group = stack[at:]
    del stack[at:]
    return group
