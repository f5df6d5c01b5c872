"""Every pyinsmod command that a document shows is one that the parsers take."""

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
# What stands for something else: a name in capitals, or the rest of a line.
LEFT_OUT = re.compile(r"…|\b(?:FILE|COMMAND|SHELL)\b")


def commands() -> Iterator[tuple[str, str]]:
    for document in DOCUMENTS:
        text = document.read_text()
        blocks = re.findall(r"(?ms)^```.*?^```", text)
        shown = [*SPAN.findall(text), *(line for block in blocks for line in LINE.findall(block))]
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


def test_every_file_that_the_architecture_names_is_there() -> None:
    text = (REPOSITORY / "docs" / "architecture.md").read_text()
    named = {name for name in re.findall(r"`((?:\w+/)*\w+\.py)`", text) if "NAME" not in name}
    there = [
        f"/{path.relative_to(REPOSITORY)}"
        for room in ("pyinsmod", "tracer", "vm", "tests")
        for path in (REPOSITORY / room).rglob("*.py")
    ]
    assert len(named) > 40
    assert [name for name in sorted(named) if not any(path.endswith(f"/{name}") for path in there)] == []
