from __future__ import annotations

import io
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vm.cpio import CpioWriter


def archive_of(*files: tuple[str, bytes, int]) -> bytes:
    output = io.BytesIO()
    with CpioWriter(output) as archive:
        for name, content, mode in files:
            archive.file(name, content, mode)
    return output.getvalue()


def test_a_failed_build_gets_no_trailer() -> None:
    output = io.BytesIO()
    with pytest.raises(RuntimeError), CpioWriter(output) as archive:
        archive.file("a", b"x")
        raise RuntimeError
    assert b"TRAILER!!!" not in output.getvalue()


def test_every_header_and_content_is_aligned_to_four_bytes() -> None:
    assert len(archive_of(("odd", b"12345", 0o644))) % 4 == 0


def test_parents_come_once_and_before_their_children() -> None:
    data = archive_of(("a/b/one", b"1", 0o644), ("a/b/two", b"2", 0o644))
    assert data.count(b"a/b\0") == 1
    assert data.index(b"a\0") < data.index(b"a/b\0") < data.index(b"a/b/one\0")


@given(st.dictionaries(st.text("abcdef", min_size=1, max_size=8), st.binary(max_size=300), max_size=5))
def test_equal_input_gives_equal_bytes(files: dict[str, bytes]) -> None:
    entries = [(name, content, 0o600) for name, content in files.items()]
    assert archive_of(*entries) == archive_of(*entries)


@pytest.mark.skipif(not shutil.which("busybox"), reason="sudo apt-get install busybox")
def test_busybox_unpacks_what_was_written(tmp_path: Path) -> None:
    output = io.BytesIO()
    with CpioWriter(output) as archive:
        archive.file("bin/tool", b"#!/bin/sh\n", 0o755)
        archive.symlink("bin/link", "tool")
        archive.directory("empty")
    done = subprocess.run(
        ["busybox", "cpio", "-id"], input=output.getvalue(), cwd=tmp_path, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "bin/tool").read_bytes() == b"#!/bin/sh\n"
    assert os.access(tmp_path / "bin/tool", os.X_OK)
    assert (tmp_path / "bin/link").readlink() == Path("tool")
    assert (tmp_path / "empty").is_dir()


def test_a_tree_keeps_links_and_modes(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/script").write_bytes(b"x")
    (tmp_path / "folder/script").chmod(0o755)
    (tmp_path / "link").symlink_to("folder/script")
    output = io.BytesIO()
    with CpioWriter(output) as archive:
        archive.tree(tmp_path, "root/")
    data = output.getvalue()
    assert b"root/folder/script\0" in data
    assert b"000081ED" in data  # S_IFREG | 0755
    assert b"0000A1FF" in data  # S_IFLNK | 0777
