"""The kernels and the userland this project knows by name. Data only; adding a kernel is adding a row."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class KernelSource:
    """Where a kernel of the catalogue comes from.

    Attributes:
        suite: the Debian suite that carries it.
        package: the metapackage whose dependency is the newest such kernel.
    """

    suite: str
    package: str


KERNELS = {
    "5.10": KernelSource("bullseye", "linux-image-cloud-amd64"),
    "6.1": KernelSource("bookworm", "linux-image-cloud-amd64"),
    "6.1-rt": KernelSource("bookworm", "linux-image-rt-amd64"),
    "6.12": KernelSource("trixie", "linux-image-cloud-amd64"),
    "7.2": KernelSource("sid", "linux-image-cloud-amd64"),
    # A release candidate, as a rule: what will break next is seen here first.
    "newest": KernelSource("experimental", "linux-image-cloud-amd64"),
}

# One userland for every kernel, so that what differs between two runs is the kernel.
USERLAND_SUITE = "bookworm"
USERLAND_PACKAGES = ("busybox-static", "dash", "kmod", "libc-bin", "python3", "strace", "toybox")


@dataclass(frozen=True)
class ForeignProgram:
    """A program of another suite, in the userland beside its own version, with the libraries it was built for.

    Attributes:
        suite: the Debian suite that carries it.
        packages: its package, and those of libraries it merely opens.
        path: where the package has it.
        names: what it is called by; each becomes a command below /opt/NAME/bin.
        opens: libraries it opens when it needs them, beside those it is linked with.
    """

    suite: str
    packages: tuple[str, ...]
    path: str
    names: tuple[str, ...]
    opens: tuple[str, ...] = ()


KMOD = ("insmod", "rmmod", "modprobe", "modinfo", "depmod")
FOREIGN_PROGRAMS = {
    "kmod-28": ForeignProgram("bullseye", ("kmod",), "bin/kmod", KMOD),
    "kmod-34": ForeignProgram("trixie", ("kmod", "liblzma5"), "bin/kmod", KMOD, opens=("liblzma.so.5",)),
}
