"""What the kernel was started with: /proc/cmdline, read as `parse_args` (kernel/params.c) reads it."""

from __future__ import annotations

from pyinsmod.elf_format import text
from pyinsmod.lean import Iterator


def values_of(command_line: bytes, name: str) -> list[str]:
    """Return the values of a parameter, in order; in its name `-` and `_` are the same."""
    return [value for found, value in parameters_in(text(command_line)) if found == name.replace("-", "_")]


def parameters_in(command_line: str) -> Iterator[tuple[str, str]]:
    """Yield name and value of each word up to `--`; a word may hold spaces between double quotes."""
    for word in _words(command_line):
        if word == "--":
            return
        name, _, value = word.strip('"').partition("=")
        yield name.replace("-", "_"), value.strip('"')


def _words(line: str) -> Iterator[str]:
    word, quoted = "", False
    for piece in line.split():
        word = f"{word} {piece}" if quoted else piece
        quoted ^= piece.count('"') % 2 == 1
        if not quoted:
            yield word
            word = ""
    if word:
        yield word
