"""The shape of what is known about a kernel. Plain data to whoever asks: no file is read here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Generic, NamedTuple, TypeAlias, TypeVar

T = TypeVar("T")


class Fact(NamedTuple, Generic[T]):
    """A value and where it is from. `value` None means unknown, and `source` then says why."""

    value: T | None
    source: str


def unknown(reason: str) -> Fact[T]:
    """Return the fact that nothing is known, for that reason."""
    return Fact(None, reason)


Given: TypeAlias = Fact[T] | Callable[[], Fact[T]]


class _Found(Generic[T]):
    """An attribute that was given as a fact, or as the function that finds it out: called on first use, once."""

    def __set_name__(self, _owner: type, name: str) -> None:
        self._name = name

    def __set__(self, facts: object, given: Given[T]) -> None:
        vars(facts)[self._name] = given

    def __get__(self, facts: object, _owner: type) -> Fact[T]:
        given: Given[T] = vars(facts)[self._name]
        if not isinstance(given, Fact):
            given = vars(facts)[self._name] = given()
        return given


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


class KernelFacts:
    """One kernel, as far as its judgement of a module depends on it.

    Each fact is given as it is, or as a function that finds it out: some cost a thousand system calls, and
    many a file is judged without them. Whoever reads an attribute gets a fact in either case.

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

    machine = _Found[int]()
    vermagic = _Found[str]()
    exports = _Found[Mapping[str, KernelExport]]()
    loaded = _Found[Mapping[str, LoadedModule]]()
    sysfs_modules = _Found[frozenset[str]]()
    modules_disabled = _Found[bool]()
    config = _Found[Mapping[str, str]]()
    providers = _Found[Mapping[str, str]]()
    functions = _Found[frozenset[str]]()
    compression = _Found[str]()

    def __init__(
        self,
        *,
        name: str,
        release: str,
        machine: Given[int],
        vermagic: Given[str],
        exports: Given[Mapping[str, KernelExport]],
        loaded: Given[Mapping[str, LoadedModule]],
        sysfs_modules: Given[frozenset[str]],
        modules_disabled: Given[bool],
        config: Given[Mapping[str, str]],
        providers: Given[Mapping[str, str]],
        functions: Given[frozenset[str]],
        compression: Given[str],
    ) -> None:
        self.name = name
        self.release = release
        self.machine = machine
        self.vermagic = vermagic
        self.exports = exports
        self.loaded = loaded
        self.sysfs_modules = sysfs_modules
        self.modules_disabled = modules_disabled
        self.config = config
        self.providers = providers
        self.functions = functions
        self.compression = compression

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
