"""What came of a whole tree is known the next time, and told as if everything had been looked at again."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from pyinsmod.cli.kernels import kernel_named
from pyinsmod.cli.tree_json import document
from pyinsmod.kernel_facts.facts_cache import FactsCache
from pyinsmod.tree import basis
from pyinsmod.tree.found import modules_below
from pyinsmod.tree.grouping import grouped
from pyinsmod.tree.known_tree import KnownTree
from pyinsmod.tree.tree_check import LocalProcesses, TreeCheck
from pyinsmod.tree.workers import Done, Lost
from vm.cache_folder import cache_folder
from vm.kernel_store import fetch

SOME = 20
KERNELS = ("6.1", "6.12", "7.2")


class Watched(LocalProcesses):
    """Remembers which files it was to look at."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def scan(self, check: TreeCheck, batches: Sequence[Sequence[str]], places: Sequence[int]) -> Iterator[Done | Lost]:
        self.seen += [Path(file).name for batch in batches for file in batch]
        return super().scan(check, batches, places)

    def look_at(self, check: TreeCheck, batches: Sequence[Sequence[int]]) -> Iterator[Done | Lost]:
        self.seen += [f"long: {Path(check.found.files[number]).name}" for batch in batches for number in batch]
        return super().look_at(check, batches)


@pytest.fixture(autouse=True)
def _trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trust files that were written just now: nothing changes them here without its being wanted."""
    monkeypatch.setattr(basis, "YOUNG", 0)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Copies of some modules of 6.1."""
    root = tmp_path / "tree"
    root.mkdir()
    files = modules_below(str(fetch("6.1").root)).files
    for file in files[:: len(files) // SOME]:
        shutil.copyfile(file, root / Path(file).name)
    return root


def run(tree: Path, kept: Path | None, *names: str, whole: bool = False) -> tuple[dict[str, Any], list[str]]:
    """Return all that is told, and which files were looked at for it."""
    engine = Watched()
    cache = FactsCache(f"{cache_folder()}/facts")
    kernels = [kernel_named(name) for name in names]
    check = KnownTree(
        modules_below(str(tree)), kernels, cache, whole=whole, engine=engine, kept=None if kept is None else str(kept)
    )
    check.finish()
    told = document(check)
    if not whole:
        del told["kernels"]  # which names the facts that were asked for, and is printed with all findings only
    for kernel in kernels:
        assert check.groups(kernel.facts.name) == grouped(check.results, kernel.facts.name)
    return {**told, "groups": [repr(check.groups(name)) for name in names]}, engine.seen


def test_a_whole_kernels_modules_are_told_of_as_if_they_were_looked_at_again(tmp_path: Path) -> None:
    root = fetch("6.1").root / "lib/modules"
    plain, seen = run(root, None, *KERNELS, whole=True)
    assert len(plain["results"]) == len(KERNELS) * len(list(root.rglob("*.ko"))) > 3000
    assert len(plain["results"]) < 2 * len(seen)  # thousands went the long way
    first, seen = run(root, tmp_path / "rows", *KERNELS, whole=True)
    assert seen
    again, seen = run(root, tmp_path / "rows", *KERNELS, whole=True)
    assert seen == []
    assert json.dumps(plain) == json.dumps(first) == json.dumps(again)


def test_kernels_are_known_one_by_one(tree: Path, tmp_path: Path) -> None:
    run(tree, tmp_path / "rows", "6.1")
    both, seen = run(tree, tmp_path / "rows", "6.12", "6.1")
    assert seen
    assert both == run(tree, None, "6.12", "6.1")[0]
    again, seen = run(tree, tmp_path / "rows", "6.1", "6.12")
    assert (again, seen) == (run(tree, None, "6.1", "6.12")[0], [])


def test_all_findings_are_not_what_a_report_needs(tree: Path, tmp_path: Path) -> None:
    """One must not stand for the other."""
    run(tree, tmp_path / "rows", "6.12")
    whole, seen = run(tree, tmp_path / "rows", "6.12", whole=True)
    assert any(each.startswith("long: ") for each in seen)
    assert whole == run(tree, None, "6.12", whole=True)[0]


def test_one_file_more_or_less_or_changed(tree: Path, tmp_path: Path) -> None:
    run(tree, tmp_path / "rows", "6.1", "6.12")
    changed, gone, *_ = sorted(tree.iterdir())
    (tree / "new.ko").write_bytes(changed.read_bytes())
    again, seen = run(tree, tmp_path / "rows", "6.1", "6.12")
    assert "new.ko" in seen
    assert again == run(tree, None, "6.1", "6.12")[0]
    os.truncate(changed, 4000)
    again, seen = run(tree, tmp_path / "rows", "6.1", "6.12")
    assert changed.name in seen
    assert again == run(tree, None, "6.1", "6.12")[0]
    gone.unlink()
    assert run(tree, tmp_path / "rows", "6.1", "6.12")[0] == run(tree, None, "6.1", "6.12")[0]


def test_what_cannot_be_read_may_be_readable_the_next_time(tree: Path, tmp_path: Path) -> None:
    (tree / "link.ko").symlink_to(tmp_path / "later.ko")
    first, _ = run(tree, tmp_path / "rows", "6.1")
    assert "a link to nothing" in json.dumps(first)
    assert run(tree, tmp_path / "rows", "6.1")[1] == ["link.ko"]
    shutil.copyfile(next(file for file in tree.iterdir() if not file.is_symlink()), tmp_path / "later.ko")
    again, _ = run(tree, tmp_path / "rows", "6.1")
    assert again == run(tree, None, "6.1")[0] != first


def test_what_is_damaged_is_found_out_anew(tree: Path, tmp_path: Path) -> None:
    told, _ = run(tree, tmp_path / "rows", "6.12")
    for file in (tmp_path / "rows").iterdir():
        file.write_bytes(file.read_bytes()[:-1])
    again, seen = run(tree, tmp_path / "rows", "6.12")
    assert again == told
    assert len(seen) >= len(told["results"])


def test_a_kernels_own_modules_count(tmp_path: Path) -> None:
    """A driver against a kernel that has the driver's library as a module of its own."""
    kernel = kernel_named("6.1")
    assert kernel.tree
    assert kernel.files
    user = next(each for each in kernel.tree.modules.values() if len(each.depends) == 1)
    own = tmp_path / "kernel/lib/modules" / kernel.facts.release / "kernel"
    tree = tmp_path / "tree"
    boot = tmp_path / "kernel/boot"
    for folder in (own, tree, boot):
        folder.mkdir(parents=True)
    (boot / f"vmlinuz-{kernel.facts.release}").symlink_to(kernel.files.image)
    shutil.copyfile(user.path, tree / "user.ko")
    library = own / f"{user.depends[0]}.ko"
    shutil.copyfile(kernel.tree.modules[user.depends[0]].path, library)
    name = str(tmp_path / "kernel")
    told, _ = run(tree, tmp_path / "rows", name)
    assert told["results"][0]["prediction"]["outcome"] == "reaches-init"
    assert run(tree, tmp_path / "rows", name) == (told, [])
    library.write_bytes(b"no module any more")
    again, _ = run(tree, tmp_path / "rows", name)
    assert again["results"][0]["prediction"]["outcome"] != "reaches-init"
