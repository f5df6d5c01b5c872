"""What README.md shows on a terminal is what a terminal shows: its `console` blocks, done again."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
from sybil import Document, Region
from sybil.parsers.markdown.lexers import FencedCodeBlockLexer

from tools import session
from tracer.experiments.kernel_modules import module_files, read_module
from vm.kernel_store import fetch

pytestmark = pytest.mark.machine

REPOSITORY = Path(__file__).parents[2]
README = REPOSITORY / "README.md"
PICTURE = REPOSITORY / "docs" / "session.svg"
IN_TREE = ("brd", "dummy", "nft_ct", "vxlan")
# What changes with the archive's kernels, and from run to run.
VARYING = (
    (re.compile(r"\d+\.\d+\.\d+(?:-\d+|\+deb\d+)-cloud-amd64"), "RELEASE"),
    (re.compile(r"\b[0-9a-f]{16}\b"), "ADDRESS"),
    (re.compile(r"\+0x[0-9a-f]+/0x[0-9a-f]+"), "+OFFSET"),
    (re.compile(r"(?<=\D )\d+ → \d+"), "SIZES"),
    (re.compile(r"\d+ options differ"), "options differ"),
    (re.compile(r"(?<=NULL, )\d+"), "SIZE"),
    (re.compile(r"after \d+\.\d+ s"), "after a while"),
)


def blocks() -> list[str]:
    text = README.read_text()
    regions: Iterator[Region] = iter(FencedCodeBlockLexer("console")(Document(text, str(README))))
    return [region.lexemes["source"] for region in regions]


def sessions() -> list[tuple[str, str]]:
    """Return each command with what is shown below it."""
    parts = [part for block in blocks() for part in re.split(r"(?m)^\$ ", block)[1:]]
    return [(command, shown) for command, _, shown in (part.partition("\n") for part in parts)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the modules the examples are about."""
    made = tmp_path_factory.mktemp("readme")
    session.write_modules(made)
    tree = fetch("6.1").root
    (made / "build").mkdir()
    for name in IN_TREE:
        (made / "build" / f"{name}.ko").write_bytes(read_module(module_files(tree)[name]))
    return made


@pytest.mark.parametrize(("command", "shown"), sessions())
def test_it_is_so(folder: Path, command: str, shown: str) -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}:/usr/sbin:/sbin"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    # Said when a machine is made, not on the next run.
    lines = [line for line in done.stdout.decode().splitlines() if not line.startswith("pyinsmod: booting kernel")]
    printed = "\n".join(line for line in lines if not line.startswith("pyinsmod: snapshot of kernel"))
    pattern = re.escape(constant(shown.strip())).replace("…", r"[\s\S]*?")
    assert re.fullmatch(pattern, constant(printed.strip())), printed


def constant(text: str) -> str:
    for varying, name in VARYING:
        text = varying.sub(name, text)
    return text


def test_its_picture_shows_what_a_terminal_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    assert session.main([str(tmp_path / "session.svg")]) == 0
    made, kept = ((tmp_path / "session.svg"), PICTURE)
    assert constant(words(made)) == constant(words(kept)), "make picture, and look at it"


def words(picture: Path) -> str:
    """Return a picture's lines of text; a column's width may be another day's."""
    shown = "\n".join(re.findall(r"<text[^>]*>(.*?)</text>", picture.read_text()))
    return re.sub(r"[ \n]+", " ", unescape(shown).replace("\xa0", " "))


def test_there_is_something_to_be_shown() -> None:
    assert len(sessions()) >= 6
