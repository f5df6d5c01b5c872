"""`pyinsmod trace` as its users run it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pyinsmod.cli import trace as trace_command
from tracer import records
from tracer.records import Record, Records


def pyinsmod(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pyinsmod", "trace", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, **options)  # type: ignore[call-overload, no-any-return]


def one_line(text: str) -> str:
    (line,) = text.splitlines()
    assert line.startswith("pyinsmod: trace: ")
    return line


@pytest.mark.parametrize("arguments", [(), ("--",), ("-o",), ("--format", "xml", "--", "true"), ("--", "")])
def test_wrong_usage_is_2(arguments: tuple[str, ...]) -> None:
    done = pyinsmod(*arguments)
    assert done.returncode == 2
    assert "(pyinsmod trace -h explains)" in done.stderr
    assert done.stderr.count("\n") == 1


def test_what_cannot_be_run_is_127_or_126_in_one_line(tmp_path: Path) -> None:
    done = pyinsmod("--", "no-such-command")
    assert (done.returncode, one_line(done.stderr)) == (
        127,
        "pyinsmod: trace: cannot execute 'no-such-command': No such file or directory",
    )
    done = pyinsmod("-o", str(tmp_path / "out"), "--", str(tmp_path))
    assert done.returncode == 126
    assert "Permission denied" in one_line(done.stderr)


def test_an_unknown_call_and_an_unwritable_file_are_2(tmp_path: Path) -> None:
    done = pyinsmod("--calls", "opne", "--", "true")
    assert (done.returncode, "no such system call: 'opne'" in one_line(done.stderr)) == (2, True)
    done = pyinsmod("-o", str(tmp_path / "no" / "file"), "--", "true")
    assert (done.returncode, "No such file or directory" in one_line(done.stderr)) == (2, True)


def test_a_full_disk_cuts_the_trace_off_and_not_the_command() -> None:
    done = pyinsmod("-o", "/dev/full", "--", "sh", "-c", "echo done")
    assert done.stdout == "done\n"
    assert done.returncode == 1
    assert "the trace is cut off: writing /dev/full: No space left on device" in one_line(done.stderr)


def test_kernel_events_need_root(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert trace_command.run(["--kernel-events", "--", "true"]) == 2
    assert "needs root" in one_line(capsys.readouterr().err)


def test_the_exit_status_is_the_commands() -> None:
    assert pyinsmod("--", "sh", "-c", "exit 42").returncode == 42
    assert pyinsmod("--", "sh", "-c", "kill -SEGV $$").returncode == 139


def test_text_goes_to_standard_error_and_the_commands_output_where_it_belongs() -> None:
    done = pyinsmod("--calls", "openat,exit_group", "cat", "/etc/hostname")
    assert done.stdout == Path("/etc/hostname").read_text()
    assert 'openat(AT_FDCWD, "/etc/hostname", O_RDONLY) = 3' in done.stderr
    assert re.search(r"exit_group\(0\) += \?", done.stderr)
    assert done.stderr.splitlines()[-1].endswith("+++ exited with 0 +++")


def trace_of(tmp_path: Path, *command: str) -> tuple[Records, int]:
    done = pyinsmod("-o", str(tmp_path / "t"), "--format", "json", "--calls", "module-loading", "--", *command)
    return records.read_file(tmp_path / "t"), done.returncode


def module_calls(trace: Records) -> tuple[Record, ...]:
    return trace.calls("finit_module", "init_module")


needed = {"insmod": "kmod", "busybox": "busybox", "toybox": "toybox"}
LOADERS = [["insmod"], ["busybox", "insmod"], ["toybox", "insmod"]]


@pytest.fixture(params=LOADERS, ids=[" ".join(loader) for loader in LOADERS])
def loader(request: pytest.FixtureRequest) -> list[str]:
    command: list[str] = request.param
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is missing: apt-get install {needed[command[0]]}")
    if command[0] == "toybox" and os.geteuid() != 0:
        pytest.skip("toybox's insmod does nothing at all unless it is root: sudo make test")
    return command


def test_a_loader_that_finds_no_file_makes_no_module_call(loader: list[str], tmp_path: Path) -> None:
    trace, status = trace_of(tmp_path, *loader, "/nonexistent.ko")
    assert status != 0
    assert trace.status == status
    assert module_calls(trace) == ()
    assert any(
        call["args"]["pathname"] == "/nonexistent.ko" and call["errno"] == "ENOENT"
        for call in trace.calls("open", "openat", "stat", "newfstatat")  # kmod looks before it opens
    )
    said = "".join(call["args"]["buf"]["data"] for call in trace.calls("write") if call["args"]["fd"]["value"] == 2)
    said += "".join(part["data"] for call in trace.calls("writev") for part in call["args"]["iov"] if part is not None)
    assert "/nonexistent.ko" in said


def test_a_refused_load_shows_the_call_with_its_file(loader: list[str], tmp_path: Path) -> None:
    """The file is no module: whatever kernel this runs on, nothing is loaded."""
    module = tmp_path / "hello.ko"
    module.write_bytes(b"\x7fELF" + bytes(1000))
    trace, status = trace_of(tmp_path, *loader, str(module), "who=world")
    assert status != 0
    first = module_calls(trace)[0]
    assert first["name"] == "finit_module"
    assert first["args"]["fd"]["path"] == str(module)
    assert first["args"]["param_values"].rstrip() == "who=world"  # busybox and toybox add a space
    assert first["args"]["flags"] == []
    assert first["return"] == -1
    assert first["errno"]
    assert trace.complete


@pytest.mark.parametrize(("calls", "decoding"), [("finit_module", False), ("execve", True)])
def test_decoders_are_imported_when_there_is_something_to_decode(tmp_path: Path, calls: str, decoding: bool) -> None:
    script = (
        "import sys; before = set(sys.modules); from pyinsmod.cli import main; status = main(sys.argv[1:]);"
        "print(*set(sys.modules) - before); sys.exit(status)"
    )
    trace = ["trace", "-o", str(tmp_path / "t"), "--calls", calls, "--", "true"]
    done = subprocess.run(
        [sys.executable, "-IS", "-c", f"import sys; sys.path[:0] = {sys.path!r}; {script}", *trace],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert ("+++ exited with 0 +++" in (tmp_path / "t").read_text(), "execve" in (tmp_path / "t").read_text()) == (
        True,
        decoding,
    )
    imported = set(done.stdout.split())
    assert ("tracer.decode.lookup" in imported) == decoding
    if not decoding:
        assert not imported & {"argparse", "collections", "contextlib", "enum", "functools", "json", "re", "typing"}
