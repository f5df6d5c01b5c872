"""Every type of BTF by itself, judged as `btf_check_all_metas` and the `*_check_meta` functions do (kernel/bpf/btf.c).

Of a module's BTF the kernel tests no more than this and the chains of modifiers: what its types refer to is
never resolved when it is loaded, so that even BTF made for another kernel may pass.
"""

from __future__ import annotations

from errno import EINVAL

from pyinsmod.btf import MEMBER, TYPE
from pyinsmod.btf.base import FIXED_TAIL, KINDS, TAIL_PER_ELEMENT
from pyinsmod.btf.header import ENOTSUPP, BtfFault, Dialect, Header
from pyinsmod.btf.names import Names
from pyinsmod.lean import Callable, NamedTuple, Sequence, struct

KIND_NAMES = (
    "UNKNOWN", "INT", "PTR", "ARRAY", "STRUCT", "UNION", "ENUM", "FWD", "TYPEDEF", "VOLATILE", "CONST", "RESTRICT",
    "FUNC", "FUNC_PROTO", "VAR", "DATASEC", "FLOAT", "DECL_TAG", "TYPE_TAG", "ENUM64",
)  # fmt: skip
INT, PTR, ARRAY, STRUCT, UNION, ENUM, FWD, TYPEDEF, VOLATILE, CONST, RESTRICT = range(1, 12)
FUNC, FUNC_PROTO, VAR, DATASEC, FLOAT, DECL_TAG, TYPE_TAG, ENUM64 = range(12, 20)
MODIFIERS = frozenset({TYPEDEF, VOLATILE, CONST, RESTRICT, TYPE_TAG})

# The other bits of `info` had to be 0 (BTF_INFO_MASK) before all of them got a meaning.
MEANINGFUL_INFO = 0x9F00FFFF
LARGEST_TYPE = 0xFFFFF
ENCODINGS = (0, 1, 2, 4)
LARGEST_INT = 128
FLOAT_SIZES = (2, 4, 8, 12, 16)
ENUM_SIZES = (1, 2, 4, 8)
# BTF_FUNC_STATIC, _GLOBAL; _EXTERN is not for a kernel. BTF_VAR_STATIC, _GLOBAL_ALLOCATED likewise.
FUNC_LINKAGES = VAR_LINKAGES = (0, 1)

_WORD = struct.Struct("<I")
_ARRAY = struct.Struct("<III")
_VARIABLE = struct.Struct("<III")


class Type(NamedTuple):
    """`struct btf_type`, with `info` taken apart; `tail` is where what follows it begins in the BTF."""

    name: int
    kind: int
    vlen: int
    flag: bool
    size: int
    tail: int

    @property
    def target(self) -> int:
        """The type it refers to: the same field as its size."""
        return self.size


class Checked(NamedTuple):
    """BTF whose types were found sound one by one."""

    data: bytes
    types: Sequence[Type]
    names: Names


def read_types(data: bytes, header: Header, names: Names, dialect: Dialect) -> list[Type]:
    """Return every type of a BTF's own, in order.

    Args:
        data: the whole BTF.
        header: its header.
        names: the strings its types are named by.
        dialect: what the kernel's verifier knows.

    Raises:
        BtfFault: the kernel does not take one of them.
    """
    types: list[Type] = []
    at = header.length + header.types_at
    end = at + header.types_length
    while at < end:
        try:
            found, at = _read_type(data, at, end, names, dialect)
        except BtfFault as fault:
            raise BtfFault(fault.errno, f"its type {len(types) + 1}, {fault.reason}") from None
        types.append(found)
    return types


def _read_type(data: bytes, at: int, end: int, names: Names, dialect: Dialect) -> tuple[Type, int]:
    """`btf_check_meta`: return a type and where the next one begins."""
    tail = at + TYPE.size
    _require(tail <= end, "it is cut off")
    name, info, size = TYPE.unpack_from(data, at)
    if dialect.masked_info and info & ~MEANINGFUL_INFO:
        raise BtfFault(EINVAL, f"info {info:#x} has bits without a meaning")
    kind, count = info >> 24 & 0x7F, info & 0xFFFFFF
    if not 0 < kind < KINDS:
        raise BtfFault(EINVAL, f"kind {kind} is unknown")
    if not names.has(name):
        raise BtfFault(EINVAL, f"its name is at {name}, past the strings")
    found = Type(name, kind, count, bool(info >> 31), size, tail)
    tail += 4 * (FIXED_TAIL[kind] + TAIL_PER_ELEMENT[kind] * count)
    try:
        _require(tail <= end, "it is cut off")
        _CHECKS[kind](found, data[found.tail : tail], names, dialect)
    except BtfFault as fault:
        raise BtfFault(fault.errno, f"{KIND_NAMES[kind]}: {fault.reason}") from None
    return found, tail


def _require(sound: bool, otherwise: str) -> None:
    if not sound:
        raise BtfFault(EINVAL, otherwise)


def _plain(found: Type, *, flag_allowed: bool = False) -> None:
    """Most kinds have no elements, and no kind_flag."""
    if found.vlen:
        raise BtfFault(EINVAL, f"it has {found.vlen} elements, and its kind has none")
    _require(flag_allowed or not found.flag, "kind_flag is set")


def _named(found: Type, names: Names) -> None:
    _require(found.name != 0 and names.is_identifier(found.name), "its name is no identifier")


def _maybe_named(offset: int, names: Names, what: str = "its name") -> None:
    if offset and not names.is_identifier(offset):
        raise BtfFault(EINVAL, f"{what} is no identifier")


def _refers(number: int) -> None:
    if not 0 < number <= LARGEST_TYPE:
        raise BtfFault(EINVAL, f"it refers to type {number}")


def _check_int(found: Type, tail: bytes, _names: Names, _dialect: Dialect) -> None:
    """`btf_int_check_meta`: bits, offset of the bits and encoding in one word."""
    _plain(found)
    (value,) = _WORD.unpack(tail)
    if value >= 1 << 28:
        raise BtfFault(EINVAL, f"int data {value:#x}")
    bits = (value & 0xFF) + (value >> 16 & 0xFF)
    if bits > LARGEST_INT:
        raise BtfFault(EINVAL, f"{bits} bits")
    if (bits + 7) // 8 > found.size:
        raise BtfFault(EINVAL, f"{bits} bits in {found.size} bytes")
    if value >> 24 not in ENCODINGS:
        raise BtfFault(ENOTSUPP, f"encoding {value >> 24}")


def _check_reference(found: Type, _tail: bytes, names: Names, dialect: Dialect) -> None:
    """`btf_ref_type_check_meta`: pointers and modifiers. A tag that stands for an attribute (kind_flag) is newer."""
    _plain(found, flag_allowed=found.kind == TYPE_TAG and not dialect.tags_first)
    if found.target > LARGEST_TYPE:
        raise BtfFault(EINVAL, f"it refers to type {found.target}")
    if found.kind == TYPEDEF:
        _named(found, names)
    elif found.kind == TYPE_TAG:
        _require(not names.is_empty(found.name), "its name is empty")
    else:
        _require(found.name == 0, "it has a name")


def _check_forward(found: Type, _tail: bytes, names: Names, _dialect: Dialect) -> None:
    _plain(found, flag_allowed=True)
    if found.size:
        raise BtfFault(EINVAL, f"it refers to type {found.size}")
    _named(found, names)


def _check_array(found: Type, tail: bytes, _names: Names, _dialect: Dialect) -> None:
    _require(found.name == 0, "it has a name")
    _plain(found)
    if found.size:
        raise BtfFault(EINVAL, f"its size is {found.size}, and must be 0 here")
    element, index, _ = _ARRAY.unpack(tail)
    _refers(element)
    _refers(index)


def _check_struct(found: Type, tail: bytes, names: Names, _dialect: Dialect) -> None:
    """`btf_struct_check_meta`: members in order, and beginning in the struct; all at 0 in a union."""
    _maybe_named(found.name, names)
    last = 0
    for name, member, place in MEMBER.iter_unpack(tail):
        if not names.has(name):
            raise BtfFault(EINVAL, f"a member's name is at {name}, past the strings")
        _maybe_named(name, names, "a member's name")
        _refers(member)
        bit = place & 0xFFFFFF if found.flag else place
        if found.kind == UNION and bit:
            raise BtfFault(EINVAL, f"a member is at bit {bit} of a union")
        if bit < last or (bit + 7) // 8 > found.size:
            raise BtfFault(EINVAL, f"a member is at bit {bit} of {found.size} bytes")
        last = bit


def _check_enum(found: Type, tail: bytes, names: Names, _dialect: Dialect) -> None:
    if found.size not in ENUM_SIZES:
        raise BtfFault(EINVAL, f"its size is {found.size}")
    _maybe_named(found.name, names)
    for at in range(0, len(tail), 4 * TAIL_PER_ELEMENT[found.kind]):
        (name,) = _WORD.unpack_from(tail, at)
        if not names.has(name):
            raise BtfFault(EINVAL, f"a value's name is at {name}, past the strings")
        _require(name != 0 and names.is_identifier(name), "a value's name is no identifier")


def _check_function(found: Type, _tail: bytes, names: Names, _dialect: Dialect) -> None:
    _named(found, names)
    if found.vlen not in FUNC_LINKAGES:
        raise BtfFault(EINVAL, f"linkage {found.vlen}")
    _require(not found.flag, "kind_flag is set")


def _check_prototype(found: Type, _tail: bytes, _names: Names, _dialect: Dialect) -> None:
    _require(found.name == 0, "it has a name")
    _require(not found.flag, "kind_flag is set")


def _check_variable(found: Type, tail: bytes, names: Names, _dialect: Dialect) -> None:
    _plain(found)
    _named(found, names)
    _refers(found.target)
    (linkage,) = _WORD.unpack(tail)
    if linkage not in VAR_LINKAGES:
        raise BtfFault(EINVAL, f"linkage {linkage}")


def _check_section(found: Type, tail: bytes, names: Names, dialect: Dialect) -> None:
    """`btf_datasec_check_meta`: its variables do not overlap, and fit."""
    _require(found.size != 0, "its size is 0")
    _require(not found.flag, "kind_flag is set")
    fits = names.is_printable if dialect.any_section_name else names.is_identifier
    _require(found.name != 0 and fits(found.name), "its name is none for a section")
    last_end = 0
    for variable, at, size in _VARIABLE.iter_unpack(tail):
        _refers(variable)
        if not (last_end <= at < found.size and 0 < size <= found.size):
            raise BtfFault(EINVAL, f"a variable at {at} of {size} bytes")
        last_end = at + size & 0xFFFFFFFF
        if last_end > found.size:
            raise BtfFault(EINVAL, f"a variable ends at {last_end} of {found.size} bytes")


def _check_float(found: Type, _tail: bytes, _names: Names, _dialect: Dialect) -> None:
    _plain(found)
    if found.size not in FLOAT_SIZES:
        raise BtfFault(EINVAL, f"its size is {found.size}")


def _check_tag(found: Type, tail: bytes, names: Names, dialect: Dialect) -> None:
    _require(not names.is_empty(found.name), "its name is empty")
    _plain(found, flag_allowed=not dialect.tags_first)
    (component,) = _WORD.unpack(tail)
    if 1 << 31 <= component < 0xFFFFFFFF:
        raise BtfFault(EINVAL, f"component {component - (1 << 32)}")


def _unknown(_found: Type, _tail: bytes, _names: Names, _dialect: Dialect) -> None:
    """BTF_KIND_UNKN is refused before it comes to this."""


_CHECKS: Sequence[Callable[[Type, bytes, Names, Dialect], None]] = (
    _unknown,
    _check_int,
    _check_reference,
    _check_array,
    _check_struct,
    _check_struct,
    _check_enum,
    _check_forward,
    _check_reference,
    _check_reference,
    _check_reference,
    _check_reference,
    _check_function,
    _check_prototype,
    _check_variable,
    _check_section,
    _check_float,
    _check_tag,
    _check_reference,
    _check_enum,
)
