"""The loaders people use, as an experiment needs to know them. Data only; a new loader is a new row."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Loader:
    """A program that loads a module file in the guest.

    Attributes:
        program: what /usr/sbin/insmod (or whatever `command` names) is a link to.
        version: shell command whose first line of output names the version.
        insist: arguments that make it ask the kernel although it predicts a refusal.
        command: what the traced shell calls it.
        by_name: it is given the module's name, and finds the file in the kernel's module folder: the experiment's
            files are then all that is in there.
    """

    program: str
    version: str
    insist: tuple[str, ...] = ()
    command: str = "insmod"
    by_name: bool = False

    @property
    def installed_as(self) -> str:
        """Where the traced shell finds it."""
        return f"/usr/sbin/{self.command}"


LOADERS = {
    "kmod": Loader("/usr/bin/kmod", "insmod --version"),
    "kmod-28": Loader("/opt/kmod-28/bin/insmod", "insmod --version"),
    "kmod-34": Loader("/opt/kmod-34/bin/insmod", "insmod --version"),
    "busybox": Loader("/usr/bin/busybox", "busybox"),
    "toybox": Loader("/usr/bin/toybox", "toybox --version"),
    "modprobe": Loader("/usr/bin/kmod", "modprobe --version", command="modprobe", by_name=True),
    "pyinsmod": Loader("/usr/bin/pyinsmod", "pyinsmod --version", insist=("--anyway",)),
}

#: Shell commands that make the experiment's folder the kernel's module folder, indexed by depmod. A damaged
#: module is left to the loader; depmod's complaint about it is not wanted here.
MODULE_FOLDER = (
    "mkdir -p /run/tree/lib/modules/$(uname -r)",
    "cp /root/*.ko* /run/tree/lib/modules/$(uname -r)",
    "depmod -b /run/tree 2>/dev/null || true",
    "mount --bind /run/tree/lib/modules /usr/lib/modules",
)
