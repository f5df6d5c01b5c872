"""Files that are made while they are read: the part that is wanted, and the rest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from pyinsmod.kernel_facts import Fact
from pyinsmod.kernel_facts.list_file import ListFile

FIRST, LAST = b" first\n", b" last\n"


def a_list(before: int, between: int, after: int) -> bytes:
    """Return a list of so many lines before `first`, from there to `last`, and after that."""
    return b"line\n" * before + b"00 first\n" + b"line\n" * between + b"99 last\n" + b"line\n" * after


def joined(part: Fact[Sequence[bytes]]) -> bytes:
    return b"".join(part.value or ())


@pytest.mark.parametrize("shift", range(12))
@pytest.mark.parametrize(("before", "between"), [(0, 0), (3, 50_000), (40_000, 5), (26_212, 13_100)])
def test_the_part_of_a_list_begins_with_its_line(tmp_path: Path, before: int, between: int, shift: int) -> None:
    """The shifts move both marks across the border of what is read at once: 65,536 bytes."""
    path = tmp_path / "list"
    path.write_bytes(b"#" * shift + b"\n" + a_list(before, between, 100_000))
    listed = ListFile(str(path))
    pieces = listed.part(FIRST, LAST).value
    assert pieces is not None
    assert all(piece.endswith(b"\n") for piece in pieces)
    assert b"".join(pieces) == a_list(0, between, 0)
    rest = listed.rest().value
    assert rest is not None
    assert rest.endswith(a_list(0, between, 100_000))


def test_a_part_without_an_end_goes_to_the_end_of_the_list(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_bytes(b"line\n00 first\n" + b"line\n" * 50_000)
    assert joined(ListFile(str(path)).part(FIRST, LAST)) == b"00 first\n" + b"line\n" * 50_000


def test_a_list_is_read_no_further_than_wanted(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_bytes(a_list(10, 10, 100_000))
    listed = ListFile(str(path))
    assert joined(listed.part(FIRST, LAST)) == a_list(0, 10, 0)
    path.write_bytes(a_list(10, 10, 50_000))
    assert listed.rest().value == a_list(0, 10, 50_000)


def test_a_list_without_that_part_is_there_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_bytes(b"line\n" * 100_000)
    listed = ListFile(str(path))
    assert joined(listed.part(FIRST, LAST)) == b""
    assert listed.rest().value == path.read_bytes()


def test_a_list_that_is_not_there_says_why(tmp_path: Path) -> None:
    listed = ListFile(str(tmp_path / "none"))
    for fact in (listed.part(FIRST, LAST), listed.rest()):
        assert fact.value is None
        assert "No such file" in fact.source


@pytest.mark.parametrize("length", [1, 65_535, 65_536, 65_537, 200_000])
def test_a_line_without_an_end_is_part_of_it(tmp_path: Path, length: int) -> None:
    path = tmp_path / "list"
    path.write_bytes(b"line\n00 first\n" + b"x" * length)
    listed = ListFile(str(path))
    assert joined(listed.part(FIRST, LAST)) == b"00 first\n" + b"x" * length
