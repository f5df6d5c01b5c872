"""Run a command as root in namespaces of its own: processes, mounts and networks it leaves behind end with it.

Inside, `/run`, libvirt's folders and the packet filter are the command's own, and the way out to the network is
slirp4netns's: no bridge, rule, daemon or mount of the host's is seen, changed or left, whichever way this ends.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

# PR_SET_PDEATHSIG outlives exec: whoever of these is started ends with its starter.
ENDS_WITH_US = ("setpriv", "--pdeathsig", "KILL")
OWN_NAMESPACES = ("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child=KILL", "--mount-proc")
# The first process, which has to fetch what others leave behind when they have ended, as a shell does while it waits.
FIRST = ("sh", "-c", '"$@"; exit $?', "sh")
DEVICE = "tap0"
PATIENCE = 10.0  # seconds; it takes milliseconds


def run_apart(command: Sequence[str]) -> int:
    """Run the command and return its exit status."""
    with subprocess.Popen([*ENDS_WITH_US, *OWN_NAMESPACES, *FIRST, *command]) as inside:
        try:
            _wait_until(lambda: _network(inside.pid) != _network(os.getpid()))
            way_out = ("slirp4netns", "--configure", "--mtu=1500", "--disable-host-loopback", str(inside.pid), DEVICE)
            with subprocess.Popen([*ENDS_WITH_US, *way_out], stdout=subprocess.DEVNULL) as network:
                try:
                    return inside.wait()
                finally:
                    network.terminate()
        finally:
            inside.kill()


def furnish(folder: Path) -> None:
    """Inside: have what libvirt keeps in a folder, its configuration too, and wait for the way out."""
    for place in ("etc/libvirt", "var/lib/libvirt", "var/log/libvirt", "var/cache/libvirt"):
        (folder / place).mkdir(parents=True)
        Path("/", place).mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "--bind", folder / place, Path("/", place)], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"], check=True)
    # Without control groups libvirt does without; with the host's it would make groups there.
    subprocess.run(["umount", "--recursive", "--lazy", "/sys/fs/cgroup"], check=False)
    Path("/run/lock").mkdir()
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    _wait_until(lambda: Path("/proc/net/route").read_text().find(DEVICE) >= 0)


def _network(pid: int) -> str:
    return str(Path(f"/proc/{pid}/ns/net").readlink())


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the namespaces did not come about")
        time.sleep(0.02)
