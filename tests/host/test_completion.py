"""Completion in real shells on a real terminal: type, press tab, look at the line."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SHELLS = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
    "fish": ["fish", "--no-config", "-i"],
}
LOADS = {
    "bash": 'eval "$(pyinsmod completion bash)"',
    "zsh": 'autoload -U compinit; compinit -u; eval "$(pyinsmod completion zsh)"',
    "fish": "pyinsmod completion fish | source",
}
SECONDS = 30.0


class Terminal:
    """A shell at the other end of a pseudo-terminal."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._seen = ""

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._descriptor, text.encode())

    def wait_for(self, pattern: str) -> str:
        """Return what was shown since the last wait, once the pattern is in it."""
        deadline = time.monotonic() + SECONDS
        while not re.search(pattern, self._seen):
            ready, _, _ = select.select([self._descriptor], [], [], deadline - time.monotonic())
            assert ready, f"no {pattern!r} in {self._seen!r}"
            # Without colours and cursor movements.
            text = os.read(self._descriptor, 65536).decode(errors="replace")
            self._seen += re.sub(r"\x1b(\[[0-9;?>=]*[a-zA-Z]|[()][A-Z0-9]|[=>])", "", text)
        seen, self._seen = self._seen, ""
        return seen


@contextmanager
def shell(name: str, home: Path) -> Iterator[Terminal]:
    pid, descriptor = pty.fork()
    if pid == 0:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        os.chdir(home)
        os.execvpe(  # noqa: S606 - it is the shell
            SHELLS[name][0], SHELLS[name], {"PATH": path, "HOME": str(home), "TERM": "xterm", "LANG": "C.UTF-8"}
        )
    try:
        terminal = Terminal(descriptor)
        terminal.type(f"{LOADS[name]}; echo rea''dy\n")
        terminal.wait_for("ready")
        yield terminal
    finally:
        os.kill(pid, signal.SIGKILL)
        os.close(descriptor)
        os.waitpid(pid, 0)


@pytest.mark.parametrize("name", SHELLS)
def test_commands_options_kernels_and_files_are_completed(name: str, tmp_path: Path) -> None:
    assert shutil.which(name), f"{name} is not installed: tools/setup-host test"
    (tmp_path / "mymod.ko").touch()
    with shell(name, tmp_path) as terminal:
        for typed, completed in (
            ("pyinsmod val", "pyinsmod validate "),
            ("pyinsmod check --no-rel", "pyinsmod check --no-relocations "),
            ("pyinsmod try --kernel 6.1-r", r"pyinsmod try --kernel 6\.1-rt "),
            ("pyinsmod check mym", r"pyinsmod check mymod\.ko "),
        ):
            terminal.type(typed + "\t")
            terminal.wait_for(completed)
            terminal.type("\x15")
