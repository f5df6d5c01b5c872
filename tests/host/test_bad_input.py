"""What a user can do wrong on the command line: one clear line, the right exit status, no traceback, nothing left."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-P", "-m", "pyinsmod"]
SECONDS = 30


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with everything that is no module."""
    for name, content in {"text.ko": b"hello there\n", "empty.ko": b"", "cut.ko": b"\x7fELF"}.items():
        (tmp_path / name).write_bytes(content)
    with (tmp_path / "huge.ko").open("wb") as file:
        file.truncate(3 << 30)
    (tmp_path / "loop.ko").symlink_to("loop.ko")
    (tmp_path / "nowhere.ko").symlink_to("nothing")
    os.mkfifo(tmp_path / "pipe.ko")
    (tmp_path / "folder").mkdir()
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.ko")).write_bytes(b"x")
    return tmp_path


def pyinsmod(
    words: Sequence[str | bytes], folder: Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the program in the folder, with a cache that is empty."""
    its_own = {"PYTHONPATH": str(REPOSITORY), "PYINSMOD_CACHE": str(folder / "cache"), **(environment or {})}
    return subprocess.run(
        [*PROGRAM, *words], cwd=folder, env={**os.environ, **its_own}, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, errors="surrogateescape", timeout=SECONDS, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        # No file that could be a module.
        (["nothing.ko"], 1, "nothing.ko: no such file or directory"),
        ([""], 1, "'': no such file or directory"),
        (["folder"], 1, "folder: a folder, not a module file"),
        (["pipe.ko"], 1, "pipe.ko: a named pipe, not a module file"),
        (["loop.ko"], 1, "loop.ko: too many levels of symbolic links"),
        (["nowhere.ko"], 1, "nowhere.ko: no such file or directory"),
        (["text.ko/x"], 1, "text.ko/x: not a directory"),
        (["huge.ko"], 1, "huge.ko: 3221225472 bytes are more than the kernel reads of any file"),
        (["/dev/null"], 1, "/dev/null: a device, not a module file"),
        (["-"], 2, "not from standard input"),
        ([], 2, "no module file given"),
        (["info", "empty.ko"], 1, "empty.ko: 0 bytes are too few for an ELF header"),
        (["info", "text.ko"], 1, "text.ko: 12 bytes are too few for an ELF header"),
        (["info", b"\xff\xfe.ko"], 1, "\\xff\\xfe.ko: 1 bytes are too few"),
        (["info", "huge.ko"], 1, "huge.ko: 3221225472 bytes"),
        (["try", "huge.ko"], 1, "huge.ko: 3221225472 bytes"),
        (["try", "pipe.ko"], 1, "pipe.ko: a named pipe"),
        (["try"], 2, "the following arguments are required: FILE (pyinsmod try -h explains)"),
        (["check", ""], 2, "'': no such file or folder"),
        (["check", "nothing.ko"], 2, "nothing.ko: no such file or folder"),
        (["check", "loop.ko"], 2, "loop.ko: too many levels of symbolic links"),
        (["check", "text.ko/x"], 2, "text.ko/x: not a directory"),
        (["check", "folder"], 2, "folder: no modules below this folder"),
        (["check", "--sarif", "folder", "text.ko", "pipe.ko"], 2, "--sarif folder: a folder"),
        (["check", "--junit", "text.ko/x/y", "text.ko", "pipe.ko"], 2, "--junit text.ko/x/y: "),
        (["check", "--since", "6.1", "--kernel", "6.1", "text.ko"], 2, "--since 6.1: that is the kernel itself"),
        # A command that is none.
        (["chekc", "text.ko"], 1, "chekc: no such file or directory; did you mean pyinsmod check?"),
        (["vmm", "list"], 1, "did you mean pyinsmod vm?"),
        (["rmmod", "dummy"], 1, "did you mean pyinsmod unload?"),
        (["help"], 1, "did you mean pyinsmod -h?"),
        (["vm", "lisst"], 2, "invalid choice: 'lisst'"),
        # Kernels.
        (["check", "--kernel", "nosuch", "text.ko"], 2, "unknown kernel 'nosuch'"),
        (["check", "--kernel", "", "text.ko"], 2, "--kernel wants the name of a kernel"),
        (["check", "--kernel", "text.ko", "text.ko"], 2, "text.ko: no kernel image"),
        (["check", "--kernel", "folder", "text.ko"], 2, "folder: no kernel in this folder"),
        (["check", "--kernel", "all", "text.ko"], 2, "--kernel all is for folders and packages"),
        (["check", "--kernel"], 2, "expected one argument"),
        (["try", "text.ko", "--kernel", "nosuch"], 2, "unknown kernel 'nosuch'"),
        (["vm", "fetch"], 2, "the following arguments are required: KERNEL"),
        (["vm", "fetch", "nosuch"], 2, "unknown kernel 'nosuch'"),
        (["vm", "run", "nosuch", "--", "true"], 2, "unknown kernel 'nosuch'"),
        (["validate", "--kernel", "nosuch"], 2, "unknown kernel 'nosuch'"),
        (["validate", "--loader", "nosuch"], 2, "unknown loader 'nosuch'"),
        # Options and numbers.
        (["--nosuch", "text.ko"], 2, "unrecognized arguments: --nosuch"),
        (["--syscall", "open", "text.ko"], 2, "invalid choice: 'open'"),
        (["check", "--nosuch", "text.ko"], 2, "unrecognized arguments: --nosuch"),
        (["check", "--jobs", "0", "folder"], 2, "'0' is not a whole number above 0"),
        (["try", "--timeout", "nan", "text.ko"], 2, "'nan' is not a number of seconds above 0"),
        (["vm", "run", "6.1", "--timeout", "-1", "--", "true"], 2, "'-1' is not a number of seconds above 0"),
        (["vm", "run", "6.1"], 2, "the following arguments are required: COMMAND"),
        (["vm", "run", "6.1", "--put", "nothing", "--", "true"], 2, "--put nothing: No such file or directory"),
        (["vm", "shell", "6.1"], 2, "vm shell wants a terminal"),
        (["watch", "--seconds", "inf"], 2, "'inf' is not a number of seconds above 0"),
        (["validate", "--workers", "x"], 2, "'x' is not a whole number above 0"),
        (["completion", "csh"], 2, "invalid choice: 'csh'"),
        (["unload", ""], 2, "the module's name is empty"),
        # Traces.
        (["trace"], 2, "no command to trace"),
        (["trace", "--", "nosuchcommand"], 127, "cannot execute 'nosuchcommand': No such file or directory"),
        (["trace", "--calls", "nosuchcall", "--", "true"], 2, "no such system call: 'nosuchcall'"),
        (["trace", "--calls", "", "--", "true"], 2, "--calls names no system call"),
        (["trace", "-s", "-1", "--", "true"], 2, "not a number of bytes: '-1'"),
        (["trace", "-p", "x"], 2, "not a process id: 'x'"),
        (["trace", "-o", "nothing/x", "--", "true"], 2, "cannot write 'nothing/x': No such file or directory"),
        (["trace", "-o", "/dev/full", "--", "true"], 1, "writing /dev/full: No space left on device"),
        (["trace", "--inject", "x", "--", "true"], 2, "cannot inject 'x'"),
        # Documents.
        (["validate", "nothing.md"], 2, "nothing.md: No such file or directory"),
        (["validate", "text.ko"], 2, "no claims beside it, in text.claims.toml; --claims names others"),
        (["validate", "--claims", "nothing.toml"], 2, "nothing.toml: No such file or directory"),
        (["validate", "--html", "folder"], 2, "--html folder: a folder"),
        (["validate", "--json", "text.ko/x"], 2, "/text.ko is no folder"),
        (["validate", "folder"], 2, "folder: Is a directory"),
        (["validate", "man:nosuch(9)"], 2, "a manual page is named man:NAME(SECTION)"),
    ],
    ids=lambda value: " ".join(map(str, value)) or "nothing" if isinstance(value, list) else "",
)  # fmt: skip
def test_a_mistake_is_one_line_and_its_status(
    folder: Path, words: Sequence[str | bytes], status: int, said: str
) -> None:
    done = pyinsmod(words, folder)
    assert (done.returncode, done.stdout) == (status, "")
    assert said in done.stderr
    assert done.stderr.startswith("pyinsmod: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["text.ko", "empty.ko", "cut.ko", "huge.ko", "pipe.ko", b"\xff\xfe.ko"])
def test_whatever_is_no_module_is_refused_beforehand(folder: Path, name: str | bytes) -> None:
    done = pyinsmod(["check", name], folder)
    assert (done.returncode, done.stderr) == (1, "")
    assert ": refused E" in done.stdout.partition("\n")[0]


def test_a_remedy_for_a_name_that_is_not_text_can_be_pasted(folder: Path) -> None:
    remedy = pyinsmod(["check", b"\xff\xfe.ko"], folder).stdout.rpartition("sha256sum ")[2]
    done = subprocess.run(["bash", "-c", f"cat {remedy}"], cwd=folder, capture_output=True, check=True)
    assert done.stdout == b"x"


@pytest.mark.parametrize("words", ["-h", "-V", "vm list", "check text.ko", "check --json text.ko", "load -h"])
def test_a_reader_that_goes_away_is_no_disaster(folder: Path, words: str) -> None:
    done = in_shell(f"exec 3>&1; {{ $P {words} 1>&3 3>&-; echo $? >status; }} 3>&1 | true", folder)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("words", ["-h", "-V", "vm list", "check text.ko", "check --json text.ko"])
def test_output_that_cannot_be_written_is_said_once(folder: Path, words: str) -> None:
    done = in_shell(f"$P {words} >/dev/full", folder)
    assert (done.returncode, done.stderr) == (1, "pyinsmod: cannot write the output: No space left on device\n")


@pytest.mark.parametrize(
    ("words", "status"),
    [("-h >&-", 0), ("check text.ko >&-", 1), ("vm list >&- <&-", 0), ("text.ko 2>&-", 1), ("check 2>&-", 2),
     ("check 2>/dev/full", 2), ("check --nosuch 2>/dev/full", 2)],
)  # fmt: skip
def test_a_closed_stream_leaves_the_status(folder: Path, words: str, status: int) -> None:
    done = in_shell(f"$P {words}", folder)
    assert (done.returncode, done.stdout, done.stderr) == (status, "", "")


def test_a_file_does_not_get_the_number_of_a_closed_stream(folder: Path) -> None:
    done = in_shell("$P trace --calls openat -o trace -- sh -c 'ls -l /proc/self/fd >&2' >&-; cat trace", folder)
    assert "execve" not in done.stderr
    assert "trace" not in done.stderr  # that file is not open in the command


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_locale_without_our_characters_gets_them_escaped(folder: Path, encoding: str) -> None:
    done = pyinsmod(["-h"], folder, {"PYTHONIOENCODING": encoding})
    assert (done.returncode, done.stderr) == (0, "")
    assert "[NAME=VALUE\\u2026]" in done.stdout


def test_poor_surroundings_change_nothing(folder: Path) -> None:
    usual = pyinsmod(["check", "text.ko"], folder).stdout
    poor = {"TERM": "dumb", "COLUMNS": "1", "NO_COLOR": "1", "LC_ALL": "C", "HOME": "/nonexistent"}
    assert pyinsmod(["check", "text.ko"], folder, poor).stdout == usual


@pytest.mark.parametrize("place", ["text.ko", "text.ko/below", "/proc/nosuch"])
@pytest.mark.parametrize("words", [["vm", "fetch", "6.1"], ["validate"], ["check", "--kernel", "6.1", "text.ko"]])
def test_a_cache_that_cannot_be_is_said_with_what_to_do(folder: Path, words: Sequence[str], place: str) -> None:
    done = pyinsmod(words, folder, {"PYINSMOD_CACHE": place})
    assert done.returncode in (1, 3)
    line = done.stderr.splitlines()[-1]
    assert "the cache " in line
    assert "set PYINSMOD_CACHE to another folder" in line
    assert "Traceback" not in done.stderr


def in_shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "P": " ".join(PROGRAM)}
    return subprocess.run(
        ["sh", "-c", line], cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=SECONDS, check=False,
    )  # fmt: skip
