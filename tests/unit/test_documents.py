"""What documents show is there: commands that the parsers take, options, make targets, files."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyinsmod.cli import COMMANDS
from pyinsmod.cli.load import split_arguments
from pyinsmod.cli.parsers import parser_of

REPOSITORY = Path(__file__).parents[2]
DOCUMENTS = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
SPAN = re.compile(r"`((?:sudo )?pyinsmod [^`]+)`")
LINE = re.compile(r"(?m)^(?:[$#] )?((?:sudo )?pyinsmod .+?)(?: +#.*)?$")
IN_LINE = re.compile(r"`([^`\n]+)`")
PLACEHOLDER = re.compile(r"NAME|PAGE|\bDOC\b")
# python-ptrace's.
ELSEWHERE = ("strace.py",)
# What stands for something else: a name in capitals, or the rest of a line.
LEFT_OUT = re.compile(r"…|\b(?:FILE|COMMAND|SHELL)\b")


def blocks_of(text: str) -> list[str]:
    return re.findall(r"(?ms)^```.*?^```", text)


def commands() -> Iterator[tuple[str, str]]:
    for document in DOCUMENTS:
        text = document.read_text()
        shown = [*SPAN.findall(text), *(line for block in blocks_of(text) for line in LINE.findall(block))]
        yield from ((document.name, command) for command in dict.fromkeys(shown) if not LEFT_OUT.search(command))


SHOWN = list(commands())


def test_documents_show_every_command() -> None:
    shown = {word for _, command in SHOWN for word in shlex.split(command)}
    assert set(COMMANDS) - {"load"} <= shown


@pytest.mark.parametrize("command", [pytest.param(command, id=f"{name}: {command}") for name, command in SHOWN])
def test_the_parsers_take_what_is_shown(command: str) -> None:
    words = shlex.split(command.partition(" | ")[0])
    words = words[words.index("pyinsmod") + 1 :]
    if words[0] in COMMANDS:
        parser_of(words[0]).parse_args(words[1:])
    else:
        own, rest = split_arguments(words)
        parser_of("load").parse_args(own)
        assert rest


def spans(fitting: str) -> list[str]:
    """Return what documents show in the line and fits a pattern, by document."""
    shown = ((document.name, span) for document in DOCUMENTS for span in IN_LINE.findall(document.read_text()))
    return sorted({f"{name}: {found[1]}" for name, span in shown if (found := re.match(fitting, span))})


def of_document(shown: str) -> str:
    return shown.partition(": ")[2]


def test_every_option_that_is_named_is_one() -> None:
    known = {option for name in (*COMMANDS, "load") for option in parser_of(name)._option_string_actions}
    named = spans(r"(--[a-z][\w-]*)")
    assert len(named) > 10
    assert [shown for shown in named if of_document(shown) not in known] == []


def test_every_make_target_that_is_named_is_one() -> None:
    targets = set(re.findall(r"(?m)^([\w-]+):", (REPOSITORY / "Makefile").read_text()))
    blocks = {
        f"{document.name}: {target}"
        for document in DOCUMENTS
        for target in re.findall(r"(?m)^(?:\$ )?make ([\w-]+)", "".join(blocks_of(document.read_text())))
    }
    named = {*spans(r"make ([\w-]+)"), *blocks}
    assert len(named) > 10
    assert [shown for shown in sorted(named) if of_document(shown) not in targets] == []


def test_every_file_that_is_named_is_there() -> None:
    """Paths are those of the repository, or of a room; build/ is what make fills."""
    there = [f"/{path.relative_to(REPOSITORY)}" for path in in_rooms()]
    named = spans(r"((?!build/)(?:\w+/)*[\w-]+\.(?:py|toml|md)|(?!build/)(?:\w+/)+)$")
    assert len(named) > 60
    assert [
        shown
        for shown in named
        if not (REPOSITORY / of_document(shown)).exists()
        and not PLACEHOLDER.search(shown)
        and of_document(shown) not in ELSEWHERE
        and not any(path.endswith(f"/{of_document(shown).rstrip('/')}") for path in there)
    ] == []


def in_rooms() -> Iterator[Path]:
    for room in ("pyinsmod", "tracer", "vm", "tests", "docs", "tools", "benchmarks", "examples"):
        yield from (REPOSITORY / room).rglob("*")
