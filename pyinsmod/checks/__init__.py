"""What the kernel's loader tests, in its order. One file per check; the table below is the contents.

A check is a pure function of the file, the kernel and the request; it returns every fault it sees.
To add one: write `checks/NAME.py`, put its function in its place in `CHECKS`, write its tests.
Order by kernel/module/main.c: `may_init_module`, then `load_module` from top to bottom.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pyinsmod.checks.already_loaded import check_already_loaded
from pyinsmod.checks.compression import check_compression
from pyinsmod.checks.elf import check_elf
from pyinsmod.checks.file import check_file
from pyinsmod.checks.permission import check_permission
from pyinsmod.checks.symbols import check_symbols
from pyinsmod.checks.sysfs_name import check_sysfs_name
from pyinsmod.checks.vermagic import check_vermagic
from pyinsmod.errors import MalformedModule
from pyinsmod.finding import Finding
from pyinsmod.kernel_facts.facts import KernelFacts
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage

Check = Callable[[ModuleImage, KernelFacts, LoadRequest], Iterable[Finding]]

CHECKS: dict[str, Check] = {
    "permission": check_permission,
    "file": check_file,
    "compression": check_compression,
    "elf": check_elf,
    "vermagic": check_vermagic,
    "already-loaded": check_already_loaded,
    "symbols": check_symbols,
    "sysfs-name": check_sysfs_name,
}


def run_checks(image: ModuleImage, facts: KernelFacts, request: LoadRequest | None = None) -> tuple[Finding, ...]:
    """Return every fault, in the kernel's order.

    A file that is refused for its ELF structures is not looked at further: what stands in them means nothing.
    A later check that trips over a structure nobody minded says `cannot-tell`.
    """
    findings: list[Finding] = []
    for name, check in CHECKS.items():
        try:
            found = list(check(image, facts, request or LoadRequest()))
        except MalformedModule as error:
            if any(finding.check in ("file", "elf") for finding in findings):
                continue
            found = [Finding(name, 6, "cannot-tell", f"cannot be looked at: {error}")]
        findings += found
        if name in ("file", "elf") and any(finding.severity == "refuses" for finding in found):
            break
    return tuple(findings)
