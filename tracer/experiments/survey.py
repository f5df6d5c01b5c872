"""An experiment without a machine: look at every module of a kernel's package.

What a document says modules contain is held against modules nobody here wrote.
"""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

from pyinsmod.errors import MalformedModule
from pyinsmod.module_image import read_image
from tracer.experiments.kernel_modules import module_files

NAMED_SECTIONS = (".text", ".data", ".bss", ".rela.text", ".modinfo")


def survey_records(tree: Path) -> list[dict[str, Any]]:
    """Return a trace of one `survey` record: how many modules there are, and how many lack what."""
    start = time.monotonic_ns()
    lacking: Counter[str] = Counter({**dict.fromkeys(NAMED_SECTIONS, 0), "symbols": 0, "ELF": 0})
    example: dict[str, str] = {}
    modules = 0
    for path in module_files(tree).values():
        modules += 1
        for absent in _absent(path):
            lacking[absent] += 1
            example.setdefault(absent, path.name)
    record = {
        "type": "survey",
        "t": time.monotonic_ns(),
        "modules": modules,
        "lacking": dict(lacking),
        "example": example,
    }
    return [
        {
            "schema": 1,
            "type": "header",
            "t": start,
            "command": [],
            "clock": "CLOCK_MONOTONIC",
            "start": start,
        },
        record,
        {"type": "end", "t": time.monotonic_ns(), "status": 0},
    ]


def _absent(path: Path) -> list[str]:
    try:
        image = read_image(path.read_bytes())
        sections = {section.name for section in image.sections if section.size}
        symbols = bool(image.symbols)
    except MalformedModule:
        return ["ELF"]
    return [name for name in NAMED_SECTIONS if name not in sections] + ([] if symbols else ["symbols"])
