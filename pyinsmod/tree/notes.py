"""What is to be said of a tree as a whole: names and symbols that are there twice, and what depmod wrote of it."""

from __future__ import annotations

import os

from pyinsmod.kernel_facts.files import read
from pyinsmod.kernel_facts.module_tree import module_name
from pyinsmod.lean import Callable, Iterator
from pyinsmod.tree.found import Found
from pyinsmod.tree.outcome import Common
from pyinsmod.tree.results import TreeNote

# So many of one kind are named; the rest is counted.
SHOWN = 20


def notes_of(found: Found, common: Common, needs: Callable[[int], frozenset[int]]) -> list[TreeNote]:
    """Return the notes on a tree.

    Args:
        found: its files.
        common: what they are.
        needs: tells which files one needs, as far as all kernels agree.
    """
    return [
        *(TreeNote("unreadable-folder", f"{folder}: {why}", (folder,)) for folder, why in found.unreadable),
        *_bounded(_same_names(found, common), "same-name"),
        *_bounded(_same_symbols(found, common), "duplicate-export"),
        *(
            note
            for listing in found.listings
            for note in _bounded(_listing(listing, found, common, needs), "modules.dep")
        ),
    ]


def _bounded(notes: Iterator[TreeNote], kind: str) -> Iterator[TreeNote]:
    every = list(notes)
    yield from every[:SHOWN]
    if len(every) > SHOWN:
        yield TreeNote(kind, f"{len(every) - SHOWN} more like these")


def _same_names(found: Found, common: Common) -> Iterator[TreeNote]:
    named: dict[bytes, list[int]] = {}
    for number, name in enumerate(common.names):
        if name is not None:
            named.setdefault(name, []).append(number)
    for name, numbers in named.items():
        if len(numbers) > 1:
            files = tuple(found.files[number] for number in numbers)
            text = f"{len(files)} files hold a module '{_text(name)}', and only one of them can be loaded"
            yield TreeNote("same-name", text, files)


def _same_symbols(found: Found, common: Common) -> Iterator[TreeNote]:
    """Yield the modules that cannot be loaded together because they export the same symbols."""
    together: dict[tuple[int, ...], list[bytes]] = {}
    for symbol, numbers in common.repeated.items():
        if len({common.names[number] for number in numbers}) > 1:
            together.setdefault(tuple(numbers), []).append(symbol)
    for files, symbols in together.items():
        names = " and ".join(f"'{_text(common.names[number] or b'')}'" for number in files)
        more = f" and {len(symbols) - 1} more" if len(symbols) > 1 else ""
        text = f"{names} export '{_text(symbols[0])}'{more}: whichever is loaded first keeps the other out (ENOEXEC)"
        yield TreeNote("duplicate-export", text, tuple(found.files[number] for number in files))


def _listing(listing: str, found: Found, common: Common, needs: Callable[[int], frozenset[int]]) -> Iterator[TreeNote]:
    """Yield where modules.dep and the modules disagree: what modprobe would load is not what the modules need."""
    folder = os.path.dirname(listing)  # noqa: PTH120 - see paths.py
    told = _dependencies(listing, folder)
    here = {file: number for number, file in enumerate(found.files) if file.startswith(f"{folder}/")}
    for file in sorted(told.keys() - here.keys()):
        yield TreeNote("modules.dep", f"{listing} lists {file}, which is not there", (file,))
    for file, number in here.items():
        if common.names[number] is None:
            continue
        if file not in told:
            yield TreeNote("modules.dep", f"{listing} does not list {file}: modprobe will not find it", (file,))
            continue
        wanted = {found.files[each] for each in _all_needed(number, needs)}
        lacking = sorted(wanted - told[file])
        if lacking:
            names = ", ".join(map(module_name, lacking[:3]))
            yield TreeNote("modules.dep", f"{listing} does not name all that {file} needs: {names}", (file,))


def _dependencies(listing: str, folder: str) -> dict[str, set[str]]:
    told: dict[str, set[str]] = {}
    for line in _text(read(listing).value or b"").splitlines():
        path, colon, rest = line.partition(":")
        if colon:
            told[_whole(folder, path)] = {_whole(folder, each) for each in rest.split()}
    return told


def _whole(folder: str, path: str) -> str:
    return path if path.startswith("/") else f"{folder}/{path}"


def _all_needed(number: int, needs: Callable[[int], frozenset[int]]) -> set[int]:
    found: set[int] = set()
    waiting = [number]
    while waiting:
        for each in needs(waiting.pop()):
            if each not in found:
                found.add(each)
                waiting.append(each)
    return found - {number}


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")
