"""What the module file on disk holds, as a `state` record: the document speaks of it, so it is looked at."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from pyinsmod.errors import MalformedModule
from pyinsmod.module_image import ModuleImage, read_image
from tracer.kernel_side.module_names import module_content


def file_record(path: Path) -> dict[str, Any]:
    """Return a `state` record of kind `module_file`; what cannot be read is None and `problem` says why."""
    record: dict[str, Any] = {
        "type": "state", "t": time.monotonic_ns(), "what": "module_file", "moment": "before", "path": str(path),
        "size": None, "magic": None, "elf_type": None, "sections": None, "symbols": None, "undefined": None,
        "vermagic": None, "problem": None,
    }  # fmt: skip
    try:
        content = module_content(path)
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
