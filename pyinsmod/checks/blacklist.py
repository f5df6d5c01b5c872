"""Does the kernel's command line forbid the module? `blacklisted` (kernel/module/main.c), before its versions.

`module_blacklist=` names modules exactly, commas between them. What modprobe.d calls a blacklist is another thing,
of which the kernel knows nothing.
"""

from __future__ import annotations

from pyinsmod.finding import Finding
from pyinsmod.kernel_facts.facts import KernelFacts
from pyinsmod.lean import Iterator
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage
from pyinsmod.text import shortened

NAME, STEP = "blacklist", 7


def check_blacklist(image: ModuleImage, facts: KernelFacts, _request: LoadRequest) -> Iterator[Finding]:
    """Yield EPERM for a module that is named there. An unknown command line is taken for one without the word."""
    name = early_name(image)
    if name is None or name not in (facts.blacklist.value or ()):
        return
    yield Finding(
        NAME,
        STEP,
        "refuses",
        f"'{name}' is named in module_blacklist= of the kernel's command line",
        errno="EPERM",
        module_has=name,
        kernel_has=f"module_blacklist={','.join(sorted(facts.blacklist.value or ()))} ({facts.blacklist.source})",
        remedy="boot without it; this shows the line: cat /proc/cmdline",
        log=f"Module {name} is blacklisted",
    )


def early_name(image: ModuleImage) -> str | None:
    """Return the name the loader goes by until the module has memory of its own: `name=`, else struct module's."""
    named = image.modinfo_value("name")
    return image.struct_name if named is None else named


def name_in_log(image: ModuleImage) -> str:
    """Return that name as it stands in lines of the log, which have no room for a megabyte."""
    return shortened(early_name(image) or "")
