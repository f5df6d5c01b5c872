"""Make the README's picture of a terminal: commands run on a real one, and what they print on it.

`make picture`, or `python -m tools.session PICTURE.svg`. What commands say on stderr, how far they are, is left out.
"""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from tracer.experiments.module_spec import ModuleSpec, build
from vm.kernel_store import fetch

COLUMNS, LINES = 112, 50
#: The modules of the README's examples, made from those of kernel 6.1.
MODULES: Mapping[str, ModuleSpec] = {
    "hello.ko": ModuleSpec("hello"),
    "mymod.ko": ModuleSpec(faults=("vermagic-without:preempt",)),
    "crasher.ko": ModuleSpec("crasher", faults=("section-field:.gnu.linkonce.this_module.flags=&~1",)),
}
COMMANDS = (
    "pyinsmod check mymod.ko --kernel 6.1",
    "pyinsmod try crasher.ko --kernel 6.1 | grep -v '^  log:'",
    "pyinsmod try hello.ko --kernel 6.1",
    "pyinsmod validate --kernel 6.1 --loader kmod --claim step-3-read --claim step-13-aborted",
)
# A picture asks nobody for letters.
FOREIGN_FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


def main(arguments: Sequence[str]) -> int:
    """Write the picture; 1 when a command could not be run."""
    screen = Console(width=COLUMNS, record=True, file=io.StringIO(), force_terminal=True)
    with tempfile.TemporaryDirectory() as name:
        write_modules(Path(name))
        for command in COMMANDS:
            shown = on_a_terminal(command, Path(name))
            if not shown.strip():
                print(f"{command} printed nothing", file=sys.stderr)
                return 1
            screen.print(Text.assemble(("$ ", "bold green"), (command, "bold")))
            screen.print(Text.from_ansi(shown.replace("\r\n", "\n").strip()), end="\n\n")
    picture = screen.export_svg(title="pyinsmod", theme=MONOKAI, unique_id="session")
    Path(arguments[0]).write_text(FOREIGN_FONTS.sub("", picture), encoding="utf-8")
    return 0


def write_modules(folder: Path) -> None:
    """Write the modules of the examples into a folder."""
    tree = fetch("6.1").root
    for name, spec in MODULES.items():
        (folder / name).write_bytes(build(spec, tree))


def on_a_terminal(command: str, folder: Path) -> str:
    """Run a shell command with a terminal for its output, and return what it wrote on that."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", LINES, COLUMNS, 0, 0))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "TERM": "xterm-256color", "COLUMNS": str(COLUMNS)}
    with subprocess.Popen(
        ["sh", "-c", command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
    ):
        os.close(theirs)
        return read_to_the_end(ours).decode(errors="replace")


def read_to_the_end(terminal: int) -> bytes:
    """Return all that is written to a terminal's other side, and close this one."""
    parts = []
    with open(terminal, "rb", buffering=0) as stream:
        try:
            while part := stream.read(1 << 16):
                parts.append(part)
        except OSError:  # EIO: nobody has the other side open any more
            pass
    return b"".join(parts)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
