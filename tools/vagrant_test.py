"""Do with Vagrant what the Vagrantfile says, in a box made here of Debian packages: `make vagrant-test`, as root.

libvirt and all it starts run apart (tools.apart); the box stays in build/vagrant for the next time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pyinsmod import __version__
from tools.apart import furnish, run_apart
from vm.accelerator import ACCELERATOR_VARIABLE, usable_accelerator
from vm.catalogue import default_kernel
from vm.kernel_store import fetch

ROOT = Path(__file__).parents[1]
PLACE = ROOT / "build/vagrant"
BOX = PLACE / "pyinsmod.box"
MADE_OF = (*(ROOT / "vm/box").iterdir(), ROOT / "vm/catalogue.py", ROOT / "vm/guest/packages")
# One for each of the verdicts the document has.
CLAIMS = ("step-1-shell", "step-2-call", "failure-vermagic")
# Ours alone in these namespaces: there is nobody to protect QEMU's files from.
QEMU_CONFIGURATION = """
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
namespaces = []
stdio_handler = "file"
"""
LIBVIRT_CONFIGURATION = 'auth_unix_rw = "none"\nunix_sock_group = "root"\n'
DUMMY = "$(find /lib/modules/$(uname -r) -name 'dummy.ko*')"
PATIENCE = 60.0  # seconds until libvirt answers


def main() -> int:
    """Make what is needed, then do the round in namespaces of its own; 0, or 1 when a step failed."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.vagrant_test", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--all-claims", action="store_true", help="the whole document: half an hour, emulated")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        return inside(options.inside, () if options.all_claims else CLAIMS)
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # and leave nothing then, either
    PLACE.mkdir(parents=True, exist_ok=True)
    if not BOX.exists() or BOX.stat().st_mtime < max(path.stat().st_mtime for path in MADE_OF):
        with timed("box"):
            subprocess.run([sys.executable, "-m", "vm.box", BOX], check=True, cwd=ROOT)
    with tempfile.TemporaryDirectory(prefix="round.", dir=PLACE) as folder:
        with timed("sources and packages"):
            unpack_sources(Path(folder))
        os.environ[ACCELERATOR_VARIABLE] = asyncio.run(usable_accelerator(fetch(default_kernel())))
        return run_apart([sys.executable, "-m", "tools.vagrant_test", *sys.argv[1:], "--inside", folder])


class StepFailed(Exception):
    """A step of the round did not do what it is there for; the text is what it said instead."""


class Vagrant:
    """`vagrant`, with all that it keeps in one folder."""

    def __init__(self, folder: Path) -> None:
        self._environment = {
            **os.environ,
            "HOME": str(folder),
            "VAGRANT_HOME": str(folder / "vagrant.d"),
            "VAGRANT_CWD": str(folder / "tree"),
            "VAGRANT_DEFAULT_PROVIDER": "libvirt",
            "VAGRANT_CHECKPOINT_DISABLE": "1",
            "PYINSMOD_BOX": "pyinsmod",
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": "/vagrant/wheels",
        }

    def __call__(self, *arguments: str, statuses: tuple[int, ...] = (0,)) -> str:
        """Run it; return what it said on stdout, or raise StepFailed."""
        done = subprocess.run(
            ["vagrant", *arguments],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode not in statuses:
            raise StepFailed(f"vagrant {' '.join(arguments)}: status {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def ssh(self, command: str, statuses: tuple[int, ...] = (0,)) -> str:
        """Run a command in the machine; return what it said on stdout."""
        return self("ssh", "--no-tty", "-c", command, statuses=statuses)


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Say what is done, and afterwards how long it took."""
    print(f"{what} …", flush=True)
    start = time.monotonic()
    yield
    print(f"{what}: {time.monotonic() - start:.0f} s", flush=True)


def unpack_sources(folder: Path) -> None:
    """Put into `folder/tree` what a user would have, and beside it the packages it needs as this host's pip finds them.

    So the machine needs no package index, and this host's proxies and certificates are none of its business.
    """
    build = (sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(folder))
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    subprocess.run(["tar", "xzf", f"pyinsmod-{__version__}.tar.gz"], cwd=folder, check=True)
    tree = folder / "tree"
    (folder / f"pyinsmod-{__version__}").rename(tree)
    pip = (sys.executable, "-m", "pip", "download", "-qq", "--disable-pip-version-check", "-d", str(tree / "wheels"))
    subprocess.run([*pip, str(tree), "hatchling"], check=True)


def inside(folder: Path, claims: Sequence[str]) -> int:
    """Start libvirt, do the round, and end: what was started ends with these namespaces.

    Args:
        folder: see `unpack_sources`.
        claims: those that are held against the machine's kernel; none for all of them.
    """
    furnish(folder)
    shutil.copytree("/usr/share/libvirt/networks", "/etc/libvirt/qemu/networks", dirs_exist_ok=True)
    Path("/etc/libvirt/qemu.conf").write_text(QEMU_CONFIGURATION)
    Path("/etc/libvirt/libvirtd.conf").write_text(LIBVIRT_CONFIGURATION)
    with (folder / "libvirtd.log").open("w") as log:
        daemon = subprocess.Popen(["libvirtd"], stdout=log, stderr=log)
        try:
            wait_for_libvirt()
            return the_round(Vagrant(folder), claims)
        finally:
            daemon.terminate()
            daemon.wait()


def wait_for_libvirt() -> None:
    """Return when libvirt answers, whose networks are then there; raise StepFailed if it does not."""
    deadline = time.monotonic() + PATIENCE
    while subprocess.run(["virsh", "-q", "net-list"], capture_output=True, check=False).returncode:
        if time.monotonic() > deadline:
            raise StepFailed("libvirtd does not answer")
        time.sleep(0.2)


def the_round(vagrant: Vagrant, claims: Sequence[str]) -> int:
    """Do what the Vagrantfile names, one after the other; return 1 when a step failed, the machine being gone then."""
    try:
        vagrant("box", "add", "--name", "pyinsmod", str(BOX))
        try:
            for name, step in STEPS.items():
                with timed(f"vagrant {name}"):
                    step(vagrant)
            with timed("vagrant ssh -c 'sudo pyinsmod validate --here'"):
                validate(vagrant, claims)
        finally:
            with timed("vagrant destroy"):
                destroy(vagrant)
    except StepFailed as failure:
        print(failure, file=sys.stderr)
        return 1
    return 0


def up(vagrant: Vagrant) -> None:
    """The machine starts, is provisioned, and lets us in."""
    vagrant("up")


def load(vagrant: Vagrant) -> None:
    """A module of the box's kernel is loaded, and is there."""
    vagrant.ssh(f"sudo pyinsmod {DUMMY}")
    if "dummy" not in vagrant.ssh("cat /proc/modules"):
        raise StepFailed("pyinsmod loaded nothing")
    vagrant.ssh("sudo pyinsmod unload dummy")


def trace(vagrant: Vagrant) -> None:
    """The system's own insmod is seen to load it."""
    shown = vagrant.ssh(f"sudo pyinsmod trace -- insmod {DUMMY} 2>&1 && sudo rmmod dummy")
    if not re.search(r"finit_module\(\d+, \"\", 0\) += 0", shown):
        raise StepFailed(f"no module was loaded in this trace:\n{shown}")


def validate(vagrant: Vagrant, claims: Sequence[str]) -> None:
    """The document is held against the box's kernel."""
    few = " ".join(["--loader kmod", *(f"--claim {claim}" for claim in claims)]) if claims else ""
    report = json.loads(vagrant.ssh(f"sudo pyinsmod validate --here {few} --json -", statuses=(0, 1)))
    verdicts = Counter(claim["verdict"] for claim in report["claims"])
    print(", ".join(f"{count} {verdict}" for verdict, count in verdicts.most_common()))
    if verdicts["harness-broke"] or not verdicts["confirmed"] or not verdicts["contradicted"]:
        raise StepFailed(f"the document was not measured: {dict(verdicts)}")


def destroy(vagrant: Vagrant) -> None:
    """The machine is no more."""
    vagrant("destroy", "--force")
    left = subprocess.run(["virsh", "-q", "list", "--all"], capture_output=True, text=True, check=True).stdout
    if left.strip():
        raise StepFailed(f"left after vagrant destroy: {left}")


STEPS = {
    "up": up,
    "ssh -c 'sudo pyinsmod …'": load,
    "ssh -c 'sudo pyinsmod trace -- insmod …'": trace,
}


if __name__ == "__main__":
    sys.exit(main())
