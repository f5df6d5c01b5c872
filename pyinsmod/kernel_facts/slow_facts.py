"""Facts of the running kernel that take long to find out: each function finds one, and imports what it needs for that.

What is remembered of them (see `remembered`) needs none of it.
"""

from __future__ import annotations

from pyinsmod.elf_format import text
from pyinsmod.kernel_facts.facts import Fact, KernelExport, unknown
from pyinsmod.kernel_facts.files import read
from pyinsmod.lean import TYPE_CHECKING, Any, Mapping

if TYPE_CHECKING:
    from pyinsmod.btf import Searchable
    from pyinsmod.btf.base import BaseBtf
    from pyinsmod.kernel_facts.sources import RunningSources


# The first members of struct module (include/linux/module.h), in all kernels since 2.6.
BEGINNING_OF_MODULE = ("state", "list", "name")


def exports(sources: RunningSources) -> Fact[Mapping[str, KernelExport]]:
    """Return what it exports, and its loaded modules."""
    from pyinsmod.kernel_facts.exported import exports_of_running

    return exports_of_running(sources)


def vermagic(sources: RunningSources) -> Fact[str]:
    """Return its version magic."""
    from pyinsmod.kernel_facts.vermagic import vermagic_of_running

    return vermagic_of_running(sources)


def features(sources: RunningSources) -> Fact[Mapping[str, bool]]:
    """Return what its loader does differently."""
    from pyinsmod.kernel_facts.loader_features import features_of_running

    return features_of_running(sources)


def built_in_keys(sources: RunningSources) -> Fact[Any]:
    """Return the certificates that were built in, as plain values."""
    from pyinsmod.kernel_facts import keyrings

    return keyrings.built_in_keys(sources)


def btf(sources: RunningSources) -> Fact[BaseBtf]:
    """Return the type information of vmlinux; a kernel without CONFIG_DEBUG_INFO_BTF has none."""
    from pyinsmod.btf.base import base_in, base_of

    in_memory, source = sources.btf_in_memory
    base = None if in_memory is None else base_in(in_memory)
    if base is not None:
        return Fact(base, source)
    raw = sources.btf
    return Fact(None if raw.value is None else base_of(raw.value), raw.source)


def struct_module_size(sources: RunningSources) -> Fact[int]:
    """Return sizeof(struct module): by the type information, else by a module that was built with the kernel."""
    from pyinsmod.btf import struct_size

    in_memory = sources.btf_in_memory
    raw: Searchable | None = in_memory.value or sources.btf.value
    source = sources.btf.source if in_memory.value is None else in_memory.source
    size = None if raw is None else struct_size(raw, "module", BEGINNING_OF_MODULE)
    if size is not None:
        return Fact(size, f"struct module in {source}")
    from pyinsmod.kernel_facts.vermagic import in_tree_modules
    from pyinsmod.module_image import THIS_MODULE

    for path, module in in_tree_modules(sources):
        section = module.find_section(THIS_MODULE)
        if section is not None:
            return Fact(section.size, f"in-tree module {path}")
    return unknown(f"{source}; no in-tree module of {sources.release}")


def config(sources: RunningSources) -> Fact[Mapping[str, str]]:
    """Return the build options, from where they are found first."""
    from pyinsmod.kernel_facts.config import options_in

    for path in sources.paths.configs(sources.release):
        raw = read(path).value
        text_of_it = _unpacked(raw) if raw is not None and path.endswith(".gz") else raw
        if text_of_it is not None:
            return Fact(options_in(text_of_it), path)
    return unknown(f"no build configuration of {sources.release} is found")


def _unpacked(raw: bytes) -> bytes | None:
    import gzip
    import zlib

    try:
        return gzip.decompress(raw)
    except (OSError, EOFError, zlib.error):
        return None


def providers(sources: RunningSources) -> Fact[Mapping[str, str]]:
    """Read the aliases `symbol:NAME` that depmod(8) writes into modules.symbols."""
    path = f"{sources.paths.module_tree(sources.release)}/modules.symbols"
    raw = read(path)
    if raw.value is None:
        return unknown(raw.source)
    lines = (line.split() for line in text(raw.value).splitlines() if line.startswith("alias symbol:"))
    return Fact({words[1].removeprefix("symbol:"): words[2] for words in lines if len(words) == 3}, path)
