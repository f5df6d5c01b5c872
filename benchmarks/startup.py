"""What `pyinsmod FILE` costs beside `python3 -c pass` and kmod's `insmod`, in one run: medians and ratios.

The file is one that every loader refuses at once, so that nothing is loaded: what is left is start-up, reading and
saying why. A second file is whole and has an undefined symbol, so that the kernel's exports have to be read.

    .venv/bin/python benchmarks/startup.py [MODULE.ko]
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.markdown import machine, milliseconds, table

ROUNDS = 30


def main(arguments: Sequence[str]) -> int:
    """Measure each command in turn, round by round, so that a busy machine is busy for all of them."""
    with tempfile.TemporaryDirectory() as folder:
        damaged = Path(folder, "damaged.ko")
        damaged.write_bytes(b"\x7fFLE".ljust(4096, b"\0"))
        commands = _commands(damaged, arguments)
        environment = _environment(Path(folder))
        taken: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(ROUNDS + 1):
            for name, command in commands.items():
                taken[name].append(_seconds(command, environment))
    base = statistics.median(taken["python3 -c pass"][1:])
    medians = {name: statistics.median(seconds[1:]) for name, seconds in taken.items()}
    rows = [(name, milliseconds(median), f"{median / base:.2f} ×") for name, median in medians.items()]
    print(machine())
    print(table("a whole process", ("median", "of python3 -c pass"), rows))
    return 0


def _commands(damaged: Path, modules: Sequence[str]) -> dict[str, tuple[str, ...]]:
    pyinsmod = (sys.executable, "-m", "pyinsmod")
    commands = {
        "python3 -c pass": (sys.executable, "-c", "pass"),
        "pyinsmod (not ELF)": (*pyinsmod, str(damaged)),
        "pyinsmod -v (not ELF)": (*pyinsmod, "-v", str(damaged)),
    }
    commands.update({f"pyinsmod check {Path(module).name}": (*pyinsmod, "check", module) for module in modules})
    insmod = shutil.which("insmod", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if insmod is None:
        print("no insmod here to stand beside: apt install kmod", file=sys.stderr)
    else:
        commands["insmod (not ELF)"] = (insmod, str(damaged))
    return commands


def _environment(folder: Path) -> dict[str, str]:
    """Return an environment in which Python keeps what it compiled, as for an installed program; round 0 fills it."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPYCACHEPREFIX": str(folder / "compiled")}


def _seconds(command: Sequence[str], environment: dict[str, str]) -> float:
    before = time.perf_counter()
    subprocess.run(command, capture_output=True, check=False, env=environment)
    return time.perf_counter() - before


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
