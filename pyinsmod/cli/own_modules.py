"""Import this program's own modules by the shortest way: where they are is known, and mostly they are compiled.

A check imports fifty of them, a trace thirty. Python looks for each in several ways, asks for the state of folders
and files, and opens it with a buffer: a third of what the import takes, and a quarter of the check. What is not found
compiled and up to date right where it belongs is left to Python, and so is everything that is not of these packages.
"""

from __future__ import annotations

import marshal
import sys
from _frozen_importlib_external import MAGIC_NUMBER, SourceFileLoader, spec_from_file_location

from pyinsmod.lean import TYPE_CHECKING, Sequence, os

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import CodeType

PACKAGES = ("pyinsmod.", "tracer.", "vm.")
# Of what a compiled file begins with: its magic, how it is told whether it is up to date, what that is told by.
# (importlib, _validate_timestamp_pyc and PEP 552)
BY_TIME, NEVER_OUTDATED, HEAD_SIZE = bytes(4), bytes((1, 0, 0, 0)), 16
LARGEST = 1 << 16


def import_quickly() -> None:
    """Put this way before Python's, where compiled files are at their usual place."""
    if sys.pycache_prefix is None and not sys.flags.optimize and OwnModules not in sys.meta_path:
        sys.meta_path.insert(0, OwnModules)


class OwnModules:
    """A finder, see importlib.abc.MetaPathFinder."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, _target: object = None) -> ModuleSpec | None:
        """Return how a module of these packages is loaded; None leaves that to the next finder."""
        if path is None or not name.startswith(PACKAGES):
            return None
        place = f"{path[0]}/{name.rpartition('.')[2]}"
        for folder, stem, searched in ((path[0], place[len(path[0]) + 1 :], None), (place, "__init__", [place])):
            source, compiled = f"{folder}/{stem}.py", f"{folder}/__pycache__/{stem}.{sys.implementation.cache_tag}.pyc"
            code = _code_in(compiled, source)
            if code is not None:
                loader = CompiledLoader(name, source)
                loader.code = code
                spec = spec_from_file_location(name, source, loader=loader, submodule_search_locations=searched)
                if spec is not None:
                    spec.cached = compiled
                return spec
        return None


class CompiledLoader(SourceFileLoader):
    """The usual loader, with the code at hand; it gives that away once."""

    code: CodeType | None = None

    def get_code(self, fullname: str) -> CodeType | None:
        """Return the module's code."""
        code, self.code = self.code, None
        return super().get_code(fullname) if code is None else code


def _code_in(compiled: str, source: str) -> CodeType | None:
    """Return what stands in a compiled file; None when there is none, or it is not certainly up to date."""
    try:
        file = os.open(compiled, os.O_RDONLY | os.O_CLOEXEC)
        try:
            raw = os.read(file, LARGEST)
        finally:
            os.close(file)
        if raw[:4] != MAGIC_NUMBER or len(raw) == LARGEST:
            return None
        if raw[4:8] != NEVER_OUTDATED and not (raw[4:8] == BY_TIME and raw[8:HEAD_SIZE] == _time_and_size(source)):
            return None
        code: CodeType = marshal.loads(memoryview(raw)[HEAD_SIZE:])  # noqa: S302 - what Python itself would load
    except (OSError, ValueError, EOFError, TypeError):
        return None
    return code


def _time_and_size(source: str) -> bytes:
    state = os.stat(source)
    return b"".join((number & 0xFFFFFFFF).to_bytes(4, "little") for number in (int(state.st_mtime), state.st_size))
