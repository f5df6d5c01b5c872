"""What tracing adds to a load: `finit_module` in a machine, untraced, traced, and traced with the kernel's side.

All ways in turn in one machine, so that a busy host is busy for all of them. The call's own time is from its entry to
its exit (for untraced loads: as the loading program sees it, there is nothing else); what the loader waits for at
the borders, where the modules' states are looked at, is in the second row of each way.

    .venv/bin/python benchmarks/trace_load.py [KERNEL…]
"""

from __future__ import annotations

import asyncio
import json
import lzma
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.markdown import limit, machine, milliseconds, table
from pyinsmod.cli.guest import guest_content
from vm.jobs import Job
from vm.kernel_store import Kernel, fetch
from vm.run import laboratory

MODULE = "dummy"
LOADS, TURNS = 10, 3
WANTED = 1.3
SECONDS = 600.0
SCRIPT = Path(__file__).parent / "guest/loads.py"
Times = dict[str, dict[str, list[int]]]


def main(names: Sequence[str]) -> int:
    """Print a table for each kernel."""
    print(machine())
    for name in names or ("6.1", "7.2"):
        _show(name, asyncio.run(_measured(fetch(name))))
    return 0


def _show(kernel: str, times: Times) -> None:
    base = times["untraced"]["loader"]
    rows, ratios = [], dict[str, float]()
    for way, seen in times.items():
        for where, durations in (("the call itself", seen["tracer"]), ("as the loader sees it", seen["loader"])):
            if durations:
                ratio = statistics.median(durations) / statistics.median(base)
                ratios[way] = ratios.get(way, ratio)
                rows.append((f"{way}, {where}", *_columns(durations), f"{ratio:.2f} ×"))
    print(
        table(f"finit_module of {MODULE}.ko, {len(base)} loads each way, {kernel}", ("median", "least", "ratio"), rows)
    )
    for way, ratio in ratios.items():
        if way != "untraced":
            print(limit(f"{way}, the call itself / untraced", ratio, WANTED))
    print()


def _columns(durations: Sequence[int]) -> tuple[str, str]:
    return milliseconds(statistics.median(durations) / 1e9), milliseconds(min(durations) / 1e9)


async def _measured(kernel: Kernel) -> Times:
    async with laboratory(kernel, guest_content(), lambda text: print(f"  {text}", file=sys.stderr)) as machines:
        job = Job(
            ("python3", "loads.py", f"/root/{MODULE}.ko", str(LOADS), str(TURNS)),
            files={"/root/loads.py": SCRIPT.read_bytes(), f"/root/{MODULE}.ko": _module(kernel)},
            seconds=SECONDS,
        )
        result = await machines.run(job)
    if result.status:
        raise SystemExit(result.stderr.decode(errors="replace")[-800:])
    times: Times = json.loads(result.stdout)
    return times


def _module(kernel: Kernel) -> bytes:
    (path,) = kernel.modules.rglob(f"{MODULE}.ko*")
    content = path.read_bytes()
    return lzma.decompress(content) if path.suffix == ".xz" else content


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
