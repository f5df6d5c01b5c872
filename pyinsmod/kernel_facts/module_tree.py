"""A kernel's own modules: which there are, what each exports, and which have to be loaded before another.

depmod(8) writes this beside the modules (modules.dep, modules.symbols). Where it has not run, as in a package that
was unpacked and not installed, the modules themselves say it, and reading a thousand of them takes seconds.
"""

from __future__ import annotations

import os
import re

from pyinsmod import elf_format as elf
from pyinsmod.elf_format import text
from pyinsmod.errors import MalformedModule
from pyinsmod.kernel_facts.facts import KernelExport
from pyinsmod.kernel_facts.facts_cache import FactsCache
from pyinsmod.kernel_facts.files import read
from pyinsmod.lean import Iterable, Iterator, Mapping, NamedTuple, cached_property
from pyinsmod.module_image import SUFFIXES, ModuleImage, read_image

_PROVIDER = re.compile(rb"^alias symbol:(\S+) (\S+)$", re.MULTILINE)
_EXPORT = re.compile(rb"\0__ksymtab_([^\0]+)(?=\0)")

# What depmod and make touch when modules come or go.
_SHOW_CHANGES = ("", "kernel", "updates", "extra", "modules.order", "modules.dep", "modules.symbols")


class TreeModule(NamedTuple):
    """A module of the tree: its file, and the names of the modules it says it needs."""

    path: str
    depends: tuple[str, ...]


class _Index(NamedTuple):
    """Everything there is to know of a tree, in plain values: name → (path, depends); symbol → name."""

    modules: dict[str, tuple[str, tuple[str, ...]]]
    providers: dict[str, str]


class ModuleTree:
    """The modules below a folder `lib/modules/RELEASE`; read when it is first asked for something.

    Attributes:
        folder: where they are.
    """

    def __init__(self, folder: str, cache: FactsCache | None = None) -> None:
        self.folder = folder
        self._cache = cache or FactsCache()

    @cached_property
    def _index(self) -> _Index:
        return _Index._make(self._cache.kept("modules", self.shown_by, lambda: tuple(_index_of(self.folder))))

    @property
    def shown_by(self) -> tuple[str, ...]:
        """The files and folders that change when modules come or go."""
        return tuple(f"{self.folder}/{name}" for name in _SHOW_CHANGES)

    @cached_property
    def modules(self) -> Mapping[str, TreeModule]:
        """Name (as in /proc/modules) → module."""
        return {name: TreeModule._make(module) for name, module in self._index.modules.items()}

    @property
    def providers(self) -> Mapping[str, str]:
        """Symbol → name of the module that exports it."""
        return self._index.providers

    def image(self, name: str) -> ModuleImage:
        """Return a module's image.

        Raises:
            KeyError: the tree has no such module.
            MalformedModule: its file is damaged.
            OSError: its file cannot be read.
        """
        with open(self._index.modules[name][0], "rb") as file:  # noqa: PTH123 - see paths.py
            return read_image(file.read())

    def exports_of(self, name: str) -> Mapping[str, KernelExport]:
        """Return symbol → export of one module; raises as `image` does."""
        image = self.image(name)
        crcs = crcs_of(image)
        return {
            export.name: KernelExport(name, crcs.get(export.name), export.gpl, export.namespace or "")
            for export in image.exports
        }

    def dependencies(self, module: str | ModuleImage, exported: Iterable[str] = ()) -> tuple[str, ...]:
        """Return the tree's modules that have to be loaded before, in the order they have to be loaded in.

        Args:
            module: a module of the tree by its name, or any other.
            exported: what the kernel itself exports; a module of the tree is not needed for it.
        """
        if isinstance(module, str):
            found: dict[str, None] = {}
            self._put_after_its_own(module, found)
            found.pop(module, None)
        else:
            found = {}
            for name in self._needed_by(module, exported):
                self._put_after_its_own(name, found)
        return tuple(found)

    def _needed_by(self, image: ModuleImage, exported: Iterable[str]) -> Iterator[str]:
        """Yield the modules of the tree that a foreign one names in `depends=`, or takes symbols from."""
        yield from (name for name in depends_of(image) if name in self._index.modules)
        there = exported if hasattr(exported, "keys") else frozenset(exported)
        own = image.known_name
        for symbol in image.undefined_symbols:
            provider = self._index.providers.get(symbol.name)
            if provider is not None and symbol.name not in there and provider != own:
                yield provider

    def _put_after_its_own(self, name: str, found: dict[str, None]) -> None:
        """Add a module behind all it depends on. Iterative: a chain may be longer than Python's stack."""
        waiting = [(name, iter(self._depends(name)))]
        begun = {name}
        while waiting:
            current, rest = waiting[-1]
            following = next((each for each in rest if each not in begun and each not in found), None)
            if following is None:
                waiting.pop()
                found.setdefault(current)
            else:
                begun.add(following)
                waiting.append((following, iter(self._depends(following))))

    def _depends(self, name: str) -> Iterator[str]:
        """Yield what a module depends on; modules.dep names the ones to load first last."""
        known = self._index.modules
        return (each for each in reversed(known[name][1] if name in known else ()) if each in known)


def depends_of(image: ModuleImage) -> tuple[str, ...]:
    """Return the module names of `depends=` in .modinfo, which modpost writes, as /proc/modules spells them."""
    return tuple(name.replace("-", "_") for name in (image.modinfo_value("depends") or "").split(",") if name)


def module_name(path: str) -> str:
    """Return the name a module file is known by: no folder, no suffix, underscores for hyphens."""
    return path.rpartition("/")[2].partition(".ko")[0].replace("-", "_")


def module_files(folder: str) -> Iterator[str]:
    """Yield every module file below a folder."""
    for directory, folders, names in os.walk(folder):
        folders.sort()
        yield from (f"{directory}/{name}" for name in sorted(names) if name.endswith(SUFFIXES))


def _index_of(folder: str) -> _Index:
    listed, aliases = read(f"{folder}/modules.dep").value, read(f"{folder}/modules.symbols").value
    if listed and aliases is not None:
        modules = dict(_listed_modules(folder, text(listed)))
        if any(os.path.exists(path) for path, _ in modules.values()):  # noqa: PTH110 - see paths.py
            return _Index(modules, {text(symbol): text(name) for symbol, name in _PROVIDER.findall(aliases)})
    return _index_by_reading(folder)


def _listed_modules(folder: str, listing: str) -> Iterator[tuple[str, tuple[str, tuple[str, ...]]]]:
    """Yield the modules of modules.dep: `PATH: PATH…`, below the folder unless absolute."""
    for line in listing.splitlines():
        path, colon, needs = line.partition(":")
        if colon:
            whole = path if path.startswith("/") else f"{folder}/{path}"
            yield module_name(path), (whole, tuple(map(module_name, needs.split())))


def _index_by_reading(folder: str) -> _Index:
    """Read every module. Unpacking releases Python's lock, so as many are read at once as there are processors."""
    from concurrent.futures import ThreadPoolExecutor

    paths = list(module_files(folder))
    modules: dict[str, tuple[str, tuple[str, ...]]] = {}
    providers: dict[str, str] = {}
    with ThreadPoolExecutor(os.cpu_count()) as readers:
        for path, found in zip(paths, readers.map(_read_module, paths), strict=True):
            name = module_name(path)
            if found is not None and name not in modules:
                modules[name] = path, found[0]
                providers.update(dict.fromkeys(found[1], name))
    return _Index(modules, providers)


def _read_module(path: str) -> tuple[tuple[str, ...], list[str]] | None:
    """Return what a module depends on and what it exports; None for a file that cannot be read."""
    try:
        image = read_image(read(path).value or b"")
        strings = image.find_section(".strtab")
        exported = [] if strings is None else _EXPORT.findall(image.section_bytes(strings))
        return depends_of(image), [text(name) for name in exported]
    except MalformedModule:
        return None


def crcs_of(image: ModuleImage) -> Mapping[str, int]:
    """Return symbol → CRC of what a module exports: `__crc_NAME` is the CRC's place, or in older modules the CRC."""
    found = {}
    for symbol in image.symbols:
        if symbol.name.startswith("__crc_") and symbol.section != elf.SHN_UNDEF:
            crc = symbol.value & 0xFFFFFFFF if symbol.section == elf.SHN_ABS else _word_at(image, symbol)
            if crc is not None:
                found[symbol.name.removeprefix("__crc_")] = crc
    return found


def _word_at(image: ModuleImage, symbol: elf.Symbol) -> int | None:
    if symbol.section >= len(image.sections):
        return None
    word = image.section_bytes(image.sections[symbol.section])[symbol.value : symbol.value + 4]
    return int.from_bytes(word, "little") if len(word) == 4 else None
