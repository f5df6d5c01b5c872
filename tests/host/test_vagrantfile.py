"""Vagrant takes the Vagrantfile; `make vagrant-test` brings the machine up."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


def validated(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    assert shutil.which("vagrant"), "vagrant is not installed: tools/setup-host test"
    home = {"HOME": str(folder), "VAGRANT_HOME": str(folder / "home"), "VAGRANT_CWD": str(folder)}
    return subprocess.run(
        ["vagrant", "validate"],
        env={**os.environ, **home, "VAGRANT_DEFAULT_PROVIDER": "libvirt", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def vagrantfile(tmp_path: Path) -> Path:
    """A copy of the Vagrantfile, beside what it names."""
    (tmp_path / "vm/guest").mkdir(parents=True)
    shutil.copy(REPOSITORY / "vm/guest/provision", tmp_path / "vm/guest")
    return Path(shutil.copy(REPOSITORY / "Vagrantfile", tmp_path))


def test_a_wrong_one_is_refused(vagrantfile: Path) -> None:
    """Also where it is about libvirt, whose plugin has to be there for that."""
    vagrantfile.write_text(vagrantfile.read_text().replace("cpu_model", "cpu_modle"))
    done = validated(vagrantfile.parent, PYINSMOD_ACCELERATOR="tcg")
    assert done.returncode == 1
    assert "cpu_modle" in done.stdout + done.stderr


@pytest.mark.parametrize("accelerator", ["kvm", "tcg"])
def test_ours_is_taken(vagrantfile: Path, accelerator: str) -> None:
    done = validated(vagrantfile.parent, PYINSMOD_ACCELERATOR=accelerator)
    assert (done.returncode, done.stderr) == (0, "")
