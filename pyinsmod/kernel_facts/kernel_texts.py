"""What shows by texts in a kernel's read-only data: release, version magic, features, what was built in."""

from __future__ import annotations

import re

from pyinsmod.elf_format import text
from pyinsmod.kernel_facts.config import options_in
from pyinsmod.kernel_facts.features import features_shown
from pyinsmod.lean import TYPE_CHECKING, Mapping, Sequence

if TYPE_CHECKING:
    from collections.abc import Container

_BANNER = re.compile(rb"Linux version (\S{1,64}) \(")
_VERMAGIC_WORDS = re.compile(rb"[\w.+~-]+(?: [\w.+~-]+)* ?")
LONGEST_VERMAGIC = 512

# Every loader has this sentence (`simplify_symbols`); where it is missing, no other sentence's absence means a thing.
_SENTENCE_OF_EVERY_LOADER = b"Unknown symbol %s (err %d)"

# `module_decompress_sysfs` (kernel/module/decompress.c) shows one of these lines in /sys/module/compression.
_COMPRESSIONS = ("gzip", "xz", "zstd")
_CAN_UNPACK = b"decompression failed with status"

# `lockdown_lsm_init` (security/lockdown/lockdown.c) names this as the reason, when it was built to lock down.
_LOCKED_BY_CONFIGURATION = b"Kernel configuration\0"

# kernel/configs.c (CONFIG_IKCONFIG): a gzip stream between these two.
_CONFIG_BEGINS, _CONFIG_ENDS = b"IKCFG_ST", b"IKCFG_ED"


def release_in(read_only: bytes) -> bytes | None:
    """Return the release of the kernel's banner; None when there is no banner."""
    banner = _BANNER.search(read_only)
    return banner[1] if banner else None


def vermagic_in(read_only: bytes, release: bytes) -> str | None:
    """Return the one string that begins with the release and goes on with words; a banner goes on with a bracket."""
    found = set()
    beginning = b"\0" + release + b" "
    at = read_only.find(beginning)
    while at >= 0:
        words = read_only[at + 1 : at + LONGEST_VERMAGIC].partition(b"\0")[0]
        if _VERMAGIC_WORDS.fullmatch(words):
            found.add(words)
        at = read_only.find(beginning, at + 1)
    return text(found.pop()) if len(found) == 1 else None


def features_in_texts(parts: Sequence[bytes], exports: Container[str] | None) -> Mapping[str, bool] | None:
    """Return which features show by the kernel's sentences and by what it exports (None: unknown).

    None when these are not the data of a module loader.
    """
    if not any(_SENTENCE_OF_EVERY_LOADER in part for part in parts):
        return None
    has_export = None if exports is None else exports.__contains__
    return features_shown(None, lambda message: any(message in part for part in parts), has_export)


def compression_in(read_only: bytes) -> str | None:
    """Return the format that the kernel unpacks by itself, the empty string for none; None when that does not show."""
    if _CAN_UNPACK not in read_only:
        return "" if _SENTENCE_OF_EVERY_LOADER in read_only else None
    shown = [name for name in _COMPRESSIONS if b"\0%s\n\0" % name.encode() in read_only]
    return shown[0] if len(shown) == 1 else None


def lockdown_in(read_only: bytes) -> str | None:
    """Return `none` for a kernel that was not built to lock itself down; how far another goes does not show."""
    return None if _LOCKED_BY_CONFIGURATION in read_only else "none"


def config_in(read_only: bytes) -> Mapping[str, str] | None:
    """Return the build options, when they were built in and can be unpacked."""
    import zlib

    start, end = read_only.find(_CONFIG_BEGINS), read_only.find(_CONFIG_ENDS)
    if not 0 <= start < end:
        return None
    try:
        return options_in(zlib.decompress(read_only[start + len(_CONFIG_BEGINS) : end], zlib.MAX_WBITS | 16))
    except zlib.error:
        return None
