"""What `pyinsmod check FOLDER` costs beside `depmod -n -e -E Module.symvers`, on Debian's generic kernel, in one run.

depmod checks symbols and their versions and no more. Whole processes, in turn, round by round, so that a busy machine
is busy for all of them; the best round of each counts, and the median of the ratios of one round is shown beside it.
Each ratio is there twice: cold, every file being looked at (`--no-cache`), and warm, when the same tree was checked
before and what was made of its files is kept. Kernels' facts and the files themselves are in caches in both cases. A
further target is cold when nothing is kept of the tree for it, and warm when that is.

    .venv/bin/python -m benchmarks.tree_speed [ROUNDS]
"""

from __future__ import annotations

import lzma
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.generic_kernel import generic_kernel, modules_of, symvers_of
from benchmarks.markdown import limit, machine, table

ROUNDS = 5
CHECK = (sys.executable, "-m", "pyinsmod", "check")
PASS = (sys.executable, "-c", "pass")
QUICK = "--no-relocations"
# Whether what was made of the files in the round before may be used.
STATES: Mapping[str, tuple[str, ...]] = {"cold": ("--no-cache",), "warm": ()}
PAGE = 1 << 10
LARGEST = 300  # MB
# So many modules are compressed to compare with decompression alone: as many as a cloud kernel has.
PACKED = 1000


def main(arguments: Sequence[str]) -> int:
    """Print a table and return the status."""
    depmod = shutil.which("depmod", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if depmod is None:
        print("no depmod here to stand beside: apt install kmod", file=sys.stderr)
        return 2
    rounds = int(arguments[0]) if arguments else ROUNDS
    kernel = generic_kernel()
    modules, symvers = modules_of(kernel), symvers_of(kernel)
    target = ("--kernel", str(symvers.parent))
    with tempfile.TemporaryDirectory() as scratch:
        half, packed = _half(modules, Path(scratch)), _packed(modules, Path(scratch))
        commands: dict[str, Sequence[str] | Callable[[], None]] = {
            "depmod -n -e -E": (depmod, "-n", "-e", "-E", str(symvers), "-b", str(kernel), modules.name),
            "decompression alone": lambda: _unpack(packed),
            "python3 -c pass": PASS,
        }
        for how, options in STATES.items():
            check = (*CHECK, *options)
            commands |= {
                f"{how}: check, no relocations": (*check, QUICK, str(modules), *target),
                f"{how}: check": (*check, str(modules), *target),
                f"{how}: check, no relocations, 6.12 too": (*check, QUICK, str(modules), *target, "--kernel", "6.12"),
                f"{how}: check, no relocations, 6.1 too": (*check, QUICK, str(modules), *target, "--kernel", "6.1"),
                f"{how}: check, half the modules": (*check, str(half), *target),
                f"{how}: check, compressed": (*check, str(packed), *target),
            }
        taken = measured(commands, rounds)
        print_table(taken)
        for how, options in STATES.items():
            memory = _memory((*CHECK, *options, str(modules), *target)) / PAGE
            verdict = "holds" if memory <= LARGEST else "does not hold"
            print(f"- {how}: memory of all processes: {memory:.0f} MB. Limit {LARGEST} MB: **{verdict}**")
    return 0


def measured(commands: Mapping[str, Sequence[str] | Callable[[], None]], rounds: int) -> dict[str, list[float]]:
    """Run each command in turn; the first round fills caches and does not count."""
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name, command in commands.items():
            seconds = _seconds(command)
            if number:
                taken[name].append(seconds)
    return taken


def print_table(taken: Mapping[str, Sequence[float]]) -> None:
    """Print best times and the ratios that are wanted."""
    rows = [(name, f"{min(seconds):.2f} s", f"{statistics.median(seconds):.2f} s") for name, seconds in taken.items()]
    print(machine())
    print(table("a whole kernel's modules", ("best", "median"), rows))
    for how in STATES:
        print_limits(how, taken)


def print_limits(how: str, taken: Mapping[str, Sequence[float]]) -> None:
    """Print the ratios that are wanted, of one state."""
    first = taken[f"{how}: check, no relocations"]
    for name, one, other, wanted in (
        ("without relocations / depmod", f"{how}: check, no relocations", "depmod -n -e -E", 0.8),
        ("with relocations / depmod", f"{how}: check", "depmod -n -e -E", 2.0),
        ("twice the modules", f"{how}: check", f"{how}: check, half the modules", 2.1),
        ("compressed / decompression alone", f"{how}: check, compressed", "decompression alone", 1.2),
    ):
        _print_ratio(f"{how}: {name}", taken[one], taken[other], wanted)
    for other in ("6.12", "6.1"):
        both = taken[f"{how}: check, no relocations, {other} too"]
        more = [max(two - one, 0.0) for two, one in zip(both, first, strict=True)]
        best = min(both) - min(first)
        note = f" (median {statistics.median(more) / statistics.median(first):.2f} ×)"
        print(limit(f"{how}: a further target ({other}) / the first", best / min(first), 0.3, note))


def _print_ratio(name: str, one: Sequence[float], other: Sequence[float], wanted: float) -> None:
    ratios = [first / second for first, second in zip(one, other, strict=True)]
    best = min(one) / min(other)
    print(limit(name, best, wanted, f" (median {statistics.median(ratios):.2f} ×)"))


def _seconds(command: Sequence[str] | Callable[[], None]) -> float:
    """Return how long it takes; what the command finds out is no matter here."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    started = time.perf_counter()
    if callable(command):
        command()
    else:
        subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return time.perf_counter() - started


def _half(modules: Path, scratch: Path) -> Path:
    """Return a folder with every other module."""
    half = scratch / "half"
    for number, file in enumerate(sorted(modules.rglob("*.ko"))):
        if number % 2:
            place = half / file.relative_to(modules)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, place)
    return half


def _packed(modules: Path, scratch: Path) -> Path:
    """Return a folder with some of the modules, compressed as distributions do it."""
    packed = scratch / "packed"
    packed.mkdir()
    files = sorted(modules.rglob("*.ko"))
    for file in files[:: max(1, len(files) // PACKED)]:
        content = lzma.compress(file.read_bytes(), check=lzma.CHECK_CRC32, preset=1)
        (packed / f"{file.name}.xz").write_bytes(content)
    return packed


def _unpack(folder: Path) -> None:
    """Unpack everything with as many threads as there are processors: liblzma works without Python's lock."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda file: len(lzma.decompress(file.read_bytes())), sorted(folder.iterdir())))


def _memory(command: Sequence[str]) -> int:
    """Return the most that all of a command's processes held at once, in KiB, what they share counted once."""
    most = 0
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True
    ) as process:
        while process.poll() is None:
            most = max(most, sum(map(_share, _session(process.pid))))
            time.sleep(0.01)
    return most


def _session(leader: int) -> list[str]:
    found = []
    for name in filter(str.isdigit, (entry.name for entry in Path("/proc").iterdir())):
        try:
            fields = Path("/proc", name, "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == leader:
            found.append(name)
    return found


def _share(process: str) -> int:
    try:
        lines = Path("/proc", process, "smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
