"""Would the kernel give the module this symbol? `resolve_symbol` (kernel/module/main.c), test by test, in its order.

    find_symbol                    nobody exports it, or it is hidden from a proprietary module: as if it were not there
    inherit_taint                  of a proprietary module, to one that uses GPL-only symbols: as if it were not there
    check_version                  EINVAL
    verify_namespace_is_imported   EINVAL
    ref_module                     its module is going: ENOENT; its module is coming: it is waited for, 30 s at most

What is as if it were not there does a weak symbol no harm; the errors do. Symbols are asked for in the order of the
symbol table, and what one answer does to the module (its licence, its use of GPL-only symbols) counts for the next.
"""

from __future__ import annotations

from pyinsmod.checks import licence
from pyinsmod.elf_format import Symbol
from pyinsmod.finding import Finding
from pyinsmod.kernel_facts.facts import KernelExport, KernelFacts, LoadedModule
from pyinsmod.lean import Iterator, Mapping, NamedTuple
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage
from pyinsmod.versions import kernel_compares_versions
from pyinsmod.versions import symbol_versions as versions_of

NAME, STEP = "symbols", 9

# `ignore_undef_symbol`: old assemblers leave this one undefined on x86.
IGNORED = "_GLOBAL_OFFSET_TABLE_"
X86 = frozenset({3, 62})

PROPRIETARY, LOADING, UNLOADING = "P", "Loading", "Unloading"


class Doubt(NamedTuple):
    """What cannot be told of a symbol. Doubts of one kind become one finding, which says how many symbols it is about.

    `check` and `errno` are those of the refusal it may be, `remedy` is None where better facts are what is wanted.
    """

    check: str
    errno: str | None
    why: str
    remedy: str | None = None


class Resolution:
    """One module's symbols, resolved one after another."""

    def __init__(
        self, image: ModuleImage, facts: KernelFacts, request: LoadRequest, exports: Mapping[str, KernelExport]
    ) -> None:
        self._image, self._facts, self._exports = image, facts, exports
        self._loaded: Mapping[str, LoadedModule] = facts.loaded.value or {}
        self._proprietary = licence.why_proprietary(image)
        # None: unknown, because whether some symbol before was GPL-only is unknown.
        self._uses_gpl_only: bool | None = False
        self._versions = versions_of(image, facts, request) if kernel_compares_versions(facts) else None
        self._imported = frozenset(image.modinfo.get("import_ns", ()))

    def is_plain(self, symbol: Symbol) -> bool:
        """Tell at little cost that there is nothing to say of a symbol, as of nearly all in the world."""
        export = self._exports.get(symbol.name)
        if export is None or self._proprietary is not None or export.gpl is None or export.namespace != "":
            return False
        if export.owner in self._loaded:
            return False
        if self._versions is not None and (export.crc is None or self._versions.crcs.get(symbol.name) != export.crc):
            return False
        if export.gpl:
            self._uses_gpl_only = True
        return True

    def resolve(self, symbol: Symbol) -> Iterator[Finding | Doubt]:
        """Yield what the kernel would object to; the first refusal is its answer for this symbol."""
        export = self._exports.get(symbol.name)
        if export is None:
            if not self._may_be_missing(symbol):
                yield self._nobody_has(symbol.name)
            return
        for found in self._tests(symbol, export):
            yield found
            if isinstance(found, Finding) and found.severity == "refuses":
                return

    def _tests(self, symbol: Symbol, export: KernelExport) -> Iterator[Finding | Doubt]:
        absent: list[Finding | Doubt] = [*self._visible(symbol.name, export)]
        if any(isinstance(found, Finding) and found.severity == "refuses" for found in absent):
            # To a weak reference it is simply missing, and nothing more is asked.
            if not self._may_be_missing(symbol):
                yield from absent
            return
        yield from (found for found in absent if isinstance(found, Finding) or not self._may_be_missing(symbol))
        yield from self._version(symbol.name, export)
        yield from self._namespace(symbol.name, export)
        yield from self._owner(symbol.name, export)

    def _may_be_missing(self, symbol: Symbol) -> bool:
        return symbol.weak or (symbol.name == IGNORED and self._image.header.machine in X86)

    # The functions of the kernel: find_symbol, then inherit_taint.

    def _visible(self, name: str, export: KernelExport) -> Iterator[Finding | Doubt]:
        if self._proprietary is not None and export.gpl:
            yield licence.hidden(name, self._proprietary, self._image, self._log(name, -2))
            return
        if self._proprietary is not None and export.gpl is None:
            yield Doubt(licence.NAME, "ENOENT", f"may be for GPL modules only, and {self._proprietary}")
        if export.gpl:
            self._uses_gpl_only = True
        elif export.gpl is None and self._uses_gpl_only is False and self._proprietary is None:
            self._uses_gpl_only = None
        owner = self._loaded.get(export.owner)
        if owner is not None and PROPRIETARY in owner.taints:
            yield from self._of_proprietary(name, export.owner)

    def _of_proprietary(self, name: str, owner: str) -> Iterator[Finding | Doubt]:
        if self._uses_gpl_only:
            yield licence.mixed(name, owner, self._image, self._log(name, -2))
            return
        if self._uses_gpl_only is None:
            yield Doubt(licence.NAME, "ENOENT", f"are of the proprietary module '{owner}', and others may be GPL-only")
        if self._proprietary is None:
            self._proprietary = f"it uses symbols of the proprietary module '{owner}'"
            yield licence.inherited(name, owner, self._image)

    # Then check_version, verify_namespace_is_imported, ref_module.

    def _version(self, name: str, export: KernelExport) -> Iterator[Finding | Doubt]:
        versions = self._versions
        if versions is None:
            return
        from pyinsmod.checks import symbol_versions
        from pyinsmod.checks.modversions import rebuild

        if export.crc is None:
            yield Doubt(symbol_versions.NAME, "EINVAL", "the kernel's versions (CRCs) are unknown")
            return
        answer = versions.compare(name, export.crc)
        if answer == "differs":
            crcs = versions.crcs[name], export.crc
            yield symbol_versions.differs(name, export.owner, crcs, self._image, self._facts)
        elif answer == "missing" and versions.section == "__versions" and self._facts.has("missing-versions-refused"):
            yield symbol_versions.missing(name, export.owner, versions, self._image, self._facts)
        elif answer == "missing":
            why = "it carries no version (CRC) of that; mainline kernels only warn, some distributions' refuse"
            yield Doubt(symbol_versions.NAME, "EINVAL", why, rebuild(self._facts))

    def _namespace(self, name: str, export: KernelExport) -> Iterator[Finding | Doubt]:
        from pyinsmod.checks import namespaces

        if export.namespace is None:
            # Nearly all symbols are in none; those of a kernel whose namespaces cannot be read are taken together.
            yield Doubt(namespaces.NAME, "EINVAL", "it is unknown whether they belong to a namespace")
            return
        if not export.namespace or export.namespace in self._imported:
            return
        own = namespaces.is_own(export.namespace, self._image.struct_name or "", self._facts)
        if own is None:
            yield Doubt(namespaces.NAME, "EINVAL", "it is unknown whether this kernel knows namespaces of modules")
        elif not own:
            yield self._not_imported(name, export.namespace)

    def _owner(self, name: str, export: KernelExport) -> Iterator[Finding | Doubt]:
        owner = self._loaded.get(export.owner)
        if owner is None:
            return
        if owner.state == UNLOADING:
            yield self._going(name, export.owner)
        elif owner.state == LOADING:
            why = f"'{export.owner}' is still running its init; the kernel waits for that, at most 30 s (then EBUSY)"
            yield Doubt(NAME, None, why, f"try again when it is done: cat /sys/module/{export.owner}/initstate")

    def _not_imported(self, name: str, namespace: str) -> Finding | Doubt:
        from pyinsmod.checks import namespaces

        refused = namespaces.refused(self._facts)
        if refused is None:
            why = "it belongs to a namespace that is not imported; whether this kernel only warns is unknown"
            return Doubt(namespaces.NAME, "EINVAL", why, namespaces.how_to_import(namespace, self._facts))
        return namespaces.not_imported(name, namespace, self._image, self._facts)

    def _log(self, name: str, number: int) -> str:
        return f"{self._image.name}: Unknown symbol {name} (err {number})"

    def _going(self, name: str, owner: str) -> Finding:
        return Finding(
            NAME,
            STEP,
            "refuses",
            f"symbol '{name}' is exported by module '{owner}', which is just being removed",
            errno="ENOENT",
            module_has=f"uses '{name}'",
            kernel_has=f"{owner} ({UNLOADING})",
            remedy=f"load that one again first: modprobe {owner}",
            log=self._log(name, -2),
        )

    def _nobody_has(self, name: str) -> Finding:
        facts = self._facts
        provider = (facts.providers.value or {}).get(name)
        if provider is not None:
            reason = f"module '{provider}' exports it and is not loaded"
            remedy = f"load that one first: modprobe {provider}"
        elif facts.providers.value is not None:
            reason = f"neither the kernel, nor a loaded module, nor any module of {facts.release} exports it"
            remedy = f"find out who should export it: grep -w {name} /lib/modules/{facts.release}/build/Module.symvers"
        else:
            reason = "neither the kernel nor a loaded module exports it"
            remedy = f"load the module that exports it first: grep -w {name} /lib/modules/*/modules.symbols"
        return Finding(
            NAME,
            STEP,
            "refuses",
            f"unknown symbol '{name}': {reason}",
            errno="ENOENT",
            module_has=f"uses '{name}'",
            kernel_has=f"{len(self._exports)} exported symbols, '{name}' not among them",
            remedy=remedy,
            log=self._log(name, -2),
        )
