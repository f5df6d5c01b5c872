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
        tools: folder or program that the other commands of an experiment's script come from, and their names.
    """

    program: str
    version: str
    insist: tuple[str, ...] = ()
    command: str = "insmod"
    by_name: bool = False
    tools: tuple[str, tuple[str, ...]] = ("", ())

    @property
    def installed_as(self) -> str:
        """Where the traced shell finds it."""
        return f"/usr/sbin/{self.command}"


_OTHERS = ("rmmod", "modprobe", "modinfo", "depmod")
LOADERS = {
    "kmod": Loader("/usr/bin/kmod", "insmod --version"),
    "kmod-28": Loader("/opt/kmod-28/bin/insmod", "insmod --version", tools=("/opt/kmod-28/bin/", _OTHERS)),
    "kmod-34": Loader("/opt/kmod-34/bin/insmod", "insmod --version", tools=("/opt/kmod-34/bin/", _OTHERS)),
    "busybox": Loader("/usr/bin/busybox", "busybox", tools=("/usr/bin/busybox", (*_OTHERS, "lsmod"))),
    "busybox-1.37": Loader(
        "/opt/busybox-1.37/bin/insmod",
        "/opt/busybox-1.37/bin/busybox",
        tools=("/opt/busybox-1.37/bin/", (*_OTHERS, "lsmod")),
    ),
    "toybox": Loader("/usr/bin/toybox", "toybox --version", tools=("/usr/bin/toybox", ("rmmod", "modinfo", "lsmod"))),
    "modprobe": Loader("/usr/bin/kmod", "modprobe --version", command="modprobe", by_name=True),
    "pyinsmod": Loader("/usr/bin/pyinsmod", "pyinsmod --version", insist=("--anyway",)),
}

#: A shell command that makes the experiment's folder the kernel's module folder, indexed by depmod. A damaged
#: module is left to the loader; depmod's complaint about it is not wanted here.
MODULE_FOLDER = (
    "folder=/run/tree/lib/modules/$(uname -r) && mkdir -p $folder"
    " && { cp /root/*.ko* $folder; depmod -b /run/tree; true; } 2>/dev/null"
    " && mount --bind /run/tree/lib/modules /usr/lib/modules"
)
