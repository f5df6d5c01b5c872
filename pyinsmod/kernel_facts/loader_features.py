"""Which features the running kernel's loader shows: by the sentences in its memory, its boot image, or its symbols."""

from __future__ import annotations

from pyinsmod.kernel_facts.facts import Fact, unknown
from pyinsmod.kernel_facts.feature_lookup import LookedUpFeatures
from pyinsmod.kernel_facts.kallsyms import features_in
from pyinsmod.kernel_facts.sources import RunningSources
from pyinsmod.lean import Iterator, Mapping

# No kernel's texts are bigger; an address that leads further is a wrong one.
_LARGEST = 64 << 20


def features_of_running(sources: RunningSources) -> Fact[Mapping[str, bool]]:
    """Return what shows and what does not; where only symbols can be read, fewer features are decided."""
    in_memory = _in_memory(sources)
    if in_memory.value is not None:
        return in_memory
    by_symbols = features_in(sources.kallsyms)
    image = sources.image
    if image.value is None or image.value.features is None:
        return Fact(by_symbols.value, f"{by_symbols.source}; {in_memory.source}")
    return Fact({**(by_symbols.value or {}), **image.value.features}, f"{image.source}, which is the running kernel")


def _in_memory(sources: RunningSources) -> Fact[Mapping[str, bool]]:
    """Search the read-only data, as far as the export tables: texts stand before them (RO_DATA, vmlinux.lds.h)."""
    addresses = sources.addresses
    start = addresses.get("__start_rodata", 0)
    end = addresses.get("__start___ksymtab") or addresses.get("__end_rodata", 0)
    if not 0 < start < end <= start + _LARGEST:
        return unknown("/proc/kallsyms shows no addresses of the kernel's texts")
    features = LookedUpFeatures(lambda: sources, tuple(_texts_between(start, end, sources)), {})
    try:
        if not features.are_of_a_loader():
            return unknown("/proc/kcore: the loader's sentences are not where they should be")
    except (OSError, ValueError) as error:
        return unknown(f"/proc/kcore: {error.strerror if isinstance(error, OSError) else error}")
    return Fact(features, "the running kernel's memory (/proc/kcore)")


def _texts_between(start: int, end: int, sources: RunningSources) -> Iterator[tuple[int, int]]:
    """Yield what there is but for the table of symbols, which has no texts and is as large as all of them.

    It is the last of the objects that were linked, and literals stand behind all objects: so most texts do, too.
    """
    table = sources.symbol_table
    first, last = (end, end) if table is None else table.span
    if start <= first < last < end:
        yield last, end
        yield start, first
    else:
        yield start, end
