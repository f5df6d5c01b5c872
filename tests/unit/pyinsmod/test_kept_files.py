"""What is kept between runs is this user's own and whole, or it is not there."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from pyinsmod import kept_files

WORD = b"0123456789abcdef"
VALUE: object = ({(1, 2): (b"name", None)}, {})
SOMEBODY = 65534


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "cache" / "rows"
    kept_files.write(str(place), "tree", WORD, VALUE)
    assert kept_files.read(str(place), "tree", WORD) == VALUE
    return place


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_it_is_made_for_its_owner_alone(folder: Path) -> None:
    assert {place.stat().st_mode & 0o777 for place in (folder, folder.parent)} == {0o700}
    assert (folder / "tree").stat().st_mode & 0o777 == 0o600
    assert names(folder) == ["tree"]


def test_what_was_made_of_something_else_is_not_there(folder: Path) -> None:
    assert kept_files.read(str(folder), "tree", WORD[::-1]) is None
    assert kept_files.read(str(folder), "wood", WORD) is None
    assert kept_files.read(str(folder / "none"), "tree", WORD) is None


def test_a_damaged_file_is_not_there_wherever_the_damage_is(folder: Path) -> None:
    content = (folder / "tree").read_bytes()
    for at in range(len(content)):
        (folder / "tree").write_bytes(content[:at] + bytes([content[at] ^ 0x40]) + content[at + 1 :])
        assert kept_files.read(str(folder), "tree", WORD) is None
        (folder / "tree").write_bytes(content[:at])
        assert kept_files.read(str(folder), "tree", WORD) is None
    (folder / "tree").write_bytes(content)
    assert kept_files.read(str(folder), "tree", WORD) == VALUE


def test_files_that_others_may_write_to_are_not_read(folder: Path) -> None:
    for mode in (0o620, 0o602):
        (folder / "tree").chmod(mode)
        assert kept_files.read(str(folder), "tree", WORD) is None


def test_a_folder_that_others_may_write_to_is_not_used(folder: Path) -> None:
    folder.chmod(0o770)
    assert kept_files.read(str(folder), "tree", WORD) is None
    kept_files.write(str(folder), "wood", WORD, VALUE)
    assert names(folder) == ["tree"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away: sudo .venv/bin/python -m pytest")
@pytest.mark.parametrize("whose", ["tree", "."])
def test_what_is_another_users_is_not_read(folder: Path, whose: str) -> None:
    os.chown(folder / whose, SOMEBODY, SOMEBODY)
    assert kept_files.read(str(folder), "tree", WORD) is None


def test_links_and_what_is_no_file_are_not_read_and_are_replaced(folder: Path) -> None:
    aside = folder.parent / "aside"
    (folder / "tree").rename(aside)
    for what in ("link", "pipe"):
        if what == "link":
            (folder / "tree").symlink_to(aside)
        else:
            os.mkfifo(folder / "tree")
        assert kept_files.read(str(folder), "tree", WORD) is None
        kept_files.write(str(folder), "tree", WORD, VALUE)
        assert kept_files.read(str(folder), "tree", WORD) == VALUE
        (folder / "tree").unlink()
    before = aside.read_bytes()
    (folder / "tree").symlink_to(aside)
    kept_files.write(str(folder), "tree", WORD, ())
    assert aside.read_bytes() == before


def test_a_folder_that_is_a_link_is_not_used(folder: Path) -> None:
    (folder.parent / "other").symlink_to(folder)
    assert kept_files.read(str(folder.parent / "other"), "tree", WORD) is None


def test_what_cannot_be_written_whole_leaves_what_was_there(folder: Path) -> None:
    """Files of this process may have a few bytes only, which is what a full disk is like."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        kept_files.write(str(folder), "tree", b"x" * 16, "y" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert names(folder) == ["tree"]
    assert kept_files.read(str(folder), "tree", WORD) == VALUE


def test_what_was_not_used_for_longest_goes_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_files, "MOST", 3)
    for number in range(4):
        os.utime(folder / "tree", ns=(number, number))
        assert kept_files.read(str(folder), "tree", WORD) == VALUE
        kept_files.write(str(folder), f"wood-{number}", WORD, VALUE)
        os.utime(folder / f"wood-{number}", ns=(number + 1, number + 1))
    assert names(folder) == ["tree", "wood-2", "wood-3"]
    monkeypatch.setattr(kept_files, "MOST_BYTES", 1)
    kept_files.write(str(folder), "more", WORD, VALUE)
    assert names(folder) == []


def test_more_than_can_be_kept_is_not_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_files, "LARGEST", 100)
    kept_files.write(str(folder), "wood", WORD, b"x" * 200)
    assert names(folder) == ["tree"]
    (folder / "tree").write_bytes(bytes(200))
    assert kept_files.read(str(folder), "tree", WORD) is None
