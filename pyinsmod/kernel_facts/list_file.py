"""A long file of /proc that is made line by line while it is read, such as /proc/kallsyms."""

from __future__ import annotations

from pyinsmod.kernel_facts.facts import Fact, unknown
from pyinsmod.lean import TYPE_CHECKING, Sequence

if TYPE_CHECKING:
    from typing import BinaryIO

# What is read at once of it: reading more takes longer, as memory of that size is given back each time.
PIECE = 1 << 16
# Longer than a line of /proc/kallsyms is (KSYM_NAME_LEN is 512).
LONGEST_LINE = 1024


class ListFile:
    """A list that is read no further than somebody asks.

    What stands before the part that is wanted is not kept, and the part stays in the pieces it was read in: to get
    hold of memory for it takes as long as to read it.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._kept: list[bytes] = []
        self._begun = b""

    def part(self, first: bytes, last: bytes) -> Fact[Sequence[bytes]]:
        """Return the lines from the one with `first` to that with `last`, or to the end of the list, as whole lines.

        Nothing where `first` is in none.
        """
        try:
            if not self._reads_to(first):
                self._close()  # at its end, and all of it is still to be had
                return Fact((), self._path)
            while not (self._kept and last in self._kept[-1]):
                if not self._keeps(self._opened().read(PIECE)):
                    return Fact((*self._kept, self._begun), self._path)
        except OSError as error:
            return unknown(f"{self._path}: {error.strerror}")
        *pieces, ending = self._kept
        end = ending.find(b"\n", ending.find(last)) + 1
        return Fact((*pieces, ending[:end]), self._path)

    def _reads_to(self, first: bytes) -> bool:
        """Read as far as the line with `first`, and keep from there what was read; return whether there is one."""
        before = b""
        while piece := self._opened().read(PIECE):
            if first in piece or first in before + piece[:LONGEST_LINE]:
                together = before + piece
                return self._keeps(together[together.rfind(b"\n", 0, together.find(first)) + 1 :])
            before = piece[-LONGEST_LINE:]
        return False

    def _keeps(self, piece: bytes) -> bool:
        """Keep the whole lines of a piece; what is left begins the next one. Return whether there was anything."""
        lines, ended, begun = piece.rpartition(b"\n")
        if ended:
            self._kept.append(b"".join((self._begun, lines, ended)))
            self._begun = begun
        else:
            self._begun += piece
        return bool(piece)

    def rest(self) -> Fact[bytes]:
        """Return all that stands from `first` of `part` on, or simply all when there was no such part."""
        try:
            return Fact(b"".join((*self._kept, self._begun, self._opened().read())), self._path)
        except OSError as error:
            return unknown(f"{self._path}: {error.strerror}")

    def _opened(self) -> BinaryIO:
        if self._file is None:
            self._file = open(self._path, "rb")  # noqa: PTH123, SIM115 - see paths.py; closed with this object
        return self._file

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    __del__ = _close
