"""Random damage: of the kind it says, the same from the same seed."""

from __future__ import annotations

import io
from pathlib import Path
from random import Random

import pytest
from elftools.elf.elffile import ELFFile

from tests.agreement.mutations import MUTATIONS
from tracer.experiments.donor import choose_donor


@pytest.fixture(scope="module")
def image(kernel_tree: Path) -> bytes:
    return choose_donor(kernel_tree).image


def damaged(image: bytes, kind: str, seed: int) -> bytes:
    return bytes(MUTATIONS[kind](bytearray(image), Random(seed)))


def places(kind: str, image: bytes) -> list[range]:
    """Return where damage of a kind may be, as pyelftools sees the file."""
    elf = ELFFile(io.BytesIO(image))
    table = range(elf["e_shoff"], elf["e_shoff"] + elf["e_shnum"] * 64)
    wanted = {"relocation": "SHT_RELA", "symbol": "SHT_SYMTAB"}.get(kind)
    inside = [s for s in elf.iter_sections() if s["sh_type"] == wanted]
    contents = [range(s["sh_offset"], s["sh_offset"] + s["sh_size"]) for s in inside]
    return {"header": [range(64)], "section": [table], "bytes": [range(len(image))]}.get(kind, contents)


@pytest.mark.parametrize("kind", MUTATIONS)
def test_the_seed_decides(image: bytes, kind: str) -> None:
    assert damaged(image, kind, 7) == damaged(image, kind, 7)
    assert len({damaged(image, kind, seed) for seed in range(20)}) > 10


@pytest.mark.parametrize("kind", [kind for kind in MUTATIONS if kind != "truncation"])
def test_only_what_is_named_is_damaged(image: bytes, kind: str) -> None:
    allowed = places(kind, image)
    for seed in range(50):
        changed = [n for n, (a, b) in enumerate(zip(image, damaged(image, kind, seed), strict=True)) if a != b]
        assert all(any(place in part for part in allowed) for place in changed)
        assert len(changed) <= 8


def test_a_truncated_file_is_the_beginning_of_the_whole_one(image: bytes) -> None:
    for seed in range(50):
        cut = damaged(image, "truncation", seed)
        assert image.startswith(cut)
