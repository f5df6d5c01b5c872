"""A fresh machine, one insmod and its result: `pyinsmod vm run` against virtme-ng's cold boot, same kernel.

Both load the same module into the same real-time kernel (virtme-ng needs 9p, which the cloud kernels lack),
without KVM, in turn, in one run. Needs root, because virtme-ng looks for modules below /lib/modules only: a link
is put there for the time of the run.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.markdown import limit, machine, table
from vm.cache import cache_root
from vm.kernel_store import Kernel, fetch

KERNEL = "6.1-rt"
MODULE = "kernel/drivers/net/dummy.ko"
ROUNDS = 5


def main() -> int:
    """Print a table and return the status."""
    if os.geteuid() != 0:
        print("needs root, for virtme-ng's sake", file=sys.stderr)
        return 2
    kernel = fetch(KERNEL)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed program has its byte code
    ours = [
        sys.executable,
        "-m",
        "pyinsmod",
        "vm",
        "run",
        KERNEL,
        "--",
        "insmod",
        f"/lib/modules/{kernel.release}/{MODULE}",
    ]
    subprocess.run(ours, check=True, stdin=subprocess.DEVNULL)  # the snapshot, once
    with modules_linked(kernel):
        theirs, environment = virtme_ng(kernel)
        pairs = [(timed(ours), timed(theirs, environment)) for _ in range(ROUNDS)]
    ratios = [one / other for one, other in pairs]
    rows = [
        (name, f"{statistics.median(times):.2f} s", f"{min(times):.2f} s", f"{max(times):.2f} s")
        for name, times in zip(("pyinsmod vm run", "virtme-ng"), zip(*pairs, strict=True), strict=True)
    ]
    print(machine())
    print(table("insmod in a fresh machine", ("median", "least", "most"), rows))
    print(limit("pyinsmod vm run / virtme-ng", statistics.median(ratios), 0.05))
    return 0


def timed(command: list[str], environment: dict[str, str] | None = None) -> float:
    """Return the seconds a whole process takes; an insmod that failed is no measurement."""
    started = time.perf_counter()
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    seconds = time.perf_counter() - started
    # Without a terminal virtme-ng cannot pass the script's status on (255), but its init prints it.
    if done.returncode and b"script exited with code 0" not in done.stderr + done.stdout:
        raise SystemExit(f"{command[0]} failed: {done.stderr.decode(errors='replace')[-500:]}")
    return seconds


def virtme_ng(kernel: Kernel) -> tuple[list[str], dict[str, str]]:
    """Return virtme-ng's command line and environment; it is installed into the cache on first use."""
    tools = cache_root() / "benchmarks/virtme-ng"
    if not (tools / "bin/vng").exists():
        subprocess.run([sys.executable, "-m", "venv", str(tools)], check=True)
        subprocess.run([str(tools / "bin/pip"), "install", "-q", "virtme-ng"], check=True)
    static = tools / "busybox"
    static.mkdir(exist_ok=True)
    shutil.copy(next(filter(runs_here, cache_root().glob("userland/*/usr/bin/busybox"))), static / "busybox")
    environment = {**os.environ, "PATH": f"{static}:{tools / 'bin'}:{os.environ['PATH']}"}
    script = f"insmod /lib/modules/{kernel.release}/{MODULE}"
    return ["vng", "--verbose", "--disable-kvm", "--force-9p", "-r", str(kernel.vmlinuz), "--", script], environment


def runs_here(program: Path) -> bool:
    """Tell whether a program is one for this machine's architecture."""
    try:
        return subprocess.run([program, "true"], check=False).returncode == 0
    except OSError:
        return False


@contextmanager
def modules_linked(kernel: Kernel) -> Iterator[None]:
    """Let the host see the kernel's modules for a while; with the indices depmod makes of them."""
    link = Path("/lib/modules") / kernel.release
    made = not link.exists()
    if made:
        link.parent.mkdir(exist_ok=True)
        copy = cache_root() / "benchmarks" / kernel.release
        shutil.copytree(kernel.modules, copy, dirs_exist_ok=True)
        link.symlink_to(copy)
        subprocess.run(["depmod", kernel.release], check=True)
    try:
        yield
    finally:
        if made:
            link.unlink()


if __name__ == "__main__":
    sys.exit(main())
