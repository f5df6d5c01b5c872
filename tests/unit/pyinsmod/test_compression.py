"""Unpacking in user space: no further than the kernel would accept, and streams as the programs make them."""

from __future__ import annotations

import gzip
import lzma
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pyinsmod import compression, zstd_library
from pyinsmod.errors import MalformedModule


def by_zstd(content: bytes) -> bytes:
    return subprocess.run(["zstd", "-cq"], input=content, capture_output=True, check=True).stdout


PACKERS = [
    (gzip.compress, "gzip"),
    (lzma.compress, "xz"),
    pytest.param(
        by_zstd, "zstd", marks=pytest.mark.skipif(not shutil.which("zstd"), reason="run: apt-get install zstd")
    ),
]


@pytest.mark.parametrize(("pack", "name"), PACKERS)
def test_a_small_file_that_unpacks_to_a_big_one_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, pack: Callable[[bytes], bytes], name: str
) -> None:
    monkeypatch.setattr(compression, "LARGEST", 1 << 20)
    bomb = pack(bytes(4 << 20))
    with pytest.raises(MalformedModule, match=f"unpacks from {len(bomb)} bytes to more than {1 << 20}"):
        compression.decompress(bomb, name)
    assert compression.decompress(pack(bytes(1 << 20)), name) == bytes(1 << 20)


@pytest.mark.parametrize(("pack", "name"), PACKERS)
def test_several_streams_are_one_file(pack: Callable[[bytes], bytes], name: str) -> None:
    assert compression.decompress(pack(b"one") + pack(b"two"), name) == b"onetwo"


@pytest.mark.parametrize(("pack", "name"), PACKERS)
@pytest.mark.parametrize("size", [7, 12, -1])
def test_a_stream_that_is_cut_off_is_damaged(pack: Callable[[bytes], bytes], name: str, size: int) -> None:
    with pytest.raises(MalformedModule, match=f"{name}-compressed, and the stream is damaged"):
        compression.decompress(pack(b"content")[:size], name)


def test_zero_bytes_may_follow_an_xz_stream() -> None:
    """`xz -dc` accepts them, in fours (The .xz File Format, 2.2)."""
    assert compression.decompress(lzma.compress(b"content") + bytes(8), "xz") == b"content"


@pytest.mark.skipif(not shutil.which("zstd"), reason="run: apt-get install zstd")
@pytest.mark.parametrize("with_library", [True, False])
def test_zstd_by_its_library_and_by_its_program(monkeypatch: pytest.MonkeyPatch, *, with_library: bool) -> None:
    if not with_library:
        monkeypatch.setattr("pyinsmod.zstd_library._library", lambda: None)
    content = bytes(range(256)) * 5000
    from_file = compression.decompress(by_zstd(content), "zstd")  # of a pipe: the frame does not say its size
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        command = ["zstd", "-cq", file.name]
        says_its_size = subprocess.run(command, capture_output=True, check=True).stdout
    assert from_file == compression.decompress(says_its_size, "zstd") == content
    with pytest.raises(MalformedModule, match="zstd-compressed, and the stream is damaged"):
        compression.decompress(says_its_size[:-9] + b"123456789", "zstd")


@pytest.mark.skipif(not shutil.which("zstd"), reason="run: apt-get install zstd")
def test_a_file_of_zstd_takes_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if zstd_library._library() is None:
        pytest.skip("apt-get install libzstd1")
    (tmp_path / "m.ko").write_bytes(b"content" * 1000)
    subprocess.run(["zstd", "-q", "--rm", tmp_path / "m.ko"], check=True)
    monkeypatch.setattr(subprocess, "Popen", None)
    assert compression.decompress((tmp_path / "m.ko.zst").read_bytes(), "zstd") == b"content" * 1000
