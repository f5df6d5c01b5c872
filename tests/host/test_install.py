"""What is built and installed works where the sources are not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pyinsmod import __version__
from pyinsmod.cli.guest import guest_content
from vm.architectures import ARCHITECTURES
from vm.image import image_key

REPOSITORY = Path(__file__).parents[2]
IMAGE_KEY = """
from pyinsmod.cli.guest import guest_content
from vm.architectures import ARCHITECTURES
from vm.image import image_key
print(image_key(guest_content(), ARCHITECTURES["x86_64"]))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the wheel, built from the sdist, is installed."""
    folder = tmp_path_factory.mktemp("install")
    build = (sys.executable, "-m", "hatchling", "build", "-d", str(folder / "dist"))
    subprocess.run([*build, "-t", "sdist"], cwd=REPOSITORY, check=True)
    (source,) = (folder / "dist").glob("*.tar.gz")
    subprocess.run(["tar", "xzf", source, "-C", folder], check=True)
    subprocess.run([*build, "-t", "wheel"], cwd=folder / f"pyinsmod-{__version__}", check=True)
    (wheel,) = (folder / "dist").glob("*.whl")
    pip = (sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps", "--no-index")
    subprocess.run([*pip, "--target", folder / "site", wheel], check=True)
    return folder / "site"


def run(installed: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", *command],
        cwd=installed.parent,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_is_the_installed_one_that_runs(installed: Path) -> None:
    found = run(installed, "-c", "import pyinsmod, tracer, vm; print(pyinsmod.__file__, tracer.__file__, vm.__file__)")
    assert [Path(file).parents[1] for file in found.stdout.split()] == [installed] * 3
    assert run(installed, "-m", "pyinsmod", "--version").stdout == f"pyinsmod {__version__}\n"


def test_the_guest_has_the_same_content(installed: Path) -> None:
    found = run(installed, "-c", IMAGE_KEY)
    assert found.stdout.strip() == image_key(guest_content(), ARCHITECTURES["x86_64"]), found.stderr


def test_documents_and_claims_came_along(installed: Path) -> None:
    asked = run(installed, "-m", "pyinsmod", "validate", "--claim", "no-such-claim")
    document = installed / "pyinsmod/documents/loading-a-module.md"
    assert asked.stderr == f"pyinsmod: {document}: there is no claim 'no-such-claim'\n"
    for name in ("init_module.2", "modprobe.8"):
        assert (installed / f"pyinsmod/documents/claims/{name}.claims.toml").exists()


@pytest.mark.parametrize("command", ["check", "trace", "validate", "vm", "completion"])
def test_every_room_is_there(installed: Path, command: str) -> None:
    assert run(installed, "-m", "pyinsmod", command, "--help").stdout.startswith(f"usage: pyinsmod {command}")


def test_templates_types_and_manual_pages_came_along(installed: Path) -> None:
    for file in (
        "tracer/report/templates/report.html.j2",
        *("pyinsmod/py.typed", "tracer/py.typed", "vm/py.typed", "vm/guest/init"),
        *("share/man/man8/pyinsmod.8", "share/man/man5/pyinsmod-claims.5"),
    ):
        assert (installed / file).exists(), file
