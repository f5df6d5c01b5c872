"""The BTF that other BTF continues: that of vmlinux, millions of bytes, of which as little as possible is read."""

from __future__ import annotations

from pyinsmod.btf import HEADER, MAGIC, TYPE
from pyinsmod.lean import cached_property

# What follows struct btf_type, in words of 4 bytes: so many, and so many for each of its vlen elements, by kind.
FIXED_TAIL = (0, 1, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0)
TAIL_PER_ELEMENT = (0, 0, 0, 0, 3, 3, 2, 0, 0, 0, 0, 0, 0, 2, 0, 3, 0, 0, 0, 3)
KINDS = len(FIXED_TAIL)


class _Steps(dict[int, int]):
    """`info` of a type → words to the next one. A kernel has but some hundred different `info`."""

    def __missing__(self, info: int) -> int:
        kind, count = info >> 24 & 0x1F, info & 0xFFFFFF
        step = self[info] = 3 + (FIXED_TAIL[kind] + TAIL_PER_ELEMENT[kind] * count if kind < KINDS else 0)
        return step


_STEPS = _Steps()
"""Never the wrong one for an `info`, so all can share it."""


def fills(types: bytes) -> bool:
    """Tell whether types of known kinds, one after the other, are just what a type section holds."""
    if len(types) % 4:
        return False
    words = memoryview(types).cast("I")  # `array` takes longer to import than this to read
    at, end = 0, len(words)
    try:
        while at < end:
            info = words[at + 1]
            if not 0 < info >> 24 & 0x7F < KINDS:
                return False
            at += _STEPS[info]
    except IndexError:
        return False
    return at == end


class BaseBtf:
    """Raw BTF that stands for itself, such as /sys/kernel/btf/vmlinux, taken to be sound."""

    def __init__(self, raw: bytes) -> None:
        fields = HEADER.unpack_from(raw)
        self.raw = raw
        self.types_at = fields[3] + fields[4]
        self.types_length = fields[5]
        self.strings_at = fields[3] + fields[6]
        self.strings_length = fields[7]

    @cached_property
    def offsets(self) -> list[int]:
        """Where each type begins in `raw`, by its number; number 0 is void, which stands nowhere."""
        words = memoryview(self.raw)[self.types_at : self.types_at + self.types_length].cast("I")
        # The words one further on, so that the index of a type finds its `info`.
        infos, end = words[1:], len(words)
        at, steps, start = 0, _STEPS, self.types_at
        offsets = [0]
        append = offsets.append
        while at < end:
            append(start + 4 * at)
            at += steps[infos[at]]
        return offsets

    def kind(self, number: int) -> int:
        """Return the kind of a type, 0 for void."""
        return 0 if number == 0 else TYPE.unpack_from(self.raw, self.offsets[number])[1] >> 24 & 0x7F


# A kernel's is asked for with each of its modules. By identity, as the hash of megabytes takes as long as reading them.
_BASES: dict[int, BaseBtf] = {}


def base_of(raw: bytes) -> BaseBtf | None:
    """Return the base that raw BTF is, the same one for the same object; None when it is none."""
    if len(raw) < HEADER.size or int.from_bytes(raw[:2], "little") != MAGIC:
        return None
    if id(raw) not in _BASES:
        _BASES[id(raw)] = BaseBtf(raw)  # which keeps `raw`, so that its id is never another's
    return _BASES[id(raw)]
