"""May this process load modules at all? What `may_init_module` (kernel/module/main.c) asks about the caller."""

from __future__ import annotations

import os

from pyinsmod.elf_format import text
from pyinsmod.kernel_facts.facts import Fact, unknown
from pyinsmod.kernel_facts.files import read
from pyinsmod.kernel_facts.paths import KernelPaths
from pyinsmod.kernel_facts.policies import policies_in_force
from pyinsmod.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from pyinsmod.load_request import LoadRequest

CAP_SYS_MODULE = 16

# PROC_USER_INIT_INO (include/linux/proc_ns.h), the initial user namespace; others do not count.
INITIAL_USER_NAMESPACE = "user:[4026531837]"

NO_CAPABILITY = "this process lacks CAP_SYS_MODULE (CapEff of /proc/self/status)"
NOT_IN_BOUNDING_SET = (
    "this process lacks CAP_SYS_MODULE and cannot get it: its bounding set lacks it, too (CapBnd of /proc/self/status;"
    " a container, or a service with CapabilityBoundingSet=)"
)
ONLY_IN_NAMESPACE = "this process has CAP_SYS_MODULE only inside a user namespace (a container)"

_REMEDIES = {
    NO_CAPABILITY: "run it as root of the machine itself: sudo pyinsmod FILE",
    NOT_IN_BOUNDING_SET: "run it outside the container, on the machine itself (docker: --cap-add SYS_MODULE)",
    ONLY_IN_NAMESPACE: "run it outside the container, as root of the machine itself: sudo pyinsmod FILE",
}


def caller_may_load(paths: KernelPaths | None = None) -> Fact[bool]:
    """Tell whether this process may call finit_module: CAP_SYS_MODULE in the initial user namespace.

    `capable()` asks for the initial one: root of a container's namespace is refused.
    """
    paths = paths or KernelPaths()
    status = read(f"{paths.proc}/self/status")
    effective, bounding = (_capabilities(status.value or b"", name) for name in (b"CapEff", b"CapBnd"))
    if effective is None:
        return unknown(status.source)
    if not effective >> CAP_SYS_MODULE & 1:
        reachable = bounding is None or bounding >> CAP_SYS_MODULE & 1
        return Fact(False, NO_CAPABILITY if reachable else NOT_IN_BOUNDING_SET)
    if _user_namespace(paths) != INITIAL_USER_NAMESPACE:
        return Fact(False, ONLY_IN_NAMESPACE)
    return Fact(True, "CapEff of /proc/self/status")


def asked_by_this_process(request: LoadRequest, paths: KernelPaths, descriptor: int) -> LoadRequest:
    """Return the request with what this process may do, and which policies may refuse it the file of a descriptor."""
    policies = policies_in_force(paths, None if request.by_memory else descriptor)
    return request._replace(caller_may_load=caller_may_load(paths), policies=policies)


def remedy_for(reason: str) -> str:
    """Return what to do about a reason why the caller may not load, which is the source of that fact."""
    return _REMEDIES.get(reason, _REMEDIES[NO_CAPABILITY])


def _capabilities(status: bytes, name: bytes) -> int | None:
    """Return a set of /proc/self/status (proc(5)), written in hexadecimal."""
    value = (b"\n" + status).partition(b"\n%s:\t" % name)[2].partition(b"\n")[0]
    try:
        return int(text(value), 16)
    except ValueError:
        return None


def _user_namespace(paths: KernelPaths) -> str:
    try:
        return os.readlink(f"{paths.proc}/self/ns/user")  # noqa: PTH115 - see paths.py
    except OSError:
        return INITIAL_USER_NAMESPACE  # a kernel without user namespaces
