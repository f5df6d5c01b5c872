"""What a killed run of `validate --here` has left is put away by the next one; with a module: tests/machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pyinsmod.cli import here_scratch
from pyinsmod.cli.here_scratch import PREFIX, build_id, scratch
from pyinsmod.module_image import read_image
from tracer.experiments.module_spec import ModuleSpec, build


def left(place: Path, content: str = "") -> Path:
    """Make a folder as a killed run leaves it."""
    folder = place / f"{PREFIX}abcdefgh"
    folder.mkdir(mode=0o700)
    (folder / "modules.json").write_text(content)
    return folder


@pytest.mark.parametrize("content", ["", "[]", '{"boot": "another", "modules": {"mymod": ""}}', '{"modules": 3}', "\0"])
def test_a_folder_that_nobody_works_in_is_removed_whatever_it_holds(tmp_path: Path, content: str) -> None:
    folder, said = left(tmp_path, content), list[str]()
    with scratch(said.append, tmp_path) as own:
        assert not folder.exists()
        assert list(tmp_path.iterdir()) == [own.folder]
    assert (said, list(tmp_path.iterdir())) == ([], [])


def test_a_folder_that_somebody_works_in_stays(tmp_path: Path) -> None:
    with scratch(print, tmp_path) as first, scratch(print, tmp_path) as second:
        assert first.folder.exists()
        assert second.folder != first.folder


@pytest.mark.parametrize("mode", [0o755, 0o777, 0o720])
def test_a_folder_that_others_may_look_into_or_write_to_is_none_of_ours(tmp_path: Path, mode: int) -> None:
    folder = left(tmp_path)
    folder.chmod(mode)
    with scratch(print, tmp_path):
        assert folder.exists()


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / f"{PREFIX}abcdefgh").symlink_to("elsewhere")
    with scratch(print, tmp_path):
        assert (tmp_path / "elsewhere").exists()


def test_a_module_that_is_loaded_and_not_certainly_its_own_is_named_and_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with scratch(print, tmp_path) as own:
        own.remember({"mymod": "abcd", "gone": "abcd"})
        content = (own.folder / "modules.json").read_text()
    assert json.loads(content)["modules"] == {"mymod": "abcd", "gone": "abcd"}
    monkeypatch.setattr(here_scratch, "_loaded", lambda name: name == "mymod")
    left(tmp_path, content)
    said = list[str]()
    with scratch(said.append, tmp_path):
        pass
    assert said == ["an earlier run was killed, and 'mymod' is loaded: perhaps by it (sudo pyinsmod unload mymod)"]


def test_the_build_id_is_the_whole_note(kernel_tree: Path) -> None:
    note = bytes.fromhex(build_id(read_image(build(ModuleSpec(), kernel_tree))))
    assert note[12:16] == b"GNU\0"
    assert len(note) == 36
