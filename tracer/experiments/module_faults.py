"""Faults put into a module while it is still in pieces: what it says of itself, imports, relocations.

Each function takes the module and the text behind the colon of the fault's name.
"""

from __future__ import annotations

from pyinsmod.elf_format import STB_WEAK
from tracer.experiments import modinfo, versions
from tracer.experiments.elf_records import Relocation
from tracer.experiments.errors import FaultNotApplicable, UnknownFault, UnsuitableDonor
from tracer.experiments.init_code import THIS_MODULE
from tracer.experiments.machine_code import IMPORT_NAMES, machine_code
from tracer.experiments.relocatable import Relocatable
from tracer.experiments.section_faults import number_in

NO_SUCH_SYMBOL = "no_kernel_has_this"
_OTHER_RELEASE = "0.0.0-another"
_ANY_CRC = 0x12345678
# struct module (include/linux/module.h) begins with an enum, padded, and a list_head; then its name.
_NAME_OFFSET = 24
_NAME_SIZE = 56
_ADDRESS_SIZE = 8


def set_name(module: Relocatable, name: str) -> None:
    """Rename the module in both places the kernel reads: modinfo and `struct module`.

    Raises:
        UnknownFault: the name is empty, too long or not ASCII.
        UnsuitableDonor: `struct module` does not hold the old name where it is expected.
    """
    if not name.isascii() or not 0 < len(name) < _NAME_SIZE:
        raise UnknownFault(f"'{name}' cannot name a module: wanted 1 to {_NAME_SIZE - 1} ASCII characters")
    this_module = module.section(THIS_MODULE).content
    field = slice(_NAME_OFFSET, _NAME_OFFSET + _NAME_SIZE)
    old = modinfo.value_of(module, "name")
    if old is not None and bytes(this_module[field]).rstrip(b"\0") != old.encode():
        raise UnsuitableDonor(f"struct module does not hold '{old}' at offset {_NAME_OFFSET}")
    _write_name(module, name)
    modinfo.set_value(module, "name", name)


def vermagic_release(module: Relocatable, argument: str) -> None:
    """Change the kernel release, the first word of the version magic."""
    vermagic = modinfo.with_release(_vermagic(module), argument or _OTHER_RELEASE)
    modinfo.set_value(module, "vermagic", vermagic)


def vermagic_without(module: Relocatable, argument: str) -> None:
    """Take one flag out of the version magic."""
    vermagic = modinfo.without_word(_vermagic(module), argument)
    if vermagic is None:
        raise FaultNotApplicable(f"the version magic '{_vermagic(module)}' has no '{argument}'")
    modinfo.set_value(module, "vermagic", vermagic)


def vermagic_with(module: Relocatable, argument: str) -> None:
    """Add one flag to the version magic."""
    modinfo.set_value(module, "vermagic", modinfo.with_word(_vermagic(module), argument))


def no_vermagic(module: Relocatable, _: str) -> None:
    """Remove the version magic."""
    modinfo.set_value(module, "vermagic", None)


def vermagic_trimmed(module: Relocatable, _: str) -> None:
    """Take the space from the end of the version magic."""
    modinfo.set_value(module, "vermagic", _vermagic(module).rstrip(" "))


def vermagic_spaced(module: Relocatable, _: str) -> None:
    """Put a second space between release and flags."""
    modinfo.set_value(module, "vermagic", _vermagic(module).replace(" ", "  ", 1))


def modinfo_value(module: Relocatable, argument: str) -> None:
    """Set a string of .modinfo, `KEY=VALUE`, in place of all that have the key."""
    key, value = _key_and_value(argument)
    modinfo.set_value(module, key, value)


def modinfo_also(module: Relocatable, argument: str) -> None:
    """Add a string to the end of .modinfo, `KEY=VALUE`, whatever is there already."""
    key, value = _key_and_value(argument)
    module.append(modinfo.MODINFO, f"{key}={value}".encode("utf-8", "surrogateescape") + b"\0")


def modinfo_without(module: Relocatable, argument: str) -> None:
    """Remove every string of .modinfo that has this key."""
    if modinfo.value_of(module, argument) is None:
        raise FaultNotApplicable(f"the module says nothing of '{argument}'")
    modinfo.set_value(module, argument, None)


def name_inside(module: Relocatable, argument: str) -> None:
    """Change the name in `struct module` only, by which the kernel will list it; it may be empty."""
    _write_name(module, argument)


def name_outside(module: Relocatable, argument: str) -> None:
    """Change the name in .modinfo only, which the kernel reads before it looks into `struct module`."""
    modinfo.set_value(module, "name", argument)


def name_unterminated(module: Relocatable, _: str) -> None:
    """Fill the whole field of the name in `struct module`, without a NUL at its end."""
    _write_name(module, "n" * _NAME_SIZE)


def no_init(module: Relocatable, _: str) -> None:
    """Let `struct module` point to no init function."""
    index = module.symbol_index("init_module")
    relocations = module.relocations(THIS_MODULE)
    module.set_relocations(THIS_MODULE, [r for r in relocations if r.symbol != index])


def no_exit(module: Relocatable, _: str) -> None:
    """Let `struct module` point to no exit function, so that the module is there to stay."""
    index = module.symbol_index("cleanup_module")
    relocations = module.relocations(THIS_MODULE)
    module.set_relocations(THIS_MODULE, [r for r in relocations if r.symbol != index])


def license_(module: Relocatable, argument: str) -> None:
    """Claim another licence."""
    modinfo.set_value(module, "license", argument)


def crc(module: Relocatable, argument: str) -> None:
    """Spoil the CRC recorded for one symbol; `printk` stands for whatever this kernel calls it."""
    for symbol in IMPORT_NAMES.get(argument, (argument,)):
        right = versions.crc_of(module, symbol)
        if right is not None:
            return versions.set_crc(module, symbol, right ^ 0xFFFFFFFF)
    raise FaultNotApplicable(f"the module carries no CRC for '{argument}'")


def undefined_symbol(module: Relocatable, argument: str) -> None:
    """Import a symbol that no kernel exports, and use it."""
    index = versions.add_import(module, argument or NO_SUCH_SYMBOL, _ANY_CRC)
    point_to(module, ".data", index)


def weak_undefined_symbol(module: Relocatable, argument: str) -> None:
    """Import a symbol that no kernel exports, weakly: the kernel lets it be zero."""
    undefined_symbol(module, argument)
    index = module.symbol_index(argument or NO_SUCH_SYMBOL)
    if index is not None:
        symbol = module.symbols()[index]
        module.set_symbol(index, symbol._replace(info=STB_WEAK << 4 | symbol.info & 0xF))


def relocation_type(module: Relocatable, argument: str) -> None:
    """Add a relocation of the given type number to the code."""
    if not argument.isdecimal() or int(argument) >= 1 << 32:
        raise UnknownFault(f"relocation-type wants a number, such as relocation-type:9; found '{argument}'")
    point_to(module, ".text", _init_symbol(module), kind=int(argument))


def relocation_overflow(module: Relocatable, _: str) -> None:
    """Add a relocation to the low half of an address, as code built without -mcmodel=kernel has."""
    point_to(module, ".text", _init_symbol(module), kind=machine_code(module.header.machine).cut)


def relocation_of_symbol(module: Relocatable, argument: str) -> None:
    """Add a relocation that names the symbol of that number, counted from the end when negative."""
    number = number_in(argument, "relocation-of-symbol")
    point_to(module, ".data", number if number >= 0 else len(module.symbols()) + number)


def relocation_nonzero(module: Relocatable, _: str) -> None:
    """Add a valid relocation whose place already holds something."""
    point_to(module, ".text", _init_symbol(module), before=b"\x11" * _ADDRESS_SIZE)


def _key_and_value(argument: str) -> tuple[str, str]:
    key, equals, value = argument.partition("=")
    if not key or not equals:
        raise UnknownFault(f"a string of .modinfo is KEY=VALUE; found '{argument}'")
    return key, value


def _write_name(module: Relocatable, name: str) -> None:
    field = slice(_NAME_OFFSET, _NAME_OFFSET + _NAME_SIZE)
    module.section(THIS_MODULE).content[field] = name.encode()[:_NAME_SIZE].ljust(_NAME_SIZE, b"\0")


def _vermagic(module: Relocatable) -> str:
    vermagic = modinfo.value_of(module, "vermagic")
    if vermagic is None:
        raise FaultNotApplicable("the module has no version magic (left) to change")
    return vermagic


def _init_symbol(module: Relocatable) -> int:
    index = module.symbol_index("init_module")
    if index is None:
        raise UnsuitableDonor("the donor has no init_module")
    return index


def point_to(
    module: Relocatable,
    section: str,
    symbol: int,
    kind: int | None = None,
    before: bytes = bytes(_ADDRESS_SIZE),
) -> None:
    """Add a word to the end of a section that is to become the address of a symbol, and the relocation for it."""
    offset = module.append(section, before, alignment=_ADDRESS_SIZE)
    absolute = machine_code(module.header.machine).absolute
    module.add_relocation(section, Relocation(offset, symbol, absolute if kind is None else kind, 0))
