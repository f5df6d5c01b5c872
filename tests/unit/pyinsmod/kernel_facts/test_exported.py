"""What a running kernel exports, read from a memory that is laid out as a kernel's is: tables, strings, symbols."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

import pytest

from pyinsmod.kernel_facts import Fact, KernelExport, KernelPaths, running_kernel
from tests.unit.pyinsmod.kernel_facts.built_symbols import SHAPES, Symbol, table

BASE = 0xFFFFFFFF82000000
RELEASE = "6.1.0-50-cloud-amd64"
# Type information of one struct, which has one member.
STRUCT_MODULE = struct.pack("<HBBIIIII6I", 0xEB9F, 1, 0, 24, 0, 24, 24, 8, 1, 4 << 24 | 1, 896, 0, 0, 0) + b"\0module\0"
PLAIN, GPL, OF_MODULE = ("_printk", "kmalloc", "module_layout"), ("device_add", "klist_next"), ("mii_check", "mii_ok")


class Memory:
    """A piece of kernel memory that grows, and the /proc/kallsyms that goes with it."""

    def __init__(self) -> None:
        self.content = b""
        self.symbols: list[tuple[int, str, str]] = []

    @property
    def here(self) -> int:
        return BASE + len(self.content)

    def symbol(self, name: str, module: str = "") -> None:
        self.symbols.append((self.here, name, module))

    def put(self, content: bytes) -> int:
        address = self.here
        self.content += content
        return address

    def table(self, names: tuple[str, ...], strings: Mapping[str, int], module: str = "") -> int:
        start = self.here
        for name in names:
            self.symbol(f"__ksymtab_{name}", module)
            space = strings["NS"] - (self.here + 8) if name == "klist_next" else 0
            self.put(struct.pack("<3i", 0, strings[name] - (self.here + 4), space))
        return start

    def kallsyms(self, *, hidden: bool = False) -> str:
        vmlinux = [entry for entry in self.symbols if not entry[2]]
        others = [entry for entry in self.symbols if entry[2]]
        return "".join(
            f"{0 if hidden else address:016x} r {name}" + (f"\t[{module}]\n" if module else "\n")
            for address, name, module in (*vmlinux, *others)
        )

    def core(self) -> bytes:
        size = len(self.content)
        header = struct.pack(
            "<16sHHIQQQIHHHHHH", b"\x7fELF".ljust(16, b"\0"), 4, 62, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0
        )
        return header + struct.pack("<IIQQQQQQ", 1, 4, 120, BASE, 0, size, size, 4096) + self.content


def a_kernel() -> tuple[Memory, dict[str, int]]:
    """Return memory as 6.1 has it, and where the tables of module `mii` begin."""
    memory = Memory()
    memory.symbol("__start_rodata")
    memory.put(b"\0Unknown symbol %s (err %d)\0has an invalid section index\0")
    memory.symbol("vermagic")
    memory.put(f"{RELEASE} SMP preempt mod_unload modversions \0".encode())
    strings = {name: memory.put(name.encode() + b"\0") for name in (*PLAIN, *GPL, *OF_MODULE, "NS")}
    memory.put(b"\0" * 1024)
    for suffix, names in (("", PLAIN), ("_gpl", GPL)):
        memory.symbol(f"__start___ksymtab{suffix}")
        memory.table(names, strings)
        memory.symbol(f"__stop___ksymtab{suffix}")
    for suffix, names in (("", PLAIN), ("_gpl", GPL)):
        memory.symbol(f"__start___kcrctab{suffix}")
        memory.put(struct.pack(f"<{len(names)}I", *(1000 + names.index(name) for name in names)))
        memory.symbol(f"__stop___kcrctab{suffix}")
    memory.symbol("__start_BTF")
    memory.put(STRUCT_MODULE)
    memory.symbol("__stop_BTF")
    memory.symbol("__end_rodata")
    sections = {"__ksymtab_gpl": memory.table(OF_MODULE, strings, "mii"), "__kcrctab_gpl": memory.here}
    memory.put(struct.pack("<2I", 77, 78) + b"\0" * 600)
    return memory, sections


@pytest.fixture
def machine(system: KernelPaths) -> KernelPaths:
    memory, sections = a_kernel()
    Path(system.kallsyms).write_text(memory.kallsyms())
    Path(system.kcore).write_bytes(memory.core())
    folder = Path(system.sys_module, "mii/sections")
    folder.mkdir()
    for name, address in sections.items():
        (folder / name).write_text(f"{address:#018x}\n")
    return system


def facts_of(paths: KernelPaths) -> Mapping[str, KernelExport]:
    exports = running_kernel(paths).exports.value
    assert exports is not None
    return exports


def test_everything_is_read_from_memory(machine: KernelPaths) -> None:
    facts = running_kernel(machine)
    assert dict(facts.exports.value or {}) == {
        "_printk": KernelExport("vmlinux", 1000, False, ""),
        "kmalloc": KernelExport("vmlinux", 1001, False, ""),
        "module_layout": KernelExport("vmlinux", 1002, False, ""),
        "device_add": KernelExport("vmlinux", 1000, True, ""),
        "klist_next": KernelExport("vmlinux", 1001, True, "NS"),
        "mii_check": KernelExport("mii", 77, True, ""),
        "mii_ok": KernelExport("mii", 78, True, ""),
    }
    assert "/proc/kcore" in facts.exports.source
    assert facts.vermagic.value == f"{RELEASE} SMP preempt mod_unload modversions "
    assert facts.struct_module_size == Fact(896, "struct module in the running kernel's memory (/proc/kcore)")
    assert facts.has("symbol-sections-tested") is True
    assert facts.has("extended-versions") is False
    assert "/proc/kcore" in facts.features.source


def test_hidden_addresses_are_those_of_the_symbol_table(machine: KernelPaths) -> None:
    """Then the list is read for what modules export only, and that by name."""
    memory, _ = a_kernel()
    symbols = [Symbol(address, "r", name) for address, name, module in memory.symbols if not module]
    made = [*symbols, *(Symbol(memory.here + 8 * number, "d", f"more_{number}") for number in range(1000))]
    memory.put(b"\0" * (-len(memory.content) % 8))
    memory.put(table(made, SHAPES["6.12"], memory.here) + b"\0" * 600)
    Path(machine.kallsyms).write_text(memory.kallsyms(hidden=True))
    Path(machine.kcore).write_bytes(memory.core())
    Path(machine.iomem).write_text(f"00000000-{len(memory.content) - 1:08x} : Kernel rodata\n")
    exports = facts_of(machine)
    assert exports["klist_next"] == KernelExport("vmlinux", 1001, True, "NS")
    assert exports["kmalloc"] == KernelExport("vmlinux", 1001, False, "")
    assert exports["mii_check"].owner == "mii"
    assert running_kernel(machine).vermagic.value == f"{RELEASE} SMP preempt mod_unload modversions "


def test_hidden_addresses_leave_names_and_their_order(machine: KernelPaths) -> None:
    """The second run of sorted names is that of GPL-only symbols (3.2 of the loader's facts; 5.10 to 6.12)."""
    memory, _ = a_kernel()
    Path(machine.kallsyms).write_text(memory.kallsyms(hidden=True))
    exports = facts_of(machine)
    assert {name for name, export in exports.items() if export.gpl} == set(GPL)
    assert {name for name, export in exports.items() if export.gpl is False} == set(PLAIN)
    assert {name for name, export in exports.items() if export.owner == "mii"} == set(OF_MODULE)
    assert all(export.crc is None and export.namespace is None for export in exports.values())
    facts = running_kernel(machine)
    assert "names only" in facts.exports.source
    assert facts.has("symbol-sections-tested") is None


def test_closed_memory_leaves_names_and_says_so(machine: KernelPaths) -> None:
    Path(machine.kcore).unlink()
    facts = running_kernel(machine)
    assert "names only" in facts.exports.source
    assert "kcore: No such file" in facts.exports.source


def test_tables_of_another_layout_are_not_believed(machine: KernelPaths) -> None:
    """Where CONFIG_HAVE_ARCH_PREL32_RELOCATIONS is off, entries are three pointers."""
    memory, _ = a_kernel()
    memory.content = memory.content.replace(memory.content[-200:], b"\x01" * 200)
    start = next(address for address, name, _ in memory.symbols if name == "__start___ksymtab") - BASE
    memory.content = memory.content[:start] + b"\x01" * 60 + memory.content[start + 60 :]
    Path(machine.kcore).write_bytes(memory.core())
    assert "names only" in running_kernel(machine).exports.source


def test_a_kernel_without_symbol_versions_has_no_crcs(machine: KernelPaths) -> None:
    """`__start___kcrctab` equals `__stop___kcrctab` there, and what follows is something else."""
    memory, _ = a_kernel()
    starts = {name: address for address, name, _ in memory.symbols}
    memory.symbols = [
        (starts[name.replace("__stop___kcrc", "__start___kcrc")], name, module) for _, name, module in memory.symbols
    ]
    Path(machine.kallsyms).write_text(memory.kallsyms())
    exports = facts_of(machine)
    assert exports["kmalloc"] == KernelExport("vmlinux", None, False, "")


def test_modules_that_hide_their_sections_export_names(machine: KernelPaths) -> None:
    for file in Path(machine.sys_module, "mii/sections").iterdir():
        file.write_text("0x0000000000000000\n")
    assert facts_of(machine)["mii_check"] == KernelExport("mii")
    assert facts_of(machine)["kmalloc"].crc == 1001


def test_headers_are_asked_when_memory_is_closed(machine: KernelPaths) -> None:
    Path(machine.kcore).unlink()
    folder = Path(machine.module_tree(RELEASE), "build")
    folder.mkdir()
    (folder / "Module.symvers").write_text("0x0000002a\tkmalloc\tvmlinux\tEXPORT_SYMBOL\t\n")
    exports = facts_of(machine)
    assert exports["kmalloc"] == KernelExport("vmlinux", 42, False, "")
    assert exports["mii_check"].owner == "mii"


def test_a_boot_image_counts_when_it_is_proven_to_be_the_running_one(
    machine: KernelPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The banner in the image is /proc/version, letter by letter; release and place of the file prove nothing."""
    from pyinsmod.kernel_facts import boot_image, vmlinux

    banner = b"Linux version 6.1.0-50-cloud-amd64 (builder@example) (gcc 12) #1 SMP 2026\n"
    content = b"\x7fELF" + banner
    known = {"exports": {"kmalloc": KernelExport("vmlinux", 42, True, "")}, "reasons": {}}
    of_image = vmlinux.VmlinuxFacts(**{**dict.fromkeys(vmlinux.VmlinuxFacts._fields), **known})  # type: ignore[arg-type]
    monkeypatch.setattr(boot_image, "vmlinux_in", lambda raw: raw)
    monkeypatch.setattr(vmlinux, "facts_in_vmlinux", lambda _: of_image)
    Path(machine.kcore).unlink()
    Path(machine.root, "boot", f"vmlinuz-{RELEASE}").write_bytes(content)
    Path(machine.proc, "version").write_bytes(banner.replace(b"#1", b"#2"))
    assert "another banner" in running_kernel(machine).exports.source
    Path(machine.proc, "version").write_bytes(banner)
    exports = running_kernel(machine).exports
    assert (exports.value or {})["kmalloc"].crc == 42
    assert (exports.value or {})["mii_check"] == KernelExport("mii")
    assert "vmlinuz-" in exports.source
