"""The same kernel with modules of its own tree loaded: what it then exports, and what stands in /proc/modules."""

from __future__ import annotations

from functools import partial

from pyinsmod.errors import MalformedModule
from pyinsmod.kernel_facts.facts import FACTS, Fact, KernelExport, KernelFacts, LoadedModule, unknown
from pyinsmod.kernel_facts.module_tree import ModuleTree
from pyinsmod.lean import Any, Iterable, Iterator, Mapping


def facts_with_loaded(facts: KernelFacts, tree: ModuleTree, names: Iterable[str]) -> KernelFacts:
    """Return the facts of a kernel that has these modules of its tree loaded, and is otherwise the same.

    Nothing is added to `names`: what they depend on has to be among them (see `ModuleTree.dependencies`). Names
    the tree has not are left out.
    """
    loaded = tuple(name for name in names if name in tree.modules)
    if not loaded:
        return facts
    given: dict[str, Any] = {fact: partial(getattr, facts, fact) for fact in FACTS}
    given["exports"] = lambda: _exports(facts, tree, loaded)
    given["loaded"] = lambda: _loaded(facts, tree, loaded)
    given["sysfs_modules"] = lambda: _sysfs_modules(facts, loaded)
    return KernelFacts(name=facts.name, release=facts.release, **given)


def _exports(facts: KernelFacts, tree: ModuleTree, names: tuple[str, ...]) -> Fact[Mapping[str, KernelExport]]:
    """Add what the modules export; the kernel finds its own symbols first, then those of the module loaded last."""
    before = facts.exports
    if before.value is None:
        return before
    added: dict[str, KernelExport] = {}
    try:
        for name in names:
            added.update(tree.exports_of(name))
    except (MalformedModule, OSError) as error:
        return unknown(f"what module '{name}' of {tree.folder} exports: {error}")
    return Fact(JoinedExports(before.value, added), f"{before.source}, and {_named(names)} of {tree.folder}")


class JoinedExports(Mapping[str, KernelExport]):
    """What is in `first`, and what only `second` has; neither is copied."""

    def __init__(self, first: Mapping[str, KernelExport], second: Mapping[str, KernelExport]) -> None:
        self._first = first
        self._second = {name: export for name, export in second.items() if name not in first}

    def __getitem__(self, symbol: str) -> KernelExport:
        added = self._second.get(symbol)
        return self._first[symbol] if added is None else added

    def __iter__(self) -> Iterator[str]:
        yield from self._first
        yield from self._second

    def __len__(self) -> int:
        return len(self._first) + len(self._second)


def _loaded(facts: KernelFacts, tree: ModuleTree, names: tuple[str, ...]) -> Fact[Mapping[str, LoadedModule]]:
    users = {name: tuple(each for each in names if name in tree.modules[each].depends) for name in names}
    added = {name: LoadedModule("Live", len(users[name]), users[name]) for name in names}
    return Fact({**(facts.loaded.value or {}), **added}, f"{_named(names)} loaded")


def _sysfs_modules(facts: KernelFacts, names: tuple[str, ...]) -> Fact[frozenset[str]]:
    before = facts.sysfs_modules
    return before if before.value is None else Fact(before.value | set(names), f"{before.source}, and {_named(names)}")


def _named(names: tuple[str, ...]) -> str:
    return f"modules {', '.join(names)}" if len(names) > 1 else f"module {names[0]}"
