from __future__ import annotations

from pathlib import Path

import pytest

from pyinsmod.cli import vm
from pyinsmod.cli.guest import guest_content
from pyinsmod.errors import UsageError
from vm.catalogue import KERNELS


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PYINSMOD_CACHE", str(tmp_path / "cache"))


def test_an_empty_store_lists_what_could_be_fetched(capsys: pytest.CaptureFixture[str]) -> None:
    assert vm.run(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(KERNELS)
    assert all("not fetched" in line for line in lines)


def test_no_archive_is_one_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYINSMOD_DEBIAN_MIRROR", "http://127.0.0.1:9/nothing")
    assert vm.run(["fetch", "6.1"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_a_shell_wants_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    assert vm.run(["shell", "6.1"]) == 2
    assert "wants a terminal" in capsys.readouterr().err


def test_pruning_nothing_is_fine(capsys: pytest.CaptureFixture[str]) -> None:
    assert vm.run(["prune"]) == 0
    assert "0 MiB freed" in capsys.readouterr().out


def test_without_a_command_there_is_usage() -> None:
    with pytest.raises(UsageError, match="COMMAND"):
        vm.run(["run", "6.1"])


def test_the_guest_gets_the_project_and_its_packages() -> None:
    content = guest_content()
    assert {package.name for package in content.python_packages} == {
        "pyinsmod", "tracer", "elftools", "ptrace", "pyroute2",
    }  # fmt: skip
    assert all((package / "__init__.py").exists() for package in content.python_packages)
