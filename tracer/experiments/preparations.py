"""Preparations by name: what claims say must be the case before the loader is called. Data; a new one is a new row.

Commands run untraced as root, in the folder with the experiment's files, and must succeed. `$FILE` stands for the
experiment's module file, `$ARGUMENT` for what is behind the colon of the preparation's name.
"""

from __future__ import annotations

from dataclasses import dataclass

from tracer.experiments.guest.become import CAPABILITIES

BECOME = "become.py"


@dataclass(frozen=True)
class Preparation:
    """One named preparation.

    Attributes:
        about: what is then the case.
        argument: what stands behind the colon, in capitals; none if empty.
        commands: shell commands.
        prefix: words before the traced command.
        lasting: nothing takes it back before the next boot.
    """

    about: str
    argument: str = ""
    commands: tuple[str, ...] = ()
    prefix: tuple[str, ...] = ()
    lasting: bool = False


PREPARATIONS = {
    "module-loaded": Preparation("the module is loaded already", commands=("busybox insmod $FILE",)),
    "module-loading": Preparation(
        "another process is loading the module: give its init function a sleep",
        commands=(
            "busybox insmod $FILE >/dev/null 2>&1 & until grep -q Loading /proc/modules; do kill -0 $! || exit 1; done",
        ),
    ),
    "other-loaded": Preparation("another file's module is loaded", "FILE", ("busybox insmod $ARGUMENT",)),
    "signatures-enforced": Preparation(
        "the kernel wants signed modules only (sig_enforce)",
        commands=("echo Y > /sys/module/module/parameters/sig_enforce",),
        lasting=True,
    ),
    "modules-disabled": Preparation(
        "loading and removing is switched off until the next boot",
        commands=("echo 1 > /proc/sys/kernel/modules_disabled",),
        lasting=True,
    ),
    "without-capability": Preparation(
        "root without one capability, such as sys_module",
        "NAME",
        prefix=("python3", BECOME, "without:$ARGUMENT"),
    ),
    "ordinary-user": Preparation(
        "a user without privileges, who can read the files",
        commands=("chmod 755 .",),
        prefix=("python3", BECOME, "user:1000"),
    ),
    "memory-limited": Preparation(
        "the command's address space is limited to so many KiB",
        "KIB",
        prefix=("sh", "-c", 'ulimit -v $ARGUMENT; exec "$@"', "sh"),
    ),
    "file-unreadable": Preparation("nobody but root may read the file", commands=("chmod 0 $FILE",)),
    "file-missing": Preparation("there is no such file", commands=("rm $FILE",)),
    "file-is-folder": Preparation("a folder has the file's name", commands=("rm $FILE", "mkdir $FILE")),
    "file-empty": Preparation("the file is empty", commands=(": > $FILE",)),
    "file-open-for-writing": Preparation(
        "another process has the file open for writing", commands=("sleep 1000 3<>$FILE >/dev/null 2>&1 &",)
    ),
    "folder-read-only": Preparation(
        "the folder of the files is mounted read-only",
        commands=("mount --bind . . && mount -o remount,ro,bind .",),
    ),
}


def problem_of(name: str) -> str | None:
    """Say what is wrong with the name of a preparation; None when there is one."""
    kind, _, argument = name.partition(":")
    found = PREPARATIONS.get(kind)
    if found is None:
        return f"unknown preparation '{kind}'; there are {', '.join(PREPARATIONS)}"
    if bool(argument) != bool(found.argument):
        return (
            f"preparation '{kind}' wants {kind}:{found.argument}" if found.argument else f"'{kind}' takes no argument"
        )
    if kind == "without-capability" and argument not in CAPABILITIES:
        return f"unknown capability '{argument}'; there are {', '.join(CAPABILITIES)}"
    return None


def commands_of(name: str, file: str) -> list[str]:
    """Return a preparation's shell commands for an experiment with that module file."""
    kind, _, argument = name.partition(":")
    return [_filled(command, file, argument) for command in PREPARATIONS[kind].commands]


def prefix_of(name: str, file: str) -> list[str]:
    """Return the words a preparation puts before the traced command."""
    kind, _, argument = name.partition(":")
    return [_filled(word, file, argument) for word in PREPARATIONS[kind].prefix]


def is_lasting(name: str) -> bool:
    """Tell whether only a boot takes a preparation back."""
    return PREPARATIONS[name.partition(":")[0]].lasting


def _filled(text: str, file: str, argument: str) -> str:
    return text.replace("$FILE", file).replace("$ARGUMENT", argument)
