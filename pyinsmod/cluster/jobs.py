"""What runs on a worker. Plain values come in and go out; what was shipped is unpacked once in each process."""

from __future__ import annotations

import gc
import os
from contextlib import contextmanager
from threading import Lock

from pyinsmod.checks import run_checks
from pyinsmod.cluster.code import insist_on_code
from pyinsmod.cluster.shipped import NotShippedError, Shipped, ShippedExports, TreeValues, kernel_of, rows_of
from pyinsmod.errors import MalformedModule
from pyinsmod.finding import Finding
from pyinsmod.kernel_facts.other_kernel import OtherKernel
from pyinsmod.lean import Any, Callable, Iterator, NamedTuple, Sequence
from pyinsmod.module_image import read_image
from pyinsmod.tree.overlay import WithTree
from pyinsmod.tree.resolution import TreeExports
from pyinsmod.tree.scan import Scanner
from pyinsmod.tree.target import Target

# Of so many trees and sets of kernels a worker keeps what it unpacked.
_KEPT = 4
_prepared: dict[str, Any] = {}
# One process may run jobs in several threads, and what is prepared learns while it works.
_lock = Lock()


class Sent(NamedTuple):
    """A module file: its path and state, and its contents where the worker does not have such a file itself."""

    path: str
    size: int
    changed: int
    content: bytes | None = None


class Returned(NamedTuple):
    """What comes of a job: places of files the worker does not have, or else its result."""

    missing: tuple[int, ...] = ()
    value: Any = None


def keep(shipped: Shipped) -> Shipped:
    """Return what is shipped; as the result of a job it goes from worker to worker, and is made anew when lost."""
    return shipped


def scan(kernels: Shipped, options: tuple[bool], files: Sequence[Sent]) -> Returned:
    """Do the first pass over some files."""

    def prepare(values: Any) -> Scanner:
        return Scanner([Target(kernel_of(each)) for each in values], relocations=options[0])

    contents = _contents(files)
    if isinstance(contents, Returned):
        return contents
    with _at_work():
        scanner: Scanner = _once(kernels, f"scan {options}", prepare)
        return Returned(value=scanner.batch_of(contents))


def look_at(
    kernels: Shipped, tree: Shipped, wanted: Sequence[tuple[int, tuple[int, ...]]], files: Sequence[Sent]
) -> Returned:
    """Go the long way with some files.

    Args:
        kernels: what was shipped of them.
        tree: what was shipped of it.
        wanted: for each file its number in the tree, and the numbers of the kernels.
        files: the files.

    Returns:
        (number, kernel, findings or None where that can only be found out where the kernel's files are).
    """
    contents = _contents(files)
    if isinstance(contents, Returned):
        return contents
    with _at_work():
        facts = _once(tree, kernels.word, lambda values: _facts(kernels, values))
        found = []
        for (number, sides), content in zip(wanted, contents, strict=True):
            found += [(number, side, _findings(content, facts[side], number)) for side in sides]
        return Returned(value=found)


@contextmanager
def _at_work() -> Iterator[None]:
    """One job at a time, and no looking for garbage through all that is kept: that takes as long as the work does."""
    with _lock:
        gc.disable()
        try:
            yield
        finally:
            gc.enable()


def _facts(kernels: Shipped, tree: TreeValues) -> list[WithTree]:
    every: list[OtherKernel] = _once(kernels, "kernels", lambda values: list(map(kernel_of, values)))
    rows = rows_of(tree)
    exports = TreeExports(rows)
    return [
        WithTree(kernel.facts, ShippedExports(kernel, rows, exports, own))
        for kernel, own in zip(every, tree.own, strict=True)
    ]


def _findings(content: bytes, facts: WithTree, number: int) -> tuple[tuple[Any, ...], ...] | None:
    try:
        return tuple(map(tuple, run_checks(read_image(content), facts.for_module(number))))
    except MalformedModule as error:
        return (tuple(Finding("file", 3, "cannot-tell", str(error))),)
    except NotShippedError:
        return None


def _contents(files: Sequence[Sent]) -> list[bytes] | Returned:
    """Return what stands in the files; of those that are not here, or not the same, their places."""
    found = [each.content if each.content is not None else _own(each) for each in files]
    missing = tuple(place for place, content in enumerate(found) if content is None)
    return Returned(missing) if missing else [content for content in found if content is not None]


def _own(file: Sent) -> bytes | None:
    """Return the contents of the file if it is here as well, as on a file system that machines share."""
    try:
        with open(file.path, "rb") as opened:  # noqa: PTH123 - see paths.py
            state = os.fstat(opened.fileno())
            same = (state.st_size, state.st_mtime_ns) == (file.size, file.changed)
            return opened.read() if same else None
    except OSError:
        return None


def _once(sent: Shipped, purpose: str, prepare: Callable[[Any], Any]) -> Any:
    """Return what was made of something shipped when it first came."""
    key = f"{sent.word} {purpose}"
    if key not in _prepared:
        insist_on_code(sent.code)
        while len(_prepared) >= _KEPT:
            del _prepared[next(iter(_prepared))]
        _prepared[key] = prepare(sent.content())
    return _prepared[key]
