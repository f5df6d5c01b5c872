"""What a kernel says to a sound module, found without looking at more than `sweep` brought in.

Most modules have nothing wrong with them; of those that have, nearly all have the same few things wrong. Each such
thing has a key, made of what it depends on: the check itself is asked once for each key, so that its words are the
check's own, and what cannot be put so is `None`: the module goes the long way.
"""

from __future__ import annotations

from pyinsmod.btf.header import BtfFault
from pyinsmod.checks import findings_of
from pyinsmod.checks.percpu import TAKEN_TO_BE_FREE
from pyinsmod.errors import MalformedModule
from pyinsmod.lean import Iterator, NamedTuple, Sequence, TypeAlias
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_exports import ENTRY_SIZE
from pyinsmod.module_image import CRC_SIZE, ModuleImage
from pyinsmod.tree.signed import Signatures
from pyinsmod.tree.sources import Bytes
from pyinsmod.tree.sweep import Sound, records_in
from pyinsmod.tree.target import LAYOUT, Target
from pyinsmod.tree.type_information import skim

# The check's name, and all that its answer depends on.
Key: TypeAlias = tuple[object, ...]
_USUAL_TAINTS = (False, False, True, True)
_GOT = b"_GLOBAL_OFFSET_TABLE_"
_PERCPU, _CTORS, _BTF, _BTF_BASE = b".data..percpu", b".ctors", b".BTF", b".BTF.base"
_TABLES = {b"__ksymtab": b"__kcrctab", b"__ksymtab_gpl": b"__kcrctab_gpl"}
_EXTENDED = (b"__version_ext_crcs", b"__version_ext_names")


class Answer(NamedTuple):
    """The keys of what a kernel has against a module, in the order of its checks, and what its symbols come to.

    `differs` are symbols of the kernel of another CRC; `missing` symbols it does not export, each with the CRC the
    module was built for (0 without versions). Both with their place in the symbol table, which decides whose errno
    the caller gets. Where nothing differs, `wanted` stands for `missing`: those symbols' records of __versions.
    """

    keys: tuple[Key, ...] = ()
    differs: tuple[tuple[int, bytes], ...] = ()
    missing: tuple[tuple[int, bytes, int], ...] = ()
    wanted: bytes = b""

    @property
    def lacking(self) -> Sequence[tuple[int, bytes, int]]:
        """What is missing, one by one."""
        return self.missing or [(at, *_name_and_crc(record)) for at, record in enumerate(records_in(self.wanted))]


CLEAN = Answer()


def answer(
    source: Bytes, sound: Sound, target: Target, exported: frozenset[bytes], signatures: Signatures
) -> Answer | None:
    """Return what the kernel says to a module; None when that has to be found out the long way.

    Args:
        source: the module's bytes.
        sound: what is known of it.
        target: the kernel.
        exported: the names of what it exports.
        signatures: what is known of signatures.
    """
    if not target.quick or sound.name in target.taken:
        return None
    signature = signatures.key(source, sound, target)
    if signature is None:
        return None
    keys: list[Key] = [signature] if signature else []
    if target.struct_size is not None and target.struct_size != sound.struct_size:
        if target.counts:
            return Answer((*keys, ("elf", sound.struct_size)))
        if target.counts is None or sound.struct_size < target.struct_size:
            return None
    if _special(sound, target) or not target.crcs.keys().isdisjoint(exported):
        return None
    symbols = _symbols(sound, target)
    if symbols is None or not _type_information(source, sound, target):
        return None
    layout, differs, missing, wanted = symbols
    if layout is not None:
        keys.append(("modversions", layout, sound.vermagic))
    keys += _remarks(sound, target)
    return Answer(tuple(keys), differs, missing, wanted) if keys or differs or missing or wanted else CLEAN


def _remarks(sound: Sound, target: Target) -> Iterator[Key]:
    """Yield what is said of the words in .modinfo, of tables of exports, and of a module without an exit function."""
    if not _same_magic(sound, target):
        yield "vermagic", sound.vermagic, sound.records is not None
    if sound.taints != _USUAL_TAINTS:
        yield "taints", sound.taints
    if target.flagged is not False and sound.size(b"__ksymtab") >= ENTRY_SIZE and not sound.has(b"__kflagstab"):
        yield ("exports",)
    if sound.stays:
        yield ("permanent",)


def _special(sound: Sound, target: Target) -> bool:
    """Tell whether the module has something that is seldom, and judged by a check of its own."""
    number = sound.layout.number
    if _CTORS in number or (_PERCPU in number and sound.size(_PERCPU) > TAKEN_TO_BE_FREE):
        return True
    if target.extended and target.compares and any(each in number for each in _EXTENDED):
        return True
    if not target.compares:
        return False
    return any(sound.size(table) >= ENTRY_SIZE and not sound.has(crcs) for table, crcs in _TABLES.items())


def _same_magic(sound: Sound, target: Target) -> bool:
    if sound.vermagic == target.vermagic:
        return True
    if not target.modversions or sound.records is None:
        return False
    return sound.vermagic.partition(b" ")[2] == target.vermagic.partition(b" ")[2]


def _type_information(source: Bytes, sound: Sound, target: Target) -> bool:
    """Tell whether the kernel has certainly nothing to say about the module's BTF."""
    number = sound.layout.number.get(_BTF)
    if number is None or not sound.layout.sizes[number] or not target.looks_at_btf:
        return True
    if not target.tolerates_btf or (target.distilled and _BTF_BASE in sound.layout.number):
        return _has_nothing_against(source, "btf", target)
    try:
        skim(source.piece(sound.layout.offsets[number], sound.layout.sizes[number]), target.dialect)
    except BtfFault:
        return False
    return True


def _has_nothing_against(source: Bytes, check: str, target: Target) -> bool:
    """Ask one check itself, which takes far less time than asking all of them."""
    image = ModuleImage(source.whole()).seen_by(target.facts.has)
    try:
        return not any(findings_of(check, image, target.facts, LoadRequest()))
    except MalformedModule:
        return False


_Symbols: TypeAlias = tuple[int | None, tuple[tuple[int, bytes], ...], tuple[tuple[int, bytes, int], ...], bytes]


def _symbols(sound: Sound, target: Target) -> _Symbols | None:
    """Return the CRC of module_layout if it differs, the symbols that differ, and those the kernel does not have.

    The latter as `missing` or as `wanted`, see Answer.
    """
    if not target.imported_spaces.isdisjoint(sound.undefined) and not _imports(sound, target):
        return None
    if not target.compares:
        names = enumerate(sound.undefined)
        absent = ((at, name, 0) for at, name in names if name not in target.crcs and _wanted(sound, name))
        return None, (), tuple(absent), b""
    return _versions(sound, target)


def _imports(sound: Sound, target: Target) -> bool:
    """Tell whether the module imports every namespace it uses symbols of."""
    spaces = {target.packed.spaced[name] for name in sound.undefined if name in target.imported_spaces}
    return all(b"\0import_ns=%s\0" % space in sound.modinfo for space in spaces)


def _wanted(sound: Sound, name: bytes) -> bool:
    return name not in sound.weak and name != _GOT


def _versions(sound: Sound, target: Target) -> _Symbols | None:
    """Compare all versions at once; only what is not the kernel's own is looked at one by one."""
    if sound.records is None:
        return None
    known = target.names
    same = set(map(known.get, sound.records))
    carried: dict[bytes, bytes] = {}
    if None in same:
        same.discard(None)
        others = [record for record in sound.records if record not in known]
        carried = {record[CRC_SIZE:].partition(b"\0")[0]: record for record in others}
        # The first record of a name counts, so that none may be there twice.
        if len(carried) < len(others) or not same.isdisjoint(carried):
            return None
    crcs = target.crcs
    if LAYOUT not in crcs or not (LAYOUT in same or LAYOUT in carried):
        return None
    # Bytes behind the NUL of a name make another record of the same version.
    rest = [(at, name) for at, name in enumerate(sound.undefined) if name not in same]
    absent = [(at, name) for at, name in rest if name not in crcs and _wanted(sound, name)]
    differs = [(at, name) for at, name in rest if name in crcs]
    if not all(name in carried for _, name in (*differs, *absent)):
        return None
    differs = [(at, name) for at, name in differs if crcs[name] != _crc(carried[name])]
    layout = _crc(carried[LAYOUT]) if LAYOUT in carried else crcs[LAYOUT]
    changed = None if layout == crcs[LAYOUT] else layout
    if differs:
        return changed, tuple(differs), tuple([(at, name, _crc(carried[name])) for at, name in absent]), b""
    return changed, (), (), b"".join([carried[name] for _, name in absent])


def _crc(record: bytes) -> int:
    return int.from_bytes(record[:CRC_SIZE], "little")


def _name_and_crc(record: bytes) -> tuple[bytes, int]:
    return record[CRC_SIZE:].partition(b"\0")[0], _crc(record)
