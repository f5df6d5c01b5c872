"""A second check of a tree looks at what changed and at nothing else, and tells the same as a first one."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from pyinsmod.cli.kernels import kernel_named
from pyinsmod.kernel_facts.facts import FACTS, Fact, KernelFacts
from pyinsmod.kernel_facts.other_kernel import OtherKernel
from pyinsmod.tree import basis
from pyinsmod.tree.found import modules_below
from pyinsmod.tree.kept_rows import KeptRows
from pyinsmod.tree.results import ModuleResult
from pyinsmod.tree.target import Target
from pyinsmod.tree.tree_check import LocalProcesses, TreeCheck
from pyinsmod.tree.workers import Done, Lost
from vm.cache_folder import cache_folder
from vm.kernel_store import fetch

SOME = 30


class Watched(LocalProcesses):
    """Remembers which files it was to look at, for which kernels."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, tuple[int, ...]]] = []

    def scan(self, check: TreeCheck, batches: Sequence[Sequence[str]], places: Sequence[int]) -> Iterator[Done | Lost]:
        self.seen += [(Path(file).name, tuple(places)) for batch in batches for file in batch]
        return super().scan(check, batches, places)


def modules_of_the_store(count: int) -> Iterator[tuple[str, str]]:
    """Yield about so many modules of 6.1, which are plain, and of 6.12, which are compressed: a name, and the file."""
    for kernel in ("6.1", "6.12"):
        files = modules_below(str(fetch(kernel).root)).files
        for file in files[:: len(files) // count]:
            yield f"{kernel}-{Path(file).name}", file


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Copies of modules: of 6.1 plain, of 6.12 compressed, and a file that is none."""
    root = tmp_path / "tree"
    root.mkdir()
    for name, file in modules_of_the_store(SOME):
        shutil.copyfile(file, root / name)
    (root / "cut.ko.xz").write_bytes(b"\xfd7zXZ\0\0\4")
    return root


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trust files that were written just now: nothing changes them here without its being wanted."""
    monkeypatch.setattr(basis, "YOUNG", 0)


def run(
    tree: Path, kept: Path | None, *names: str, relocations: bool = True
) -> tuple[list[ModuleResult], list[tuple[str, tuple[int, ...]]]]:
    engine, found = Watched(), modules_below(str(tree))
    check = TreeCheck(
        found,
        [kernel_named(name) for name in names],
        relocations=relocations,
        engine=engine,
        kept=basis.Basis(None if kept is None else str(kept), found.root, found.files, relocations=relocations),
    )
    return sorted(check.run(), key=repr), engine.seen


@pytest.mark.usefixtures("trusted")
def test_nothing_is_looked_at_twice_but_what_could_not_be_looked_at(tree: Path, tmp_path: Path) -> None:
    plain, _ = run(tree, None, "6.1", "6.12")
    first, seen = run(tree, tmp_path / "rows", "6.1", "6.12")
    assert {places for _, places in seen} == {(0, 1)}
    assert len(seen) == len(list(tree.iterdir())) > SOME
    again, seen = run(tree, tmp_path / "rows", "6.1", "6.12")
    assert seen == [("cut.ko.xz", (0, 1))]
    assert plain == first == again


@pytest.mark.usefixtures("trusted")
def test_a_further_kernel_needs_its_own_answers_only(tree: Path, tmp_path: Path) -> None:
    run(tree, tmp_path / "rows", "6.1")
    both, seen = run(tree, tmp_path / "rows", "5.10", "6.1")
    assert {places for name, places in seen if name != "cut.ko.xz"} == {(0,)}
    assert both == run(tree, None, "5.10", "6.1")[0]
    assert [name for name, _ in run(tree, tmp_path / "rows", "6.1", "5.10")[1]] == ["cut.ko.xz"]


@pytest.mark.usefixtures("trusted")
def test_what_changed_is_looked_at(tree: Path, tmp_path: Path) -> None:
    """Also where size and time of the last change are what they were, and where another file has the name now."""
    run(tree, tmp_path / "rows", "6.1")
    changed, exchanged, gone, *_ = sorted(tree.glob("6.1-*"))
    state = changed.stat()
    content = bytearray(changed.read_bytes())
    at = content.index(b"vermagic=6.1") + len("vermagic=")
    content[at] ^= 1
    with changed.open("r+b") as file:
        file.write(content)
    os.utime(changed, ns=(state.st_atime_ns, state.st_mtime_ns))
    state = exchanged.stat()
    other = tmp_path / "other"
    other.write_bytes(bytes(state.st_size))
    os.utime(other, ns=(state.st_atime_ns, state.st_mtime_ns))
    other.replace(exchanged)
    gone.unlink()
    results, seen = run(tree, tmp_path / "rows", "6.1")
    assert sorted(name for name, _ in seen) == sorted([changed.name, exchanged.name, "cut.ko.xz"])
    assert results == run(tree, None, "6.1")[0]
    assert [name for name, _ in run(tree, tmp_path / "rows", "6.1")[1]] == ["cut.ko.xz"]


def test_files_that_were_changed_a_moment_ago_are_not_trusted(tree: Path, tmp_path: Path) -> None:
    count = len(run(tree, tmp_path / "rows", "6.1")[1])
    assert len(run(tree, tmp_path / "rows", "6.1")[1]) == count > SOME


@pytest.mark.usefixtures("trusted")
def test_other_options_and_other_sources_make_other_rows(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tree, tmp_path / "rows", "6.1")
    assert len(run(tree, tmp_path / "rows", "6.1", relocations=False)[1]) > SOME
    assert len(run(tree, tmp_path / "rows", "6.1")[1]) == 1
    own = basis.state_of_sources()
    assert {Path(str(name)).name for name, *_ in own} >= {"sweep.py", "quick.py", "permanent.py", "scan.py"}
    monkeypatch.setattr(basis, "state_of_sources", lambda: own[1:])
    assert len(run(tree, tmp_path / "rows", "6.1")[1]) > SOME


@pytest.mark.usefixtures("trusted")
def test_what_is_damaged_is_made_anew(tree: Path, tmp_path: Path) -> None:
    results, _ = run(tree, tmp_path / "rows", "6.1")
    (kept,) = (tmp_path / "rows").iterdir()
    whole = kept.read_bytes()
    for content in (b"", whole[:-1], bytes(len(whole)), whole[:-1] + bytes([whole[-1] ^ 1])):
        kept.write_bytes(content)
        again, seen = run(tree, tmp_path / "rows", "6.1")
        assert again == results
        assert len(seen) > SOME
        assert len(run(tree, tmp_path / "rows", "6.1")[1]) == 1


def test_every_fact_of_a_kernel_counts() -> None:
    kernel = kernel_named("6.1")
    target = Target(kernel)
    before = list(basis.depends(kernel, target))
    assert before == list(basis.depends(kernel, target))
    for changed in FACTS:
        if changed not in ("exports", "providers", "btf"):
            given: dict[str, Any] = {name: kernel.facts.unrecorded(name) for name in FACTS}
            given[changed] = Fact(None, "somebody changed it")
            facts = KernelFacts(name=kernel.facts.name, release=kernel.facts.release, **given)
            assert before != list(basis.depends(OtherKernel(facts, kernel.tree, kernel.files), target)), changed


def test_a_kernel_that_runs_is_asked_each_time(tree: Path, tmp_path: Path) -> None:
    facts = kernel_named("6.1").facts
    kept = basis.Basis(str(tmp_path / "rows"), str(tree), [str(tree / "cut.ko.xz")], relocations=True)
    running = OtherKernel(facts, None, None)
    assert KeptRows(kept).known([running], [Target(running)]) == ([[None]], {})


# --- the command

CHECK = (sys.executable, "-m", "pyinsmod", "check")


def command(tree: Path, *options: str) -> list[str]:
    return [*CHECK, str(tree), "--kernel", "6.1", "--kernel", "6.12", *options]


@pytest.fixture
def own_cache(tmp_path: Path) -> Path:
    """A cache with this one's kernels and facts, and nothing kept of trees."""
    cache = tmp_path / "cache"
    cache.mkdir(mode=0o700)
    (cache / "kernels").symlink_to(Path(cache_folder()) / "kernels")
    # What is kept is not read through a link: facts are copied.
    shutil.copytree(Path(cache_folder()) / "facts", cache / "facts")
    return cache


def output(cache: Path, tree: Path, *options: str) -> bytes:
    done = subprocess.run(
        command(tree, *options), env={**os.environ, "PYINSMOD_CACHE": str(cache)}, capture_output=True, check=False
    )
    assert done.returncode == 1, done.stderr
    assert not done.stderr
    return done.stdout


@pytest.fixture
def old_tree(tmp_path: Path) -> Path:
    """A tree of files that were there before: links, which lead to the store's."""
    root = tmp_path / "links"
    root.mkdir()
    for name, file in modules_of_the_store(12):
        (root / name).symlink_to(file)
    return root


def test_reports_are_the_same_with_and_without(old_tree: Path, own_cache: Path, tmp_path: Path) -> None:
    rows = own_cache / "rows"
    for options in ((), ("--json",), ("--no-relocations",), ("--jobs", "1")):
        told = []
        for run_options in (("--no-cache",), (), ()):
            sarif = tmp_path / "sarif"
            told.append(
                (output(own_cache, old_tree, *options, *run_options, "--sarif", str(sarif)), sarif.read_bytes())
            )
            assert rows.exists() == (options != () or run_options == ())
        assert told[0] == told[1] == told[2]
    assert json.loads(output(own_cache, old_tree, "--json"))["results"]


def test_two_at_once_do_not_harm_each_other(old_tree: Path, own_cache: Path) -> None:
    expected = output(own_cache, old_tree, "--no-cache")
    environment = {**os.environ, "PYINSMOD_CACHE": str(own_cache)}
    running = [subprocess.Popen(command(old_tree), env=environment, stdout=subprocess.PIPE) for _ in range(3)]
    assert [process.communicate()[0] for process in running] == [expected] * 3
    rows_and_outcomes = [file.name for file in (own_cache / "rows").iterdir()]
    assert list(map(len, rows_and_outcomes)) == [32] * 4
    assert output(own_cache, old_tree) == expected


def test_a_full_disk_is_no_matter(old_tree: Path, own_cache: Path) -> None:
    expected = output(own_cache, old_tree, "--no-cache")
    done = subprocess.run(
        command(old_tree),
        env={**os.environ, "PYINSMOD_CACHE": str(own_cache), "PYTHONDONTWRITEBYTECODE": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)),
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, expected, b"")
    assert list((own_cache / "rows").iterdir()) == []
