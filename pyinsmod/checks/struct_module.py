"""What the kernel has put into struct module by the time the module is relocated (`load_module`)."""

from __future__ import annotations

from pyinsmod.checks.loader_memory import LoaderMemory
from pyinsmod.checks.relocation_findings import in_struct_module, refusal
from pyinsmod.finding import Finding
from pyinsmod.kernel_facts.facts import KernelFacts
from pyinsmod.lean import Iterator
from pyinsmod.module_image import ModuleImage

# Bytes of a member that are not zero: the upper half of two pointers to the module itself (INIT_LIST_HEAD), and the
# lowest byte of the reference counter, which is 2 until init is done (`module_unload_init`).
_NOT_ZERO = {
    "source_list": (*range(4, 8), *range(12, 16)),
    "target_list": (*range(4, 8), *range(12, 16)),
    "refcnt": (0,),
}


def offset_in_use(image: ModuleImage, memory: LoaderMemory, address: int, width: int) -> int | None:
    """Return where in struct module an address is; None if outside, or at what every build relocates."""
    section = image.struct_module_section
    if section is None:
        return None
    offset = address - memory.address(section.number)
    taken = -width < offset < section.size and offset not in image.struct_module_pointers
    return offset if taken else None


def relocated(where: str, kind: int, offset: int, width: int, facts: KernelFacts) -> Finding:
    """Return what becomes of a relocation of these bytes by a loader that wants them to be zeros."""
    for member, first in _members(facts):
        if any(offset <= first + number < offset + width for number in _NOT_ZERO[member]):
            said = f"{where} changes struct module where the kernel has put its own '{member}' by then"
            log = f"relocation target, existing value is nonzero for type {kind}"
            return refusal(said, f"a relocation at {offset:#x} of struct module", "wants an empty place", log)
    return in_struct_module(where)


def _members(facts: KernelFacts) -> Iterator[tuple[str, int]]:
    """Yield the members known not to be zero, by the kernel's type information, and their offsets in bytes."""
    from pyinsmod.btf.base import base_of
    from pyinsmod.btf.members import structure

    base = None if facts.btf.value is None else base_of(facts.btf.value)
    described = None if base is None else structure(base, "module")
    for member in described.members if described else ():
        if member.name in _NOT_ZERO:
            yield member.name, member.place // 8
