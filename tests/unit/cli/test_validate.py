from __future__ import annotations

from pathlib import Path

import pytest

from pyinsmod.cli import validate
from tracer.experiments.loaders import LOADERS


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PYINSMOD_CACHE", str(tmp_path / "cache"))


def complaint(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    status = validate.run(arguments)
    captured = capsys.readouterr()
    assert captured.out == ""
    return status, captured.err


def test_an_unknown_loader_lists_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    status, said = complaint(capsys, "--loader", "systemd")
    assert (status, said) == (2, f"pyinsmod: unknown loader 'systemd': there are {', '.join(LOADERS)}\n")


def test_an_unknown_kernel_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    status, said = complaint(capsys, "--kernel", "2.4")
    assert status == 2
    assert "unknown kernel '2.4'" in said


def test_a_missing_document_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    status, said = complaint(capsys, str(tmp_path / "none.md"))
    assert status == 2
    assert "none.md: No such file" in said
    assert said.count("\n") == 1


def test_no_archive_and_an_empty_cache_is_no_verdict(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYINSMOD_DEBIAN_MIRROR", "http://127.0.0.1:9/nothing")
    status, said = complaint(capsys)
    assert status == 3
    assert "Debian's archive, suite bookworm" in said.splitlines()[-1]


def test_the_default_document_is_the_projects_own() -> None:
    assert validate.default_document().name == "loading-a-module.md"
    assert validate.default_document().exists()


def test_an_unknown_claim_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    status, said = complaint(capsys, "--claim", "step-99")
    assert status == 2
    assert said.endswith("loading-a-module.md: there is no claim 'step-99'\n")


@pytest.mark.parametrize("content", ["", "[1]", '{"schema": 2}', '{"schema": 1, "document": "x.md"}'])
def test_a_bad_baseline_is_refused_before_anything_is_measured(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: str
) -> None:
    path = tmp_path / "baseline.json"
    path.write_text(content)
    status, said = complaint(capsys, "--baseline", str(path))
    assert status == 2
    assert said.startswith(f"pyinsmod: {path}: ")
    assert said.count("\n") == 1
    assert not (tmp_path / "cache").exists()
