"""What is said of a relocation that goes wrong, and of memory that cannot be had for a module."""

from __future__ import annotations

from pyinsmod.checks.relocation_kind import RelocationTypes
from pyinsmod.elf_format import Section
from pyinsmod.finding import Finding
from pyinsmod.lean import Iterator, Sequence

MEMORY, RELOCATIONS = "memory", "relocations"
UNSETTLED = "it depends on the memory of the running kernel whether it crashes, or goes on with what stands there"
DISTANCE = "where kernel and module come to lie decides"
# So many types are worth naming each.
FEW = 8
REBUILD = "build it again: make -C /lib/modules/$(uname -r)/build M=$PWD clean modules"


def first_answer(steps: Iterator[tuple[Finding, ...]]) -> tuple[Finding, ...]:
    """Return what relocating ends with; a doubt that comes before is named with the refusal or crash behind it."""
    first = next(steps, ())
    if [finding.severity for finding in first] != ["cannot-tell"]:
        return first
    end = next((step for step in steps if step[-1].severity != "cannot-tell"), ())
    return (*first, *end)


def no_memory(areas: Sequence[int], most: int, likely: int) -> Finding | None:
    """Return what becomes of areas of these sizes in bytes, of which none can be bigger than `most`; None if nothing.

    `likely`: so much together is had by every machine.
    """
    largest = max(areas)
    if largest > most:
        return Finding(
            MEMORY,
            8,
            "refuses",
            f"wants {largest} bytes of module memory in one piece, and there are {most}",
            errno="ENOMEM",
            module_has=f"{largest} bytes",
            kernel_has=f"at most {most} bytes",
            remedy=REBUILD,
        )
    if sum(areas) > likely:
        what = f"wants {sum(areas)} bytes of memory: whether the machine has them shows only there"
        return Finding(MEMORY, 8, "cannot-tell", what, errno="ENOMEM", remedy=REBUILD)
    return None


def in_struct_module(where: str) -> Finding:
    """Return the doubt about a relocation of struct module that no build makes."""
    what = f"{where} changes struct module, which the kernel has filled with its own values by then"
    return Finding(RELOCATIONS, 10, "cannot-tell", what, errno="ENOEXEC", remedy=REBUILD)


def unknown_type(where: str, kind: int, types: RelocationTypes) -> Finding:
    """Return the refusal of a type that is not in the table."""
    name = types.names.get(kind, f"type {kind}")
    names = [known.name for known in types.kinds.values()]
    wanted = ", ".join(names) if len(names) <= FEW else f"one of the {len(names)} types that it knows, as {names[2]}"
    said = f"{where} is of a kind the loader does not know: {name}"
    return refusal(said, name, f"wants {wanted}", types.unknown.format(kind))


def not_zero(where: str, kind: int, before: bytes) -> Finding:
    """Return the refusal of a place that is not zero."""
    return refusal(
        f"{where} changes a place that is not empty: it was relocated before, or the file is damaged",
        before.hex(" "),
        "wants " + bytes(len(before)).hex(" "),
        f"relocation target, existing value is nonzero for type {kind}",
    )


def of_live_patch(section: Section) -> Finding:
    """Return what becomes of a section that is marked for a live patch."""
    if section.name.startswith(".klp.rela."):
        return Finding(RELOCATIONS, 10, "cannot-tell", "relocations of a live patch are not looked at here")
    return Finding(
        RELOCATIONS,
        10,
        "refuses",
        f"section '{section.name}' is marked for a live patch, and has not such a name",
        errno="EINVAL",
        module_has=section.name,
        kernel_has="wants .klp.rela.OBJECT.SECTION",
        remedy=REBUILD,
        log=f"livepatch: section {section.name} has an incorrectly formatted name",
    )


def refusal(summary: str, module_has: str, kernel_has: str, log: str) -> Finding:
    """Return ENOEXEC of the relocations."""
    return Finding(
        RELOCATIONS,
        10,
        "refuses",
        summary,
        errno="ENOEXEC",
        module_has=module_has,
        kernel_has=kernel_has,
        remedy=REBUILD,
        log=log,
    )


def by_distance(finding: Finding) -> Finding:
    """Return the doubt about a refusal or crash that depends on how far kernel and module are from each other."""
    return finding._replace(severity="cannot-tell", summary=f"{finding.summary}: {DISTANCE}")


def crash(check: str, step: int, what: str) -> Finding:
    """Return the crash of a check at its step."""
    summary = f"the kernel would crash: {what}"
    return Finding(check, step, "crashes", summary, module_has=what, kernel_has="does not test it", remedy=REBUILD)


def unsettled_crash(check: str, step: int, what: str) -> tuple[Finding, Finding]:
    """Return the doubt about a crash, and the crash: what a neighbour in memory has there, no file and no kernel tells.

    Both are needed: the doubt makes the prediction `cannot-tell`, and the crash keeps `load` from trying it out.
    """
    doubt = f"{what}: {UNSETTLED}"
    maybe = crash(check, step, what)._replace(summary=f"the kernel may crash: {what}")
    return Finding(check, step, "cannot-tell", doubt, module_has=what, remedy=REBUILD), maybe
