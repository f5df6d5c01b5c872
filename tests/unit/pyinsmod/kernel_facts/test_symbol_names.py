"""Wanted names are found among packed ones as by unpacking them all, however they are packed."""

from __future__ import annotations

import random

import pytest

from pyinsmod.kernel_facts.symbol_names import BLOCK, Names, scanned, split, unpacked

LETTERS = "abrsT_"
WANTED = (b"start_ab", b"starts_abra", b"ab", b"s", b"start_ab_and_a_long_rest")


def packed(name: str, tokens: list[str], chance: random.Random) -> bytes:
    """Return length and tokens of a name with its type, by any tokens that fit."""
    codes = b""
    while name:
        code = chance.choice([code for code, token in enumerate(tokens) if token and name.startswith(token)])
        name, codes = name[len(tokens[code]) :], codes + bytes([code])
    length = len(codes)
    return bytes([length] if length < 128 else [length & 127 | 128, length >> 7]) + codes


def names_of(words: list[str], tokens: list[str], chance: random.Random) -> Names:
    """Return a table of words of type `T`, with something else behind it."""
    blocks = [
        b"".join(packed(f"T{word}", tokens, chance) for word in words[at : at + BLOCK])
        for at in range(0, len(words), BLOCK)
    ]
    starts = [sum(map(len, blocks[:number])) for number in range(len(blocks))]
    content = b"".join(blocks) + b"\x05behind"
    return Names(content, starts, 1000, len(words), [token.encode() for token in tokens])


@pytest.mark.parametrize("seed", range(40))
def test_the_wanted_names_are_found_as_by_unpacking_all(seed: int) -> None:
    """Tokens of all lengths, among them whole names: such a name is a single byte."""
    chance = random.Random(seed)
    wanted = [word.decode() for word in WANTED]
    pieces = [f"{chance.choice(['T', ''])}{word[: chance.randint(1, len(word))]}" for word in wanted for _ in range(6)]
    wholes = [f"T{word}" for word in wanted if chance.random() < 0.3]
    tokens = [*(letter if letter in LETTERS else "" for letter in map(chr, range(128))), *pieces, *wholes]
    tokens += list("dehilnotg") + [""] * (256 - len(tokens) - 9)
    others = ["".join(chance.choices(LETTERS, k=chance.randint(1, 12))) for _ in range(700)]
    others += [f"{chance.choice(wanted)}{chance.choice(['_', 'a', ''])}" for _ in range(60)]
    others += ["a" * 200] * (seed % 2)
    chance.shuffle(others)
    names = names_of(others, tokens, chance)
    expected = [(1000 + number, word.encode()) for number, word in enumerate(others) if word in wanted]
    assert expected
    assert list(scanned(names, WANTED)) == expected


def test_names_that_end_before_their_end_are_none() -> None:
    with pytest.raises(ValueError, match="end before their end"):
        split(b"\x01a\x05ab", 3)
    with pytest.raises(ValueError, match="end before their end"):
        Names(b"\x81", (0,), 0, 1, ()).beginning(0)


def test_a_name_is_told_without_its_type() -> None:
    assert unpacked(b"\x01\x00", [b"bc", b"Ta"]) == b"abc"
