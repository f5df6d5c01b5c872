"""The running kernel's version magic: from its memory, its boot image, or a module that was built with it."""

from __future__ import annotations

from itertools import islice

from pyinsmod.elf_format import text
from pyinsmod.errors import MalformedModule
from pyinsmod.kernel_facts.facts import Fact, unknown
from pyinsmod.kernel_facts.files import read
from pyinsmod.kernel_facts.sources import RunningSources
from pyinsmod.lean import Iterator
from pyinsmod.module_image import SUFFIXES, ModuleImage, read_image

# VERMAGIC_STRING (include/linux/vermagic.h) is a release of at most 64 bytes and a handful of words.
LONGEST = 512

# In-tree modules of one build all carry the same string; a few are looked at in case one is damaged.
MODULES_TRIED = 4


def vermagic_of_running(sources: RunningSources) -> Fact[str]:
    """Return the exact vermagic string, trailing space included, and where it was read.

    A module is sooner unpacked than a kernel, and says the same; so the boot image comes last.
    """
    reasons = []
    for find in (_from_memory, _from_module, _from_image):
        fact = find(sources)
        if fact.value is not None:
            return fact
        reasons.append(fact.source)
    return unknown("; ".join(reasons))


def _from_memory(sources: RunningSources) -> Fact[str]:
    address = sources.addresses.get("vermagic")
    if address is None:
        return unknown("/proc/kallsyms shows no address of 'vermagic'")
    try:
        raw = sources.memory.read(address, LONGEST)
    except (OSError, ValueError) as error:
        return unknown(f"/proc/kcore: {error.strerror if isinstance(error, OSError) else error}")
    magic = text(raw.partition(b"\0")[0])
    if not _belongs_to(magic, sources.release):
        return unknown("/proc/kcore: what stands at the address of 'vermagic' is another text")
    return Fact(magic, "the running kernel's memory (/proc/kcore at the address of 'vermagic')")


def _from_module(sources: RunningSources) -> Fact[str]:
    for path, module in in_tree_modules(sources):
        if module.vermagic is not None and _belongs_to(module.vermagic, sources.release):
            return Fact(module.vermagic, f"in-tree module {path}")
    return unknown(f"no in-tree module of {sources.release} below {sources.paths.module_tree(sources.release)}")


def _from_image(sources: RunningSources) -> Fact[str]:
    image = sources.image
    return Fact(None if image.value is None else image.value.vermagic, image.source)


def in_tree_modules(sources: RunningSources) -> Iterator[tuple[str, ModuleImage]]:
    """Yield a few modules that say that they were built with the kernel, each with its path."""
    tree = f"{sources.paths.module_tree(sources.release)}/kernel"
    for path in islice(_modules_below(tree), MODULES_TRIED):
        try:
            image = read_image(read(path).value or b"")
            if image.modinfo_value("intree"):
                yield path, image
        except MalformedModule:
            continue


def _modules_below(folder: str) -> Iterator[str]:
    from os import walk

    for directory, _, names in walk(folder):
        yield from (f"{directory}/{name}" for name in names if name.endswith(SUFFIXES))


def _belongs_to(magic: str, release: str) -> bool:
    return magic.partition(" ")[0] == release and magic.isprintable()
