from __future__ import annotations

import os
from pathlib import Path

import pytest

from tracer.kernel_side.module_file import modprobe_files
from tracer.kernel_side.tracing import _module_files


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    folder = tmp_path / os.uname().release
    folder.mkdir()
    (folder / "modules.dep").write_text("kernel/lib/my-mod.ko: kernel/other.ko.xz\nkernel/other.ko.xz:\n")
    return tmp_path


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ([], []),
        (["insmod", "my_mod"], []),
        (["modprobe"], []),
        (["modprobe", "absent"], []),
        (["modprobe", "-v", "my-mod", "who=world"], ["my-mod.ko"]),
        (["/opt/bin/modprobe", "my_mod"], ["my-mod.ko"]),
        (["sh", "-c", "modprobe other", "modprobe", "other"], ["other.ko.xz"]),
    ],
)
def test_what_modprobe_is_given_by_name(folders: Path, words: list[str], found: list[str]) -> None:
    assert [path.name for path in modprobe_files(words, folders)] == found


def test_without_an_index_nothing_is_found(tmp_path: Path) -> None:
    assert modprobe_files(["modprobe", "my_mod"], tmp_path) == []


@pytest.mark.parametrize(
    "script", ["insmod a.ko; rmmod a", "insmod 'a.ko' who=x&&true", "sudo insmod ./a.ko|cat", "x=(a.ko)"]
)
def test_a_file_named_in_a_script_is_found(script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.ko").touch()
    assert [path.name for path in _module_files(["sh", "-c", script])] == ["a.ko"]


def test_a_script_with_unbalanced_quotes_names_nothing() -> None:
    assert _module_files(["sh", "-c", "insmod 'a.ko"]) == []
