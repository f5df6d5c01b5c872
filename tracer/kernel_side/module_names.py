"""Which modules a command line is about: the files it names, and what modprobe would load for a name."""

from __future__ import annotations

import errno
import os
import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath

from pyinsmod.errors import MalformedModule
from pyinsmod.module_image import read_image

MODULE_FOLDERS = Path("/lib/modules")
MODULE_FILE = re.compile(r"\.ko(?:\.(?:gz|xz|zst))?$")
LARGEST_FILE = 1 << 28  # with all its debugging information, a module has some ten megabytes
_NAME = re.compile(r"[\w-]+")
_ASKING_BY_NAME = frozenset(("modprobe", "rmmod"))


def module_files(command: Sequence[str], folders: Path = MODULE_FOLDERS) -> list[Path]:
    """Return the module files a command line names, also inside the script of `sh -c` and by name for modprobe."""
    words = _words(command)
    paths = [Path(word).absolute() for word in words if MODULE_FILE.search(word)]
    paths += [files[0] for files in _by_name(words, frozenset(("modprobe",)), folders)]
    return [path for path in dict.fromkeys(paths) if path.is_file()]


def module_content(path: Path) -> bytes:
    """Return a module file's bytes.

    Raises:
        OSError: it cannot be read; with EFBIG, it is larger than anything that is loaded as a module.
    """
    with path.open("rb") as file:
        content = file.read(LARGEST_FILE + 1)
    if len(content) > LARGEST_FILE:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    return content


def module_name(path: Path) -> str:
    """Return the name a module file stands for: its own word for it, else its file name as kbuild makes it."""
    try:
        name = read_image(module_content(path)).name
    except (OSError, MalformedModule):
        name = None
    return name or name_of_file(path.name)


def name_of_file(name: str) -> str:
    """Return the module name kbuild gives to a file name."""
    return name.partition(".")[0].replace("-", "_")


def modules_asked_for(command: Sequence[str], folders: Path = MODULE_FOLDERS) -> list[str]:
    """Return the modules that modprobe or rmmod is given by name in a command, and those they depend on."""
    found = _by_name(_words(command), _ASKING_BY_NAME, folders)
    return list(dict.fromkeys(name_of_file(path.name) for files in found for path in files))


def _by_name(words: Sequence[str], programs: frozenset[str], folders: Path) -> Iterator[list[Path]]:
    """Yield, for each name that comes after such a program, its file and those of its dependencies (modules.dep)."""
    called = next((number for number, word in enumerate(words) if PurePath(word).name in programs), len(words))
    names = dict.fromkeys(name_of_file(word) for word in words[called + 1 :] if _NAME.fullmatch(word))
    folder = folders / os.uname().release
    try:
        index = (folder / "modules.dep").read_text(errors="surrogateescape") if names else ""
    except OSError:  # nothing indexed, nothing found: modprobe will say so
        index = ""
    for name in names:
        pattern = re.escape(name).replace("_", "[_-]")
        line = re.search(rf"^(?:\S*/)?{pattern}\.ko(?:\.\w+)?:.*$", index, re.MULTILINE)
        if line:
            yield [folder / file for file in line[0].replace(":", "", 1).split()]


def _words(command: Sequence[str]) -> list[str]:
    return [word for argument in command for word in (argument, *_shell_words(argument))]


def _shell_words(text: str) -> list[str]:
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        return list(lexer)
    except ValueError:  # unbalanced quotes: no shell script then
        return []
