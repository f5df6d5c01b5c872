"""Files made to hurt whoever reads them: any bytes give an answer, in linear time and little memory."""

from __future__ import annotations

import struct
import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.judge import judge

BuildModule = Callable[..., bytes]
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

SYMBOL = struct.Struct("<IBBHQQ")
RELA = struct.Struct("<QQq")
MANY = 100_000
LONG = 1 << 20
# Reading a file may cost its own size and records of what stands in it, not a multiple for every check.
MEMORY_FACTOR = 60


@UNHURRIED
@given(st.binary(max_size=4096))
def test_any_bytes_give_an_answer(content: bytes) -> None:
    assert judge(content)


@UNHURRIED
@given(st.binary(max_size=512), st.sampled_from([b"\x1f\x8b", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd"]))
def test_any_compressed_stream_gives_an_answer(content: bytes, magic: bytes) -> None:
    assert judge(magic + content)


@settings(UNHURRIED, max_examples=400)
@given(
    st.lists(
        st.tuples(st.integers(0, 1 << 16), st.sampled_from([1, 2, 4, 8]), st.integers(0, (1 << 64) - 1)),
        min_size=1,
        max_size=6,
    ),
    st.integers(0, 64),
)
def test_a_module_with_values_overwritten_gives_an_answer(
    build_module: BuildModule, changes: list[tuple[int, int, int]], cut: int
) -> None:
    data = bytearray(build_module(undefined=("_printk", "nowhere"), weak=("maybe",)))
    for place, width, value in changes:
        at = place % (len(data) - width)
        data[at : at + width] = (value % (1 << 8 * width)).to_bytes(width, "little")
    assert judge(bytes(data[: len(data) - cut]))


def test_a_hundred_thousand_symbols_may_share_one_long_name(build_module: BuildModule) -> None:
    """Quadratic work would be a hundred gigabytes here: the time limit of all tests would end it."""
    names = b"\0" + b"n" * LONG + b"\0"
    table = b"\0" * SYMBOL.size + b"".join(SYMBOL.pack(1 + at, 1 << 4, 0, 0, 0, 0) for at in range(MANY))
    module = with_symbols(build_module, table, names)
    assert len(judge(module)) > 1


def test_names_without_an_end_are_not_read_to_the_end_again_and_again(build_module: BuildModule) -> None:
    names = b"\0" + b"n" * LONG
    table = b"\0" * SYMBOL.size + b"".join(SYMBOL.pack(1 + at, 1 << 4, 0, 0, 0, 0) for at in range(MANY))
    assert judge(with_symbols(build_module, table, names))


def test_a_long_text_in_modinfo_is_cut_where_it_is_shown(build_module: BuildModule) -> None:
    lines = judge(build_module(vermagic="v" * LONG))
    assert all(len(line) < LONG // 10 for line in lines)


def test_thousands_of_sections_are_no_matter(build_module: BuildModule) -> None:
    extra = [(f".text.{number}", 1, 6, b"\x90") for number in range(20_000)]
    assert judge(build_module(extra=extra))


def test_relocations_by_the_hundred_thousand(build_module: BuildModule) -> None:
    entries = b"".join(RELA.pack(at, (1 << 32) | 1, 0) for at in range(MANY))
    module = build_module(extra=[(".text", 1, 6, b"\0" * 64), (".rela.text", 4, 0x40, entries)])
    assert judge(module)


@pytest.mark.parametrize("make", ["symbols", "modinfo", "versions"])
def test_memory_stays_a_small_multiple_of_the_file(build_module: BuildModule, make: str) -> None:
    module = {
        "symbols": lambda: with_symbols(
            build_module,
            b"".join(SYMBOL.pack(1 + at % 64, 1 << 4, 0, 0, 0, 0) for at in range(MANY)),
            b"\0" + b"n" * 80 + b"\0",
        ),
        "modinfo": lambda: build_module(extra=[(".modinfo", 1, 2, b"k=v\0" * MANY)]),
        "versions": lambda: build_module(versions={f"symbol_{number}": number for number in range(MANY // 20)}),
    }[make]()
    tracemalloc.start()
    try:
        judge(module)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MEMORY_FACTOR * len(module)


def with_symbols(build_module: BuildModule, table: bytes, names: bytes) -> bytes:
    """Return a module whose symbol table and string table are these."""
    module = bytearray(build_module())
    (shoff,) = struct.unpack_from("<Q", module, 40)
    (count,) = struct.unpack_from("<H", module, 60)
    for content, kind, skip in ((table, 2, 0), (names, 3, 1)):
        at = next(
            shoff + number * 64
            for number in range(count)
            if struct.unpack_from("<I", module, shoff + number * 64 + 4)[0] == kind
            and (skip == 0 or number != count - 1)
        )
        struct.pack_into("<QQ", module, at + 24, len(module), len(content))
        module += content
    return bytes(module)
