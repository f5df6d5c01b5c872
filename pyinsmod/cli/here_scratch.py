"""The folder that `validate --here` works in, and what a run that was killed has left: such a folder, and modules.

A folder is locked (flock(2)) for as long as the run lives, or a room of its jobs; what is in one that is not locked
belongs to nobody any more. It says which modules the job had that was under way.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from pyinsmod.errors import MalformedModule
from pyinsmod.module_image import ModuleImage
from pyinsmod.text import printable
from pyinsmod.unloader import unload
from vm.cache import abandoned, locked_folder, write_whole
from vm.running_system import PLACE

PREFIX = "pyinsmod-here."
BUILD_ID = ".note.gnu.build-id"
_UNDER_WAY = "modules.json"
_BOOT = Path("/proc/sys/kernel/random/boot_id")


class Scratch(NamedTuple):
    """A run's folder, and the descriptor that keeps it locked."""

    folder: Path
    lock: int

    def remember(self, modules: Mapping[str, str]) -> None:
        """Note the modules of the job that comes now, name → build id, in place of those of the last one."""
        noted = {"boot": _BOOT.read_text(), "modules": dict(modules)}
        write_whole(self.folder / _UNDER_WAY, json.dumps(noted).encode())


def build_id(image: ModuleImage) -> str:
    """Return the note that tells builds of a module apart, in hex, as /sys/module/NAME/notes has it; "" without one."""
    try:
        section = image.find_section(BUILD_ID)
        return image.section_bytes(section).hex() if section else ""
    except MalformedModule:
        return ""


@contextlib.contextmanager
def scratch(note: Callable[[str], None], place: Path = PLACE) -> Iterator[Scratch]:
    """Yield a new folder; before that, put away what runs have left that were killed, and say so."""
    for left in abandoned(filter(_is_own, place.glob(f"{PREFIX}*"))):
        _put_away(left, note)
    with locked_folder(place, PREFIX) as (folder, lock):
        yield Scratch(folder, lock)


def _is_own(folder: Path) -> bool:
    """Tell whether a folder is one that nobody but us can have made, or written to."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    return found.st_uid == os.geteuid() and not found.st_mode & 0o077


def _put_away(folder: Path, note: Callable[[str], None]) -> None:
    for name, identity in _under_way(folder).items():
        if not _loaded(name):
            continue
        if not identity or _loaded_build_id(name) != identity or _is_of_the_system(name):
            note(f"an earlier run was killed, and '{name}' is loaded: perhaps by it (sudo pyinsmod unload {name})")
        elif (refused := unload(name)).explanation:
            note(f"an earlier run was killed, and its module '{name}' cannot be removed: {refused.explanation.cause}")
        else:
            note(f"an earlier run was killed: its module '{name}', still loaded, is removed")
    with contextlib.suppress(OSError):
        shutil.rmtree(folder)


def _under_way(folder: Path) -> dict[str, str]:
    """Return the modules that may be loaded yet: those of this boot."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        said = json.loads((folder / _UNDER_WAY).read_text())
        if said["boot"] == _BOOT.read_text():
            return {printable(str(name)): str(identity) for name, identity in said["modules"].items()}
    return {}


def _loaded(name: str) -> bool:
    return Path("/sys/module", name, "initstate").exists()  # what is built in has none


def _loaded_build_id(name: str) -> str:
    with contextlib.suppress(OSError):
        return Path("/sys/module", name, "notes", BUILD_ID).read_bytes().hex()
    return ""


def _is_of_the_system(name: str) -> bool:
    """Tell whether the system has a module of this name, which somebody may have loaded since."""
    files = Path("/lib/modules", os.uname().release).rglob("*.ko*")
    return any(path.name.partition(".ko")[0].replace("-", "_") == name for path in files)
