"""Several names of one option: with commas, repeated, or both."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyinsmod.cli import main
from pyinsmod.cli.choices import spelt_out


@pytest.mark.parametrize(
    ("chosen", "names"),
    [
        ([], []),
        (["6.1"], ["6.1"]),
        (["6.1,6.12"], ["6.1", "6.12"]),
        (["6.12", "6.1,6.12", "5.10"], ["6.12", "6.1", "5.10"]),
        (["all"], ["5.10", "6.1"]),
        (["7.2,all", "6.1"], ["7.2", "5.10", "6.1"]),
        (["6.1,"], ["6.1", ""]),  # whoever looks for a kernel without a name says that there is none
    ],
)
def test_names(chosen: list[str], names: list[str]) -> None:
    assert spelt_out(chosen, lambda: ["5.10", "6.1"]) == names


def test_where_there_is_no_all_it_is_a_name_like_others() -> None:
    assert spelt_out(["all,6.1"]) == ["all", "6.1"]


def test_a_path_with_a_comma_in_it_is_one_name(tmp_path: Path) -> None:
    folder = tmp_path / "headers,6.1"
    assert spelt_out([str(folder)]) == [str(tmp_path / "headers"), "6.1"]
    folder.mkdir()
    assert spelt_out([str(folder)]) == [str(folder)]


@pytest.mark.parametrize("command", ["check", "try"])
def test_check_and_try_take_several_at_once(
    capsys: pytest.CaptureFixture[str], command: str, kernel_tree: Path
) -> None:
    module = next(kernel_tree.rglob("*.ko"))
    for path in [module] if command == "try" else [module, module.parent]:
        assert main([command, str(path), "--kernel", "6.1,no-such-kernel"]) in (2, 3)
        assert "no-such-kernel" in capsys.readouterr().err


def test_each_of_several_is_told_of(capsys: pytest.CaptureFixture[str], kernel_tree: Path) -> None:
    module = next(kernel_tree.rglob("*.ko"))
    for path in (module, module.parent):
        main(["check", str(path), "--kernel", "6.1,6.12"])
        together = capsys.readouterr().out
        main(["check", str(path), "--kernel", "6.1", "--kernel", "6.12"])
        assert capsys.readouterr().out == together
        assert "6.12" in together
