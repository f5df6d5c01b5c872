"""Was the module built against the symbols this kernel has? `check_version`, asked for each symbol that is found.

A weak symbol may be missing; one that is found has to be the right one all the same.
"""

from __future__ import annotations

from pyinsmod.checks.blacklist import name_in_log
from pyinsmod.checks.modversions import crc_text, rebuild
from pyinsmod.finding import Finding
from pyinsmod.kernel_facts.facts import KernelFacts
from pyinsmod.module_image import ModuleImage
from pyinsmod.versions import SymbolVersions

NAME, STEP = "symbol-versions", 9


def differs(symbol: str, owner: str, crcs: tuple[int, int], image: ModuleImage, facts: KernelFacts) -> Finding:
    """Return the EINVAL for a symbol of another CRC; `crcs` are the module's and the kernel's."""
    own, wanted = map(crc_text, crcs)
    of = "this kernel's" if owner == "vmlinux" else f"the one module '{owner}' exports"
    return Finding(
        NAME,
        STEP,
        "refuses",
        f"built against another '{symbol}' than {of}: its version (CRC) of it is {own}, wanted is {wanted}",
        errno="EINVAL",
        module_has=f"{symbol} {own}",
        kernel_has=f"{symbol} {wanted} ({facts.exports.source})",
        remedy=_remedy(owner, facts),
        log=f"{name_in_log(image)}: disagrees about version of symbol {symbol}",
    )


def missing(symbol: str, owner: str, versions: SymbolVersions, image: ModuleImage, facts: KernelFacts) -> Finding:
    """Return the EINVAL of a kernel that does not let a symbol without an entry go."""
    return Finding(
        NAME,
        STEP,
        "refuses",
        f"its symbol versions (section {versions.section}) have no entry for '{symbol}', and this kernel wants one",
        errno="EINVAL",
        module_has=f"{len(versions.crcs)} symbol versions, none for {symbol}",
        kernel_has=f"wants one for {symbol}",
        remedy=_remedy(owner, facts),
        log=f"{name_in_log(image)}: no symbol version for {symbol}",
    )


def _remedy(owner: str, facts: KernelFacts) -> str:
    if owner == "vmlinux":
        return rebuild(facts)
    return f"build it again with KBUILD_EXTRA_SYMBOLS naming the Module.symvers of '{owner}' as it is loaded now"
