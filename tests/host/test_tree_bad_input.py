"""Ten thousand files, of which some are no modules and some cannot be read: each is named once, the rest checked."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from vm.kernel_store import fetch

FILES, EACH = 10_000, 25
# Root reads what nobody may; without these capabilities it does not.
AS_ANYBODY = ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.geteuid() == 0 else ()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A big tree of two modules, again and again, and of things that are called like modules."""
    root = tmp_path / "tree"
    found = sorted((fetch("6.1").root / "lib/modules").rglob("*.ko"), key=lambda file: file.stat().st_size)
    for number in range(100):
        (root / f"{number:02}").mkdir(parents=True)
    for number, file in enumerate(found[:2]):
        shutil.copyfile(file, tmp_path / f"{number}.ko")
    for number in range(FILES - 5 * EACH):
        (root / f"{number % 100:02}/sound-{number}.ko").hardlink_to(tmp_path / f"{number % 2}.ko")
    for number in range(EACH):
        (root / f"00/text-{number}.ko").write_text("no module")
        (root / f"01/gone-{number}.ko").symlink_to("/nonexistent")
        (root / f"02/circle-{number}.ko").symlink_to(f"circle-{number}.ko")
        (root / f"03/secret-{number}.ko").write_bytes(b"\x7fELF")
        (root / f"03/secret-{number}.ko").chmod(0)
        (root / f"04/cut-{number}.ko.xz").write_bytes(b"\xfd7zXZ\0\0\4")
    (root / "99/closed").mkdir()
    (root / "99/closed").chmod(0)
    return root


def test_each_is_named_once_and_the_rest_is_checked(tree: Path) -> None:
    command = [*AS_ANYBODY, sys.executable, "-m", "pyinsmod", "check", str(tree), "--kernel", "6.1", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    (tree / "99/closed").chmod(0o755)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [f"pyinsmod: {tree}/99/closed: Permission denied"]
    results: list[dict[str, Any]] = json.loads(done.stdout)["results"]
    files = [each["file"] for each in results]
    assert len(files) == len(set(files)) == FILES
    told = Counter(
        (Path(each["file"]).name.partition("-")[0], each["prediction"]["outcome"])
        for each in results
        if "sound" not in each["file"] and each["findings"]
    )
    assert told == {
        ("text", "refused"): EACH,
        ("gone", "cannot-tell"): EACH,
        ("circle", "cannot-tell"): EACH,
        ("secret", "cannot-tell"): EACH,
        ("cut", "cannot-tell"): EACH,
    }
    assert {each["prediction"]["outcome"] for each in results if "sound" in each["file"]} == {"reaches-init"}


def test_for_people_each_kind_is_one_cause(tree: Path) -> None:
    command = [*AS_ANYBODY, sys.executable, "-m", "pyinsmod", "check", str(tree), "--kernel", "6.1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    (tree / "99/closed").chmod(0o755)
    assert f"{FILES} module files" in done.stdout
    assert f"{FILES - 5 * EACH} reach init, {EACH} refused, {4 * EACH} cannot be told" in done.stdout
    for what in ("Permission denied", "a link to nothing", "Too many levels of symbolic links"):
        assert done.stdout.count(f"{EACH} modules: cannot be read: {what}\n") == 1
    assert len(done.stdout.splitlines()) < 60
