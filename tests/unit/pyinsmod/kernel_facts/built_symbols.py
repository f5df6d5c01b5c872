"""A table of symbols as scripts/kallsyms.c makes it, in each of the shapes that kernels have had."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import accumulate
from string import ascii_letters, digits
from typing import NamedTuple

# Single letters stand for themselves; unused codes have no token; of the others any that fit will do.
PAIRS = {1: "__st", 2: "art_", 3: "___ksymtab", 4: "R__st", 5: "tr", 6: "ace_", 255: "_rodata"}
LETTERS = ascii_letters + digits + "_."
TOKENS = [PAIRS.get(code, chr(code) if chr(code) in LETTERS else "") for code in range(256)]
BLOCK = 256


class Symbol(NamedTuple):
    """An address, the letter of its type, and a name."""

    address: int
    kind: str
    name: str


class Shape(NamedTuple):
    """How a kernel lays it out.

    Attributes:
        addresses: `percpu` and `base` count from a base, the first one leaving what is not negative as it is; `place`
            counts from where the word stands.
        behind: whether the addresses stand behind all else.
        sequence: whether three bytes for each symbol stand between markers and tokens.
        close: whether the number of symbols stands right before the names, and not eight bytes before.
    """

    addresses: str
    behind: bool
    sequence: bool
    close: bool


OLD = Shape("percpu", behind=False, sequence=False, close=False)
SHAPES = {
    "5.10": OLD,
    "6.1.y": OLD._replace(sequence=True),
    "arm64": OLD._replace(addresses="base"),
    "6.12": Shape("percpu", behind=True, sequence=False, close=True),
    "7.2": Shape("place", behind=True, sequence=False, close=True),
}


def packed(symbol: Symbol) -> bytes:
    """Return length and tokens of a name."""
    name = symbol.kind + symbol.name
    for code in sorted(PAIRS, key=lambda code: -len(PAIRS[code])):
        name = name.replace(PAIRS[code], chr(code))
    length = len(name)
    return bytes([length] if length < 128 else [length & 127 | 128, length >> 7]) + name.encode("latin-1")


def table(symbols: Sequence[Symbol], shape: Shape, start: int) -> bytes:
    """Return the bytes that stand at `start`, a multiple of eight."""
    names = [packed(symbol) for symbol in symbols]
    places = list(accumulate(map(len, names), initial=0))[:-1]
    tokens = [token.encode() + b"\0" for token in TOKENS]
    token_places = list(accumulate(map(len, tokens), initial=0))[:-1]
    base = 0 if shape.addresses == "place" else min(each.address for each in symbols if each.address >> 63)
    count = struct.pack("<I", len(symbols))
    parts = [
        count if shape.close else count.ljust(8, b"\0"),
        b"".join(names),
        struct.pack(f"<{len(places[::BLOCK])}I", *places[::BLOCK]),
        b"".join(number.to_bytes(3, "big") for number in range(len(symbols))) if shape.sequence else b"",
        b"".join(tokens),
        struct.pack("<256H", *token_places),
    ]
    made = b""
    for part in parts:
        made += b"\0" * (-len(made) % (4 if shape.close else 8)) + part
    if not shape.behind:
        words = b"".join(_word(symbol, shape, base, 0) for symbol in symbols)
        return words + b"\0" * (-len(words) % 8) + struct.pack("<Q", base) + made
    made += b"".join(
        _word(symbol, shape, base, start + len(made) + 4 * number) for number, symbol in enumerate(symbols)
    )
    return made + b"\0" * (-len(made) % 8) + struct.pack("<Q", base)


def _word(symbol: Symbol, shape: Shape, base: int, place: int) -> bytes:
    if shape.addresses == "place":
        return struct.pack("<i", symbol.address - place)
    if shape.addresses == "base":
        return struct.pack("<I", symbol.address - base)
    return struct.pack("<i", base - 1 - symbol.address if symbol.address >> 63 else symbol.address)
