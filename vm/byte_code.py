"""Byte code for the guest's Python, compiled on the host: under emulation the same takes many times as long."""

from __future__ import annotations

import py_compile
import sys
import tempfile
from pathlib import Path, PurePath


def fits(userland: Path) -> bool:
    """Tell whether this interpreter's byte code is that of the userland's: it is within a minor version."""
    return (userland / f"usr/lib/python{sys.version_info.major}.{sys.version_info.minor}").is_dir()


def byte_code(source: Path, place: str) -> tuple[str, bytes] | None:
    """Return name and content of the byte code of `source`, which will stand at `place` in the guest.

    It counts without a look at the source's time, which an archive does not keep. None for what is no Python.
    """
    if source.suffix != ".py":
        return None
    with tempfile.NamedTemporaryFile(suffix=".pyc") as scratch:
        try:
            py_compile.compile(
                str(source),
                cfile=scratch.name,
                dfile=f"/{place}",
                doraise=True,
                invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
            )
        except py_compile.PyCompileError:  # a template, say: the guest will see for itself
            return None
        where = PurePath(place)
        name = where.parent / "__pycache__" / f"{where.stem}.{sys.implementation.cache_tag}.pyc"  # PEP 3147
        return str(name), Path(scratch.name).read_bytes()
