"""The modules of an unpacked kernel package: where they are, their bytes, and what they know of the kernel.

A package holds `lib/modules/REL/kernel` or `usr/lib/modules/REL/kernel` with plain or compressed
modules; the indices that depmod makes (`modules.dep`, `modules.symbols`) are not in it.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from pyinsmod.compression import decompress
from pyinsmod.errors import MalformedModule
from tracer.experiments import versions
from tracer.experiments.errors import NotRelocatable, UnsuitableDonor
from tracer.experiments.relocatable import Relocatable

_COMPRESSIONS = {".ko": None, ".xz": "xz", ".gz": "gzip"}
_SUFFIXES = (".ko", ".ko.xz", ".ko.gz")


class Import(NamedTuple):
    """A symbol that the kernel's own modules import; `crc` is None where modules carry no CRCs."""

    symbol: str
    crc: int | None


@lru_cache(maxsize=16)
def module_files(tree: Path) -> dict[str, Path]:
    """Return the modules of a package by name (with `_` for `-`), the smallest files first.

    Args:
        tree: the folder the package was unpacked into.

    Raises:
        UnsuitableDonor: no modules there, or those of several kernels.
    """
    found = [folder for top in ("lib", "usr/lib") for folder in sorted(tree.glob(f"{top}/modules/*/kernel"))]
    # A merged-usr system shows one folder by two names.
    folders = list(dict.fromkeys(folder.resolve() for folder in found))
    if len(folders) != 1:
        raise UnsuitableDonor(f"{tree}: modules of {len(folders)} kernels, wanted those of one")
    paths = [path for path in folders[0].rglob("*.ko*") if path.name.endswith(_SUFFIXES)]
    # The path settles ties, so that the same package gives the same order everywhere.
    paths.sort(key=lambda path: (path.stat().st_size, path))
    return {_module_name(path): path for path in paths}


def read_module(path: Path) -> bytes:
    """Return the bytes of a module, decompressed.

    Raises:
        UnsuitableDonor: it cannot be read or decompressed.
    """
    try:
        content, compression = path.read_bytes(), _COMPRESSIONS[path.suffix]
        return decompress(content, compression) if compression else content
    except (OSError, MalformedModule) as e:
        raise UnsuitableDonor(f"{path}: {e}") from e


@lru_cache(maxsize=256)
def find_import(tree: Path, *symbols: str) -> Import:
    """Find which of some symbols this kernel exports to its modules, and with what CRC.

    The answer comes from the first module (the smallest first) that imports one of them. Several names
    are for a symbol that was renamed from one kernel to the next.

    Raises:
        UnsuitableDonor: no module of the package imports any.
    """
    for path in module_files(tree).values():
        image = read_module(path)
        # Taking a module apart costs more than this search, which nearly all fail.
        if any(b"\0" + symbol.encode() + b"\0" in image for symbol in symbols):
            found = _import_of(image, symbols)
            if found is not None:
                return found
    raise UnsuitableDonor(f"{tree}: no module imports {' or '.join(symbols)}")


def _import_of(image: bytes, symbols: tuple[str, ...]) -> Import | None:
    try:
        module = Relocatable.parse(image)
    except NotRelocatable:
        return None
    imported = set(versions.imports(module))
    symbol = next((symbol for symbol in symbols if symbol in imported), None)
    return None if symbol is None else Import(symbol, versions.crc_of(module, symbol))


def _module_name(path: Path) -> str:
    return path.name.partition(".ko")[0].replace("-", "_")
