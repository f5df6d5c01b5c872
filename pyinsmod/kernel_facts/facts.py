"""The shape of what is known about a kernel. Plain data: no file is read here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Fact(Generic[T]):
    """A value and where it is from. `value` None means unknown, and `source` then says why."""

    value: T | None
    source: str


def unknown(reason: str) -> Fact[T]:
    """Return the fact that nothing is known, for that reason."""
    return Fact(None, reason)


class KernelExport(NamedTuple):
    """An exported symbol: its owner is `vmlinux` or a module; what is None could not be found out."""

    owner: str
    crc: int | None = None
    gpl: bool | None = None
    namespace: str | None = None


class LoadedModule(NamedTuple):
    """One line of /proc/modules: state is `Live`, `Loading` or `Unloading`."""

    state: str
    references: int
    used_by: tuple[str, ...]


@dataclass(frozen=True)
class KernelFacts:
    """One kernel, as far as its judgement of a module depends on it.

    Attributes:
        name: what the user called the kernel, such as `running` or `6.1`.
        release: what `uname -r` prints on it.
        machine: `e_machine` of its modules.
        vermagic: its version magic, trailing space included.
        exports: exported symbol → who exports it.
        loaded: module name → its line of /proc/modules; empty for a kernel that does not run.
        sysfs_modules: names of the directories in /sys/module, built-in modules among them.
        modules_disabled: whether sysctl kernel.modules_disabled is set.
        config: build options (`MODULE_FORCE_LOAD` → `y`) that the loader's judgement depends on.
        providers: symbol → a module of the kernel's own tree that exports it.
        functions: which of the functions in `PROBED_FUNCTIONS` the kernel has.
        compression: the one format the kernel unpacks by itself; the empty string when it unpacks none.
    """

    name: str
    release: str
    machine: Fact[int]
    vermagic: Fact[str]
    exports: Fact[Mapping[str, KernelExport]]
    loaded: Fact[Mapping[str, LoadedModule]]
    sysfs_modules: Fact[frozenset[str]]
    modules_disabled: Fact[bool]
    config: Fact[Mapping[str, str]]
    providers: Fact[Mapping[str, str]]
    functions: Fact[frozenset[str]]
    compression: Fact[str]

    @property
    def modversions(self) -> bool | None:
        """Tell whether symbol versions replace the release in vermagic; None when vermagic is unknown."""
        return None if self.vermagic.value is None else "modversions" in self.vermagic.value.split()

    def option(self, name: str) -> bool | None:
        """Tell whether a build option is on; None when the configuration is unknown."""
        return None if self.config.value is None else self.config.value.get(name) in ("y", "m")

    def has_function(self, name: str) -> bool | None:
        """Tell whether the kernel has one of the probed functions; None when that cannot be known."""
        return None if self.functions.value is None else name in self.functions.value

    def to_json(self) -> dict[str, object]:
        """Return the object that stands in `kernels` of the JSON output."""
        return {
            "name": self.name,
            "release": self.release,
            "vermagic": self.vermagic.value,
            "sources": {"vermagic": self.vermagic.source, "symbols": self.exports.source},
        }
