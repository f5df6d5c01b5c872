"""Commands under `strace -f` and under our tracer: the same text, line by line, but for what varies by itself.

The oracle is the strace installed here (6.1 when this was written). What is normalised stands in `strace_lines`.
A program's own order of events can differ between two runs (threads, a child that is quicker than its parent),
so a command has several tries to agree; text that is wrong differs in all of them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.host import strace_lines
from tests.host.strace_lines import Trace
from tests.host.traced_programs import COMMANDS, LEFT_OUT, PROGRAM_32
from tracer.decode import decoded_calls

_TRIES = 8
_ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def strace() -> str:
    found = shutil.which("strace")
    if found is None:
        message = "strace, the oracle of these tests, is missing: apt-get install strace"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return found


def prepare(folder: Path) -> Path:
    """Return an empty folder, always of the same name, with a few files."""
    work = folder / "work"
    shutil.rmtree(work, ignore_errors=True)
    (work / "folder").mkdir(parents=True)
    (work / "one").write_text("one line\nanother\n")
    (work / "folder" / "two").write_text("two\n")
    (work / "folder" / "link").symlink_to("two")
    for path in (work / "one", work / "folder" / "two", work / "folder", work):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    return work


def environment() -> dict[str, str]:
    """Return the same environment for both, and little of it."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return {**kept, "LC_ALL": "C.UTF-8", "TZ": "UTC", "PERL_HASH_SEED": "0", "PYTHONHASHSEED": "0"}


def under_strace(strace: str, command: list[str], folder: Path) -> tuple[Trace, int]:
    """Return the trace and the exit status."""
    done = subprocess.run(
        [strace, "-f", "-o", folder / "theirs", "--", *command],
        check=False,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        cwd=prepare(folder),
        env=environment(),
        timeout=60,
    )
    return strace_lines.read((folder / "theirs").read_text(errors="replace")), done.returncode


# Our tracer in a process of its own, whose command gets just the environment that strace's gets.
_RUN = """
import os, sys
sys.path.insert(0, {root!r})
for name in [name for name in os.environ if name.startswith("COVERAGE")]:
    del os.environ[name]
from pyinsmod.cli import main
sys.exit(main())
"""


def under_ours(command: list[str], folder: Path) -> tuple[Trace, int]:
    """Return the same from our tracer."""
    options = ["trace", "--format", "strace", "-o", str(folder / "ours")]
    done = subprocess.run(
        [sys.executable, "-c", _RUN.format(root=str(_ROOT)), *options, "--", *command],
        check=False,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        cwd=prepare(folder),
        env={**environment(), **{name: text for name, text in os.environ.items() if name.startswith("COVERAGE")}},
        timeout=60,
    )
    return strace_lines.read((folder / "ours").read_text(errors="replace")), done.returncode


def without(trace: Trace, calls: tuple[str, ...]) -> Trace:
    """Return a trace without the lines of some calls."""
    starts = tuple(f"{name}(" for name in calls)
    tasks = {place: [line for line in lines if not line.startswith(starts)] for place, lines in trace.tasks.items()}
    return trace._replace(tasks=tasks)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_text_is_straces(name: str, strace: str, tmp_path: Path) -> None:
    command = COMMANDS[name]
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is missing: apt-get install {command[0]}")
    compare(name, command, strace, tmp_path)


def compare(name: str, command: list[str], strace: str, folder: Path) -> None:
    """Fail with the first line that differs."""
    difference: str | None = None
    for _ in range(_TRIES):
        expected, status = under_strace(strace, command, folder)
        got, our_status = under_ours(command, folder)
        assert our_status == (status if status >= 0 else 128 - status)
        not_decoded = sorted(strace_lines.calls_of(expected) - decoded_calls())
        assert not not_decoded, f"no signature for {', '.join(not_decoded)}"
        misplaced = [line for line in got.raw if not strace_lines.padded(line)]
        assert not misplaced
        left_out = LEFT_OUT.get(name, ())
        difference = strace_lines.first_difference(without(expected, left_out), without(got, left_out))
        if difference is None:
            return
    pytest.fail(f"{name}: {difference}")


def test_straces_own_text_is_read_as_ours_is(strace: str, tmp_path: Path) -> None:
    """The padding rule the tests above hold us to is strace's, on a trace where no call was split."""
    expected, _ = under_strace(strace, ["cat", "one"], tmp_path)
    assert len(expected.tasks["0"]) > 10
    assert all(map(strace_lines.padded, expected.raw))


@pytest.fixture
def program_32(tmp_path: Path) -> list[str]:
    """Make a program of 32-bit x86 from assembler; it needs no library."""
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("gcc is missing: apt-get install gcc")
    path = tmp_path / "program32"
    (tmp_path / "program32.S").write_text(PROGRAM_32)
    options = ["-m32", "-nostdlib", "-static", "-o", str(path), str(tmp_path / "program32.S")]
    done = subprocess.run([compiler, *options], check=False, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"gcc makes no 32-bit programs here: {done.stderr[:200]}")
    return [str(path)]


def test_the_text_of_a_32_bit_program_is_straces(program_32: list[str], strace: str, tmp_path: Path) -> None:
    compare("32-bit", program_32, strace, tmp_path)
