"""The manual pages are what the parsers say now, and mandoc finds nothing wrong with them."""

from __future__ import annotations

import subprocess
import tomllib
from pathlib import Path

import pytest

from tools import man_pages

PAGES = sorted(man_pages.FOLDER.iterdir())


def test_the_pages_are_made_of_the_parsers_of_today(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    made = {name: man_pages.undated(text) for name, text in man_pages.pages()}
    kept = {path.name: man_pages.undated(path.read_text()) for path in PAGES}
    assert [name for name in made | kept if made.get(name) != kept.get(name)] == [], "run: make man"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_mandoc_finds_nothing(page: Path) -> None:
    linted = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "warning", page], capture_output=True, text=True, check=False
    )
    assert linted.stdout == ""


def test_every_page_is_installed() -> None:
    project = tomllib.loads((man_pages.ROOT / "pyproject.toml").read_text())
    shared = project["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-data"]
    wanted = [*PAGES, *man_pages.COMPLETIONS.iterdir()]
    assert sorted(shared) == sorted(str(path.relative_to(man_pages.ROOT)) for path in wanted)


def test_the_shells_parts_are_those_of_today() -> None:
    kept = {path.name: path.read_text() for path in man_pages.COMPLETIONS.iterdir()}
    assert kept == dict(man_pages.completions()), "run: make man"
