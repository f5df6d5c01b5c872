"""Which symbols does the module's licence open to it? `set_license`, `find_symbol` and `inherit_taint`.

A module whose licence is not one of six exact strings is proprietary: the kernel is tainted by it, and hides
from it every symbol that is exported to GPL modules only. To it they do not exist, and the log says no more.
"""

from __future__ import annotations

from pyinsmod.finding import Finding
from pyinsmod.kernel_facts.facts import KernelFacts
from pyinsmod.lean import Iterator
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage
from pyinsmod.text import shortened

NAME, STEP = "licence", 9

# include/linux/license.h: license_is_gpl_compatible. To the letter.
GPL_COMPATIBLE = frozenset(
    {"GPL", "GPL v2", "GPL and additional rights", "Dual BSD/GPL", "Dual MIT/GPL", "Dual MPL/GPL"}
)
# What the kernel calls a licence that is not stated.
UNSTATED = "unspecified"
# Proprietary whatever they claim (module_augment_kernel_taints, check_module_license_and_versions).
PROPRIETARY_NAMES = frozenset({"driverloader", "lve"})

REMEDY = (
    'if its source is under the GPL, say so exactly: MODULE_LICENSE("GPL"); '
    "else it cannot use this symbol: ask its maker for a version that does without"
)


def check_licence(image: ModuleImage, _facts: KernelFacts, _request: LoadRequest) -> Iterator[Finding]:
    """Yield the taint P of a proprietary module."""
    reason = why_proprietary(image)
    if reason is None:
        return
    from pyinsmod.checks.blacklist import name_in_log

    stated = image.modinfo_value("license")
    by_name = stated in GPL_COMPATIBLE
    called = UNSTATED if stated is None else shortened(stated)
    yield Finding(
        NAME,
        7,
        "taints",
        f"{reason}: the kernel is tainted (P), and symbols for GPL modules are hidden from it",
        module_has=_in_quotes(stated),
        kernel_has=f"GPL-compatible are: {', '.join(sorted(GPL_COMPATIBLE))}",
        log=f"{image.name}: module license taints kernel."
        if by_name
        else f"{name_in_log(image)}: module license '{called}' taints kernel.",
    )


def why_proprietary(image: ModuleImage) -> str | None:
    """Return why the kernel counts the module as proprietary, or None; of several licences the first counts."""
    stated = image.modinfo_value("license")
    if stated is None:
        return "it states no licence"
    if stated not in GPL_COMPATIBLE:
        return f"its licence '{shortened(stated)}' is none the kernel knows as GPL-compatible"
    if image.struct_name in PROPRIETARY_NAMES:
        return f"the kernel counts any module named '{image.struct_name}' as proprietary"
    return None


def hidden(symbol: str, reason: str, image: ModuleImage, log: str) -> Finding:
    """Return the ENOENT for a symbol that is there, for GPL modules only."""
    return Finding(
        NAME,
        STEP,
        "refuses",
        f"symbol '{symbol}' is exported to GPL modules only, and {reason}: to it the symbol does not exist",
        errno="ENOENT",
        module_has=f"licence {_in_quotes(image.modinfo_value('license'))}",
        kernel_has=f"'{symbol}' for GPL-compatible modules only",
        remedy=REMEDY,
        log=log,
    )


def mixed(symbol: str, owner: str, image: ModuleImage, log: str) -> Finding:
    """Return the ENOENT for a symbol of a proprietary module, when a GPL-only one was taken before."""
    return Finding(
        NAME,
        STEP,
        "refuses",
        f"it uses symbols for GPL modules only, and also '{symbol}' of the proprietary module '{owner}'; "
        "the kernel does not allow both",
        errno="ENOENT",
        module_has=f"licence {_in_quotes(image.modinfo_value('license'))}, uses GPL-only symbols",
        kernel_has=f"'{symbol}' of '{owner}', which taints it (P)",
        remedy=f"do without '{owner}', or use a version of it whose licence is GPL-compatible",
        log=log,
    )


def inherited(symbol: str, owner: str, image: ModuleImage) -> Finding:
    """Return the taint a module gets by its first symbol of a proprietary module."""
    return Finding(
        NAME,
        STEP,
        "taints",
        f"it uses '{symbol}' of the proprietary module '{owner}' and becomes proprietary itself: from here on "
        "symbols for GPL modules are hidden from it",
        kernel_has=f"'{symbol}' of '{owner}', which taints it (P)",
        log=f"{image.name}: module uses symbols {symbol} from proprietary module {owner}, inheriting taint.",
    )


def _in_quotes(stated: str | None) -> str:
    return UNSTATED if stated is None else f"'{shortened(stated)}'"
