"""A folder of kernel headers → facts: what modules are built against, by kbuild's own files.

Such a folder is /lib/modules/RELEASE/build, /usr/src/linux-headers-RELEASE, or a kernel's build folder. It says less
than a boot image: nothing of the loader's own behaviour, of the keys or of built-in modules.
"""

from __future__ import annotations

import re

from pyinsmod.elf_format import machine_name, text
from pyinsmod.kernel_facts.config import options_in
from pyinsmod.kernel_facts.facts import Fact, KernelExport, unknown
from pyinsmod.kernel_facts.files import read, read_unpacked
from pyinsmod.kernel_facts.module_tree import module_name
from pyinsmod.lean import Mapping, NamedTuple, cached_property

EXPORTS = "Module.symvers"
VMLINUX = "vmlinux"
# What a column of Module.symvers that tells how a symbol is exported begins with (scripts/mod/modpost.c).
_HOW = ("EXPORT_", "(unknown)")
CONFIGS = (".config", "include/config/auto.conf")
# The header comes first: distributions may patch it, and it is what modules get into their vermagic.
RELEASES = ("include/generated/utsrelease.h", "include/config/kernel.release")

# The option that stands for each architecture, and what asm/vermagic.h adds to the version magic there.
_ARCHITECTURES = {62: (b"X86_64", ""), 183: (b"ARM64", "aarch64"), 243: (b"RISCV", "riscv")}

# What modules are linked by: it puts the tables of exports together that their kernel takes. kbuild has it since 5.10;
# Debian keeps it elsewhere.
_LINKER_SCRIPTS = ("scripts/module.lds", "arch/{}/module.lds")
_EXPORTS_TABLE, _FLAGS_TABLE = b"__ksymtab", b"__kflagstab"
_MODULE_NAMESPACE = b"\tmodule:"
_FOLDERS = {62: "x86", 183: "arm64", 243: "riscv"}

# A module of a kernel with CONFIG_RANDSTRUCT carries a word of its own; before 5.19 a compiler plugin did that.
_RANDOM_LAYOUT = re.compile(rb"^CONFIG_(GCC_PLUGIN_RANDSTRUCT|RANDSTRUCT)=y", re.MULTILINE)


class KernelHeaders:
    """The folder, read when it is asked for something; what cannot be read is unknown.

    Args:
        folder: where the headers are; the empty string where there are none.
        symvers: the list of exports, when it does not stand there as Module.symvers.
    """

    def __init__(self, folder: str, symvers: str = "") -> None:
        self.folder = folder
        self.symvers = symvers or f"{folder}/{EXPORTS}"

    @cached_property
    def _config(self) -> Fact[bytes]:
        found = [read(f"{self.folder}/{name}") for name in CONFIGS]
        return next((one for one in found if one.value is not None), found[0])

    @property
    def config(self) -> Fact[Mapping[str, str]]:
        """The build options."""
        raw = self._config
        return unknown(raw.source) if raw.value is None else Fact(options_in(raw.value), raw.source)

    @property
    def release(self) -> str:
        """The release that modules are built for; the empty string when the folder does not say it."""
        defined, written = (read(f"{self.folder}/{name}").value or b"" for name in RELEASES)
        quoted = re.search(rb'#define\s+UTS_RELEASE\s+"([^"]*)"', defined)
        return text(quoted[1] if quoted else written.strip())

    @property
    def machine(self) -> Fact[int]:
        """e_machine of the modules."""
        raw = self._config
        for machine, (option, _) in _ARCHITECTURES.items():
            if raw.value is not None and re.search(rb"^CONFIG_%s=y" % option, raw.value, re.MULTILINE):
                return Fact(machine, raw.source)
        return unknown(f"{raw.source} names no architecture that is known here")

    @property
    def vermagic(self) -> Fact[str]:
        """The version magic, put together as VERMAGIC_STRING (include/linux/vermagic.h) is."""
        raw, machine = self._config, self.machine
        if raw.value is None or machine.value is None or not self.release:
            return unknown(raw.source if raw.value is None else machine.source if self.release else self._no_release())
        if _RANDOM_LAYOUT.search(raw.value):
            return unknown(f"{raw.source}: structures are laid out by a seed (CONFIG_RANDSTRUCT), which is part of it")
        config = options_in(raw.value)
        preemption = self._preemption(config)
        if preemption is None:
            return unknown(f"{raw.source}: both CONFIG_PREEMPT_RT and CONFIG_PREEMPT_BUILD are set")
        words = [self.release, "SMP" if "SMP" in config else "", preemption]
        words += ["mod_unload" if "MODULE_UNLOAD" in config else "", "modversions" if "MODVERSIONS" in config else ""]
        magic = "".join(f"{word} " for word in words if word) + _ARCHITECTURES[machine.value][1]
        return Fact(magic, f"put together from {raw.source} and the release of {machine_name(machine.value)} headers")

    @property
    def features(self) -> Fact[Mapping[str, bool]]:
        """What headers show of the loader: a table of flags beside exports (7.x), namespaces of modules (6.16)."""
        folder = _FOLDERS.get(self.machine.value or 0, "")
        exports = read_unpacked(self.symvers).value or b""
        namespaces = {"module-namespaces": True} if _MODULE_NAMESPACE in exports else {}
        for name in _LINKER_SCRIPTS:
            script = read(f"{self.folder}/{name.format(folder)}")
            if script.value is not None and _EXPORTS_TABLE in script.value:
                return Fact({"export-flags": _FLAGS_TABLE in script.value, **namespaces}, script.source)
        return unknown(f"{self.folder} has no linker script of modules ({_LINKER_SCRIPTS[0]})")

    def _no_release(self) -> str:
        return f"{self.folder} does not say its release ({' or '.join(RELEASES)})"

    def _preemption(self, config: Mapping[str, str]) -> str | None:
        """Return the word for the preemption model; None when both are set and the header is not at hand.

        Before 5.16 CONFIG_PREEMPT decided, then CONFIG_PREEMPT_BUILD; 7.x looks for CONFIG_PREEMPT_RT first.
        """
        real_time = config.get("PREEMPT_RT") == "y"
        full = "y" in (config.get("PREEMPT_BUILD"), config.get("PREEMPT"))
        if not (real_time and full):
            return "preempt_rt" if real_time else "preempt" if full else ""
        header = read(f"{self.folder}/include/linux/vermagic.h").value
        if header is None:
            return None
        first = re.search(rb"CONFIG_PREEMPT\w*", header)
        return "preempt_rt" if first and first[0] == b"CONFIG_PREEMPT_RT" else "preempt"

    @cached_property
    def _lines(self) -> Fact[list[ExportLine]]:
        raw = read_unpacked(self.symvers)
        if raw.value is None:
            return unknown(raw.source)
        return Fact(list(filter(None, map(export_line, text(raw.value).splitlines()))), raw.source)

    @property
    def exports(self) -> Fact[Mapping[str, KernelExport]]:
        """What vmlinux exports. CRCs are all 0 for a kernel without CONFIG_MODVERSIONS, which has none."""
        lines = self._lines
        if lines.value is None:
            return unknown(lines.source)
        exports = {
            line.symbol: KernelExport(VMLINUX, line.crc or None, line.gpl, line.namespace)
            for line in lines.value
            if line.owner == VMLINUX
        }
        return Fact(exports, lines.source) if exports else unknown(f"{lines.source} lists no symbols of vmlinux")

    @property
    def providers(self) -> Fact[Mapping[str, str]]:
        """Symbol → module of the kernel's own tree that exports it."""
        lines = self._lines
        if lines.value is None:
            return unknown(lines.source)
        return Fact(
            {line.symbol: module_name(line.owner) for line in lines.value if line.owner != VMLINUX}, lines.source
        )


class ExportLine(NamedTuple):
    """A line of Module.symvers; what its format does not tell is None. `owner` is `vmlinux` or a module's path."""

    symbol: str
    crc: int
    owner: str
    gpl: bool | None
    namespace: str | None


def export_line(line: str) -> ExportLine | None:
    """Read a line of Module.symvers in any format there has been; None for what is none.

    CRC, symbol and module come first, by tabs. Since 2.6.18 the kind of export follows (kernel commit bd5cbcedf446),
    since 5.4 the namespace: at first before the module (cb9b55d21fe0), then behind the kind (5190044c2965). Where there
    is no kind, nothing tells who may use a symbol; where there is no module either, the list is taken for the kernel's.
    """
    columns = line.split("\t")
    if len(columns) < 2 or not columns[1]:
        return None
    crc = _number(columns[0])
    symbol, rest = columns[1], columns[2:]
    if len(rest) < 2:
        owner = rest[0] if rest else VMLINUX
        return ExportLine(symbol, crc, owner, None, "") if crc is not None else None
    owner, how, space = (*rest, "")[:3]
    if len(rest) > 2 and rest[2].startswith(_HOW) and not how.startswith(_HOW):
        space, owner, how = rest[:3]
    return ExportLine(symbol, crc or 0, owner, how.endswith("_GPL"), space)


def _number(word: str) -> int | None:
    try:
        return int(word, 16)
    except ValueError:
        return None
