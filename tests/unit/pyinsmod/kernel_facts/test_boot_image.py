from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
import subprocess
from collections.abc import Callable

import pytest

from pyinsmod.errors import UsageError
from pyinsmod.kernel_facts.boot_image import vmlinux_in
from pyinsmod.kernel_facts.lz4 import unpack_legacy
from tests.unit.pyinsmod.kernel_facts.built_kernels import boot_image, vmlinux

SIZE = b"\x10\0\0\0"


def by_program(*command: str) -> Callable[[bytes], bytes]:
    """Return a packer that is a program, which must be installed."""

    def pack(content: bytes) -> bytes:
        if not shutil.which(command[0]):
            pytest.skip(f"apt-get install {command[0]}")
        return subprocess.run(command, input=content, capture_output=True, check=True).stdout

    return pack


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "xz": lambda content: lzma.compress(content, lzma.FORMAT_XZ) + SIZE,
    "xz with the x86 filter": lambda content: lzma.compress(
        content, lzma.FORMAT_XZ, filters=[{"id": lzma.FILTER_X86}, {"id": lzma.FILTER_LZMA2, "preset": 1}]
    ),
    "lzma": lambda content: lzma.compress(content, lzma.FORMAT_ALONE) + SIZE,
    "bzip2": lambda content: bz2.compress(content) + SIZE,
    "zstd": lambda content: by_program("zstd", "-cq")(content) + SIZE,
    "lz4": lambda content: by_program("lz4", "-lc9")(content) + SIZE,
}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 4096,
        b"a text, no kernel\n",
        boot_image(b"\x1f\x8b\x08 damaged"),
        boot_image(gzip.compress(b"no ELF")),
    ],
    ids=["empty", "zeros", "text", "damaged", "another content"],
)
def test_what_is_no_kernel_is_said_in_a_line(content: bytes) -> None:
    with pytest.raises(UsageError, match=r"^no kernel image: [^\n]+$"):
        vmlinux_in(content)


@pytest.mark.parametrize("packing", PACKERS)
@pytest.mark.parametrize("cut", [20, 100])
def test_a_stream_cut_short_is_said_in_a_line_or_gives_no_kernel(packing: str, cut: int) -> None:
    with pytest.raises(UsageError, match=r"^no kernel image: [^\n]+$"):
        vmlinux_in(boot_image(PACKERS[packing](bytes(1000))[:cut]))


def test_a_packing_nobody_unpacks_is_named_by_its_first_bytes() -> None:
    with pytest.raises(UsageError, match="89 4c 5a 4f"):
        vmlinux_in(boot_image(b"\x89LZO" + bytes(64)))


@pytest.mark.parametrize("packing", PACKERS)
def test_the_kernel_in_a_boot_image_is_found(packing: str) -> None:
    kernel = vmlinux(texts=[b"text" * 5000])
    assert vmlinux_in(boot_image(PACKERS[packing](kernel))) == kernel


def test_a_vmlinux_is_its_own_image() -> None:
    kernel = vmlinux()
    assert vmlinux_in(kernel) is kernel


def test_a_kernel_in_an_unknown_wrapping_is_found_by_the_beginning_of_its_stream() -> None:
    kernel = vmlinux()
    chance = b"\x1f\x8b\x08 only looks like one "
    assert vmlinux_in(b"MZ" + bytes(777) + chance + gzip.compress(kernel) + b"tail") == kernel


def test_lz4_agrees_with_its_own_program_over_several_blocks() -> None:
    content = b"".join(number.to_bytes(3, "little") * (number % 40) for number in range(120_000)) + bytes(3 << 20)
    assert unpack_legacy(PACKERS["lz4"](content), 1 << 30) == content


@pytest.mark.parametrize(
    "block",
    [b"\xff", b"\x10", b"\x10a\x01", b"\x10a\x00\x00", b"\x10a\x05\x00", b"\x1fa\x01\x00" + b"\xff" * 40000 + b"\0"],
    ids=["no length", "no literal", "half a distance", "distance 0", "before the beginning", "longer than any block"],
)
def test_a_damaged_lz4_block_is_an_error(block: bytes) -> None:
    with pytest.raises(ValueError, match="damaged"):
        unpack_legacy(b"\x02\x21\x4c\x18" + len(block).to_bytes(4, "little") + block, 1 << 30)
