"""Does the kernel take the module's type information? `btf_module_notify` (kernel/bpf/btf.c), a notifier of COMING.

Kernels built with MODULE_ALLOW_BTF_MISMATCH load the module whatever its BTF is like. Those built without refuse it
for what `btf_parse_module` finds, and that is little: types are not followed, so that the BTF of a module built for
another kernel may well pass. A kernel without module BTF (before 5.11) does not look.
"""

from __future__ import annotations

from pyinsmod.elf_format import Section
from pyinsmod.errors import MalformedModule, errno_name
from pyinsmod.finding import Finding, Severity
from pyinsmod.kernel_facts.facts import KernelFacts
from pyinsmod.lean import TYPE_CHECKING, Iterator, Sequence
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage

if TYPE_CHECKING:
    from pyinsmod.btf.header import Dialect

NAME, STEP = "btf", 11

# Nobody loads a module for its BTF: without the section the kernel has nothing to refuse.
REMEDY = "build it again for this kernel, or load it without its type information: objcopy -R .BTF -R .BTF.base FILE"


def check_btf(image: ModuleImage, facts: KernelFacts, _request: LoadRequest) -> Iterator[Finding]:
    """Yield a finding when the kernel's verifier would not take .BTF; where that is tolerated, only a warning."""
    section = image.find_section(".BTF")
    if section is None or not section.size or looks(facts) is False:
        return
    tolerated = tolerates(facts)
    distilled = _distilled(image, facts)
    data = _content(image, section)
    if tolerated and distilled is None:
        yield from _loose(image, facts, data)
    else:
        yield from _strict(image, facts, data, distilled, tolerated=tolerated)


def looks(facts: KernelFacts) -> bool | None:
    """Tell whether the kernel looks at the BTF of modules."""
    shown = facts.has("module-btf")
    return facts.option("DEBUG_INFO_BTF_MODULES") if shown is None else shown


def tolerates(facts: KernelFacts) -> bool | None:
    """Tell whether the kernel loads a module with bad BTF; None when that is not known."""
    option = facts.option("MODULE_ALLOW_BTF_MISMATCH")
    if option is not None:
        return option
    # The sentence is compiled in only where the option is on; kernels older than layouts may do without it even then.
    return facts.has("btf-mismatch-tolerated") or (False if facts.has("btf-layout") else None)


def _distilled(image: ModuleImage, facts: KernelFacts) -> bytes | None:
    """Return .BTF.base if there is one and the kernel is one that looks for it (since 6.11)."""
    section = image.find_section(".BTF.base")
    return None if section is None or facts.has("btf-distilled-base") is False else _content(image, section)


def _content(image: ModuleImage, section: Section) -> bytes:
    """Return what the loader takes for a section's content: whatever its type, what stands at its place in the file."""
    if section.offset + section.size > len(image.data):
        raise MalformedModule(f"section '{section.name}' reaches past the end of the file")
    return image.data[section.offset : section.offset + section.size]


def _loose(image: ModuleImage, facts: KernelFacts, data: bytes) -> Iterator[Finding]:
    """Look over BTF whose faults do no harm: a whole tree of modules is not to wait for more."""
    from pyinsmod.btf.header import BtfFault
    from pyinsmod.btf.module import skim_module_btf

    for dialect in dialects(facts)[:1]:
        try:
            skim_module_btf(data, dialect)
        except BtfFault as fault:
            yield _finding(image, facts, "warns", fault.errno, fault.reason)


def _strict(
    image: ModuleImage, facts: KernelFacts, data: bytes, distilled: bytes | None, *, tolerated: bool | None
) -> Iterator[Finding]:
    """Go through all of it. Where it is not known how the kernel reads BTF, every way has to object."""
    from pyinsmod.btf.base import base_of
    from pyinsmod.btf.header import BtfFault, Unchecked
    from pyinsmod.btf.module import check_module_btf

    vmlinux = base_of(facts.btf.value) if facts.btf.value else None
    known = dialects(facts)
    faults: list[BtfFault] = []
    for dialect in known:
        try:
            check_module_btf(data, distilled, vmlinux, dialect)
        except BtfFault as fault:
            faults.append(fault)
        except Unchecked as error:
            yield _finding(image, facts, "crashes" if error.fatal else "cannot-tell", None, error.reason)
            return
    if len(faults) < len(known):
        return
    certain: Severity = "warns" if tolerated else "refuses"
    settled = tolerated is not None and (tolerated or len({fault.errno for fault in faults}) == 1)
    yield _finding(image, facts, certain if settled else "cannot-tell", faults[0].errno, faults[0].reason)


def dialects(facts: KernelFacts) -> Sequence[Dialect]:
    """Return how the kernel reads BTF: the one way, or all there are when that cannot be known."""
    from pyinsmod.btf.header import Dialect

    shown = [facts.has(name) for name in ("btf-layout", "btf-masked-info", "btf-chains", "btf-tags-first")]
    if None in shown:
        return Dialect(layout=True, masked_info=False, tags_first=False), Dialect()
    # A DATASEC's name became free about when .BTF.base came; no sentence tells.
    layout, masked, chains, tags = map(bool, shown)
    return (Dialect(layout, masked, chains, tags, any_section_name=facts.has("btf-distilled-base") is not False),)


def _finding(image: ModuleImage, facts: KernelFacts, severity: Severity, number: int | None, reason: str) -> Finding:
    outcome = {
        "refuses": "this kernel, built without CONFIG_MODULE_ALLOW_BTF_MISMATCH, refuses that",
        "warns": "this kernel tolerates that: the module is loaded, its types are not to be had",
        "crashes": "this kernel does not survive looking for it",
        "cannot-tell": "what this kernel makes of that is not known",
    }[severity]
    name = image.struct_name or image.name
    return Finding(
        NAME,
        STEP,
        severity,
        f"its type information (.BTF) is not sound: {reason}; {outcome}",
        errno=errno_name(number) if number and severity != "warns" else None,
        module_has=reason,
        kernel_has=f"CONFIG_MODULE_ALLOW_BTF_MISMATCH: {_YES_NO[tolerates(facts)]}",
        remedy=REMEDY,
        log=_log(facts, severity, f"failed to validate module [{name}] BTF: -{number}"),
    )


_YES_NO = {True: "y", False: "not set", None: "unknown"}


def _log(facts: KernelFacts, severity: Severity, line: str) -> str | None:
    """Return the kernel's line. Kernels that tolerate it and have a sentence for that say it once, naming nobody."""
    if severity == "warns" and facts.has("btf-mismatch-tolerated"):
        return "Kernel module BTF mismatch detected, BTF debug info may be unavailable for some modules"
    return line if severity in ("refuses", "warns") else None
