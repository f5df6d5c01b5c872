"""What two kernels do not have in common that modules are built of: build options, and members of structures.

A CRC says that something differs and not what. Where both kernels' configuration or type information is at hand, the
difference can be named; where it is not, that is said.
"""

from __future__ import annotations

import re

from pyinsmod.btf import members
from pyinsmod.btf.base import base_of
from pyinsmod.btf.members import Structure, structure
from pyinsmod.elf_format import text
from pyinsmod.kernel_facts.config import options_in
from pyinsmod.kernel_facts.facts_cache import FactsCache
from pyinsmod.kernel_facts.files import read
from pyinsmod.kernel_facts.other_kernel import OtherKernel
from pyinsmod.lean import Iterable, Iterator, Mapping

# The parameters of module_layout() come first (kernel/module/version.c), then what many drivers' CRCs are made of.
STRUCTURES = (
    *("module", "modversion_info", "kernel_param", "kernel_symbol", "tracepoint"),
    *("task_struct", "page", "mm_struct", "file", "inode", "super_block", "device", "kobject"),
    *("net_device", "sk_buff", "bio", "request_queue", "pci_dev"),
)
SHOWN, FEW = 8, 3
_SET = re.compile(rb"^CONFIG_(\w+)=(.*)$", re.MULTILINE)
# How files are packed and names of symbols are kept, which no module is judged by.
_STORAGE = re.compile(r"MODULE_COMPRESS|KALLSYMS_")
# What differs between any two builds and explains nothing.
_COMPILER = re.compile(r"(CC|GCC|CLANG|LD|AS|RUSTC|PAHOLE|BINDGEN)_|BUILD_SALT|.*_VERSION(_TEXT)?$")


def differences(built_for: OtherKernel, kernel: OtherKernel, cache: FactsCache | None = None) -> Iterator[str]:
    """Yield, in words, what differs between the kernel that modules were built for and another one.

    Two kernels' type information takes longer to compare than a tree takes to check, and their configurations take as
    long as a tree that was checked before: what came of both is kept in the cache.
    """
    configs = [each.files.config if each.files else "" for each in (built_for, kernel)]
    if cache is None or None in map(_raw_configuration, (built_for, kernel)):
        yield from _configuration(built_for, kernel)
    else:
        made_from = (*configs, __file__)
        yield from cache.kept("configurations", made_from, lambda: tuple(_configuration(built_for, kernel)))
    images = [each.files.image if each.files and _is_called_by_release(each) else "" for each in (built_for, kernel)]
    if cache is None or not all(images):
        yield from _structures(built_for, kernel)
        return
    made_from = (*images, __file__, str(members.__file__))
    yield from cache.kept("structures", made_from, lambda: tuple(_structures(built_for, kernel)))


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
    minded = [name for name in _minded(sides) if name in changed and not _STORAGE.match(name)]
    yield f"configuration: {len(changed)} options differ" + (
        f"; of those the loader goes by: {_named(minded, old, new)}" if minded else f": {_named(telling, old, new)}"
    )


def _minded(sides: Iterable[bytes | None]) -> list[str]:
    return sorted({name for raw in sides for name in options_in(raw or b"")})


def _called(kernel: OtherKernel) -> str:
    return kernel.facts.release if _is_called_by_release(kernel) else kernel.facts.name


def _is_called_by_release(kernel: OtherKernel) -> bool:
    return kernel.facts.release not in ("", "unknown")


def _raw_configuration(kernel: OtherKernel) -> bytes | None:
    return read(kernel.files.config).value if kernel.files is not None and kernel.files.config else None


def _named(names: list[str], old: Mapping[str, str], new: Mapping[str, str]) -> str:
    words = [f"{name} {old.get(name, 'not set')} → {new.get(name, 'not set')}" for name in names[:SHOWN]]
    return ", ".join(words) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def _structures(built_for: OtherKernel, kernel: OtherKernel) -> Iterator[str]:
    bases = []
    for each in (built_for, kernel):
        fact = each.facts.btf
        base = None if fact.value is None else base_of(fact.value)
        if base is None:
            yield f"structures: {_called(each)} has no type information here ({fact.source})"
            return
        bases.append(base)
    found = []
    for name in STRUCTURES:
        old, new = (structure(base, name) for base in bases)
        if old is not None and new is not None and old != new:
            found.append(f"{name}: {_difference(old, new)}")
    if not found:
        yield "structures: none of the well-known ones has other members"
        return
    yield f"structures: of {len(STRUCTURES)} well-known ones {len(found)} differ"
    yield from (f"  struct {line}" for line in found[:SHOWN])
    if len(found) > SHOWN:
        yield f"  and {', '.join(line.partition(':')[0] for line in found[SHOWN:])}"


def _difference(old: Structure, new: Structure) -> str:
    """Say what differs: the size, members that came and went, members of another type, the first that moved."""
    before, after = ({member.name: member for member in each.members} for each in (old, new))
    parts = [f"{old.size} → {new.size} bytes" if old.size != new.size else f"{new.size} bytes"]
    parts += _few("gone", [name for name in before if name not in after])
    parts += _few("new", [name for name in after if name not in before])
    both = [(before[name], after[name]) for name in before if name in after]
    parts += _few("other type", [f"{one.name} ({one.type} → {two.type})" for one, two in both if one.type != two.type])
    moved = next(
        (f"{one.name} from {one.place // 8} to {two.place // 8}" for one, two in both if one.place != two.place), ""
    )
    return "; ".join((*parts, *([f"first moved: {moved}"] if moved else ())))


def _few(what: str, names: list[str]) -> list[str]:
    more = f" and {len(names) - FEW} more" if len(names) > FEW else ""
    return [f"{what}: {', '.join(names[:FEW])}{more}"] if names else []
