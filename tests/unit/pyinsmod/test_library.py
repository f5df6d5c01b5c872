"""`import pyinsmod`, as a program does that is not ours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import pyinsmod
from pyinsmod.cli import main
from pyinsmod.errors import MalformedModule, UnreadableModule, UsageError
from tracer.experiments.module_spec import ModuleSpec, build

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def modules(tmp_path: Path, kernel_tree: Path) -> Path:
    (tmp_path / "sound.ko").write_bytes(build(ModuleSpec("sound"), kernel_tree))
    (tmp_path / "spoilt.ko").write_bytes(build(ModuleSpec("spoilt", faults=("wrong-type",)), kernel_tree))
    (tmp_path / "text.ko").write_text("no module at all\n")
    return tmp_path


def test_importing_it_imports_nothing_else() -> None:
    script = "import sys; before = set(sys.modules); import pyinsmod; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["pyinsmod"]


def test_all_names_are_there_and_no_others() -> None:
    assert all(callable(getattr(pyinsmod, name)) for name in pyinsmod.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'insmod'"):
        pyinsmod.insmod  # type: ignore[attr-defined]  # noqa: B018


def test_check_says_what_the_command_line_says(
    modules: Path, kernel_tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = pyinsmod.kernel(kernel_tree)
    told = [pyinsmod.check(path, on=facts) for path in sorted(modules.iterdir())]
    assert [each.prediction.outcome for each in told] == ["reaches-init", "refused", "refused"]
    main(["check", str(modules / "spoilt.ko"), "--kernel", str(kernel_tree)])
    assert told[1].findings[0].summary in capsys.readouterr().out
    assert told[1].to_json()["file"] == str(modules / "spoilt.ko")


def test_info_of_a_module_and_of_none(modules: Path) -> None:
    assert pyinsmod.info(modules / "sound.ko").to_json()["name"] == "sound"
    with pytest.raises(MalformedModule):
        pyinsmod.info(modules / "text.ko")
    with pytest.raises(UnreadableModule):
        pyinsmod.info(modules / "absent.ko")


def test_no_kernel_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        pyinsmod.kernel(tmp_path / "absent")


def test_a_refusal_is_an_outcome(modules: Path) -> None:
    outcome = pyinsmod.load(modules / "text.ko")
    assert outcome.outcome == "not-asked"
    assert outcome.errno
    assert pyinsmod.unload("no_such_module").errno


def test_the_example_runs(modules: Path, kernel_tree: Path) -> None:
    example = (sys.executable, str(REPOSITORY / "examples/why_not.py"), str(modules), str(kernel_tree))
    done = subprocess.run(
        example, cwd=REPOSITORY, env={"PYTHONPATH": str(REPOSITORY)}, capture_output=True, text=True, check=False
    )
    lines = done.stdout.splitlines()
    assert (done.returncode, len(lines)) == (1, 3), done.stderr
    assert lines[0].endswith("sound.ko: reaches-init")
    assert "spoilt.ko: refused (" in lines[1]
