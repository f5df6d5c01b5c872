"""What the running kernel exports, from the best source this process may read; the source is named."""

from __future__ import annotations

from pyinsmod.kernel_facts.export_lookup import (
    CRC_SIZE,
    ENTRY_SIZE,
    LARGEST_STRING_AREA,
    LONGEST_NAME,
    LookedUpExports,
    SortedTable,
)
from pyinsmod.kernel_facts.facts import Fact, KernelExport, unknown
from pyinsmod.kernel_facts.files import names_in, read, read_line
from pyinsmod.kernel_facts.kallsyms import ModuleEntry, exports_in, module_entries
from pyinsmod.kernel_facts.sources import RunningSources
from pyinsmod.lean import TYPE_CHECKING, Iterator, Mapping, Sequence

if TYPE_CHECKING:
    from pyinsmod.kernel_facts.ksymtab import ExportTable

Exports = Mapping[str, KernelExport]


def exports_of_running(sources: RunningSources) -> Fact[Exports]:
    """Return what vmlinux and the loaded modules export: from memory, boot image, headers, or as bare names."""
    reasons = []
    for find in (_from_memory, _from_image, _from_headers):
        fact = find(sources)
        if fact.value is not None:
            return fact
        reasons.append(fact.source)
    names = exports_in(sources.kallsyms)
    return Fact(names.value, "; ".join((names.source, *reasons)))


def _from_memory(sources: RunningSources) -> Fact[Exports]:
    try:
        of_kernel = _kernel_tables(sources)
        of_modules = _of_modules_in_memory(sources)
    except OSError as error:
        return unknown(f"{sources.paths.kcore}: {error.strerror}")
    except ValueError as error:
        return unknown(f"{sources.paths.kcore}: {error}")
    return Fact(of_kernel.with_modules(of_modules), "the running kernel's memory (/proc/kcore)")


def _kernel_tables(sources: RunningSources) -> LookedUpExports:
    """Read vmlinux's export tables with two reads; names at known places prove that they are what they seem."""
    spans = list(_spans(sources.addresses))
    if not spans:
        raise ValueError("/proc/kallsyms shows no addresses of the export tables")
    start, end = min(span[0] for span in spans), max(span[1] for span in spans)
    whole = sources.memory.read(start, end - start)
    parts = {name: whole[first - start : last - start] for first, last, name in spans}
    tables = tuple(
        _table(sources.addresses[f"__start___ksymtab{suffix}"], suffix, parts)
        for suffix in ("", "_gpl")
        if f"ksymtab{suffix}" in parts
    )
    exports = LookedUpExports(tables, *_strings(tables, sources))
    _insist_on_names(exports, sources)
    return exports


def _spans(addresses: Mapping[str, int]) -> Iterator[tuple[int, int, str]]:
    for name in ("ksymtab", "ksymtab_gpl", "kcrctab", "kcrctab_gpl", "kflagstab"):
        start, stop = addresses.get(f"__start___{name}", 0), addresses.get(f"__stop___{name}", 0)
        if 0 < start <= stop:
            yield start, stop, name


def _table(address: int, suffix: str, parts: Mapping[str, bytes]) -> SortedTable:
    entries, crcs = parts[f"ksymtab{suffix}"], parts.get(f"kcrctab{suffix}", b"")
    flags = parts.get("kflagstab", b"")
    count = len(entries) // ENTRY_SIZE
    if len(entries) % ENTRY_SIZE or (flags and len(flags) != count):
        raise ValueError(f"an export table of {len(entries)} bytes with {len(flags)} flags")
    # A kernel without CONFIG_MODVERSIONS has an empty table, and what follows it is something else.
    return SortedTable(address, entries, crcs if len(crcs) == count * CRC_SIZE else b"", flags, gpl=bool(suffix))


def _strings(tables: Sequence[SortedTable], sources: RunningSources) -> tuple[int, bytes]:
    """Return the address and the content of the memory that all names and namespaces stand in."""
    lowest, highest = [], []
    for table in tables:
        distances = memoryview(table.entries).cast("i")
        for field in (1, 2):
            part = distances[field::3].tolist() or [0]
            lowest.append(table.address + min(part))
            highest.append(table.address + len(table.entries) + max(part))
    start, end = min(lowest), max(highest) + LONGEST_NAME
    if end - start > LARGEST_STRING_AREA:
        raise ValueError(f"names of exported symbols spread over {end - start} bytes")
    return start, sources.memory.read(start, end - start)


def _insist_on_names(exports: LookedUpExports, sources: RunningSources) -> None:
    for table in exports.tables:
        for index in {0, table.length // 2, table.length - 1} if table.length else ():
            name, address = exports.name(table, index), table.address + index * ENTRY_SIZE
            if not name or not sources.has_entry(name, address):
                raise ValueError(f"no export entry at {address:#x}: tables of another layout")


def _of_modules_in_memory(sources: RunningSources) -> dict[str, KernelExport]:
    """Read the tables of loaded modules: where they begin says /sys/module, how long they are /proc/kallsyms."""
    by_module: dict[str, list[ModuleEntry]] = {}
    found: dict[str, KernelExport] = {}
    for entry in module_entries(_list_with_modules(sources)):
        by_module.setdefault(entry.module, []).append(entry)
    if not by_module:
        return found
    from pyinsmod.kernel_facts.ksymtab import exports_in_tables

    for module, entries in by_module.items():
        found.update({entry.name: KernelExport(module) for entry in entries})
        try:
            tables = list(_module_tables(module, entries, sources))
            found.update(exports_in_tables(tables, sources.memory.read, module))
        except ValueError:
            continue  # the module has gone meanwhile, or hides its sections: its names are known all the same
    return found


def _list_with_modules(sources: RunningSources) -> bytes:
    """Return the end of /proc/kallsyms, which is read only when there are modules."""
    modules = read(sources.paths.modules).value
    return b"" if modules == b"" else sources.module_lines


def _module_tables(module: str, entries: Sequence[ModuleEntry], sources: RunningSources) -> Iterator[ExportTable]:
    from pyinsmod.kernel_facts.ksymtab import ExportTable

    folder = f"{sources.paths.sys_module}/{module}/sections"
    sections = names_in(folder).value or frozenset()
    starts = {name: _section_address(folder, name) for name in sections if name.startswith(("__ksymtab", "__k"))}
    tables = [(starts[name], name) for name in ("__ksymtab", "__ksymtab_gpl") if starts.get(name)]
    for start, name in tables:
        limit = min((other for other, _ in tables if other > start), default=1 << 64)
        count = sum(start <= entry.address < limit for entry in entries)
        suffix = name.removeprefix("__ksymtab")
        crcs, flags = starts.get(f"__kcrctab{suffix}"), starts.get("__kflagstab")
        yield ExportTable(
            start,
            sources.memory.read(start, count * ENTRY_SIZE),
            sources.memory.read(flags, count) if flags else bool(suffix),
            sources.memory.read(crcs, count * CRC_SIZE) if crcs else b"",
        )


def _section_address(folder: str, name: str) -> int:
    try:
        return int(read_line(f"{folder}/{name}").value or "0", 16)
    except ValueError:
        return 0


def _from_image(sources: RunningSources) -> Fact[Exports]:
    image = sources.image
    if image.value is None or image.value.exports is None:
        return unknown(image.source if image.value is None else f"{image.source}: {image.value.reasons.get('exports')}")
    return Fact({**_names_of_modules(sources), **image.value.exports}, f"{image.source}, which is the running kernel")


def _names_of_modules(sources: RunningSources) -> dict[str, KernelExport]:
    entries = module_entries(sources.kallsyms.value or b"")
    return {entry.name: KernelExport(entry.module) for entry in entries}


def _from_headers(sources: RunningSources) -> Fact[Exports]:
    """Read Module.symvers of the headers that belong to this release."""
    from pyinsmod.kernel_facts.headers import KernelHeaders

    of_kernel = KernelHeaders(f"{sources.paths.module_tree(sources.release)}/build").exports
    if of_kernel.value is None:
        return of_kernel
    return Fact({**_names_of_modules(sources), **of_kernel.value}, of_kernel.source)
