"""Was the module built with this kernel's structures? `check_modstruct_version` (kernel/module/version.c).

The first version that is compared is that of `module_layout`: a function without a body, whose parameters are
the structures that the loader itself reads in a module. So its CRC is that of `struct module`.
"""

from __future__ import annotations

from pyinsmod.finding import Finding
from pyinsmod.kernel_facts.facts import KernelFacts
from pyinsmod.lean import Iterator
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage
from pyinsmod.versions import SymbolVersions, kernel_compares_versions, symbol_versions

NAME, STEP, LAYOUT = "modversions", 7, "module_layout"


def check_modversions(image: ModuleImage, facts: KernelFacts, request: LoadRequest) -> Iterator[Finding]:
    """Yield ENOEXEC for another module_layout; a taint, or ENOEXEC, for a module whose versions cannot be found.

    Where it is unknown whether the kernel compares at all, its vermagic is unknown too, and that check says so.
    """
    if not kernel_compares_versions(facts):
        return
    versions = symbol_versions(image, facts, request)
    if versions is None:
        yield _no_versions(image, facts, forced=request.force_modversion)
        return
    layout = (facts.exports.value or {}).get(LAYOUT)
    if layout is None or layout.crc is None:
        yield _unknown(versions, facts)
        return
    answer = versions.compare(LAYOUT, layout.crc)
    if answer == "differs":
        yield _differs(image, versions.crcs[LAYOUT], layout.crc, facts)
    elif answer == "missing":
        yield _missing(image, versions, facts)


def rebuild(facts: KernelFacts) -> str:
    """Return the command that builds a module for this kernel."""
    return f"build it for this kernel: make -C /lib/modules/{facts.release}/build M=$PWD clean modules"


def crc_text(crc: int) -> str:
    """Return a CRC as Module.symvers writes it."""
    return f"{crc:#010x}"


def _differs(image: ModuleImage, own: int, wanted: int, facts: KernelFacts) -> Finding:
    """Say it plainly where the CRC, which the kernel minds first, only shows that the module is another kernel's."""
    from pyinsmod.checks.blacklist import name_in_log

    found = Finding(
        NAME,
        STEP,
        "refuses",
        "built against another configuration or another patch level of this kernel: the version (CRC) of "
        f"'{LAYOUT}', which stands for struct module and the like, differs",
        errno="ENOEXEC",
        module_has=f"{LAYOUT} {crc_text(own)}",
        kernel_has=f"{LAYOUT} {crc_text(wanted)} ({facts.exports.source})",
        remedy=rebuild(facts),
        log=f"{name_in_log(image)}: disagrees about version of symbol {LAYOUT}",
    )
    built_for, kernel = image.vermagic, facts.vermagic.value
    if not built_for or not kernel or built_for.partition(" ")[0] == kernel.partition(" ")[0]:
        return found
    return found._replace(
        summary=f"built for another kernel, '{built_for.partition(' ')[0]}'; this one is '{facts.release}'. What it "
        f"minds first is the version (CRC) of '{LAYOUT}', which stands for struct module and the like",
        module_has=f"{built_for.rstrip()} with {LAYOUT} {crc_text(own)}",
        kernel_has=f"{kernel.rstrip()} with {LAYOUT} {crc_text(wanted)}",
    )


def _missing(image: ModuleImage, versions: SymbolVersions, facts: KernelFacts) -> Finding:
    """Mainline warns once and goes on; Debian's kernels refuse."""
    from pyinsmod.checks.blacklist import name_in_log

    refused = bool(facts.has("missing-versions-refused")) and versions.section == "__versions"
    return Finding(
        NAME,
        STEP,
        "refuses" if refused else "cannot-tell",
        f"its symbol versions (section {versions.section}) have no entry for '{LAYOUT}': "
        + ("this kernel refuses that" if refused else "mainline kernels only warn, some distributions' refuse"),
        errno="ENOEXEC",
        module_has=f"{len(versions.crcs)} symbol versions, none for {LAYOUT}",
        kernel_has=f"wants one for {LAYOUT}",
        remedy=rebuild(facts),
        log=f"{name_in_log(image)}: no symbol version for {LAYOUT}" if refused else None,
    )


def _no_versions(image: ModuleImage, facts: KernelFacts, *, forced: bool) -> Finding:
    from pyinsmod.checks.force_load import to_force

    why = "its symbol versions are to be ignored (--force-modversion)" if forced else "it carries no symbol versions"
    found = Finding(
        NAME,
        STEP,
        "refuses",
        why,
        module_has="symbol versions that are not to be looked at" if forced else "no section __versions in memory",
        kernel_has="compares symbol versions (CONFIG_MODVERSIONS)",
        remedy=rebuild(facts),
        log=f"{image.name}: {LAYOUT}: kernel tainted.",
    )
    return to_force(found, facts, "loads it without comparing any")


def _unknown(versions: SymbolVersions, facts: KernelFacts) -> Finding:
    own = versions.crcs.get(LAYOUT)
    return Finding(
        NAME,
        STEP,
        "cannot-tell",
        f"the kernel's version (CRC) of '{LAYOUT}' is unknown: {facts.exports.source}",
        errno="ENOEXEC",
        module_has=f"{LAYOUT} {crc_text(own)}" if own is not None else f"no version for {LAYOUT}",
        remedy=f"run it as root with /proc/kcore readable, or with /boot/vmlinuz-{facts.release} in place",
    )
