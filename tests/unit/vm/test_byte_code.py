from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from vm.byte_code import byte_code, fits


def test_it_is_imported_in_place_of_its_source(tmp_path: Path) -> None:
    source = tmp_path / "thing.py"
    source.write_text("print('from byte code')\n")
    compiled = byte_code(source, "thing.py")
    assert compiled is not None
    name, content = compiled
    assert name == importlib.util.cache_from_source("thing.py")
    (tmp_path / name).parent.mkdir()
    (tmp_path / name).write_bytes(content)
    source.write_text("print('from the source')\n")
    done = subprocess.run([sys.executable, "-c", "import thing"], cwd=tmp_path, capture_output=True, check=True)
    assert done.stdout == b"from byte code\n"


@pytest.mark.parametrize(("name", "text"), [("page.html", "<p>"), ("thing.py", "this is no Python")])
def test_what_cannot_be_compiled_has_none(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert byte_code(tmp_path / name, name) is None


def test_only_the_same_minor_version_fits(tmp_path: Path) -> None:
    (tmp_path / "usr/lib/python3.2").mkdir(parents=True)
    assert not fits(tmp_path)
    (tmp_path / f"usr/lib/python3.{sys.version_info.minor}").mkdir()
    assert fits(tmp_path)
