"""Remove one module: delete_module(2), and why it was refused."""

from __future__ import annotations

import os
from typing import NamedTuple

from pyinsmod import module_syscalls
from pyinsmod.errors import SystemCallFailed, errno_name
from pyinsmod.explanation import Explanation
from pyinsmod.kernel_facts import KernelPaths, LoadedModule, caller_may_load
from pyinsmod.kernel_facts.files import is_folder
from pyinsmod.kernel_facts.running import loaded_modules, modules_disabled


class UnloadOutcome(NamedTuple):
    """What became of it: `errno` and `explanation` are None when the module was removed."""

    module: str
    errno: str | None = None
    explanation: Explanation | None = None

    def to_json(self) -> dict[str, object]:
        """Return the one object that `--json` prints."""
        return {
            "schema": 1,
            "module": self.module,
            "outcome": "refused" if self.errno else "unloaded",
            "errno": self.errno,
            "cause": self.explanation.cause if self.explanation else None,
            "remedy": self.explanation.remedy if self.explanation else None,
        }


def unload(name: str, paths: KernelPaths | None = None) -> UnloadOutcome:
    """Remove a module by its name or by the name of its file, without waiting for users to go."""
    paths = paths or KernelPaths()
    module = module_name(name)
    before = (loaded_modules(paths).value or {}).get(module)
    try:
        module_syscalls.delete_module(module, os.O_NONBLOCK)
    except SystemCallFailed as failure:
        errno = errno_name(failure.errno)
        return UnloadOutcome(module, errno, _explain(errno, module, before, paths))
    return UnloadOutcome(module)


def module_name(name: str) -> str:
    """Return the name the kernel knows: `/x/snd-hda.ko.xz` is `snd_hda`."""
    return name.rpartition("/")[2].partition(".ko")[0].replace("-", "_")


def _explain(errno: str, module: str, before: LoadedModule | None, paths: KernelPaths) -> Explanation:
    """Word what `delete_module` (kernel/module/main.c) means by its answers, of which it writes no log."""
    if errno == "EPERM":
        return _not_permitted(module, paths)
    if errno == "ENOENT":
        if is_folder(f"{paths.sys_module}/{module}"):
            return Explanation(f"'{module}' is built into the kernel and cannot be removed")
        return Explanation(f"no module named '{module}' is loaded", "lsmod lists those that are")
    if errno == "EAGAIN":
        return _in_use(module, before)
    if errno == "EBUSY":
        return Explanation(
            f"'{module}' has no exit function, or is just being loaded or removed",
            f"grep '^{module} ' /proc/modules",
        )
    if errno == "ENOSYS":
        return Explanation("this kernel was built without loadable modules, or without CONFIG_MODULE_UNLOAD")
    return Explanation(f"the kernel answered {errno}")


def _not_permitted(module: str, paths: KernelPaths) -> Explanation:
    may = caller_may_load(paths)
    if may.value is False:
        return Explanation(f"no permission to remove modules: {may.source}", f"sudo pyinsmod unload {module}")
    if modules_disabled(paths).value:
        return Explanation(
            "modules can be neither loaded nor removed until the next boot (kernel.modules_disabled is 1)",
            "reboot without setting it (look in /etc/sysctl.d and for 'nomodule' in /proc/cmdline)",
        )
    return Explanation("no permission to remove modules: a security module forbids it", "cat /sys/kernel/security/lsm")


def _in_use(module: str, before: LoadedModule | None) -> Explanation:
    """EWOULDBLOCK: other modules depend on it, or its reference count is not zero."""
    if before and before.used_by:
        users = ", ".join(before.used_by)
        return Explanation(
            f"'{module}' is used by other modules: {users}",
            f"remove them first: pyinsmod unload {before.used_by[0]}",
        )
    count = f" (reference count {before.references})" if before else ""
    return Explanation(
        f"'{module}' is in use{count}: by an open device, a mount, a socket or a network interface",
        f"find out by whom, and end that: lsof; findmnt -t {module}; ip -d link",
    )
