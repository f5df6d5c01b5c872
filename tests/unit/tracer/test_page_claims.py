"""The claims of manual pages, which no quick test fetches: nothing in these files is malformed."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tracer.claims import read_claims

FILES = sorted((Path(__file__).parents[3] / "docs/claims").glob("*.claims.toml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_page_that_says_all_that_is_quoted_has_claims_without_a_problem(path: Path, tmp_path: Path) -> None:
    table = tomllib.loads(path.read_text())
    page = tmp_path / "page.md"
    page.write_text("\n".join(claim["quote"] for claim in table["claims"]))
    claims = read_claims(page, path)
    assert [problem.text for problem in claims.problems if "no list of the errors" not in problem.text] == []
    assert len(claims.claims) >= len(table["claims"])
    used = {test.experiment for claim in claims.claims for test in claim.tests}
    assert "errors_of" in table or used == set(claims.experiments), "an experiment that no claim looks at"
