"""What the kernel's loader tests, in its order. One file per check; the table below is the contents.

A check is a pure function of the file, the kernel and the request; it returns every fault it sees.
To add one: write `checks/NAME.py`, put its function in its place in `CHECKS`, write its tests. Give it a condition
when few modules can have the fault: nobody else then pays for importing it.
Order by kernel/module/main.c: `may_init_module`, then `load_module` from top to bottom.
"""

from __future__ import annotations

from itertools import islice

from pyinsmod.checks import conditions as when
from pyinsmod.errors import MalformedModule
from pyinsmod.finding import Finding, Severity
from pyinsmod.kernel_facts.facts import KernelFacts
from pyinsmod.lean import Callable, Iterable, Iterator, TypeAlias
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage

# So many findings of one check are worth reading.
SHOWN = 64
RUNNING = "running"  # what the facts of the running kernel are called

Function: TypeAlias = Callable[[ModuleImage, KernelFacts, LoadRequest], Iterable[Finding]]


class Check:
    """A check, which is imported when it may find something: most files come to few of them.

    Args:
        place: its file in this folder, and the function in it.
        condition: what has to be so for it to find anything.
    """

    __slots__ = ("_condition", "_place")

    def __init__(self, place: str, condition: when.Condition = when.always) -> None:
        self._place = place
        self._condition = condition

    def __call__(self, image: ModuleImage, facts: KernelFacts, request: LoadRequest) -> Iterable[Finding]:
        """Return what it finds."""
        if not when.holds(self._condition, image, facts, request):
            return ()
        return self.function(image, facts, request)

    @property
    def function(self) -> Function:
        """The check itself, imported now if not before."""
        file, _, name = self._place.partition(".")
        function: Function = getattr(__import__(f"{__name__}.{file}", fromlist=(name,)), name)
        return function


CHECKS = {
    "permission": Check("permission.check_permission", when.denied),
    "security-policy": Check("security_policy.check_security_policy", when.policies_shown),
    "file": Check("file.check_file", when.odd_size),
    "compression": Check("compression.check_compression", when.compressed),
    "signature": Check("signature.check_signature"),
    "elf": Check("elf.check_elf"),
    "blacklist": Check("blacklist.check_blacklist", when.names_blacklisted),
    "modversions": Check("modversions.check_modversions"),
    "vermagic": Check("vermagic.check_vermagic"),
    "livepatch": Check("livepatch.check_livepatch", when.live_patch),
    "already-loaded": Check("already_loaded.check_already_loaded", when.name_taken),
    "plt-sections": Check("plt_sections.check_plt_sections", when.for_arm64),
    "section-flags": Check("sections.check_section_flags", when.write_exec),
    "memory": Check("memory.check_memory"),
    "already-loaded-late": Check("already_loaded.check_already_loaded_late", when.name_taken),
    "taints": Check("taints.check_taints", when.marked),
    "licence": Check("licence.check_licence"),
    "percpu": Check("percpu.check_percpu", when.percpu_data),
    "constructors": Check("sections.check_constructors", when.constructors),
    "exports": Check("exports.check_export_tables", when.exports),
    "imported-namespaces": Check("namespaces.check_imported_namespaces", when.imports_namespace_of_modules),
    "symbols": Check("symbols.check_symbols"),
    "relocations": Check("relocations.check_relocations", when.unusual_layout),
    "special-sections": Check("special_sections.check_special_sections"),
    "ftrace-trampoline": Check("plt_sections.check_trampoline", when.for_arm64),
    "duplicate-exports": Check("exports.check_duplicate_exports", when.exports),
    "livepatch-name": Check("livepatch.check_livepatch_name", when.named_like_kernel),
    "btf": Check("btf.check_btf", when.type_information),
    "parameters": Check("parameters.check_parameters", when.parameters_given),
    "sysfs-name": Check("sysfs_name.check_sysfs_name", when.in_sysfs),
    "duplicate-sections": Check("duplicate_sections.check_duplicate_sections", when.sections_of_one_name),
    "codetags": Check("codetags.check_codetags", when.allocations_profiled),
    "initcall-blacklist": Check("initcall_blacklist.check_initcall_blacklist", when.initcalls_blacklisted),
    "permanent": Check("permanent.check_permanent", when.without_exit),
}


def run_checks(image: ModuleImage, facts: KernelFacts, request: LoadRequest | None = None) -> tuple[Finding, ...]:
    """Return every fault, in the kernel's order.

    A file that is refused for its ELF structures is not looked at further: what stands in them means nothing.
    A later check that trips over a structure nobody minded says `cannot-tell`.
    """
    findings: list[Finding] = []
    image = image.seen_by(facts.has)
    for name in CHECKS:
        found: list[Finding] = []
        try:
            found += _bounded(findings_of(name, image, facts, request or LoadRequest()))
        except MalformedModule as error:
            if any(finding.check in ("file", "elf") for finding in findings):
                continue
            found = [Finding(name, 6, "cannot-tell", f"cannot be looked at: {error}")]
        findings += found
        if name in ("file", "elf") and any(finding.severity == "refuses" for finding in found):
            break
    return tuple(findings)


def findings_of(name: str, image: ModuleImage, facts: KernelFacts, request: LoadRequest) -> Iterator[Finding]:
    """Yield what one check finds; for a kernel that does not run here, a command names its release."""
    for finding in CHECKS[name](image, facts, request):
        if finding.remedy and facts.name != RUNNING:
            yield finding._replace(remedy=finding.remedy.replace("$(uname -r)", facts.release))
        else:
            yield finding


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
