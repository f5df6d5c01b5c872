"""What the module file on disk holds, as a `state` record: the document speaks of it, so it is looked at."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any

from pyinsmod.errors import MalformedModule
from pyinsmod.module_image import ModuleImage, read_image

MODULE_FOLDERS = Path("/lib/modules")


def modprobe_files(words: Sequence[str], folders: Path = MODULE_FOLDERS) -> list[Path]:
    """Return the files of the modules that a command line gives modprobe by name, as modules.dep has them."""
    called = next((number for number, word in enumerate(words) if PurePath(word).name == "modprobe"), len(words))
    names = {kbuild_name(word) for word in words[called + 1 :] if not word.startswith("-")}
    if not names:
        return []
    folder = folders / os.uname().release
    try:
        listed = (folder / "modules.dep").read_text(errors="surrogateescape").splitlines()
    except OSError:  # nothing indexed, nothing found: modprobe will say so
        return []
    paths = [folder / line.partition(":")[0] for line in listed]
    return [path for path in paths if kbuild_name(path.name) in names]


def kbuild_name(name: str) -> str:
    """Return the module's name by its file's: without suffixes, and with underscores as kbuild makes it."""
    return name.partition(".")[0].replace("-", "_")


def file_record(path: Path) -> dict[str, Any]:
    """Return a `state` record of kind `module_file`; what cannot be read is None and `problem` says why."""
    record: dict[str, Any] = {
        "type": "state", "t": time.monotonic_ns(), "what": "module_file", "moment": "before", "path": str(path),
        "size": None, "magic": None, "elf_type": None, "sections": None, "symbols": None, "undefined": None,
        "vermagic": None, "problem": None,
    }  # fmt: skip
    try:
        content = path.read_bytes()
    except OSError as failure:
        return {**record, "problem": failure.strerror}
    record.update(size=len(content), magic=content[:4].hex())
    try:
        record.update(_facts(read_image(content)))
    except MalformedModule as malformed:
        record["problem"] = str(malformed)
    return record


def _facts(image: ModuleImage) -> dict[str, Any]:
    return {
        "magic": bytes(image.data[:4]).hex(),
        "elf_type": image.header.type,
        "compression": image.compression,
        "sections": {section.name: section.size for section in image.sections if section.name},
        "symbols": len(image.symbols),
        "undefined": len(image.undefined_symbols),
        "vermagic": image.vermagic,
    }
