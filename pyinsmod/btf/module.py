"""What the kernel makes of a module's BTF: `btf_parse_module` (kernel/bpf/btf.c), in its order."""

from __future__ import annotations

from errno import EINVAL

from pyinsmod.btf.base import BaseBtf, fills
from pyinsmod.btf.header import BtfFault, Dialect, check_strings, read_header
from pyinsmod.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from pyinsmod.btf.types import Checked


def check_module_btf(data: bytes, distilled: bytes | None, vmlinux: BaseBtf | None, dialect: Dialect) -> None:
    """Go through a module's BTF as the kernel does; return when it is taken.

    Args:
        data: the section .BTF.
        distilled: the section .BTF.base, None where there is none or the kernel does not look for it.
        vmlinux: the kernel's own BTF; None when it is not known, and then only what needs none of it is judged.
        dialect: what the kernel's verifier knows.

    Raises:
        BtfFault: the kernel does not take it.
        Unchecked: nobody knows what the kernel does with it.
    """
    if distilled is None:
        _own_types(data, vmlinux, None, dialect)
        return
    from pyinsmod.btf.distilled import Split, check_relocation  # for the few modules that bring their base

    base = _distilled_types(distilled, dialect)
    own = _own_types(data, BaseBtf(distilled), base, dialect)
    check_relocation(Split(own, base), BaseBtf(distilled).strings_length, vmlinux)


def _own_types(data: bytes, base: BaseBtf | None, distilled: Checked | None, dialect: Dialect) -> Checked:
    """Check the module's own types, which continue those of a base."""
    from pyinsmod.btf.chains import check_chains  # not needed to skim
    from pyinsmod.btf.names import Names
    from pyinsmod.btf.types import MODIFIERS, Checked, read_types

    header = read_header(data, dialect, split=True)
    check_strings(data, header, dialect, split=True)
    names = Names(data, header, base, split=True)
    types = read_types(data, header, names, dialect)
    # How many types vmlinux has may take 20 ms to find out: who modifies nothing need not know.
    if dialect.chain_limit and base and any(found.kind in MODIFIERS for found in types):
        if distilled is None:
            check_chains(types, base.count, base, dialect)
        else:
            check_chains(types, len(distilled.types) + 1, distilled.types, dialect)
    return Checked(data, types, names)


def _distilled_types(data: bytes, dialect: Dialect) -> Checked:
    """`btf_parse_base`: check types that stand for themselves."""
    from pyinsmod.btf.chains import check_chains
    from pyinsmod.btf.names import Names
    from pyinsmod.btf.types import Checked, read_types

    header = read_header(data, dialect, split=False)
    check_strings(data, header, dialect, split=False)
    names = Names(data, header, None, split=False)
    types = read_types(data, header, names, dialect)
    if dialect.chain_limit:
        check_chains(types, 1, None, dialect)
    return Checked(data, types, names)


def skim_module_btf(data: bytes, dialect: Dialect) -> None:
    """Raise BtfFault when a module's BTF is not even in shape: header, strings, and types that fill their section."""
    header = read_header(data, dialect, split=True)
    check_strings(data, header, dialect, split=True)
    types = data[header.length + header.types_at :][: header.types_length]
    if not fills(types):
        raise BtfFault(EINVAL, f"its types do not fill the {header.types_length} bytes of their section")
