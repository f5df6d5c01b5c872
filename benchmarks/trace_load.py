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
    for name in names or ("6.1", "7.2"):
        kernel = fetch(name)
        times = asyncio.run(_measured(kernel))
        untraced = times["untraced"]["loader"]
        print(f"{name}: finit_module of {MODULE}.ko, {len(untraced)} loads each way (wanted: at most {WANTED} x)")
        for way, seen in times.items():
            for where, durations in (("the call itself", seen["tracer"]), ("as the loader sees it", seen["loader"])):
                if durations:
                    _row(f"{way}, {where}", durations, untraced)
    return 0


def _row(title: str, durations: list[int], base: list[int]) -> None:
    median, least = statistics.median(durations), min(durations)
    print(
        f"  {title:52} median {median / 1e6:7.2f} ms {median / statistics.median(base):5.2f} x"
        f"   least {least / 1e6:7.2f} ms {least / min(base):5.2f} x"
    )


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
