"""Modules built byte by byte, and a captured system tree, for the library's tests."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from pyinsmod.kernel_facts import Fact, KernelExport, KernelFacts, KernelPaths, LoadedModule, unknown
from pyinsmod.kernel_facts.features import FEATURES

RELEASE = "6.1.0-50-cloud-amd64"
VERMAGIC = f"{RELEASE} SMP preempt mod_unload modversions "

ALLOC = 2

BuildModule = Callable[..., bytes]
MakeFacts = Callable[..., KernelFacts]


def _strings(words: Sequence[str]) -> tuple[bytes, dict[str, int]]:
    """Return an ELF string table and the offset of each word in it."""
    table, offsets = b"\0", {"": 0}
    for word in words:
        offsets.setdefault(word, len(table))
        table += word.encode() + b"\0"
    return table, offsets


def _symbols(undefined: Sequence[str], weak: Sequence[str], offsets: Mapping[str, int]) -> bytes:
    entries = [struct.pack("<IBBHQQ", 0, 0, 0, 0, 0, 0)]
    entries += [struct.pack("<IBBHQQ", offsets[name], 1 << 4, 0, 0, 0, 0) for name in undefined]
    entries += [struct.pack("<IBBHQQ", offsets[name], 2 << 4, 0, 0, 0, 0) for name in weak]
    return b"".join(entries)


def _build(
    *,
    name: str = "hello",
    vermagic: str | None = VERMAGIC,
    undefined: Sequence[str] = (),
    weak: Sequence[str] = (),
    versions: Mapping[str, int] | None = None,
    version_flags: int = ALLOC,
    licence: str | None = "GPL",
    said: Sequence[str] = ("intree=Y",),
    extra: Sequence[tuple[str, int, int, bytes]] = (),
) -> bytes:
    """Return a small x86-64 module. `extra` are sections (name, type, flags, content), `said` is in .modinfo."""
    modinfo = [f"name={name}"] + ([f"vermagic={vermagic}"] if vermagic is not None else [])
    modinfo += ([f"license={licence}"] if licence is not None else []) + list(said)
    strings, offsets = _strings([*undefined, *weak])
    versions = dict.fromkeys(["module_layout", *undefined, *weak], 1) if versions is None else versions
    records = b"".join(struct.pack("<Q56s", crc, symbol.encode()) for symbol, crc in versions.items())
    sections: list[tuple[str, int, int, bytes]] = [
        (".modinfo", 1, ALLOC, b"".join(line.encode() + b"\0" for line in modinfo)),
        ("__versions", 1, version_flags, records),
        (".gnu.linkonce.this_module", 1, 3, b"\0" * 24 + name.encode().ljust(56, b"\0") + b"\0" * 48),
        *extra,
        (".symtab", 2, 0, _symbols(undefined, weak, offsets)),
        (".strtab", 3, 0, strings),
    ]
    return _assembled(sections)


def _assembled(sections: list[tuple[str, int, int, bytes]]) -> bytes:
    """Lay out header, contents and section table, with the section names last."""
    names, offsets = _strings([*(section[0] for section in sections), ".shstrtab"])
    sections = [*sections, (".shstrtab", 3, 0, names)]
    numbers = {section[0]: number for number, section in enumerate(sections, 1)}
    body, table = b"", b"\0" * 64
    for name, kind, flags, content in sections:
        link = numbers.get(".strtab", 0) if kind == 2 else 0
        table += struct.pack("<IIQQQQIIQQ", offsets[name], kind, flags, 0, 64 + len(body), len(content), link, 0, 1, 0)
        body += content
    ident = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    count = len(sections) + 1
    header = struct.pack("<16sHHIQQQIHHHHHH", ident, 1, 62, 1, 0, 0, 64 + len(body), 0, 64, 0, 0, 64, count, count - 1)
    return header + body + table


@pytest.fixture(scope="session")
def build_module() -> BuildModule:
    """A function that builds a small module; every part can be made wrong."""
    return _build


@pytest.fixture(scope="session")
def make_facts() -> MakeFacts:
    """A function that returns facts of a 6.1 kernel with a few exports, with the named facts replaced."""

    def make(**changes: object) -> KernelFacts:
        known: dict[str, object] = {
            "name": "6.1",
            "release": RELEASE,
            "machine": Fact(62, "test"),
            "vermagic": Fact(VERMAGIC, "test"),
            "exports": Fact(
                {name: KernelExport("vmlinux", 1, gpl=False, namespace="") for name in ("_printk", "module_layout")},
                "test",
            ),
            "loaded": Fact({"dummy": LoadedModule("Live", 0, ())}, "test"),
            "sysfs_modules": Fact(frozenset({"dummy", "printk"}), "test"),
            "modules_disabled": Fact(False, "test"),
            "config": unknown("test"),
            "providers": Fact({"bond_create": "bonding"}, "test"),
            "features": Fact(dict.fromkeys(FEATURES, False), "test"),
            "compression": Fact("", "test"),
        }
        return KernelFacts(**{**known, **changes})  # type: ignore[arg-type]  # the test names what it replaces

    return make


def _core(address: int, content: bytes) -> bytes:
    """Return an ELF core file with one segment."""
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF".ljust(16, b"\0"), 4, 62, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    return header + struct.pack("<IIQQQQQQ", 1, 4, 120, address, 0, len(content), len(content), 4096) + content


@pytest.fixture
def system(tmp_path: Path, build_module: BuildModule) -> KernelPaths:
    """A tree that looks like a running 6.1 to whoever reads it: /proc, /sys and /lib/modules."""
    address = 0xFFFFFFFF82000000
    files = {
        "proc/sys/kernel/osrelease": f"{RELEASE}\n",
        "proc/sys/kernel/arch": "x86_64\n",
        "proc/sys/kernel/modules_disabled": "0\n",
        "proc/modules": "dummy 16384 0 - Live 0xffffffffc0000000\nmii 16384 2 e100,e1000, Live 0x0\n",
        "proc/self/status": "Name:\tcat\nCapEff:\t000001ffffffffff\n",
        "proc/kallsyms": (
            f"ffffffff81000000 T _stext\n{address:x} d vermagic\n"
            "ffffffff82100000 r __start___ksymtab\nffffffff82100000 r __ksymtab__printk\n"
            "ffffffff8210000c r __ksymtab_kmalloc\nffffffffc0001000 r __ksymtab_mii_link_ok\t[mii]\n"
            "ffffffffc0001000 r vermagic\t[mii]\n"
        ),
        f"boot/config-{RELEASE}": (
            "CONFIG_MODULES=y\n# CONFIG_MODULE_SIG_FORCE is not set\nCONFIG_MODULE_FORCE_LOAD=y\n"
        ),
        f"lib/modules/{RELEASE}/modules.symbols": "# Aliases\nalias symbol:bond_create bonding\n",
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    (tmp_path / "proc/self/ns").mkdir()
    (tmp_path / "proc/self/ns/user").symlink_to("user:[4026531837]")
    (tmp_path / "proc/kcore").write_bytes(_core(address, VERMAGIC.encode() + b"\0rest"))
    for name in ("dummy", "mii", "printk"):
        (tmp_path / "sys/module" / name).mkdir(parents=True)
    tree = tmp_path / f"lib/modules/{RELEASE}/kernel/net"
    tree.mkdir(parents=True)
    in_tree = build_module(extra=[(".modinfo.more", 1, ALLOC, b"")]).replace(b"name=hello\0", b"intree=Yyy\0")
    (tree / "hello.ko").write_bytes(in_tree)
    return KernelPaths(str(tmp_path))
