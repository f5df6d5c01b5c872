"""The symbol versions a module carries, and whether a kernel compares them: `check_version` (kernel/module/version.c).

A version is a CRC over the types a symbol is declared with. A kernel with CONFIG_MODVERSIONS looks up each symbol that
a module uses in the module's own table and compares; any other kernel looks at no version at all.
"""

from __future__ import annotations

from pyinsmod.elf_format import text
from pyinsmod.kernel_facts.facts import KernelFacts
from pyinsmod.lean import Literal, Mapping, NamedTuple, struct
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage

BASIC, EXTENDED_CRCS, EXTENDED_NAMES = "__versions", "__version_ext_crcs", "__version_ext_names"

# struct modversion_info: unsigned long crc, then the name in what is left of 64 bytes.
_RECORD = struct.Struct("<Q56s")
_EXTENDED_CRC_SIZE = 4

Comparison = Literal["same", "differs", "missing"]


class SymbolVersions(NamedTuple):
    """The table the kernel would use. `section` names it; of a symbol that stands there twice the first counts.

    CRCs are as wide as they stand in the file: 64 bits in the basic table, of which the kernel compares all.
    """

    section: str
    crcs: Mapping[str, int]

    def compare(self, symbol: str, crc: int) -> Comparison:
        """Return what the kernel finds that exports the symbol with this CRC."""
        own = self.crcs.get(symbol)
        if own is None:
            return "missing"
        return "same" if own == crc else "differs"


def symbol_versions(image: ModuleImage, facts: KernelFacts, request: LoadRequest) -> SymbolVersions | None:
    """Return the versions the kernel finds, or None: there are none, or it was told to look away.

    Only sections that are SHF_ALLOC are found (`find_sec`); kmod's way to force a load is to clear that flag. A
    kernel that knows extended versions (6.14) asks nothing else of a module that has them.

    Raises:
        MalformedModule: the section reaches past the end of the file.
    """
    if request.force_modversion:
        return None
    crcs, names = image.find_allocated(EXTENDED_CRCS), image.find_allocated(EXTENDED_NAMES)
    if facts.has("extended-versions") and crcs is not None and names is not None:
        return SymbolVersions(EXTENDED_CRCS, _extended(image.section_bytes(crcs), image.section_bytes(names)))
    basic = image.find_allocated(BASIC)
    return None if basic is None else SymbolVersions(BASIC, _basic(image.section_bytes(basic)))


def kernel_compares_versions(facts: KernelFacts) -> bool | None:
    """Tell whether the kernel has CONFIG_MODVERSIONS: by its vermagic, configuration, what it can print or exports.

    `module_layout` is there to have a version, and only then: who gives it one compares.
    """
    for told in (facts.modversions, facts.option("MODVERSIONS"), facts.has("symbol-versions")):
        if told is not None:
            return told
    layout = (facts.exports.value or {}).get("module_layout")
    return True if layout is not None and layout.crc is not None else None


def may_force_load(facts: KernelFacts) -> bool | None:
    """Tell whether `try_to_force_load` goes on (CONFIG_MODULE_FORCE_LOAD) or fails."""
    told = facts.option("MODULE_FORCE_LOAD")
    # The sentence it prints before it goes on shows that it does; that it was not found shows nothing.
    return True if told is None and facts.has("force-load") else told


def _basic(table: bytes) -> dict[str, int]:
    whole = table[: len(table) - len(table) % _RECORD.size]
    records = [(text(name.partition(b"\0")[0]), crc) for crc, name in _RECORD.iter_unpack(whole)]
    return dict(reversed(records))


def _extended(crcs: bytes, names: bytes) -> dict[str, int]:
    whole = crcs[: len(crcs) - len(crcs) % _EXTENDED_CRC_SIZE]
    numbers = [int(number) for (number,) in struct.iter_unpack("<I", whole)]
    pairs = zip(map(text, names.split(b"\0")), numbers, strict=False)
    return dict(reversed(list(pairs)))
