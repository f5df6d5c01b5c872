"""Chains of modifiers (typedef, const, volatile, restrict, type tag), which the kernel follows when it is given BTF.

`btf_check_modifier_chain_length` (7.2) and `btf_check_type_tags` (6.1, 6.12), kernel/bpf/btf.c. The numbers of a module
that was built for another kernel lead anywhere here: this is where such BTF is found out, if at all.
"""

from __future__ import annotations

from errno import EINVAL, ELOOP

from pyinsmod.btf.base import BaseBtf
from pyinsmod.btf.header import BtfFault, Dialect
from pyinsmod.btf.types import MODIFIERS, TYPE_TAG, Type
from pyinsmod.lean import Sequence

LONGEST = 32


def check_chains(types: Sequence[Type], first: int, base: BaseBtf | Sequence[Type] | None, dialect: Dialect) -> None:
    """Raise BtfFault when a chain leads nowhere, is too long or goes in a circle.

    Args:
        types: the types to look at.
        first: the number of the first of them.
        base: what lower numbers mean: vmlinux, the types of a distilled base, or nothing.
        dialect: what the kernel's verifier knows.
    """
    good, end = first - 1, first + len(types)
    for number in range(first, end):
        kind, current, steps = types[number - first].kind, number, 0
        only_tags = kind == TYPE_TAG
        while kind in MODIFIERS:
            steps += 1
            if steps > LONGEST:
                raise BtfFault(ELOOP, f"type {number} is modified more than {LONGEST} times, or by itself")
            if kind != TYPE_TAG:
                only_tags = False
            elif dialect.tags_first and not only_tags:
                raise BtfFault(EINVAL, f"type {number}: a type tag stands after another modifier")
            if current <= good:
                break
            current = types[current - first].target
            if current >= end:
                raise BtfFault(EINVAL, f"type {number} refers to type {current}, and the last one is {end - 1}")
            # The kernel follows a chain no further than to its base, where only these two things can still be wrong.
            asked = base if steps == LONGEST or (dialect.tags_first and not only_tags) else None
            kind = types[current - first].kind if current >= first else _base_kind(asked, current)
        if types[number - first].kind in MODIFIERS:
            good = number


def _base_kind(base: BaseBtf | Sequence[Type] | None, number: int) -> int:
    if number == 0 or base is None:
        return 0
    return base.kind(number) if isinstance(base, BaseBtf) else base[number - 1].kind
