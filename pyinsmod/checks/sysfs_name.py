"""Is the directory /sys/module/NAME free? `mod_sysfs_init`, after relocation and parameters.

It is taken without a module of that name being loaded when code built into the kernel has it.
"""

from __future__ import annotations

from collections.abc import Iterator

from pyinsmod.finding import Finding
from pyinsmod.kernel_facts.facts import KernelFacts
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage

NAME, STEP = "sysfs-name", 11


def check_sysfs_name(image: ModuleImage, facts: KernelFacts, _request: LoadRequest) -> Iterator[Finding]:
    """Yield EINVAL when a built-in module has the name."""
    name, taken, loaded = image.struct_name, facts.sysfs_modules.value, facts.loaded.value
    if name is None or taken is None or loaded is None or name in loaded or name not in taken:
        return
    yield Finding(
        NAME,
        STEP,
        "refuses",
        f"'{name}' is built into this kernel: /sys/module/{name} is there without a loaded module",
        errno="EINVAL",
        module_has=name,
        kernel_has=f"/sys/module/{name} of built-in code",
        remedy=f"nothing to load: the kernel has it; its parameters: ls /sys/module/{name}/parameters",
        log=f"{name}: module is already loaded",
    )
