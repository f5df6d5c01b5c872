"""Set-user-ID programs: who traces them changes what they may do, and nothing else; with strace it is the same.

The kernel gives a traced program the rights of its file's owner only when the tracer has CAP_SYS_PTRACE (ptrace(2),
execve(2)). So root sees such a program as it is, and anybody else sees it run with his own rights.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.host import strace_lines

ROOT, USER, OTHER = 0, 65534, 65533

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user: sudo .venv/bin/pytest tests/host")

# Becomes the user only when everything is imported, which that user may not be able to read.
OURS = """
import ctypes, os, sys
from pyinsmod.cli import main
from tracer.decode.lookup import signatures
user, out, *command = sys.argv[1:]
main(["trace", "-o", os.devnull, "--", "true"])
signatures()
os.setgroups([]); os.setgid(int(user)); os.setuid(int(user))
ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # dumpable again, as after an exec: else it may not be traced
sys.exit(main(["trace", "-o", out, "--", *command]))
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder for every user, where set-user-ID counts."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        path.chmod(0o777)
        if os.statvfs(path).f_flag & os.ST_NOSUID:
            pytest.skip(f"{path.parent} is mounted nosuid: TMPDIR=/var/tmp .venv/bin/pytest tests/host")
        yield path


def program_of(owner: int, folder: Path) -> str:
    """Return a program that says who it is, and is so with the owner's rights."""
    found = shutil.which("id")
    assert found is not None
    program = folder / "id"
    shutil.copyfile(found, program)
    os.chown(program, owner, owner)
    program.chmod(0o4755)
    return str(program)


def output(command: Sequence[str], user: int = ROOT) -> str:
    """Return what a command says when a user runs it."""
    done = subprocess.run(command, user=user, group=user, extra_groups=[], check=True, capture_output=True, text=True)
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize(
    ("tracer", "owner", "effective"),
    [(ROOT, USER, USER), (ROOT, ROOT, ROOT), (USER, ROOT, USER), (USER, OTHER, USER), (USER, USER, USER)],
)
def test_a_set_user_id_program(folder: Path, tracer: int, owner: int, effective: int) -> None:
    program = program_of(owner, folder)
    assert (f" euid={owner}" in output([program], tracer)) == (owner != tracer)
    said = output([sys.executable, "-c", OURS, str(tracer), f"{folder}/ours", program])
    assert said.startswith(f"uid={tracer}(")
    assert (f" euid={effective}" in said) == (effective != tracer)
    trace = strace_lines.read((folder / "ours").read_text())
    assert trace.raw[-1].endswith("+++ exited with 0 +++")

    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace, the oracle, is missing: apt-get install strace")
    assert said == output([strace, "-f", "-o", f"{folder}/theirs", program], tracer)
    expected = strace_lines.read((folder / "theirs").read_text())
    assert strace_lines.first_difference(expected, trace) is None
