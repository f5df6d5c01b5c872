"""Unpacking in user space: no further than the kernel would accept, and streams as the programs make them."""

from __future__ import annotations

import gzip
import lzma
import shutil
import subprocess
from collections.abc import Callable

import pytest

from pyinsmod import compression
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
