"""What the kernel's loader tests, in its order. One file per check; the table below is the contents.

A check is a pure function of the file, the kernel and the request; it returns every fault it sees.
To add one: write `checks/NAME.py`, put its function in its place in `CHECKS`, write its tests.
Order by kernel/module/main.c: `may_init_module`, then `load_module` from top to bottom.
"""

from __future__ import annotations

from itertools import islice

from pyinsmod.checks.already_loaded import check_already_loaded, check_already_loaded_late
from pyinsmod.checks.blacklist import check_blacklist
from pyinsmod.checks.btf import check_btf
from pyinsmod.checks.codetags import check_codetags
from pyinsmod.checks.compression import check_compression
from pyinsmod.checks.duplicate_sections import check_duplicate_sections
from pyinsmod.checks.elf import check_elf
from pyinsmod.checks.exports import check_duplicate_exports, check_export_tables
from pyinsmod.checks.file import check_file
from pyinsmod.checks.initcall_blacklist import check_initcall_blacklist
from pyinsmod.checks.licence import check_licence
from pyinsmod.checks.livepatch import check_livepatch, check_livepatch_name
from pyinsmod.checks.memory import check_memory
from pyinsmod.checks.modversions import check_modversions
from pyinsmod.checks.namespaces import check_imported_namespaces
from pyinsmod.checks.parameters import check_parameters
from pyinsmod.checks.percpu import check_percpu
from pyinsmod.checks.permission import check_permission
from pyinsmod.checks.relocations import check_relocations
from pyinsmod.checks.sections import check_constructors, check_section_flags
from pyinsmod.checks.security_policy import check_security_policy
from pyinsmod.checks.signature import check_signature
from pyinsmod.checks.special_sections import check_special_sections
from pyinsmod.checks.symbols import check_symbols
from pyinsmod.checks.sysfs_name import check_sysfs_name
from pyinsmod.checks.taints import check_taints
from pyinsmod.checks.vermagic import check_vermagic
from pyinsmod.errors import MalformedModule
from pyinsmod.finding import Finding, Severity
from pyinsmod.kernel_facts.facts import KernelFacts
from pyinsmod.lean import Callable, Iterable, Iterator
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage

# So many findings of one check are worth reading.
SHOWN = 64

Check = Callable[[ModuleImage, KernelFacts, LoadRequest], Iterable[Finding]]

CHECKS: dict[str, Check] = {
    "permission": check_permission,
    "security-policy": check_security_policy,
    "file": check_file,
    "compression": check_compression,
    "signature": check_signature,
    "elf": check_elf,
    "blacklist": check_blacklist,
    "modversions": check_modversions,
    "vermagic": check_vermagic,
    "livepatch": check_livepatch,
    "already-loaded": check_already_loaded,
    "section-flags": check_section_flags,
    "memory": check_memory,
    "already-loaded-late": check_already_loaded_late,
    "taints": check_taints,
    "licence": check_licence,
    "percpu": check_percpu,
    "constructors": check_constructors,
    "exports": check_export_tables,
    "imported-namespaces": check_imported_namespaces,
    "symbols": check_symbols,
    "relocations": check_relocations,
    "special-sections": check_special_sections,
    "duplicate-exports": check_duplicate_exports,
    "livepatch-name": check_livepatch_name,
    "btf": check_btf,
    "parameters": check_parameters,
    "sysfs-name": check_sysfs_name,
    "duplicate-sections": check_duplicate_sections,
    "codetags": check_codetags,
    "initcall-blacklist": check_initcall_blacklist,
}


def run_checks(image: ModuleImage, facts: KernelFacts, request: LoadRequest | None = None) -> tuple[Finding, ...]:
    """Return every fault, in the kernel's order.

    A file that is refused for its ELF structures is not looked at further: what stands in them means nothing.
    A later check that trips over a structure nobody minded says `cannot-tell`.
    """
    findings: list[Finding] = []
    image = image.seen_by(facts.has)
    for name, check in CHECKS.items():
        found: list[Finding] = []
        try:
            found += _bounded(check(image, facts, request or LoadRequest()))
        except MalformedModule as error:
            if any(finding.check in ("file", "elf") for finding in findings):
                continue
            found = [Finding(name, 6, "cannot-tell", f"cannot be looked at: {error}")]
        findings += found
        if name in ("file", "elf") and any(finding.severity == "refuses" for finding in found):
            break
    return tuple(findings)


def _bounded(found: Iterable[Finding]) -> Iterator[Finding]:
    """Yield the first findings of a check and, of what comes after them, the last of each severity.

    A hostile file can be wrong in a million places. The last one is kept because of several refusals it may be
    the one whose errno reaches the caller.
    """
    findings = iter(found)
    yield from islice(findings, SHOWN)
    left_out: dict[Severity, Finding] = {}
    count = 0
    for count, finding in enumerate(findings, 1):  # noqa: B007 - counted to the end
        left_out[finding.severity] = finding
    for finding in left_out.values():
        more = f" (and {count - len(left_out)} more like these)" if count > len(left_out) else ""
        yield finding._replace(summary=finding.summary + more)
