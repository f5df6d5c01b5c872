"""Small files as facts, and who writes to a file."""

from __future__ import annotations

import os
from pathlib import Path

from pyinsmod.kernel_facts.files import exists, is_folder, writers_of


def test_a_writer_is_named_and_a_reader_is_not(tmp_path: Path) -> None:
    path = tmp_path / "hello.ko"
    path.write_bytes(b"")
    own = f"{os.getpid()} ({Path('/proc/self/comm').read_text().strip()})"
    with path.open("rb"):
        assert writers_of(str(path)) == ()
        with path.open("ab"):
            assert writers_of(str(path)) == (own,)
    assert writers_of(str(tmp_path / "none")) == ()


def test_what_is_there_is_told_from_what_is_not(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "to a folder").symlink_to(tmp_path)
    (tmp_path / "to nothing").symlink_to("nothing")
    names = ["", "file", "to a folder", "to nothing", "nothing", "n\0ul", "file/below"]
    assert [is_folder(f"{tmp_path}/{name}") for name in names] == [True, False, True, False, False, False, False]
    assert [exists(f"{tmp_path}/{name}") for name in names] == [True, True, True, False, False, False, False]
