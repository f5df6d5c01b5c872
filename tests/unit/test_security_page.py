"""Each line of docs/security.md names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
PAGE = REPOSITORY / "docs/security.md"


def named() -> list[str]:
    return re.findall(r"`(?:tests/[\w/]*/)?(test_\w+\.py)`", PAGE.read_text())


def test_the_page_names_tests() -> None:
    assert len(named()) >= 20


def test_they_exist() -> None:
    there = {path.name for path in (REPOSITORY / "tests").rglob("test_*.py")}
    assert set(named()) <= there


def test_every_line_but_the_one_that_warns_is_shown_by_a_test() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| ") and "---" not in line][1:]
    unshown = [row for row in rows if "test_" not in row.split("|")[4]]
    assert len(unshown) == 1
    assert "**it may**" in unshown[0]
