"""The example workflows of docs/ci, step by step as their runners would run them, on a project with modules."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml

from tests.unit.cli.test_check_tree_targets import MODULES

ROOT = Path(__file__).parents[2]
KERNELS = "6.1 5.10"
# What a runner has and this test has not: packages of PyPI, and a driver to build.
ELSEWHERE = re.compile(r"pip install pyinsmod$|make modules")


@pytest.fixture
def project(kernel_tree: Path, tmp_path: Path) -> Path:
    """A driver that was built."""
    (tmp_path / "build").mkdir()
    for name in MODULES:
        shutil.copyfile(next(kernel_tree.glob(f"lib/modules/*/kernel/{name}")), tmp_path / "build" / Path(name).name)
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin/pyinsmod"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {ROOT}/.venv/bin/python -P -m pyinsmod "$@"\n')
    program.chmod(0o755)
    return tmp_path


def step(project: Path, script: str, more: Mapping[str, str], shell: tuple[str, ...]) -> int:
    environment = {**os.environ, **more, "PATH": f"{project / 'bin'}:{os.environ['PATH']}"}
    return subprocess.run([*shell, script], cwd=project, env=environment, check=False, capture_output=True).returncode


def github(project: Path, accepted: Path | None = None) -> dict[str, int]:
    """Run every step; return each one's status."""
    workflow = yaml.safe_load((ROOT / "docs/ci/github-actions.yml").read_text())
    if accepted:
        shutil.copyfile(accepted, project / "accepted.json")
    steps: list[dict[str, Any]] = workflow["jobs"]["modules"]["steps"]
    values = {"KERNELS": KERNELS, "GITHUB_STEP_SUMMARY": str(project / "summary.md")}
    return {
        each["name"]: step(project, each["run"], values, ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c"))
        for each in steps
        if "run" in each and not ELSEWHERE.search(each["run"].partition("#")[0].strip())
    }


def test_github_fails_for_what_is_refused_and_not_for_what_is_accepted(project: Path) -> None:
    assert github(project) == {"fetch kernels": 0, "check": 1, "record": 0}
    assert json.loads((project / "modules.sarif").read_text())["version"] == "2.1.0"
    assert "| 5.10 | 0 | 4 |" in (project / "summary.md").read_text()
    assert github(project, project / "modules.json") == {"fetch kernels": 0, "check": 0, "record": 0}


def gitlab(project: Path) -> list[int]:
    """Run the script of the checking job as one shell, as GitLab's runner does; return the statuses of its parts."""
    job = yaml.safe_load((ROOT / "docs/ci/gitlab-ci.yml").read_text())["modules-load"]
    scripts = ["\n".join([*job["before_script"], *job["script"]]), "\n".join(job["after_script"])]
    shell = ("bash", "-eo", "pipefail", "-c")
    lines = ("\n".join(line for line in each.splitlines() if not ELSEWHERE.search(line)) for each in scripts)
    return [step(project, each, {"KERNELS": KERNELS}, shell) for each in lines]


def test_gitlab_fails_for_what_is_refused_and_not_for_what_is_accepted(project: Path) -> None:
    assert gitlab(project) == [1, 1]
    suite = ET.fromstring((project / "modules.xml").read_text())  # noqa: S314 - our own
    assert (suite.get("tests"), suite.get("failures")) == ("8", "4")
    shutil.copyfile(project / "modules.json", project / "accepted.json")
    assert gitlab(project)[0] == 0


def test_the_hook_is_what_pre_commit_reads() -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    pattern = re.compile(hook["files"])
    assert [bool(pattern.search(name)) for name in ("a.ko", "a/b.ko.xz", "a.ko.zst", "a.kontakt", "a.c")] == [
        True,
        True,
        True,
        False,
        False,
    ]
    assert hook["language"] == "python"


def test_the_hook_as_a_commit_runs_it(project: Path) -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    files = " ".join(f"build/{Path(name).name}" for name in MODULES)
    shell = ("sh", "-c")
    assert step(project, f"{hook['entry']} --kernel 6.1 {files}", {}, shell) == 0
    assert step(project, f"{hook['entry']} --kernel 5.10 {files}", {}, shell) == 1
