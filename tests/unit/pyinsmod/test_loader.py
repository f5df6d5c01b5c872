"""The orchestrator, up to the call: no file here is one that any kernel would load."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from pyinsmod.errors import MalformedModule, UnreadableModule, errno_name
from pyinsmod.kernel_facts import KernelPaths, slow_facts
from pyinsmod.kernel_log import LogRecord
from pyinsmod.loader import LoadOptions, belongs_to, load

BuildModule = Callable[..., bytes]


def written(tmp_path: Path, data: bytes) -> str:
    path = tmp_path / "hello.ko"
    path.write_bytes(data)
    return str(path)


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    ("make", "errno", "words"),
    [
        (lambda _: None, "ENOENT", "no such file"),
        (Path.mkdir, "EISDIR", "a folder"),
        (os.mkfifo, "EINVAL", "a named pipe"),
    ],
)
def test_what_is_no_file_is_said_at_once(
    tmp_path: Path, system: KernelPaths, make: Callable[[Path], None], errno: str, words: str
) -> None:
    make(tmp_path / "it")
    with pytest.raises(UnreadableModule, match=words) as failure:
        load(str(tmp_path / "it"), paths=system)
    assert errno_name(failure.value.errno) == errno


def test_a_damaged_stream_is_said(tmp_path: Path, system: KernelPaths) -> None:
    with pytest.raises(MalformedModule, match="xz-compressed"):
        load(written(tmp_path, b"\xfd7zXZ\0damaged"), paths=system)


def test_a_bad_prediction_keeps_the_kernel_unasked(
    tmp_path: Path, system: KernelPaths, build_module: BuildModule
) -> None:
    path = written(tmp_path, build_module(undefined=["bond_create"], vermagic="6.1 SMP "))
    outcome = load(path, paths=system)
    assert (outcome.outcome, outcome.errno, outcome.call) == ("not-asked", "ENOEXEC", None)
    assert outcome.explanation is not None
    assert outcome.explanation.module_has == "6.1 SMP "
    refusing = [finding.check for finding in outcome.findings if finding.severity == "refuses"]
    assert refusing == ["vermagic", "symbols"]


@pytest.mark.parametrize("damage", [lambda data: b"\x7fFLE" + data[4:], lambda data: data[:-1], lambda _: b""])
def test_a_damaged_file_costs_no_look_at_kallsyms(
    tmp_path: Path,
    system: KernelPaths,
    build_module: BuildModule,
    damage: Callable[[bytes], bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("read for nothing")

    for name in ("exports", "features", "vermagic"):
        monkeypatch.setattr(slow_facts, name, never)
    outcome = load(written(tmp_path, damage(build_module())), paths=system)
    assert (outcome.outcome, outcome.errno) == ("not-asked", outcome.findings[0].errno)


def test_without_the_right_the_kernel_is_not_asked(
    tmp_path: Path, system: KernelPaths, build_module: BuildModule
) -> None:
    Path(system.proc, "self/status").write_text("CapEff:\t0000000000000000\n")
    outcome = load(written(tmp_path, build_module()), paths=system)
    assert (outcome.outcome, outcome.errno) == ("not-asked", "EPERM")
    assert outcome.explanation is not None
    assert f"sudo pyinsmod {tmp_path}/hello.ko" in (outcome.explanation.remedy or "")


@pytest.mark.parametrize("options", [LoadOptions(anyway=True), LoadOptions(check=False)])
def test_the_kernel_is_asked_anyway_and_its_answer_is_kept(
    tmp_path: Path, system: KernelPaths, options: LoadOptions
) -> None:
    outcome = load(written(tmp_path, b"no module of any kernel".ljust(100)), options, system)
    assert outcome.outcome == "refused"
    assert outcome.errno in ("ENOEXEC", "ENOSYS", "EPERM")
    assert outcome.call in ("finit_module", "init_module")


@pytest.mark.parametrize(
    ("facility", "text", "caller", "ours"),
    [
        (0, "Module has invalid ELF structures", "", True),
        (0, "Module has invalid ELF structures", f"T{threading.get_native_id()}", True),
        (0, "eth0: link up", "T1", False),
        (0, "hello: said by its own thread", "T1", True),
        (0, "from an interrupt", "C0", True),
        (1, "hello: a program wrote this", "", False),
    ],
)
def test_the_log_of_a_load_is_this_loads(facility: int, text: str, caller: str, ours: bool) -> None:
    assert belongs_to("hello", LogRecord(6, facility, 1, 1, "-", text, caller)) is ours
