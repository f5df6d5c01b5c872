"""Compressed files that are given to the kernel as they are.

Expected answers are those Debian's 6.12 and 7.2 gave to the same streams (both are built with XZ_DEC_X86).
"""

from __future__ import annotations

import gzip
import lzma
import struct
import zlib
from collections.abc import Callable

import pytest

from pyinsmod.checks.compression import check_compression
from pyinsmod.finding import Finding
from pyinsmod.kernel_facts import Fact, KernelFacts, unknown
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage, read_image

BuildModule = Callable[..., bytes]
MakeFacts = Callable[..., KernelFacts]

MODULE = bytes(range(256)) * 40
LZMA2 = {"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": 1 << 20}
FULL_CONFIG = {"XZ_DEC_X86": "y"}


def xz(*filters: dict[str, int], check: int = lzma.CHECK_CRC32) -> bytes:
    return lzma.compress(MODULE, format=lzma.FORMAT_XZ, check=check, filters=[*filters, LZMA2])


def with_dictionary(code: int) -> bytes:
    """Return a stream whose header asks for a dictionary of that size, in the format's code."""
    stream = bytearray(xz())
    end = 12 + (stream[12] + 1) * 4 - 4
    stream[stream.index(b"\x21\x01", 12) + 2] = code
    stream[end : end + 4] = struct.pack("<I", zlib.crc32(stream[12:end]))
    return bytes(stream)


def found(image: ModuleImage, facts: KernelFacts) -> list[Finding]:
    return list(check_compression(image, facts, LoadRequest(compressed=True)))


@pytest.fixture
def xz_kernel(make_facts: MakeFacts) -> KernelFacts:
    return make_facts(compression=Fact("xz", "test"), config=Fact(FULL_CONFIG, "test"))


@pytest.mark.parametrize(
    "stream",
    [
        xz(),
        xz(check=lzma.CHECK_NONE),
        xz({"id": lzma.FILTER_X86}),
        lzma.compress(MODULE, check=lzma.CHECK_CRC32, preset=9),  # 64 MiB of dictionary
        xz() + bytes(8),
    ],
)
def test_what_the_kernel_unpacks(stream: bytes, xz_kernel: KernelFacts) -> None:
    assert not found(read_image(stream), xz_kernel)


@pytest.mark.parametrize(
    ("stream", "words"),
    [
        (lzma.compress(MODULE), "checked by CRC64"),  # what xz does unless told otherwise
        (xz(check=lzma.CHECK_SHA256), "checked by SHA-256"),
        (xz({"id": lzma.FILTER_ARM}), "filter arm"),
        (xz({"id": lzma.FILTER_SPARC}), "filter sparc"),
        (xz({"id": lzma.FILTER_DELTA, "dist": 4}), "filter delta"),
        (xz({"id": lzma.FILTER_X86, "start_offset": 16}), "filter x86 with a start offset"),
        (xz({"id": lzma.FILTER_DELTA, "dist": 1}, {"id": lzma.FILTER_X86}), "2 filters"),
    ],
)
def test_what_the_kernel_cannot_unpack_is_einval_with_status_6(
    stream: bytes, words: str, xz_kernel: KernelFacts
) -> None:
    (finding,) = found(read_image(stream), xz_kernel)
    assert (finding.severity, finding.errno, finding.step) == ("refuses", "EINVAL", 5)
    assert words in finding.summary
    assert finding.log == "decompression failed with status 6"


@pytest.mark.parametrize(("code", "severity"), [(29, None), (33, "cannot-tell"), (39, "cannot-tell"), (40, "refuses")])
def test_a_big_dictionary_takes_memory_that_may_be_lacking(
    code: int, severity: str | None, xz_kernel: KernelFacts
) -> None:
    """In machines of 600 MiB the kernels unpacked 768 MiB (33) and not 3 GiB (39); 4 GiB (40) is never asked for."""
    image = ModuleImage(MODULE, "xz", with_dictionary(code))
    assert [finding.severity for finding in found(image, xz_kernel)] == ([severity] if severity else [])


def test_a_filter_is_undecided_where_the_configuration_is_unknown(make_facts: MakeFacts) -> None:
    facts = make_facts(compression=Fact("xz", "test"), config=unknown("test"))
    (finding,) = found(read_image(xz({"id": lzma.FILTER_X86})), facts)
    assert (finding.severity, finding.errno) == ("cannot-tell", "EINVAL")


def test_the_kernel_unpacks_the_first_stream_only(xz_kernel: KernelFacts) -> None:
    """7.2 found the module cut short: ENOEXEC."""
    (finding,) = found(read_image(xz() + bytes(4) + xz()), xz_kernel)
    assert (finding.severity, finding.errno) == ("cannot-tell", "ENOEXEC")


@pytest.mark.parametrize(
    ("flag_known", "errno"),
    [(Fact({"compressed-flag": False}, "test"), "EINVAL"), (Fact({"compressed-flag": True}, "test"), "EOPNOTSUPP"),
     (unknown("test"), None)],
)  # fmt: skip
def test_a_kernel_that_unpacks_nothing(make_facts: MakeFacts, flag_known: Fact[dict[str, bool]], errno: str) -> None:
    """5.10 does not know the flag, 6.1 does and can do nothing with it."""
    (finding,) = found(read_image(xz()), make_facts(features=flag_known))
    assert (finding.severity, finding.errno) == ("refuses", errno)


def test_another_format_is_einval_with_a_line(xz_kernel: KernelFacts) -> None:
    (finding,) = found(read_image(gzip.compress(MODULE)), xz_kernel)
    assert (finding.errno, finding.log) == ("EINVAL", "not an xz compressed module")


def test_a_file_that_is_unpacked_in_user_space_is_not_looked_at(xz_kernel: KernelFacts) -> None:
    image = read_image(lzma.compress(MODULE))
    assert not list(check_compression(image, xz_kernel, LoadRequest(compressed=False)))


# --- formats none of the kernels at hand unpacks: the source says so


def gzip_with(flags: int, part: bytes) -> bytes:
    stream = gzip.compress(MODULE, mtime=0)
    return stream[:3] + bytes([flags]) + stream[4:10] + part + stream[10:]


@pytest.mark.parametrize(
    ("flags", "part", "words"),
    [
        (0x08, b"hello.ko\0", None),
        (0x04, b"\x02\x00xx", "extra fields"),
        (0x10, b"comment\0", "a comment"),
        (0x02, b"\0\0", "a header checksum"),
    ],
)
def test_parts_of_a_gzip_header(make_facts: MakeFacts, flags: int, part: bytes, words: str | None) -> None:
    facts = make_facts(compression=Fact("gzip", "test"))
    findings = found(ModuleImage(MODULE, "gzip", gzip_with(flags, part)), facts)
    assert [words in finding.summary for finding in findings if words] == ([True] if words else [])
    assert len(findings) == bool(words)


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (b"\x00\x88", None),  # 128 MiB
        (b"\x00\x90", "256 MiB"),
        (b"\x01\x50\x07", "dictionary"),
        (b"\x20\x07", None),  # one segment: the window is the content
    ],
)
def test_zstd_windows_and_dictionaries(make_facts: MakeFacts, header: bytes, words: str | None) -> None:
    facts = make_facts(compression=Fact("zstd", "test"))
    findings = found(ModuleImage(MODULE, "zstd", b"\x28\xb5\x2f\xfd" + header + bytes(16)), facts)
    assert [words in finding.summary for finding in findings if words] == ([True] if words else [])
    assert len(findings) == bool(words)
