"""What a relocation of struct module finds there. Expected values: what a real 6.12 kernel did (`refcnt`), and how
lists and the reference counter are set up before anything is relocated (`module_unload_init`)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping

import pytest

from pyinsmod.btf import HEADER, KIND_STRUCT, MAGIC, MEMBER, TYPE
from pyinsmod.checks.loader_rules import Relocation
from pyinsmod.checks.relocation_types_aarch64 import KINDS
from pyinsmod.checks.struct_module import overwritten, relocated
from pyinsmod.kernel_facts import Fact, KernelFacts
from pyinsmod.kernel_facts.facts import unknown
from pyinsmod.module_image import ModuleImage

MakeFacts = Callable[..., KernelFacts]

# Offsets in bytes, as struct module has these members one behind the other.
MEMBERS = {"init": 0, "source_list": 8, "target_list": 24, "exit": 40, "refcnt": 48, "num_ctors": 56}


def type_information(described: Mapping[str, int] = MEMBERS) -> bytes:
    """Return BTF of a kernel that has only this structure."""
    strings, members = b"\0module\0", b""
    for name, offset in described.items():
        members += MEMBER.pack(len(strings), 0, 8 * offset)
        strings += name.encode() + b"\0"
    types = TYPE.pack(1, KIND_STRUCT << 24 | len(described), max(described.values()) + 8) + members
    header = HEADER.pack(MAGIC, 1, 0, HEADER.size, 0, len(types), len(types), len(strings))
    return header + types + strings


@pytest.mark.parametrize(
    ("offset", "width", "member"),
    [
        (0, 8, None),
        (8, 4, None),
        (8, 8, "source_list"),
        (12, 4, "source_list"),
        (30, 4, "target_list"),
        (40, 8, None),
        (42, 8, "refcnt"),
        (48, 1, "refcnt"),
        (49, 4, None),
        (56, 8, None),
    ],
)
def test_only_bytes_that_are_certain_not_to_be_zero_refuse(
    make_facts: MakeFacts, offset: int, width: int, member: str | None
) -> None:
    facts = make_facts(btf=Fact(type_information(), "test"))
    found = relocated("relocation 1", 1, offset, width, facts)
    assert found.severity == ("refuses" if member else "cannot-tell")
    assert found.errno == "ENOEXEC"
    assert member is None or f"'{member}'" in found.summary


def test_without_type_information_nothing_is_certain(make_facts: MakeFacts) -> None:
    for btf in (unknown("not at hand"), Fact(struct.pack("<H", 0), "damaged")):
        assert relocated("relocation 1", 1, 48, 8, make_facts(btf=btf)).severity == "cannot-tell"


# As 6.12 has them for arm64, but for what is between them.
OF_ARM64 = {
    "state": 0,
    "list": 8,
    "name": 24,
    "mkobj": 80,
    "num_trace_events": 1096,
    "trace_evals": 1104,
    "source_list": 1160,
    "target_list": 1176,
    "exit": 1192,
    "refcnt": 1200,
}


@pytest.mark.parametrize(
    ("offset", "answer"),
    [
        (0, None),
        (4, "cannot-tell"),
        (24, "cannot-tell"),
        (29, "cannot-tell"),
        (30, None),
        (72, None),
        (73, "cannot-tell"),
        (1092, "cannot-tell"),
        (1096, "crashes"),
        (1100, "cannot-tell"),
        (1160, None),
        (1176, "cannot-tell"),
        (1191, None),
        (1196, "cannot-tell"),
        (-4, None),
    ],
)
def test_where_nobody_looks_what_is_overwritten_decides(
    build_module: Callable[..., bytes], make_facts: MakeFacts, offset: int, answer: str | None
) -> None:
    """Seen on arm64: 7.2 with another state, and 6.12 with trace events it does not have."""
    facts = make_facts(btf=Fact(type_information(OF_ARM64), "test"))
    image = ModuleImage(build_module())
    relocation = Relocation("relocation 1", 257, KINDS[257], 0, 1, 0xFFFFA00040800000, 0)
    found = overwritten(image, relocation, offset, facts)
    assert [finding.severity for finding in found] == ([answer] if answer else [])


def test_where_the_members_are_not_known_nothing_is(build_module: Callable[..., bytes], make_facts: MakeFacts) -> None:
    relocation = Relocation("relocation 1", 257, KINDS[257], 0, 1, 0xFFFFA00040800000, 0)
    found = overwritten(ModuleImage(build_module()), relocation, 0, make_facts(btf=unknown("not at hand")))
    assert [finding.severity for finding in found] == ["cannot-tell"]
