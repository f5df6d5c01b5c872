"""What two kernels do not have in common that modules are built of: build options, and sizes of structures.

A CRC says that something differs and not what. Where both kernels' configuration or type information is at hand, the
difference can be named; where it is not, that is said.
"""

from __future__ import annotations

import re

from pyinsmod.btf import struct_size
from pyinsmod.elf_format import text
from pyinsmod.kernel_facts.config import options_in
from pyinsmod.kernel_facts.files import read
from pyinsmod.kernel_facts.other_kernel import OtherKernel
from pyinsmod.lean import Iterator, Mapping

# The parameters of module_layout() come first (kernel/module/version.c), then what many drivers' CRCs are made of.
STRUCTURES = (
    *("module", "modversion_info", "kernel_param", "kernel_symbol", "tracepoint"),
    *("task_struct", "page", "mm_struct", "file", "inode", "super_block", "device", "kobject"),
    *("net_device", "sk_buff", "bio", "request_queue", "pci_dev"),
)
SHOWN = 8
_SET = re.compile(rb"^CONFIG_(\w+)=(.*)$", re.MULTILINE)
# What differs between any two builds and explains nothing.
_COMPILER = re.compile(r"(CC|GCC|CLANG|LD|AS|RUSTC|PAHOLE|BINDGEN)_|BUILD_SALT|.*_VERSION(_TEXT)?$")


def differences(built_for: OtherKernel, kernel: OtherKernel) -> Iterator[str]:
    """Yield, in words, what differs between the kernel that modules were built for and another one."""
    yield from _configuration(built_for, kernel)
    yield from _structures(built_for, kernel)


def _configuration(built_for: OtherKernel, kernel: OtherKernel) -> Iterator[str]:
    sides = [_raw_configuration(each) for each in (built_for, kernel)]
    for raw, each in zip(sides, (built_for, kernel), strict=True):
        if raw is None:
            yield f"configuration: that of {_called(each)} is not at hand"
            return
    old, new = ({text(name): text(value) for name, value in _SET.findall(raw or b"")} for raw in sides)
    changed = [name for name in sorted({*old, *new}) if old.get(name) != new.get(name) and not _COMPILER.match(name)]
    if not changed:
        yield "configuration: the same"
        return
    # A driver that is a module on one side and missing on the other changes nobody's structures.
    telling = [name for name in changed if "m" not in (old.get(name), new.get(name))] or changed
    minded = sorted({*options_in(sides[0] or b""), *options_in(sides[1] or b"")} & set(changed))
    yield f"configuration: {len(changed)} options differ" + (
        f"; of those the loader goes by: {_named(minded, old, new)}" if minded else f": {_named(telling, old, new)}"
    )


def _called(kernel: OtherKernel) -> str:
    return kernel.facts.name if kernel.facts.release in ("", "unknown") else kernel.facts.release


def _raw_configuration(kernel: OtherKernel) -> bytes | None:
    return read(kernel.files.config).value if kernel.files is not None and kernel.files.config else None


def _named(names: list[str], old: Mapping[str, str], new: Mapping[str, str]) -> str:
    words = [f"{name} {old.get(name, 'not set')} → {new.get(name, 'not set')}" for name in names[:SHOWN]]
    return ", ".join(words) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def _structures(built_for: OtherKernel, kernel: OtherKernel) -> Iterator[str]:
    """Compare sizes; structures of one size may differ all the same, and that is not told apart here."""
    raw = [each.facts.btf for each in (built_for, kernel)]
    for fact, each in zip(raw, (built_for, kernel), strict=True):
        if fact.value is None:
            yield f"structures: {_called(each)} has no type information here ({fact.source})"
            return
    found = []
    for name in STRUCTURES:
        one, other = (struct_size(fact.value or b"", name) for fact in raw)
        if one is not None and other is not None and one != other:
            found.append(f"{name} {one} → {other}")
    yield (
        f"structures of another size, in bytes: {', '.join(found)}"
        if found
        else ("structures: none of the well-known ones is of another size; members may differ")
    )
