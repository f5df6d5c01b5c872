"""What `pyinsmod check FILE` costs inside a machine, beside starting Python and reading /proc/kallsyms.

Both sides run in one guest, in turn, so that an emulator that is slow is slow for all of them. `pyinsmod` is a new
process here, by its file in /usr/bin, as for a user of the machine; what the guest's agent starts as `pyinsmod` is
a fork of itself with everything imported, and no measure of this. On a busy machine the fastest runs tell most.

    first    the kernel's facts are not yet remembered; to be at most 1.5 x (python3 -c pass + cat /proc/kallsyms)
    later    they are, in /run/pyinsmod/facts;          to be at most 2 x python3 -c pass

    .venv/bin/python benchmarks/check_speed.py [KERNEL…]
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
from collections.abc import Sequence

from benchmarks.markdown import limit, machine, milliseconds, table
from pyinsmod.cli.guest import guest_content
from tracer.experiments.module_spec import ModuleSpec, build
from vm.jobs import Job
from vm.kernel_store import fetch
from vm.run import laboratory

ROUNDS = 15

# Runs in the guest. Round 0 lets Python keep what it compiled, as an installed program has it.
MEASURE = """
import json, os, shutil, sys, time

QUIET = [(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)]

def seconds(*command):
    before = time.perf_counter()
    child = os.posix_spawnp(command[0], command, os.environ, file_actions=QUIET)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status:
        sys.exit(f"{command}: status {status}")
    return time.perf_counter() - before

taken = {name: [] for name in ("python3 -c pass", "cat /proc/kallsyms", "first", "later")}
for _ in range(int(sys.argv[1]) + 1):
    shutil.rmtree("/run/pyinsmod", ignore_errors=True)
    taken["python3 -c pass"].append(seconds("python3", "-c", "pass"))
    taken["cat /proc/kallsyms"].append(seconds("cat", "/proc/kallsyms"))
    taken["first"].append(seconds("pyinsmod", "check", "m.ko"))
    taken["later"].append(seconds("pyinsmod", "check", "m.ko"))
print(json.dumps({name: times[1:] for name, times in taken.items()}))
"""


def main(kernels: Sequence[str]) -> int:
    """Measure on each kernel and print its table."""
    print(machine())
    for kernel in kernels or ("5.10", "6.1", "6.12", "7.2"):
        show(kernel, asyncio.run(measured(kernel)))
    return 0


async def measured(kernel: str) -> dict[str, list[float]]:
    """Return what was taken in a machine of this kernel, in seconds."""
    module = build(ModuleSpec(), fetch(kernel).root)
    files = {"m.ko": module, "measure.py": MEASURE.encode()}
    async with laboratory(fetch(kernel), guest_content(), lambda text: print(text, file=sys.stderr)) as machines:
        result = await machines.run(Job(("python3", "measure.py", str(ROUNDS)), files=files))
    if result.status:
        raise SystemExit(f"{kernel}: {result.stderr.decode(errors='replace')}")
    taken: dict[str, list[float]] = json.loads(result.stdout)
    return taken


def show(kernel: str, taken: dict[str, list[float]]) -> None:
    """Print one kernel's table, and the ratios that are wanted."""
    rows = [(name, milliseconds(statistics.median(times)), milliseconds(min(times))) for name, times in taken.items()]
    print(table(f"check of one module inside a machine with {kernel}", ("median", "fastest"), rows))
    for kind, of in (("medians", statistics.median), ("fastest", min)):
        start, names, first, later = (of(times) for times in taken.values())
        print(limit(f"{kind}: first / (python3 -c pass + cat /proc/kallsyms)", first / (start + names), 1.5))
        print(limit(f"{kind}: later / python3 -c pass", later / start, 2.0))
    print()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
