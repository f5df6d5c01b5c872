"""What a relocation of struct module finds there. Expected values: what a real 6.12 kernel did (`refcnt`), and how
lists and the reference counter are set up before anything is relocated (`module_unload_init`)."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from pyinsmod.btf import HEADER, KIND_STRUCT, MAGIC, MEMBER, TYPE
from pyinsmod.checks.struct_module import relocated
from pyinsmod.kernel_facts import Fact, KernelFacts
from pyinsmod.kernel_facts.facts import unknown

MakeFacts = Callable[..., KernelFacts]

# Offsets in bytes, as struct module has these members one behind the other.
MEMBERS = {"init": 0, "source_list": 8, "target_list": 24, "exit": 40, "refcnt": 48, "num_ctors": 56}


def type_information() -> bytes:
    """Return BTF of a kernel that has only this structure."""
    strings, members = b"\0module\0", b""
    for name, offset in MEMBERS.items():
        members += MEMBER.pack(len(strings), 0, 8 * offset)
        strings += name.encode() + b"\0"
    types = TYPE.pack(1, KIND_STRUCT << 24 | len(MEMBERS), 64) + members
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
