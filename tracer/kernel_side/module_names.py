"""Which modules a command line is about: the files it names, and what modprobe would load for a name."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from pyinsmod.errors import MalformedModule
from pyinsmod.module_image import read_image

MODULE_FILE = re.compile(r"\.ko(?:\.(?:gz|xz|zst))?$")
_NAME = re.compile(r"[\w-]+")
_ASKING_BY_NAME = frozenset(("modprobe", "rmmod"))


def module_files(command: Sequence[str]) -> list[Path]:
    """Return the module files a command line names, also inside the script of `sh -c`."""
    paths = [Path(word).absolute() for word in _words(command) if MODULE_FILE.search(word)]
    return [path for path in dict.fromkeys(paths) if path.is_file()]


def module_name(path: Path) -> str:
    """Return the name a module file stands for: its own word for it, else its file name as kbuild makes it."""
    try:
        name = read_image(path.read_bytes()).name
    except (OSError, MalformedModule):
        name = None
    return name or name_of_file(path.name)


def name_of_file(name: str) -> str:
    """Return the module name kbuild gives to a file name."""
    return name.partition(".")[0].replace("-", "_")


def modules_asked_for(command: Sequence[str]) -> list[str]:
    """Return the names a `modprobe` in the command gives, and the modules it loads for them (modules.dep)."""
    words = _words(command)
    if not any(word.rpartition("/")[2] in _ASKING_BY_NAME for word in words):
        return []
    try:
        index = Path(f"/lib/modules/{os.uname().release}/modules.dep").read_bytes()
    except OSError:
        index = b""
    names = [name_of_file(word) for word in words if _NAME.fullmatch(word)]
    return list(dict.fromkeys(module for name in names for module in _with_dependencies(name, index)))


def _with_dependencies(name: str, index: bytes) -> list[str]:
    """Return the names on a module's line of modules.dep, itself first; none when it has no line."""
    pattern = re.escape(name).replace("_", "[_-]").encode()
    line = re.search(rb"^(\S*/)?" + pattern + rb"\.ko(\.\w+)?:.*$", index, re.MULTILINE)
    files = line[0].replace(b":", b"").split() if line else []
    return [name_of_file(file.rpartition(b"/")[2].decode()) for file in files]


def _words(command: Sequence[str]) -> list[str]:
    return [word for argument in command for word in (argument, *_shell_words(argument))]


def _shell_words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:  # unbalanced quotes: no shell script then
        return []
