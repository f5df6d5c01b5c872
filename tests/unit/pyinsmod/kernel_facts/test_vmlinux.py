from __future__ import annotations

import gzip
import struct
from contextlib import suppress

import pytest

from pyinsmod.errors import UsageError
from pyinsmod.kernel_facts import KernelExport
from pyinsmod.kernel_facts.features import FEATURES
from pyinsmod.kernel_facts.vmlinux import facts_in_vmlinux
from tests.unit.pyinsmod.kernel_facts.built_kernels import (
    BASE,
    NOBITS,
    RELEASE,
    VERMAGIC,
    SectionToBuild,
    Symbol,
    built_tables,
    elf_file,
    parameters,
    read_only_data,
    vmlinux,
)

PARAM_AT, STRINGS_AT, DATA_AT, BSS_AT = BASE + 0x20000, BASE + 0x21000, BASE + 0x22000, BASE + 0x23000


def with_parameters(*named: tuple[str, int, int], data: bytes = b"\0" * 16) -> bytes:
    """Return a kernel with these parameters, with 16 bytes of .data and of .bss to stand in."""
    table, strings = parameters(*named, address=STRINGS_AT)
    return vmlinux(
        SectionToBuild("__param", PARAM_AT, table),
        SectionToBuild(".rodata1", STRINGS_AT, strings),
        SectionToBuild(".data", DATA_AT, data),
        SectionToBuild(".bss", BSS_AT, bytes(16), NOBITS),
    )


# --- what is no kernel


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x7fELF",
        vmlinux()[:-1],
        elf_file([]),
        elf_file([SectionToBuild(".rodata", BASE, b"a program's data\0")]),
        elf_file([SectionToBuild(".rodata", BASE, read_only_data())], machine=99),
        elf_file([SectionToBuild(".rodata", BASE, read_only_data())], ident=b"\x7fELF\x01\x01\x01"),
    ],
    ids=["empty", "4 bytes", "cut short", "no sections", "no banner", "machine 99", "32 bits"],
)
def test_what_is_no_kernel_is_said_in_a_line(content: bytes) -> None:
    with pytest.raises(UsageError, match=r"^no kernel [^\n]+$"):
        facts_in_vmlinux(content)


def test_any_bytes_changed_give_facts_or_a_usage_error() -> None:
    whole = with_parameters(("module.sig_enforce", 0o644, BSS_AT))
    for at in range(0, len(whole), 7):
        damaged = whole[:at] + b"\xff\xff\xff\xff" + whole[at + 4 :]
        with suppress(UsageError):
            facts_in_vmlinux(damaged)


# --- a small kernel


def test_identity_is_read_from_its_texts() -> None:
    facts = facts_in_vmlinux(vmlinux())
    assert (facts.machine, facts.release, facts.vermagic) == (62, RELEASE, VERMAGIC)


@pytest.mark.parametrize("more", [f"{RELEASE} SMP mod_unload ".encode(), f"{RELEASE} preempt".encode()])
def test_two_version_magics_are_none(more: bytes) -> None:
    facts = facts_in_vmlinux(vmlinux(texts=[more]))
    assert facts.vermagic is None
    assert "more than one" in facts.reasons["vermagic"]


def test_the_same_version_magic_twice_is_one() -> None:
    assert facts_in_vmlinux(vmlinux(texts=[VERMAGIC.encode()])).vermagic == VERMAGIC


def test_exports_have_crc_and_namespace() -> None:
    facts = facts_in_vmlinux(vmlinux(symbols=[Symbol("kfree", 7), Symbol("kmalloc", 0x99, "SLAB")]))
    assert facts.exports is not None
    assert dict(facts.exports) == {
        "kfree": KernelExport("vmlinux", 7, gpl=False, namespace=""),
        "kmalloc": KernelExport("vmlinux", 0x99, gpl=False, namespace="SLAB"),
    }


def test_a_second_table_is_gpl_only_before_7_0() -> None:
    first = built_tables([Symbol("any", 3)])
    second = built_tables([Symbol("only", 4)], BASE + 0x100, first.strings_at + len(first.strings))
    sections = [
        SectionToBuild(".rodata", BASE + 0x100000, read_only_data()),
        SectionToBuild("__ksymtab", first.address, first.entries),
        SectionToBuild("__ksymtab_gpl", second.address, second.entries),
        SectionToBuild("__kcrctab_gpl", BASE + 0x200, second.crcs),
        SectionToBuild("__ksymtab_strings", first.strings_at, first.strings + second.strings),
    ]
    assert dict(facts_in_vmlinux(elf_file(sections)).exports or {}) == {
        "any": KernelExport("vmlinux", None, gpl=False, namespace=""),
        "only": KernelExport("vmlinux", 4, gpl=True, namespace=""),
    }


def test_flags_tell_gpl_only_since_7_0() -> None:
    exports = facts_in_vmlinux(vmlinux(SectionToBuild("__kflagstab", BASE + 0x30000, b"\0\1"))).exports
    assert exports is not None
    assert [exports[name].gpl for name in ("kmalloc", "module_layout")] == [False, True]


def test_no_export_table_is_a_reason_not_an_error() -> None:
    facts = facts_in_vmlinux(elf_file([SectionToBuild(".rodata", BASE, read_only_data())]))
    assert facts.exports is None
    assert "__ksymtab" in facts.reasons["exports"]


def test_names_outside_the_file_are_a_reason_not_an_error() -> None:
    tables = built_tables([Symbol("kfree")])
    sections = [
        SectionToBuild(".rodata", BASE + 0x100000, read_only_data()),
        SectionToBuild("__ksymtab", tables.address, tables.entries),
    ]
    facts = facts_in_vmlinux(elf_file(sections))
    assert facts.exports is None
    assert "cannot be read" in facts.reasons["exports"]


def test_features_show_by_sentences_and_names() -> None:
    assert facts_in_vmlinux(vmlinux(texts=[b"%s: no flags for exported symbols"])).features == {
        **dict.fromkeys((name for name, evidence in FEATURES.items() if evidence.messages or evidence.exports), False),
        "export-flags": True,
    }


def test_without_any_sentence_of_a_loader_nothing_is_known_of_it() -> None:
    banner = read_only_data().replace(b"Unknown symbol", b"Another word")
    facts = facts_in_vmlinux(elf_file([SectionToBuild(".rodata", BASE, banner)]))
    assert facts.features is None
    assert facts.compression is None


def test_directories_of_sys_module_are_those_with_a_parameter_that_shows() -> None:
    facts = facts_in_vmlinux(
        with_parameters(("printk.time", 0o644, 0), ("debug", 0o400, 0), ("ghes.disable", 0, 0), ("a.b.c", 0o444, 0))
    )
    assert facts.sysfs_modules == frozenset({"printk", "kernel", "a.b"})


@pytest.mark.parametrize("pointers", [True, False], ids=["5.10", "5.11"])
def test_directories_of_sys_module_are_also_those_with_a_version(pointers: bool) -> None:
    structure = bytes(56) + struct.pack("<QQ", STRINGS_AT, STRINGS_AT + 5)
    table = struct.pack("<Q", DATA_AT) if pointers else structure
    kernel = vmlinux(
        SectionToBuild("__modver", PARAM_AT, table),
        SectionToBuild(".data", DATA_AT, structure),
        SectionToBuild(".rodata1", STRINGS_AT, b"nvme\x001.0\0"),
    )
    assert facts_in_vmlinux(kernel).sysfs_modules == frozenset({"nvme"})


@pytest.mark.parametrize(
    ("place", "enforced"), [(BSS_AT, False), (DATA_AT, False), (DATA_AT + 1, True)], ids=["bss", "0", "1"]
)
def test_sig_enforce_is_what_its_parameter_begins_with(place: int, enforced: bool) -> None:
    kernel = with_parameters(("module.sig_enforce", 0o644, place), data=b"\0\1")
    assert facts_in_vmlinux(kernel).sig_enforce is enforced


def test_without_that_parameter_signatures_are_not_enforced() -> None:
    assert facts_in_vmlinux(with_parameters(("printk.time", 0o644, 0))).sig_enforce is False


@pytest.mark.parametrize(
    ("texts", "unpacked"),
    [
        ([b"xz\n"], ""),
        ([b"decompression failed with status", b"xz\n"], "xz"),
        ([b"decompression failed with status", b"zstd\n"], "zstd"),
        ([b"decompression failed with status", b"zstd\n", b"gzip\n"], None),
        ([b"decompression failed with status"], None),
    ],
)
def test_the_format_the_kernel_unpacks_shows_by_what_it_says_in_sys_module(
    texts: list[bytes], unpacked: str | None
) -> None:
    assert facts_in_vmlinux(vmlinux(texts=texts)).compression == unpacked


@pytest.mark.parametrize(("texts", "lockdown"), [([], "none"), ([b"Kernel configuration"], None)])
def test_a_kernel_built_to_lock_itself_down_has_a_reason_to_give(texts: list[bytes], lockdown: str | None) -> None:
    assert facts_in_vmlinux(vmlinux(texts=texts)).lockdown == lockdown


@pytest.mark.parametrize("packed", [b"\x1f\x8b\x08damaged", b"", gzip.compress(b"CONFIG_MODULES=y\n# x\n")])
def test_a_configuration_that_was_built_in_is_read(packed: bytes) -> None:
    facts = facts_in_vmlinux(vmlinux(texts=[b"IKCFG_ST" + packed + b"IKCFG_ED"]))
    assert facts.config == ({"MODULES": "y"} if len(packed) > 20 else None)
