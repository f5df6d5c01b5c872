"""Can the module get its directory /sys/module/NAME? `mod_sysfs_init`, after relocation and parameters.

It is taken without a module of that name being loaded when code built into the kernel has it.
"""

from __future__ import annotations

from pyinsmod.checks.special_sections import stray_parameter_names
from pyinsmod.finding import Finding
from pyinsmod.kernel_facts.facts import KernelFacts
from pyinsmod.lean import Iterator
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage

NAME, STEP = "sysfs-name", 11


def check_sysfs_name(image: ModuleImage, facts: KernelFacts, request: LoadRequest) -> Iterator[Finding]:
    """Yield EINVAL when a built-in module has the name, and when the name inside struct module is empty.

    The files of its parameters come next, and with them their names if nobody has read them before.
    """
    name, taken, loaded = image.struct_name, facts.sysfs_modules.value, facts.loaded.value
    if name == "":
        yield _nameless(image)
    elif name is not None and taken is not None and loaded is not None and name in taken and name not in loaded:
        yield _built_in(name)
    if not request.parameters:
        yield from stray_parameter_names(image, facts, NAME, STEP)


def _built_in(name: str) -> Finding:
    return Finding(
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


def _nameless(image: ModuleImage) -> Finding:
    """`kobject_add_internal` warns with a call trace, and refuses."""
    called = image.modinfo_value("name")
    return Finding(
        NAME,
        STEP,
        "refuses",
        "the module has no name: the one inside struct module is empty"
        + (f" (.modinfo calls it '{called}')" if called else ""),
        errno="EINVAL",
        module_has="''",
        kernel_has="wants a name for its directory below /sys/module",
        remedy="build it again: modpost writes the name there",
        log="attempted to be registered with empty name!",
    )
