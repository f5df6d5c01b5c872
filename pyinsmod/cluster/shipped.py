"""What workers get once: kernels as plain facts, and what the modules of a tree export.

A worker has none of the kernels' files. So every fact is found out here, once, and what goes over the wire is
values with where they are from: what a worker says about a kernel is what would have been said here.
"""

from __future__ import annotations

import pickle
import zlib
from hashlib import blake2b

from pyinsmod.cluster.code import own_code
from pyinsmod.kernel_facts.export_lookup import LookedUpExports
from pyinsmod.kernel_facts.facts import FACTS, Fact, KernelExport, KernelFacts
from pyinsmod.kernel_facts.other_kernel import OtherKernel
from pyinsmod.lean import Any, Mapping, NamedTuple, Sequence
from pyinsmod.tree.overlay import LayeredExports
from pyinsmod.tree.resolution import TreeExports
from pyinsmod.tree.scan import Row

_LEVEL = 1


class Shipped(NamedTuple):
    """Something on its way to a worker: a word that is another one for other contents, those, and the sender's code."""

    word: str
    packed: bytes
    code: str

    def content(self) -> Any:
        """Return what was packed."""
        return pickle.loads(zlib.decompress(self.packed))  # noqa: S301 - by the scheduler that hands out the code as well


def shipped(content: object) -> Shipped:
    """Pack plain values."""
    raw = pickle.dumps(content, pickle.HIGHEST_PROTOCOL)
    return Shipped(blake2b(raw, digest_size=16).hexdigest(), zlib.compress(raw, _LEVEL), own_code())


class KernelValues(NamedTuple):
    """All facts of a kernel: name → (value, source). `looked_up` stands for exports in the kernel's own tables."""

    name: str
    release: str
    facts: dict[str, tuple[Any, str]]
    looked_up: tuple[Any, ...] | None


def values_of(kernel: OtherKernel) -> KernelValues:
    """Find out all there is to know of a kernel."""
    facts = kernel.facts
    found = {name: tuple(getattr(facts, name)) for name in FACTS}
    exports = facts.exports.value
    looked_up = None
    if isinstance(exports, LookedUpExports):
        tables, start, strings, of_modules = exports.to_plain()
        plain = tuple(tuple(bytes(part) if isinstance(part, memoryview) else part for part in each) for each in tables)
        looked_up = plain, start, bytes(strings), dict(of_modules)
        found["exports"] = None, facts.exports.source
    elif exports is not None:
        found["exports"] = dict(exports), facts.exports.source
    return KernelValues(facts.name, facts.release, found, looked_up)


def kernel_of(values: KernelValues) -> OtherKernel:
    """Return a kernel that is known by its values alone."""
    given: dict[str, Any] = {name: Fact(*pair) for name, pair in values.facts.items()}
    if values.looked_up is not None:
        given["exports"] = Fact(LookedUpExports.from_plain(values.looked_up), values.facts["exports"][1])
    return OtherKernel(KernelFacts(name=values.name, release=values.release, **given), None, None)


class TreeValues(NamedTuple):
    """What the long way through the checks needs of a tree.

    Attributes:
        modules: name and exports of each file's module.
        own: for each kernel what its own modules export, symbol → export, as far as the tree's modules need it.
    """

    modules: tuple[tuple[bytes | None, tuple[tuple[Any, ...], ...]], ...]
    own: tuple[Mapping[str, KernelExport | None], ...]


def rows_of(tree: TreeValues) -> list[Row]:
    """Return the rows of a tree with what others need to know of them."""
    return [Row(name, exports=exports) for name, exports in tree.modules]


class NotShippedError(Exception):
    """Something is asked for that only the sender has."""


class ShippedExports(LayeredExports):
    """Exports of a kernel and a tree, and of the kernel's own modules what was shipped of them."""

    def __init__(
        self,
        kernel: OtherKernel,
        rows: Sequence[Row],
        exports: TreeExports,
        own: Mapping[str, KernelExport | None],
    ) -> None:
        super().__init__(kernel, rows, exports)
        self._own = own

    def of_own_module(self, symbol: str) -> KernelExport | None:
        """Return what was shipped.

        Raises:
            NotShippedError: a module of the kernel has the symbol, and nobody thought that it would be asked for.
        """
        if symbol not in self._own and symbol in (self._kernel.facts.providers.value or {}):
            raise NotShippedError(symbol)
        return self._own.get(symbol)
