"""A module's facts, read by our own reader: damaged bytes first, then against pyelftools and modinfo."""

from __future__ import annotations

import contextlib
import gzip
import lzma
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection
from hypothesis import given
from hypothesis import strategies as st

from pyinsmod.errors import MalformedModule
from pyinsmod.module_image import ModuleImage, read_image

BuildModule = Callable[..., bytes]


def everything(image: ModuleImage) -> None:
    """Ask for every fact; a fact that cannot be read may only raise MalformedModule."""
    for fact in [
        "header",
        "section_headers",
        "sections",
        "modinfo",
        "vermagic",
        "struct_name",
        "name",
        "known_name",
        "symbols",
        "undefined_symbols",
        "versions",
        "exports",
        "signed",
    ]:
        with contextlib.suppress(MalformedModule):
            getattr(image, fact)
    with contextlib.suppress(MalformedModule):
        list(image.relocations())


@given(data=st.binary(max_size=300))
def test_any_bytes_give_facts_or_malformed_module(data: bytes) -> None:
    everything(ModuleImage(data))


@given(changes=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=8)), max_size=12))
def test_a_module_with_bytes_changed_gives_facts_or_malformed_module(
    build_module: BuildModule, changes: list[tuple[float, bytes]]
) -> None:
    exports = ("__ksymtab", 1, 2, b"\0" * 12)
    relocations = (".rela.text", 4, 0, struct.pack("<QQq", 1, 2 << 32 | 4, -4))
    data = bytearray(build_module(undefined=["_printk"], weak=["maybe"], extra=[exports, relocations]))
    for place, patch in changes:
        at = int(place * (len(data) - 1))
        data[at : at + len(patch)] = patch
    everything(ModuleImage(bytes(data)))


@given(length=st.floats(0, 1))
def test_a_module_cut_short_anywhere_gives_facts_or_malformed_module(build_module: BuildModule, length: float) -> None:
    data = build_module(undefined=["_printk"])
    everything(ModuleImage(data[: int(length * len(data))]))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "too few for an ELF header"),
        (b"#!/bin/sh\n".ljust(64), "not an ELF file"),
        (b"\x7fELF".ljust(64, b"\0"), "section headers of 0 bytes"),
    ],
)
def test_what_is_no_module_is_said_in_one_line(data: bytes, words: str) -> None:
    with pytest.raises(MalformedModule, match=words) as caught:
        _ = ModuleImage(data).sections
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress])
def test_a_damaged_stream_is_malformed(build_module: BuildModule, pack: Callable[[bytes], bytes]) -> None:
    packed = pack(build_module())
    with pytest.raises(MalformedModule, match="damaged"):
        read_image(packed[: len(packed) // 2])


@pytest.mark.parametrize(("pack", "name"), [(gzip.compress, "gzip"), (lzma.compress, "xz")])
def test_a_packed_module_is_unpacked_and_remembers_how_it_was_packed(
    build_module: BuildModule, pack: Callable[[bytes], bytes], name: str
) -> None:
    image = read_image(pack(build_module()))
    assert (image.compression, image.name) == (name, "hello")


@pytest.mark.skipif(not shutil.which("zstd"), reason="apt install zstd")
def test_zstd_is_unpacked_too_and_damage_is_noticed(build_module: BuildModule) -> None:
    packed = subprocess.run(["zstd", "-c"], input=build_module(), capture_output=True, check=True).stdout
    assert read_image(packed).compression == "zstd"
    with pytest.raises(MalformedModule, match="damaged"):
        read_image(packed[:-8])


def test_the_name_is_the_one_in_struct_module(build_module: BuildModule) -> None:
    image = ModuleImage(build_module(name="hello").replace(b"name=hello\0", b"name=other\0"))
    assert (image.name, image.modinfo["name"]) == ("hello", ("other",))


def test_undefined_symbols_keep_their_order_and_say_whether_they_are_weak(build_module: BuildModule) -> None:
    image = ModuleImage(build_module(undefined=["b", "a"], weak=["c"]))
    assert [(symbol.name, symbol.weak) for symbol in image.undefined_symbols] == [
        ("b", False),
        ("a", False),
        ("c", True),
    ]


def test_a_signature_is_known_by_its_marker(build_module: BuildModule) -> None:
    marker = b"~Module signature appended~\n"
    assert ModuleImage(build_module() + marker).signed
    assert not ModuleImage(build_module() + marker + b"\0").signed


@pytest.fixture(scope="session")
def sample(kernel_tree: Path) -> list[Path]:
    """Every fiftieth of the kernel's own modules, and a few that export much."""
    modules = sorted(kernel_tree.rglob("*.ko*"))
    exporting = [path for path in modules if path.name.partition(".")[0] in ("mii", "ip_tunnel", "libcrc32c")]
    return modules[::50] + exporting


def _opened(path: Path) -> tuple[ModuleImage, Any]:
    import io

    image = read_image(path.read_bytes())
    return image, ELFFile(io.BytesIO(bytes(image.data)))


def test_sections_and_symbols_are_those_of_pyelftools(sample: list[Path]) -> None:
    assert sample
    for path in sample:
        image, oracle = _opened(path)
        assert [
            (
                section.name,
                section.flags,
                section.offset,
                section.size,
                section.link,
                section.info,
                section.entsize,
            )
            for section in image.sections
        ] == [
            (
                each.name,
                *(each[key] for key in ("sh_flags", "sh_offset", "sh_size", "sh_link", "sh_info", "sh_entsize")),
            )
            for each in oracle.iter_sections()
        ]
        symbols = list(oracle.get_section_by_name(".symtab").iter_symbols())
        # pyelftools gives the name of its section to a nameless section symbol
        assert [(symbol.value, symbol.size) for symbol in image.symbols] == [
            (each["st_value"], each["st_size"]) for each in symbols
        ]
        assert [(symbol.name, symbol.weak) for symbol in image.undefined_symbols] == [
            (each.name, each["st_info"]["bind"] == "STB_WEAK")
            for each in symbols[1:]
            if each["st_shndx"] == "SHN_UNDEF"
        ]


def test_relocations_are_those_of_pyelftools(sample: list[Path]) -> None:
    for path in sample[::6]:
        image, oracle = _opened(path)
        assert list(image.relocations()) == [
            (section["sh_info"], each["r_offset"], each["r_info_type"], each["r_info_sym"], each["r_addend"])
            for section in oracle.iter_sections()
            if isinstance(section, RelocationSection)
            for each in section.iter_relocations()
        ]


@pytest.mark.skipif(not shutil.which("modinfo"), reason="apt install kmod")
def test_modinfo_is_that_of_modinfo(sample: list[Path]) -> None:
    for path in sample:
        image = read_image(path.read_bytes())
        for field in ("name", "vermagic", "license", "alias", "depends", "description", "intree"):
            done = subprocess.run(["modinfo", "-0", "-F", field, path], capture_output=True, check=True)
            wanted = tuple(value.decode() for value in done.stdout.split(b"\0")[:-1])
            assert sorted(image.modinfo.get(field, ())) == sorted(wanted), (path, field)


@pytest.mark.skipif(not shutil.which("modprobe"), reason="apt install kmod")
def test_versions_are_those_of_modprobe(sample: list[Path]) -> None:
    for path in sample:
        image = read_image(path.read_bytes())
        done = subprocess.run(["modprobe", "--dump-modversions", path], capture_output=True, check=True, text=True)
        wanted = {name: int(crc, 16) for crc, name in (line.split() for line in done.stdout.splitlines())}
        assert dict(image.versions) == wanted, path


@pytest.mark.parametrize(
    ("module", "symbol", "gpl", "namespace"),
    [
        ("vsock", "vsock_bind_table", True, None),
        ("nf_nat", "nf_nat_setup_info", False, None),
        ("mana", "mana_gd_send_request", False, "NET_MANA"),
        ("processor_thermal_mbox", "processor_thermal_send_mbox_read_cmd", True, "INT340X_THERMAL"),
    ],
)
def test_exports_say_who_may_use_them(
    kernel_tree: Path, module: str, symbol: str, gpl: bool, namespace: str | None
) -> None:
    """Expected values: EXPORT_SYMBOL_* lines of Linux 6.1's sources."""
    paths = list(kernel_tree.rglob(f"{module}.ko*"))
    if not paths:
        pytest.skip(f"this kernel package has no {module}")
    exports = {export.name: export for export in read_image(paths[0].read_bytes()).exports}
    assert exports[symbol] == (symbol, gpl, namespace)
