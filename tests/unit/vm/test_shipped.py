"""Machines that are made of what another host sent, as far as that goes without one."""

from __future__ import annotations

import zlib
from copy import deepcopy
from pathlib import Path
from typing import NamedTuple

import pytest

from vm import shipped
from vm.errors import GuestCrashed
from vm.jobs import Job, JobResult
from vm.kernel_store import Kernel
from vm.shipped import Answer, Parts, kind_of, parts_of


class SomeImage(NamedTuple):
    """An image that is easily told from others."""

    key: str = "key"
    content: bytes = b"an initramfs" * 1000

    def write(self, target: Path) -> None:
        target.write_bytes(self.content)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own."""
    monkeypatch.setenv("PYINSMOD_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    """A kernel of the store, as far as its boot image goes."""
    (tmp_path / "root/boot").mkdir(parents=True)
    (tmp_path / "root/boot/vmlinuz-6.1.0").write_bytes(b"a kernel")
    return Kernel("6.1", "6.1.0", "1", tmp_path / "root", ("a.deb",), "sum", 100)


def test_a_kind_says_nothing_of_the_senders_folders(kernel: Kernel, tmp_path: Path) -> None:
    kind = kind_of(kernel, SomeImage())
    assert str(tmp_path) not in repr(kind)
    assert deepcopy(kind) == kind


def test_another_kernel_image_or_program_is_another_word(kernel: Kernel) -> None:
    kind = kind_of(kernel, SomeImage())
    others = [
        kind_of(kernel, SomeImage("other")),
        kind_of(Kernel(**{**vars(kernel), "vmlinuz_sha256": "other"}), SomeImage()),
        type(kind)(kind.kernel, kind.image_key, ("program",)),
    ]
    assert kind.word == kind_of(kernel, SomeImage()).word
    assert kind.word not in {other.word for other in others}


def test_parts_become_what_they_were(kernel: Kernel, cache: Path, tmp_path: Path) -> None:
    parts = parts_of(kernel, SomeImage())
    assert len(parts.initramfs) < len(SomeImage().content)
    assert list(cache.iterdir()) == []
    received = shipped._Received(kind_of(kernel, SomeImage()), parts, tmp_path)
    received.write(tmp_path / "initramfs")
    assert (tmp_path / "initramfs").read_bytes() == SomeImage().content
    assert received.kernel.vmlinuz.read_bytes() == b"a kernel"


def test_without_parts_they_are_asked_for(kernel: Kernel, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYINSMOD_ACCELERATOR", "tcg")
    answer = shipped.run_here(kind_of(kernel, SomeImage()), None, Job(("true",)))
    assert answer.wants_parts
    assert not list(cache.glob(".parts.*"))


def test_what_a_killed_worker_left_goes(kernel: Kernel, cache: Path) -> None:
    left = cache / ".parts.abcdefgh"
    left.mkdir(parents=True)
    (left / "initramfs").write_bytes(b"half of it")
    parts_of(kernel, SomeImage())
    assert not left.exists()


@pytest.mark.parametrize(
    "answer",
    [
        Answer(JobResult(0, b"out", b"", {"/f": b"\0"}, {}, (), 0.1), said=((b"o", b"out"),), notes=("booting",)),
        Answer(error=GuestCrashed("the guest's kernel crashed", ("BUG: something",))),
    ],
)
def test_answers_go_over_the_wire_whole(answer: Answer) -> None:
    again = deepcopy(answer)  # as pickle does it
    assert again.result == answer.result
    assert (again.said, again.notes) == (answer.said, answer.notes)
    assert repr(again.error) == repr(answer.error)
    assert getattr(again.error, "last_words", ()) == getattr(answer.error, "last_words", ())


@pytest.mark.parametrize("packed", [b"damaged", zlib.compress(b"cut short" * 100)[:-5]])
def test_damaged_parts_are_no_machine(kernel: Kernel, tmp_path: Path, packed: bytes) -> None:
    received = shipped._Received(kind_of(kernel, SomeImage()), Parts(b"a kernel", packed), tmp_path)
    with pytest.raises(shipped.DamagedParts):
        received.write(tmp_path / "initramfs")
