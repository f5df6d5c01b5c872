from __future__ import annotations

from pathlib import Path

import pytest

from tracer.claims import claims_path, read_claims
from tracer.errors import MalformedClaims

DOCUMENT = "# Loading\n\ninsmod opens the file.\n"
EXPERIMENT = '[experiments.load]\nmodules."mymod.ko" = {}\n'
TEST = '{ experiment = "load", see = [{ type = "exit" }] }'


def claim(**changes: str) -> str:
    fields = {"id": '"open"', "quote": '"opens the file"', "says": '"it opens"', "tests": f"[{TEST}]", **changes}
    return "[[claims]]\n" + "".join(f"{key} = {value}\n" for key, value in fields.items() if value)


def written(folder: Path, text: str) -> Path:
    document = folder / "doc.md"
    document.write_text(DOCUMENT)
    claims_path(document).write_text(text)
    return document


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("schema = ", "doc.claims.toml"),
        ("", "schema = 1 is the one"),
        ("schema = 2\n", "schema = 1 is the one"),
        ("schema = 1\nclaim = 1\n", "unknown key 'claim'"),
        ("schema = 1\n[experiments.load]\nmodule = 1\n", r"\[experiments.load\]: unknown key 'module'"),
        ("schema = 1\n" + EXPERIMENT + claim(quote=""), "claim 'open': 'quote' is missing"),
        ("schema = 1\n" + EXPERIMENT + claim(id=""), "claim 'number 1': 'id' is missing"),
        ("schema = 1\n" + EXPERIMENT + claim(tests="[]"), "'tests' is missing"),
        ("schema = 1\n" + EXPERIMENT + claim(verdict='"confirmed"'), "unknown key 'verdict'"),
        ("schema = 1\n" + EXPERIMENT + claim(quote='"closes the file"'), "does not say 'closes the file'"),
        ("schema = 1\n" + EXPERIMENT + claim() + claim(), "the id is used twice"),
        ("schema = 1\n" + claim(), "there is no experiment 'load'"),
        ("schema = 1\n" + EXPERIMENT + claim(tests='[{ experiment = "load" }]'), "must see something"),
        (
            "schema = 1\n" + EXPERIMENT + claim(tests='[{ experiment = "load", never = [{ type = "log" }] }]'),
            "holds for an empty trace",
        ),
        (
            "schema = 1\n" + EXPERIMENT + claim(tests='[{ experiment = "load", see = [{ name = "x" }] }]'),
            "names the record's type",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(MalformedClaims, match=complaint) as caught:
        read_claims(written(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_a_missing_document_is_named(tmp_path: Path) -> None:
    with pytest.raises(MalformedClaims, match=r"nothing\.md: No such file"):
        read_claims(tmp_path / "nothing.md")


def test_missing_claims_are_named(tmp_path: Path) -> None:
    (tmp_path / "doc.md").write_text(DOCUMENT)
    with pytest.raises(MalformedClaims, match=r"doc\.claims\.toml: No such file"):
        read_claims(tmp_path / "doc.md")


def test_a_sound_file_is_read(tmp_path: Path) -> None:
    found = read_claims(written(tmp_path, "schema = 1\n" + EXPERIMENT + claim(step="2")))
    assert [one.id for one in found.claims] == ["open"]
    assert found.claims[0].step == 2
    assert found.experiments["load"].file == "mymod.ko"


class TestOurOwn:
    """The project's own document and its claims."""

    DOCUMENT = Path(__file__).parents[3] / "docs/loading-a-module.md"

    def test_every_step_and_every_row_has_claims(self) -> None:
        found = read_claims(self.DOCUMENT).claims
        assert {claim.step for claim in found if claim.step} == set(range(1, 15))
        assert {claim.row for claim in found if claim.row} == {"F1", "F2", "F3", "F4"}

    def test_every_experiment_is_used_by_a_claim(self) -> None:
        found = read_claims(self.DOCUMENT)
        assert {test.experiment for claim in found.claims for test in claim.tests} == set(found.experiments)

    def test_no_verdict_is_written_down(self) -> None:
        text = claims_path(self.DOCUMENT).read_text()
        assert "confirmed" not in text
        assert "contradicted" not in text
