"""Facts kept for one boot: what is trusted, what is not, and what makes them void."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pyinsmod.kernel_facts import Fact, KernelPaths
from pyinsmod.kernel_facts.export_lookup import LookedUpExports
from pyinsmod.kernel_facts.remembered import FILE, Keeper, Producers, Store, circumstances

BOOT = "proc/sys/kernel/random/boot_id"
MODULES = "dummy 16384 0 - Live 0xffffffffc0381000\nmii 16384 2 e100, Live 0xffffffffc0391000 (OE)\n"


@pytest.fixture
def booted(tmp_path: Path) -> KernelPaths:
    for name, content in {BOOT: "9a3c\n", "proc/modules": MODULES}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    return KernelPaths(str(tmp_path))


class Finder:
    """Finds out facts, and counts how often it had to."""

    def __init__(self) -> None:
        self.times = 0

    def exports(self) -> Fact[Any]:
        self.times += 1
        return Fact(LookedUpExports((), 0, b"", {"kmalloc": ("vmlinux", 7, True, "")}), "memory")

    def producers(self) -> Producers:
        return {"exports": self.exports, "config": lambda: Fact({"MODULES": "y"}, "config")}


def store_of(paths: KernelPaths) -> Store:
    return Store(f"{paths.root}/facts", os.geteuid())


def keeper_of(paths: KernelPaths, producers: Producers) -> Keeper:
    return Keeper(store_of(paths), paths, producers, {"exports": LookedUpExports.from_plain})


class Answer(NamedTuple):
    crc: int | None
    source: str


def ask(paths: KernelPaths, finder: Finder) -> Answer:
    keeper = keeper_of(paths, finder.producers())
    fact: Fact[Any] = keeper.facts()["exports"]()
    assert fact.value is not None
    keeper.write()
    return Answer(fact.value["kmalloc"].crc, fact.source)


def kept(paths: KernelPaths) -> Path:
    return Path(store_of(paths).folder, FILE)


def test_they_are_found_out_once_and_then_read(booted: KernelPaths) -> None:
    finder = Finder()
    for _ in range(3):
        assert ask(booted, finder) == (7, "memory")
    assert finder.times == 1


def test_nobody_else_may_look(booted: KernelPaths) -> None:
    ask(booted, Finder())
    assert kept(booted).stat().st_mode & 0o7777 == 0o600
    assert kept(booted).parent.stat().st_mode & 0o7777 == 0o700


def test_nothing_is_looked_at_before_somebody_asks(booted: KernelPaths) -> None:
    finder = Finder()
    keeper_of(booted, finder.producers()).facts()
    assert finder.times == 0
    assert not kept(booted).exists()


def damaged(change: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    return lambda file: file.write_bytes(change(file.read_bytes()))


@pytest.mark.parametrize(
    "spoil",
    [
        damaged(lambda _: b""),
        damaged(lambda raw: raw[:-1]),
        damaged(lambda raw: raw[:100] + b"\xff" + raw[101:]),
        damaged(lambda raw: b"another format\n" + raw[15:]),
        damaged(lambda raw: raw[:4] + b"\0" * 5000),
        lambda file: file.chmod(0o644),
        lambda file: file.parent.chmod(0o755),
        lambda file: (file.rename(file.with_name("x")), file.symlink_to("x")),
        lambda file: (file.unlink(), file.mkdir(0o700)),
    ],
    ids=["empty", "cut", "one byte", "format", "zeros", "readable", "folder readable", "symlink", "folder"],
)
def test_what_cannot_be_trusted_is_found_out_anew(booted: KernelPaths, spoil: Callable[[Path], object]) -> None:
    finder = Finder()
    ask(booted, finder)
    spoil(kept(booted))
    assert ask(booted, finder).crc == 7
    assert finder.times == 2


def test_another_owner_is_not_believed(booted: KernelPaths) -> None:
    ask(booted, Finder())
    key = circumstances(booted)
    assert store_of(booted).read(key) is not None
    assert store_of(booted)._replace(owner=os.geteuid() + 1).read(key) is None


@pytest.mark.parametrize(
    ("file", "content", "anew"),
    [
        (BOOT, "77aa\n", True),
        ("proc/modules", MODULES + "new 16384 0 - Live 0xffffffffc0399000\n", True),
        ("proc/modules", MODULES.splitlines(keepends=True)[0], True),
        ("proc/modules", MODULES.replace("c0381000", "c0481000"), True),
        ("proc/modules", MODULES.replace("16384 2 e100,", "16384 3 e100,e1000,"), False),
    ],
    ids=["another boot", "a module came", "a module went", "it came again", "only its users changed"],
)
def test_when_they_are_void(booted: KernelPaths, file: str, content: str, anew: bool) -> None:
    finder = Finder()
    ask(booted, finder)
    Path(booted.root, file).write_text(content)
    ask(booted, finder)
    assert finder.times == (2 if anew else 1)


def test_what_poorer_sources_say_is_not_kept(booted: KernelPaths) -> None:
    finder = Finder()
    producers: Producers = {**finder.producers(), "exports": lambda: Fact({}, "names only")}
    keeper = keeper_of(booted, producers)
    assert keeper.facts()["exports"]().source == "names only"
    assert keeper.facts()["config"]().value == {"MODULES": "y"}
    keeper.write()
    assert b"MODULES" in kept(booted).read_bytes()
    assert b"names only" not in kept(booted).read_bytes()


def asked_for_keys(paths: KernelPaths, until: Path, answers: list[Fact[Any]]) -> Fact[Any]:
    keeper = Keeper(store_of(paths), paths, {"keys": lambda: answers.pop(0)}, {}, {"keys": (str(until),)})
    fact = keeper.facts()["keys"]()
    keeper.write()
    return fact


def test_what_stays_unknown_is_not_looked_for_again_until_its_folder_changes(booted: KernelPaths) -> None:
    folder = Path(booted.root, "boot")
    answers = [Fact(None, "no boot image"), Fact((1, 2), "an image"), Fact(None, "never asked")]
    assert asked_for_keys(booted, folder, answers) == (None, "no boot image")
    assert asked_for_keys(booted, folder, answers) == (None, "no boot image")
    folder.mkdir()
    assert asked_for_keys(booted, folder, answers) == ((1, 2), "an image")
    assert asked_for_keys(booted, folder, answers) == ((1, 2), "an image")


def test_what_cannot_be_made_again_is_found_out_anew(booted: KernelPaths) -> None:
    def gone(_plain: object) -> object:
        raise FileNotFoundError("/sys/kernel/btf/vmlinux")

    finder = Finder()
    ask(booted, finder)
    keeper = Keeper(store_of(booted), booted, finder.producers(), {"exports": gone})
    assert keeper.facts()["exports"]().source == "memory"
    assert finder.times == 2


def test_where_nothing_can_be_written_nothing_is_kept(booted: KernelPaths) -> None:
    Path(booted.root, "facts").write_text("in the way")
    finder = Finder()
    assert ask(booted, finder).source == "memory"
    assert ask(booted, finder).source == "memory"
    assert finder.times == 2


def test_of_a_system_that_tells_no_boot_nothing_is_kept(booted: KernelPaths) -> None:
    Path(booted.root, BOOT).unlink()
    assert ask(booted, Finder()).source == "memory"
    assert not kept(booted).exists()
