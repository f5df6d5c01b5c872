"""A kernel that does not run here → its facts, from its files; each fact is read when it is asked for.

What only a running kernel has is what a fresh one has: no module loaded, no command line, no policy.
"""

from __future__ import annotations

import os

from pyinsmod.errors import MalformedModule, UsageError
from pyinsmod.kernel_facts.boot_image import vmlinux_in
from pyinsmod.kernel_facts.config import options_in
from pyinsmod.kernel_facts.export_lookup import LookedUpExports
from pyinsmod.kernel_facts.facts import Fact, KernelExport, KernelFacts, TrustedKey, unknown
from pyinsmod.kernel_facts.facts_cache import FactsCache
from pyinsmod.kernel_facts.files import read
from pyinsmod.kernel_facts.headers import KernelHeaders
from pyinsmod.kernel_facts.kernel_files import KernelFiles
from pyinsmod.kernel_facts.module_tree import ModuleTree, module_files
from pyinsmod.kernel_facts.vmlinux import VmlinuxFacts, facts_in_vmlinux
from pyinsmod.lean import Any, Callable, Mapping, NamedTuple, T, cache
from pyinsmod.module_image import THIS_MODULE, ModuleImage, read_image

FRESH = "a kernel that does not run: taken as freshly booted, without a command line of its own"
NO_POLICY = "a kernel that does not run: no security policy is assumed"

_FORMATS = {"MODULE_COMPRESS_GZIP": "gzip", "MODULE_COMPRESS_XZ": "xz", "MODULE_COMPRESS_ZSTD": "zstd"}
_CONFIDENTIALITY, _INTEGRITY = "LOCK_DOWN_KERNEL_FORCE_CONFIDENTIALITY", "LOCK_DOWN_KERNEL_FORCE_INTEGRITY"


class OtherKernel(NamedTuple):
    """A kernel by its files. `tree` is None when its own modules are not at hand, `files` for one that runs."""

    facts: KernelFacts
    tree: ModuleTree | None
    files: KernelFiles | None = None


def other_kernel(files: KernelFiles, name: str, facts_cache: FactsCache | None = None) -> OtherKernel:
    """Return the kernel that these files belong to.

    Args:
        files: where they are, see `kernel_files`.
        name: what the user calls it.
        facts_cache: where the facts of boot image and module tree are kept.

    Raises:
        UsageError: nothing but an image was given, and it is none.
    """
    sources = _Sources(files, facts_cache or FactsCache())
    return OtherKernel(
        KernelFacts(
            name=name,
            release=files.release or sources.release(),
            machine=sources.machine,
            vermagic=sources.vermagic,
            exports=sources.exports,
            loaded=Fact({}, FRESH),
            sysfs_modules=lambda: sources.of_image(lambda image: image.sysfs_modules),
            modules_disabled=Fact(False, FRESH),
            config=sources.config,
            providers=sources.providers,
            features=sources.features,
            compression=sources.compression,
            struct_module_size=sources.struct_module_size,
            btf=sources.btf,
            sig_enforce=sources.sig_enforce,
            lockdown=sources.lockdown,
            trusted_keys=lambda: sources.of_image(lambda image: image.trusted_keys),
            blacklist=Fact(frozenset(), FRESH),
            initcall_blacklist=Fact(frozenset(), FRESH),
            security_modules=Fact((), NO_POLICY),
        ),
        sources.tree,
        files,
    )


class _Sources:
    """The readers of a kernel's files: for each fact the best source first."""

    def __init__(self, files: KernelFiles, facts_cache: FactsCache) -> None:
        self._files = files
        self._cache = facts_cache
        folder = files.headers or os.path.dirname(files.symvers)  # noqa: PTH120 - see paths.py
        self._headers = KernelHeaders(folder, files.symvers) if folder else None
        self.tree = ModuleTree(files.modules, facts_cache) if files.modules else None
        self._parsed = cache(self._parse)
        self._image = cache(self._kept_image)
        self.config = cache(self._config)
        self._in_tree = cache(self._in_tree_module)

    # --- the boot image

    def _parse(self) -> VmlinuxFacts:
        with open(self._files.image, "rb") as file:  # noqa: PTH123 - see paths.py
            return facts_in_vmlinux(vmlinux_in(file.read()))

    def _kept_image(self) -> VmlinuxFacts:
        """Return the image's facts but for its type information, which is big and seldom wanted."""
        plain = self._cache.kept("image", (self._files.image,), lambda: _plain(self._parsed()))
        return _unplain(plain)

    def of_image(self, take: Callable[[VmlinuxFacts], T | None], field: str = "") -> Fact[T]:
        """Return a fact of the boot image, or why it has none."""
        if not self._files.image:
            return unknown("its boot image is not at hand")
        try:
            image = self._image()
        except (OSError, UsageError) as error:
            return unknown(f"{self._files.image}: {error.strerror if isinstance(error, OSError) else error}")
        value = take(image)
        if value is None:
            return unknown(f"{self._files.image}: {image.reasons.get(field) or 'it does not say'}")
        return Fact(value, self._files.image)

    def release(self) -> str:
        """Return the release an image calls itself by; headers alone may not tell any.

        Raises:
            UsageError: the image is none.
        """
        if not self._files.image:
            return "unknown"
        try:
            return self._image().release
        except (OSError, UsageError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise UsageError(f"{self._files.image}: {why}") from error

    def btf(self) -> Fact[bytes]:
        if not self._files.image:
            return unknown("its boot image is not at hand")
        try:
            raw: bytes | None = self._cache.kept("btf", (self._files.image,), lambda: self._parsed().btf)
        except (OSError, UsageError) as error:
            return unknown(f"{self._files.image}: {error}")
        return Fact(raw, self._files.image) if raw else unknown(f"{self._files.image}: it has no .BTF section")

    # --- what several files tell

    def machine(self) -> Fact[int]:
        return _best(
            self.of_image(lambda image: image.machine),
            lambda: self._of_module(lambda module: module.header.machine),
            lambda: self._of_headers(lambda headers: headers.machine),
        )

    def vermagic(self) -> Fact[str]:
        return _best(
            self.of_image(lambda image: image.vermagic, "vermagic"),
            lambda: self._of_module(lambda module: module.vermagic),
            lambda: self._of_headers(lambda headers: headers.vermagic),
        )

    def exports(self) -> Fact[Mapping[str, KernelExport]]:
        return _best(
            self.of_image(lambda image: image.exports, "exports"),
            lambda: self._of_headers(lambda headers: headers.exports),
        )

    def features(self) -> Fact[Mapping[str, bool]]:
        return _best(
            self.of_image(lambda image: image.features, "features"),
            lambda: self._of_headers(lambda headers: headers.features),
        )

    def providers(self) -> Fact[Mapping[str, str]]:
        if self.tree is not None and self.tree.modules:
            return Fact(self.tree.providers, f"the modules of {self.tree.folder}")
        return self._of_headers(lambda headers: headers.providers)

    def _config(self) -> Fact[Mapping[str, str]]:
        raw = read(self._files.config) if self._files.config else unknown("no configuration of it is at hand")
        if raw.value is not None:
            return Fact(options_in(raw.value), raw.source)
        return _best(self.of_image(lambda image: image.config, "config"), lambda: unknown(raw.source))

    def struct_module_size(self) -> Fact[int]:
        return _best(
            self.of_image(lambda image: image.struct_module_size),
            lambda: self._of_module(_this_module_size),
        )

    # --- what the image or else the configuration tells

    def compression(self) -> Fact[str]:
        return _best(
            self.of_image(lambda image: image.compression),
            lambda: self._by_option(
                "MODULE_DECOMPRESS", lambda on: _format_of(self.config().value or {}) if on else ""
            ),
        )

    def sig_enforce(self) -> Fact[bool]:
        return _best(
            self.of_image(lambda image: image.sig_enforce),
            lambda: self._by_option("MODULE_SIG_FORCE", lambda on: on),
        )

    def lockdown(self) -> Fact[str]:
        """Lockdown by configuration; that of a system booted with Secure Boot is not assumed."""
        return _best(
            self.of_image(lambda image: image.lockdown),
            lambda: self._by_option(_CONFIDENTIALITY, lambda on: "confidentiality" if on else None),
            lambda: self._by_option(_INTEGRITY, lambda on: "integrity" if on else "none"),
        )

    def _by_option(self, option: str, take: Callable[[bool], T | None]) -> Fact[T]:
        """Return what follows from a build option being on or off."""
        options = self.config()
        if options.value is None:
            return unknown(options.source)
        return Fact(take(options.value.get(option) == "y"), f"CONFIG_{option} in {options.source}")

    # --- headers and modules

    def _of_headers(self, take: Callable[[KernelHeaders], Fact[T]]) -> Fact[T]:
        return unknown("no headers of it are at hand") if self._headers is None else take(self._headers)

    def _of_module(self, take: Callable[[ModuleImage], T | None]) -> Fact[T]:
        """Return what a module of the kernel's own tree says; all are built alike."""
        path, module = self._in_tree()
        try:
            value = None if module is None else take(module)
        except MalformedModule as error:
            return unknown(f"{path}: {error}")
        return unknown(path or "no modules of it are at hand") if value is None else Fact(value, path)

    def _in_tree_module(self) -> tuple[str, ModuleImage | None]:
        path = next(module_files(self._files.modules), "") if self._files.modules else ""
        try:
            return path, read_image(read(path).value or b"") if path else None
        except MalformedModule:
            return path, None


def _best(first: Fact[T], *others: Callable[[], Fact[T]]) -> Fact[T]:
    """Return the first fact that is known, else that none is, with all reasons."""
    reasons = [first.source]
    found = first
    for other in others:
        if found.value is not None:
            return found
        found = other()
        reasons.append(found.source)
    return found if found.value is not None else unknown("; ".join(dict.fromkeys(reasons)))


def _format_of(options: Mapping[str, str]) -> str | None:
    """Return what a kernel that unpacks its modules has them packed with."""
    return next((name for option, name in _FORMATS.items() if options.get(option) == "y"), None)


def _this_module_size(module: ModuleImage) -> int | None:
    """Return sizeof(struct module), which is the size of this section."""
    section = module.find_section(THIS_MODULE)
    return None if section is None else section.size


def _plain(image: VmlinuxFacts) -> dict[str, Any]:
    """Return the facts as plain values, which can be kept in a file."""
    exports = None if image.exports is None else image.exports.to_plain()
    return {**image._asdict(), "btf": None, "exports": exports, "trusted_keys": tuple(map(tuple, image.trusted_keys))}


def _unplain(plain: dict[str, Any]) -> VmlinuxFacts:
    exports = None if plain["exports"] is None else LookedUpExports.from_plain(plain["exports"])
    keys = tuple(map(TrustedKey._make, plain["trusted_keys"]))
    return VmlinuxFacts(**{**plain, "exports": exports, "trusted_keys": keys})
