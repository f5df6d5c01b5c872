"""Names in the kernel's table of symbols: how they stand there, and which of them are wanted ones.

Each is a length and so many bytes, and each byte stands for a token; the first letter is the symbol's type. See
symbol_table.py for what stands around them.
"""

from __future__ import annotations

from pyinsmod.lean import Container, Iterable, Iterator, NamedTuple, Sequence

# Names from one marker to the next.
BLOCK = 256
# Lengths of two bytes, in kernels that have such names, have this bit in the first.
LONG_NAME = 0x80
# By so many letters, and so many of the bytes that stand for them, names are told apart at first.
LETTERS, BYTES = 8, 3


class Names(NamedTuple):
    """Some of the names, in blocks.

    Attributes:
        content: what holds them, packed; something else may follow.
        starts: where each block begins in it.
        first: the number of the first name.
        total: how many there are.
        tokens: what each byte stands for.
    """

    content: bytes
    starts: Sequence[int]
    first: int
    total: int
    tokens: Sequence[bytes]

    def block(self, number: int) -> tuple[bytes, int]:
        """Return the names of a block, packed, and how many there are."""
        last = number + 1 == len(self.starts)
        content = self.content[self.starts[number] : None if last else self.starts[number + 1]]
        return content, min(BLOCK, self.total - number * BLOCK)

    def beginning(self, number: int) -> bytes:
        """Return the first name of a block; raise ValueError where it ends before its end."""
        start, length = _measured(self.content, self.starts[number])
        return unpacked(self.content[start : start + length], self.tokens)


def unpacked(packed: bytes, tokens: Sequence[bytes]) -> bytes:
    """Return a name without its type."""
    return b"".join([tokens[byte] for byte in packed])[1:]


def split(packed: bytes, count: int) -> tuple[list[bytes], int]:
    """Return so many names, still packed, and where the last one ends.

    Raises:
        ValueError: names end before their end.
    """
    names, at = [], 0
    for _ in range(count):
        start, length = _measured(packed, at)
        at = start + length
        names.append(packed[start:at])
    return names, at


def _measured(packed: bytes, at: int) -> tuple[int, int]:
    """Return where the name begins whose length stands there, and its length."""
    try:
        length = packed[at]
        return (at + 2, length & ~LONG_NAME | packed[at + 1] << 7) if length & LONG_NAME else (at + 1, length)
    except IndexError:
        raise ValueError("names of the symbol table end before their end") from None


def scanned(names: Names, wanted: Iterable[bytes], left_out: Container[int] = ()) -> Iterator[tuple[int, bytes]]:
    """Yield the wanted ones of some names, with their numbers in order; some blocks need not be looked at.

    Raises:
        ValueError: names end before their end.
    """
    wanted = frozenset(wanted)
    likely = _Likely(wanted, names.tokens)
    for block in range(len(names.starts)):
        if block in left_out:
            continue
        for place, packed in likely.among(*names.block(block)):
            name = unpacked(packed, names.tokens)
            if name in wanted:
                yield names.first + block * BLOCK + place, name


def _prefixes(words: Iterable[bytes]) -> frozenset[bytes]:
    return frozenset(word[:size] for word in words for size in range(len(word) + 1))


class _Likely(dict[bytes, bool]):
    """The first bytes of a packed name → whether one of the wanted names may begin so."""

    def __init__(self, wanted: Iterable[bytes], tokens: Sequence[bytes]) -> None:
        self._beginnings = tuple({name[:LETTERS] for name in wanted})
        self._begun = _prefixes(self._beginnings)
        self._tokens = tokens
        # Tables for bytes.translate: what the first byte may be, and the second one behind any of these.
        self._first = bytes(self._may_begin(token[1:]) for token in tokens)
        first = {token[1:] for token, may in zip(tokens, self._first, strict=True) if may}
        rests = tuple({each[len(one) :] for each in self._beginnings for one in first if each.startswith(one)})
        # What begins with all that is looked at goes on anyhow; perhaps as another name, when it is whole.
        anyhow = any(one.startswith(self._beginnings) for one in first)
        begun = _prefixes(rests)
        self._second = bytes(anyhow or token in begun or token.startswith(rests) for token in tokens)

    def __missing__(self, packed: bytes) -> bool:
        found = self[packed] = self._may_begin(unpacked(packed, self._tokens))
        return found

    def _may_begin(self, begun: bytes) -> bool:
        return begun in self._begun or begun.startswith(self._beginnings)

    def _likely_at(self, packed: bytes) -> bytes:
        """Return for each place whether a likely name may have its length there: 1 or 0."""
        first, second = packed[1:].translate(self._first), (packed[2:] + b"\0").translate(self._second)
        both = int.from_bytes(first, "little") & int.from_bytes(second, "little")  # as numbers, all at once
        return both.to_bytes(len(packed), "little")

    def among(self, packed: bytes, count: int) -> Iterator[tuple[int, bytes]]:
        """Yield those of so many names, packed and with their places, that are likely.

        There are ten thousands: to take all of them out, as `split` does, would take as long as all the rest. Where
        a name has a long length, or something else stands behind the last one, they are all the same.
        """
        likely, at, here = self._likely_at(packed), 0, []
        try:
            for place in range(count):
                if likely[at]:
                    here.append((place, at + 1))
                at += packed[at] + 1
        except IndexError:
            at = -1
        if at != len(packed):
            yield from enumerate(split(packed, count)[0])
            return
        for place, at in here:
            if self[packed[at : at + min(BYTES, packed[at - 1])]]:
                yield place, packed[at : at + packed[at - 1]]
