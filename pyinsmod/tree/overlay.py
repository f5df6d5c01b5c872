"""A kernel for which the other modules of a tree are there: what they export counts as exported.

Three layers, in this order: the kernel itself, the tree, and the kernel's own modules, which are read when one of
their symbols is asked for.
"""

from __future__ import annotations

from pyinsmod.errors import MalformedModule
from pyinsmod.kernel_facts.facts import FACTS, Fact, KernelExport, KernelFacts
from pyinsmod.kernel_facts.module_tree import crcs_of
from pyinsmod.kernel_facts.other_kernel import OtherKernel
from pyinsmod.lean import Any, Callable, Iterator, Mapping, Sequence
from pyinsmod.module_image import read_image
from pyinsmod.tree.exported import exports_of
from pyinsmod.tree.resolution import TreeExports
from pyinsmod.tree.scan import Row
from pyinsmod.tree.sources import MemoryBytes
from pyinsmod.tree.sweep import sound_module


class LayeredExports(Mapping[str, KernelExport]):
    """Symbol → export, from the kernel, the tree, and the kernel's own modules."""

    def __init__(self, kernel: OtherKernel, rows: Sequence[Row], exports: TreeExports) -> None:
        self._kernel, self._rows, self._exports = kernel, rows, exports
        self._base: Mapping[str, KernelExport] = kernel.facts.exports.value or {}
        self._read: dict[str, Mapping[str, KernelExport]] = {}
        self.number = -1

    def __getitem__(self, symbol: str) -> KernelExport:
        found = self._base.get(symbol) or self._in_tree(symbol) or self.of_own_module(symbol)
        if found is None:
            raise KeyError(symbol)
        return found

    def __contains__(self, symbol: object) -> bool:
        return isinstance(symbol, str) and self.get(symbol) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self._base)

    def __len__(self) -> int:
        return len(self._base)

    def _in_tree(self, symbol: str) -> KernelExport | None:
        """A module that exports the symbol itself is not told of others that do so too: they need not be loaded."""
        name = symbol.encode("utf-8", "surrogateescape")
        offer = self._exports.offer(name)
        if offer is None:
            return None
        owner = self.number if self.number in self._exports.repeated.get(name, ()) else offer.owner
        export = offer.export
        space = export.namespace.decode("utf-8", "surrogateescape")
        of = (self._rows[owner].name or b"").decode("utf-8", "surrogateescape")
        return KernelExport(of, export.crc, export.gpl, space)

    def of_own_module(self, symbol: str) -> KernelExport | None:
        """Return what a module of the kernel's own tree exports by that name; None if none does, or it is not read."""
        owner = (self._kernel.facts.providers.value or {}).get(symbol)
        if owner is None or self._kernel.tree is None:
            return None
        if owner.encode("utf-8", "surrogateescape") in self._exports.named:
            return None  # the tree has another module of that name, which does not export it any more
        if owner not in self._read:
            try:
                self._read[owner] = exports_in(self._kernel.tree.modules[owner].path, owner)
            except (KeyError, MalformedModule, OSError):
                self._read[owner] = {}
        return self._read[owner].get(symbol)


class WithTree:
    """Facts of a kernel with the exports of a tree laid over them."""

    def __init__(self, facts: KernelFacts, layers: LayeredExports) -> None:
        self._layers = layers
        own: dict[str, Any] = {name: _getter(facts, name) for name in FACTS}
        if facts.exports.value is not None:
            own["exports"] = lambda: Fact(self._layers, facts.exports.source)
        self._facts = KernelFacts(name=facts.name, release=facts.release, **own)

    def for_module(self, number: int) -> KernelFacts:
        """Return the facts as they are for one file of the tree."""
        self._layers.number = number
        return self._facts


def _getter(facts: KernelFacts, name: str) -> Callable[[], Fact[Any]]:
    return lambda: getattr(facts, name)


def exports_in(path: str, owner: str) -> Mapping[str, KernelExport]:
    """Return what a module file exports.

    Raises:
        OSError: it cannot be read.
        MalformedModule: it is damaged.
    """
    with open(path, "rb") as opened:  # noqa: PTH123 - see paths.py
        image = read_image(opened.read())
    source = MemoryBytes(bytes(image.data))
    sound = sound_module(source)
    exports = None if sound is None else exports_of(source, sound)
    if exports is None:
        crcs = crcs_of(image)
        return {
            each.name: KernelExport(owner, crcs.get(each.name), each.gpl, each.namespace or "")
            for each in image.exports
        }
    return {_text(name): KernelExport(owner, crc, gpl, _text(space)) for name, crc, gpl, space in exports}


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")
