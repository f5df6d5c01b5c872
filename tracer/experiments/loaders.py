"""The loaders people use, as an experiment needs to know them. Data only; a new loader is a new row."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Loader:
    """A program that is installed as `insmod` in the guest.

    Attributes:
        program: what /usr/sbin/insmod is a link to.
        version: shell command whose first line of output names the version.
        insist: arguments that make it ask the kernel although it predicts a refusal.
    """

    program: str
    version: str
    insist: tuple[str, ...] = ()


LOADERS = {
    "kmod": Loader("/usr/bin/kmod", "insmod --version"),
    "busybox": Loader("/usr/bin/busybox", "busybox"),
    "pyinsmod": Loader("/usr/bin/pyinsmod", "pyinsmod --version", insist=("--anyway",)),
}
INSTALLED_AS = "/usr/sbin/insmod"
