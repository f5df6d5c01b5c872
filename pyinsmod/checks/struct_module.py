"""What the kernel has put into struct module by the time the module is relocated (`load_module`)."""

from __future__ import annotations

from pyinsmod.checks.licence import why_proprietary
from pyinsmod.checks.loader_memory import LoaderMemory
from pyinsmod.checks.loader_rules import Relocation
from pyinsmod.checks.relocation_findings import RELOCATIONS, crash, in_struct_module, refusal
from pyinsmod.finding import Finding
from pyinsmod.kernel_facts.facts import KernelFacts
from pyinsmod.lean import Iterator, Sequence
from pyinsmod.module_image import NAME_LENGTH, ModuleImage

# Bytes of a member that are not zero: the upper half of two pointers to the module itself (INIT_LIST_HEAD), and the
# lowest byte of the reference counter, which is 2 until init is done (`module_unload_init`).
_NOT_ZERO = {
    "source_list": (*range(4, 8), *range(12, 16)),
    "target_list": (*range(4, 8), *range(12, 16)),
    "refcnt": (0,),
}
# Bytes of a member that the kernel sets anew before it reads them (`complete_formation`), or reads when the module is
# to go: harmless until init runs. Of `target_list` that is the pointer back (`add_usage_links` goes forward); of the
# name it is what stands behind its end.
_UNREAD = {"state": range(8), "source_list": range(16), "target_list": range(8, 16), "exit": range(8)}
_EVENTS, _EVENTS_SECTION = "num_trace_events", "_ftrace_events"
_WIDE = 8


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


def overwritten(image: ModuleImage, relocation: Relocation, offset: int, facts: KernelFacts) -> tuple[Finding, ...]:
    """Return what becomes of a relocation of these bytes by a loader that looks at none of them; empty: nothing does.

    A count of trace events without events is followed from a null pointer on (`trace_module_add_events`), but of
    modules whose licence taints the kernel, which may have none.
    """
    width, members = relocation.kind.width, sorted(_places(facts), key=lambda it: it[1])
    touched = {_member_at(members, place) for place in range(max(offset, 0), offset + width)}
    unread = {"name": range(len(image.struct_name or "") + 1, NAME_LENGTH), **_UNREAD}
    if all(member in unread and within in unread[member] for member, within in touched):
        return ()
    counted = {member for member, _ in touched} == {_EVENTS} and relocation.value & 0xFFFFFFFF and width == _WIDE
    if counted and not image.named(_EVENTS_SECTION) and why_proprietary(image) is None:
        what = f"{relocation.where} makes it have trace events, which it has not"
        return (crash(RELOCATIONS, 11, what),)
    return (in_struct_module(relocation.where),)


def _member_at(members: Sequence[tuple[str, int]], place: int) -> tuple[str, int]:
    """Return which member a byte of the structure belongs to, and which of its bytes it is."""
    return next(((name, place - first) for name, first in reversed(members) if first <= place), ("", place))


def _members(facts: KernelFacts) -> Iterator[tuple[str, int]]:
    """Yield the members known not to be zero, by the kernel's type information, and their offsets in bytes."""
    return ((name, place) for name, place in _places(facts) if name in _NOT_ZERO)


def _places(facts: KernelFacts) -> Iterator[tuple[str, int]]:
    """Yield the members of struct module by the kernel's type information, and their offsets in bytes."""
    from pyinsmod.btf.base import base_of
    from pyinsmod.btf.members import structure

    base = None if facts.btf.value is None else base_of(facts.btf.value)
    described = None if base is None else structure(base, "module")
    for member in described.members if described else ():
        yield member.name, member.place // 8
