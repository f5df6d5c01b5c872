"""Which module of a tree has what another one needs, and what follows when that one is refused itself."""

from __future__ import annotations

from pyinsmod.lean import Iterator, Mapping, NamedTuple, Sequence
from pyinsmod.tree.exported import TreeExport
from pyinsmod.tree.scan import Row


class Offer(NamedTuple):
    """A symbol on offer: by which file (-1: by one that is none of the tree's), how, and by what module."""

    owner: int
    export: TreeExport
    name: str = ""


class TreeExports:
    """All that the modules of a tree export.

    Attributes:
        offers: symbol → the first file, by name, that exports it.
        repeated: symbol → all files that export it, where there are several.
        named: module → the files that hold one of that name.
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        self.offers: dict[bytes, Offer] = {}
        self.repeated: dict[bytes, list[int]] = {}
        self.named: dict[bytes, list[int]] = {}
        for number, row in enumerate(rows):
            if row.name is not None:
                self.named.setdefault(row.name, []).append(number)
            name = (row.name or b"").decode("utf-8", "surrogateescape")
            for export in row.exports:
                first = self.offers.setdefault(export.name, Offer(number, export, name))
                if first.owner != number:
                    self.repeated.setdefault(export.name, [first.owner]).append(number)


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


def _popped(stack: list[int], number: int) -> list[int]:
    at = stack.index(number)
    group = stack[at:]
    del stack[at:]
    return group
