"""Build a Vagrant box from Debian packages: `python -m vm.box FILE`; needs mmdebstrap, and what that needs to be root.

The userland has the packages of the disposable guests, and what makes a system that starts by itself and lets Vagrant
in; the kernel is the one that is meant when nobody names one. Packages come from the archive that this host's apt uses.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from vm.archive import KEYRING, debian_mirror
from vm.catalogue import KERNELS, USERLAND_PACKAGES, USERLAND_SUITE, default_kernel
from vm.errors import MissingTool, VmError

PARTS = Path(__file__).parent
# A system that starts, can be reached, has its files brought by rsync, and the programs vm/guest/provision adds.
PACKAGES = (
    *("systemd-sysv", "dbus", "udev", "ifupdown", "isc-dhcp-client", "openssh-server", "sudo", "rsync"),
    *("initramfs-tools", "binutils", "ca-certificates", "make", "python3-pip", "python3-venv", "xz-utils", "zstd"),
)
DISK_GIB = 4
TOOLS = {"mmdebstrap": "mmdebstrap", "mke2fs": "e2fsprogs", "qemu-img": "qemu-utils"}


def main() -> int:
    """Build the box; 0, or 1 and one line that says why not."""
    parser = argparse.ArgumentParser(prog="python -m vm.box", description="Build a Vagrant box from Debian packages.")
    parser.add_argument("box", type=Path, metavar="FILE", help="the box, to be made or replaced")
    target = parser.parse_args().box.absolute()
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix=".box.", dir=target.parent) as scratch:
            build(target, Path(scratch))
    except VmError as failure:
        sys.stderr.write(f"vm.box: {failure}\n")
        return 1
    return 0


def build(target: Path, scratch: Path) -> None:
    """Write the box, with a scratch folder beside it.

    Raises:
        MissingTool: a program is not there, or fails.
        ArchiveUnreachable: this host's apt knows no archive.
    """
    absent = [package for program, package in TOOLS.items() if not shutil.which(program, path=_path())]
    if absent:
        raise MissingTool(f"a box is made with programs this host lacks: sudo apt-get install {' '.join(absent)}")
    run(*system(scratch))
    run("qemu-img", "convert", "-O", "qcow2", str(scratch / "disk"), str(scratch / "box.img"))
    about = {"provider": "libvirt", "format": "qcow2", "virtual_size": DISK_GIB}
    (scratch / "metadata.json").write_text(json.dumps(about))
    shutil.copy(PARTS / "Vagrantfile", scratch)
    whole = scratch / "whole"
    with tarfile.open(whole, "w") as box:
        for name in ("metadata.json", "Vagrantfile", "vmlinuz", "initrd.img", "box.img"):
            box.add(scratch / name, name)
    whole.rename(target)


def system(scratch: Path) -> list[str]:
    """Return the command that makes the system as a disk in the scratch folder, its kernel beside it.

    The disk is written where the files' owners are those that the system is to see, so nobody has to be root.
    """
    disk = scratch / "disk"
    packages = (*USERLAND_PACKAGES, *PACKAGES, KERNELS[default_kernel()].package)
    return [
        *("mmdebstrap", "--quiet", "--variant=minbase", "--format=null", f"--keyring={KEYRING}"),
        f"--include={','.join(packages)}",
        "--aptopt=Acquire::Check-Valid-Until false",
        f'--essential-hook=sh "{PARTS}/prepare" "$1"',
        f'--customize-hook=sh "{PARTS}/finish" "$1" "{PARTS}/vagrant.pub"',
        f'--customize-hook=cp "$1"/boot/vmlinuz-* "{scratch}/vmlinuz"',
        f'--customize-hook=cp "$1"/boot/initrd.img-* "{scratch}/initrd.img"',
        f'--customize-hook=unshare --mount sh "{PARTS}/disk" "$1" "{disk}" {DISK_GIB}G',
        *(USERLAND_SUITE, "-", debian_mirror()),
    ]


def run(*command: str) -> None:
    """Run a program; raise MissingTool with its last words if it fails."""
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": _path(), "LC_ALL": "C.UTF-8"},
    )
    if done.returncode:
        words = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()] or ["no reason given"]
        raise MissingTool(f"{command[0]} failed: {' | '.join(words[-3:])}")


def _path() -> str:
    """Return where programs are looked for: those of /sbin are not on an ordinary user's PATH."""
    return f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"


if __name__ == "__main__":
    sys.exit(main())
