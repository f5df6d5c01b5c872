"""The kernels and the userland this project knows by name. Data only; adding a kernel is adding a row."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vm.architectures import ARCHITECTURES, Architecture, native


@dataclass(frozen=True)
class KernelSource:
    """Where a kernel of the catalogue comes from.

    Attributes:
        suite: the Debian suite that carries it.
        package: the metapackage whose dependency is the newest such kernel.
        architecture: what it runs on, a name of vm.architectures.
    """

    suite: str
    package: str
    architecture: str = "x86_64"


KERNELS = {
    "5.10": KernelSource("bullseye", "linux-image-cloud-amd64"),
    "6.1": KernelSource("bookworm", "linux-image-cloud-amd64"),
    "6.1-rt": KernelSource("bookworm", "linux-image-rt-amd64"),
    "6.12": KernelSource("trixie", "linux-image-cloud-amd64"),
    "7.2": KernelSource("sid", "linux-image-cloud-amd64"),
    # A release candidate, as a rule: what will break next is seen here first.
    "newest": KernelSource("experimental", "linux-image-cloud-amd64"),
    "5.10-arm64": KernelSource("bullseye", "linux-image-cloud-arm64", "aarch64"),
    "6.1-arm64": KernelSource("bookworm", "linux-image-cloud-arm64", "aarch64"),
    "6.12-arm64": KernelSource("trixie", "linux-image-cloud-arm64", "aarch64"),
    "7.2-arm64": KernelSource("sid", "linux-image-cloud-arm64", "aarch64"),
    "6.12-riscv64": KernelSource("trixie", "linux-image-riscv64", "riscv64"),
}


def native_kernels() -> list[str]:
    """Return the kernels that `all` means: this host's own architecture; of a host that has none, those of x86-64."""
    machine = native() if native() in ARCHITECTURES else "x86_64"
    return [name for name, source in KERNELS.items() if source.architecture == machine]


def kernel_of_series(series: str, architecture: str) -> str | None:
    """Return the kernel of a series, `6.1` or `6.1-rt`, for an architecture."""
    for name in (series, f"{series}-{ARCHITECTURES[architecture].debian}"):
        if name in KERNELS and KERNELS[name].architecture == architecture:
            return name
    return None


# The kernel that is meant when nobody named one.
DEFAULT_SERIES = "6.1"


def default_kernel() -> str:
    """Return the kernel that is used when nobody names one: of this host's architecture, the oldest if it must be."""
    names = native_kernels()
    return next((name for name in names if name.partition("-")[0] == DEFAULT_SERIES), names[0])


# Debian's suites from the oldest on, as far as anything here is from one of them.
SUITES = ("bullseye", "bookworm", "trixie", "sid", "experimental")
# One userland for every kernel, so that what differs between two runs is the kernel.
USERLAND_SUITE = "bookworm"
# In a file of its own, which the shell reads, too: what vm/guest/provision adds to a machine that is there already.
USERLAND_PACKAGES = tuple((Path(__file__).parent / "guest/packages").read_text().split())


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
    "busybox-1.37": ForeignProgram("trixie", ("busybox",), "bin/busybox", ("busybox", *KMOD, "lsmod")),
}


def userland_suite(architecture: Architecture) -> str:
    """Return the suite the userland is from: one for all, or the first that has the architecture."""
    return max(USERLAND_SUITE, architecture.since, key=SUITES.index)


def foreign_programs(architecture: Architecture) -> dict[str, ForeignProgram]:
    """Return the programs of other suites that the userland of an architecture has."""
    oldest = SUITES.index(architecture.since)
    return {name: one for name, one in FOREIGN_PROGRAMS.items() if SUITES.index(one.suite) >= oldest}
