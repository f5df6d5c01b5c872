"""The remembered accelerator: damage in the file is no answer, and what others found out stays."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from vm import accelerator
from vm.architectures import native
from vm.kernel_store import Kernel


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return where answers are kept, on a host that has /dev/kvm and boots with it."""
    monkeypatch.setenv("PYINSMOD_CACHE", str(tmp_path))
    monkeypatch.delenv(accelerator.ACCELERATOR_VARIABLE, raising=False)
    monkeypatch.setattr("os.access", lambda *_: True)
    monkeypatch.setattr(accelerator, "_host", lambda _: "this host")
    monkeypatch.setattr(accelerator, "_boots_with_kvm", _boots)
    return tmp_path / "accelerator.json"


async def _boots(_: Kernel) -> bool:
    return True


def _asked() -> str:
    kernel = Kernel("6.1", "6.1.0", "1", Path("/nowhere"), (), "", 0, native())
    return asyncio.run(accelerator.usable_accelerator(kernel))


@pytest.mark.parametrize(
    "kept",
    ["", "{", "[]", "[1]", "null", "7", '{"this host": "magic"}', '{"this host": null}', '{"this host": ["kvm"]}'],
)
def test_what_is_damaged_is_found_out_anew(memory: Path, kept: str) -> None:
    memory.write_text(kept)
    assert _asked() == "kvm"
    assert json.loads(memory.read_text()) == {"this host": "kvm"}


def test_the_first_answer_is_kept_beside_those_of_other_hosts(memory: Path) -> None:
    memory.write_text('{"another host": "tcg"}')
    assert _asked() == "kvm"
    assert json.loads(memory.read_text()) == {"another host": "tcg", "this host": "kvm"}


def test_what_is_remembered_needs_no_machine(memory: Path) -> None:
    memory.write_text('{"this host": "tcg"}')
    assert _asked() == "tcg"
