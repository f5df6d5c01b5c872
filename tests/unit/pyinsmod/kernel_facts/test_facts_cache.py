from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyinsmod.kernel_facts import facts_cache
from pyinsmod.kernel_facts.facts_cache import FactsCache

PACKAGE = Path(facts_cache.__file__).parents[1]


class Builder:
    """Counts how often it was asked."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> dict[str, object]:
        self.calls += 1
        return {"names": ("a", "b"), "raw": b"\0\xff", "number": self.calls}


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "vmlinuz"
    path.write_bytes(b"kernel")
    return path


def test_without_a_folder_nothing_is_kept(image: Path) -> None:
    build = Builder()
    for _ in range(2):
        FactsCache().kept("image", (str(image),), build)
    assert build.calls == 2


def test_the_same_file_is_read_once(tmp_path: Path, image: Path) -> None:
    build, cache = Builder(), FactsCache(str(tmp_path / "new/facts"))
    found = [cache.kept("image", (str(image),), build) for _ in range(3)]
    assert build.calls == 1
    assert found[0] == found[1] == found[2]


def test_facts_of_another_kind_or_file_are_others(tmp_path: Path, image: Path) -> None:
    build, cache = Builder(), FactsCache(str(tmp_path / "facts"))
    other = tmp_path / "other"
    other.write_bytes(b"kernel")
    cache.kept("image", (str(image),), build)
    cache.kept("btf", (str(image),), build)
    cache.kept("image", (str(other),), build)
    assert build.calls == 3


def test_a_changed_file_is_read_again_and_its_old_facts_are_gone(tmp_path: Path, image: Path) -> None:
    build, cache = Builder(), FactsCache(str(tmp_path / "facts"))
    cache.kept("image", (str(image),), build)
    state = image.stat()
    image.write_bytes(b"KERNEL")
    os.utime(image, ns=(state.st_atime_ns, state.st_mtime_ns + 1))
    assert cache.kept("image", (str(image),), build)["number"] == 2
    assert len(list((tmp_path / "facts").iterdir())) == 1


@pytest.mark.parametrize("cut", [0, 3, 20, 40, -1])
def test_a_damaged_file_is_made_anew(tmp_path: Path, image: Path, cut: int) -> None:
    build, cache = Builder(), FactsCache(str(tmp_path / "facts"))
    cache.kept("image", (str(image),), build)
    (kept,) = (tmp_path / "facts").iterdir()
    kept.write_bytes(kept.read_bytes()[:cut])
    assert cache.kept("image", (str(image),), build)["number"] == 2
    assert cache.kept("image", (str(image),), build)["number"] == 2


def test_a_file_with_one_wrong_byte_is_made_anew(tmp_path: Path, image: Path) -> None:
    build, cache = Builder(), FactsCache(str(tmp_path / "facts"))
    cache.kept("image", (str(image),), build)
    (kept,) = (tmp_path / "facts").iterdir()
    content = kept.read_bytes()
    for at in range(0, len(content), 5):
        kept.write_bytes(content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :])
        before = build.calls
        cache.kept("image", (str(image),), build)
        assert build.calls == before + 1


def test_a_cache_that_cannot_be_written_is_none(tmp_path: Path, image: Path) -> None:
    (tmp_path / "facts").write_bytes(b"a file where the folder should be")
    build = Builder()
    assert FactsCache(str(tmp_path / "facts")).kept("image", (str(image),), build)["number"] == 1
    assert (tmp_path / "facts").read_bytes() == b"a file where the folder should be"


def test_an_error_is_not_kept(tmp_path: Path, image: Path) -> None:
    cache = FactsCache(str(tmp_path / "facts"))

    def fail() -> None:
        raise ValueError("damaged")

    for _ in range(2):
        with pytest.raises(ValueError, match="damaged"):
            cache.kept("image", (str(image),), fail)


# What no fact depends on: types, errors and their words, the cache itself, a library that unpacks.
NOT_READERS = {
    *("lean.py", "errors.py", "text.py", "zstd_library.py", "kept_files.py"),
    *("kernel_facts/facts.py", "kernel_facts/facts_cache.py"),
}


def imported_by(path: Path) -> Iterator[Path]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "pyinsmod":
            place = PACKAGE.joinpath(*node.module.split(".")[1:])
            modules = [*(place / f"{alias.name}.py" for alias in node.names), place.with_suffix(".py")]
            yield next(filter(Path.is_file, modules), place / "__init__.py")


def test_no_kept_fact_is_older_than_any_code_that_reads_it() -> None:
    wanted, found = [PACKAGE / "kernel_facts/other_kernel.py"], set[Path]()
    while wanted:
        if (path := wanted.pop()) not in found:
            found.add(path)
            wanted += imported_by(path)
    readers = {(PACKAGE / "kernel_facts" / reader).resolve() for reader in facts_cache._READERS}
    assert found - readers == {PACKAGE / name for name in NOT_READERS}
