"""The shape of what is known about a kernel. Plain data to whoever asks: no file is read here."""

from __future__ import annotations

from pyinsmod.lean import TYPE_CHECKING, Any, Callable, Generic, Mapping, NamedTuple, T, TypeAlias

if TYPE_CHECKING:
    from pyinsmod.btf.base import BaseBtf  # noqa: F401 - stands in a string


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
    """An exported symbol: its owner is `vmlinux` or a module; what is None could not be found out.

    `crc` is None also where the kernel has no symbol versions; `namespace` is the empty string for a symbol of
    none.
    """

    owner: str
    crc: int | None = None
    gpl: bool | None = None
    namespace: str | None = None


class LoadedModule(NamedTuple):
    """One line of /proc/modules: state is `Live`, `Loading` or `Unloading`; `taints` are letters such as `POE`."""

    state: str
    references: int
    used_by: tuple[str, ...]
    taints: str = ""


class TrustedKey(NamedTuple):
    """A certificate of the kernel's keyrings: by what a signature names it, and its RSA or elliptic-curve key.

    `issuer` (DER of the name) with `serial` (big-endian bytes), or `key_id` (subject key identifier), name it;
    what is not known is empty. RSA has `modulus` and `exponent`; ECDSA has `curve` (`P-256`, `P-384`, `P-521`)
    and `point` (x and y, big-endian, of equal length). Without either the public key could not be read.
    """

    subject: str
    issuer: bytes = b""
    serial: bytes = b""
    key_id: bytes = b""
    modulus: int = 0
    exponent: int = 0
    curve: str = ""
    point: bytes = b""


class KernelFacts:
    """One kernel, as far as its judgement of a module depends on it.

    Each fact is given as it is, or as a function that finds it out: some cost a thousand system calls, and
    many a file is judged without them. Whoever reads an attribute gets a fact in either case; one that was not
    given is unknown.

    Attributes:
        name: what the user called the kernel, such as `running` or `6.1`.
        release: what `uname -r` prints on it.
        machine: `e_machine` of its modules.
        vermagic: its version magic, trailing space included.
        exports: exported symbol → who exports it; loaded modules' included.
        loaded: module name → its line of /proc/modules; empty for a kernel that does not run.
        sysfs_modules: names of the directories in /sys/module, built-in modules among them.
        modules_disabled: whether sysctl kernel.modules_disabled is set.
        config: build options (`MODULE_FORCE_LOAD` → `y`) that the loader's judgement depends on.
        providers: symbol → a module of the kernel's own tree that exports it.
        features: which of the behaviours in `features.FEATURES` its loader has or has not; undecided ones are absent.
        compression: the one format the kernel unpacks by itself; the empty string when it unpacks none.
        struct_module_size: sizeof(struct module) in bytes.
        btf: its type information (.BTF of vmlinux, or /sys/kernel/btf/vmlinux): raw, or as what it is a base for.
        sig_enforce: whether unsigned modules are refused (module.sig_enforce or CONFIG_MODULE_SIG_FORCE).
        lockdown: `none`, `integrity` or `confidentiality`.
        trusted_keys: the certificates in the keyrings that modules are verified with.
        blacklist: module names of `module_blacklist=`.
        initcall_blacklist: function names of `initcall_blacklist=`.
        security_modules: names of /sys/kernel/security/lsm, in order.
    """

    machine = _Found[int]()
    vermagic = _Found[str]()
    exports = _Found[Mapping[str, KernelExport]]()
    loaded = _Found[Mapping[str, LoadedModule]]()
    sysfs_modules = _Found[frozenset[str]]()
    modules_disabled = _Found[bool]()
    config = _Found[Mapping[str, str]]()
    providers = _Found[Mapping[str, str]]()
    features = _Found[Mapping[str, bool]]()
    compression = _Found[str]()
    struct_module_size = _Found[int]()
    btf = _Found["bytes | BaseBtf"]()
    sig_enforce = _Found[bool]()
    lockdown = _Found[str]()
    trusted_keys = _Found[tuple[TrustedKey, ...]]()
    blacklist = _Found[frozenset[str]]()
    initcall_blacklist = _Found[frozenset[str]]()
    security_modules = _Found[tuple[str, ...]]()

    def __init__(self, *, name: str, release: str, keep: Callable[[], None] | None = None, **given: Given[Any]) -> None:
        self.name = name
        self.release = release
        self._keep = keep
        for fact in FACTS:
            setattr(self, fact, given.pop(fact, NOT_GIVEN))
        if given:
            raise TypeError(f"no such facts: {', '.join(given)}")

    def unrecorded(self, name: str) -> Fact[Any]:
        """Return a fact as if nobody had asked for it: `to_json` names the sources of those that were."""
        given: Given[Any] = vars(self)[name]
        return given if isinstance(given, Fact) else given()

    def keep(self) -> None:
        """Keep for the next program what was found out so far, where that is provided for."""
        if self._keep is not None:
            self._keep()

    @property
    def modversions(self) -> bool | None:
        """Tell whether symbol versions replace the release in vermagic; None when vermagic is unknown."""
        return None if self.vermagic.value is None else "modversions" in self.vermagic.value.split()

    def option(self, name: str) -> bool | None:
        """Tell whether a build option is on; None when the configuration is unknown."""
        return None if self.config.value is None else self.config.value.get(name) in ("y", "m")

    def has(self, feature: str) -> bool | None:
        """Tell whether the loader behaves so (see features.py); None when that cannot be known."""
        return None if self.features.value is None else self.features.value.get(feature)

    def built_with(self, option: str, feature: str) -> bool | None:
        """Tell whether a build option is on: by the configuration, else by the feature that shows it."""
        told = self.option(option)
        return self.has(feature) if told is None else told

    def to_json(self) -> dict[str, object]:
        """Return the object that stands in `kernels` of the JSON output."""
        return {
            "name": self.name,
            "release": self.release,
            "vermagic": self.vermagic.value,
            "sources": {"vermagic": self.vermagic.source, "symbols": self.exports.source, **self._sources_found()},
        }

    def asked(self) -> tuple[str, ...]:
        """Return the names of the facts that were asked for."""
        found = ((name, vars(self)[name]) for name in FACTS)
        return tuple([name for name, fact in found if isinstance(fact, Fact) and fact is not NOT_GIVEN])

    def _sources_found(self) -> dict[str, str]:
        """Return where the other facts are from, those that were asked for."""
        return {name: vars(self)[name].source for name in self.asked() if name not in ("vermagic", "exports")}


FACTS = tuple(name for name, fact in vars(KernelFacts).items() if isinstance(fact, _Found))
NOT_GIVEN: Fact[Any] = unknown("nobody looked for it")
