"""May this process load modules, and may anyone? `may_init_module`, the first thing both system calls do."""

from __future__ import annotations

from pyinsmod.finding import Finding
from pyinsmod.kernel_facts.facts import KernelFacts
from pyinsmod.lean import Iterator
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage

NAME, STEP = "permission", 5


def check_permission(_image: ModuleImage, facts: KernelFacts, request: LoadRequest) -> Iterator[Finding]:
    """Yield EPERM for a missing capability, and for sysctl kernel.modules_disabled."""
    if request.caller_may_load.value is False:
        from pyinsmod.kernel_facts.privileges import remedy_for

        yield Finding(
            NAME,
            STEP,
            "refuses",
            f"no permission to load modules: {request.caller_may_load.source}",
            errno="EPERM",
            kernel_has="needs CAP_SYS_MODULE in the initial user namespace",
            remedy=remedy_for(request.caller_may_load.source),
        )
    if facts.modules_disabled.value:
        yield Finding(
            NAME,
            STEP,
            "refuses",
            "module loading is switched off until the next boot (kernel.modules_disabled is 1)",
            errno="EPERM",
            kernel_has=f"1 in {facts.modules_disabled.source}",
            remedy="reboot without setting it (look in /etc/sysctl.d and for 'nomodule' in /proc/cmdline)",
        )
