"""The running kernel's version magic: from its memory, else from a module that was built with it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice

from pyinsmod.elf_format import text
from pyinsmod.errors import MalformedModule
from pyinsmod.kernel_facts.facts import Fact, unknown
from pyinsmod.kernel_facts.files import read
from pyinsmod.kernel_facts.kallsyms import vermagic_address
from pyinsmod.kernel_facts.kcore import read_memory
from pyinsmod.kernel_facts.paths import KernelPaths
from pyinsmod.module_image import SUFFIXES, read_image

# VERMAGIC_STRING (include/linux/vermagic.h) is a release of at most 64 bytes and a handful of words.
LONGEST = 512

# In-tree modules of one build all carry the same string; a few are looked at in case one is damaged.
MODULES_TRIED = 4


def vermagic_of_running(paths: KernelPaths, release: str, kallsyms: bytes) -> Fact[str]:
    """Return the exact vermagic string, trailing space included, and where it was read."""
    in_memory = _from_memory(paths, release, kallsyms)
    if in_memory.value is not None:
        return in_memory
    in_tree = _from_module(paths.module_tree(release), release)
    if in_tree.value is not None:
        return in_tree
    return unknown(f"{in_memory.source}; {in_tree.source}")


def _from_memory(paths: KernelPaths, release: str, kallsyms: bytes) -> Fact[str]:
    address = vermagic_address(kallsyms)
    if address is None:
        return unknown("/proc/kallsyms shows no address of 'vermagic'")
    try:
        raw = read_memory(paths.kcore, address, LONGEST)
    except (OSError, ValueError) as error:
        return unknown(f"/proc/kcore: {error.strerror if isinstance(error, OSError) else error}")
    magic = text(raw.partition(b"\0")[0])
    if not _belongs_to(magic, release):
        return unknown("/proc/kcore: what stands at the address of 'vermagic' is another text")
    return Fact(magic, "the running kernel's memory (/proc/kcore at the address of 'vermagic')")


def _from_module(tree: str, release: str) -> Fact[str]:
    for path in islice(_modules_below(f"{tree}/kernel"), MODULES_TRIED):
        magic = _in_tree_vermagic(path)
        if magic is not None and _belongs_to(magic, release):
            return Fact(magic, f"in-tree module {path}")
    return unknown(f"no in-tree module of {release} below {tree}")


def _modules_below(folder: str) -> Iterator[str]:
    for directory, _, names in os.walk(folder):
        yield from (f"{directory}/{name}" for name in names if name.endswith(SUFFIXES))


def _in_tree_vermagic(path: str) -> str | None:
    """Return the module's vermagic if it says that it is in-tree; None when it cannot be read."""
    content = read(path).value
    try:
        image = read_image(content or b"")
        return image.vermagic if image.modinfo_value("intree") else None
    except MalformedModule:
        return None


def _belongs_to(magic: str, release: str) -> bool:
    return magic.partition(" ")[0] == release and magic.isprintable()
