from __future__ import annotations

import os
from pathlib import Path

import pytest

from tracer.kernel_side.module_file import file_record
from tracer.kernel_side.module_names import LARGEST_FILE, module_files, module_name, modules_asked_for


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    folder = tmp_path / os.uname().release
    (folder / "kernel/lib").mkdir(parents=True)
    (folder / "kernel/lib/my-mod.ko").touch()
    (folder / "kernel/other.ko.xz").touch()
    (folder / "modules.dep").write_text("kernel/lib/my-mod.ko: kernel/other.ko.xz\nkernel/other.ko.xz:\n")
    return tmp_path


@pytest.mark.parametrize(
    ("command", "files", "modules"),
    [
        ([], [], []),
        (["insmod", "my_mod"], [], []),
        (["modprobe"], [], []),
        (["modprobe", "absent"], [], []),
        (["modprobe", "-v", "my-mod", "who=world"], ["my-mod.ko"], ["my_mod", "other"]),
        (["/opt/bin/modprobe", "my_mod"], ["my-mod.ko"], ["my_mod", "other"]),
        (["sh", "-c", "modprobe other; true"], ["other.ko.xz"], ["other"]),
        (["rmmod", "my_mod"], [], ["my_mod", "other"]),
    ],
)
def test_what_is_given_by_name(folders: Path, command: list[str], files: list[str], modules: list[str]) -> None:
    assert [path.name for path in module_files(command, folders)] == files
    assert modules_asked_for(command, folders) == modules


def test_without_an_index_nothing_is_found(tmp_path: Path) -> None:
    assert module_files(["modprobe", "my_mod"], tmp_path) == []


@pytest.mark.parametrize(
    "script", ["insmod a.ko; rmmod a", "insmod 'a.ko' who=x&&true", "sudo insmod ./a.ko|cat", "x=(a.ko)"]
)
def test_a_file_named_in_a_script_is_found(script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.ko").touch()
    assert [path.name for path in module_files(["sh", "-c", script])] == ["a.ko"]


def test_a_script_with_unbalanced_quotes_names_nothing(tmp_path: Path) -> None:
    assert module_files(["sh", "-c", "insmod 'a.ko"], tmp_path) == []


def test_a_name_is_no_pattern(folders: Path) -> None:
    assert modules_asked_for(["modprobe", "my_mod.*"], folders) == []


def test_a_file_larger_than_any_module_is_not_read_into_memory(tmp_path: Path) -> None:
    path = tmp_path / "my-mod.ko"
    path.touch()
    os.truncate(path, LARGEST_FILE + 1)
    assert module_name(path) == "my_mod"
    assert file_record(path)["problem"] == "File too large"
