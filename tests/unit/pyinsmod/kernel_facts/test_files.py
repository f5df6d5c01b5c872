"""Small files as facts, files that are made while they are read, and who writes to a file."""

from __future__ import annotations

import os
from pathlib import Path

from pyinsmod.kernel_facts.files import GrowingFile, writers_of


def test_a_growing_file_is_read_no_further_than_wanted(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_bytes(b"a" * 200_000 + b"MARK" + b"b" * 200_000)
    growing = GrowingFile(str(path))
    head = growing.until(b"MARK").value
    assert head is not None
    assert b"MARK" in head
    assert len(head) < 300_000
    assert growing.until(None).value == path.read_bytes()


def test_a_growing_file_that_is_not_there_says_why(tmp_path: Path) -> None:
    fact = GrowingFile(str(tmp_path / "none")).until(None)
    assert fact.value is None
    assert "No such file" in fact.source


def test_a_writer_is_named_and_a_reader_is_not(tmp_path: Path) -> None:
    path = tmp_path / "hello.ko"
    path.write_bytes(b"")
    own = f"{os.getpid()} ({Path('/proc/self/comm').read_text().strip()})"
    with path.open("rb"):
        assert writers_of(str(path)) == ()
        with path.open("ab"):
            assert writers_of(str(path)) == (own,)
    assert writers_of(str(tmp_path / "none")) == ()
