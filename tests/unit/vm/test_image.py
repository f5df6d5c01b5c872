from __future__ import annotations

from pathlib import Path

from vm.architectures import ARCHITECTURES
from vm.image import GuestContent, image_key

X86 = ARCHITECTURES["x86_64"]


def package(root: Path, text: str = "x = 1\n") -> Path:
    (root / "thing").mkdir(exist_ok=True)
    (root / "thing/__init__.py").write_text(text)
    return root / "thing"


def test_everything_that_goes_in_changes_the_key(tmp_path: Path) -> None:
    folder = package(tmp_path)
    contents = [
        GuestContent(),
        GuestContent(python_packages=(folder,)),
        GuestContent(files={"usr/bin/x": b"1"}),
        GuestContent(files={"usr/bin/x": b"2"}),
        GuestContent(preload=("thing",)),
        GuestContent(warm_up=("thing:f",)),
        GuestContent(warm={"thing": "thing:main"}),
    ]
    assert len({image_key(content, X86) for content in contents}) == len(contents)


def test_a_changed_source_changes_the_key_and_a_cached_byte_code_does_not(tmp_path: Path) -> None:
    content = GuestContent(python_packages=(package(tmp_path),))
    before = image_key(content, X86)
    (tmp_path / "thing/__pycache__").mkdir()
    (tmp_path / "thing/__pycache__/x.pyc").write_bytes(b"x")
    assert image_key(content, X86) == before
    package(tmp_path, "x = 22\n")
    assert image_key(content, X86) != before


def test_the_same_content_elsewhere_has_the_same_key(tmp_path: Path) -> None:
    """Another checkout finds the snapshots of this one."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    here, there = (GuestContent(python_packages=(package(tmp_path / name),)) for name in "ab")
    assert image_key(here, X86) == image_key(there, X86)


def test_what_is_left_out_changes_nothing(tmp_path: Path) -> None:
    folder = package(tmp_path)
    (folder / "report").mkdir()
    content = GuestContent(python_packages=(folder,), left_out=("thing/report", "thing/compare.py"))
    before = image_key(content, X86)
    (folder / "report/page.html").write_text("page")
    (folder / "compare.py").write_text("x = 1")
    assert image_key(content, X86) == before
    (folder / "other.py").write_text("x = 1")
    assert image_key(content, X86) != before
