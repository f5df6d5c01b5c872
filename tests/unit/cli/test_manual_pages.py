from __future__ import annotations

from pathlib import Path

from pyinsmod.cli.manual_pages import no_claims


def test_a_page_without_claims_is_told_with_those_that_have_some() -> None:
    said = no_claims(Path("/anywhere/lsmod.8.claims.toml"))
    assert said.startswith("there are no claims about lsmod(8), only about man:delete_module(2), ")
    assert "man:rmmod(8);" in said
