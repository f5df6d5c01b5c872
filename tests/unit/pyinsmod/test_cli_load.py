"""The command line of load and check: bad usage, bad input, first lines, exit statuses, start-up cost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

import pyinsmod
from pyinsmod.cli import main
from pyinsmod.cli.load import split_arguments

BuildModule = Callable[..., bytes]

# Each costs more to import than everything else on the way of `pyinsmod hello.ko`.
HEAVY = (
    *("argparse", "dataclasses", "importlib.metadata", "pathlib", "subprocess", "asyncio"),
    *("rich", "elftools", "pyroute2", "jinja2", "ptrace", "qemu", "tracer", "vm"),
)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["load"],
        ["-"],
        ["--nonsense", "x.ko"],
        ["--syscall"],
        ["--syscall", "read", "x.ko"],
        ["--syscall", "init_module", "-f", "x.ko"],
        ["unload"],
        ["check"],
        ["check", "/nonexistent"],
    ],
)
def test_bad_usage_is_one_line_and_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("pyinsmod: ")


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda _: None, "no such file or directory"),
        (Path.mkdir, "a folder"),
        (os.mkfifo, "a named pipe"),
        (Path.touch, "the file is empty"),
        (lambda path: path.write_text("hello"), "5 bytes are no module"),
        (lambda path: path.write_bytes(b"\x1f\x8b\x08broken"), "gzip-compressed, and the stream is damaged"),
    ],
)
def test_bad_input_names_the_file_and_the_cause_first(
    tmp_path: Path, make: Callable[[Path], None], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mymod.ko"
    make(path)
    if os.geteuid() != 0 and path.is_file():
        pytest.skip("an ordinary user is told about permission first: run as root")
    assert main([str(path)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[0].startswith(f"pyinsmod: {path}: ")
    assert words in err.splitlines()[0]


def test_a_name_cannot_steer_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "\x1b[2Jevil\udcff.ko")]) == 1
    assert "\\x1b[2Jevil\\xff.ko" in capsys.readouterr().err


def test_json_is_one_object_also_for_a_missing_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--json", "/nonexistent.ko"]) == 1
    out, err = capsys.readouterr()
    outcome = json.loads(out)
    assert err == ""
    assert {"file", "module", "outcome", "errno", "cause", "remedy", "log", "findings"} <= set(outcome)
    assert outcome["errno"] == "ENOENT"


def test_json_of_a_refusal_has_the_findings(
    tmp_path: Path, build_module: BuildModule, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "m.ko"
    path.write_bytes(build_module()[:-1])
    assert main(["load", "--json", str(path)]) == 1
    outcome = json.loads(capsys.readouterr().out)
    assert outcome["outcome"] == "not-asked"
    assert any(finding["check"] == "elf" for finding in outcome["findings"])


@pytest.mark.parametrize(
    ("arguments", "own", "rest"),
    [
        (["-v", "a.ko", "-x", "who=world"], ["-v"], ["a.ko", "-x", "who=world"]),
        (["--syscall", "init_module", "a.ko"], ["--syscall", "init_module"], ["a.ko"]),
        (["--syscall=auto", "a.ko"], ["--syscall=auto"], ["a.ko"]),
        (["-q", "--", "-a.ko", "--", "x"], ["-q"], ["-a.ko", "--", "x"]),
        (["a.ko", "--", "x"], [], ["a.ko", "--", "x"]),
    ],
)
def test_what_follows_the_file_belongs_to_the_module(arguments: list[str], own: list[str], rest: list[str]) -> None:
    assert split_arguments(arguments) == (own, rest)


def test_check_reports_every_module_of_a_folder(
    tmp_path: Path, build_module: BuildModule, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.ko").write_bytes(build_module()[:-1])
    (tmp_path / "b.ko.xz").write_bytes(b"\xfd7zXZ\0damaged")
    (tmp_path / "notes.txt").touch()
    assert main(["check", "--json", str(tmp_path)]) == 1
    report = json.loads(capsys.readouterr().out)
    assert [Path(result["file"]).name for result in report["results"]] == ["a.ko", "b.ko.xz"]
    assert report["results"][0]["prediction"]["outcome"] == "refused"
    assert report["results"][1]["prediction"]["outcome"] == "cannot-tell"
    assert "vermagic" in report["kernels"][0]["sources"]


@pytest.mark.parametrize("option", ["-V", "--version"])
def test_the_version_is_that_of_the_project(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([option]) == 0
    assert capsys.readouterr().out == f"pyinsmod {pyinsmod.__version__}\n"
    project = tomllib.loads((Path(pyinsmod.__file__).parents[1] / "pyproject.toml").read_text())["project"]
    assert project.get("version", pyinsmod.__version__) == pyinsmod.__version__
    assert main(["-h"]) == 0
    assert pyinsmod.__version__ in capsys.readouterr().out


def test_loading_imports_no_heavy_package(tmp_path: Path) -> None:
    module = tmp_path / "m.ko"
    module.write_bytes(b"\x7fELF no module".ljust(100))
    program = (
        "import sys; from pyinsmod.cli import main; status = main([sys.argv[1]]);"
        f"print(status, [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program, str(module)], capture_output=True, text=True, check=True)
    assert done.stdout == "1 []\n"


def test_under_the_name_insmod_there_are_no_commands(tmp_path: Path) -> None:
    link = tmp_path / "insmod"
    link.write_text(f"#!{sys.executable}\nimport sys\nfrom pyinsmod.cli import main\nsys.exit(main())\n")
    link.chmod(0o755)
    done = subprocess.run([link, "check"], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, "check: no such file" in done.stderr) == (1, True)
