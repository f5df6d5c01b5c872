from __future__ import annotations

import lzma
import os
from pathlib import Path

import pytest

from pyinsmod.cli import here
from pyinsmod.cli.validate import run
from tracer.claims import Experiment
from tracer.experiments.module_spec import ModuleSpec, build


@pytest.mark.parametrize("preparation", ["signatures-enforced", "modules-disabled"])
def test_what_lasts_until_the_next_boot_is_not_done(preparation: str) -> None:
    reason = here.why_not_here(Experiment("e", preparations=("file-empty", preparation)), {})
    assert reason is not None
    assert preparation in reason


def test_an_experiment_without_modules_is_done() -> None:
    assert here.why_not_here(Experiment("e", preparations=("file-missing",)), {}) is None


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--kernel", "6.1"], "leave --kernel, --workers and --scheduler out"),
        (["--scheduler", "tcp://127.0.0.1:9"], "leave --kernel, --workers and --scheduler out"),
        (["--workers", "2"], "leave --kernel, --workers and --scheduler out"),
        (["--loader", "kmod-28"], "kmod-28 is not installed here"),
    ],
)
def test_bad_usage_is_one_line(arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--here", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert complaint in line


def test_a_system_that_cannot_load_modules_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "run it as root" in (here.problem() or "")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    if not Path("/proc/modules").exists():
        assert "cannot load modules" in (here.problem() or "")


def test_packed_modules_are_known_by_name_and_damaged_ones_end_nothing(kernel_tree: Path) -> None:
    sound = build(ModuleSpec("sound"), kernel_tree)
    damaged = lzma.compress(sound)[:-40]
    files = {
        "/root/a.ko.xz": lzma.compress(sound, check=lzma.CHECK_CRC32),
        "/root/b.ko.xz": damaged,
        "/root/c.py": b"#",
    }
    assert set(here._modules(files)) == {"sound"}
    assert here.why_not_here(Experiment("e"), {"b.ko.xz": damaged}) is None
