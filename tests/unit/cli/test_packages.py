"""A Python package that is not there is one line that says what to install."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from pyinsmod.cli.packages import PACKAGES, remedy

ROOT = Path(__file__).parents[3]


def without(package: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run pyinsmod where a package cannot be imported."""
    script = (
        "import sys; package, *arguments = sys.argv[1:]; sys.modules[package] = None;"
        "from pyinsmod.cli import main; sys.exit(main(arguments))"
    )
    command = [sys.executable, "-c", script, package, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


def test_a_missing_one_of_ours_is_a_defect_and_no_advice() -> None:
    done = without("pyinsmod.cli.parsers", "completion", "bash")
    assert "Traceback" in done.stderr
    assert remedy(ModuleNotFoundError("no name")) is None


def test_it_is_one_line_with_the_command_to_paste() -> None:
    done = without("argcomplete", "completion", "bash")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "pyinsmod: completion needs the Python package argcomplete, which is not installed:"
        f" {sys.prefix}/bin/python -m pip install argcomplete\n"
    )


@pytest.mark.parametrize(
    ("release", "package", "advice"),
    [
        (True, "rich", "sudo apt-get install python3-rich"),
        (True, "qemu", "python3 -m pip install --user --break-system-packages qemu.qmp"),
        (False, "rich", "python3 -m pip install --user rich"),
    ],
)
def test_a_system_s_own_python_has_its_own_way(
    release: bool, package: str, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    monkeypatch.setattr(Path, "exists", lambda _: release)
    assert str(remedy(ModuleNotFoundError(name=f"{package}.part"))).endswith(f"not installed: {advice}")


@pytest.mark.parametrize("arguments", [("vm", "run", "6.1", "--", "true"), ("validate",), ("try", __file__)])
def test_machines_say_so_before_anything_is_fetched(
    arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYINSMOD_CACHE", str(tmp_path / "cache"))
    done = without("qemu", *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"pyinsmod: {arguments[0]} needs the Python package qemu.qmp, which is not installed")
    assert not (tmp_path / "cache").exists()


def test_what_starts_no_machine_does_without_qmp() -> None:
    done = without("qemu", "vm", "list")
    assert (done.returncode, done.stderr) == (0, "")


def test_every_package_of_the_project_is_known() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {requirement.partition(">")[0] for requirement in project["dependencies"]}
    assert {package for package, _ in PACKAGES.values()} == wanted
    for name, (package, _) in PACKAGES.items():
        assert package in [found.lower() for found in packages_distributions()[name]]
